// http: the same as app.cjs without Express, so that what is measured is the way of a connection to
// a worker more than the work on it.
'use strict';

const http = require('node:http');

http.createServer((req, res) => {
	const block = /^\/block\?ms=(\d+)$/.exec(req.url);
	const end = Date.now() + Number(block?.[1] ?? 0);

	while (Date.now() < end)
		;
	res.setHeader('X-Worker', String(process.pid));
	res.end(block ? 'blocked\n' : 'hello\n');
}).listen(Number(process.env.PORT));
