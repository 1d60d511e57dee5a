// What a timer queues runs when it has returned, before anything else.
const { say } = require('./say.cjs');

setTimeout(() => {
	setImmediate(say, 'immediate');
	queueMicrotask(() => say('microtask'));
	process.nextTick(say, 'tick');
	say('timer');
}, 1);
