// While immediates queue immediates timers run, and I/O callbacks.
const { say, onIo } = require('./say.cjs');
let timer = false, io = false;

function immediate() {
	if (!timer || !io)
		setImmediate(immediate);
	else
		say('timer and io ran');
}

setTimeout(() => { timer = true; }, 5);
onIo(() => { io = true; });
setImmediate(immediate);
