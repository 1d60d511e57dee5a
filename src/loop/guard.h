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
/* All sockets of ls are watched from now on / not any more (before they are closed: a worker may
 * hold them still, and what is closed here only would go on reporting, R12). A listener that grew
 * is added again. */
void guard_add(struct loop *l, struct listener *ls);
void guard_remove(struct loop *l, struct listener *ls);
/* queue_flush() of ls->fds[i] to the readers, which is no worker's doing; nothing may be steered to
 * it any more. The group has another order then: its program follows. 0 or negative errno. */
int guard_flush(struct loop *l, struct listener *ls, unsigned i, const int *readers,
    unsigned readers_len);
void guard_done(struct loop *l);

#endif
