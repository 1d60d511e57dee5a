// Ticks and microtasks run between two timers of one length.
const { say, spin } = require('./say.cjs');

function timer(n) {
	say('timer ' + n);
	queueMicrotask(() => say('microtask ' + n));
	process.nextTick(say, 'tick ' + n);
}

setTimeout(timer, 1, 1);
setTimeout(timer, 1, 2);
spin(10);
