/*
 * preload.test: src/node/preload.cjs under Node's own cluster module, which speaks the protocol that
 * brood's master speaks. Runs the cases that are named, or all, at the same time, and says of each
 * "ok NAME", or "not ok NAME" and why. PRELOAD: the path of the preload; CERT, KEY: of what TLS
 * needs; ESM: of an app.
 */
'use strict';

const assert = require('assert');
const {fork} = require('child_process');
const cluster = require('cluster');
const http = require('http');
const net = require('net');

const MAJOR = parseInt(process.versions.node, 10);
const PATIENCE_MS = 120000;

/* -- The apps: what runs in the worker. */

/* Answers: /NAME -> NAME; ?held: when the primary says "go"; ?head=FORM: headers in that form. */
function serve(request, response) {
	const url = new URL(request.url, 'http://x');
	const keep = ['Set-Cookie', 'a=1', 'Connection', 'keep-alive', 'Set-Cookie', 'b=2'];
	const forms = {
		set: () => response.setHeader('connection', 'keep-alive'),
		object: () => response.writeHead(200, {connection: 'keep-alive', 'X-Form': 'object'}),
		reason: () => response.writeHead(200, 'Fine', {CONNECTION: 'keep-alive'}),
		array: () => response.writeHead(200, keep),
		removed: () => response.removeHeader('connection'),
		plain: () => response.writeHead(200),
	};
	const answer = () => {
		if (response.headersSent)
			return response.end('end');
		forms[url.searchParams.get('head')]?.();
		return response.end(url.pathname.slice(1));
	};

	if (url.searchParams.has('begun'))
		response.write('begun');
	if (!url.searchParams.has('held'))
		return answer();
	process.on('message', (m) => m === 'go' && answer());
	return process.send({held: url.pathname});
}

/* Workers on the same address and port 0 share a socket: cases have addresses of their own. */
function listen(server, ready, more) {
	const options = {port: 0, host: process.env.HOST, ...more};

	return server.listen(options, () => ready({host: options.host, port: server.address().port}));
}

function up(server) {
	return listen(server, (at) => process.send({at}));
}

const apps = {
	plain: () => up(http.createServer(serve)),
	longlived: () => up(http.createServer({keepAliveTimeout: 0}, serve)),
	environment() {
		const {execFileSync} = require('child_process');
		const {Worker} = require('worker_threads');
		const own = process.env.NODE_OPTIONS;
		const ask = 'process.stdout.write(String(process.env.NODE_OPTIONS))';
		const child = execFileSync(process.execPath, ['-e', ask]).toString();
		const thread = new Worker('require("worker_threads").parentPort.postMessage(' +
		    'process.env.NODE_OPTIONS + String(process.listenerCount("internalMessage")))', {eval: true});

		thread.on('message', (seen) => process.send({seen: {own, child, thread: seen}}));
	},
	closer() {
		const server = up(http.createServer(serve));

		process.on('message', (m) => m === 'close' && server.close());
	},
	several() {
		const https = require('https');
		const {readFileSync} = require('fs');
		const secret = {key: readFileSync(process.env.KEY), cert: readFileSync(process.env.CERT)};
		const all = {};
		const add = (name, server, more) => listen(server, (at) => {
			all[name] = at;
			if (Object.keys(all).length === 4)
				process.send({all});
		}, more);

		add('first', http.createServer(serve));
		add('tls', https.createServer(secret, serve));
		const own = add('own', http.createServer(serve), {exclusive: true});
		add('echo', net.createServer((socket) => socket.pipe(socket)));
		process.on('message', () => {
			own.close();
			process.send({gone: 'own'});
		});
	},
	upgrade() {
		const server = up(http.createServer(serve));

		server.on('upgrade', (request, socket) => {
			socket.write('HTTP/1.1 101 Switching Protocols\r\n' +
			    'Connection: Upgrade\r\nUpgrade: echo\r\n\r\n');
			socket.pipe(socket);
		});
	},
	http2() {
		const server = up(require('http2').createServer());

		server.on('stream', (stream, headers) => {
			const answer = () => {
				stream.respond();
				stream.end('done');
			};

			if (headers[':path'] !== '/held')
				return answer();
			process.on('message', (m) => m === 'go' && answer());
			return process.send({held: 'stream'});
		});
	},
};

/* -- What the cases are made of. */

