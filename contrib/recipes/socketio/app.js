// A chat on Socket.IO, as it runs by `node app.js`, and in the cluster of Node.
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { createAdapter } = require('@socket.io/cluster-adapter');
const { Server } = require('socket.io');

const page = fs.readFileSync(path.join(__dirname, 'index.html'));

const server = http.createServer((req, res) => {
  res.setHeader('X-Worker', process.pid);
  if (req.url === '/') {
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end(page);
  } else if (req.url === '/ping') {
    res.end('pong\n');
  } else {
    res.writeHead(404).end();
  }
});

// Among several processes each knows its own clients only; the adapter tells the others.
const io = new Server(server, cluster.isWorker ? { adapter: createAdapter() } : {});

io.on('connection', (socket) => {
  socket.emit('welcome', { pid: process.pid, transport: socket.conn.transport.name });
  socket.on('chat message', (text, answer) => {
    io.emit('chat message', { from: socket.id, text: String(text).slice(0, 1000) });
    if (typeof answer === 'function') answer();
  });
  socket.on('who', async (answer) => {
    try {
      const sockets = await io.fetchSockets();

      answer(sockets.map((s) => s.id));
    } catch {
      // Who has gone a moment ago may be missed until its heartbeat is.
      answer([]);
    }
  });
});

// Clients see their connection close, and come back.
process.on('SIGTERM', () => {
  io.close(() => process.exit(0));
});

server.listen(process.env.PORT || 3000);
