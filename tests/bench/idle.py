"""idle.py PORT COUNT: so many connections to 127.0.0.1, a request on each, and then they are kept until
stdin ends. Says "held" when all are there."""
import resource
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
for i in range(count):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: connect() chooses it
    s.bind((f"127.0.1.{1 + i // 10000}", 0))
    s.connect(("127.0.0.1", port))
    s.sendall(b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n")
    s.recv(65536)
    held.append(s)
print("held", flush=True)
sys.stdin.read()
