// In place of a database.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const ITEMS = ['bread', 'butter', 'milk', 'eggs & bacon', '<tea>'].map((name, id) => ({ id, name }));

module.exports = {
  async items(ms = 0) {
    if (ms > 0) await sleep(ms);
    return ITEMS;
  },
  async item(id) {
    return ITEMS[id];
  },
};
