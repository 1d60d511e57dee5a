// Nor does one that is cleared between the two.
const { say, spin } = require('./say.cjs');
let second, third;

setTimeout(() => {
	say('timer 1');
	process.nextTick(clearTimeout, second);
	queueMicrotask(() => clearTimeout(third));
}, 1);
second = setTimeout(say, 1, 'timer 2');
third = setTimeout(say, 5, 'timer 3');
spin(20);
