/*
 * immediates: what runs in the check phase, after the poll. One that is set while they run waits
 * for the next turn, so that they can't starve anything.
 */
#ifndef BROOD_RUNTIME_IMMEDIATES_H
#define BROOD_RUNTIME_IMMEDIATES_H

#include <stddef.h>
#include <uv.h>

#include "brood.h"

struct immediate;

struct immediate_list {
	struct immediate *head, *tail;
};

struct immediates {
	uv_check_t check;
	uv_idle_t idle; /* while one is referenced: the poll does not sleep */
	struct immediate_list waiting;
	struct immediate_list running; /* what is left of this turn's */
	struct immediate *spare; /* freed ones, by next */
	size_t n_spare;
	size_t n_refs;
};

void immediates_init(struct brood_loop *loop);
void immediates_clear(struct brood_loop *loop, struct immediate *i);
void immediates_set_ref(struct brood_loop *loop, struct immediate *i, bool on);
void immediates_done(struct brood_loop *loop);

#endif
