// While microtasks queue microtasks neither ticks nor timers nor immediates run.
const { say, spin } = require('./say.cjs');
let n = 0;

function microtask() {
	if (n === 0) {
		spin(20);
		process.nextTick(say, 'tick');
	}
	if (++n < 1000)
		queueMicrotask(microtask);
	else
		say('microtasks ' + n);
}

setTimeout(say, 1, 'timer');
setImmediate(say, 'immediate');
queueMicrotask(microtask);
