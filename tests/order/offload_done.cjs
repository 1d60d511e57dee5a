// Work that the pool has done comes back as an I/O callback.
const crypto = require('crypto');
const { say, spin } = require('./say.cjs');

crypto.pbkdf2('a', 'b', 1, 1, 'sha1', () => {
	say('done');
	setTimeout(say, 0, 'timer');
	setImmediate(say, 'immediate');
	queueMicrotask(() => say('microtask'));
	process.nextTick(say, 'tick');
	spin(10);
});
process.nextTick(say, 'tick of main');
say('main');
