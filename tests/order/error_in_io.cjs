// The same in an I/O callback.
const { say, onIo } = require('./say.cjs');

onIo(() => {
	process.nextTick(say, 'never');
	setImmediate(say, 'never');
	say('io');
	throw new Error('wanted');
});
