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

static char *
copy_n(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	if (copy) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
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
	insert(w, w->len, copy_n(word, len));
}

void
words_add(struct words *w, const char *word)
{
	words_add_n(w, word, strlen(word));
}

void
words_insert(struct words *w, size_t at, const char *word)
{
	insert(w, at < w->len ? at : w->len, copy_n(word, strlen(word)));
}

void
words_add_from(struct words *w, const struct words *from, size_t i)
{
	w->failed |= from->failed;
	for (; i < from->len; i++)
		words_add(w, from->items[i]);
}
