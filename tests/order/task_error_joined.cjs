// An error is had by who joins.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function child() {
	await sleep(1);
	throw new Error('wanted');
}

async function parent() {
	try {
		await child();
	} catch (error) {
		say('error: ' + error.message);
	}
	setImmediate(say, 'and on');
}

parent();
