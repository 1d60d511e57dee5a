// From an I/O callback an immediate comes before a timer of 0 ms, always.
const { say, spin, onIo } = require('./say.cjs');

onIo(() => {
	say('io');
	setTimeout(say, 0, 'timer');
	setImmediate(say, 'immediate');
	spin(10);
});
