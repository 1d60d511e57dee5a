// What the programs share. A line is written at once and not by the stream of stdout, which queues
// ticks of its own.
const fs = require('fs');

exports.say = (text) => {
	fs.writeSync(1, text + '\n');
};

exports.spin = (ms) => {
	const end = performance.now() + ms;
	while (performance.now() < end);
};

// Calls fn as an I/O callback: of a request that the thread pool serves.
exports.onIo = (fn) => {
	fs.stat('/', () => fn());
};
