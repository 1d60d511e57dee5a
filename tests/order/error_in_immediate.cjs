// The same in an immediate.
const { say } = require('./say.cjs');

setImmediate(() => {
	process.nextTick(say, 'never');
	say('immediate');
	throw new Error('wanted');
});
setImmediate(say, 'never');
