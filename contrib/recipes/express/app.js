// A small Express application, as it runs by `node app.js`. It knows nothing of other processes,
// and no signal has been given a thought.
'use strict';

const express = require('express');

const app = express();
const port = 3000;

app.use((req, res, next) => {
  res.set('X-Worker', String(process.pid));
  next();
});

app.get('/', (req, res) => {
  res.send(`Hello World! This is process ${process.pid}\n`);
});

app.get('/ping', (req, res) => {
  res.send('pong\n');
});

// Waits as one waits for a database: other requests go on.
app.get('/io', (req, res) => {
  setTimeout(() => res.send('done\n'), Number(req.query.ms) || 0);
});

// The mistake: this process answers nobody any more.
app.get('/heavy', (req, res) => {
  while (true) {}
});

app.listen(port, () => {
  console.log(`Example app listening on port ${port}`);
});
