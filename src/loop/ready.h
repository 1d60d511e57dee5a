/*
 * ready: how a worker tells that it is ready other than by the channel: datagrams on its own
 * NOTIFY_SOCKET (where it may also say STOPPING=1, STATUS= and ask for time), and a newline on
 * descriptor N (`ready = fd:N`).
 */
#ifndef BROOD_LOOP_READY_H
#define BROOD_LOOP_READY_H

struct proc;
struct readiness;

/* Takes both descriptors over (-1 = none), on failure too. NULL without memory. */
struct readiness *readiness_open(struct proc *p, int notify_fd, int ready_fd);
/* The worker is dead: what it said last counts. */
void readiness_drain(struct readiness *r);
void readiness_close(struct readiness *r);	/* NULL is fine; frees itself */

#endif
