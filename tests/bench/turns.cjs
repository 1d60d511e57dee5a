// turns: see turns.c; the same in Node.
'use strict';
const crypto = require('crypto');
const {Worker, isMainThread, parentPort} = require('worker_threads');

const ROUNDS = 2000000, FEW = 100000;

const report = (name, began, n) =>
	console.log(name.padEnd(16), (Number(process.hrtime.bigint() - began) / n).toFixed(1).padStart(10));

const again = (name, n, queue) => new Promise((resolve) => {
	let left = n;
	const began = process.hrtime.bigint();
	const step = () => {
		if (--left > 0)
			return queue(step);
		report(name, began, n);
		resolve();
	};
	queue(step);
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function immediates() {
	const began = process.hrtime.bigint();
	for (let i = 0; i < FEW; i++)
		setImmediate(() => {});
	await turn();
	report('immediate', began, FEW);
}

function timers() {
	const began = process.hrtime.bigint();
	for (let i = 0; i < ROUNDS; i++)
		clearTimeout(setTimeout(() => {}, 1 + i % 64));
	report('timer_set_clear', began, ROUNDS);
}

async function messages() {
	const worker = new Worker(__filename);
	let left = FEW, began;
	await new Promise((resolve) => {
		worker.on('message', (m) => {
			if (m === 'here')
				began = process.hrtime.bigint();
			else if (--left === 0)
				return resolve();
			worker.postMessage('ping');
		});
	});
	report('thread_message', began, FEW);
	await worker.terminate();
}

async function tasks() {
	const nothing = async () => 0;
	let began = process.hrtime.bigint();
	for (let i = 0; i < FEW; i++)
		await nothing();
	report('task_go_join', began, FEW);
	began = process.hrtime.bigint();
	for (let i = 0; i < FEW; i++)
		await turn();
	report('task_yield', began, FEW);
}

function bytes(count) {
	global.gc?.();
	const before = process.memoryUsage().rss;
	const all = [];
	for (let i = 0; i < count; i++)
		all.push((async () => new Promise((resolve) => setTimeout(resolve, 60000)))());
	setImmediate(() => {
		console.log(Math.round((process.memoryUsage().rss - before) / all.length));
		process.exit();
	});
}

async function main() {
	await again('next_tick', ROUNDS, process.nextTick);
	await again('microtask', ROUNDS, queueMicrotask);
	await again('turn', FEW, setImmediate);
	await immediates();
	timers();
	await again('offload', FEW, (step) => crypto.randomFill(Buffer.alloc(1), step));
	await messages();
	await tasks();
}

if (isMainThread && process.argv[2] === 'bytes') {
	bytes(+process.argv[3]);
} else if (isMainThread) {
	main();
} else {
	parentPort.on('message', (m) => parentPort.postMessage(m));
	parentPort.postMessage('here');
}
