/*
 * conns: established and half-open connections of this machine, by inet_diag (netlink). Each call
 * has its own netlink socket, or one that lives as long as what it reads; the kernel answers while
 * we ask, so nothing here waits for anybody. Connections are those of our network namespace.
 */
#ifndef BROOD_SYS_CONNS_H
#define BROOD_SYS_CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* 0, or a negative errno where connections can't be listed (-EOPNOTSUPP: no inet_diag). */
int conns_available(void);

/* Handshakes under way on the address of a listener: the peers whose SYN was answered. Zeroed is
 * empty. */
struct handshakes {
	struct handshake *items;
	size_t len, cap;
	struct handshake_list *list; /* where they are read from, until that ends */
};

/* Those of the listening socket fd's address and port now, in the place of what was noted before;
 * at most 16,384. The whole group's: which member they will go to is not to be seen. Reads for 1
 * to 2 ms and leaves the rest, if the machine has so many connections, to handshakes_left(). 0, or
 * negative errno (-EOPNOTSUPP, -EPERM: not to be had here). */
int handshakes_note(int fd, struct handshakes *ret);
/* Forgets those that are over. Returns how many are left, at least 1 as long as not all have been
 * read, or a negative errno. At most 64 are looked at in a call (some 150 us); those that were not
 * count as left. */
int handshakes_left(struct handshakes *h);
void handshakes_done(struct handshakes *h);

/* Clients whose connection to the listener's address and port is established and was accepted by
 * nobody, in all queues of its group. The master's own (from STEER_NET, or from STEER_PORT on) are
 * no clients, and neither are those that a queue still holds though they are over: so 0 says that
 * a queue that is not empty holds nothing worth waiting for. Lists all connections of the port in one
 * go, at the price that is told in diag.h. */
int conns_waiting(int fd);

/* One connection of a worker as one look saw it. */
struct quiet_conn {
	uint32_t inode;
	uint32_t unread, unsent; /* bytes that we did not read, that the network did not take yet */
	uint32_t spoke_ms, heard_ms; /* ago; both count from its beginning at first, in 4 ms steps */
	uint32_t rto_ms; /* after which what is lost is sent again, as far as this side knows */
	uint64_t sent, received; /* bytes since its beginning */
	bool inside; /* the verdict */
	bool guessed; /* it is "inside" only for want of a look before */
};

/* Whether a request is inside: bytes unread or unsent (the rest of a long answer); or something
 * received and nothing sent since it began; or it heard after it last spoke. Equal times are
 * inside if bytes_received grew between two looks and bytes_sent did not, and stay so until
 * something changes; at the first look they are, by way of precaution. before is NULL then. Writes
 * the verdict into now. */
void quiet_judge(struct quiet_conn *now, const struct quiet_conn *before);

/* Looks for requests inside a worker: over all TCP connections that are established, or of which
 * only the peer closed its side, that it or a descendant holds, and that were accepted on one of
 * `ports`. Zeroed is a beginning. */
struct quiet {
	struct quiet_conn *seen; /* the look before, by inode */
	size_t seen_len, seen_cap;
	struct quiet_look *look; /* one that is not finished */
};

/* Looks. Returns the number of connections with a request inside, 0 = quiet, or a negative errno
 * where that can't be told (no /proc/PID/fd: -EACCES; neither pidfd_getfd() nor inet_diag:
 * -EOPNOTSUPP or what that says; no process: -ESRCH). With very many connections a look takes
 * several calls of 1 to 2 ms: all but the last return the number found so far, and at least 1.
 * *ret_cost_us: what this call cost, in time of the CPU. */
int quiet_look(struct quiet *q, pid_t pid, const uint16_t *ports, size_t ports_len,
    uint64_t *ret_cost_us);
void quiet_done(struct quiet *q);

#endif
