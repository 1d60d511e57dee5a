// Joining in another order than that of the ends.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function child(name, ms) {
	await sleep(ms);
	say(name);
	return ms;
}

async function parent() {
	const slow = child('slow', 30), fast = child('fast', 5);
	say('joined ' + await slow);
	say('joined ' + await fast);
}

parent();
