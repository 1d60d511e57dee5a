// Microtasks that microtasks queue come before a tick that one of them queues.
const { say } = require('./say.cjs');

queueMicrotask(() => {
	say('microtask 1');
	process.nextTick(say, 'tick');
	queueMicrotask(() => say('microtask 3'));
});
queueMicrotask(() => say('microtask 2'));
