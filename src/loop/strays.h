/*
 * strays: processes that dead workers left behind, and that came to us as their reaper.
 */
#ifndef BROOD_LOOP_STRAYS_H
#define BROOD_LOOP_STRAYS_H

#include <sys/types.h>

struct loop;

/* Warns when they can't be found here: without /proc nothing tells whose a process is (X7). */
void strays_init(void);
/* Kills what dead workers left behind (P11, P12); /proc is walked only for children that are
 * nobody's. dead: workers that died just now. Returns how many were killed. */
unsigned strays_sweep(struct loop *l, const pid_t *dead, unsigned dead_len);
/* The end of the master, one round: kills what is there, reaps what is dead. Returns how many are
 * left. As PID 1 only what workers started (P14). */
unsigned strays_end_children(struct loop *l);

#endif
