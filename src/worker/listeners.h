/*
 * listeners: where a worker's listening sockets come from: the environment (LISTEN_FDS) or, without
 * a master, addresses that it binds itself. System calls only; no loop.
 */
#ifndef BROOD_WORKER_LISTENERS_H
#define BROOD_WORKER_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#define LISTENERS_MAX      64
#define LISTENERS_NAME_MAX 64

struct listener {
	int fd; /* -1: given back */
	bool is_own; /* we bound it: what is queued on it dies with us */
	bool is_unix;
	char name[LISTENERS_NAME_MAX]; /* of LISTEN_FDNAMES, or the address; may be empty */
	char path[108]; /* of a socket file that we made, else "" */
};

struct listener_set {
	size_t n;
	struct listener at[LISTENERS_MAX];
};

/* Whether LISTEN_PID leaves the environment's descriptors to this process. */
bool listeners_are_ours(void);
/* Takes what LISTEN_FDS and LISTEN_FDNAMES hand over: stream sockets that listen; others are left
 * alone. names: only those, ended by NULL; NULL: all. Returns how many were handed over, also those
 * that are not in names; 0 when nothing is meant for this process; or a negative errno. */
int listeners_take(struct listener_set *set, const char *const *names);
/* Binds "host:port", "[v6]:port", "*:port", "port" or "unix:/path" and adds it. The host is a
 * number or localhost. Returns 0 or a negative errno. */
int listeners_bind(struct listener_set *set, const char *address);

/* Closes it; a socket file of ours goes with it. Nobody may watch it any more (R12). */
void listener_close(struct listener *l);
bool listener_fd_is_unix(int fd);
/* -1: it has none. */
int listener_port(int fd);

#endif
