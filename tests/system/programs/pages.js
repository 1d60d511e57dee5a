// pages.js URL CLIENTS: so many clients read a page again and again, each over one connection as
// long as the server keeps it, until TERM. Then a line of JSON: what failed is told apart as by
// tests/bench/load, stale being a connection that had answered before and closed without a word.
'use strict';
const http = require('http');

const [url, clients] = process.argv.slice(2);
const counts = {pages: 0, failed: 0, stale: 0, why: {}};
let going = true;

function read(agent) {
	return new Promise((resolve) => {
		let body = '';
		const fail = (what, stale) => {
			counts[stale ? 'stale' : 'failed']++;
			counts.why[what] = (counts.why[what] || 0) + 1;
			resolve();
		};
		const request = http.get(url, {agent}, (response) => {
			response.setEncoding('utf8');
			response.on('data', (text) => { body += text; });
			response.on('error', (err) => fail(`cut: ${err.code}`, false));
			response.on('end', () => {
				if (response.statusCode !== 200 || !body.endsWith('</html>\n'))
					return fail(`status ${response.statusCode}`, false);
				counts.pages++;
				resolve();
			});
		});
		request.on('error', (err) => {
			if (!request.res)
				fail(err.code, request.reusedSocket && err.code === 'ECONNRESET');
		});
	});
}

async function client() {
	const agent = new http.Agent({keepAlive: true, maxSockets: 1});

	while (going)
		await read(agent);
	agent.destroy();
}

process.on('SIGTERM', () => { going = false; });
Promise.all(Array.from({length: Number(clients)}, client)).then(() => {
	console.log(JSON.stringify(counts));
	process.exit(counts.failed > 0 ? 1 : 0);
});
