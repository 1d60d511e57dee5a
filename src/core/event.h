/*
 * event: everything that the core can be told. The core learns nothing in any other way: no
 * system call, no clock, no file; each event carries the time.
 *
 * Pointers in an event are only read during core_step(), but for `launch` cookies, which the
 * core keeps and gives back with ACTION_FORGET.
 */
#ifndef BROOD_CORE_EVENT_H
#define BROOD_CORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct conf_app;

/* Names one worker for ever: never reused in the life of a master. 0 = none. */
typedef uint32_t worker_id;
/* Names one request of an operator; chosen by the loop; 0 = nobody waits for the answer. */
typedef uint32_t request_id;

enum event_kind {
	EVENT_TIME, /* nothing else has happened: deadlines are looked at, by this event only */
	/* operators */
	EVENT_CONFIGURE, /* a whole configuration: start, roll out, remove */
	EVENT_RELOAD, /* one app: roll out target */
	EVENT_RESTART, /* one app: stop all, then start target */
	EVENT_START, /* one app that rests */
	EVENT_STOP, /* one app shall rest */
	EVENT_SCALE,
	EVENT_KILL, /* one worker gets a signal */
	EVENT_SIGNAL, /* all workers of an app get a signal */
	EVENT_DRAIN, /* one slot, all of an app, or (app NULL) of every app: sockets stay */
	EVENT_RESUME,
	EVENT_SHUTDOWN,
	/* outcomes of actions */
	EVENT_SPAWNED,
	EVENT_SPAWN_FAILED, /* no process came to be */
	EVENT_EXEC_FAILED, /* a process came to be, and could not become the program;
					 * always followed by EVENT_EXITED */
	EVENT_EXITED, /* reaped */
	EVENT_VERIFIED,
	/* workers */
	EVENT_READY,
	EVENT_SPOKE, /* first control message: it understands brood */
	EVENT_STOPPING, /* drains on its own, or agrees to */
	EVENT_REPLACE, /* asks to be replaced */
	EVENT_PROTOCOL_FAULT, /* its channel was closed for what it sent */
	EVENT_CHANNEL_CLOSED, /* it closed the channel, having spoken brood on it */
	EVENT_EXTEND, /* asked for more time (EXTEND_TIMEOUT_USEC) */
	EVENT_RING, /* asks for its wait set */
	EVENT_ALIVE, /* answered a ping, or said so by itself, as it will again (alive.unasked) */
	EVENT_INTERVAL, /* in which it says so from now on (WATCHDOG_USEC) */
	EVENT_TRIGGER, /* wants to be aborted (WATCHDOG=trigger) */
	EVENT_ASKED, /* its listen() waits for ACTION_ANSWER (Node) */
	/* sockets */
	EVENT_QUEUES, /* a look at the accept queues of an app, while any is not empty */
	EVENT_EMPTIED, /* outcome of ACTION_WATCH: nothing is queued or half-open at its seat */
	EVENT_QUIET, /* outcome of ACTION_WATCH: no connection has a request inside */
	EVENT_PROBED, /* outcome of ACTION_PROBE */
	EVENT_KIND_MAX,
};

/* How a worker became ready. */
enum ready_by {
	READY_BY_NOTIFY,
	READY_BY_CHANNEL,
	READY_BY_FD,
	READY_BY_LISTENING, /* it listens, as far as it told us (Node) */
	READY_BY_TIME,
	READY_BY_ACCEPT, /* it took a connection of the master's */
	READY_BY_HTTP, /* and answered it */
	READY_BY_MAX,
};

/* A connection of the master's to one worker, over its real listener. */
enum probe_kind {
	PROBE_NONE, /* ACTION_PROBE: give up what is under way */
	PROBE_ACCEPT, /* tried until it is accepted */
	PROBE_HTTP, /* tried until it is answered well (readiness) */
	PROBE_HEALTH, /* tried once, within probe_timeout */
	PROBE_KIND_MAX,
};

/* The accept queue of one seat (core/cluster.h). */
struct queue_sample {
	unsigned slot, seat;
	unsigned len, limit;
};

enum shutdown_mode {
	SHUTDOWN_NONE,
	SHUTDOWN_GRACEFUL, /* TERM: drain_delay, drain, stop */
	SHUTDOWN_NO_DELAY, /* QUIT: the same without drain_delay */
	SHUTDOWN_QUICK, /* INT: stop signal at once, KILL after QUICK_STOP_MS */
	SHUTDOWN_NOW, /* second INT, TERM, QUIT: KILL */
	SHUTDOWN_MODE_MAX,
};

/* What an app shall become. */
struct core_target {
	const struct conf_app *conf; /* lives as long as launch */
	void *launch; /* what the loop needs to spawn this generation */
	unsigned workers;
	bool steered; /* its listeners have twin sockets and a program that can be swapped */
	bool node; /* its workers ask the master before they listen (Node's cluster) */
};

struct event {
	enum event_kind kind;
	request_id request; /* operators' events */
	const char *app; /* operators' events for one app */
	worker_id worker; /* outcomes and workers' events */
	union {
		struct {
			const struct core_target *targets;
			size_t len;
		} configure;
		struct core_target target; /* RELOAD, RESTART */
		struct {
			unsigned workers;
		} scale;
		struct {
			unsigned slot;
			int signal;
		} kill;
		struct {
			int slot; /* -1 = all */
		} drain; /* DRAIN, RESUME */
		struct {
			int signal;
		} signal;
		struct {
			enum shutdown_mode mode;
		} shutdown;
		struct {
			pid_t pid;
		} spawned;
		struct {
			int error; /* positive errno */
			bool transient; /* time may heal it: not charged to anybody */
			const char *what;
		} spawn_failed;
		struct {
			int error;
			const char *stage;
		} exec_failed;
		struct {
			int code; /* exit code, or -1 */
			int signal; /* or 0 */
			bool core_dumped;
			bool oom;
			bool daemonised; /* it left a child behind that looks like the real one */
		} exited;
		struct {
			bool intact;
			const char *what; /* the file that changed */
		} verified;
		struct {
			enum ready_by by;
		} ready;
		struct {
			const char *reason;
		} text; /* REPLACE, PROTOCOL_FAULT */
		struct {
			uint64_t us;
		} extend;
		struct {
			bool unasked; /* WATCHDOG=1: its silence means something from now on */
		} alive;
		struct {
			uint64_t us; /* 0 = it will say nothing any more */
		} interval;
		struct {
			unsigned neighbours; /* whose listeners it reads, too; 0 = all */
		} ring;
		struct {
			const struct queue_sample *items;
			size_t len;
		} queues;
		struct {
			bool unknown; /* it can't be told here: do not wait */
		} quiet;
		struct {
			enum probe_kind kind;
			bool ok;
			bool unknown; /* the worker can't be addressed here */
			const char *what; /* "503 Service Unavailable", "no answer within 5s" */
		} probed;
	};
};

const char *event_kind_to_string(enum event_kind kind);
const char *ready_by_to_string(enum ready_by by);
const char *probe_kind_to_string(enum probe_kind kind);
const char *shutdown_mode_to_string(enum shutdown_mode mode);

#endif
