/*
 * signals: signals of the master become events. One table serves the handler, the manual and
 * `broodd --list-signals`. Nothing is counted: signals merge, so each handler looks at the state.
 */
#ifndef BROOD_LOOP_SIGNALS_H
#define BROOD_LOOP_SIGNALS_H

#include <stdio.h>

#include "core/action.h"

struct loop;
struct err;

/* The launcher may have left anything blocked or ignored (nohup, cron): all dispositions to
 * default, PIPE and XFSZ ignored (S10), blocked only what signals_init() will handle and unblock.
 * Before the loop exists. */
void signals_set_own(void);
int signals_init(struct loop *l, struct err *e);
void signals_done(struct loop *l);
/* The end of a request that a signal made. False: it was not one of those. */
bool signals_on_reply(struct loop *l, const struct action *reply);
/* One line a signal: name, action, verb of brood(1) or "-", description; tab-separated. */
void signals_print(FILE *out);

#endif
