// An immediate that an earlier one clears does not run.
const { say } = require('./say.cjs');
let second, fourth;

setImmediate(() => {
	say('immediate 1');
	clearImmediate(second);
});
second = setImmediate(say, 'immediate 2');
setImmediate(() => {
	say('immediate 3');
	process.nextTick(clearImmediate, fourth);
});
fourth = setImmediate(say, 'immediate 4');
setImmediate(say, 'immediate 5');
