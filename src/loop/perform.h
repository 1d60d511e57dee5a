/*
 * perform: an action of the core becomes a call. What can fail comes back as an event; nothing
 * here decides.
 */
#ifndef BROOD_LOOP_PERFORM_H
#define BROOD_LOOP_PERFORM_H

#include "core/action.h"

struct loop;

void perform(struct loop *l, const struct action *a);

#endif
