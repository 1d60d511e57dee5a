/*
 * import: the files of other supervisors, translated. Each importer takes what was read and fills a
 * draft; what it wants to know of the machine it asks a struct world, so that it is a pure function
 * of the two, and can be fuzzed.
 */
#ifndef BROOD_IMPORT_IMPORT_H
#define BROOD_IMPORT_IMPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/words.h"
#include "import/draft.h"

struct err;

#define IMPORT_FILE_MAX (1024 * 1024)

enum path_kind {
	PATH_NONE,
	PATH_TEXT,
	PATH_NODE, /* a script whose #! line runs node */
	PATH_BINARY,
	PATH_DIRECTORY,
};

/* The machine that the file is for, as far as it is this one. Any member may be NULL. */
struct world {
	void *arg;
	/* The whole of a file of at most IMPORT_FILE_MAX bytes, appended. 0 or a negative errno. */
	int (*read)(void *arg, const char *path, struct str *ret);
	enum path_kind (*kind)(void *arg, const char *path);
	/* Where links lead, absolute (mem_free()). NULL: nowhere, or no memory. Without it there are no
	 * links. */
	char *(*real)(void *arg, const char *path);
	const char *(*variable)(void *arg, const char *name);
	/* The sorted names that a pattern matches, appended. */
	void (*glob)(void *arg, const char *pattern, struct words *ret);
	const char *host;
};

struct import {
	struct draft draft;
	const struct world *world;
	const char *directory; /* of the file, absolute */
	const char *environment; /* pm2: --env, or NULL */
};

/* 0; -EINVAL with the reason, "FILE:LINE:COLUMN: text" where the place is known; -ENOMEM. */
int import_pm2(struct import *im, const json_t *root, struct err *e);
int import_procfile(struct import *im, const char *text, size_t len, struct err *e);
int import_supervisord(struct import *im, const char *text, size_t len, struct err *e);

/* A JavaScript literal as PM2 takes it in a .json: comments, trailing commas, any quotes, bare
 * keys. 0: *ret is a new reference; else as above. file is for messages. */
int import_literal(const char *file, const char *text, size_t len, json_t **ret, struct err *e);

/* --- common to the importers (command.c) --------------------------------------------------- */

enum path_kind import_kind(const struct import *im, const char *path);
const char *import_variable(const struct import *im, const char *name);
/* path as seen from directory, without "." and "..", malloc by mem_alloc(). NULL without memory. */
char *import_path(const char *directory, const char *path);

struct program {
	bool is_node;
	bool shell; /* a shell stands before it */
	char name[48]; /* base name of what runs, cut */
};

/* Writes the command of at->app: w as it is, but for launchers that brood refuses (npm and the
 * like), which become what they would run; variables that go with that are set. */
void import_command(struct import *im, const struct about *at, const char *from,
    const char *directory, struct words *w, struct program *ret);
/* The same of a line for a shell: split where that can be done, else given to one. *directory is
 * replaced (mem_alloc) when the line begins with cd. 0; -EINVAL: a quote does not end, noted. */
int import_shell_line(struct import *im, const struct about *at, const char *from, char **directory,
    const char *line, struct program *ret);

/* What a name without a slash finds in PATH. */
enum path_kind import_in_path(const struct import *im, const char *name);
/* log = file:PATH. */
void import_log(struct import *im, const struct about *at, const char *from, const char *path);

/* "30s" out of milliseconds. */
const char *import_duration(unsigned long long ms, char buf[32]);
/* A restart_limit of n deaths that is not outrun by brood's pauses, given how long a life lasts. */
void import_restart_limit(struct import *im, struct draft_app *app, const char *from, unsigned n,
    unsigned long long life_ms, unsigned long long delay_ms, unsigned long long delay_max_ms);

#endif
