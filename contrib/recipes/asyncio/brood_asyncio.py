"""brood_asyncio: an asyncio server that no blocked sibling can hold up, as a worker of brood.

    import asyncio, brood_asyncio

    async def handle(reader, writer, draining):
        ...

    asyncio.run(brood_asyncio.serve(handle))

handle is called for each connection as by asyncio.start_server(), with an asyncio.Event besides
that is set when the worker shall finish: end what is under way, then close. serve() returns when
all connections are gone.

The worker asks the master for a wait set (brood-protocol(7), "Wait sets"): an epoll set with its
own listening sockets and those of three neighbours. asyncio watches the set's descriptor; when it
becomes readable, one connection is accepted, served, and then the next. While this worker is busy
in Python code, its connections are taken by a neighbour; while a neighbour is, this one takes
over. Only three: all that watch a set from within another loop are woken for each connection.

Run by hand it binds 127.0.0.1:PORT (8080) for itself. Works with uvloop as well. Copy this file
into your program; it needs nothing but Python 3.9.
"""

import asyncio
import errno
import json
import os
import select
import signal
import socket

NEIGHBOURS = 3
BEAT_S = 1.0
PAUSE_S = 0.1  # out of descriptors or memory
NOTHING_THERE = (errno.EAGAIN, errno.EINVAL, errno.ECONNABORTED, errno.EINTR, errno.EPROTO)


class Worker:
    def __init__(self, handle):
        self.handle = handle
        self.loop = asyncio.get_running_loop()
        self.draining = asyncio.Event()
        self.connections = set()
        self.channel = None
        self.buffer, self.fds = b"", []
        self.wait_set, self.listeners, self.own = None, [], set()
        self.taken_over = 0
        self.beat_timer = None

    # ---- the channel

    def open_channel(self):
        self.channel = socket.socket(fileno=int(os.environ["BROOD_CHANNEL_FD"]))
        self.channel.setblocking(False)
        self.loop.add_reader(self.channel, self.read_channel)
        self.send(brood="ring", neighbours=NEIGHBOURS)

    def send(self, **message):
        # Short and rare: a master that does not read them is gone.
        try:
            self.channel.send(json.dumps(message).encode() + b"\n")
        except OSError:
            pass

    def read_channel(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.channel, 65536, 253)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        for fd in fds:
            os.set_inheritable(fd, False)
        self.fds += fds
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            self.take_message(json.loads(line))
        if not data:  # the master is gone
            self.loop.remove_reader(self.channel)
            self.drain()

    def take_message(self, message):
        kind = message.get("brood")
        if kind == "ring":
            self.take_ring(message)
        elif kind == "drain":
            self.drain()
        elif kind == "ping":
            self.send(brood="pong", id=message["id"])

    def take_ring(self, message):
        """The set comes first, then a descriptor for each listener; more may come later."""
        first = self.wait_set is None
        if first:
            self.wait_set = select.epoll.fromfd(self.fds.pop(0))
        for _ in message["listeners"]:
            listener = socket.socket(fileno=self.fds.pop(0))
            listener.setblocking(False)
            self.listeners.append(listener)
        self.own.update(message.get("own", ()))
        if not message.get("more") and not self.draining.is_set() and first:
            self.loop.add_reader(self.wait_set.fileno(), self.accept_one)
            self.send(brood="ready")

    # ---- connections

    def accept_one(self):
        """One event, one connection: what else is ready stays there for whoever is idle."""
        for place, _ in self.wait_set.poll(0, 1):
            if place >= len(self.listeners):
                continue  # the line that names it is on its way
            if self.accept_from(self.listeners[place]) and place not in self.own:
                self.taken_over += 1

    def accept_from(self, listener):
        try:
            conn, _ = listener.accept()
        except OSError as e:
            if e.errno not in NOTHING_THERE:
                self.pause()
            return False
        conn.setblocking(False)
        task = self.loop.create_task(self.serve_one(conn))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        if self.channel and not self.beat_timer:
            self.beat_timer = self.loop.call_later(BEAT_S, self.beat)
        return True

    async def serve_one(self, conn):
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self.loop.connect_accepted_socket(lambda: protocol, conn)
        writer = asyncio.StreamWriter(transport, protocol, reader, self.loop)
        try:
            await self.handle(reader, writer, self.draining)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def pause(self):
        """Who does not wait in the set is passed over: the neighbours take what comes."""
        watched = self.wait_set.fileno() if self.wait_set else None
        if watched is not None and self.loop.remove_reader(watched):
            self.loop.call_later(PAUSE_S, self.resume)

    def resume(self):
        if not self.draining.is_set():
            self.loop.add_reader(self.wait_set.fileno(), self.accept_one)

    def beat(self):
        """Only while connections come: an idle worker wakes nobody."""
        self.beat_timer = None
        self.send(brood="beat", conns=len(self.connections), stolen=self.taken_over)

    # ---- the end

    def drain(self):
        if self.draining.is_set():
            return
        if self.channel:
            self.send(brood="stopping")
        if self.wait_set:
            self.loop.remove_reader(self.wait_set.fileno())
            # What has woken this worker has woken nobody else: it takes that along.
            for place, _ in self.wait_set.poll(0):
                if place < len(self.listeners):
                    self.accept_from(self.listeners[place])
        for listener in self.listeners:
            self.loop.remove_reader(listener)
            listener.close()
        self.draining.set()

    def bind(self):
        """Without a master."""
        port = int(os.environ.get("PORT", "8080"))
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        listener.setblocking(False)
        self.listeners.append(listener)
        self.loop.add_reader(listener, self.accept_from, listener)


async def serve(handle):
    worker = Worker(handle)
    for number in (signal.SIGTERM, signal.SIGINT):
        worker.loop.add_signal_handler(number, worker.drain)
    if "BROOD_CHANNEL_FD" in os.environ:
        worker.open_channel()
    else:
        worker.bind()
    await worker.draining.wait()
    while worker.connections:
        await asyncio.wait(worker.connections)
