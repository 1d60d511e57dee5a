// So does one that is set by a tick between two immediates.
const { say, spin } = require('./say.cjs');

setImmediate(() => {
	say('immediate 1');
	process.nextTick(() => {
		say('tick');
		setImmediate(say, 'immediate 3');
		setTimeout(say, 0, 'timer');
		spin(10);
	});
});
setImmediate(say, 'immediate 2');
