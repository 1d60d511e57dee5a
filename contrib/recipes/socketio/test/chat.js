// Clients of the chat, half of them by long polling with a connection for each request, half by
// WebSocket, each from an address of its own: 127.0.0.1, 127.0.0.2 and so on.
//
//	BASE=http://127.0.0.1:8080 CLIENTS=12 npm test
//
// Each says something, and all must hear it all. With the argument "-" it takes orders from stdin,
// one a line, and answers each by a line of JSON:
//
//	say [PID...]    the same, as soon as all are connected (to one of these processes)
//	who             each asks who is there, and must be told of all
//
// The exit code is 1 when something was not as it should be.
'use strict';

const http = require('node:http');
const readline = require('node:readline');
const { io } = require('socket.io-client');

const base = process.env.BASE || 'http://127.0.0.1:3000';
const count = Number(process.env.CLIENTS) || 12;
const deadline = (Number(process.env.DEADLINE) || 30) * 1000;

let rounds = 0;
let refused = 0;

function connect(i) {
  const transport = i % 2 ? 'websocket' : 'polling';
  const socket = io(base, {
    transports: [transport],
    forceNew: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    agent: new http.Agent({ localAddress: `127.0.0.${i + 1}`, keepAlive: transport !== 'polling' }),
  });
  const client = { socket, transport, pid: 0, heard: new Set(), extra: 0 };

  socket.on('welcome', ({ pid }) => { client.pid = pid; });
  socket.on('disconnect', () => { client.pid = 0; });
  socket.on('connect_error', () => { refused++; });
  socket.on('chat message', ({ text }) => {
    client.extra += client.heard.has(text);
    client.heard.add(text);
  });
  return client;
}

const clients = Array.from({ length: count }, (_, i) => connect(i));

async function until(what, condition) {
  const end = Date.now() + deadline;

  while (!condition()) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const pids = (transport) =>
  [...new Set(clients.filter((c) => !transport || c.transport === transport).map((c) => c.pid))];

async function say(allowed) {
  const texts = clients.map((_, i) => `round ${rounds}, client ${i}`);

  rounds++;
  await until('all are connected', () =>
    clients.every((c) => c.pid && (!allowed.length || allowed.includes(c.pid))));
  clients.forEach((c, i) => c.socket.emit('chat message', texts[i]));
  await until('all hear all', () => clients.every((c) => texts.every((t) => c.heard.has(t))));
  return {
    workers: pids().length,
    polling: pids('polling').length,
    websocket: pids('websocket').length,
    doubles: clients.reduce((n, c) => n + c.extra, 0),
    refused,
  };
}

// A process that has just gone may be waited for until its heartbeats are missed.
async function who() {
  const all = clients.map((c) => c.socket.id).sort().join();
  const end = Date.now() + deadline;
  let told;

  do {
    const answers = await Promise.all(
      clients.map((c) => c.socket.timeout(deadline).emitWithAck('who')));

    told = answers.filter((ids) => ids.sort().join() === all).length;
  } while (told < count && Date.now() < end);
  return { told };
}

async function obey(line) {
  const [order, ...rest] = line.trim().split(/\s+/);

  console.log(JSON.stringify(order === 'who' ? await who() : await say(rest.map(Number))));
}

async function main() {
  const lines = process.argv[2] === '-' ? readline.createInterface({ input: process.stdin })
    : ['say', 'who'];

  for await (const line of lines) await obey(line);
  clients.forEach((c) => c.socket.disconnect());
}

main().catch((err) => {
  console.log(JSON.stringify({ error: err.message,
    clients: clients.map((c) => `${c.transport} ${c.pid} ${c.heard.size}`) }));
  process.exit(1);
});
