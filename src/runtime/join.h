/*
 * runtime/join: waiting for tasks. What is joined has always ended when the join returns, and is
 * freed: its argument may be on the stack of the one who joins. So a join that is interrupted, by
 * cancel or deadline, cancels whom it joins and waits on.
 */
#ifndef BROOD_RUNTIME_JOIN_H
#define BROOD_RUNTIME_JOIN_H

#include "brood.h"

struct join;

/* t, which it joins, has ended. */
void join_ended(struct join *j, struct brood_task *t);

#endif
