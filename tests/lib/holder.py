#!/usr/bin/env python3
"""holder: holds a listener and a channel for one worker, as a master would.

usage: holder.py [--channel] SAID PORT COMMAND [ARG...]

SAID gets each line that the worker says on NOTIFY_SOCKET, or with --channel on BROOD_CHANNEL_FD
(then a ping is sent first, and a drain when SAID.drain appears), and "exit CODE" at its end. The
holder stays until TERM, so that the listener outlives the worker.
"""
import os
import select
import signal
import socket
import subprocess
import sys

args = sys.argv[1:]
channel = args[0] == "--channel"
said_path, port, command = args[channel], int(args[channel + 1]), args[channel + 2:]
said = open(said_path, "a", buffering=1)

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen(128)
env = dict(os.environ, LISTEN_FDS="1", LISTEN_FDNAMES="web")
if channel:
    ours, theirs = socket.socketpair()
    env["BROOD_CHANNEL_FD"] = "4"
else:
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.bind(said_path + ".notify")
    env["NOTIFY_SOCKET"] = said_path + ".notify"


def hand_over():
    """Both go above the target numbers first, so that neither overwrites the other."""
    high = [os.dup2(fd, 50 + i) for i, fd in enumerate(
        [listener.fileno()] + ([theirs.fileno()] if channel else []))]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
        os.close(fd)
    os.closerange(3 + len(high), 50)


worker = subprocess.Popen(command, env=env, preexec_fn=hand_over, close_fds=False)
if channel:
    theirs.close()
    ours.send(b'{"brood":"hello","version":1}\n{"brood":"ping","id":7}\n')
signal.signal(signal.SIGTERM, lambda *_: (worker.kill(), sys.exit(0)))


def hear(seconds):
    """Writes down what has come; false when nothing has, or at the end of the channel."""
    data = b""
    if select.select([ours], [], [], seconds)[0]:
        data = ours.recv(65536)
        if data:
            said.write(data.decode().rstrip("\n") + "\n")
    return bool(data)


drained = False
while worker.poll() is None:
    hear(0.05)
    if channel and not drained and os.path.exists(said_path + ".drain"):
        drained = True
        ours.send(b'{"brood":"drain","deadline_ms":5000}\n')
# The worker's last words may still be under way when its end is known already.
while hear(0):
    pass
said.write(f"exit {worker.returncode}\n")
while True:
    signal.pause()
