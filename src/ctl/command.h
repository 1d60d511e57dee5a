/*
 * command: what may be asked over the control socket. One table (name, role, help) serves
 * dispatch, the role check, the manual's drift test, and the method "help". A request becomes a
 * plan: an answer, or something for the loop to do. Nothing is done here.
 */
#ifndef BROOD_CTL_COMMAND_H
#define BROOD_CTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/event.h"
#include "ctl/journal.h"
#include "ctl/metrics.h"

enum ctl_role { CTL_ROLE_NONE, CTL_ROLE_OPERATOR, CTL_ROLE_ADMIN };

struct ctl_method {
	const char *name;
	enum ctl_role role;		/* least role that may call it */
	const char *params;		/* "app, slot, signal?" for the manual */
	const char *help;
};

const struct ctl_method *ctl_methods(size_t *ret_len);

/* What the loop knows of a worker beyond the core. All zero when it said nothing. */
struct worker_report {
	char status[256];
	bool has_beat;
	uint64_t beat_us;		/* monotonic */
	uint64_t lag_us, conns, requests;
	uint64_t stolen;		/* connections of its siblings that it took over */
	double busy;
	uint64_t messages_in, messages_out, messages_skipped, messages_dropped, faults;
	uint64_t log_lines, log_bytes, log_dropped;
};

struct listener_info {
	const char *key;		/* "tcp:127.0.0.1:8080" */
	const char *name;
	unsigned sockets;		/* 1, or one or two a slot */
	uint16_t port;			/* the real one when 0 was asked for */
	const char *shape;		/* "shared", "kernel", "steered"; NULL = not known */
	bool asked;			/* by workers; no configuration names it */
	bool unused;			/* workers listen, and none of them here */
	uint16_t use_as;		/* unused: the port that they asked for; 0 = none */
};

/* What waits at the sockets of a slot, as far as the loop looked. */
struct slot_queue {
	unsigned now, most, limit;	/* most: since the master's start */
	uint64_t rescued;		/* given to other slots because nobody took them there */
};

/* Read-only view of the master, filled by the loop once. */
struct ctl_context {
	const struct core *core;
	const struct journal *journal;
	const struct metrics *metrics;
	const char *name, *version, *config_path, *run_dir;
	pid_t pid;
	bool adhoc;			/* made by brood run or brood start -- COMMAND */
	uint64_t started_wall_ms;	/* for people to read */
	uint64_t started_us;		/* the same on the monotonic clock, for the age */
	unsigned cpus;
	void *arg;
	const struct worker_report *(*report)(void *arg, worker_id worker);	/* may return NULL */
	/* Fills at most max; returns how many there are. */
	size_t (*listeners)(void *arg, const char *app, struct listener_info *ret, size_t max);
	/* False: that slot's queue can't be told from the others'. */
	bool (*queue)(void *arg, const char *app, unsigned slot, struct slot_queue *ret);
};

enum ctl_outcome {
	CTL_ANSWER,			/* result is the answer */
	CTL_REFUSE,			/* code and message are */
	CTL_EVENT,			/* event goes to the core; the answer is its ACTION_REPLY */
	CTL_RELOAD,			/* read the config again, then CONFIGURE or RELOAD app */
	CTL_RESTART,			/* read the config again, then RESTART app (all: each) */
	CTL_LOGS,			/* history, then follow if asked */
	CTL_EVENTS,
	CTL_SEND,			/* message to workers */
	CTL_ENV,			/* environment of a worker: read /proc */
	CTL_CONFIG,			/* the configuration in force as text, secrets hidden */
	CTL_REOPEN,
	CTL_PROBE,			/* one request to the worker in plan.slot */
};

struct ctl_plan {
	enum ctl_outcome outcome;
	const struct ctl_method *method;
	json_t *result;			/* CTL_ANSWER: owned by the plan until taken */
	int code;			/* CTL_REFUSE: enum rpc_code */
	char message[256];
	struct event event;		/* CTL_EVENT: .app points to `app` below */
	char app[49];			/* "" = all */
	int slot;			/* -1 = all */
	bool wait;			/* false: answer at once, go on */
	bool follow;
	uint64_t lines;			/* LOGS, EVENTS: how much history */
	bool update_env;		/* RELOAD */
	const json_t *data;		/* SEND: inside the request */
	const char *path;		/* PROBE: inside the request, or of the app */
	uint64_t timeout_ms;		/* PROBE */
};

/* request: a parsed JSON-RPC object. Checks shape, method, role, parameters; unknown members are
 * ignored. Everything about apps and slots that can be refused is refused here with the names
 * that exist. *ret is always filled; call ctl_plan_done(). */
void ctl_dispatch(const struct ctl_context *ctx, enum ctl_role role, const json_t *request,
    struct ctl_plan *ret);
void ctl_plan_done(struct ctl_plan *plan);

/* The whole state (`status`), one app (`describe`), one slot (`why`). New references. */
json_t *ctl_status_json(const struct ctl_context *ctx);
json_t *ctl_status_json_of(const struct ctl_context *ctx, const char *app);	/* NULL = all */
json_t *ctl_describe_json(const struct ctl_context *ctx, const char *app);
json_t *ctl_why_json(const struct ctl_context *ctx, const char *app, int slot);
/* "4/4 ready, generation 7" or "web 3/4 ready, api 2/2 ready": sd_notify's STATUS. */
void ctl_status_line(const struct core *core, char *buf, size_t size);

#endif
