// No timer is shorter than 1 ms: 0 is 1, and less than 0 is, where it can be said.
const { say } = require('./say.cjs');

setTimeout(say, 1, 'one');
setTimeout(say, 0, 'zero');
setTimeout(say, -5, 'less');
setTimeout(say, 1, 'one again');
