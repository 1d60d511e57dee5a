// The same in a microtask.
const { say } = require('./say.cjs');

process.nextTick(say, 'tick');
queueMicrotask(() => {
	say('microtask');
	process.nextTick(say, 'never');
	throw new Error('wanted');
});
setImmediate(say, 'never');
