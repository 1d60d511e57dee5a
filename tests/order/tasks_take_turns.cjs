// Tasks that yield take turns.
const { setImmediate: next } = require('timers/promises');
const { say } = require('./say.cjs');

async function task(name) {
	for (let i = 1; i <= 3; i++) {
		say(name + ' ' + i);
		await next();
	}
}

task('first');
task('second');
