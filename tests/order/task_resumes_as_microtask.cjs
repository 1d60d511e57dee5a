// It goes on as a microtask: those that it queues come before its ticks.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function task() {
	await sleep(1);
	say('slept');
	process.nextTick(say, 'tick');
	queueMicrotask(() => say('microtask'));
	await sleep(1);
	say('slept again');
}

task();
