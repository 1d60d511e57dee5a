/*
 * guard: a worker that calls shutdown() on a listener kills it for everybody who holds it. A
 * private epoll set with mask 0 (only HUP is reported) watches every TCP listener of the master;
 * the one that hangs up is told to listen again at once (R8).
 */
#ifndef BROOD_LOOP_GUARD_H
#define BROOD_LOOP_GUARD_H

struct loop;
struct err;
struct listener;

int guard_init(struct loop *l, struct err *e);
/* All sockets of ls are watched from now on / not any more (before they are closed). A listener
 * that grew is added again. */
void guard_add(struct loop *l, struct listener *ls);
void guard_remove(struct loop *l, struct listener *ls);
/* Our own queue_flush() of this socket: its HUP is not a worker's doing. */
void guard_expect(struct loop *l, int fd);
void guard_done(struct loop *l);

#endif
