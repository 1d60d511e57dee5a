#!/usr/bin/env python3
"""A master that hands out a wait set as it likes: whether brood-hello takes it as it should.

ring_master.py SCENARIO COMMAND...

late        the wait set comes when the worker has given up waiting for it
pieces      the frame comes byte by byte, behind one of the future that has descriptors, too
more        the list comes in two frames
short       the worker has no room for so many descriptors
unknown     the set reports a place that was never named
drain       what is asked for when the worker is told to drain, and what it leaves behind
beat        what was taken over is counted and told
none        a master that knows no wait sets

Prints what was wrong and exits 1, else 0.
"""

import array
import ctypes
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time

WAIT_S = 30
EPOLLEXCLUSIVE = 1 << 28
libc = ctypes.CDLL(None, use_errno=True)


class Event(ctypes.Structure):
    _pack_ = 1 if os.uname().machine == "x86_64" else 0
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


def expect(what, right):
    if not right:
        sys.exit("expected: " + what)


def listener():
    s = socket.create_server(("127.0.0.1", 0), backlog=64)
    s.setblocking(False)
    return s


class Set:
    """The master's copy of the wait set."""

    def __init__(self):
        self.epoll = select.epoll()

    def add(self, sock, place):
        ev = Event(select.EPOLLIN | EPOLLEXCLUSIVE, place)
        if libc.epoll_ctl(self.epoll.fileno(), 1, sock.fileno(), ctypes.byref(ev)) != 0:
            raise OSError(ctypes.get_errno(), "epoll_ctl")

    def remove(self, sock):
        self.epoll.unregister(sock.fileno())

    def members(self):
        with open("/proc/self/fdinfo/%d" % self.epoll.fileno()) as info:
            return sum(line.startswith("tfd:") for line in info)


class Worker:
    def __init__(self, command, own, nofile=None):
        ours, theirs = socket.socketpair()
        self.channel, self.own = ours, own
        fds = [own.fileno(), theirs.fileno()]
        # Out of the way of the numbers that they shall get.
        high = [os.dup(fd) for fd in fds] if max(fds) < 5 else fds

        def place():
            spare = [os.dup(fd) for fd in high]
            for n, fd in enumerate(spare):
                os.dup2(fd, 3 + n, inheritable=True)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        env = dict(os.environ, LISTEN_FDS="1", LISTEN_FDNAMES="web", BROOD_CHANNEL_FD="4",
                   BROOD_APP="app", BROOD_SLOT="0")
        self.process = subprocess.Popen(command, preexec_fn=place, close_fds=False, env=env)
        theirs.close()
        ours.settimeout(WAIT_S)
        self.lines = ours.makefile("r")

    def line(self):
        try:
            return json.loads(self.lines.readline())
        except (ValueError, OSError):
            sys.exit("expected: a line from the worker")

    def send(self, message, fds=(), pieces=False):
        data = (json.dumps(message) + "\n").encode()
        step = 1 if pieces else len(data)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        for i in range(0, len(data), step):
            self.channel.sendmsg([data[i : i + step]], rights if i == 0 else [])

    def give(self, wait_set, listeners, own=(0,), **more):
        fds = ([wait_set.epoll.fileno()] if wait_set else []) + [s.fileno() for s in listeners]
        pieces = more.pop("pieces", False)
        self.send({"brood": "ring", "listeners": ["web"] * len(listeners), "own": list(own), **more},
                  fds, pieces)

    def expect_line(self, kind):
        got = self.line()
        expect("%s, not %s" % (kind, got), got.get("brood") == kind)
        return got

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def cpu(self):
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def listening_in_its_loop(self):
        """Listening sockets in an epoll set of the worker's own, not as exclusive members."""
        base = "/proc/%d" % self.process.pid
        with open("/proc/net/tcp") as table:
            listening = {f[9] for f in (line.split() for line in table) if f[3] == "0A"}
        found = []
        for fd in os.listdir(base + "/fdinfo"):
            with open("%s/fdinfo/%s" % (base, fd)) as info:
                members = [line.split() for line in info if line.startswith("tfd:")]
            for m in members:
                if int(m[3], 16) & EPOLLEXCLUSIVE:
                    continue
                try:
                    target = os.readlink("%s/fd/%s" % (base, m[1]))
                except OSError:
                    continue
                if target.startswith("socket:[") and target[8:-1] in listening:
                    found.append(m[1])
        return found

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        expect("exit code 0", self.process.wait(WAIT_S) == 0)


def ask(sock):
    with socket.create_connection(sock.getsockname(), timeout=WAIT_S) as c:
        c.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b""
        while part := c.recv(4096):
            answer += part
    expect("an answer from %s" % (sock.getsockname(),), answer.startswith(b"HTTP/1.1 200"))


