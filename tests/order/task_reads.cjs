// A task that has read is where an I/O callback is: immediates, then timers.
const net = require('net');
const { say, spin } = require('./say.cjs');
const input = new net.Socket({ fd: 0, readable: true, writable: false });

async function task() {
	const data = await new Promise((resolve) => input.once('data', resolve));
	say('read ' + data.toString().trim());
	setTimeout(say, 0, 'timer');
	setImmediate(say, 'immediate');
	input.destroy();
	spin(10);
}

task();
say('main');
