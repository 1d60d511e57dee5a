/*
 * watch: ACTION_WATCH: waits until the seat of a leaving worker is empty, or until the worker has
 * no request inside; tells the core once (EVENT_EMPTIED, EVENT_QUIET). It polls, but only while a
 * worker leaves: empty every 2 ms, quiet at least 10 times the cost of the last look apart.
 */
#ifndef BROOD_LOOP_WATCH_H
#define BROOD_LOOP_WATCH_H

struct loop;
struct action;
struct proc;

void watch_begin(struct loop *l, const struct action *a);
/* The worker is gone, or is not to be watched any more. */
void watch_end(struct proc *p);

#endif
