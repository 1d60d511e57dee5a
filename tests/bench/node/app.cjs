// app: what is measured: Express with a route that blocks its process. No signal is given a thought.
'use strict';

const express = require('express');

const app = express();

app.use((req, res, next) => {
	res.set('X-Worker', String(process.pid));
	next();
});
app.get('/', (req, res) => res.send('hello\n'));
app.get('/block', (req, res) => {
	const end = Date.now() + Number(req.query.ms);

	while (Date.now() < end)
		;
	res.send('blocked\n');
});
app.listen(Number(process.env.PORT));
