// From what is read: both queues, then immediates, then timers.
const net = require('net');
const { say, spin } = require('./say.cjs');
const input = new net.Socket({ fd: 0, readable: true, writable: false });

input.once('data', (data) => {
	say('read ' + data.toString().trim());
	setTimeout(say, 0, 'timer');
	setImmediate(say, 'immediate');
	queueMicrotask(() => say('microtask'));
	process.nextTick(say, 'tick');
	input.destroy();
	spin(10);
});
