// Ticks and microtasks queue each other until both queues are empty.
const { say } = require('./say.cjs');

process.nextTick(() => {
	say('tick 1');
	queueMicrotask(() => {
		say('microtask 1');
		process.nextTick(() => {
			say('tick 3');
			queueMicrotask(() => say('microtask 3'));
		});
		queueMicrotask(() => {
			say('microtask 2');
			process.nextTick(say, 'tick 4');
		});
	});
	process.nextTick(say, 'tick 2');
});
setImmediate(say, 'immediate');
