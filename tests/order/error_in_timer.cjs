// An error that nobody handles ends it with 1, and nothing more runs.
const { say, spin } = require('./say.cjs');

setTimeout(() => {
	process.nextTick(say, 'never');
	queueMicrotask(() => say('never'));
	say('timer');
	throw new Error('wanted');
}, 1);
setTimeout(say, 1, 'never');
setImmediate(say, 'never');
spin(10);
