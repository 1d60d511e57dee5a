'use strict';

const { html } = require('../lib/render');

module.exports = {
  title: 'Not found',
  status: 404,
  body: ({ url }) => html`<h1>Not found</h1><p>There is no ${url.pathname}.</p>`,
};
