// cases: what a Node worker may expect of its primary, one program a case. `node cases.cjs NAME` runs
// as a worker of the master and writes what it found to $OUT/NAME.SLOT; conformance.cjs starts all of
// them, and looks at what can be seen from outside only.
//
// Names begin with the section of the protocol's description that they are about.
'use strict';

const assert = require('node:assert');
const cluster = require('node:cluster');
const dgram = require('node:dgram');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');
const { Worker } = require('node:worker_threads');
const { execFile, fork } = require('node:child_process');

const major = Number(process.versions.node.split('.')[0]);
const slot = Number(process.env.BROOD_SLOT || 0);
const out = process.env.OUT;
const port = Number(process.env.CASE_PORT); // nobody else's

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

// The server once it listens, or the error.
function listen(server, ...args) {
	return new Promise((resolve) => {
		server.once('error', resolve);
		server.listen(...args, () => {
			server.removeListener('error', resolve);
			resolve(server);
		});
	});
}

function bind(socket, ...args) {
	return new Promise((resolve) => {
		socket.once('error', resolve);
		socket.bind(...args, () => resolve(socket));
	});
}

const close = (server) => new Promise((resolve) => server.close(resolve));

// What comes over a connection until its end; or the error's code.
function read(...args) {
	return new Promise((resolve) => {
		const socket = net.connect(...args);
		let text = '';

		socket.setEncoding('utf8');
		socket.on('data', (data) => { text += data; });
		socket.on('end', () => resolve(text));
		socket.on('error', (error) => resolve(error.code));
	});
}

const greet = (text) => net.createServer((socket) => socket.end(text));

async function until(what, condition) {
	for (let i = 0; i < 600; i++) {
		const value = await condition();

		if (value)
			return value;
		await wait(50);
	}
	throw new Error(`never: ${what}`);
}

// What one worker has to say to the others, and to conformance.cjs.
const fileOf = (name, of) => path.join(out, `${name}.${of}`);
const note = (name, value) => fs.writeFileSync(fileOf(name, slot), JSON.stringify(value));
const noteOf = (name, of) => {
	try {
		return JSON.parse(fs.readFileSync(fileOf(name, of), 'utf8'));
	} catch {
		return undefined;
	}
};

function isNonblocking(handle) {
	const info = fs.readFileSync(`/proc/self/fdinfo/${handle.fd}`, 'utf8');

	return (parseInt(/flags:\s*(\d+)/.exec(info)[1], 8) & 0o4000) !== 0;
}

