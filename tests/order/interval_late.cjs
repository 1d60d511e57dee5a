// An interval that takes longer than its time runs once a turn.
const { say, spin } = require('./say.cjs');
let n = 0;
const interval = setInterval(() => {
	say('run ' + ++n);
	setImmediate(say, 'immediate ' + n);
	spin(10);
	if (n === 3)
		clearInterval(interval);
}, 1);
