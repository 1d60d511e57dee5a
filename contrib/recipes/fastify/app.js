// A small Fastify application, as it runs by `node app.js`: it closes by Fastify's own means when it
// is told to end.
'use strict';

const fastify = require('fastify')({ logger: { level: process.env.LOG_LEVEL || 'warn' } });

fastify.addHook('onRequest', async (request, reply) => {
  reply.header('X-Worker', process.pid);
});

fastify.get('/', async () => {
  return { hello: 'world', pid: process.pid };
});

fastify.get('/ping', async () => 'pong\n');

// Waits as one waits for a database: other requests go on.
fastify.get('/io', {
  schema: { querystring: { type: 'object', properties: { ms: { type: 'integer', default: 0 } } } },
}, async (request) => {
  await new Promise((resolve) => setTimeout(resolve, request.query.ms));
  return 'done\n';
});

// The mistake: this process answers nobody any more.
fastify.get('/heavy', async () => {
  while (true) {}
});

// In place of a database's connections: they keep the process alive until they are closed.
const pool = setInterval(() => {}, 1000);
fastify.addHook('onClose', async () => {
  clearInterval(pool);
  console.log('closed');
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => fastify.close());
}

const host = process.env.HOST || '127.0.0.1';
const port = Number(process.env.PORT) || 3000;

fastify.listen({ host, port }).catch((err) => {
  console.error(err);
  process.exit(1);
});
