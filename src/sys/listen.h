/*
 * listen: opening the sockets that the master holds. All are close-on-exec; none is ever closed
 * or shut down while its app lives, since closing is what loses connections.
 */
#ifndef BROOD_SYS_LISTEN_H
#define BROOD_SYS_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum listen_type { LISTEN_TYPE_TCP, LISTEN_TYPE_UDP, LISTEN_TYPE_UNIX };

struct listen_spec {
	enum listen_type type;
	const char *host;		/* numeric, or "*" = dual stack (IPv4 only where IPv6 is off) */
	uint16_t port;			/* 0 = any; listen_open() returns what it got */
	const char *path;		/* of a file, or @NAME: abstract */
	int mode;			/* UNIX: permission bits */
	uid_t uid;			/* UNIX: (uid_t)-1 = unchanged */
	gid_t gid;
	int backlog;			/* -1 = net.core.somaxconn */
	bool nonblocking;
	bool steered;			/* listen_open(): the group gets a program that names its first
					 * member, before that listens */
};

/* Opens `count` sockets on one address: count = 1 without SO_REUSEPORT, after a look that the
 * port is free; count > 1 (TCP only) as a SO_REUSEPORT group, in index order, after a probe bind
 * without SO_REUSEPORT, because a second group of the same user would be joined silently (N1).
 * -ENOTSUP: steered, and no program may be attached here.
 * SO_REUSEADDR is set (N2), and TCP_NODELAY, which accepted connections inherit. UNIX: private
 * umask, stale file of ours removed after a connect test, a live owner or a foreign file refused
 * (N6, X1).
 * fds[0..count) are filled on success. Otherwise a negative errno, nothing left open, and e says
 * what to do ("127.0.0.1:80: Permission denied: ports below 1024 need CAP_NET_BIND_SERVICE"). */
int listen_open(const struct listen_spec *spec, unsigned count, int *fds, uint16_t *ret_port,
    struct err *e);
/* One more member for a group that is open, its last. Only the user who opened it can (R26). */
int listen_append(const struct listen_spec *spec, uint16_t port, int *ret_fd, struct err *e);
/* Removes the file of a UNIX listener if it is still the one that fd is bound to. */
void listen_unlink(const char *path, int fd);
/* Whether fd is a listening stream (or a bound datagram) socket; *ret_key as in conf_listen.key
 * (malloc). For sockets inherited from a service manager (N5). -ENOTSOCK, -EINVAL otherwise. */
int listen_inspect(int fd, char **ret_key);
/* LISTEN_FDS of the service manager: checks LISTEN_PID, marks the descriptors close-on-exec,
 * removes the three variables. Number of descriptors from 3 on, 0 if none, or negative. */
int listen_inherited(void);

#endif
