/*
 * term: what the terminal can do, colour by meaning, and tables. All foreign text passes through
 * here, escaped.
 */
#ifndef BROOD_CLI_TERM_H
#define BROOD_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct str;

enum term_color_mode { TERM_COLOR_AUTO, TERM_COLOR_ALWAYS, TERM_COLOR_NEVER };

enum tint { TINT_NONE, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_DIM, TINT_BOLD, TINT_MAX };

struct term {
	bool color; /* on stdout */
	bool color_err; /* on stderr */
	bool live; /* stdout is a terminal that can move its cursor */
	unsigned width, height; /* 80 x 24 where unknown */
};

void term_init(struct term *t, enum term_color_mode mode);

/* Escape sequences, "" without colour. */
const char *term_on(bool color, enum tint tint);
const char *term_off(bool color);
/* One of six colours that stays the same for a name: prefixes of log lines. */
const char *term_on_name(bool color, const char *name, int slot);

/* Writes text escaped; the newline is the caller's. */
void term_put(FILE *f, const char *text);
void term_put_n(FILE *f, const char *text, size_t len);
/* The same with every line of a text of several lines after the prefix. */
void term_put_lines(FILE *f, const char *prefix, const char *text);
/* Escaped, in quotes of no kind, cut to width columns: for a line that must not wrap. */
void term_add_cut(struct str *out, const char *text, size_t width);

/* What a state of an app, a slot or a worker means. */
enum tint term_state_tint(const char *state);

/* Whether lines of so many columns can be shown without cutting. In a pipe nothing is cut. */
bool term_has_room(const struct term *t, unsigned columns);

/* A table; rows are filled left to right. Without memory the calls do nothing. */
struct table;
struct column {
	const char *name;
	bool right;
	bool cut; /* may be cut where the terminal is too narrow */
};

struct table *table_new(const struct term *t, const struct column *columns, size_t n);
void table_add_row(struct table *tb);
void table_add(struct table *tb, const char *text);
void table_add_tinted(struct table *tb, enum tint tint, const char *text);
void table_addf(struct table *tb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* n, or nothing. */
void table_add_number(struct table *tb, bool shown, long long n);
/* Prints to stdout and frees. */
void table_print(struct table *tb);

#endif
