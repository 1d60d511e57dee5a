// An HTTP server on an inherited descriptor, as any Node program can be. It knows of brood only the
// one word on the channel.
'use strict';
const fs = require('fs');
const http = require('http');

const server = http.createServer((request, response) => {
	response.setHeader('X-Worker', process.pid);
	if (!server.listening)
		response.setHeader('Connection', 'close');
	response.end(`node ${process.pid}\n`);
});

server.listen({fd: 3}, () => {
	if (process.env.BROOD_CHANNEL_FD)
		fs.writeSync(Number(process.env.BROOD_CHANNEL_FD), '"ready"\n');
});
process.on('SIGTERM', () => server.close());
