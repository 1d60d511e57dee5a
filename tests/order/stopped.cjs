// Told to end with a code, it runs nothing more, not even ticks.
const { say } = require('./say.cjs');

setTimeout(() => {
	process.nextTick(say, 'never');
	queueMicrotask(() => say('never'));
	setImmediate(say, 'never');
	say('stop');
	process.exit(3);
}, 1);
setTimeout(say, 1, 'never');
