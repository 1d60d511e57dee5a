"""A worker whose connections may last for ever: each byte is answered with a line, its pid. At TERM
it accepts no more and ends when the last connection has ended."""
import os
import selectors
import signal
import socket

poll = selectors.DefaultSelector()
listener = socket.socket(fileno=3)
listener.setblocking(False)
poll.register(listener, selectors.EVENT_READ)
wake, at_signal = socket.socketpair()
at_signal.setblocking(False)
poll.register(wake, selectors.EVENT_READ)
signal.set_wakeup_fd(at_signal.fileno())
signal.signal(signal.SIGTERM, lambda *_: None)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
    notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])

draining = False
while not draining or len(poll.get_map()) > 1:
    for key, _ in poll.select():
        if key.fileobj is wake:
            draining = True
            poll.unregister(listener)
            wake.recv(64)
        elif key.fileobj is listener:
            try:
                conn, _ = listener.accept()
            except BlockingIOError:
                continue  # a sibling was faster
            poll.register(conn, selectors.EVENT_READ)
        elif key.fileobj.recv(64):
            key.fileobj.sendall(b"%d\n" % os.getpid())
        else:
            poll.unregister(key.fileobj)
            key.fileobj.close()
