// Joining later than that is too late: it ends with 1.
const { say } = require('./say.cjs');

async function child() {
	throw new Error('wanted');
}

const failed = child();
setImmediate(() => failed.catch(() => say('never')));
process.nextTick(say, 'tick');
queueMicrotask(() => say('microtask'));
say('main');
