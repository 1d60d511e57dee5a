/*
 * unixsock: binding a UNIX socket to a path, for the three rooms' needs: control socket, notify
 * sockets, listeners of apps. What must not be undone is never touched: a live socket, a file of
 * somebody else, anything that is no socket (N6, X1, K6).
 */
#ifndef BROOD_SYS_UNIXSOCK_H
#define BROOD_SYS_UNIXSOCK_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct err;

struct unixsock_spec {
	const char *path;
	int type;			/* SOCK_STREAM or SOCK_DGRAM; SOCK_NONBLOCK may be added */
	mode_t mode;			/* the file has it from its first instant */
	uid_t uid;			/* -1 = ours; also accepted as the owner of a stale file */
	gid_t gid;			/* -1 = ours */
	bool test_live;			/* connect to a file that is there before calling it stale */
	const char *long_hint;		/* remedy for a path of over 107 bytes */
};

/* 0 and *ret filled, or -ENAMETOOLONG. Every path here is absolute or relative, never abstract. */
int unixsock_address(const char *path, struct sockaddr_un *ret);
/* The bound descriptor (close-on-exec, not listening yet: owner and mode are right before the
 * first client can come), or a negative errno with a text. e may be NULL. */
int unixsock_bind(const struct unixsock_spec *spec, struct err *e);

#endif
