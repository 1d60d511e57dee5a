// Immediates run in the order in which they were set.
const { say } = require('./say.cjs');

setImmediate(say, 'immediate 1');
process.nextTick(() => setImmediate(say, 'immediate 3'));
queueMicrotask(() => setImmediate(say, 'immediate 4'));
setImmediate(say, 'immediate 2');
