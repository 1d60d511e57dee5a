#!/usr/bin/env python3
"""A master that only talks: the control protocol from a script, to test brood(1) against masters
that are new, old, broken, slow, or gone in the middle.

fake_master.py SOCKET [MODE]

MODE  normal          answers as a healthy master of one app, "web", with two slots
      protocol=N      says in hello that it speaks protocol N
      refuse          refuses hello with an error
      garbage         answers with something that is no JSON
      nonsense        answers JSON that is no JSON-RPC
      silent          accepts and never answers
      slow=SECONDS    answers everything but hello that late
      close           closes the connection instead of answering anything but hello and status
      partial         closes after half an answer
      error=CODE      answers with that error code to everything but hello and status
      failing         a reload that shows progress and fails with last words
      split           sends each answer byte by byte
      two             has two apps, "web" and "v1.2"
      adhoc           made by brood start -- COMMAND
      evil            has control characters in all it says
It ends when it is told to shut down, or by a signal.
"""

import json
import os
import socket
import sys
import threading
import time

PATH = sys.argv[1]
MODE, _, VALUE = (sys.argv[2] if len(sys.argv) > 2 else "normal").partition("=")
NAME = os.path.basename(PATH)[: -len(".sock")]
NOW = "2026-11-21T02:29:00.123Z"
STARTED = time.monotonic()


def evil(text):
    return text + "\x1b[31m\r\u202e\nforged: line" if MODE == "evil" else text


def slot(n, state="serving", **more):
    worker = {
        "pid": os.getpid(), "generation": 7, "state": "ready", "step": "none", "reason": "ready",
        "uptime_ms": 192000, "speaks": True, "leader": n == 0, "status": evil("warm"),
        "beat": {"age_ms": 10, "lag_us": 120, "busy": 0.3, "conns": 17, "requests": 9120,
                 "stolen": 5},
        "messages_in": 1, "messages_out": 2, "messages_skipped": 0, "messages_dropped": 0,
        "log_lines": 3, "log_bytes": 100, "log_dropped": 0}
    out = {"slot": n, "state": state, "reason": evil("worker is ready"), "since_ms": 192000,
           "restarts": n, "stalls": 2 * n, "drained": False, "next_ms": None, "tier": "T2",
           "seat": 0, "queue": {"now": 3, "most": 41, "limit": 4096, "rescued": 0},
           "taken_over": 5, "worker": worker if state == "serving" else None,
           "next": None, "leaving": []}
    out.update(more)
    return out


def app(name="web", state="ready"):
    slots = [slot(0), slot(1)]
    if state == "degraded":
        slots[1] = slot(1, "backoff", reason=evil("exit 3 before it was ready"), next_ms=1200)
    return {"name": name, "state": state, "generation": 7, "workers": 2,
            "ready": 2 if state == "ready" else 1, "leaving": 0, "starts": 2, "deaths": 1,
            "rollout": "none", "balance": "even", "steering": "serve", "leader": 0,
            "listeners": [{"address": "tcp:127.0.0.1:8080", "name": "8080", "sockets": 1,
                           "port": 8080, "shape": "shared"}],
            "slots": slots}


def apps():
    state = os.environ.get("FAKE_STATE", "ready")
    return [app("web", state)] + ([app("v1.2")] if MODE == "two" else [])


def obituary():
    return {"time": NOW, "app": "web", "slot": 1, "pid": 812, "generation": 7, "cause": "exit",
            "text": evil("exit 3"), "code": 3, "signal": 0, "core_dumped": False,
            "expected": False, "was_ready": False, "uptime_ms": 140, "user_ms": 20,
            "system_ms": 10, "max_rss_bytes": 9 << 20, "reason": "",
            "last_words": "Error: no config" + evil("") + "\n  at main"}


def history():
    return [{"at_ms_ago": 900, "pid": 812, "generation": 7, "what": "worker", "from": "starting",
             "to": "dead", "cause": "exit", "reason": evil("exit 3")}]


def event(n, text, level="info", name="worker_ready", **more):
    out = {"seq": n, "time": NOW, "event": name, "level": level, "app": "web", "slot": n % 2,
           "pid": 900 + n, "generation": 8, "text": evil(text)}
    out.update(more)
    return out


class Failure(Exception):
    def __init__(self, code, message, **data):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data:
            self.error["data"] = data


