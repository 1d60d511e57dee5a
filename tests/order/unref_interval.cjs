// One that is not referenced runs as long as something else holds the run.
const { say } = require('./say.cjs');
let n = 0;
const interval = setInterval(() => {
	if (n++ === 0)
		say('interval');
}, 5);

interval.unref();
setTimeout(say, 50, 'timer');
