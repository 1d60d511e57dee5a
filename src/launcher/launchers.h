/*
 * launchers: what starts an app of Node as a child of itself: which words of its command line are its
 * own, and which are the app's.
 */
#ifndef BROOD_LAUNCHER_LAUNCHERS_H
#define BROOD_LAUNCHER_LAUNCHERS_H

#include <stdbool.h>

#include "launcher/run.h"
#include "launcher/trail.h"

struct launcher {
	const char *name; /* of the command, of its script without .js, or of its package */
	enum step (*step)(struct trail *t, const struct launcher *l, struct words *next);
	bool certain; /* no other program has that name */
	bool short_run; /* "yarn X" is "yarn run X" */
	const struct habits *habits; /* of what runs scripts of package.json */
};

const struct launcher *launcher_find(const char *name);
/* The launcher whose script path is, as it was installed. A file of the app may have any name. */
const struct launcher *launcher_at(const char *path);

#endif
