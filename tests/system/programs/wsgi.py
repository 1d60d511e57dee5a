"""The least WSGI application, for gunicorn."""
import os


def application(environ, start_response):
    body = b"gunicorn %d\n" % os.getppid()
    start_response("200 OK", [
        ("Content-Type", "text/plain"),
        ("Content-Length", str(len(body))),
        ("X-Worker", str(os.getppid())),  # gunicorn's master, which is the worker here
    ])
    return [body]
