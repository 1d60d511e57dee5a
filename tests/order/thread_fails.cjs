// An error that nobody handles in a thread ends the thread with 1, and only it.
const { Worker, isMainThread } = require('worker_threads');
const { say } = require('./say.cjs');

if (isMainThread) {
	const worker = new Worker(__filename);
	worker.on('error', (error) => say('error: ' + error.message));
	worker.on('exit', (code) => {
		say('exit ' + code);
		setImmediate(say, 'and on');
	});
} else {
	setTimeout(() => { throw new Error('wanted'); }, 1);
	setTimeout(say, 1000, 'never');
}
