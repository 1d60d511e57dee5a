'use strict';

const { html } = require('../lib/render');
const data = require('../lib/data');

async function list(ms) {
  const items = await data.items(ms);

  return html`<ul>${items.map((i) => html`<li><a href="/item/${i.id}">${i.name}</a></li>`)}</ul>`;
}

module.exports = {
  title: 'Items',
  body: ({ url }) => html`<h1>Items</h1>
<p>Rendered by process ${process.pid}.</p>
${list(Number(url.searchParams.get('ms')) || 0)}`,
};