// Each: workers (1), keys (lines of its [app:]), run() in the worker. What is thrown is the finding.
const cases = {
	'1 environment': {
		run() {
			for (const name of ['NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE', 'NODE_UNIQUE_ID'])
				assert.equal(process.env[name], undefined);
			assert(process.connected && cluster.isWorker && !cluster.isPrimary);
			assert(Number.isInteger(cluster.worker.id) && cluster.worker.id >= 1);
			assert.equal(process.env.LISTEN_FDS, undefined);
			assert.equal(process.env.NODE_APP_INSTANCE, String(slot));
		},
	},
	'1 channel is descriptor 3, and closed at exec': {
		async run() {
			const listed = await new Promise((resolve, reject) =>
				execFile('/bin/ls', ['-l', '/proc/self/fd'],
					(error, text) => (error ? reject(error) : resolve(text))));

			assert(fs.readlinkSync('/proc/self/fd/3').startsWith('socket:'));
			assert.equal(process.env.BROOD_CHANNEL_FD, '3');
			assert(!listed.includes(fs.readlinkSync('/proc/self/fd/3')));
		},
	},
	'1 ids are unique': {
		workers: 3,
		async run() {
			note('id', cluster.worker.id);
			const ids = await until('three ids', () => {
				const found = [0, 1, 2].map((of) => noteOf('id', of));

				return found.every((id) => id !== undefined) && found;
			});

			assert.equal(new Set(ids).size, 3);
		},
	},
	'2 messages of every shape arrive': {
		workers: 2,
		keys: ['relay = all', 'message_max = 8M'],
		async run() {
			const messages = [null, 1, true, 'a string', [1, [2]], { cmd: 'NODE_' }, { cmd: 7 },
				{ a: { b: 'line\nbreak' } }, 'äöü€😀', 'é'.repeat(700000)];
			const seen = [];

			process.on('message', (message) => {
				if (message === 'are you there')
					process.send('yes');
				else if (message === 'yes')
					answered = true;
				else
					seen.push(message);
			});
			let answered = false;

			if (slot === 0) {
				await until('the sibling answers', () => {
					if (!answered)
						process.send('are you there');
					return answered;
				});
				for (const message of messages)
					process.send(message);
				await until('it has all', () => noteOf('all', 1));
			} else {
				await until('all messages', () => seen.length >= messages.length);
				assert.deepEqual(seen, messages);
				note('all', true);
			}
		},
	},
	'2 unknown internal messages are ignored': {
		async run() {
			process.send({ cmd: 'NODE_SOMETHING', what: [1, 2, 3] });
			process.send({ cmd: 'NODE_CLUSTER', act: 'somethingElse', seq: 99 });
			process.send({ cmd: 'NODE_CLUSTER', ack: 12345, accepted: true, seq: 100 });
			const server = await listen(net.createServer(), port);

			assert.equal(server.address().port, port);
		},
	},
	'4.1 many servers at once get their own sockets': {
		workers: 2,
		keys: ['relay = all'],
		async run() {
			process.on('message', () => {});
			const servers = [];

			for (let i = 0; i < 16; i++) {
				process.send('x'.repeat(30000));
				servers.push(listen(greet(`server ${i}`), port + i, '127.0.0.1'));
			}
			for (const [i, server] of (await Promise.all(servers)).entries())
				assert.equal(server.address().port, port + i);
			for (let i = 0; i < 16; i++)
				assert.equal(await read(port + i, '127.0.0.1'), `server ${i}`);
		},
	},
	'4.2 handles from a worker are acknowledged': {
		async run() {
			const server = await listen(net.createServer(), port);
			const client = net.connect(port);
			const connection = await once(server, 'connection');

			process.send('take this server', server);
			process.send('and this socket', connection);
			process.send('and this', await bind(dgram.createSocket('udp4'), 0));
			// Each of these waits until all before was acknowledged.
			const other = await listen(greet('later'), port + 1);

			assert.equal(await read(port + 1), 'later');
			client.destroy();
			await close(other);
		},
	},
	'4.3 a worker without descriptors gets an error, and goes on': {
		keys: ['limit_nofile = 64'],
		async run() {
			const taken = [];

			try {
				for (;;)
					taken.push(fs.openSync('/dev/null'));
			} catch (error) {
				assert.equal(error.code, 'EMFILE');
			}
			const first = await listen(net.createServer(), port);

			assert(first instanceof Error, 'no descriptor was free');
			for (const fd of taken)
				fs.closeSync(fd);
			assert.equal((await listen(net.createServer(), port + 1)).address().port, port + 1);
			assert.equal((await listen(net.createServer(), port)).address().port, port);
		},
	},
	'4.6 listeners do not block': {
		async run() {
			assert(isNonblocking((await listen(net.createServer(), port))._handle));
			assert(isNonblocking((await listen(net.createServer(), path.join(out, 'nb.sock')))._handle));
		},
	},
	'5 listen(port) is for IPv4 and IPv6': {
		async run() {
			const server = await listen(greet('both'), port);

			assert.equal(server.address().address, '::');
			assert.equal(await read(port, '127.0.0.1'), 'both');
			assert.equal(await read(port, '::1'), 'both');
		},
	},
	'5 listen(port, host)': {
		async run() {
			for (const [i, host] of ['0.0.0.0', '127.0.0.1', 'localhost'].entries()) {
				const server = await listen(greet(host), { port: port + i, host });

				assert.equal(server.address().port, port + i);
				assert.equal(await read(port + i, server.address().address), host);
			}
		},
	},
	'5 ipv6Only': {
		async run() {
			await listen(greet('six'), { port, host: '::', ipv6Only: true });
			assert.equal(await read(port, '::1'), 'six');
			assert.equal(await read(port, '127.0.0.1'), 'ECONNREFUSED');
		},
	},
	'5 port 0: one port for all workers, two servers two ports': {
		workers: 2,
		async run() {
			const servers = [await listen(greet('a'), 0), await listen(greet('b'), 0)];
			const ports = servers.map((server) => server.address().port);

			assert.notEqual(ports[0], ports[1]);
			note('ports', ports);
			assert.deepEqual(await until('the other', () => noteOf('ports', 1 - slot)), ports);
			// Nobody ends before both have seen it: what nobody listens on is closed.
			note('seen', true);
			await until('both have seen it', () => noteOf('seen', 1 - slot));
		},
	},
	'5 UNIX paths': {
		async run() {
			const absolute = path.join(out, 'absolute.sock'), relative = 'relative.sock';

			process.chdir(out);
			assert.equal((await listen(greet('abs'), absolute)).address(), absolute);
			await listen(greet('rel'), { path: relative, readableAll: true, writableAll: true });
			assert.equal(await read(absolute), 'abs');
			assert.equal(await read(path.join(out, relative)), 'rel');
			assert.equal(fs.statSync(relative).mode & 0o066, 0o066);
		},
	},
	'5 abstract sockets': {
		async run() {
			const name = `brood-case-${port}`;
			const server = await listen(greet('abstract'), '\0' + name);

			assert(!(server instanceof Error), String(server));
			assert(fs.readFileSync('/proc/net/unix', 'latin1').includes('@' + name));
		},
	},
	'5 listen({fd})': {
		keys: ['listen = 127.0.0.1:@PORT@'],
		async run() {
			const server = await listen(greet('by number'), { fd: 3 });

			assert.equal(await read(port, '127.0.0.1'), 'by number');
			assert.equal((await listen(net.createServer(), { fd: 99 })).code, 'EINVAL');
			assert.equal(server.listening, true);
		},
	},
	'5 UDP': {
		async run() {
			for (const [type, host] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
				const server = await bind(dgram.createSocket(type), port);
				const client = dgram.createSocket(type);

				assert.equal(server.address().port, port);
				// The client's own socket is asked for, too.
				client.send('hello', port, host);
				assert.equal(String(await once(server, 'message')), 'hello');
				client.close();
				await close(server);
			}
			assert((await bind(dgram.createSocket('udp4'))).address().port > 0);
		},
	},
	'5 TLS has the ticket keys of the first': {
		workers: 2,
		async run() {
			const server = await listen(tls.createServer(), port);

			assert.equal(server.address().port, port);
			note('keys', server.getTicketKeys().toString('hex'));
			assert.equal(await until('the other', () => noteOf('keys', 1 - slot)),
				server.getTicketKeys().toString('hex'));
			note('seen', true);
			await until('both have seen it', () => noteOf('seen', 1 - slot));
		},
	},
	'5 TLS at a busy port is an error, and no crash': {
		async run() {
			const server = await listen(tls.createServer(), Number(process.env.BUSY_PORT));

			assert.equal(server.code, 'EADDRINUSE');
		},
	},
	'5 backlog': {
		async run() {
			await listen(net.createServer(), { port, backlog: 7 });
			await listen(net.createServer(), { port: port + 1, backlog: 0 });
			await listen(net.createServer(), { port: port + 2 });
			note('backlog', port);
		},
	},
	'5 errors': {
		async run() {
			const busy = await listen(net.createServer(), Number(process.env.BUSY_PORT));
			const foreign = await listen(net.createServer(), port, '192.0.2.1');

			assert.equal(busy.code, 'EADDRINUSE');
			assert.equal(busy.syscall, 'bind');
			assert.equal(foreign.code, 'EADDRNOTAVAIL');
			assert.equal((await bind(dgram.createSocket('udp4'), port, '192.0.2.1')).code,
				'EADDRNOTAVAIL');
		},
	},
	'5 as=: the program gets another port than it asked for': {
		keys: ['listen = 127.0.0.1:@PORT@?as=3000'],
		async run() {
			const server = await listen(greet('mapped'), 3000);

			assert.equal(server.address().port, port);
			assert.equal(await read(port, '127.0.0.1'), 'mapped');
		},
	},
	'5 "ready" in the callback comes before listening': {
		keys: ['ready = channel'],
		async run() {
			await listen(net.createServer(), port, () => {});
			process.send('ready');
		},
	},
	'5 close and listen again': {
		async run() {
			for (let i = 0; i < 3; i++) {
				const server = await listen(greet(`round ${i}`), port);

				assert.equal(await read(port), `round ${i}`);
				await close(server);
			}
			assert.equal(await until('nobody listens', async () =>
				(await read(port, '127.0.0.1')) === 'ECONNREFUSED'), true);
		},
	},
	'6 one worker has an address once': {
		async run() {
			const first = await listen(net.createServer(), port);
			const second = await listen(net.createServer(), port);

			assert.equal(second.code, 'EADDRINUSE');
			await close(first);
			assert.equal((await listen(net.createServer(), port)).address().port, port);
		},
	},
	'6 an address that was busy is tried anew': {
		async run() {
			const blocker = fork(__filename, ['--hold', String(port)]);

			await once(blocker, 'message');
			assert.equal((await listen(net.createServer(), port)).code, 'EADDRINUSE');
			blocker.kill();
			await once(blocker, 'exit');
			assert.equal((await listen(net.createServer(), port)).address().port, port);
		},
	},
	'7 shared': { workers: 2, keys: ['balance = shared'], serves: true },
	'7 even': { workers: 2, keys: ['balance = even'], serves: true },
	'7 kernel': { workers: 2, keys: ['balance = kernel'], serves: true },
	'7 sticky': { workers: 2, keys: ['balance = sticky'], serves: true },
	'7 dispatch': { workers: 2, keys: ['balance = dispatch'], serves: true },
	'7 dispatch: the name of the server': {
		keys: ['balance = dispatch'],
		async run() {
			const server = await listen(greet('handed over'), port, '127.0.0.1');

			assert.deepEqual(server.address(), { address: '127.0.0.1', family: 'IPv4', port });
			assert.equal(await read(port, '127.0.0.1'), 'handed over');
			const local = path.join(out, 'dispatch.sock');

			assert.equal((await listen(greet('unix'), local)).address(), local);
			assert.equal(await read(local), 'unix');
		},
	},
	'7 dispatch: who refuses is passed by': {
		workers: 2,
		keys: ['balance = dispatch'],
		async run() {
			// One connection fills worker 0 for good.
			const server = net.createServer((socket) =>
				(slot === 0 ? socket.write('worker 0') : socket.end('worker 1')));

			if (slot === 0)
				server.maxConnections = 1;
			await listen(server, port, '127.0.0.1');
			note('up', true);
			await until('both are up', () => noteOf('up', 1 - slot));
			if (slot === 1) {
				let held, whose;

				// It may have slept when the first came.
				do {
					held = net.connect(port, '127.0.0.1');
					whose = await once(held, 'data');
				} while (String(whose) !== 'worker 0');
				for (let i = 0; i < 6; i++)
					assert.equal(await read(port, '127.0.0.1'), 'worker 1');
				note('done', true);
				held.destroy();
			}
			await until('all were asked', () => noteOf('done', 1));
		},
	},
	'9 sockets go to another worker': {
		workers: 2,
		async run() {
			process.on('message', (message, socket) => {
				if (message && message.brood === 'hello')
					note('there', true);
				if (message && message.brood === 'message' && socket)
					socket.end(`worker ${slot} has it from ${message.from}: ${message.data}`);
			});
			if (slot === 1) {
				process.send({ brood: 'status', text: 'I speak' }); // and hello comes back
				await until('it was served', () => noteOf('served', 0));
				return;
			}
			await until('the sibling is there', () => noteOf('there', 1));
			const server = await listen(net.createServer({ pauseOnConnect: true }, (socket) => {
				process.send({ brood: 'send', to: `${process.env.BROOD_APP}.1`, data: 'please' },
					socket);
			}), port);

			assert.equal(await read(port), `worker 1 has it from ${process.env.BROOD_APP}.0: please`);
			note('served', true);
			assert.equal(server.listening, true);
		},
	},
	'9 a server whose sockets were sent can close': {
		async run() {
			const server = await listen(net.createServer({ pauseOnConnect: true },
				(socket) => process.send('yours', socket)), port);
			const client = net.connect(port);

			client.on('error', () => {});
			await once(client, 'close');
			await new Promise((resolve, reject) => server.getConnections(
				(error, n) => (error ? reject(error) : resolve(n))));
			await close(server);
		},
	},
	'10 exclusive': {
		async run() {
			const server = await listen(greet('mine'), { port, exclusive: true });

			assert.equal(await read(port), 'mine');
			await close(server);
		},
	},
	'10 reusePort': {
		workers: 2,
		since: 22,
		async run() {
			const server = await listen(greet(`worker ${slot}`), { port, reusePort: true });

			assert(!(server instanceof Error), String(server));
			note('up', true);
			await until('both listen', () => noteOf('up', 1 - slot));
			assert.match(await read(port), /^worker [01]$/);
			note('done', true);
			await until('both have asked', () => noteOf('done', 1 - slot));
		},
	},
	'10 UDP without bind, UDP exclusive': {
		async run() {
			const server = await bind(dgram.createSocket('udp4'), { port, exclusive: true });
			const client = dgram.createSocket('udp4');

			client.send('x', port, '127.0.0.1');
			assert.equal(String(await once(server, 'message')), 'x');
			client.close();
			await close(server);
		},
	},
	'10 the same port of two addresses': {
		async run() {
			await listen(greet('one'), port, '127.0.0.1');
			await listen(greet('two'), port, '127.0.0.2');
			assert.equal(await read(port, '127.0.0.1'), 'one');
			assert.equal(await read(port, '127.0.0.2'), 'two');
		},
	},
	'10 a program with a primary of its own is a worker': {
		run() {
			if (cluster.isPrimary)
				throw new Error('it takes itself for the primary');
		},
	},
	'10 fork() makes plain children': {
		async run() {
			const child = fork(__filename, ['--plain']);
			const [message] = await Promise.all([once(child, 'message')]);

			assert.deepEqual(message, { isWorker: false, connected: true });
			child.kill();
		},
	},
	'10 threads bind for themselves': {
		async run() {
			const thread = new Worker(`
				require('net').createServer((socket) => socket.end('thread'))
					.listen(${port}, () => require('worker_threads').parentPort.postMessage(0));`,
			{ eval: true });

			await once(thread, 'message');
			assert.equal(await read(port), 'thread');
			await thread.terminate();
		},
	},
	// What these are about happens when conformance.cjs asks for it.
	'8 disconnect: what is under way is answered': { life: 'busy', run: () => lives({}) },
	'8 a live timer ends by the stop signal': { life: 'renew', run: () => lives({ timer: true }) },
	'8 exclusive servers end by the stop signal': {
		life: 'renew',
		run: () => lives({ exclusive: true }),
	},
	'8 worker.disconnect()': { life: 'leaves', run: () => lives({ how: 'disconnect' }) },
	'8 worker.kill()': { life: 'leaves', run: () => lives({ how: 'kill' }) },
	'2 half a message at the end': { life: 'leaves', run: () => lives({ how: 'half' }) },
	'8 killed: the address stays open': { life: 'killed', run: () => lives({}) },
	'12 PM2: shutdown and INT': {
		life: 'pm2',
		keys: ['compat = pm2'],
		run() {
			process.on('message', (message) => note('message', message));
			process.on('SIGINT', () => {
				note('signal', 'SIGINT');
				process.exit(0);
			});
			setInterval(() => {}, 1000);
			return lives({});
		},
	},
	'11 an ES module': { file: 'module.mjs', serves: true },
	'11 a shell that becomes node': { shell: true, serves: true },
};

