// Intervals of one length keep their order.
const { say, spin } = require('./say.cjs');
let n = 0;
const first = setInterval(() => {
	say('first ' + ++n);
	spin(5);
}, 2);
const second = setInterval(() => {
	say('second ' + n);
	if (n === 3) {
		clearInterval(first);
		clearInterval(second);
	}
}, 2);
