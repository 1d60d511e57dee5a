"""Servers that open their socket themselves and know nothing of brood: KIND ADDRESS..."""
import asyncio
import os
import signal
import socket
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def response(pid, client):
    body = b"pid %d, client %s\n" % (pid, client.encode())
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        len(body), body)


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = ("pid %d, client %s, port %d\n" % (
            os.getpid(), self.client_address[0], self.server.socket.getsockname()[1])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def threads(host, port):
    ThreadingHTTPServer((host, int(port)), Answer).serve_forever()


def late(gate, host, port):
    while not os.path.exists(gate):
        time.sleep(0.02)
    threads(host, port)


def prefork(host, port):
    """Children that wait in accept(), of a parent that closes what it does not know."""
    for fd in range(3, 1024):
        try:
            os.close(fd)
        except OSError:
            pass
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, int(port)))
    s.listen(5)
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while True:
                c, peer = s.accept()
                c.recv(4096)
                c.sendall(response(os.getppid(), peer[0]))
                c.close()
        children.append(pid)

    def leave(*_):
        for pid in children:
            os.kill(pid, signal.SIGTERM)
        for pid in children:
            os.waitpid(pid, 0)
        os._exit(0)
    signal.signal(signal.SIGTERM, leave)
    while True:
        signal.pause()


async def answer(reader, writer):
    while await reader.readline() not in (b"\r\n", b""):
        pass
    peer = writer.get_extra_info("peername")
    writer.write(response(os.getpid(), peer[0] if peer else "unix"))
    await writer.drain()
    writer.close()


async def serve(*addresses):
    """host:port or a path each; the path is cleared, its mode set and it is taken away at the end."""
    servers = []
    for address in addresses:
        if ":" in address:
            host, port = address.rsplit(":", 1)
            servers.append(await asyncio.start_server(answer, host or None, int(port)))
        else:
            if os.path.exists(address):
                os.unlink(address)
            servers.append(await asyncio.start_unix_server(answer, address))
            os.chmod(address, 0o666)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    for server in servers:
        server.close()
    await asyncio.sleep(0.1)
    for address in addresses:
        if ":" not in address:
            os.unlink(address)


def loop(*addresses):
    asyncio.run(serve(*addresses))


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        data, s = self.request
        s.sendto(b"%s from %d for %s" % (data, os.getpid(), self.client_address[0].encode()),
                 self.client_address)


def datagrams(host, port):
    socketserver.UDPServer((host, int(port)), Echo).serve_forever()


globals()[sys.argv[1]](*sys.argv[2:])
