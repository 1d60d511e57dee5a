/*
 * trail: see the header.
 */
#include "launcher/trail.h"

#include <errno.h>
#include <string.h>

#include "launcher/shell.h"

void
trail_done(struct trail *t)
{
	words_free(&t->words);
	words_free(&t->names);
	words_free(&t->values);
	words_free(&t->before);
	words_free(&t->beside);
}

bool
trail_failed(const struct trail *t)
{
	return t->words.failed || t->names.failed || t->values.failed || t->before.failed ||
	       t->beside.failed;
}

enum step
trail_lose(struct trail *t, const char *why)
{
	t->why = why;
	return STEP_LOST;
}

bool
trail_add_line(struct trail *t, struct words *w, const char *text)
{
	struct shell_line l;
	bool plain;
	int r = word_is_text(text) ? shell_line_parse(text, &l) : -EINVAL;

	w->failed |= r == -ENOMEM;
	t->why = "the script cannot be read";
	if (r < 0)
		return false;
	t->why = "the script needs a shell";
	plain = !l.needs && l.directory.len == 0 && l.words.len > 0;
	if (plain) {
		words_add_from(w, &l.words, 0);
		words_add_from(&t->names, &l.names, 0);
		words_add_from(&t->values, &l.values, 0);
	}
	shell_line_free(&l);
	return plain;
}
