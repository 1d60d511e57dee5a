/*
 * timer: deadlines in a binary heap. A timer is embedded in its owner; arming it again moves it.
 * The heap's array is grown ahead by timer_heap_reserve(), so that arming can't fail.
 */
#ifndef BROOD_CORE_TIMER_H
#define BROOD_CORE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timer_owner { TIMER_WORKER, TIMER_CHECK, TIMER_PROBE, TIMER_SLOT };

struct timer {
	uint64_t due_us;
	size_t index; /* 1-based position in the heap; 0 = not armed */
	enum timer_owner kind;
	void *owner;
};

struct timer_heap {
	struct timer **items;
	size_t len, cap;
};

/* Room for n timers in all. 0 or -ENOMEM. */
int timer_heap_reserve(struct timer_heap *h, size_t n);
void timer_heap_done(struct timer_heap *h);
void timer_init(struct timer *t, enum timer_owner kind, void *owner);
void timer_arm(struct timer_heap *h, struct timer *t, uint64_t due_us);
void timer_drop(struct timer_heap *h, struct timer *t);
static inline bool
timer_is_armed(const struct timer *t)
{
	return t->index != 0;
}
/* Earliest, or NULL. */
struct timer *timer_heap_first(const struct timer_heap *h);
/* Moves every deadline by the same time. */
void timer_heap_shift(struct timer_heap *h, uint64_t by_us);

#endif
