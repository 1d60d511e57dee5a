// One that runs or has run can be cleared: nothing happens, not to others either.
const { say } = require('./say.cjs');
let first;

first = setTimeout(() => {
	say('timer 1');
	clearTimeout(first);
	setTimeout(say, 1, 'timer 2');
	clearTimeout(first);
}, 1);
