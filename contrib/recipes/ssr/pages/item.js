'use strict';

const { html } = require('../lib/render');
const data = require('../lib/data');

async function show(id) {
  const item = await data.item(id);

  return item ? html`<h1>${item.name}</h1>` : html`<h1>No item ${id}</h1>`;
}

module.exports = {
  title: 'Item',
  body: ({ params: [id] }) => html`${show(id)}
<p><a href="/">All items</a></p>`,
};
