/*
 * dispatch: balance = dispatch. The master itself accepts, and hands each connection over the
 * channel to a worker that asked for one, one at a time: {"brood":"take"} asks for one,
 * {"brood":"connection","listener":"8080"} with the descriptor answers. While nobody asks, nobody
 * accepts: connections wait in the kernel's queue.
 */
#ifndef BROOD_LOOP_DISPATCH_H
#define BROOD_LOOP_DISPATCH_H

#include <stdbool.h>

#include "core/event.h"

struct loop;
struct err;
struct proc;

int dispatch_init(struct loop *l, struct err *e);
/* The worker asks for one more connection. False: it asked before and has got none since, or its
 * app is none of this kind; nothing has changed then. */
bool dispatch_take(struct loop *l, struct proc *p);
/* It reads its channel, if that was in doubt. */
void dispatch_awake(struct loop *l, struct proc *p);
/* It drains: what it asked for is not sent any more. */
void dispatch_leaves(struct loop *l, worker_id worker);
/* Its process is gone. */
void dispatch_forget(struct loop *l, struct proc *p);
/* A worker changed its state, or an app its listeners, or it is gone. Cheap. */
void dispatch_settle(struct loop *l);
void dispatch_done(struct loop *l);

#endif
