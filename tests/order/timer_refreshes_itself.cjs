// One that refreshes itself runs again.
const { say } = require('./say.cjs');
let n = 0;
const timer = setTimeout(() => {
	say('run ' + ++n);
	if (n < 3)
		timer.refresh();
}, 2);
