/*
 * str: a growing byte string, and the one function that makes foreign text safe to show.
 *
 * A struct str that is all zero is an empty string. data is always terminated when it is not
 * NULL. Allocation failure is sticky: the string stays as it was, str_failed() turns true, and
 * the caller checks once, at the end.
 */
#ifndef BROOD_BASE_STR_H
#define BROOD_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
	char *data;
	size_t len;
	size_t cap;
	bool failed;
};

void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *bytes, size_t len);
void str_add_char(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes (a queue that was written out). */
void str_consume(struct str *s, size_t n);
/* Keeps the memory, forgets the content. */
void str_reset(struct str *s);
void str_free(struct str *s);
static inline bool str_failed(const struct str *s) { return s->failed; }
/* The text, never NULL. */
static inline const char *str_text(const struct str *s) { return s->data ? s->data : ""; }

/* Appends bytes with everything that could move a terminal's cursor, colour it or forge a line
 * made visible: C0 and C1 controls and DEL as \xNN, tab kept, backslash kept, invalid UTF-8
 * bytes as \xNN, bidi and line-separator code points as \u{NNNN}. Valid UTF-8 passes. */
void str_add_escaped(struct str *s, const char *bytes, size_t len);

/* Length of the valid UTF-8 sequence at bytes (1 to 4), or 0 when there is none. */
size_t utf8_sequence(const char *bytes, size_t len);

/* The name out of names[0..n) nearest to word (edit distance at most 3 and less than half of
 * the longer one's length), or NULL: for "did you mean". */
const char *str_nearest(const char *word, const char *const *names, size_t n);

#endif
