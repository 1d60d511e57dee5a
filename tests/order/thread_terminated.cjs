// A thread that is terminated ends with 1, and runs nothing more.
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { say } = require('./say.cjs');

if (isMainThread) {
	const worker = new Worker(__filename);
	worker.once('message', (message) => {
		say(message);
		worker.terminate();
	});
	worker.on('exit', (code) => say('exit ' + code));
} else {
	setInterval(() => parentPort.postMessage('alive'), 1);
}
