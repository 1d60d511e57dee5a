"""app.py: an ASGI application, as for any server of that kind.

/         who answers
/io?ms=N  waits as one waits for a database
"""

import asyncio
import os
from urllib.parse import parse_qs


async def application(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    while (await receive()).get("more_body"):
        pass  # read to its end: Hypercorn 0.13 keeps no connection else
    if scope["path"] == "/io":
        query = parse_qs(scope["query_string"].decode())
        await asyncio.sleep(int(query.get("ms", ["0"])[0]) / 1000)
    body = b"pid %d\n" % os.getpid()
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"text/plain"),
        (b"content-length", b"%d" % len(body)),
        (b"x-worker", b"%d" % os.getpid()),
    ]})
    await send({"type": "http.response.body", "body": body})
