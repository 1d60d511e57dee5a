/*
 * queue: the accept queue of a listening socket that we hold.
 */
#ifndef BROOD_SYS_QUEUE_H
#define BROOD_SYS_QUEUE_H

#include <stdbool.h>

struct steer_spec;

/* Connections that wait to be accepted, and how many may (one more than the limit fits in; R27).
 * TCP only (TCP_INFO: tcpi_unacked and tcpi_sacked of a listener), unprivileged, about 0.3 us.
 * 0 or negative errno; -EINVAL: it does not listen, somebody shut it down. */
int queue_length(int fd, unsigned *ret_len, unsigned *ret_limit);

/* Gives what is queued at fd to the readers, which are sockets of its group that somebody accepts
 * from (at least one), by shutdown(SHUT_RD) and listen(): with net.ipv4.tcp_migrate_req they take
 * it over, without it every connection is reset, so ask queue_can_migrate() first. Whoever accepts
 * from fd meanwhile gets EINVAL once. The sending of new connections to fd must have ended before
 * (R4).
 *
 * Left alone, the kernel spreads the queue over all members of the group by a hash: idle twins,
 * parked slots and the plug, which nobody reads, get their part. So the readers are marked with
 * SO_INCOMING_CPU for that moment, which the hash prefers. A handshake that ends within it (some
 * 50 us) can still come to rest at a member that nobody reads: whoever flushes looks at those
 * queues afterwards, and flushes them the same way.
 *
 * As after any shutdown() and listen(), fd is then the last of its group, and the one that was
 * last is in its place (R3). 0 or negative errno. */
int queue_flush(int fd, const int *readers, unsigned readers_len, int backlog);
/* Whether queue_flush() moves instead of resetting or scattering: net.ipv4.tcp_migrate_req of this
 * network namespace, read anew at each call (a few us), and a kernel that heeds the mark, tried
 * once on sockets of our own when first needed (under 1 ms). */
bool queue_can_migrate(void);

/* The plug: one more member of the group of fd (same address and options) whose queue, which holds
 * one connection, is full: what is steered to it is dropped silently, so that clients try again a
 * second later. Without steering it does no harm but takes a share, so it is only opened on a
 * steered group.
 *
 * `now` is what the group's program says at the moment, with now->sockets the number of members
 * without the plug, whose index that is: being the last that listens, it is given to nobody by the
 * program attached so far. The program is replaced by one that knows of it as well, and by its raw
 * address (steer.h) our own connection fills it; no client's can, whatever the load. From here on
 * the group's programs count one member more.
 *
 * Fills ret_fds[2]: the member and the connection that fills it; both close-on-exec, both to be
 * kept open. 0 or negative errno, nothing left open then (closing the last member moves no other).
 * -EAGAIN: the connection did not get there within 100 ms. */
int queue_plug(int fd, const struct steer_spec *now, int ret_fds[2]);

#endif