// A server that answers /, takes its time for /slow, and leaves as it is told by /leave.
async function lives({ timer, exclusive, how }) {
	const server = http.createServer((request, response) => {
		if (request.url === '/leave') {
			response.end('leaving');
			response.on('finish', () => leave(how));
		} else {
			setTimeout(() => response.end(`pid ${process.pid}`),
				request.url === '/slow' ? 1500 : 0);
		}
	});

	if (timer)
		setInterval(() => {}, 1000);
	await listen(server, exclusive ? { port, exclusive: true } : { port });
}

function leave(how) {
	if (how === 'half') {
		process.send('x'.repeat(8 << 20));
		process.exit(0);
	}
	cluster.worker[how]();
	note('voluntary', cluster.worker.exitedAfterDisconnect === true);
}

async function serve() {
	const server = await listen(http.createServer((request, response) =>
		response.end(`worker ${slot}`)), port);

	assert.equal(server.address().port, port);
}

function special(argument, value) {
	if (argument === '--hold')
		net.createServer().listen(Number(value), () => process.send('held'));
	else if (argument === '--plain')
		process.send({ isWorker: cluster.isWorker, connected: process.connected });
	return argument === '--hold' || argument === '--plain';
}

async function main(name) {
	const test = cases[name];
	let finding = 'ok';

	try {
		if (test.since && major < test.since)
			finding = 'skipped';
		else
			await (test.run ? test.run() : serve());
	} catch (error) {
		finding = error.stack || String(error);
	}
	fs.writeFileSync(path.join(out, `finding.${slot}.new`), finding);
	fs.renameSync(path.join(out, `finding.${slot}.new`), path.join(out, `finding.${slot}`));
}

module.exports = { cases, main, until, wait };
if (require.main === module && !special(process.argv[2], process.argv[3]))
	main(process.argv[2]);
