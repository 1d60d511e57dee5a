// One that an immediate sets waits for the next turn, whose timers come first.
const { say, spin } = require('./say.cjs');

setImmediate(() => {
	say('immediate 1');
	setImmediate(say, 'immediate 3');
	setTimeout(say, 0, 'timer');
	spin(10);
});
setImmediate(say, 'immediate 2');
