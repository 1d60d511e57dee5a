/*
 * worker: one struct for the worker of this process (brood.h, "being a worker"); each file of the
 * room owns a part of it:
 *   worker.c     life: opening, ready, draining, done; frames, signals
 *   accept.c     connections: the listeners by the loop, one accept a turn, limits
 *   ring.c       the listeners by the master's wait set
 *   dispatch.c   connections that the master accepted
 *   listeners.c  where listeners come from
 *   channel.c    lines from and to the master; control.c: what they mean
 *   report.c     beats and metrics; tell.c: messages and texts
 *   notify.c     the same few words to a master that is not brood
 *
 *   state     | listeners are                       | leaves it by
 *   ----------+-------------------------------------+---------------------------------------------
 *   opening   | found; nobody watches them yet      | wait set or patience, and the program is ready
 *   serving   | watched                             | drain frame, signal, end of the channel, wish
 *   draining  | let go                              | brood_worker_done(), deadline
 *   done      | let go; the loop is kept no longer  | -
 *
 * It must not know what the connections speak.
 */
#ifndef BROOD_WORKER_WORKER_H
#define BROOD_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "brood.h"
#include "worker/channel.h"
#include "worker/control.h"
#include "worker/listeners.h"
#include "worker/report.h"
#include "worker/ring.h"

enum worker_state {
	WORKER_OPENING,
	WORKER_SERVING,
	WORKER_DRAINING,
	WORKER_DONE,
	WORKER_STATE_MAX
};

/* A listener that our own loop watches. */
struct door {
	struct brood_worker *worker;
	struct listener *listener;
	uv_poll_t poll;
	bool is_open;
};

struct brood_worker {
	struct brood_loop *loop;
	struct brood_worker_handlers on;
	void *data;
	char *app;
	int slot, generation, port;

	enum worker_state state;
	bool is_settled; /* who watches the listeners is known */
	bool is_program_ready;
	bool is_closed; /* brood_worker_close() was called */
	bool is_leader;
	bool has_asked_ring;
	bool is_paused; /* no descriptor, or too many connections */
	bool has_accepted; /* in this turn */
	bool is_dispatched; /* connections are asked for, one at a time */
	bool has_asked;
	brood_id ask_later;
	unsigned closing; /* handles that libuv has still to let go */
	unsigned interrupts;
	uint64_t conns, max_conns, requests, stolen;
	uint64_t drain_until_ms; /* 0: no drain yet */

	uv_prepare_t turn; /* referenced: it keeps the loop until the worker is done */
	uv_signal_t term, interrupt;
	uv_timer_t patience; /* for the wait set */
	uv_timer_t pause;
	uv_timer_t deadline;

	struct channel channel;
	struct ring ring;
	struct report report;
	struct listener_set listeners;
	struct door *doors;
	size_t n_doors;
};

/* Every handle of the room is closed by this. */
void worker_close_handle(struct brood_worker *w, uv_handle_t *handle);

/* Of the channel. */
void worker_on_frame(struct brood_worker *w, const char *line, size_t len, int *fds, size_t n);
void worker_on_gone(struct brood_worker *w);

/* --- accept.c -------------------------------------------------------------------------------- */

/* How many connections the descriptors are enough for; reserved ones have other uses. */
void accept_set_limit(struct brood_worker *w, size_t reserved);
/* Begins to watch the listeners by the loop. 0 or a negative errno. */
int accept_open_doors(struct brood_worker *w);
/* Not those any more that are the master's, and gives them back. */
void accept_leave_to_ring(struct brood_worker *w);
/* Watches, by whatever means there are, or does not: as the state wants it. */
void accept_update(struct brood_worker *w);
/* Lets the listeners go; what we alone could have accepted is accepted first. */
void accept_leave(struct brood_worker *w);
/* Lets them go as they are. */
void accept_drop(struct brood_worker *w);

/* Accepts one connection, if there is one and room for it, and gives it to the program. False:
 * there is nothing more. A listener that somebody else has emptied or is about to flush is no
 * fault (R22). */
bool worker_accept(struct brood_worker *w, const struct listener *l);
/* One that somebody has accepted. */
void worker_give(struct brood_worker *w, int fd, const struct listener *l);
/* Accepts nothing for a moment. */
void worker_pause(struct brood_worker *w);
bool worker_is_full(const struct brood_worker *w);

/* --- dispatch.c ------------------------------------------------------------------------------ */

/* Whether the master hands connections over, as the environment says. */
void dispatch_open(struct brood_worker *w);
/* Asks for a connection where that was not done and one can be served. */
void dispatch_ask(struct brood_worker *w);
/* A connection of the master's; its descriptor is taken (-1). */
void dispatch_take(struct brood_worker *w, const struct control *frame, int *fds, size_t n);
void dispatch_close(struct brood_worker *w);

#endif
