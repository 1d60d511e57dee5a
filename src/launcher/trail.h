/*
 * trail: a command that is followed to what it comes to in the end: how far it is, and what was
 * learned on the way. follow.c walks; launchers.c and run.c take the steps.
 */
#ifndef BROOD_LAUNCHER_TRAIL_H
#define BROOD_LAUNCHER_TRAIL_H

#include <stdbool.h>

#include "base/words.h"

struct files;

struct trail {
	/* Given. */
	const struct files *files;
	const char *directory; /* in which the command starts; absolute */
	/* What comes of it may be any program, and is written as it was found. false: it has to be
	 * Node's, and is written so: node PATH. */
	bool as_found;

	/* Found. All but why is over with trail_done(). */
	struct words words; /* the command so far */
	struct words names, values; /* variables that scripts set before it */
	struct words before; /* scripts of package.json that a launcher would run before it */
	struct words beside; /* others that some would run before, or after it */
	bool watches; /* it would be started again when files change */
	bool lost; /* nobody here knows what comes of words */
	const char *why; /* lost: what is the matter */
};

/* What a step comes to. */
enum step {
	STEP_END, /* the trail's words are the command */
	STEP_ON, /* next takes their place */
	STEP_LOST, /* nobody here knows what comes of it */
};

void trail_done(struct trail *t);
/* Whether memory was short. */
bool trail_failed(const struct trail *t);
/* STEP_LOST. */
enum step trail_lose(struct trail *t, const char *why);
/* Appends the words of a shell's command line; variables in front of them are the trail's. false:
 * a shell would do more than cut it; why is set. */
bool trail_add_line(struct trail *t, struct words *w, const char *text);

#endif
