// A thread that listens lives until it closes its port.
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { say } = require('./say.cjs');

if (isMainThread) {
	const worker = new Worker(__filename);
	worker.on('message', (message) => {
		say('answer ' + message);
		worker.postMessage(message);
	});
	worker.on('exit', (code) => say('exit ' + code));
	worker.postMessage('x');
} else {
	parentPort.on('message', (message) => {
		if (message === 'xxx')
			parentPort.close();
		else
			parentPort.postMessage(message + 'x');
	});
}
