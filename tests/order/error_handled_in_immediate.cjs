// The same in an immediate.
const { say } = require('./say.cjs');

process.on('uncaughtException', (error) => say('handled: ' + error.message));
setImmediate(() => {
	say('immediate 1');
	throw new Error('wanted');
});
setImmediate(say, 'immediate 2');
