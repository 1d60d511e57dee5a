"""server.py FD: Python's http.server on an inherited socket. It says nothing to whoever started it;
at TERM it ends when the requests that it has are answered."""
import http.server
import os
import signal
import socket
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"python %d\n" % os.getpid()
        self.send_response(200)
        self.send_header("X-Worker", str(os.getpid()))
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

    def address_string(self):
        return "somebody"  # a UNIX socket's peer has no address


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close() waits for them

    def __init__(self, fd):
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=fd)


fd = int(sys.argv[1])
if fd == 3 and os.environ.get("LISTEN_PID") != str(os.getpid()):
    sys.exit("LISTEN_PID is not this process")
server = Server(fd)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
server.server_close()
