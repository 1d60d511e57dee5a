"""A worker that answers one request at a time, on whichever of its listeners it comes, with its
slot. It says nothing to whoever started it, but READY=1 with NOTIFY=1.

GET /pid	its pid			GET /blocks	whether its first listener blocked at its start
GET /block	makes that block	GET /dont-block	makes it not block
GET /shut	calls shutdown() on the listener that it came from, after the answer
While the file HOLD exists it accepts nothing, which HOLD.PID tells. DEFER=1: TCP_DEFER_ACCEPT, so
that a handshake stays half-open until the client sends something.
"""
import os
import select
import socket
import time

blocks = os.get_blocking(3)
listeners = [socket.socket(fileno=3 + i) for i in range(int(os.environ["LISTEN_FDS"]))]
hold = os.environ.get("HOLD", "")
if os.environ.get("DEFER"):
    for listener in listeners:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
if os.environ.get("NOTIFY"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def answer(path):
    if path == "/pid":
        return str(os.getpid())
    if path == "/blocks":
        return "yes" if blocks else "no"
    if path in ("/block", "/dont-block"):
        os.set_blocking(3, path == "/block")
    return os.environ["BROOD_SLOT"]


def serve(listener, conn):
    conn.settimeout(5)
    words = conn.recv(4096).split()
    path = words[1].decode() if len(words) > 1 else ""
    if words:
        body = answer(path) + "\n"
        conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                     % (len(body), body.encode()))
    conn.close()
    if path == "/shut":
        listener.shutdown(socket.SHUT_RDWR)


while True:
    if hold and os.path.exists(hold):
        open("%s.%d" % (hold, os.getpid()), "w").close()
        time.sleep(0.01)
        continue
    for listener in select.select(listeners, [], [], 0.05)[0]:
        try:
            conn, _ = listener.accept()
        except OSError:  # shut down, or another was faster
            time.sleep(0.001)
            continue
        try:
            serve(listener, conn)
        except OSError:
            conn.close()
