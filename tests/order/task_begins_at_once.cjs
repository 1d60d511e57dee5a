// A task begins at once, and goes on when what it waits for is over.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function task() {
	say('task');
	await sleep(1);
	say('slept');
}

say('before');
task();
process.nextTick(say, 'tick');
say('after');
