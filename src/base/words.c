/*
 * words: see the header.
 */
#include "base/words.h"

#include <string.h>

#include "base/mem.h"

bool
words_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

void
words_free(struct words *w)
{
	for (size_t i = 0; i < w->len; i++)
		mem_free(w->items[i]);
	mem_free(w->items);
	*w = (struct words){0};
}

static void
insert(struct words *w, size_t at, char *word)
{
	char **grown = word ? mem_realloc(w->items, (w->len + 2) * sizeof(*grown)) : NULL;

	if (!grown) {
		mem_free(word);
		w->failed = true;
		return;
	}
	w->items = grown;
	memmove(grown + at + 1, grown + at, (w->len - at) * sizeof(*grown));
	grown[at] = word;
	grown[++w->len] = NULL;
}

void
words_add_n(struct words *w, const char *word, size_t len)
{
	insert(w, w->len, mem_strndup(word, len));
}

void
words_add(struct words *w, const char *word)
{
	words_add_n(w, word, strlen(word));
}

void
words_insert(struct words *w, size_t at, const char *word)
{
	insert(w, at < w->len ? at : w->len, mem_strndup(word, strlen(word)));
}

void
words_add_from(struct words *w, const struct words *from, size_t i)
{
	w->failed |= from->failed;
	for (; i < from->len; i++)
		words_add(w, from->items[i]);
}

/* --- one word ---------------------------------------------------------------------------------- */

bool
word_is(const char *word, const char *const *list)
{
	while (*list && strcmp(word, *list) != 0)
		list++;
	return *list;
}

bool
word_begins(const char *word, const char *with)
{
	return strncmp(word, with, strlen(with)) == 0;
}

bool
word_ends(const char *word, const char *with)
{
	size_t n = strlen(word), m = strlen(with);

	return n >= m && strcmp(word + n - m, with) == 0;
}

bool
word_is_text(const char *word)
{
	for (; *word; word++)
		if (((unsigned char)*word < 0x20 && !strchr("\t\r\n", *word)) || *word == 0x7F)
			return false;
	return true;
}

const char *
path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
