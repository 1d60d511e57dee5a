"""ring.py [deaf]: the smallest worker that sleeps in its wait set: one connection at a time, one
request each. It reads its channel for the wait set only and ends at TERM; deaf, not even then."""
import json
import os
import select
import signal
import socket
import sys

channel = socket.socket(fileno=int(os.environ["BROOD_CHANNEL_FD"]))
channel.send(b'{"brood":"ring"}\n')
data, fds = b"", []
while b'"ring"' not in data or not data.endswith(b"\n"):
    part, more, _, _ = socket.recv_fds(channel, 65536, 253)
    data += part
    fds += more
wait_set = select.epoll.fromfd(fds[0])
listeners = [socket.socket(fileno=fd) for fd in fds[1:]]
signal.signal(
    signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else lambda *_: sys.exit(0))
channel.send(b'{"brood":"ready"}\n')
body = b"%d\n" % os.getpid()
answer = (b"HTTP/1.1 200 OK\r\nX-Worker: %d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
          % (os.getpid(), len(body))) + body
while True:
    place, _ = wait_set.poll(-1, 1)[0]
    try:
        conn, _ = listeners[place].accept()
    except OSError:
        continue
    with conn:
        conn.settimeout(10)
        try:
            conn.recv(4096)
            conn.sendall(answer)
        except OSError:
            pass
