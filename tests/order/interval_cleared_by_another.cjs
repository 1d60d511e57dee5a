// An interval that something else clears ends.
const { say } = require('./say.cjs');
let n = 0;
const interval = setInterval(() => {
	say('interval ' + ++n);
	if (n === 2)
		setImmediate(() => {
			say('cleared');
			clearInterval(interval);
		});
}, 3);
