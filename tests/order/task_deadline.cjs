// After its deadline a task does not wait any more.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function task() {
	const signal = AbortSignal.timeout(20);
	await sleep(1, null, { signal });
	say('slept');
	try {
		await sleep(5000, null, { signal });
	} catch (error) {
		say('too late');
	}
}

task();
