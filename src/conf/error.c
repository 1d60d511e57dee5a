/*
 * error: the list of what is wrong with a configuration. Must not stop anything: the operator
 * gets all mistakes in one go.
 */
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/internal.h"

static bool
is_before(const struct place *a, const struct place *b)
{
	return a->line != b->line ? a->line < b->line : a->col < b->col;
}

/* Behind the last one of the same file that is not further down, so that the list can be worked
 * off from top to bottom, although lines, values and what they mean together are looked at one
 * after the other. */
static size_t
position(const struct load *l, const struct place *at)
{
	size_t i = l->errs->len, begin;

	while (i > 0 && l->said[i - 1].file != at->file)
		i--;
	if (i == 0)
		return l->errs->len;
	for (begin = i; begin > 0 && l->said[begin - 1].file == at->file; begin--) {
		if (!is_before(at, &l->said[begin - 1]))
			break;
	}
	return begin;
}

static int
insert(struct load *l, const struct place *at, char *text)
{
	struct conf_errors *errs = l->errs;
	char **grown = mem_realloc(errs->text, (errs->len + 1) * sizeof(*grown));
	size_t i = position(l, at);

	if (!grown)
		return -1;
	errs->text = grown;
	memmove(&grown[i + 1], &grown[i], (errs->len - i) * sizeof(*grown));
	memmove(&l->said[i + 1], &l->said[i], (errs->len - i) * sizeof(*l->said));
	grown[i] = text;
	l->said[i] = *at;
	errs->len++;
	return 0;
}

void
load_error(struct load *l, const struct place *at, const char *fmt, ...)
{
	struct str text = {0}, line = {0};
	va_list ap;

	if (l->errs->len >= ERRORS_MAX) {
		l->errs->dropped++;
		return;
	}
	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	/* Under a label is a file that nobody wrote: its lines mean nothing to anybody. */
	if (at->line > 0 && !(at->file->path && strcmp(at->file->label, at->file->path) != 0))
		str_addf(&line, "%s:%u:%u: ", at->file->label, at->line, at->col);
	else
		str_addf(&line, "%s: ", at->file->label);
	/* Text of the file may hold what moves a cursor. */
	str_add_escaped(&line, str_text(&text), text.len);
	if (str_failed(&text) || str_failed(&line) || insert(l, at, line.data)) {
		l->no_memory = true;
		str_free(&line);
	}
	str_free(&text);
}

void
conf_errors_free(struct conf_errors *errs)
{
	for (size_t i = 0; i < errs->len; i++)
		mem_free(errs->text[i]);
	mem_free(errs->text);
	memset(errs, 0, sizeof(*errs));
}
