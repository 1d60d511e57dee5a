// After the main script all ticks run, then all microtasks, each in their order.
const { say } = require('./say.cjs');

queueMicrotask(() => say('microtask 1'));
process.nextTick(say, 'tick 1');
Promise.resolve().then(() => say('microtask 2'));
process.nextTick(say, 'tick 2');
say('main');
