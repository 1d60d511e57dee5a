// Server-side rendering on nothing but node:http, as it runs by `node app.js`.
//
//	/               a page whose head goes out at once, and whose parts follow when they are there
//	/item/3         one more
//	/assets/...     files, with an ETag
//	/api/items      what the pages are made of, as JSON; ?ms=N takes that long
'use strict';

const http = require('node:http');
const { loadAssets, sendAsset } = require('./lib/assets');
const { sendPage } = require('./lib/render');
const data = require('./lib/data');

const assets = loadAssets(`${__dirname}/assets`);
const pages = [
  [/^\/$/, require('./pages/index')],
  [/^\/item\/(\d+)$/, require('./pages/item')],
];

function sendJson(res, status, value) {
  const body = JSON.stringify(value) + '\n';

  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  res.end(body);
}

async function handleApi(url, res) {
  if (url.pathname === '/api/ping') return sendJson(res, 200, { pid: process.pid });
  if (url.pathname !== '/api/items') return sendJson(res, 404, { error: 'not found' });
  sendJson(res, 200, await data.items(Number(url.searchParams.get('ms')) || 0));
}

async function handlePage(url, req, res) {
  for (const [pattern, page] of pages) {
    const match = pattern.exec(url.pathname);

    if (match) return sendPage(req, res, page, { url, params: match.slice(1), assets });
  }
  return sendPage(req, res, require('./pages/missing'), { url, assets });
}

async function handle(req, res) {
  const url = new URL(req.url, 'http://localhost');

  res.setHeader('X-Worker', process.pid);
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('Allow', 'GET, HEAD');
    return sendJson(res, 405, { error: 'method not allowed' });
  }
  if (url.pathname.startsWith('/api/')) return handleApi(url, res);
  if (url.pathname.startsWith('/assets/')) return sendAsset(req, res, assets.get(url.pathname));
  return handlePage(url, req, res);
}

const server = http.createServer((req, res) => {
  handle(req, res).catch((err) => {
    console.error(err);
    if (res.headersSent) res.destroy();
    else sendJson(res, 500, { error: 'internal error' });
  });
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.close(() => process.exit(0)));
}

server.listen(process.env.PORT || 3000, () => {
  console.log(`serving ${server.address().address}, port ${server.address().port}`);
});
