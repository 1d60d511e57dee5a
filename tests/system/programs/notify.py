"""notify.py SOCKET TEXT...: sends each TEXT, in which | ends a line, to a notification socket, a third
of a second apart."""
import socket
import sys
import time

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    for number, text in enumerate(sys.argv[2:]):
        time.sleep(0.3 if number else 0)
        s.sendto(text.replace("|", "\n").encode(), sys.argv[1])
