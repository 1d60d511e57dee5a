/*
 * run: a script of package.json, by its name.
 */
#ifndef BROOD_LAUNCHER_RUN_H
#define BROOD_LAUNCHER_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "launcher/trail.h"

/* What launchers do differently. */
struct habits {
	bool starts_server; /* without a script "start" it is "node server.js" */
	bool runs_before; /* the script "preX" before X */
	bool hands_on; /* options behind the script's name are the app's, also without "--" */
};

/* The script with the trail's words from `args` on behind it. h: NULL for what
 * has none, as node --run. */
enum step run_script(
    struct trail *t, const struct habits *h, const char *name, size_t args, struct words *next);
/* The trail's words from `args` on, for the app: but the first "--", which ends the launcher's own
 * options. false: there are such; why is set. h as above. */
bool run_add_arguments(struct trail *t, const struct habits *h, struct words *next, size_t args);

#endif
