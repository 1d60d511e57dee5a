// The same of an immediate.
const { say } = require('./say.cjs');

setImmediate(() => {
	setImmediate(say, 'next immediate');
	queueMicrotask(() => say('microtask'));
	process.nextTick(say, 'tick');
	say('immediate');
});
