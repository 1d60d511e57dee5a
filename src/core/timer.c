/*
 * timer: a binary heap of deadlines. It knows neither what they are for nor what time it is.
 */
#include "core/timer.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

int
timer_heap_reserve(struct timer_heap *h, size_t n)
{
	struct timer **items;
	size_t cap = h->cap ? h->cap : 16;

	if (n <= h->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	items = mem_realloc(h->items, cap * sizeof(*items));
	if (!items)
		return -ENOMEM;
	h->items = items;
	h->cap = cap;
	return 0;
}

void
timer_heap_done(struct timer_heap *h)
{
	mem_free(h->items);
	memset(h, 0, sizeof(*h));
}

void
timer_init(struct timer *t, enum timer_owner kind, void *owner)
{
	t->due_us = 0;
	t->index = 0;
	t->kind = kind;
	t->owner = owner;
}

/* Puts t at the 1-based position i. */
static void
place(struct timer_heap *h, struct timer *t, size_t i)
{
	h->items[i - 1] = t;
	t->index = i;
}

static void
sift_up(struct timer_heap *h, size_t i)
{
	struct timer *t = h->items[i - 1];

	for (; i > 1 && h->items[i / 2 - 1]->due_us > t->due_us; i /= 2)
		place(h, h->items[i / 2 - 1], i);
	place(h, t, i);
}

static void
sift_down(struct timer_heap *h, size_t i)
{
	struct timer *t = h->items[i - 1];

	for (size_t child; (child = 2 * i) <= h->len; i = child) {
		if (child < h->len && h->items[child]->due_us < h->items[child - 1]->due_us)
			child++;
		if (h->items[child - 1]->due_us >= t->due_us)
			break;
		place(h, h->items[child - 1], i);
	}
	place(h, t, i);
}

void
timer_arm(struct timer_heap *h, struct timer *t, uint64_t due_us)
{
	t->due_us = due_us;
	if (!timer_is_armed(t)) {
		h->len++;
		place(h, t, h->len);
	}
	sift_up(h, t->index);
	sift_down(h, t->index);
}

void
timer_drop(struct timer_heap *h, struct timer *t)
{
	size_t i = t->index;
	struct timer *last;

	if (i == 0)
		return;
	last = h->items[h->len - 1];
	h->len--;
	t->index = 0;
	if (last == t)
		return;
	place(h, last, i);
	sift_up(h, last->index);
	sift_down(h, last->index);
}

struct timer *
timer_heap_first(const struct timer_heap *h)
{
	return h->len ? h->items[0] : NULL;
}

void
timer_heap_shift(struct timer_heap *h, uint64_t by_us)
{
	/* The same amount for all keeps the order, so the heap stays a heap. */
	for (size_t i = 0; i < h->len; i++)
		h->items[i]->due_us += by_us;
}
