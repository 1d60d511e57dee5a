// Any: the first that succeeds, and the others are cancelled.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');
const abort = new AbortController();

async function child(name, ms, fails) {
	try {
		await sleep(ms, null, { signal: abort.signal });
	} catch (error) {
		say(name + ' is cancelled');
		throw error;
	}
	say(name);
	if (fails)
		throw new Error('wanted');
	return ms;
}

async function parent() {
	const tasks = [child('slow', 5000, false), child('fast', 5, true), child('middle', 20, false)];
	const result = await Promise.any(tasks);
	abort.abort();
	await Promise.allSettled(tasks);
	say('any: ' + result);
}

parent();
