// Without anything to wait for it ends with 0.
const { say } = require('./say.cjs');

say('main');
