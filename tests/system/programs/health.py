"""health.py DIRECTORY: a web server on the first inherited socket that says nothing to whoever started
it. Files in DIRECTORY tell it what to be:

    late         it accepts nothing while this is there
    unready      /ready is answered with 503
    sick.SLOT    /healthz is answered with 500 in that slot
    mute.SLOT    /healthz is not answered
    rude.SLOT    /healthz is answered with what is no HTTP

Each request is appended to DIRECTORY/requests: slot, pid, path, peer, and how the connection ended.
TERM ends it at once."""
import http.server
import os
import socket
import sys
import time

directory = sys.argv[1]
slot = os.environ["BROOD_SLOT"]


def told(what):
    return os.path.exists(os.path.join(directory, what))


def note(*words):
    line = " ".join([slot, str(os.getpid()), *words]) + "\n"
    fd = os.open(os.path.join(directory, "requests"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(fd, line.encode())
    os.close(fd)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        note(self.path, self.client_address[0])
        code = 200
        if self.path == "/ready" and told("unready"):
            code = 503
        if self.path == "/healthz":
            if told("sick." + slot):
                code = 500
            while told("mute." + slot):
                time.sleep(0.05)
            if told("rude." + slot):
                self.wfile.write(b"\x1b[31mgo away\r\n")
                self.close_connection = True
                return
        self.send_response(code)
        self.send_header("X-Worker", str(os.getpid()))
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=3)

    def handle_error(self, request, client_address):
        note("error", type(sys.exc_info()[1]).__name__)


while told("late"):
    time.sleep(0.02)
Server().serve_forever(poll_interval=3600)
