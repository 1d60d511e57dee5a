// A task that is cancelled does not wait any more, now and from now on.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');
const abort = new AbortController();

async function wait(name) {
	try {
		await sleep(5000, null, { signal: abort.signal });
	} catch (error) {
		say(name + ' is cancelled');
	}
}

async function task() {
	await wait('this');
	await wait('the next');
}

task();
setTimeout(() => {
	say('cancel');
	abort.abort();
	process.nextTick(say, 'tick');
}, 5);
