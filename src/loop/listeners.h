/*
 * listeners: the sockets that the master holds, by canonical address, shared by all generations
 * that name the address. A socket is opened once and closed only when no generation names its
 * address any more: closing is what loses connections.
 *
 * What an open address cannot change: its shape (even, sticky and cpu have one, and can follow each
 * other) and nonblocking, which both live in sockets that running workers use; mode and owner of a
 * UNIX socket (given at bind, so that no swapped path gets them). Such a reload is refused with the
 * remedy. A changed backlog is applied.
 *
 * A steered group is a set of twin sockets, two a slot, for all slots that the app may have without
 * growing. Slots that are not used are parked: nothing is steered to them, but what was on its way
 * (a handshake, a queued connection) is still there for whoever gets the seat (R1, R2). Members
 * keep their places in the group as long as nobody shuts one down; when somebody does, the last
 * one moves into the hole and the one that listens again goes last, and the map follows (R3).
 */
#ifndef BROOD_LOOP_LISTENERS_H
#define BROOD_LOOP_LISTENERS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "conf/conf.h"
#include "sys/steer.h"

struct err;

/* How the sockets of one address are shared out. */
enum listener_shape {
	LISTENER_ONE,			/* one for all workers */
	LISTENER_PER_SLOT,		/* balance = kernel: one a slot, the kernel's hash */
	LISTENER_STEERED,		/* two a slot (seats), a program that we swap */
};

struct listener {
	char *key;
	char *path;			/* UNIX */
	int mode;			/* of that file, as asked for */
	uid_t uid;
	gid_t gid;
	enum conf_listen_kind kind;
	enum listener_shape shape;
	enum listener_shape asked;	/* by the configuration; what shape is for want of better */
	unsigned base;			/* STEERED: slots opened at first */
	int plug[2];			/* STEERED: see sys/queue.h; -1 = not opened yet */
	uint16_t *places;		/* STEERED: of each of fds, its index in the group */
	uint16_t plug_place;
	unsigned members;		/* STEERED: in the group now, with the plug */
	bool v6only;
	bool nonblocking;
	bool inherited;			/* from the service manager: its file is not ours */
	int backlog;
	uint16_t port;
	int *fds;
	unsigned len, cap;
	bool partial;			/* STEERED: not all seats that serve have a reader here, or the
					 * last steering failed */
	unsigned refs;			/* launches that name it */
	uint64_t hangups;		/* times that a worker shut one of them down */
	uint64_t told_us;		/* for guard.c: begin of a second in which it told so many */
	unsigned told;
	bool told_unused;		/* for servers.c: that nobody listens here */
	UT_hash_handle hh;
};

#define LISTENER_NOWHERE UINT16_MAX	/* not in the group: it was shut down */
#define LISTENER_PLUG    UINT_MAX	/* the plug, where else is a place in fds */

struct listener_table {
	struct listener *by_key;
	unsigned cpus;			/* a steered group has at least twice as many slots */
	const char *steer_cache;	/* see steer_swap_is_safe() */
	const char *why_shared;		/* a group was wanted last time, and one socket opened */
};

/* Takes over count descriptors from first on (socket activation). Bad ones are closed and named
 * in e; returns how many those were. */
unsigned listeners_adopt(struct listener_table *t, int first, int count, struct err *e);
/* Closes inherited ones that nobody took. Returns how many. */
unsigned listeners_close_unused(struct listener_table *t);
void listeners_done(struct listener_table *t);

/* A reference to the listener of conf, opened now if it is not open; per-slot and steered ones
 * have sockets for at least `workers` slots then. One that is opened steered sends connections to
 * the seats 0 of the first `workers` slots. 0 or negative errno with text; nothing has changed
 * then. */
int listener_get(struct listener_table *t, const struct conf_app *app,
    const struct conf_listen *conf, bool nonblocking, unsigned workers, struct listener **ret,
    struct err *e);
/* Whether a TCP address that app opens later would be steered. */
bool listeners_may_steer(
    const struct listener_table *t, const struct conf_app *app, unsigned workers);
void listener_put(struct listener_table *t, struct listener *ls);
/* Per-slot listeners get more sockets, or lose those from `workers` on; steered ones get more and
 * keep them. Others: nothing. After growth a steered one is to be steered anew: its program does
 * not know of the new members. */
int listener_grow(struct listener *ls, const struct conf_listen *conf, unsigned workers,
    struct err *e);
void listener_shrink(struct listener *ls, unsigned workers);
/* The socket for a seat of a slot (seat 0 where there are no twins). */
int listener_fd(const struct listener *ls, unsigned slot, unsigned seat);
/* The descriptors of that seat block or not, as the configuration has it, whatever a worker that
 * had it before did to them (R13). */
void listener_assert_mode(const struct listener *ls, unsigned slot, unsigned seat);
/* STEERED: where that socket is in its group; LISTENER_NOWHERE. Twins lie apart (all seats 0 of the slots opened at
 * first, then all seats 1), so that an app at rest is one run for sys/steer; slots that came later
 * follow in pairs. */
unsigned listener_index(const struct listener *ls, unsigned slot, unsigned seat);
/* Slots that have sockets: 1 for ONE. */
unsigned listener_slots(const struct listener *ls);
/* STEERED: the seat that fds[i] is. */
void listener_seat_of(const struct listener *ls, unsigned i, unsigned *ret_slot, unsigned *ret_seat);
/* "shared", "kernel", "steered" */
const char *listener_shape_to_string(enum listener_shape shape);

/* STEERED: fds[i], or the plug, hung up and so left the group / listens (again), as its last. In
 * the order in which it happened. */
void listener_left_group(struct listener *ls, unsigned i);
void listener_joined_group(struct listener *ls, unsigned i);
/* STEERED: opens the plug, unless it is open; until the next listener_steer() new connections go to
 * the place `now`. 0 or negative errno. */
int listener_open_plug(struct listener *ls, uint16_t now);
/* STEERED: the group's program from now on: targets are places in the group, slots[i] the one in
 * use of slot i. Where that is more than a program can say, fewer. 0 or negative errno. */
int listener_steer(const struct listener *ls, enum conf_balance balance, const uint16_t *targets,
    unsigned targets_len, const uint16_t *slots, unsigned slots_len);

#endif