def begin(command, **more):
    own = listener()
    w = Worker(command, own, **more)
    w.expect_line("ring")
    return w, own, listener(), Set()


def late(command):
    w, own, other, wait_set = begin(command)
    w.expect_line("ready")
    ask(own)
    expect("the own listener in the loop", len(w.listening_in_its_loop()) == 1)
    w.give(wait_set, [own, other])
    # What was watched is not watched twice: it is in no set but the master's.
    deadline = time.monotonic() + WAIT_S
    while w.listening_in_its_loop():
        expect("no listener in the loop", time.monotonic() < deadline)
        time.sleep(0.01)
    wait_set.add(own, 0)
    wait_set.add(other, 1)
    for sock in own, other, own:
        ask(sock)
    # Cut off, it accepts nothing, whatever it thinks itself.
    wait_set.remove(own)
    with socket.create_connection(own.getsockname()):
        ask(other)
        expect("the connection waits", select.select([own], [], [], 0)[0])
    w.end()


def pieces(command):
    w, own, other, wait_set = begin(command)
    before = w.fds()
    w.send({"brood": "something", "new": [1]}, [own.fileno(), other.fileno(), 0, 1])
    w.give(wait_set, [own, other], pieces=True)
    w.expect_line("ready")
    # The set and two listeners more, the inherited one less, those of the unknown frame closed.
    expect("%d descriptors, not %d" % (before + 2, w.fds()), w.fds() == before + 2)
    wait_set.add(own, 0)
    wait_set.add(other, 1)
    for sock in own, other, own:
        ask(sock)
    w.end()


def more(command):
    w, own, other, wait_set = begin(command)
    w.give(wait_set, [own], more=True)
    w.give(None, [other], own=())
    w.expect_line("ready")
    wait_set.add(own, 0)
    wait_set.add(other, 1)
    for sock in own, other, own:
        ask(sock)
    # And one that comes later.
    third = listener()
    w.give(None, [third], own=())
    wait_set.add(third, 2)
    ask(third)
    w.end()


def short(command):
    w, own, other, wait_set = begin(command, nofile=100)
    w.give(wait_set, [own] + [other] * 120)
    w.expect_line("ready")
    wait_set.add(own, 0)
    wait_set.add(other, 1)
    ask(own)
    ask(own)
    w.end()


def unknown(command):
    w, own, other, wait_set = begin(command)
    w.give(wait_set, [own])
    w.expect_line("ready")
    wait_set.add(own, 0)
    wait_set.add(other, 7)
    with socket.create_connection(other.getsockname()):
        ask(own)
        before = w.cpu()
        time.sleep(1)
        expect("that it does not spin", w.cpu() - before < 0.5)
        ask(own)
    w.end()


def drain(command):
    w, own, other, wait_set = begin(command)
    w.give(wait_set, [own, other])
    w.expect_line("ready")
    wait_set.add(own, 0)
    wait_set.add(other, 1)
    ask(other)
    # Woken for both at once while it stands: the drain is read with what it was woken for.
    w.process.send_signal(signal.SIGSTOP)
    os.waitpid(w.process.pid, os.WUNTRACED)
    w.send({"brood": "drain", "deadline_ms": 20000})
    first = socket.create_connection(own.getsockname(), timeout=WAIT_S)
    first.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    w.process.send_signal(signal.SIGCONT)
    while w.line().get("brood") != "stopping":
        pass
    expect("an answer", first.recv(4096).startswith(b"HTTP/1.1 200"))
    expect("exit code 0", w.process.wait(WAIT_S) == 0)
    expect("what the master put in, and nothing else", wait_set.members() == 2)


def beat(command):
    w, own, other, wait_set = begin(command)
    w.give(wait_set, [own, other])
    w.expect_line("ready")
    wait_set.add(own, 0)
    wait_set.add(other, 1)
    for sock in own, other, other:
        ask(sock)
    total = 0
    while total < 3:
        got = w.expect_line("beat")
        total = got["requests"]
    expect("two were taken over: %s" % got, got["stolen"] == 2 and got["lag_us"] >= 0)
    w.end()


def none(command):
    w, own, _, _ = begin(command)
    w.send({"brood": "hello", "version": 1})
    w.expect_line("ready")
    ask(own)
    got = w.expect_line("beat")
    expect("nothing was taken over: %s" % got, got["stolen"] == 0 and got["requests"] == 1)
    w.end()


scenarios = {f.__name__: f for f in (late, pieces, more, short, unknown, drain, beat, none)}
scenarios[sys.argv[1]](sys.argv[2:])
