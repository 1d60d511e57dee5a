// An interval can let go of the run while it runs.
const { say } = require('./say.cjs');
let n = 0;
const interval = setInterval(() => {
	say('interval ' + ++n);
	if (n === 2)
		interval.unref();
}, 2);
