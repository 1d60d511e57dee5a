// Nor does a microtask.
const { say } = require('./say.cjs');
let n = 0;

function tick() {
	if (++n < 1000)
		process.nextTick(tick);
	else
		say('ticks ' + n);
}

queueMicrotask(() => say('microtask'));
process.nextTick(tick);
