/*
 * channel: the master's end of a worker's socketpair (brood-protocol(7)). Frames in become
 * events of the core, reports and messages to siblings; control lines go out through a bounded
 * queue. Who a worker is, is known by the descriptor, never by what it says.
 *
 * Nothing is sent to a worker that has not spoken brood first: it might be any program. But one of
 * Node's, whose own protocol goes over the same channel (node.h), gets messages as it is.
 */
#ifndef BROOD_LOOP_CHANNEL_H
#define BROOD_LOOP_CHANNEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct proc;
struct worker;
struct channel;
struct str;

#define CHANNEL_QUEUE_BYTES (1024 * 1024)
#define CHANNEL_PARCEL_MAX  250 /* descriptors of one message; the kernel takes 253 */

/* Takes fd (a non-blocking stream socket) over, on failure too. NULL without memory. */
struct channel *channel_open(struct proc *p, int fd, size_t message_max);
/* The worker is dead: takes what it said last (bounded), as if it had been read in time. */
void channel_drain(struct channel *c);
void channel_close(struct channel *c);	/* NULL is fine; frees itself */

/* For a worker that does not speak brood these do nothing. */
void channel_send_drain(struct channel *c, uint64_t deadline_ms);
void channel_send_leader(struct channel *c, bool leads);
void channel_send_ping(struct channel *c);

/* With descriptors, which stay the caller's: it may close them at once. In order with all other
 * control lines. 0, or a negative errno when nothing was sent or queued: -ENOTCONN (it does not
 * speak brood, or is gone), -ENOBUFS (it reads too little), -EMFILE, -ENOMEM. */
struct channel_ring {
	const int *fds;
	unsigned fds_len; /* at most CHANNEL_PARCEL_MAX */
	const char *const *names;
	size_t names_len;
	const unsigned *own;
	size_t own_len;
	bool more;
};
int channel_send_ring(struct channel *c, const struct channel_ring *ring);
/* What is no brood, for workers of Node's: a line, emptied in any case, and one with a descriptor,
 * which stays the caller's. False, or a negative errno: it is lost. */
bool channel_send_line(struct channel *c, struct str *line, bool droppable);
int channel_send_handle(struct channel *c, const struct str *line, int fd);
/* Now or not at all: -EAGAIN where it would have to wait for the worker to read. */
int channel_send_connection(struct channel *c, const char *listener, int fd);
/* Whether the worker has not read all that was sent. */
bool channel_has_unread(const struct channel *c);
/* Takes a connection that the worker has not read out of its end of the channel, and sends it a ping
 * instead: while that is unread, it sleeps. The connection; -ENOENT: it has it by now; -EBUSY, -ENOMEM:
 * not now. */
int channel_recall(struct channel *c, int worker_end);

/* Message to the worker in one slot of app, or with slot < 0 to all of them, from `from`
 * ("web.2", or "brood" for `brood send`). Returns for how many it was queued: workers that
 * serve and speak brood, or are Node's. not_slot: left out of "all", -1 = nobody. Both are numbers by
 * which workers know themselves, since that is what they say in their messages. */
unsigned channel_send_message(struct loop *l, const char *app, int slot, int not_slot,
    const char *from, const json_t *data);
bool channel_is_addressed(const struct worker *w, int slot, int not_slot);
/* Lines lost so far because the worker does not read. */
uint64_t channel_dropped(const struct channel *c);

#endif
