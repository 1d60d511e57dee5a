// Files below one directory, read at start: each with an ETag by its content.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const TYPES = { '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml' };

function loadAssets(directory) {
  const assets = new Map();

  for (const name of fs.readdirSync(directory)) {
    const body = fs.readFileSync(path.join(directory, name));
    const hash = crypto.createHash('sha256').update(body).digest('base64url').slice(0, 16);

    assets.set(`/assets/${name}`, {
      body,
      etag: `"${hash}"`,
      type: TYPES[path.extname(name)] || 'application/octet-stream',
      href: `/assets/${name}?v=${hash}`,
    });
  }
  return assets;
}

function sendAsset(req, res, asset) {
  if (!asset) {
    res.writeHead(404, { 'Content-Length': 0 });
    return res.end();
  }
  const known = (req.headers['if-none-match'] || '').split(/\s*,\s*/);
  const headers = { ETag: asset.etag, 'Cache-Control': 'public, max-age=31536000, immutable' };

  if (known.includes(asset.etag)) {
    res.writeHead(304, headers);
    return res.end();
  }
  res.writeHead(200, { ...headers, 'Content-Type': asset.type, 'Content-Length': asset.body.length });
  return res.end(req.method === 'HEAD' ? undefined : asset.body);
}

module.exports = { loadAssets, sendAsset };
