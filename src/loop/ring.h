/*
 * ring: wait sets owned by the master. A worker on the ring sleeps in an epoll set that the master
 * made: its own listeners first, then its neighbours', all EPOLLEXCLUSIVE, so that the kernel
 * wakes the owner when it is idle and a neighbour when it is not. From outside, the master lines
 * workers up anew (R10), cuts an old one off (R21), and kicks a stranded connection (R9).
 *
 * Here the core's wishes meet the app's listeners; the sets themselves are waitset.c's.
 */
#ifndef BROOD_LOOP_RING_H
#define BROOD_LOOP_RING_H

#include "core/event.h"

struct loop;
struct action;

/* ACTION_RING_GIVE, _JOIN, _CUT, ACTION_KICK. */
void ring_give(struct loop *l, const struct action *a);
void ring_join(struct loop *l, const struct action *a);
void ring_cut(struct loop *l, const struct action *a);
void ring_kick(struct loop *l, const struct action *a);
/* ACTION_SPAWN, before anything else: nobody but that worker reads its seat from now on where it
 * may be any program (R13); a socket that all workers share blocks again where the configuration
 * says so, when nobody uses it. */
void ring_before_spawn(struct loop *l, const struct action *a);
/* The worker's process is gone, or never came to be: our copy of its set is closed (R12), what
 * waits goes to the others. */
void ring_forget(struct loop *l, worker_id worker);
/* Listeners of app got more sockets: sets that should hold them do from now on. */
void ring_on_growth(struct loop *l, const char *app);
void ring_done(struct loop *l);

#endif
