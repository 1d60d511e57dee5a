/*
 * dispatch: balance = dispatch. The master itself accepts, and hands each connection over the
 * channel to a worker that asked for one, one at a time: {"brood":"take"} asks for one,
 * {"brood":"connection","listener":"8080"} with the descriptor answers. While nobody asks, nobody
 * accepts: connections wait in the kernel's queue.
 */
#ifndef BROOD_LOOP_DISPATCH_H
#define BROOD_LOOP_DISPATCH_H

#include "core/event.h"

struct loop;
struct proc;

/* The worker asks for one more connection. */
void dispatch_take(struct loop *l, struct proc *p);
/* It drains, or is gone: what it asked for is not sent any more. */
void dispatch_forget(struct loop *l, worker_id worker);
/* The app's listeners or its balance changed, or it is gone. */
void dispatch_settle(struct loop *l, const char *app);
void dispatch_done(struct loop *l);

#endif
