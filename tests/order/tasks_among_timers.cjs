// What sleeps for as long as a timer goes on in its place among the timers.
const { setTimeout: sleep } = require('timers/promises');
const { say } = require('./say.cjs');

async function task(name) {
	await sleep(10);
	say(name);
	process.nextTick(say, name + ' tick');
}

task('task 1');
setTimeout(say, 10, 'timer');
task('task 2');
