/*
 * conns: established and half-open connections of this machine, by inet_diag (netlink).
 */
#ifndef BROOD_SYS_CONNS_H
#define BROOD_SYS_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Handshakes under way on the address of a listener: the peers whose SYN was answered. */
struct handshakes {
	struct handshake *items;
	size_t len, cap;
};

/* Those of the listening socket fd's address and port now. 0, or negative errno (-EOPNOTSUPP,
 * -EPERM: not to be had here). */
int handshakes_note(int fd, struct handshakes *ret);
/* Forgets those that are over. Returns how many are left, or a negative errno. */
int handshakes_left(int fd, struct handshakes *h);
void handshakes_done(struct handshakes *h);

/* Whether a request is inside a worker: any established TCP connection that it or a descendant
 * holds and that was accepted on one of `ports`, with bytes unread, or something received and
 * nothing sent since it began, or that heard after it last spoke; equal times (4 ms steps) count
 * as inside if bytes_received grew between two looks and bytes_sent did not (kernel.md's
 * correction of the twin experiment). */
struct quiet {
	struct quiet_conn *seen; /* the look before, by inode */
	size_t seen_len, seen_cap;
};
/* One look. Returns the number of connections with a request inside, or a negative errno where
 * that can't be told (no inet_diag, no /proc/PID/fd). *ret_cost_us: what the look cost. */
int quiet_look(struct quiet *q, pid_t pid, const uint16_t *ports, size_t ports_len,
    uint64_t *ret_cost_us);
void quiet_done(struct quiet *q);

#endif
