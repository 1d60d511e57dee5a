/*
 * client: one connection to the control socket: frames in, lines out, deadlines. What a request
 * means is in request.c, what a follower sees in follow.c. Lines are appended to `out` and
 * written once, at the end of the turn of the loop (client_touch()); nobody but client.c closes,
 * and a closed client stays valid until the next turn.
 */
#ifndef BROOD_LOOP_CLIENT_H
#define BROOD_LOOP_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/str.h"
#include "core/action.h"
#include "core/event.h"
#include "ctl/command.h"
#include "ipc/frame.h"

struct loop;

#define CLIENTS_MAX          64
#define CLIENT_OUT_BYTES     (4 * 1024 * 1024)	/* who lets more pile up is closed (K4); the status of
					 * CONF_WORKERS_MAX workers fits */
#define CLIENT_FOLLOW_BYTES  (512 * 1024)	/* beyond, a follower loses lines */
#define CLIENT_DEADLINE_MS   5000
#define CLIENT_CHUNK_BYTES   16384

/* Waits for the end of an operation; `restart` of all apps is one operation each. */
struct waiter {
	struct waiter *next;
	json_t *id;			/* of the request, owned */
	char app[49];			/* "" = all */
	uint64_t since_ms;		/* wall clock: deaths from here on explain a failure */
	request_id *requests;		/* 0 = answered */
	size_t len, pending;
	enum reply_code code;		/* the worst so far */
	char text[512];			/* as long as a struct err */
};

struct follow {
	bool on;
	char app[49];			/* "" = all */
	int slot;			/* -1 = all */
	uint64_t lost;			/* lines that did not fit, not yet told */
};

struct client {
	struct control *control;
	struct client *prev, *next;
	int fd;				/* -1 = closed */
	uv_poll_t poll;
	uv_timer_t deadline;		/* of a request begun, or of the last words to a client */
	unsigned handles;
	enum ctl_role role;
	uint64_t active_us;
	struct frame_reader reader;
	struct str out;
	struct waiter *waiters;
	struct ask *asks;		/* of workers, not answered yet */
	struct follow logs, events;
	bool touched;			/* out has to be looked at */
	bool eof;			/* it says no more, but may wait for an answer */
	bool ending;			/* closed as soon as out is written */
};

struct control {
	struct loop *loop;
	char *path;
	gid_t gid;			/* of operators; -1 = none */
	int fd;				/* listens */
	int spare_fd;			/* closed to make room for one that is turned away (F3) */
	uv_poll_t *poll;		/* of fd: replaced with it (K7) */
	uv_timer_t retry;		/* accept() had no descriptor: not before this */
	uv_prepare_t flush;		/* runs while a client is touched */
	dev_t dev;			/* of the socket file */
	ino_t ino;
	struct client *clients;
	unsigned clients_len;
	unsigned handles;
	char chunk[CLIENT_CHUNK_BYTES];
};

/* Takes fd over, on failure too. */
void client_open(struct control *ctl, int fd, enum ctl_role role);
/* Something was appended to out, or nothing is waited for any more. */
void client_touch(struct client *c);
/* No operation, no subscription: may go when others want in. */
bool client_is_idle(const struct client *c);
void client_close(struct client *c);
/* Writes what every touched client takes. */
void clients_flush(struct control *ctl);
void control_handle_closed(struct control *ctl);

/* request.c */
void request_handle(struct client *c, const json_t *request);
void request_on_reply(struct control *ctl, const struct action *reply);
void request_progress(struct client *c, const struct journal_event *e, const json_t *event);
void waiters_free(struct client *c);

/* ask.c: asks a worker on behalf of c, which gets the answer when it comes. 0, or a negative errno
 * with the reason. */
int ask_begin(struct client *c, const struct ctl_plan *plan, const json_t *id, const char **ret_text);
void asks_free(struct client *c);

/* follow.c */
void follow_logs(struct client *c, const struct ctl_plan *plan, const json_t *id);
void follow_events(struct client *c, const struct ctl_plan *plan, const json_t *id);
void follow_on_event(struct client *c, const struct journal_event *e, const json_t *event);
/* There is room again: says what was lost meanwhile. */
void follow_tell_lost(struct client *c);
/* Lines are only asked for while somebody follows. */
void follow_update_watch(struct control *ctl);

#endif
