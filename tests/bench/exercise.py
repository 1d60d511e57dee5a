"""exercise.py ONE TWO: how long requests that wait, compute, or compute elsewhere take beside one another,
in milliseconds: ONE is the port of a single worker, TWO that of a cluster of two. A line a figure: name,
value, goal."""
import selectors
import socket
import sys
import time

one, two = int(sys.argv[1]), int(sys.argv[2])


def ask(port, path):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return s


def finish(sockets):
    """Reads all answers to their ends; every one has to be 200."""
    waiting = selectors.DefaultSelector()
    for s in sockets:
        s.setblocking(False)
        waiting.register(s, selectors.EVENT_READ, bytearray())
    while waiting.get_map():
        for key, _ in waiting.select(30) or sys.exit("no answer for 30 s"):
            data = key.fileobj.recv(65536)
            key.data.extend(data)
            if not data:
                waiting.unregister(key.fileobj)
                key.fileobj.close()
                if not key.data.startswith(b"HTTP/1.1 200 "):
                    sys.exit(f"answered {bytes(key.data[:60])}")


def together(port, paths):
    began = time.monotonic()
    finish([ask(port, path) for path in paths])
    return (time.monotonic() - began) * 1000


def crowd(port, n):
    """All connections are there before the first request is sent."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(n)]
    began = time.monotonic()
    for s in sockets:
        s.sendall(b"GET /io?ms=100 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    finish(sockets)
    return (time.monotonic() - began) * 1000


def ping_beside(port, paths):
    """The longest of the requests that are made while the others are on their way."""
    others = [ask(port, path) for path in paths]
    until, longest = time.monotonic() + 0.08, 0
    while time.monotonic() < until:
        longest = max(longest, together(port, ["/"]))
        time.sleep(0.002)
    finish(others)
    return longest


def row(name, goal, figure):
    values = sorted(figure() for _ in range(5))
    print(f"{name:48} {values[2]:8.1f} ms  <= {goal}", flush=True)
    return values[2] <= goal


def two_workers():
    """The pair that met two workers: one connection may have been taken by the worker of the other."""
    return min(together(two, ["/cpu?ms=100"] * 2) for _ in range(4))


met = [
    row("two /io on one worker", 115, lambda: together(one, ["/io?ms=100"] * 2)),
    row("two /cpu on one worker", 220, lambda: together(one, ["/cpu?ms=100"] * 2)),
    row("two /cpu on two workers", 130, two_workers),
]
for by in ("offload", "thread"):
    path = f"/cpu-offload?ms=100&by={by}"
    met.append(row(f"two /cpu-offload on one worker ({by})", 130, lambda: together(one, [path] * 2)))
    met.append(row("  the slowest / beside them", 5, lambda: ping_beside(one, [path] * 2)))
met.append(row("1,000 /io on one worker", 150, lambda: crowd(one, 1000)))
sys.exit(0 if all(met) else 1)
