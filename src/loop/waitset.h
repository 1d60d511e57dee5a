/*
 * waitset: the wait sets of one app's workers, and how they line up at each socket. Knows no loop:
 * ring.c brings what the core wants here.
 *
 * The kernel walks the exclusive waiters of a socket in the order in which they were registered
 * and wakes the first that sleeps: so the order is what matters. A worker's own socket is read by
 * the worker, then by the one in the slot before, and so on round the ring.
 *
 *   who reads slot t            neighbours of slot s: s+1, s+2, ... (mod width)
 *   slots in use: width         t < width: up to `reach` slots before t
 *   parked after use: t >= width    as slot t mod width: what arrives late finds a reader
 *   left alone                  only whoever holds the seat: it may be any program (R13)
 *
 * An exclusive registration can't be changed (R11): it is always taken out and put in again. That
 * looks at the socket anew, so nothing that waits there is overlooked (R10). But a wake-up that a
 * worker got and did not follow before it was taken out is lost for the others: whenever a set is
 * emptied, what waits is offered to them again (R9).
 */
#ifndef BROOD_LOOP_WAITSET_H
#define BROOD_LOOP_WAITSET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/event.h"

struct channel_ring;
struct listener;
struct waitset_group;

#define WAITSET_WIDE  64 /* above so many slots a walk round all of them costs too much */
#define WAITSET_REACH 7  /* neighbours then */

/* One listener as the worker knows it. Lives as long as the worker. */
struct waitset_source {
	const struct listener *listener;
	const char *name;
};

struct waitset_worker {
	worker_id id;
	unsigned slot, seat;
	unsigned neighbours; /* 0 = all */
	bool own_slot_only;
	const struct waitset_source *sources; /* copied */
	size_t sources_len;
};

/* Hands a message with descriptors to the worker. 0 or a negative errno. */
typedef int (*waitset_send_fn)(void *arg, worker_id worker, const struct channel_ring *message);

/* NULL without memory. */
struct waitset_group *waitset_group_new(waitset_send_fn send, void *arg);
void waitset_group_free(struct waitset_group *g); /* NULL is fine */
/* Nobody has a set and no seat is left alone. */
bool waitset_group_is_idle(const struct waitset_group *g);

/* All return 0 or a negative errno: the first thing that failed, the rest was done all the same.
 * For a worker without a set they do nothing. */

/* An empty set, sent with the listeners that it may come to hold. On failure there is none. */
int waitset_give(struct waitset_group *g, const struct waitset_worker *who, unsigned width);
/* The worker is ready: its set is filled, and the others line up behind it at its own seat. */
int waitset_join(struct waitset_group *g, worker_id worker, unsigned width);
/* Its set is emptied. An event that it has already fetched it may still follow. */
void waitset_cut(struct waitset_group *g, worker_id worker);
/* Its process is gone: the set is emptied and our copy closed, so that no registration outlives
 * it in a process that inherited the set (R12); its seat is not alone any more. */
int waitset_forget(struct waitset_group *g, worker_id worker);
/* A connection waits at a seat: that worker looks again. */
int waitset_kick(struct waitset_group *g, worker_id worker, unsigned slot, unsigned seat);
/* Only that worker, which may be any program, reads the seat from now on. */
int waitset_leave_alone(struct waitset_group *g, worker_id worker, unsigned slot, unsigned seat);
/* The number of slots in use, or of sockets, may have changed. */
int waitset_settle(struct waitset_group *g, unsigned width);

/* Whether a worker that has a set was told of this listener: it must not block then. */
bool waitset_uses(const struct waitset_group *g, const struct listener *ls);

#endif
