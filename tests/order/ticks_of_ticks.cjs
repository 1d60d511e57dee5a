// A tick that a tick queues comes after those queued before, and before any microtask.
const { say } = require('./say.cjs');

queueMicrotask(() => say('microtask'));
process.nextTick(() => {
	say('tick 1');
	process.nextTick(say, 'tick 3');
});
process.nextTick(say, 'tick 2');
