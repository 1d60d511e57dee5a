/*
 * servers: what Node workers listen on. Each asks for an address when its program calls listen();
 * one that the configuration names is that listener, any other is opened as asked. What a worker
 * gets is the socket of the slot and the seat that it has at that moment.
 */
#ifndef BROOD_LOOP_SERVERS_H
#define BROOD_LOOP_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/node.h"

struct err;
struct launch;
struct listener;
struct loop;
struct proc;

/* One that a worker has open. */
struct server {
	char key[NODE_KEY_MAX];
	const struct listener *listener;
	struct server *next;
};

/* All of one worker; zeroed at first. */
struct server_set {
	struct server *all;
	unsigned len;
	uint64_t second_us; /* in which it asked in vain so many times */
	unsigned failures;
};

/* What to answer: a socket, or, plain, that connections will come. */
struct server_answer {
	struct listener *listener;
	int fd; /* the listener's */
	bool plain;
	bool any_port; /* it has another port than the one that was asked for */
	uint16_t port; /* plain: what the program shall believe */
	char address[46]; /* plain; "" = it is no IP address */
	bool v6;
	const char
	    *data; /* what the first one said who asked for this; lives until the next call */
	size_t data_len;
};

int servers_init(struct loop *l, struct err *e);
void servers_done(struct loop *l);
/* p asks for q: opened, and noted in set. 0 or a negative errno for the program; ret->data counts in any
 * case. */
int servers_open(struct loop *l, struct proc *p, struct server_set *set, const struct node_query *q,
    struct server_answer *ret);
void servers_close(struct server_set *set, const char *key);
void servers_close_all(struct server_set *set);
const struct server *servers_by_key(const struct server_set *set, const char *key);
/* p opened or closed a server there: its connections go to those that have one, and the last of those
 * closes an address that no configuration names, as Node's own primary does. */
void servers_settle(struct loop *l, const struct proc *p, const struct listener *ls);
/* The first of them on that listener, or NULL. */
const struct server *servers_find(const struct server_set *set, const struct listener *ls);
/* Whether workers of la listen, and none of them at its i-th address; *ret_as is a port that they asked
 * for in its place, 0 where there is none. */
bool servers_is_unused(struct loop *l, const struct launch *la, size_t i, uint16_t *ret_as);
/* The app is gone; NULL: so are all. */
void servers_forget(struct loop *l, const char *app);

#endif
