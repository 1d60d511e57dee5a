/*
 * supervisord: what the parts of the importer share. No one else's business.
 */
#ifndef BROOD_IMPORT_SUPERVISORD_H
#define BROOD_IMPORT_SUPERVISORD_H

#include <stdbool.h>

#include "base/str.h"
#include "base/words.h"
#include "import/draft.h"
#include "import/import.h"
#include "import/sections.h"

#define SUP_ROTATE "logrotate(8), with `brood reopen` in postrotate"

/* What is between %( and ) stands for. */
struct expansions {
	const struct ini_section *section;
	const char *program, *group;
	long numprocs, process_num;
	bool slot; /* process_num is the worker's slot, not a number */
	bool literal; /* the environment's values, not holes for them */
	struct words names, values; /* ENV_ of [supervisord] and of the section itself */
};

struct sup {
	struct import *im;
	struct ini ini;
	struct words names, values; /* environment of [supervisord] */
	/* the program at hand */
	const struct ini_section *section;
	struct about at;
	struct expansions x;
	bool fcgi, is_node;
	bool no_slot; /* process_num is used in a way that a slot cannot stand for */
	bool quiet; /* it is looked at once more, and noted then */
	struct str from;
};

#define NOTE(s, key_, remedy, ...)                                              \
	do {                                                                    \
		struct about at_ = sup_about(s, key_);                          \
		if (!(s)->quiet)                                                \
			draft_note(&(s)->im->draft, &at_, remedy, __VA_ARGS__); \
	} while (0)
#define KEY(s, from_, ...) draft_key(&(s)->im->draft, (s)->at.app, from_, __VA_ARGS__)

/* supervisord_value.c: of the section at hand */
struct ini_option *sup_option(const struct sup *s, const char *key);
struct about sup_about(const struct sup *s, const char *key);
bool sup_has(const struct sup *s, const char *key);
/* The expanded value in out, with holes for the environment; false where the key is not there. */
bool sup_get(struct sup *s, const char *key, struct str *out);
/* For values that are looked at here, not copied: the environment's are those of now. */
bool sup_get_literal(struct sup *s, const char *key, struct str *out);
long sup_get_number(struct sup *s, const char *key, long fallback, long most);
bool sup_get_bool(struct sup *s, const char *key, bool fallback);
bool sup_is_positive(struct sup *s, const char *key);
/* "stopwaitsecs=30", of up to three keys, as they are written; good until the next call. */
const char *sup_from(struct sup *s, const char *a, const char *b, const char *c);
void sup_copy_text(struct sup *s, const char *key, const char *ours);
/* An absolute path of one in a file of supervisord's. mem_alloc; NULL without memory. */
char *sup_full_path(struct sup *s, const char *key, const char *path);
/* The key `environment`, appended. */
void sup_read_environment(struct sup *s, struct words *names, struct words *values);

/* supervisord_output.c */
enum log_target { LOG_AUTO, LOG_NONE, LOG_STANDARD, LOG_FILE };
enum log_target sup_log_target(struct sup *s, const char *key, struct str *path);
void sup_log_to(struct sup *s, const char *key, const char *path);
void sup_add_log(struct sup *s);
void sup_add_socket(struct sup *s);

/* supervisord_program.c */
void sup_take_program(struct sup *s, const struct ini_section *section, bool fcgi);

#endif
