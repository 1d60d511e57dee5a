// An interval runs until it is cleared, which it can do itself.
const { say } = require('./say.cjs');
let n = 0;
const interval = setInterval(() => {
	say('run ' + ++n);
	if (n === 3)
		clearInterval(interval);
}, 2);
