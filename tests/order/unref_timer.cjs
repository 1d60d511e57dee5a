// A timer that is not referenced does not hold the run.
const { say } = require('./say.cjs');

setTimeout(say, 1000, 'never').unref();
setTimeout(say, 5, 'timer');
