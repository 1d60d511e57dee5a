// Those of one length run together, when the first of them is the first of all.
const { say, spin } = require('./say.cjs');

setTimeout(say, 20, 'timer 20, first');
spin(30);
setTimeout(say, 10, 'timer 10');
setTimeout(say, 20, 'timer 20, second');
spin(60);
