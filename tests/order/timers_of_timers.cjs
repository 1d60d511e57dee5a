// A timer that a timer of the same length sets does not run in the same turn.
const { say, spin } = require('./say.cjs');

setTimeout(() => {
	say('timer 1');
	setTimeout(say, 1, 'timer 3');
	spin(10);
}, 1);
setTimeout(() => {
	say('timer 2');
	setImmediate(say, 'immediate');
}, 1);
spin(10);
