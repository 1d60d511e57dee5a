// Ticks and microtasks run between two immediates.
const { say } = require('./say.cjs');

function immediate(n) {
	say('immediate ' + n);
	queueMicrotask(() => say('microtask ' + n));
	process.nextTick(say, 'tick ' + n);
}

setImmediate(immediate, 1);
setImmediate(immediate, 2);
