// Messages of a thread come in their order, with the queues run between two, then its end. It ends when
// it is told to: what Node finds at the end of a thread it takes all at once.
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { say } = require('./say.cjs');

if (isMainThread) {
	const worker = new Worker(__filename);
	worker.on('message', (message) => {
		queueMicrotask(() => say('microtask ' + message));
		process.nextTick(say, 'tick ' + message);
		say('message ' + message);
		if (message === 'three')
			worker.postMessage('thanks');
	});
	worker.on('exit', (code) => say('exit ' + code));
	say('main');
} else {
	for (const message of ['one', 'two', 'three'])
		parentPort.postMessage(message);
	parentPort.once('message', () => {});
}
