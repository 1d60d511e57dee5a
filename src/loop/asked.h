/*
 * asked: from what a Node worker asks for to the listener that it gets.
 */
#ifndef BROOD_LOOP_ASKED_H
#define BROOD_LOOP_ASKED_H

#include "ipc/node.h"

struct err;
struct launch;
struct listener;
struct loop;
struct server_set;

/* The one of la's configuration that q means, else one that is opened now; set is what the worker
 * has. 0, or a negative errno for the program, with a text where there is more to say. */
int asked_listener(struct loop *l, struct launch *la, const struct server_set *set,
    const struct node_query *q, struct listener **ret, struct err *e);

#endif
