/*
 * draft: a brood.conf in the making, out of the file of another supervisor. Importers put in apps,
 * keys with the words that they come from, variables, and notes on what was left out and what to do
 * instead. Whatever foreign text holds, what comes out loads.
 *
 * A text may have holes, which are made by the functions below and by nothing that was read: what
 * was read is refused or cleaned of their bytes (draft_is_text()) before it gets here.
 */
#ifndef BROOD_IMPORT_DRAFT_H
#define BROOD_IMPORT_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/words.h"

#define DRAFT_APPS_MAX 500 /* two sections each, of 1024 that a file may have */

struct draft_app;

/* One thing that was not translated, or not as it was. */
struct draft_note {
	const struct draft_app *app; /* NULL: none, or one that was left out */
	char *file, *name,
	    *key; /* name: of the app, in the file's words; name and key may be NULL */
	unsigned line; /* 0: not known */
	char *text, *remedy; /* remedy may be NULL */
};

struct draft {
	const char *format, *file; /* "pm2", as given */
	struct draft_app **apps;
	size_t apps_len;
	struct draft_app *master; /* keys of [master] */
	struct draft_note *notes;
	size_t notes_len;
	bool failed; /* no memory */
};

/* Where something was read. */
struct about {
	const char *file; /* NULL: the draft's */
	unsigned line;
	struct draft_app *app;
	const char *name; /* of an app that is not in the draft */
	const char *key;
};

void draft_init(struct draft *d, const char *format, const char *file);
void draft_done(struct draft *d);

/* name is cleaned of what brood does not allow, and made different from others. NULL without
 * memory, or beyond DRAFT_APPS_MAX (noted). */
struct draft_app *draft_add_app(struct draft *d, const struct about *at);
const char *draft_app_name(const struct draft_app *app);

/* from: where the value comes from, in the foreign file's words; NULL for no comment. The value is
 * in the language of brood.conf. A key that is there already is replaced. */
void draft_key(struct draft *d, struct draft_app *app, const char *from, const char *key,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
bool draft_has_key(const struct draft_app *app, const char *key);
/* The value is any text, with holes for variables. One that cannot stand in a line is noted
 * instead. */
void draft_text(
    struct draft *d, const struct about *at, const char *from, const char *key, const char *text);
void draft_command(
    struct draft *d, const struct about *at, const char *from, const struct words *w);
/* false: another app has that address, or it can't be written; that was noted. */
bool draft_listen(struct draft *d, const struct about *at, const char *from, const char *address);
/* As it stands in the file, or NULL. */
const char *draft_get_env(const struct draft_app *app, const char *name);
/* Replaces a variable of that name. text may have holes. */
void draft_env(struct draft *d, const struct about *at, const char *name, const char *text);
/* A comment above the section, of what is worth knowing but no loss. */
void draft_remark(struct draft *d, struct draft_app *app, const char *text);
void draft_note(struct draft *d, const struct about *at, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Holes: the slot's number; ${name} (or ${name:-default}) of the master's environment. */
void draft_add_slot(struct str *text);
void draft_add_variable(struct str *text, const char *name, const char *fallback);
/* Whether foreign text can be used: UTF-8 without controls but tab and line break. */
bool draft_is_text(const char *text, size_t len);

/* The whole file. 0, -ENOMEM, or -E2BIG: larger than broodd reads. */
int draft_render(const struct draft *d, struct str *out);

#endif
