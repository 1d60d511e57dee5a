/*
 * wheel: see wheel.h. A slot holds the nodes of one tick only, since none is put further ahead
 * than the wheel is round.
 */
#include "http/wheel.h"

#include <string.h>

#include "brood.h"

static void on_timer(uv_timer_t *timer);

static uint64_t
now_tick(const struct wheel *w)
{
	return brood_now(w->loop) / WHEEL_TICK_MS;
}

int
wheel_open(struct wheel *w, struct brood_loop *loop, void (*on_due)(struct wheel_node *node))
{
	int r;

	memset(w, 0, sizeof *w);
	w->loop = loop;
	w->on_due = on_due;
	w->done_tick = now_tick(w);
	w->armed_tick = WHEEL_NEVER;
	r = uv_timer_init(brood_uv(loop), &w->timer);
	w->timer.data = w;
	uv_unref((uv_handle_t *)&w->timer);
	return r;
}

void
wheel_close(struct wheel *w, uv_close_cb on_closed)
{
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

static void
arm(struct wheel *w, uint64_t tick)
{
	uint64_t now_ms = brood_now(w->loop), at_ms = tick * WHEEL_TICK_MS;

	w->armed_tick = tick;
	(void)uv_timer_start(&w->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

/* The first slot behind done_tick that may hold a node, or WHEEL_NEVER. */
static uint64_t
next_used(const struct wheel *w)
{
	for (uint64_t tick = w->done_tick + 1; tick <= w->done_tick + WHEEL_SLOTS;) {
		unsigned at = tick % WHEEL_SLOTS;
		uint64_t bits = w->used[at / 64] >> at % 64;

		if (bits != 0)
			return tick + (unsigned)__builtin_ctzll(bits);
		tick += 64 - at % 64;
	}
	return WHEEL_NEVER;
}

static void
put(struct wheel *w, struct wheel_node *node)
{
	uint64_t tick = node->due_ms / WHEEL_TICK_MS + 1;
	struct wheel_node **slot;
	unsigned at;

	if (w->armed_tick == WHEEL_NEVER)
		w->done_tick = now_tick(w); /* nothing is in it */
	if (tick <= w->done_tick)
		tick = w->done_tick + 1;
	if (tick > w->done_tick + WHEEL_SLOTS)
		tick = w->done_tick + WHEEL_SLOTS;
	at = tick % WHEEL_SLOTS;
	slot = &w->slots[at];
	node->tick = tick;
	node->next = *slot;
	node->prev_next = slot;
	if (node->next != NULL)
		node->next->prev_next = &node->next;
	*slot = node;
	w->used[at / 64] |= UINT64_C(1) << at % 64;
	if (tick < w->armed_tick)
		arm(w, tick);
}

void
wheel_remove(struct wheel_node *node)
{
	if (node->prev_next == NULL)
		return;
	*node->prev_next = node->next;
	if (node->next != NULL)
		node->next->prev_next = node->prev_next;
	node->prev_next = NULL;
}

void
wheel_set(struct wheel *w, struct wheel_node *node, uint64_t due_ms)
{
	node->due_ms = due_ms;
	if (node->prev_next != NULL && node->tick <= due_ms / WHEEL_TICK_MS + 1)
		return;
	wheel_remove(node);
	if (due_ms != WHEEL_NEVER)
		put(w, node);
}

static void
look(struct wheel *w, struct wheel_node *node, uint64_t now_ms)
{
	wheel_remove(node);
	if (node->due_ms <= now_ms)
		w->on_due(node);
	else if (node->due_ms != WHEEL_NEVER)
		put(w, node);
}

/* A node of this slot goes elsewhere or to its owner; what its owner does may remove others. */
static void
empty_slot(struct wheel *w, unsigned at, uint64_t now_ms)
{
	struct wheel_node *due = w->slots[at];

	w->slots[at] = NULL;
	w->used[at / 64] &= ~(UINT64_C(1) << at % 64);
	if (due != NULL)
		due->prev_next = &due;
	while (due != NULL)
		look(w, due, now_ms);
}

static void
on_timer(uv_timer_t *timer)
{
	struct wheel *w = timer->data;
	uint64_t now_ms = brood_now(w->loop), end = now_tick(w), tick;

	brood_enter(w->loop);
	w->armed_tick = 0; /* what is put in meanwhile is seen below */
	while ((tick = next_used(w)) <= end) {
		w->done_tick = tick;
		empty_slot(w, tick % WHEEL_SLOTS, now_ms);
	}
	w->done_tick = end;
	w->armed_tick = WHEEL_NEVER;
	if ((tick = next_used(w)) != WHEEL_NEVER && !uv_is_closing((uv_handle_t *)timer))
		arm(w, tick);
	brood_leave(w->loop);
}
