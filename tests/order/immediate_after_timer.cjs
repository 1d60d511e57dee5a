// From a timer too: what timers set waits for the next turn.
const { say, spin } = require('./say.cjs');

setTimeout(() => {
	say('timer 1');
	setTimeout(say, 1, 'timer 2');
	setTimeout(say, 2, 'timer 3');
	setImmediate(say, 'immediate');
	spin(10);
}, 1);
