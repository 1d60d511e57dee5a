// The same in a tick.
const { say } = require('./say.cjs');

process.nextTick(() => {
	say('tick');
	throw new Error('wanted');
});
process.nextTick(say, 'never');
queueMicrotask(() => say('never'));
setImmediate(say, 'never');
