// An immediate that is not referenced does not run when nothing else is there.
const { say } = require('./say.cjs');

setImmediate(say, 'never').unref();
say('main');
