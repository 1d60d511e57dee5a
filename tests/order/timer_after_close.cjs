// After that a new turn begins, with its timers.
const net = require('net');
const { say, spin } = require('./say.cjs');
const input = new net.Socket({ fd: 0, readable: true, writable: false });

input.once('data', () => {
	say('read');
	input.on('close', () => {
		say('closed');
		setImmediate(say, 'immediate');
		setTimeout(say, 0, 'timer');
		spin(10);
	});
	input.destroy();
});
