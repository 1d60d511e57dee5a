"""Holds what `brood --json` prints against the shapes of brood-protocol(7) and brood(1).

    shapes.py SHAPE < JSON      one document; logs and events have one on each line

Exits 0 when it fits, else it says where not. A member that is not documented is an error here: it
has to be written into the manual, and into this file."""
import json
import re
import sys

TEXT, COUNT, NUMBER, BOOL = "text", "count", "number", "bool"


class Or:
    def __init__(self, *kinds):
        self.kinds = kinds


class List:
    def __init__(self, of):
        self.of = of


class Map:
    """Any names, one kind of value."""

    def __init__(self, of):
        self.of = of


def one_of(text):
    return re.compile("(?:%s)$" % "|".join(text.split()))


def maybe(kind):
    return Or(kind, None)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
SIGNAL = re.compile(r"[A-Z0-9+-]+$")
CAUSE = one_of("exit signal oom exec spawn ready_timeout protocol channel request watchdog probe reload "
               "rollout_failed scale operator shutdown")
WORKER_STATE = one_of("idle starting parked ready stalled draining stopping dead")
SLOT_STATE = one_of("resting starting serving backoff failed exited")

# A name that ends with "?" may be missing.
BEAT = {"age_ms": COUNT, "lag_us": COUNT, "busy": NUMBER, "conns": COUNT, "requests": COUNT,
        "stolen": COUNT}
QUEUE = {"now": COUNT, "most": COUNT, "limit": COUNT, "rescued": COUNT}
WORKER = {
    "pid": COUNT, "number": COUNT, "generation": COUNT, "state": WORKER_STATE,
    "step": one_of("none delay cut quiet asked agreed signalled aborted killed"), "reason": TEXT,
    "uptime_ms": COUNT, "speaks": BOOL, "leader": BOOL, "status": TEXT, "beat": maybe(BEAT),
    "messages_in": COUNT, "messages_out": COUNT, "messages_skipped": COUNT,
    "messages_dropped": COUNT, "log_lines": COUNT, "log_bytes": COUNT, "log_dropped": COUNT,
}
SLOT_HEAD = {
    "slot": COUNT, "state": SLOT_STATE, "reason": TEXT, "since_ms": COUNT, "restarts": COUNT,
    "stalls": COUNT, "drained": BOOL, "next_ms": maybe(COUNT), "worker": maybe(WORKER),
}
SLOT = {**SLOT_HEAD, "tier": maybe(one_of("T0 T1 T2")), "seat": COUNT, "queue": maybe(QUEUE),
        "taken_over": COUNT, "next": maybe(WORKER), "leaving": List(WORKER)}
SPARE = {**SLOT_HEAD, "state": Or(SLOT_STATE, WORKER_STATE), "leaving": List(WORKER)}
APP = {
    "name": TEXT,
    "state": one_of("ready starting degraded failed exited resting drained stopping reloading"),
    "generation": COUNT, "workers": COUNT, "ready": COUNT, "leaving": COUNT, "starts": COUNT,
    "deaths": COUNT, "rollout": one_of("none waiting forward verifying back"),
    "balance": one_of("shared kernel even sticky cpu dispatch"),
    "steering": one_of("none serve hold"), "leader": maybe(COUNT),
    "listeners": List({"address": TEXT, "name": TEXT, "sockets": COUNT, "port": COUNT,
                       "shape": one_of("shared kernel steered"), "asked": BOOL,
                       "unused_as?": COUNT}),
    "slots": List(SLOT), "spares": List(SPARE),
}
STATUS = {
    "version": TEXT, "protocol": COUNT, "name": TEXT, "pid": COUNT, "adhoc": BOOL,
    "started": TIME, "uptime_ms": COUNT, "config": TEXT, "run_dir": TEXT,
    "state": one_of("running stopping"), "cpus": COUNT, "apps": List(APP),
}
OBITUARY = {
    "time": TIME, "app": TEXT, "slot": COUNT, "pid": COUNT, "generation": COUNT, "cause": CAUSE,
    "text": TEXT, "code": maybe(COUNT), "signal": maybe(SIGNAL), "core_dumped": BOOL,
    "expected": BOOL, "was_ready": BOOL, "uptime_ms": COUNT, "user_ms": COUNT,
    "system_ms": COUNT, "max_rss_bytes": COUNT, "reason": TEXT, "last_words": TEXT,
}
HISTORY = {
    "at_ms_ago": COUNT, "pid": COUNT, "generation": COUNT, "what": one_of("worker slot"),
    "from": Or(WORKER_STATE, SLOT_STATE), "to": Or(WORKER_STATE, SLOT_STATE), "cause": Or(CAUSE, one_of("none")),
    "reason": TEXT,
}
METRIC = {"name": TEXT, "type": one_of("counter gauge"), "labels": TEXT, "value": NUMBER}
HELLO = {
    "protocol": COUNT, "version": TEXT, "name": TEXT, "pid": COUNT,
    "role": one_of("admin operator"), "adhoc": BOOL,
}
INSTANCE = Or(
    {"name": TEXT, "state": one_of("running"), "socket": TEXT, "pid": COUNT, "version": TEXT,
     "apps": List(TEXT), "ready": COUNT, "workers": COUNT, "uptime_ms": COUNT, "config": TEXT,
     "adhoc": BOOL},
    {"name": TEXT, "state": one_of("stale denied silent"), "socket": TEXT, "message?": TEXT},
)

