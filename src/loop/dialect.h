/*
 * dialect: what a worker finds in its environment besides what all do: that of the master that its
 * program was written for (compat). Variables that the configuration names win.
 */
#ifndef BROOD_LOOP_DIALECT_H
#define BROOD_LOOP_DIALECT_H

#include <stddef.h>

#include "conf/conf.h"
#include "loop/environment.h"

struct launch;
struct launch_worker;

/* Room for all of one worker. */
#define DIALECT_VARS_MAX (2 * CONF_LISTENERS_MAX + 16)

/* What pm_id says: a number for each slot of the instance that stays its own, whatever is reloaded,
 * scaled or removed. All zero is an empty table. */
struct dialect_numbers {
	struct dialect_slot {
		char *app;
		unsigned slot;
	} * items; /* at its number */
	size_t len, cap;
};

/* The first time in the order of conf, as many a piece as its apps ask for; what comes later is next.
 * 0 or -ENOMEM. */
int dialect_number(struct dialect_numbers *t, const struct conf *conf, unsigned cpus,
    const char *app, unsigned slot, unsigned *ret);
void dialect_numbers_done(struct dialect_numbers *t);

struct dialect {
	const struct launch *launch;
	const struct launch_worker *worker;
	char *const *argv; /* of this worker */
	int channel; /* number of its descriptor */
	unsigned number; /* PM2: dialect_number() */
};

/* Sets in ret, which is empty, what compat wants. 0 or -ENOMEM. */
int dialect_vars(const struct dialect *d, struct environment *ret);

#endif
