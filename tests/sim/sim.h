/*
 * sim: whole lives of a cluster in microseconds. The real core runs against a pretended system:
 * processes that crash, hang, lie and survive KILL, forks that fail, memory that ends, a clock
 * that jumps, operators in a hurry. Each seed is one life; the same seed is the same life.
 */
#ifndef BROOD_TESTS_SIM_H
#define BROOD_TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What was reached over all lives. */
struct sim_coverage {
	unsigned long worker[8][8];
	unsigned long slot[8][8];
	unsigned long rollout[8][8];
	unsigned long actions[32];
	unsigned long notes[32];
	unsigned long steps, lives, spawns, rollouts_done, rollouts_failed;
	unsigned long spares_took, spares_took_beside_next;
};

/* Lives one life. NULL when every invariant held, else what did not (static text). With log,
 * prints each event and action there. */
const char *sim_live(uint64_t seed, struct sim_coverage *cov, FILE *log);

#endif
