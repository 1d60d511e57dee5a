/*
 * recall: connections that were handed to a worker which does not read. It asked, and then it was
 * stopped, or blocked by something else: what lies in its channel waits for nobody's good. After
 * `stall_after` it is taken back out of the worker's end of the channel, where the worker may be
 * looked at; the other messages are put back. Whoever reads first has it, so no connection is ever
 * with two.
 */
#ifndef BROOD_LOOP_RECALL_H
#define BROOD_LOOP_RECALL_H

#include <stdbool.h>

struct loop;
struct proc;
struct recall;

struct recall_owner {
	/* Whether somebody else would have it. */
	bool (*is_wanted)(void *arg, const struct proc *p);
	/* p sleeps; fd is the owner's now. */
	void (*returned)(void *arg, struct proc *p, int fd);
	void *arg;
};

struct recall *recall_new(struct loop *l, const struct recall_owner *owner); /* NULL: no memory */
/* A connection was just sent to p. */
void recall_sent(struct recall *r, struct proc *p);
/* It was read, or p is gone. */
void recall_forget(struct recall *r, struct proc *p);
void recall_free(struct recall *r); /* by and by; NULL is fine */

#endif
