// All, and one fails: the others are cancelled.
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
}

async function parent() {
	const tasks = [child('slow', 5000, false), child('fast', 5, false), child('middle', 20, true),
		child('slow too', 5000, false)];
	try {
		await Promise.all(tasks);
	} catch (error) {
		abort.abort();
		await Promise.allSettled(tasks);
		say('error: ' + error.message);
	}
}

parent();
