"""app.py: a small HTTP server on brood_asyncio.

/           who answers
/io?ms=N    waits as one waits for a database: others go on
/block?ms=N blocks the whole worker: new connections go to its neighbours
"""

import asyncio
import os
import re
import time

import brood_asyncio

# Of idle connections when draining: a request may be on its way. More than a client's round trip.
IDLE_GRACE_S = float(os.environ.get("IDLE_GRACE_S", "0.5"))

ANSWER = "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s"


async def next_request(reader, draining):
    """The head of the next request; None when there is none."""
    request = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    drain = asyncio.ensure_future(draining.wait())
    try:
        await asyncio.wait({request, drain}, return_when=asyncio.FIRST_COMPLETED)
        if not request.done():
            await asyncio.wait({request}, timeout=IDLE_GRACE_S)
        return request.result() if request.done() else None
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    finally:
        drain.cancel()
        request.cancel()


async def answer(path):
    wait = re.fullmatch(r"/(io|block)\?ms=(\d{1,5})", path)
    if wait and wait[1] == "io":
        await asyncio.sleep(int(wait[2]) / 1000)
    elif wait:
        time.sleep(int(wait[2]) / 1000)
    return "slot %s, pid %d\n" % (os.environ.get("BROOD_SLOT", "-"), os.getpid())


async def handle(reader, writer, draining):
    keep = True
    while keep and (head := await next_request(reader, draining)):
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        body = await answer(words[1] if len(words) == 3 else "/")
        keep = (words[-1] == "HTTP/1.1" and b"connection: close" not in head.lower()
                and not draining.is_set())
        writer.write((ANSWER % (os.getpid(), len(body), "keep-alive" if keep else "close",
                                body)).encode())
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(brood_asyncio.serve(handle))
