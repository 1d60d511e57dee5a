/*
 * ring: the worker's wait set. The master made it and put the listeners of all slots in, so that
 * the kernel wakes an idle worker where the owner is blocked, stopped or dead. Here is how a worker
 * sleeps in it: libuv cannot hold such a registration, so the loop is turned inside out.
 *
 *   epoll_wait(wait set, with libuv's descriptor inside, for as long as libuv would sleep)
 *   uv_run(NOWAIT): timers, pending, idle; prepare: one accept, if the wait found one; poll; ...
 *
 * The accept is inside the loop's turn and before its poll, so the phases keep their order and the
 * request is read in the same turn. One accept a turn: what was taken is served before the next is
 * taken (R25), and whoever is idle takes the others. While this worker cannot take connections it
 * sleeps in libuv's own descriptor.
 */
#ifndef BROOD_WORKER_RING_H
#define BROOD_WORKER_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/control.h"
#include "worker/listeners.h"

struct brood_worker;

/* A listener of the wait set. It stays where it is: the program may keep its name. */
struct ring_place {
	struct listener listener;
	bool is_own_slots; /* else what comes from it was taken over */
};

struct ring {
	struct brood_worker *worker;
	int set; /* -1: none */
	bool is_whole; /* the first list came to its end */
	bool is_broken; /* a part of it did not come */
	struct ring_place **places;
	size_t n;
	long ready; /* place that the last wait reported, -1: none */
};

void ring_init(struct ring *r, struct brood_worker *w);
/* A frame of the master's with its descriptors; what is taken is set to -1. True when the first
 * list is whole now, and the wait set can be used. */
bool ring_take(struct ring *r, const struct control *frame, int *fds, size_t n);
bool ring_is_in_use(const struct ring *r);
/* Has the loop sleep in the set, or not. */
void ring_sleep(struct ring *r, bool on);
/* In the loop's turn, before it polls: accepts what the wait found. */
void ring_accept(struct ring *r);
/* Accepts nothing more. What has woken this worker already is taken, one of each listener, since
 * nobody else was woken for it (R9). */
void ring_leave(struct ring *r);
/* The same, but takes nothing. */
void ring_drop(struct ring *r);
/* Frees the names that connections may have used until now. */
void ring_done(struct ring *r);

#endif
