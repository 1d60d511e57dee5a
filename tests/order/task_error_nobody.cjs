// An error that nobody joins for ends it with 1, after ticks and microtasks.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function child() {
	await sleep(1);
	process.nextTick(say, 'tick');
	queueMicrotask(() => say('microtask'));
	say('fails');
	throw new Error('wanted');
}

child();
setTimeout(say, 1000, 'never');