class Client:
    def __init__(self, conn):
        self.conn = conn

    def send(self, message):
        data = (json.dumps(message) + "\n").encode()
        if MODE == "split":
            for byte in data:
                self.conn.sendall(bytes([byte]))
        else:
            self.conn.sendall(data)

    def notify(self, method, params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def progress(self, request, what):
        self.notify("progress", {"id": request["id"], "event": what})

    def hello(self, request, params):
        if MODE == "refuse":
            raise Failure(-32077, "uid 65534 may not control this master")
        return {"protocol": int(VALUE) if MODE == "protocol" else 1, "version": "9.9.9",
                "name": NAME, "pid": os.getpid(), "role": "admin", "adhoc": MODE == "adhoc",
                "unknown_member": [1, 2, 3]}

    def status(self, request, params):
        wanted = [a for a in apps() if params.get("app", a["name"]) == a["name"]]
        if not wanted:
            raise Failure(-32001, "there is no app \"%s\"" % params["app"])
        config = os.path.dirname(PATH) + "/" + NAME + ".conf"
        return {"version": "9.9.9", "protocol": 1, "name": NAME, "pid": os.getpid(),
                "adhoc": MODE == "adhoc", "started": NOW, "uptime_ms": 192000,
                "config": config, "run_dir": os.path.dirname(PATH), "state": "running",
                "cpus": 2, "apps": wanted}

    def ping(self, request, params):
        return {"pong": True}

    def describe(self, request, params):
        out = app(params["app"])
        out.update(config={"command": "node server.js", "workers": "2"},
                   metrics=[{"name": "jobs_total", "type": "counter", "labels": "", "value": 5}],
                   last_deaths=[obituary()])
        return out

    def why(self, request, params):
        slots = apps()[0]["slots"]
        if "slot" in params:
            slots = [s for s in slots if s["slot"] == params["slot"]]
            if not slots:
                raise Failure(-32001, "web has slots 0 to 1")
        for s in slots:
            s["history"] = history()
            s["obituaries"] = [obituary()] if s["state"] != "serving" else []
        return {"app": params["app"], "slots": slots}

    def operation(self, request, params):
        if not params.get("wait", True):
            return {"accepted": True}
        self.progress(request, event(0, "starting", name="worker_starting"))
        self.progress(request, event(0, "ready after 14 ms"))
        if MODE == "failing":
            self.progress(request, event(1, "exit 3 before it was ready", "warn", "worker_exit"))
            raise Failure(-32001, "the new worker of web.1 failed: exit 3",
                          last_words="Error: no config\n  at main")
        self.progress(request, event(1, "ready after 15 ms"))
        return {"message": request["method"] + " done"}

    reload = restart = start = stop = scale = drain = resume = operation

    def shutdown(self, request, params):
        self.send({"jsonrpc": "2.0", "id": request["id"], "result": {"message": "bye"}})
        os.unlink(PATH)
        os._exit(0)

    def simple(self, request, params):
        return {"message": json.dumps(params, sort_keys=True)}

    kill = signal = reopen = simple

    def probe(self, request, params):
        path, status = params.get("path", "/healthz"), 200
        if path.startswith("/status/"):
            status = int(path[len("/status/"):])
        return {"app": params["app"], "slot": params["slot"], "path": path, "ok": status > 0,
                "status": status,
                "line": evil("HTTP/1.1 %d" % status if status else "no answer within 20ms"),
                "connect_us": 120, "answer_us": 4500 if status else 0}

    def deliver(self, request, params):
        return {"delivered": 1 if "slot" in params else 2}

    def env(self, request, params):
        return {"app": params["app"], "slot": params["slot"], "pid": 1,
                "environment": {"PATH": "/bin", "ODD": evil("a")}}

    def config(self, request, params):
        return {"text": "[app:web]\ncommand = node server.js\n"}

    def logs(self, request, params):
        return self.history("log", params, lambda n: {
            "seq": n, "time": NOW, "app": "web", "slot": params.get("slot", n % 2), "pid": 900,
            "generation": 7, "stream": "out", "line": evil("line %d" % n), "partial": False})

    def events(self, request, params):
        return self.history("event", params, lambda n: event(n, "event %d" % n))

    def history(self, method, params, record):
        count = min(params.get("lines", 100), 5)
        for n in range(count):
            self.notify(method, record(n))
        if params.get("follow"):
            threading.Thread(target=self.follow, args=(method, record), daemon=True).start()
        return {"lines": count}

    def follow(self, method, record):
        try:
            for n in range(1000, 2000):
                time.sleep(0.02)
                self.notify(method, record(n))
        except OSError:
            pass

    def answer(self, request):
        method, params = request["method"], request.get("params") or {}
        if method not in ("hello", "status"):
            if MODE == "close":
                return False
            if MODE == "slow":
                time.sleep(float(VALUE))
            if MODE == "error":
                raise Failure(int(VALUE), "refused for a test")
        handler = self.deliver if method == "send" else getattr(self, method, None)
        if handler is None:
            raise Failure(-32601, "no such method")
        result = {"jsonrpc": "2.0", "id": request["id"], "result": handler(request, params)}
        if MODE == "partial" and method not in ("hello", "status"):
            self.conn.sendall(json.dumps(result)[:20].encode())
            return False
        self.send(result)
        return True

    def serve(self):
        reader = self.conn.makefile("r", encoding="utf-8")
        try:
            for line in reader:
                if MODE == "silent":
                    continue
                if MODE == "garbage":
                    self.conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    continue
                if MODE == "nonsense":
                    self.conn.sendall(b"[1,2,3]\n")
                    continue
                request = json.loads(line)
                try:
                    if not self.answer(request):
                        break
                except Failure as f:
                    self.send({"jsonrpc": "2.0", "id": request["id"], "error": f.error})
        except OSError:
            pass
        finally:
            reader.close()
            self.conn.close()


def main():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o177)
    listener.bind(PATH)
    listener.listen(16)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=Client(conn).serve, daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
