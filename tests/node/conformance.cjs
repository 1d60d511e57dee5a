// conformance: real Node workers against the master, case by case. Prints TAP.
//
//	conformance.cjs NODE...		each a program of Node's; CASES is a regular expression for names
//
// Cases of one NODE are apps of one master and run side by side, a few at a time, as they are not alone
// on the machine; what happens to them from outside is done one after the other at the end. BUILD is the
// build directory.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { execFileSync, spawn } = require('node:child_process');
const { cases, until, wait } = require('./cases.cjs');

const build = process.env.top_builddir || process.env.BUILD;
const PORTS_EACH = 20;
const AT_A_TIME = 14;
const DEADLINE_S = 60;
let count = 0, failed = 0;

function tell(ok, text, why) {
	console.log(`${ok ? 'ok' : 'not ok'} ${++count} - ${text}${why && ok ? ` (${why})` : ''}`);
	if (ok)
		return;
	failed++;
	for (const line of String(why).split('\n'))
		console.log(`# ${line}`);
}

function get(port, url = '/', localAddress = '127.0.0.1') {
	return new Promise((resolve) => {
		const request = http.get({ port, host: '127.0.0.1', path: url, localAddress,
			agent: false }, (response) => {
			let text = '';

			response.setEncoding('utf8');
			response.on('data', (data) => { text += data; });
			response.on('end', () => resolve(text));
			response.on('error', (error) => resolve(error.code));
		});

		request.on('error', (error) => resolve(error.code));
	});
}

// A range of ports that nobody has just now.
async function freeRange(n) {
	for (;;) {
		const base = 10000 + Math.floor(Math.random() * 15000);
		let all = true;

		for (let port = base; all && port < base + n; port += PORTS_EACH)
			all = await new Promise((resolve) => {
				const server = net.createServer();

				server.once('error', () => resolve(false));
				server.listen(port, () => server.close(() => resolve(true)));
			});
		if (all)
			return base;
	}
}

class Master {
	constructor(node, dir, names) {
		this.names = names;
		this.node = node;
		this.dir = dir;
		this.apps = [];
	}

	async start() {
		const names = this.names, base = await freeRange(names.length * PORTS_EACH);
		const busy = net.createServer();
		let conf = `[master]\nname = conformance\nrun_dir = ${this.dir}/run\n`;

		await new Promise((resolve) => busy.listen(0, resolve));
		this.busy = busy;
		fs.mkdirSync(path.join(this.dir, 'run'), { mode: 0o711 });
		for (const [i, name] of names.entries()) {
			const test = cases[name], port = base + i * PORTS_EACH;
			const app = { name, test, id: `c${i}`, port, out: path.join(this.dir, `c${i}`),
				workers: test.workers || 1 };
			const script = path.join(__dirname, test.file || 'cases.cjs');

			fs.mkdirSync(app.out);
			conf += `[app:${app.id}]\ntake = node\nworkers = ${app.workers}\n`;
			conf += test.shell ? `command = sh -c 'exec "$0" "$1" "$2"' ${this.node} ${script} "${name}"\n`
				: `command = ${this.node} ${script} "${name.replace(/"/g, '\\"')}"\n`;
			conf += `restart = ${test.life ? 'always' : 'never'}\nstop_timeout = 20s\n`;
			for (const key of test.keys || [])
				conf += key.replace('@PORT@', port) + '\n';
			conf += `[env:${app.id}]\nOUT = ${app.out}\nCASE_PORT = ${port}\n` +
				`BUSY_PORT = ${busy.address().port}\n`;
			this.apps.push(app);
		}
		fs.writeFileSync(path.join(this.dir, 'b.conf'), conf);
		const log = fs.openSync(path.join(this.dir, 'log'), 'w');

		this.process = spawn(path.join(build, 'broodd'), ['-c', path.join(this.dir, 'b.conf')],
			{ stdio: ['ignore', log, log], env: { ...process.env, NODE_UNIQUE_ID: '4711' } });
		this.ended = new Promise((resolve) => this.process.once('exit', resolve));
	}

	brood(...args) {
		return execFileSync(path.join(build, 'brood'), ['-i', 'conformance', ...args], {
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'pipe'],
			env: { ...process.env, BROOD_RUN_DIR: path.join(this.dir, 'run') },
		});
	}

	events(app) {
		return this.brood('events', '--json', '-n', '2000').trim().split('\n')
			.map((line) => JSON.parse(line)).filter((event) => event.app === app.id);
	}

	log() {
		return fs.readFileSync(path.join(this.dir, 'log'), 'utf8');
	}

	async stop() {
		this.process.kill('SIGTERM');
		const code = await this.ended;

		this.busy.close();
		return code;
	}
}

// Of each worker, undefined as long as it has not come to its end.
function findings(app) {
	return Array.from({ length: app.workers }, (_, slot) => {
		const file = path.join(app.out, `finding.${slot}`);

		return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
	});
}

