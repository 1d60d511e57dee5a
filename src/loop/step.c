/*
 * step: one event at a time through the core, its actions performed in their order, and the one
 * timer. Events that come up while actions are performed queue up: nothing recurses.
 */
#include "loop/step.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/core.h"
#include "loop/loop.h"
#include "loop/manager.h"
#include "loop/perform.h"

#define ACTIONS_KEPT 128
#define QUEUE_FIRST  256 /* room for events that came up inside a step */
#define LATE_US      (10 * 1000) /* a timer later than that */
#define RETRY_MS     100 /* an event that could not be taken for lack of memory */

struct queued {
	struct event ev;
	char app[49];
	char text[ACTION_TEXT_MAX];
};

/* A ring that only grows. */
struct step_queue {
	struct queued *items;
	size_t head, len, cap;
};

static bool
queue_grow(struct step_queue *q)
{
	size_t cap = q->cap ? q->cap * 2 : QUEUE_FIRST;
	struct queued *items = mem_calloc(cap, sizeof(*items));

	if (!items)
		return false;
	for (size_t i = 0; i < q->len; i++)
		items[i] = q->items[(q->head + i) % q->cap];
	mem_free(q->items);
	q->items = items;
	q->head = 0;
	q->cap = cap;
	return true;
}

static void
queue_event(struct step_queue *q, const struct event *ev)
{
	struct queued *item;

	if (q->len == q->cap && !queue_grow(q)) {
		log_error("event_lost", NULL, "out of memory: lost \"%s\"",
		    event_kind_to_string(ev->kind));
		return;
	}
	item = &q->items[(q->head + q->len++) % q->cap];
	item->ev = *ev;
	if (ev->app)
		snprintf(item->app, sizeof(item->app), "%s", ev->app);
	if ((ev->kind == EVENT_REPLACE || ev->kind == EVENT_PROTOCOL_FAULT) && ev->text.reason)
		snprintf(item->text, sizeof(item->text), "%s", ev->text.reason);
	if (ev->kind == EVENT_VERIFIED && ev->verified.what)
		snprintf(item->text, sizeof(item->text), "%s", ev->verified.what);
	if (ev->kind == EVENT_PROBED && ev->probed.what)
		snprintf(item->text, sizeof(item->text), "%s", ev->probed.what);
	/* Samples are soon old: the next look is worth more than a copy. */
	if (ev->kind == EVENT_QUEUES)
		item->ev.queues.len = 0;
}

/* Points the copy at its own texts: where it lay may have moved. */
static struct queued
queue_take(struct step_queue *q)
{
	struct queued item = q->items[q->head];

	q->head = (q->head + 1) % q->cap;
	q->len--;
	return item;
}

static void
point_to_own_text(struct queued *item)
{
	if (item->ev.app)
		item->ev.app = item->app;
	if (item->ev.kind == EVENT_REPLACE || item->ev.kind == EVENT_PROTOCOL_FAULT)
		item->ev.text.reason = item->text;
	if (item->ev.kind == EVENT_VERIFIED)
		item->ev.verified.what = item->text;
	if (item->ev.kind == EVENT_PROBED)
		item->ev.probed.what = item->text;
}

static bool
is_from_operator(enum event_kind kind)
{
	return kind >= EVENT_CONFIGURE && kind <= EVENT_SHUTDOWN;
}

/* They look at every slot, which is too much for each event of a large app: they are for
 * sanitized builds, and for whoever looks for a fault with log_level = debug. */
static bool
checks_invariants(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return log_get_level() == LOG_LEVEL_DEBUG;
#endif
}

/* One event through the core, and what it wants done. */
static int
step_once(struct loop *l, const struct event *ev)
{
	const char *broken;
	int r;

	l->stepping = true;
	l->actions.len = 0;
	r = core_step(l->core, clock_now_us(), ev, &l->actions);
	/* Also after an error: deadlines may have been due. */
	for (size_t i = 0; i < l->actions.len; i++)
		perform(l, &l->actions.items[i]);
	l->stepping = false;
	/* What a start of a thousand workers took is not kept for the quiet time after it. */
	if (l->actions.cap > ACTIONS_KEPT)
		action_list_done(&l->actions);
	broken = checks_invariants() ? core_check(l->core) : NULL;
	if (broken)
		log_error(
		    "invariant", NULL, "after \"%s\": %s", event_kind_to_string(ev->kind), broken);
	return r;
}

static void on_timer(uv_timer_t *timer);

static void
arm_timer(struct loop *l)
{
	uint64_t due_us = core_next_deadline(l->core), now_us;

	if (l->queue->len > 0) {
		(void)uv_timer_start(&l->timer, on_timer, RETRY_MS, 0);
		l->armed_us = 0;
		return;
	}
	if (due_us == l->armed_us)
		return;
	l->armed_us = due_us;
	l->has_listened = false;
	if (due_us == CORE_NO_DEADLINE) {
		(void)uv_timer_stop(&l->timer);
		return;
	}
	now_us = clock_now_us();
	uv_update_time(&l->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(
	    &l->timer, on_timer, due_us > now_us ? (due_us - now_us + 999) / 1000 : 0, 0);
}

/* Events that came up meanwhile. One that finds no memory stays first and is tried again. */
static void
take_queue(struct loop *l)
{
	while (l->queue->len > 0) {
		struct queued item = queue_take(l->queue);

		point_to_own_text(&item);
		if (step_once(l, &item.ev) != -ENOMEM || is_from_operator(item.ev.kind))
			continue;
		queue_event(l->queue, &item.ev);
		break;
	}
}

int
step_now(struct loop *l, const struct event *ev)
{
	int r = step_once(l, ev);

	take_queue(l);
	arm_timer(l);
	manager_touch(l);
	return r;
}

static void
refuse(struct loop *l, request_id request)
{
	struct action a = {.kind = ACTION_REPLY, .slot = -1};

	if (request == 0)
		return;
	a.reply.request = request;
	a.reply.code = REPLY_BUSY;
	snprintf(a.text, sizeof(a.text), "out of memory, try again");
	perform(l, &a);
}

void
loop_step(struct loop *l, const struct event *ev)
{
	int r;

	if (l->stepping) {
		queue_event(l->queue, ev);
		return;
	}
	r = step_now(l, ev);
	if (r == 0)
		return;
	if (is_from_operator(ev->kind)) {
		refuse(l, ev->request);
	} else if (r == -ENOMEM) {
		queue_event(l->queue, ev);
		arm_timer(l);
	}
}

/* A deadline that was missed was missed by us: what came in meanwhile is read first, in one more
 * turn, so that nobody is late because we were (T2). */
static bool
must_listen_first(struct loop *l)
{
	bool late = l->armed_us != 0 && clock_now_us() > l->armed_us + LATE_US;

	l->has_listened = late && !l->has_listened;
	return l->has_listened;
}

static void
on_timer(uv_timer_t *timer)
{
	const struct event ev = {.kind = EVENT_TIME};
	struct loop *l = timer->loop->data;

	if (must_listen_first(l)) {
		(void)uv_timer_start(timer, on_timer, 1, 0); /* 0 would be this turn still */
		return;
	}
	l->armed_us = 0;
	loop_step(l, &ev);
}

int
step_init(struct loop *l)
{
	l->queue = mem_calloc(1, sizeof(*l->queue));
	if (!l->queue || !queue_grow(l->queue))
		return -ENOMEM;
	return 0;
}

void
step_done(struct loop *l)
{
	if (l->queue)
		mem_free(l->queue->items);
	mem_free(l->queue);
	l->queue = NULL;
}
