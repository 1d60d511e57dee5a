// Any, and none succeeds: the last error.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function child(name, ms) {
	await sleep(ms);
	say(name);
	throw new Error(name);
}

async function parent() {
	try {
		await Promise.any([child('slow', 40), child('fast', 5)]);
	} catch (error) {
		say('error: wanted');
	}
}

parent();
