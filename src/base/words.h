/*
 * words: a list of words that grows, as of a command line.
 */
#ifndef BROOD_BASE_WORDS_H
#define BROOD_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
	char **items; /* NULL-terminated when there are any */
	size_t len;
	bool failed; /* no memory */
};

/* Empty again, failed or not. */
void words_free(struct words *w);
void words_add(struct words *w, const char *word);
void words_add_n(struct words *w, const char *word, size_t len);
/* Before what is there. */
void words_insert(struct words *w, size_t at, const char *word);
/* Those of `from` from the i-th on. */
void words_add_from(struct words *w, const struct words *from, size_t i);

/* What stands between words. */
bool words_is_blank(char c);

/* Whether word is in list, which ends with NULL. */
bool word_is(const char *word, const char *const *list);
bool word_begins(const char *word, const char *with);
bool word_ends(const char *word, const char *with);
/* Without controls, for which who writes words into a file may have a use of his own. */
bool word_is_text(const char *word);
/* Behind its last slash. */
const char *path_base(const char *path);

#endif
