/*
 * step: what stands behind loop_step().
 */
#ifndef BROOD_LOOP_STEP_H
#define BROOD_LOOP_STEP_H

#include "core/event.h"

struct loop;

int step_init(struct loop *l);		/* 0 or -ENOMEM */
void step_done(struct loop *l);
/* As loop_step(), from outside a step only: returns what core_step() said of ev, so that launch
 * cookies that were not taken can be freed. */
int step_now(struct loop *l, const struct event *ev);

#endif
