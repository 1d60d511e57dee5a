// One that runs or has run can be cleared: nothing happens.
const { say } = require('./say.cjs');
let first;

first = setImmediate(() => {
	say('immediate 1');
	clearImmediate(first);
});
setImmediate(() => {
	say('immediate 2');
	clearImmediate(first);
	setImmediate(say, 'immediate 3');
	clearImmediate(first);
});
