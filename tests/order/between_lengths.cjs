// And between two of different lengths that are due in one turn.
const { say, spin } = require('./say.cjs');

function timer(n) {
	say('timer ' + n);
	queueMicrotask(() => say('microtask ' + n));
	process.nextTick(say, 'tick ' + n);
}

setTimeout(timer, 1, 1);
setTimeout(timer, 5, 2);
spin(20);
