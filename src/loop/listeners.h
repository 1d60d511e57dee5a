/*
 * listeners: the sockets that the master holds, by canonical address, shared by all generations
 * that name the address. A socket is opened once and closed only when no generation names its
 * address any more: closing is what loses connections.
 *
 * What an open address cannot change: balance and nonblocking (both live in sockets that running
 * workers use), mode and owner of a UNIX socket (given at bind, so that no swapped path gets them);
 * such a reload is refused with the remedy. A changed backlog is applied.
 */
#ifndef BROOD_LOOP_LISTENERS_H
#define BROOD_LOOP_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "conf/conf.h"

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
	unsigned base;			/* STEERED: slots opened at first */
	int plug[2];			/* STEERED: see sys/queue.h; -1 = not opened yet */
	bool nonblocking;
	bool inherited;			/* from the service manager: its file is not ours */
	int backlog;
	uint16_t port;
	int *fds;
	unsigned len, cap;
	unsigned refs;			/* launches that name it */
	UT_hash_handle hh;
};

struct listener_table {
	struct listener *by_key;
};

/* Takes over count descriptors from first on (socket activation). Bad ones are closed and named
 * in e; returns how many those were. */
unsigned listeners_adopt(struct listener_table *t, int first, int count, struct err *e);
/* Closes inherited ones that nobody took. Returns how many. */
unsigned listeners_close_unused(struct listener_table *t);
void listeners_done(struct listener_table *t);

/* A reference to the listener of conf, opened now if it is not open; per-slot ones have at least
 * `workers` sockets then. 0 or negative errno with text; nothing has changed then. */
int listener_get(struct listener_table *t, const struct conf_app *app,
    const struct conf_listen *conf, unsigned workers, struct listener **ret, struct err *e);
void listener_put(struct listener_table *t, struct listener *ls);
/* Per-slot listeners get more sockets, or lose those from `workers` on. Others: nothing. */
int listener_grow(struct listener *ls, const struct conf_listen *conf, unsigned workers,
    struct err *e);
void listener_shrink(struct listener *ls, unsigned workers);
/* The socket for a seat of a slot (seat 0 where there are no twins). */
int listener_fd(const struct listener *ls, unsigned slot, unsigned seat);
/* STEERED: where that socket is in its group. Twins lie apart (all seats 0 of the slots opened at
 * first, then all seats 1), so that an app at rest is one run for sys/steer; slots that came later
 * follow in pairs. */
unsigned listener_index(const struct listener *ls, unsigned slot, unsigned seat);
/* Slots that have sockets: 1 for ONE. */
unsigned listener_slots(const struct listener *ls);

#endif
