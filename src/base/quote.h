/*
 * quote: shell-like quoting of argument lists and values, both ways, with no shell.
 *
 * Words are separated by blanks. 'single quotes' keep everything; "double quotes" know
 * \" \\ \n \t \r and \xNN; outside quotes a backslash keeps the next character. There is no
 * expansion: $VAR, *, ~, ;, | and # are ordinary characters.
 */
#ifndef BROOD_BASE_QUOTE_H
#define BROOD_BASE_QUOTE_H

#include <stddef.h>

struct str;

/* Splits text. 0: *ret_argv is a NULL-terminated array in one allocation (free() it),
 * *ret_argc may be 0. -EINVAL: unbalanced quote or bad escape, *ret_at = its offset. -ENOMEM. */
int quote_split(const char *text, char ***ret_argv, size_t *ret_argc, size_t *ret_at);
/* Appends word quoted so that quote_split() gives it back as one word. */
void quote_add_word(struct str *out, const char *word);

#endif
