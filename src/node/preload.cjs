/*
 * node-preload: lets a Node worker leave without a keep-alive client noticing. Node loads it before
 * the app (NODE_OPTIONS="--require ..."); the protocol between worker and master stays as it is.
 *
 * A worker that is told to disconnect closes its servers, and with them (since Node 20) the idle
 * keep-alive connections, at once: the client whose next request is on its way gets a reset. So
 * from that moment on, and only then:
 *
 *   - idle connections stay, and each answer says "Connection: close", those of requests that are
 *     under way as well: a connection ends by an answer, when the client does not send;
 *   - a connection that has no request inside and heard nothing for 5 s is closed, also one that
 *     never sent anything (Node's timers for these end with the server; that of keepAliveTimeout,
 *     if it is shorter, stays in force);
 *   - HTTP/2 sessions are told by GOAWAY.
 *
 * As ever are: a server that the app closes by itself, one that the disconnect does not close
 * (listen({exclusive: true})), and connections that were upgraded.
 *
 * Until the disconnect a request costs nothing: nothing is patched, and nothing watched but, up to
 * Node 22, the first connection of a server, as it might speak HTTP/2. What is looked at inside
 * Node is tested first; where it is not as expected, answers that are under way say keep-alive once
 * more, and connections that never sent anything stay.
 */
'use strict';

const QUIET_MS = 5000;		/* the default of keepAliveTimeout */
const SWEEP_MS = 500;

/* What goes wrong in here must not be the app's trouble. */
function attempt(f, ...args) {
	try {
		return f(...args);
	} catch {
		return undefined;
	}
}

/* The words of NODE_OPTIONS, as Node cuts them, and where they are. */
function words(options) {
	const found = [];
	let word = null;
	let quoted = false;

	for (let i = 0; i < options.length; i++) {
		const c = options[i];

		if (c === ' ' && !quoted) {
			word = null;
			continue;
		}
		if (!word)
			found.push(word = {text: '', from: i});
		if (c === '"')
			quoted = !quoted;
		else
			word.text += c === '\\' && quoted ? options[++i] : c;
		word.to = i + 1;
	}
	return found;
}

function isThisFile(path) {
	return path === __filename || path.endsWith('.cjs') &&
	    attempt(require('fs').realpathSync, path) === __filename;
}

/* Without "--require THIS": what the app and its children are to see. */
function withoutThis(options) {
	const all = words(options);

	for (let i = 0; i < all.length; i++) {
		const [, glued] = /^(?:--require|-r)=(.*)$/s.exec(all[i].text) ?? [];
		const apart = all[i].text === '--require' || all[i].text === '-r';
		const path = apart ? all[i + 1]?.text : glued;
		let from = all[i].from;
		let to = (apart ? all[i + 1] : all[i])?.to;

		if (path === undefined || !isThisFile(path))
			continue;
		if (from > 0)
			from--;
		else if (to < options.length)
			to++;
		return withoutThis(options.slice(0, from) + options.slice(to));
	}
	return options;
}

function cleanEnvironment() {
	const options = process.env.NODE_OPTIONS;
	const left = options && withoutThis(options);

	if (left === options)
		return;
	if (left === '')
		delete process.env.NODE_OPTIONS;
	else
		process.env.NODE_OPTIONS = left;
}

/* -- What is looked at inside Node. */

/* The sockets on which HTTP/1 is spoken; null: they are not to be had. */
function connections(server) {
	for (const symbol of Object.getOwnPropertySymbols(server))
		if (symbol.description === 'http.server.connections')
			return server[symbol].all().map((parser) => parser.socket).filter(Boolean);
	return null;
}

/* The answer that is under way on a socket. */
function answering(socket) {
	return socket._httpMessage;
}

let works;

/* If it did not, connections would be closed on which a request is answered. */
function answeringWorks() {
	if (works === undefined) {
		const {ServerResponse} = require('http');
		const response = new ServerResponse({method: 'GET'});
		const socket = new (require('stream').PassThrough)();

		works = false;
		response.assignSocket(socket);
		works = answering(socket) === response;
	}
	return works;
}

/* Asking for a module that the app does not use would load it. */
function loaded(name) {
	const list = process.moduleLoadList;

	return !Array.isArray(list) || list.includes('NativeModule ' + name);
}

/* -- Answers that close. */

/* By socket: the last request on it that is known. */
const latest = new WeakMap();

function hasBody(headers) {
	return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 0;
}

/* One of several pipelined requests must not close: more may be behind it than is known. And Node
 * does not wait for the rest of a body when it closes: the client would be reset while it still
 * sends, and lose the answer. Such a connection ends by a later answer. */
function mayClose(response, socket) {
	const request = response.req;

	return response.socket === socket && latest.get(socket) === response &&
	    (request.complete || !hasBody(request.headers));
}

function isConnection(name) {
	return String(name).toLowerCase() === 'connection';
}

function isUpgrade(value) {
	return /\bupgrade\b/i.test(String(value));
}

/* The headers that were given to writeHead(), in the form that they came in; undefined: leave. */
function closingHeaders(headers) {
	const array = Array.isArray(headers);
	const pairs = array && Array.isArray(headers[0]);
	let list = pairs ? headers : [];

	if (array && !pairs)
		for (let i = 0; i + 1 < headers.length; i += 2)
			list.push([headers[i], headers[i + 1]]);
	else if (!array)
		list = Object.entries(headers ?? {});
	if (list.some(([name, value]) => isConnection(name) && isUpgrade(value)))
		return undefined;
	list = list.filter(([name]) => !isConnection(name));
	list.push(['Connection', 'close']);
	if (pairs)
		return list;
	return array ? list.flat() : Object.fromEntries(list);
}

