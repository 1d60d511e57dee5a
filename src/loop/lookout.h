/*
 * lookout: the accept queues of one app, for queues.c: all its TCP sockets in one epoll set, which
 * of them may wake the loop, and what was last seen at each.
 */
#ifndef BROOD_LOOP_LOOKOUT_H
#define BROOD_LOOP_LOOKOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "core/event.h"

struct app;
struct epoll_event;
struct listener;
struct launch;

/* Of all generations of an app; further ones are not looked at. */
#define LOOKOUT_LISTENERS_MAX (4 * CONF_LISTENERS_MAX)

/* One socket. */
struct look {
	int fd;
	uint16_t slot;
	uint8_t seat;
	bool wakes; /* what the set was told */
	bool ready; /* said the set, in this look */
	bool hung; /* taken out of the set: somebody shut it down */
	unsigned len;
};

struct seat {
	uint8_t is; /* SEAT_... in lookout.c */
	unsigned len, limit; /* limit 0: not known */
	unsigned own; /* connections of probe.c that wait there */
	bool told; /* to the core: that it is not empty */
};

struct slot_count {
	unsigned most;
	uint64_t rescued, flushes;
	uint64_t told; /* slot->stalls when a rescue was last logged, plus one */
};

struct lookout {
	int epoll_fd;
	bool reopen; /* sockets were closed: the set is made anew */
	bool steered;
	bool any_takes; /* there are workers that take from their own socket alone */
	struct listener *listeners[LOOKOUT_LISTENERS_MAX];
	unsigned lens[LOOKOUT_LISTENERS_MAX]; /* sockets of each, when the set was made */
	size_t listeners_len;
	struct look *looks;
	struct epoll_event *events;
	size_t looks_len;
	struct seat *seats; /* two a slot: 2 * slot + seat */
	struct queue_sample *samples;
	struct slot_count *slots;
	size_t slots_len; /* of the three above; never shrinks */
};

/* 0 or negative errno. */
int lookout_init(struct lookout *o);
void lookout_done(struct lookout *o);
/* Makes sockets, seats and what wakes follow from the core's state; launches: all of the master's.
 * The set must not be polled. True: there is something to look at. */
bool lookout_settle(struct lookout *o, const struct launch *launches, const struct app *a);
/* A look at whatever may hold something. Returns how many wait; *ret_takes: some of them at a worker
 * that takes from its own socket alone. */
uint64_t lookout_look(struct lookout *o, bool *ret_takes);
/* What the last look saw and the loop shall not wake for is silent from now on, until it is empty. */
void lookout_arm(struct lookout *o);
/* The last look for the core, in o->samples: all seats of the first slots_len slots, and those of
 * parked ones while they hold something and once after. How many; 0 when there is no news. */
size_t lookout_samples(struct lookout *o, size_t slots_len);

#endif
