// While ticks queue ticks no timer and no immediate runs, however late it is.
const { say, spin } = require('./say.cjs');
let n = 0;

function tick() {
	if (n === 0)
		spin(20);
	if (++n < 1000)
		process.nextTick(tick);
	else
		say('ticks ' + n);
}

setTimeout(say, 1, 'timer');
setImmediate(say, 'immediate');
process.nextTick(tick);
