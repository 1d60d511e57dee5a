// Who joins goes on after the task has ended, before its ticks.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function child() {
	await sleep(1);
	process.nextTick(say, 'tick');
	say('child ends');
	return 7;
}

async function parent() {
	const task = child();
	say('parent waits');
	say('joined ' + await task);
}

parent();