SHAPES = {
    "status": STATUS,
    "describe": {**APP, "config": Map(TEXT), "metrics": List(METRIC),
                 "last_deaths": List(OBITUARY)},
    "why": {"app": TEXT, "omitted": COUNT,
            "slots": List({**SLOT_HEAD, "history": List(HISTORY), "obituaries": List(OBITUARY)})},
    "ls": {"run_dir": TEXT, "instances": List(INSTANCE)},
    "message": {"message": TEXT},
    "accepted": {"accepted": BOOL},
    "delivered": {"delivered": COUNT},
    "env": {"app": TEXT, "slot": COUNT, "pid": COUNT, "environment": Map(TEXT)},
    "ping": {"pong": BOOL},
    "probe": {"app": TEXT, "slot": COUNT, "path": re.compile("/"), "ok": BOOL, "status": COUNT,
              "line": TEXT, "connect_us": COUNT, "answer_us": COUNT},
    "doctor": {"ok": BOOL, "kernel": TEXT, "uid": COUNT, "cpus": COUNT,
               "checks": List({"part": one_of("machine configuration master"), "name": TEXT,
                               "answer": one_of("ok limited missing"), "essential": BOOL,
                               "found": TEXT, "cost": maybe(TEXT), "remedy": maybe(TEXT)}),
               "summary": {"ok": COUNT, "limited": COUNT, "missing": COUNT, "essential": COUNT}},
    "version": {"brood": TEXT, "master?": HELLO},
    "start": {"ready": BOOL, "pid": COUNT, "name": TEXT},
    "check": {"ok": BOOL, "exit?": COUNT, "messages": List(TEXT)},
    "config": {"text": TEXT},
    "error": {"error": {"exit": COUNT, "message": TEXT, "code": NUMBER, "last_words?": TEXT}},
    "log": {"seq": COUNT, "time": TIME, "app": TEXT, "slot": COUNT, "pid": COUNT,
            "generation": COUNT, "stream": one_of("out err"), "line": TEXT, "partial": BOOL},
    "event": {"seq": COUNT, "time": TIME, "event": re.compile("[a-z_]+$"),
              "level": one_of("error warn info"), "text": TEXT, "app?": TEXT, "slot?": COUNT,
              "pid?": COUNT, "generation?": COUNT},
}


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def check_members(v, kind, where):
    wanted = {name.rstrip("?"): of for name, of in kind.items()}
    for name in sorted(set(v) - set(wanted)):
        yield "%s.%s is not documented" % (where, name)
    for name in kind:
        if name.endswith("?") and name[:-1] not in v:
            continue
        if name.rstrip("?") not in v:
            yield "%s.%s is missing" % (where, name)
            continue
        yield from check(v[name.rstrip("?")], kind[name], "%s.%s" % (where, name))


def check(v, kind, where):
    if isinstance(kind, Or):
        tried = [list(check(v, k, where)) for k in kind.kinds]
        if all(tried):
            yield from min(tried, key=len)
    elif isinstance(kind, List) and isinstance(v, list):
        for i, item in enumerate(v):
            yield from check(item, kind.of, "%s[%d]" % (where, i))
    elif isinstance(kind, Map) and isinstance(v, dict):
        for name, item in v.items():
            yield from check(item, kind.of, "%s.%s" % (where, name))
    elif isinstance(kind, dict) and isinstance(v, dict):
        yield from check_members(v, kind, where)
    elif isinstance(kind, re.Pattern):
        if not isinstance(v, str) or not kind.match(v):
            yield "%s is %r" % (where, v)
    else:
        fits = {
            TEXT: isinstance(v, str),
            BOOL: isinstance(v, bool),
            NUMBER: is_number(v),
            COUNT: is_number(v) and isinstance(v, int) and v >= 0,
            None: v is None,
        }
        if isinstance(kind, (List, Map, dict)) or not fits[kind]:
            yield "%s is %r" % (where, v)


def main():
    shape = sys.argv[1]
    text = sys.stdin.read()
    documents = text.splitlines() if shape in ("log", "event") else [text]
    faults = []
    for document in documents:
        faults += check(json.loads(document), SHAPES[shape], shape)
    if not documents:
        faults.append("nothing was printed")
    print("\n".join(faults), end="\n" if faults else "")
    sys.exit(1 if faults else 0)


main()
