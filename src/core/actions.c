/*
 * actions: how the core's files say what they want. Room for the actions of an ordinary step is
 * taken before the step begins; when a large one finds no more memory, the action is lost and
 * counted, and what it was about is found again by a deadline.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/internal.h"

int
action_list_reserve(struct action_list *list, size_t n)
{
	size_t cap = list->cap ? list->cap : 32;
	struct action *items;

	if (list->len + n <= list->cap)
		return 0;
	while (cap < list->len + n)
		cap *= 2;
	items = mem_realloc(list->items, cap * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->cap = cap;
	return 0;
}

void
action_list_done(struct action_list *list)
{
	mem_free(list->items);
	memset(list, 0, sizeof(*list));
}

struct action *
action_push(struct core *c, enum action_kind kind)
{
	static struct action lost;
	struct action *act = &lost;

	if (action_list_reserve(c->out, 1) == 0)
		act = &c->out->items[c->out->len++];
	memset(act, 0, sizeof(*act));
	act->kind = kind;
	act->slot = -1;
	return act;
}

struct action *
action_push_app(struct app *a, enum action_kind kind)
{
	struct action *act = action_push(a->core, kind);

	memcpy(act->app, a->name, sizeof(act->app));
	act->generation = a->generation ? a->generation->number : 0;
	return act;
}

struct action *
action_push_slot(struct slot *s, enum action_kind kind)
{
	struct action *act = action_push_app(s->app, kind);

	act->slot = (int)s->index;
	act->generation = s->generation ? s->generation->number : 0;
	return act;
}

struct action *
action_push_worker(struct worker *w, enum action_kind kind)
{
	struct action *act = action_push_slot(w->slot, kind);

	if (w->slot->spare)
		act->slot = (int)w->number; /* its place may know a newer one */
	act->worker = w->id;
	act->pid = w->pid;
	act->seat = w->seat;
	act->generation = w->generation->number;
	return act;
}

static void fill_note(struct action *act, enum note_kind kind, bool bad, const char *fmt,
    va_list ap) __attribute__((format(printf, 4, 0)));

static void
fill_note(struct action *act, enum note_kind kind, bool bad, const char *fmt, va_list ap)
{
	act->note.kind = kind;
	act->note.bad = bad;
	(void)vsnprintf(act->text, sizeof(act->text), fmt, ap);
}

void
note_app(struct app *a, enum note_kind kind, bool bad, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill_note(action_push_app(a, ACTION_NOTE), kind, bad, fmt, ap);
	va_end(ap);
}

void
note_slot(struct slot *s, enum note_kind kind, bool bad, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill_note(action_push_slot(s, ACTION_NOTE), kind, bad, fmt, ap);
	va_end(ap);
}

void
note_worker(struct worker *w, enum note_kind kind, bool bad, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill_note(action_push_worker(w, ACTION_NOTE), kind, bad, fmt, ap);
	va_end(ap);
}

void
text_set(char dst[ACTION_TEXT_MAX], const char *src)
{
	/* src may lie inside dst. */
	size_t len = strnlen(src, ACTION_TEXT_MAX - 1);

	memmove(dst, src, len);
	dst[len] = '\0';
}

void
text_format(char dst[ACTION_TEXT_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(dst, ACTION_TEXT_MAX, fmt, ap);
	va_end(ap);
}
