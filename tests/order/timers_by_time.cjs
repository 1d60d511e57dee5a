// Timers of different lengths that are due in one turn run in the order of their time.
const { say, spin } = require('./say.cjs');

setTimeout(say, 30, 'timer 30');
setTimeout(say, 10, 'timer 10');
setTimeout(say, 20, 'timer 20');
spin(60);
