// Who joins one that has ended lets microtasks run first.
const { say } = require('./say.cjs');

async function child() {
	say('child');
	return 7;
}

async function parent() {
	const task = child();
	queueMicrotask(() => say('microtask'));
	process.nextTick(say, 'tick');
	say('joined ' + await task);
}

parent();
