/*
 * sections: INI as Python's configparser reads it, which is what supervisord takes: ";" and "#"
 * behind a blank begin a comment, indented lines go on with the value before, the last of two wins.
 * Pure. (brood's own reader is for brood's own language, which has none of that.)
 */
#ifndef BROOD_IMPORT_SECTIONS_H
#define BROOD_IMPORT_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct err;

struct ini_option {
	char *key; /* lower case */
	struct str value; /* lines joined by "\n" */
	unsigned line;
	bool cut; /* an inline comment ended it within quotes */
};

struct ini_section {
	char *name;
	char *file, *here; /* where it began, and the directory of that */
	unsigned line;
	struct ini_option *options;
	size_t options_len;
};

struct ini {
	struct ini_section **sections;
	size_t sections_len;
};

/* Adds what the text has. 0; -EINVAL with "FILE:LINE:COLUMN: text"; -ENOMEM. */
int ini_add(struct ini *ini, const char *file, const char *here, const char *text, size_t len,
    struct err *e);
void ini_free(struct ini *ini);

struct ini_section *ini_find(const struct ini *ini, const char *name);
struct ini_option *ini_option(const struct ini_section *s, const char *key);

#endif
