// All: when the last has ended.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function child(name, ms) {
	await sleep(ms);
	say(name);
}

async function parent() {
	await Promise.all([child('slow', 40), child('fast', 5), child('middle', 20)]);
	say('all');
}

parent();
