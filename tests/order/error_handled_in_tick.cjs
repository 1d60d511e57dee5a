// The same in a tick.
const { say } = require('./say.cjs');

process.on('uncaughtException', (error) => say('handled: ' + error.message));
process.nextTick(() => {
	say('tick 1');
	throw new Error('wanted');
});
process.nextTick(say, 'tick 2');
queueMicrotask(() => say('microtask'));
