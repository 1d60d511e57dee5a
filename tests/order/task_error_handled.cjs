// Or goes to the handler of all errors.
const { say } = require('./say.cjs');

async function child() {
	throw new Error('wanted');
}

process.on('uncaughtException', () => say('handled'));
child();
process.nextTick(say, 'tick');
setImmediate(say, 'and on');
