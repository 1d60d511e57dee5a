/*
 * ring: the worker's wait set, an epoll set that the master made and fills (brood-protocol(7)):
 * the own listeners, and the neighbours' for when they are busy.
 *
 * libuv can't hold an exclusive registration itself: adding one that it does not know of fails, it
 * then changes the old one, and such a registration can't be changed (R11). So its loop is turned
 * inside out: the worker sleeps in the wait set, in which libuv's own descriptor is one more
 * member, and lets libuv take a turn without waiting. What came is accepted inside that turn, one
 * connection a turn, and served before the next one is taken (R25).
 *
 * While it does not sleep in there the kernel passes it over: to take nothing it is enough to be
 * elsewhere.
 */
#ifndef BROOD_HELLO_RING_H
#define BROOD_HELLO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "hello/control.h"
#include "hello/listeners.h"

struct server;

/* A listener of the wait set. It stays where it is: connections keep its name. */
struct ring_place {
	struct listener_fd listener;
	bool is_own_slots; /* else what comes from it was taken over */
};

struct ring {
	struct server *server;
	int set; /* -1: none */
	bool is_whole; /* the first list came to its end */
	bool is_broken; /* a part of it did not come */
	struct ring_place **places;
	size_t n;
	long ready; /* place that the last wait reported, -1: none */
	uv_prepare_t prepare;
	uint64_t stolen;
	uint64_t longest_ns; /* turn since ring_take_lag() */
};

void ring_init(struct ring *r, struct server *server);
/* A frame of the master's with its descriptors; what is taken is set to -1. True when the first
 * list is whole now, and the wait set can be used. */
bool ring_take(struct ring *r, struct control *frame, int *fds, size_t n);
bool ring_is_in_use(const struct ring *r);
/* Runs the loop until nothing is left to do, with a wait set or without. */
void ring_run(struct ring *r);
/* Longest turn since the last call: how late anything may have been. */
uint64_t ring_take_lag_us(struct ring *r);
/* Accepts nothing more. What has woken this worker already is taken, one of each listener, since
 * nobody else was woken for it (R9). */
void ring_leave(struct ring *r);
/* Frees what connections may have used until now. */
void ring_done(struct ring *r);

#endif