function within(promise, what) {
	let timer;
	const late = new Promise((resolve, reject) => {
		timer = setTimeout(() => reject(new Error('waited in vain for ' + what)), PATIENCE_MS);
	});

	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function requirePreload() {
	return '--require ' + process.env.PRELOAD.replace(/(.* .*)/, '"$1"');
}

/* A worker that runs an app: said(NAME) is the next message with that member, exit its end. */
class App {
	constructor(name, {options = String, preload = true, exec = __filename, host} = {}) {
		const load = requirePreload();

		this.messages = [];
		this.waiting = null;
		cluster.setupPrimary({exec, args: []});
		this.worker = cluster.fork({
			TEST_APP: name,
			HOST: host ?? `127.9.0.${App.all.length + 1}`,
			NODE_OPTIONS: preload ? options(load) : '',
		});
		this.worker.on('message', (m) => {
			this.messages.push(m);
			this.waiting?.();
		});
		this.exit = new Promise((resolve) => {
			this.worker.on('exit', (code, signal) => resolve(signal ?? code));
		});
		App.all.push(this);
	}

	async said(name) {
		for (;;) {
			const i = this.messages.findIndex((m) => m[name] !== undefined);

			if (i >= 0)
				return this.messages.splice(i, 1)[0][name];
			await within(new Promise((resolve) => {
				this.waiting = resolve;
			}), name);
		}
	}

	/* Returns when the worker has begun to drain: its listener is gone. */
	async drain(at) {
		this.worker.disconnect();
		for (;;) {
			const raw = await Raw.open(at);

			if (!raw)
				return;
			raw.socket.destroy();
		}
	}

	async ended() {
		assert.strictEqual(await within(this.exit, 'the end of the worker'), 0);
	}
}
App.all = [];

/* A connection, byte by byte. */
class Raw {
	static open(at, connect = net.connect) {
		return new Promise((resolve) => {
			const options = {...at, rejectUnauthorized: false};
			const socket = connect(options, () => resolve(new Raw(socket)));

			socket.once('error', () => resolve(null));
		});
	}

	constructor(socket) {
		this.socket = socket;
		this.text = '';
		this.waiting = null;
		this.closed = new Promise((resolve) => {
			socket.on('close', () => resolve('closed'));
		});
		socket.on('data', (data) => {
			this.text += data;
			this.waiting?.();
		});
		socket.on('error', (e) => {
			this.error = e.code;
		});
		socket.on('close', () => this.waiting?.());
	}

	get(path, more = '') {
		this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
		return this;
	}

	/* Takes what pattern matches from what has come. */
	async take(pattern) {
		for (;;) {
			const match = pattern.exec(this.text);

			if (match) {
				this.text = this.text.slice(match.index + match[0].length);
				return match;
			}
			assert(!this.socket.destroyed, `closed (${this.error}) before ${pattern}: ${this.text}`);
			await within(new Promise((resolve) => {
				this.waiting = resolve;
			}), pattern);
		}
	}

	/* The next answer with a Content-Length, or none at all: {head, body}. */
	async answer() {
		const [head] = await this.take(/^HTTP[\s\S]*?\r\n\r\n/);
		const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
		const [body] = await this.take(new RegExp(`^[^]{${length}}`));

		return {head, body};
	}
}

function says(answer, word, body) {
	assert.match(answer.head, new RegExp(`^connection: ${word}\\r$`, 'im'));
	assert.strictEqual(answer.head.match(/^connection:/gim).length, 1);
	if (body !== undefined)
		assert.strictEqual(answer.body, body);
}

async function opened(app, n = 1) {
	const at = await app.said('at');
	const all = [];

	for (let i = 0; i < n; i++) {
		const raw = await Raw.open(at);

		says(await raw.get('/before').answer(), 'keep-alive', 'before');
		all.push(raw);
	}
	return [at, ...all];
}

/* -- The cases. */

const cases = {
	async idle_connection_ends_by_its_next_answer() {
		const app = new App('plain');
		const [at, raw] = await opened(app);

		await app.drain(at);
		says(await raw.get('/after').answer(), 'close', 'after');
		await raw.closed;
		assert.strictEqual(raw.error, undefined);
		await app.ended();
	},

	/* What all this is for: with Node alone the next request has no answer. */
	async without_preload_idle_connection_is_closed() {
		const app = new App('plain', {preload: false});
		const [at, raw] = await opened(app);

		await app.drain(at);
		if (MAJOR < 19)
			says(await raw.get('/after').answer(), 'keep-alive', 'after');
		else
			await raw.closed;
		raw.socket.destroy();
		await app.ended();
	},

	async request_under_way_is_told() {
		const app = new App('plain');
		const [at, raw, begun] = await opened(app, 2);

		raw.get('/slow?held');
		begun.get('/slower?held&begun');
		await app.said('held');
		await app.said('held');
		await begun.take(/begun/);
		await app.drain(at);
		app.worker.send('go');
		says(await raw.answer(), 'close', 'slow');
		await raw.closed;
		/* It was promised more, and gets it. */
		await begun.take(/end\r\n0\r\n\r\n/);
		says(await begun.get('/last').answer(), 'close', 'last');
		await begun.closed;
		await app.ended();
	},

	async close_is_said_whatever_the_app_says() {
		const app = new App('plain');
		const heads = ['set', 'object', 'reason', 'array', 'removed', 'plain'];
		const [at, ...raws] = await opened(app, heads.length);

		await app.drain(at);
		for (const [i, head] of heads.entries()) {
			const answer = await raws[i].get(`/x?head=${head}`).answer();

			says(answer, 'close', 'x'.slice(0, answer.body.length));
			assert.strictEqual(/^x-form: object\r$/im.test(answer.head), head === 'object');
			assert.strictEqual(/^HTTP\/1.1 200 Fine\r$/m.test(answer.head), head === 'reason');
			if (head === 'array')
				assert.deepStrictEqual(answer.head.match(/a=1|b=2/g), ['a=1', 'b=2']);
			await raws[i].closed;
			assert.strictEqual(raws[i].error, undefined);
		}
		await app.ended();
	},

	async client_that_still_sends_is_not_cut_off() {
		const app = new App('plain');
		const [at, raw] = await opened(app);
		const part = 'x'.repeat(60000);

		await app.drain(at);
		raw.socket.write('POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n' + part);
		says(await raw.answer(), 'keep-alive', 'early');
		for (let i = 1; i < 10; i++)
			raw.socket.write(part);
		says(await raw.get('/next').answer(), 'close', 'next');
		await raw.closed;
		await app.ended();
	},

	async pipelined_requests_are_all_answered() {
		const app = new App('plain');
		const [at, held, raw] = await opened(app, 2);

		held.get('/1?held').get('/2').get('/3');
		await app.said('held');
		await app.drain(at);
		raw.get('/a?held').get('/b?held').get('/c?held');
		for (let i = 0; i < 3; i++)
			await app.said('held');
		app.worker.send('go');
		for (const name of ['1', '2', '3'])
			assert.strictEqual((await held.answer()).body, name);
		for (const name of ['a', 'b', 'c'])
			assert.strictEqual((await raw.answer()).body, name);
		says(await held.get('/4').answer(), 'close', '4');
		says(await raw.get('/d').answer(), 'close', 'd');
		await held.closed;
		await raw.closed;
		await app.ended();
	},

	async silent_connections_end_after_5_seconds() {
		const app = new App('longlived');
		const [at, idle] = await opened(app);
		const never = await Raw.open(at);
		const partial = await Raw.open(at);
		const took = (raw) => raw.closed.then(() => performance.now() - began);
		let began = performance.now();
		let slow;
		let trickle;

		partial.socket.write('GET /partial HTTP/1.1\r\nHost: ');
		says(await idle.get('/again').answer(), 'keep-alive', 'again');
		slow = await Raw.open(at);
		slow.get('/slow?held');
		await app.said('held');
		began = performance.now();
		await app.drain(at);
		trickle = setInterval(() => partial.socket.write('x'), 300);
		assert(await took(idle) >= 4900);
		assert(await took(never) >= 4900);
		clearInterval(trickle);
		partial.socket.write('\r\n\r\n');
		says(await partial.answer(), 'close', 'partial');
		/* One that is answered may take as long as it likes. */
		app.worker.send('go');
		says(await slow.answer(), 'close', 'slow');
		await app.ended();
	},

	async close_by_the_app_is_as_ever() {
		const app = new App('closer');
		const [at, raw] = await opened(app);

		app.worker.send('close');
		if (MAJOR >= 19) {
			await raw.closed;
		} else {
			while (await Raw.open(at).then((r) => r?.socket.destroy()));
			says(await raw.get('/after').answer(), 'keep-alive', 'after');
			raw.socket.destroy();
		}
		app.worker.disconnect();
		await app.ended();
	},

	async several_servers() {
		const app = new App('several');
		const all = await app.said('all');
		const connect = require('tls').connect;
		const raws = {
			first: await Raw.open(all.first),
			tls: await Raw.open(all.tls, connect),
			own: await Raw.open(all.own),
			echo: await Raw.open(all.echo),
		};

		for (const name of ['first', 'tls', 'own'])
			says(await raws[name].get('/before').answer(), 'keep-alive');
		await app.drain(all.first);
		for (const name of ['first', 'tls']) {
			says(await raws[name].get('/after').answer(), 'close', 'after');
			await raws[name].closed;
		}
		/* The disconnect does not close the one; what is said on the other is not HTTP. */
		says(await raws.own.get('/after').answer(), 'keep-alive', 'after');
		raws.echo.socket.write('hello');
		await raws.echo.take(/hello/);
		/* Closed by the app, even now. */
		app.worker.send('close');
		await app.said('gone');
		if (MAJOR >= 19)
			await assert.rejects(raws.own.get('/last').answer(), /closed/);
		else
			says(await raws.own.get('/last').answer(), 'keep-alive', 'last');
		raws.own.socket.destroy();
		raws.echo.socket.destroy();
		await app.ended();
	},

	async upgraded_connection_goes_on() {
		const app = new App('upgrade');
		const [at, plain] = await opened(app);
		const raw = await Raw.open(at);

		raw.get('/ws', 'Connection: Upgrade\r\nUpgrade: echo\r\n');
		await raw.take(/^HTTP\/1.1 101[\s\S]*?\r\n\r\n/);
		await app.drain(at);
		raw.socket.write('still here');
		await raw.take(/still here/);
		says(await plain.get('/after').answer(), 'close', 'after');
		raw.socket.write('and here');
		await raw.take(/and here/);
		raw.socket.end();
		await app.ended();
	},

	async http2_sessions_are_told() {
		const app = new App('http2');
		const at = await app.said('at');
		const client = require('http2').connect(`http://${at.host}:${at.port}`);
		const told = new Promise((resolve) => {
			client.on('goaway', resolve);
		});
		const closed = new Promise((resolve) => {
			client.on('close', resolve);
		});
		const stream = client.request({':path': '/held'});
		let text = '';

		stream.setEncoding('utf8').on('data', (data) => {
			text += data;
		});
		await app.said('held');
		await app.drain(at);
		assert.strictEqual(await within(told, 'GOAWAY'), 0);
		app.worker.send('go');
		await within(closed, 'the end of the session');
		assert.strictEqual(text, 'done');
		await app.ended();
	},

	async environment_is_as_it_was() {
		const own = '--no-warnings --title="a b"';
		const forms = [
			[(load) => load, undefined],
			[(load) => `${load} ${own}`, own],
			[(load) => `${own} ${load}`, own],
			[(load) => `${own}  ${load.replace(' ', '=')}  --no-warnings`, `${own}   --no-warnings`],
			[(load) => `${load} ${load}`, undefined],
		];

		await Promise.all(forms.map(async ([options, want]) => {
			const app = new App('environment', {options});
			const seen = await app.said('seen');

			assert.deepStrictEqual({own: undefined, ...seen},
			    {own: want, child: String(want), thread: want + '0'});
			app.worker.disconnect();
			await app.ended();
		}));
	},

	async no_worker_no_effect() {
		const listeners = (options) => new Promise((resolve) => {
			const env = {...process.env, NODE_OPTIONS: options};

			fork(__filename, ['--listeners'], {env}).on('message', resolve);
		});
		const [without, loaded] = await Promise.all([listeners(''), listeners(requirePreload())]);

		assert.deepStrictEqual(loaded, without);
	},

	async esm_app() {
		const app = new App('esm', {exec: process.env.ESM});
		const [at, raw] = await opened(app);

		await app.drain(at);
		says(await raw.get('/after').answer(), 'close', 'after');
		await app.ended();
	},

	/* Four clients that never pause, ten workers one after the other. */
	async no_request_fails() {
		const agent = new http.Agent({keepAlive: true, maxSockets: 4});
		let app = new App('plain');
		const at = await app.said('at');
		const failed = [];
		let answered = 0;
		let over = false;
		const client = async () => {
			while (!over) {
				await new Promise((resolve) => {
					http.get({...at, agent, path: '/x'}, (response) => {
						answered++;
						response.resume().on('end', resolve);
					}).on('error', (e) => resolve(failed.push(e.code)));
				});
			}
		};
		const clients = [client(), client(), client(), client()];

		for (let i = 0; i < 5; i++) {
			const old = app;
			const before = answered;

			app = new App('plain', {host: at.host});
			assert.deepStrictEqual(await app.said('at'), at);
			old.worker.disconnect();
			await old.ended();
			while (answered < before + 20)
				await new Promise((resolve) => setTimeout(resolve, 5));
		}
		over = true;
		await Promise.all(clients);
		agent.destroy();
		assert.deepStrictEqual(failed, []);
		app.worker.disconnect();
		await app.ended();
	},
};

async function run(name) {
	try {
		await within(cases[name](), 'the end of ' + name);
		console.log('ok ' + name);
	} catch (e) {
		console.log(`not ok ${name}: ${e.stack}`);
		process.exitCode = 1;
	}
}

async function main(names) {
	cluster.schedulingPolicy = cluster.SCHED_NONE;
	await Promise.all(names.map(run));
	for (const app of App.all)
		app.worker.process.kill('SIGKILL');
	process.exit();
}

if (cluster.isWorker)
	apps[process.env.TEST_APP]();
else if (process.argv[2] === '--listeners')
	process.send([process.listenerCount('internalMessage'), process.env.NODE_OPTIONS ?? '']);
else if (process.argv[2] === '--list')
	console.log(Object.keys(cases).join('\n'));
else
	main(process.argv.length > 2 ? process.argv.slice(2) : Object.keys(cases));
