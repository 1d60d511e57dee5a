// Templates and their streaming. html`...` escapes what is put in; a promise in a template becomes a
// place that is filled in later, in the same answer, when the promise is there.
'use strict';

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

class Html {
  constructor(strings, values) {
    this.strings = strings;
    this.values = values;
  }
}

function html(strings, ...values) {
  return new Html(strings, values);
}

const escape = (value) => String(value).replace(/[&<>"']/g, (c) => ESCAPES[c]);

// The text of what is there; what is not goes to `later`.
function render(value, later) {
  if (value === undefined || value === null || value === false) return '';
  if (Array.isArray(value)) return value.map((v) => render(v, later)).join('');
  if (value instanceof Html) {
    return value.strings.map((s, i) => s + render(value.values[i], later)).join('');
  }
  if (typeof value.then === 'function') {
    const id = `later-${later.length}`;

    // Failures are seen when the place is filled, not before.
    value.catch(() => {});
    later.push({ id, value });
    return `<div id="${id}" aria-busy="true">…</div>`;
  }
  return escape(value);
}

async function fill({ id, value }, later) {
  let text;

  try {
    text = render(await value, later);
  } catch (err) {
    console.error(err);
    text = '<p>This part is not available.</p>';
  }
  return `<template data-for="${id}">${text}</template><script>fill("${id}")</script>\n`;
}

// A client that is slow holds up its own page only.
function write(res, text) {
  if (res.write(text) || res.destroyed) return null;
  return new Promise((resolve) => {
    res.once('drain', resolve);
    res.once('close', resolve);
  });
}

async function sendPage(req, res, page, context) {
  const { assets } = context;
  const later = [];

  res.writeHead(page.status || 200, { 'Content-Type': 'text/html; charset=utf-8' });
  if (req.method === 'HEAD') return res.end();
  await write(res, '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    + `<title>${escape(page.title)}</title>`
    + `<link rel="stylesheet" href="${assets.get('/assets/style.css').href}">`
    + `<script src="${assets.get('/assets/fill.js').href}"></script></head><body>\n`);
  await write(res, `${render(page.body(context), later)}\n`);
  // A part may bring further ones.
  for (let i = 0; i < later.length && !res.destroyed; i++) {
    await write(res, await fill(later[i], later));
  }
  return res.end('</body></html>\n');
}

module.exports = { html, sendPage };
