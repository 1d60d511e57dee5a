/*
 * listeners: where this worker gets its listening sockets from: the environment (LISTEN_FDS) or,
 * run by hand, an address that it binds itself. System calls only; no loop, no HTTP.
 */
#ifndef BROOD_HELLO_LISTENERS_H
#define BROOD_HELLO_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#define LISTENERS_MAX      64
#define LISTENERS_NAME_MAX 64

struct listener_fd {
	int fd;
	bool is_own; /* we bound it: what is queued on it dies with us */
	bool is_unix;
	char name[LISTENERS_NAME_MAX]; /* of LISTEN_FDNAMES, or the address; may be empty */
};

struct listener_set {
	size_t n;
	struct listener_fd at[LISTENERS_MAX];
};

/* Takes what LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES hand over; stream sockets that listen,
 * others are left alone. Returns how many there are, 0 when nothing is meant for this process,
 * or a negative errno with *ret_why set. */
int listeners_take(struct listener_set *set, const char **ret_why);

/* Whether a socket is of the UNIX domain. */
bool listeners_is_unix(int fd);
/* Closes what the master handed over; nobody may watch it any more (R12). */
void listeners_give_back(struct listener_set *set);

/* Binds "host:port", "[v6]:port", "*:port", "port" or "unix:/path" and adds it. The host is a
 * number or localhost. Returns 0 or a negative errno. */
int listeners_bind(struct listener_set *set, const char *address);

#endif
