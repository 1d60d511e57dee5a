/*
 * nodetrail: a command of Node that is followed to what it comes to in the end, for the files that do
 * so: nodecmd.c walks and knows node itself and the scripts of package.json, nodelauncher.c knows the
 * launchers.
 */
#ifndef BROOD_LOOP_NODETRAIL_H
#define BROOD_LOOP_NODETRAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct words {
	const char **v;
	size_t len;
	bool failed;		/* no memory */
};

void words_add(struct words *w, const char *word);
/* Those of `from` behind the i-th. */
void words_add_from(struct words *w, const struct words *from, size_t i);
/* Whether word is in list, which ends with NULL. */
bool word_is(const char *word, const char *const *list);
bool word_begins(const char *word, const char *with);
bool word_ends(const char *word, const char *with);
const char *path_base(const char *path);

#define TRAIL_STRINGS_MAX 64

struct trail {
	const char *directory;
	struct words words;	/* the command so far */
	struct str variables;	/* "A = 1, B = 2": set by a script before its command */
	struct str before;	/* scripts that npm would run before */
	char *strings[TRAIL_STRINGS_MAX]; /* what words point to, but those of argv */
	size_t strings_len;
};

/* Makes string (mem_free()) the trail's. Returns it; NULL if it is. */
const char *trail_keep(struct trail *t, char *string);
/* Appends the words of a shell's command line. false: a shell would do more than cut it. */
bool trail_add_line(struct trail *t, struct words *w, const char *text);

enum step {
	STEP_END,	/* the trail's words are the command */
	STEP_ON,	/* next takes their place */
	STEP_LOST,	/* nobody here knows what comes of it */
};

struct launcher {
	const char *name;	/* of the command, of its script without .js, or of its package */
	enum step (*step)(struct trail *t, const struct launcher *l, struct words *next);
	bool certain;		/* no other program has that name */
	bool short_run;		/* "yarn X" is "yarn run X" */
	bool default_start;	/* without a script "start" it is "node server.js" */
	bool runs_before;	/* the script "preX" before X */
};

const struct launcher *launcher_find(const char *name);
/* The launcher whose script path is, as it was installed. A file of the app may have any name. */
const struct launcher *launcher_at(const char *path);

/* Copies the option of node at *i, and its value if that is a word of its own. */
void node_add_option(struct words *next, const struct words *w, size_t *i);
bool node_is_option_with_value(const char *word);
/* The script of package.json with the trail's words from `args` on behind it. l: NULL for node --run. */
enum step node_run_script(
    struct trail *t, const struct launcher *l, const char *name, size_t args, struct words *next);
/* A launcher's arguments for the app: but the first "--", which ends its own options. */
bool node_add_arguments(struct words *next, const struct words *w, size_t args);

#endif