/* The arguments of writeHead() with "Connection: close" among them. */
function closing(response, socket, args) {
	const reason = typeof args[1] === 'string';
	const given = reason ? args[2] : args[1] ?? args[2];
	let headers;

	if (response.headersSent || Number(args[0]) === 101 || !mayClose(response, socket))
		return args;
	if (Array.isArray(given) && !Array.isArray(given[0]) && given.length % 2 !== 0)
		return args;
	if (!isUpgrade(response.getHeader('connection')))
		headers = closingHeaders(given);
	if (!headers)
		return args;
	return reason ? [args[0], args[1], headers] : [args[0], headers];
}

/* Whatever way an answer goes, writeHead() of it is called at last. */
function follow(response, socket) {
	const writeHead = response.writeHead;

	latest.set(socket, response);
	response.writeHead = function (...args) {
		return writeHead.apply(this, attempt(closing, this, socket, args) ?? args);
	};
}

/* -- The servers that are closed by the disconnect. */

const draining = new Map();		/* server -> since when */
const quiet = new WeakMap();		/* socket -> {bytes, since} */
let timer = null;

/* Closing right after what has come was read leaves the least time for a request to cross it. */
function sweep() {
	const now = performance.now();

	for (const [server, since] of draining) {
		const sockets = answeringWorks() ? connections(server) : null;

		if (!sockets && now - since >= QUIET_MS)
			server.closeIdleConnections?.();
		for (const socket of sockets ?? []) {
			const last = quiet.get(socket);

			if (!last || answering(socket) || last.bytes !== socket.bytesRead)
				quiet.set(socket, {bytes: socket.bytesRead, since: now});
			else if (now - last.since >= QUIET_MS)
				socket.destroy();
		}
	}
}

function onClosed(server) {
	draining.delete(server);
	if (draining.size > 0)
		return;
	clearInterval(timer);
	timer = null;
}

/* Those for HTTP/2 may speak HTTP/1 as well. */
function speaksHttp(server) {
	return typeof server.closeIdleConnections === 'function' ||
	    typeof server.updateSettings === 'function';
}

/* Whether server speaks HTTP and is looked after in here from now on. */
function take(server) {
	if (draining.has(server))
		return true;
	if (!speaksHttp(server))
		return false;
	draining.set(server, performance.now());
	server.once('close', () => onClosed(server));
	for (const socket of attempt(connections, server) ?? []) {
		const response = answering(socket);

		/* With pipelined ones behind it, it is not the last, and they can't be reached. */
		if (response && socket.parser?.incoming === response.req)
			follow(response, socket);
	}
	attempt(sweep);
	timer ??= setInterval(() => setImmediate(attempt, sweep), SWEEP_MS).unref();
	return true;
}

/* -- HTTP/2, up to Node 22. */

const sessions = new WeakMap();		/* server -> its sessions */

/* At the first connection of a server that speaks HTTP/2. Without TLS the session of that one has
 * been made, told to nobody in time; the socket knows it. */
function watchSessions({socket}) {
	const server = socket.server;
	const open = new Set();
	const add = (session) => {
		open.add(session);
		session.once('close', () => open.delete(session));
	};

	if (server?.updateSettings === undefined || sessions.has(server))
		return;
	sessions.set(server, open);
	server.on('session', add);
	for (const key of Reflect.ownKeys(socket))
		if (typeof socket[key]?.goaway === 'function')
			add(socket[key]);
}

function closeSessions(server) {
	for (const session of sessions.get(server) ?? [])
		session.close();
}

/* -- The disconnect. */

const diagnostics = require('diagnostics_channel');
const requestStart = diagnostics.channel('http.server.request.start');
const serverSocket = diagnostics.channel('net.server.socket');
let begun = false;

function replace(object, name, make) {
	const original = object?.[name];

	if (typeof original !== 'function')
		return;
	object[name] = make(original);
	process.nextTick(() => {
		object[name] = original;
	});
}

/* cluster closes its servers right after this and in the same turn: by that they are known. Any
 * other close() finds Node as it was. */
function begin() {
	const keepIdle = (closeIdle) => function (...args) {
		return attempt(take, this) ? undefined : closeIdle.apply(this, args);
	};

	if (begun)
		return;
	begun = true;
	for (const name of ['http', 'https'])
		if (loaded(name))
			replace(require(name).Server.prototype, 'closeIdleConnections', keepIdle);
	replace(require('net').Server.prototype, 'close', (close) => function (...args) {
		attempt(take, this);
		attempt(closeSessions, this);
		return close.apply(this, args);
	});
	requestStart.subscribe(({response, socket, server}) => {
		if (draining.has(server))
			attempt(follow, response, socket);
	});
}

function isClusterWorker() {
	return process.connected && require('worker_threads').isMainThread &&
	    require('cluster').isWorker;
}

function main() {
	cleanEnvironment();
	if (!isClusterWorker())
		return;
	/* Before cluster's own listener, which is there already. */
	process.prependListener('internalMessage', (message) => {
		if (message?.cmd === 'NODE_CLUSTER' && message.act === 'disconnect')
			attempt(begin);
	});
	if (parseInt(process.versions.node, 10) < 24)
		serverSocket.subscribe((message) => attempt(watchSessions, message));
}

/* Those that only look like Node do this in ways of their own. */
if (!process.versions.deno && !process.versions.bun)
	attempt(main);
