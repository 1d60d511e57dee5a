// Servers of every kind, as a program for Node's cluster would open them; it knows nothing of brood
// but what it is sent. LISTEN is a JSON list of [KIND, ARGUMENTS OF listen()...]; each gives a line
// "N ADDRESS" or "N CODE". Paths: /id, /wait?FILE (blocks until FILE is there), /hang, /leave, /kill.
'use strict';
const cluster = require('cluster');
const dgram = require('dgram');
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const https = require('https');
const net = require('net');

const id = cluster.worker.id;
const tls = process.env.TLS_KEY &&
    {key: fs.readFileSync(process.env.TLS_KEY), cert: fs.readFileSync(process.env.TLS_CERT)};

function say(text) {
	fs.writeSync(1, `${text}\n`);
}

function wait(file) {
	fs.writeFileSync(`${file}.here`, '');
	while (!fs.existsSync(file))
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
}

function serve(request, response) {
	const [path, query] = request.url.split('?');

	if (path === '/wait')
		wait(query);
	while (path === '/hang')
		;
	response.end(`${process.env.NODE_APP_INSTANCE} ${id} ${process.pid}\n`);
	if (path === '/leave')
		cluster.worker.disconnect();
	if (path === '/kill')
		cluster.worker.kill();
}

const kinds = {
	http: () => http.createServer(serve),
	https: () => https.createServer(tls, serve),
	http2: () => http2.createServer(serve),
	// Its connections are web.0's.
	pass: () => net.createServer({pauseOnConnect: true}, (socket) =>
		process.send({brood: 'send', to: 'web.0', data: 'yours'}, socket)),
	// Nobody's: the message has no address.
	lose: () => net.createServer({pauseOnConnect: true}, (socket) =>
		process.send('nobody', socket, {keepOpen: false})),
};

function open([kind, ...args], n) {
	if (kind.startsWith('udp')) {
		const socket = dgram.createSocket(kind);

		socket.on('error', (e) => say(`${n} ${e.code}`));
		socket.on('message', (m, from) => socket.send(`${id}\n`, from.port, from.address));
		socket.bind(...args, () => say(`${n} ${JSON.stringify(socket.address())}`));
		return;
	}
	const server = kinds[kind]();

	server.on('error', (e) => say(`${n} ${e.code} ${e.message}`));
	server.listen(...args, () => say(`${n} ${JSON.stringify(server.address())}` +
		(kind === 'https' ? ` ${server.getTicketKeys().toString('hex')}` : '')));
	if (process.env.AGAIN)
		server.once('listening', () => server.close(() => server.listen(...args, () =>
			say(`${n} again ${JSON.stringify(server.address())}`))));
}

JSON.parse(process.env.LISTEN).forEach(open);
process.on('message', (message, handle) => {
	say(`got ${JSON.stringify(message)}${handle ? ` ${handle.constructor.name}` : ''}`);
	if (handle)
		handle.end(`passed to ${id}\n`);
	if (message.data && message.data.say)
		process.send(message.data.say);
});
