"""app.py: a WSGI application, as for any server of that kind.

/         who answers
/io?ms=N  waits as one waits for a database
"""

import os
import time
from urllib.parse import parse_qs


def application(environ, start_response):
    if environ["PATH_INFO"] == "/io":
        query = parse_qs(environ["QUERY_STRING"])
        time.sleep(int(query.get("ms", ["0"])[0]) / 1000)
    body = b"pid %d\n" % os.getpid()
    start_response("200 OK", [
        ("Content-Type", "text/plain"),
        ("Content-Length", str(len(body))),
        ("X-Worker", str(os.getpid())),
    ])
    return [body]
