// The same of an I/O callback.
const { say, onIo } = require('./say.cjs');

onIo(() => {
	setImmediate(say, 'immediate');
	queueMicrotask(() => {
		say('microtask');
		process.nextTick(say, 'tick of the microtask');
	});
	process.nextTick(say, 'tick');
	say('io');
});
