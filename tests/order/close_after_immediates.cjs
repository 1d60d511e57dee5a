// A handle that is closed says so at the end of the turn, after the immediates.
const net = require('net');
const { say, spin } = require('./say.cjs');
const input = new net.Socket({ fd: 0, readable: true, writable: false });

input.once('data', () => {
	say('read');
	setTimeout(say, 0, 'timer');
	input.on('close', () => {
		say('closed');
		process.nextTick(say, 'tick');
	});
	input.destroy();
	setImmediate(say, 'immediate');
	spin(10);
});
