/*
 * runtime/port: a line between two loops. Each end has its own queue of what came for it, under the
 * line's lock, and wakes its loop once for all that comes until the loop looks.
 *
 * Sending may be done from any thread for as long as the port is not closed; listening and closing
 * is for the thread of the port's loop.
 */
#ifndef BROOD_RUNTIME_PORT_H
#define BROOD_RUNTIME_PORT_H

#include <stdbool.h>

#include "brood.h"

/* A line from a loop to another; called where neither runs in another thread yet. Each of ret is
 * to be closed by its loop's thread. */
int port_pair_new(struct brood_loop *a, struct brood_loop *b, struct brood_port *ret[2]);
/* *holder becomes NULL when the port is closed. */
void port_set_holder(struct brood_port *port, struct brood_port **holder);
/* Whether it listens and has not yet heard all that was sent. */
bool port_is_behind(struct brood_port *port);

#endif
