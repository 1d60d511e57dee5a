// With a handler the others run, and it ends with 0.
const { say, spin } = require('./say.cjs');

process.on('uncaughtException', (error) => say('handled: ' + error.message));
setTimeout(() => {
	say('timer 1');
	throw new Error('wanted');
}, 1);
setTimeout(say, 1, 'timer 2');
spin(10);
