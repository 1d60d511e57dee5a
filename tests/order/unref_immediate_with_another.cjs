// It runs when something else is.
const { say } = require('./say.cjs');

setImmediate(say, 'immediate 1').unref();
setImmediate(say, 'immediate 2');
