"""take.py [WORD...]: a worker for balance = dispatch in the simplest form: it asks the master for a
connection, serves it, and asks for the next. While it serves, it gets nothing. It says ready on the
channel and ends when it is told to drain or the channel ends. Messages go to heard.SLOT.

GET / answers with slot, pid and the name of the listener; /env with what was inherited; /wait?PATH
as / once PATH exists, as a blocking call would, and makes PATH.here when it begins; every answer
has X-Worker and closes.

Words that make it misbehave, each may be followed by =SLOT:
    early   asks before it is ready, and says ready when the file GO exists (in its directory)
    flood   asks a thousand times at once instead of once
    hoard   keeps what it gets, neither serves it nor asks again
    deaf    asks a thousand times, and never reads
    silent  says nothing at all, not even ready
"""
import array
import os
import socket
import sys
import time

SLOT = os.environ["BROOD_SLOT"]
TAKE = b'{"brood":"take"}\n'
channel = socket.socket(fileno=int(os.environ["BROOD_CHANNEL_FD"]))
waiting = []  # descriptors whose line has not been read yet


def does(word):
    return any(w in (word, f"{word}={SLOT}") for w in sys.argv[1:])


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.02)


def lines():
    rest = b""
    while True:
        data, control, _, _ = channel.recvmsg(4096, socket.CMSG_SPACE(16 * 4))
        for level, kind, body in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
                waiting.extend(fds)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


def inherited():
    sockets = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
               if os.path.exists(f"/proc/self/fd/{fd}")]
    return "LISTEN_FDS=%s LISTEN_FDNAMES=%s PORT=%s sockets=%d" % (
        os.environ.get("LISTEN_FDS"), os.environ.get("LISTEN_FDNAMES"), os.environ.get("PORT"),
        sum(s.startswith("socket:") for s in sockets))


def answer(conn, listener):
    request = b""
    while b"\r\n\r\n" not in request:
        data = conn.recv(4096)
        if not data:
            return
        request += data
    path = request.split()[1].decode()
    if path.startswith("/wait?"):
        open(path[6:] + ".here", "w").close()
        wait_for(path[6:])
    body = inherited() if path == "/env" else f"{SLOT} {os.getpid()} {listener}"
    body += "\n"
    conn.sendall(("HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: %d\r\nConnection: close\r\n"
                  "\r\n%s" % (os.getpid(), len(body), body)).encode())


def serve(line):
    conn = socket.socket(fileno=waiting.pop(0))
    if does("hoard"):
        hoard.append(conn)
        return False
    try:
        answer(conn, line.split(b'"listener":"')[1].split(b'"')[0].decode())
    except OSError:
        pass  # the client went away
    conn.close()
    return True


hoard = []
if does("silent"):
    while True:
        time.sleep(60)
if does("early"):
    channel.sendall(TAKE)
    wait_for("GO")
# At once: who is seen ready has asked, too.
READY = b'{"brood":"ready"}\n'
channel.sendall(READY if does("early") else READY + TAKE * (1000 if does("flood") or does("deaf") else 1))
while does("deaf"):
    time.sleep(60)
for line in lines():
    if line.startswith(b'{"brood":"connection"'):
        if serve(line):
            channel.sendall(TAKE)
    elif line.startswith(b'{"brood":"drain"'):
        channel.sendall(b'{"brood":"stopping"}\n')
        break
    elif line.startswith(b'{"brood":"message"'):
        with open(f"heard.{SLOT}", "ab") as heard:
            heard.write(line + b"\n")
    elif line.startswith(b'{"brood":"ping"'):
        channel.sendall(line.replace(b"ping", b"pong") + b"\n")
