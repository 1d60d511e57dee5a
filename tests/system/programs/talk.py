"""talk.py PORT FILE [TIMES]: says a byte every 50 ms over one connection and writes each line that
comes back to FILE ("-": standard output), until the other end closes or TIMES are over."""
import socket
import sys
import time

port, name, times = int(sys.argv[1]), sys.argv[2], float((sys.argv[3:] + ["inf"])[0])
out = sys.stdout if name == "-" else open(name, "w", buffering=1)
with socket.create_connection(("127.0.0.1", port)) as conn, conn.makefile("r") as answers:
    while times > 0:
        try:
            conn.sendall(b"?")
            line = answers.readline()
        except ConnectionError:
            break
        if not line:
            break
        out.write(line)
        times -= 1
        time.sleep(0.05)
