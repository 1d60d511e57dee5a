// One that is referenced again does.
const { say } = require('./say.cjs');
const timer = setTimeout(say, 5, 'timer');

timer.unref();
timer.unref();
timer.ref();
