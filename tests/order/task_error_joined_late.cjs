// Also by who joins when it has failed already, if ticks and microtasks go on until then.
const { say } = require('./say.cjs');

async function child() {
	throw new Error('wanted');
}

async function parent(task) {
	try {
		await task;
	} catch (error) {
		say('error: ' + error.message);
	}
}

const failed = child();
process.nextTick(() => queueMicrotask(() => parent(failed)));
say('main');
