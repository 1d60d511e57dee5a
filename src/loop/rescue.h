/*
 * rescue: connections that wait at the socket of a worker of Node's that takes none (it is stalled,
 * or dead) are accepted by the master and given to others, as if under round robin. Nothing else of
 * such an app goes through the master.
 */
#ifndef BROOD_LOOP_RESCUE_H
#define BROOD_LOOP_RESCUE_H

#include <stdbool.h>

struct err;
struct listener;
struct loop;

int rescue_init(struct loop *l, struct err *e);
/* Whether a worker of the app would have connections for that listener, now or when it has taken what
 * it was given. */
bool rescue_is_possible(struct loop *l, const char *app, const struct listener *ls);
/* What waits at that seat goes to others, now and as they take it, until nothing is left. How many have
 * gone now; of those that follow queues_rescued() is told. */
unsigned rescue_seat(
    struct loop *l, const char *app, const struct listener *ls, unsigned slot, unsigned seat);
void rescue_done(struct loop *l);

#endif
