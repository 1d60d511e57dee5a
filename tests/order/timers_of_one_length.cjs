// Timers of one length run in the order in which they were set.
const { say } = require('./say.cjs');

setTimeout(say, 3, 'timer 1');
process.nextTick(() => setTimeout(say, 3, 'timer 3'));
queueMicrotask(() => setTimeout(say, 3, 'timer 4'));
setTimeout(say, 3, 'timer 2');
