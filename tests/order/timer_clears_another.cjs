// A timer that another clears in the turn in which both are due does not run.
const { say, spin } = require('./say.cjs');
let second, other;

setTimeout(() => {
	say('timer 1');
	clearTimeout(second);
	clearTimeout(other);
}, 1);
second = setTimeout(say, 1, 'timer 2');
other = setTimeout(say, 5, 'timer of another length');
setTimeout(say, 1, 'timer 3');
spin(20);