async function finish(app, deadline) {
	for (;;) {
		const found = findings(app);

		if (!found.includes(undefined))
			return found;
		if (Date.now() > deadline)
			return found.map((text, slot) => text || `worker ${slot} did not come to an end`);
		await wait(50);
	}
}

// Every worker answers.
async function serves(app) {
	const seen = new Set();

	for (let i = 0; i < 200 && seen.size < app.workers; i++) {
		// Also those that are told apart by their address come to all.
		const text = await get(app.port, '/', `127.0.1.${i + 1}`);

		assert.match(text, /^worker \d$/);
		seen.add(text);
	}
	assert.equal(seen.size, app.workers, `only ${[...seen]} answered`);
}

function checkBacklog(app) {
	const backlog = (port) => Math.max(...execFileSync('ss', ['-ltnH', `sport = :${port}`],
		{ encoding: 'utf8' }).trim().split('\n').map((line) => Number(line.split(/\s+/)[2])));

	assert.equal(backlog(app.port), 7);
	assert.equal(backlog(app.port + 1), 511);
	assert.equal(backlog(app.port + 2), 511);
}

const noteOf = (app, name) => JSON.parse(fs.readFileSync(path.join(app.out, `${name}.0`), 'utf8'));
const exits = (master, app) => master.events(app).filter((event) => /^worker_(died|exited|ended)/.test(event.event));

const lives = {
	async busy(master, app) {
		const slow = get(app.port, '/slow');

		await wait(300);
		master.brood('reload', app.id);
		assert.match(await slow, /^pid \d+$/);
		assert.match(await get(app.port), /^pid \d+$/);
	},
	async renew(master, app) {
		const before = await get(app.port);

		// Two of them cannot be at one address of their own at a time.
		master.brood(/exclusive/.test(app.name) ? 'restart' : 'reload', app.id);
		await until('the new one alone answers', async () => {
			const now = await get(app.port);

			return /^pid/.test(now) && now !== before;
		});
		await until('the old one is gone', () => JSON.parse(master.brood('status', '--json', app.id))
			.apps.every((a) => a.leaving === 0));
		assert(!master.events(app).some((event) => /abort|KILL/.test(event.text)), 'it was aborted');
	},
	async leaves(master, app) {
		const before = await get(app.port);

		assert.equal(await get(app.port, '/leave'), 'leaving');
		await until('another answers', async () => {
			const now = await get(app.port);

			return /^pid/.test(now) && now !== before;
		});
		if (/worker\./.test(app.name))
			assert.equal(noteOf(app, 'voluntary'), true);
	},
	async killed(master, app) {
		const before = await get(app.port);

		process.kill(Number(before.slice(4)), 'SIGKILL');
		// Whoever comes now waits for the next one, and is not refused.
		await until('the next one answers', async () => {
			const now = await get(app.port);

			assert(now !== 'ECONNREFUSED', now);
			return /^pid/.test(now) && now !== before;
		});
	},
	async pm2(master, app) {
		master.brood('reload', app.id);
		await until('it was told', () => fs.existsSync(path.join(app.out, 'signal.0')));
		assert.equal(noteOf(app, 'message'), 'shutdown');
		assert.equal(noteOf(app, 'signal'), 'SIGINT');
	},
};

async function judge(master, app, deadline) {
	const found = await finish(app, deadline);
	const bad = found.find((text) => text !== 'ok' && text !== 'skipped');

	if (bad)
		throw new Error(bad);
	if (found.includes('skipped'))
		return `not with this version`;
	if (app.test.serves)
		await serves(app);
	if (app.name === '5 backlog')
		checkBacklog(app);
	if (app.test.life)
		await lives[app.test.life](master, app);
	return '';
}

async function run(node, names) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'brood-node.'));
	const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
	const master = new Master(node, dir, names);
	const deadline = Date.now() + DEADLINE_S * 1000;
	const before = failed;

	fs.chmodSync(dir, 0o711);
	await master.start();
	try {
		// From the inside first: nobody's own master is disturbed by what is done to another.
		for (const app of [...master.apps].sort((a, b) => !!a.test.life - !!b.test.life)) {
			try {
				tell(true, `${version} ${app.name}`, await judge(master, app, deadline));
			} catch (error) {
				tell(false, `${version} ${app.name}`, error.stack);
			}
		}
	} finally {
		const code = await master.stop();

		tell(code === 0, `${version} the master ends, and ends well`, code ? `code ${code}` : '');
	}
	if (failed > before)
		console.log(master.log().split('\n').map((line) => `# ${line}`).join('\n'));
	else
		fs.rmSync(dir, { recursive: true });
}

(async () => {
	const only = new RegExp(process.env.CASES || '');
	const names = Object.keys(cases).filter((name) => only.test(name));

	for (const node of process.argv.slice(2))
		for (let i = 0; i < names.length; i += AT_A_TIME)
			await run(node, names.slice(i, i + AT_A_TIME));
	console.log(`1..${count}`);
	process.exit(failed ? 1 : 0);
})();
