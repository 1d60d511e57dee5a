/*
 * steer: which seats get new connections. The table follows from the states of workers and slots
 * and is settled once, at the end of a step; what follows from it is the loop's.
 *
 *   some worker is ready          the seats of the ready ones
 *   all that serve are stalled    all of them: no worker is better than another (R7)
 *   nobody serves                 the seats of the slots that will serve again: connections wait
 *                                 there; or nobody, when that may last (held off)
 *
 * A sticky app keeps its clients with their slots, whatever becomes of the workers.
 */
#include <string.h>

#include "base/mem.h"
#include "core/internal.h"

void
steer_touch(struct app *a)
{
	a->steer_stale = true;
}

bool
ring_has_other(const struct worker *w)
{
	const struct app *a = w->app;

	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct worker *other = a->slots[i]->current;

		if (other != w && worker_serves(other) && other->on_ring)
			return true;
	}
	return false;
}

/* It leaves later, and takes connections until then. */
static const struct worker *
find_delayed(const struct slot *s)
{
	for (const struct worker *w = s->leaving; w; w = w->next_leaving)
		if (w->step == LEAVE_DELAY)
			return w;
	return NULL;
}

static bool
somebody_serves(const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++)
		if (worker_serves(a->slots[i]->current) || find_delayed(a->slots[i]))
			return true;
	return false;
}

/* Nobody serves, and nobody will for a while. */
static bool
service_is_far(const struct app *a)
{
	if (a->wanted != APP_RUN || a->core->shutdown != SHUTDOWN_NONE || a->target_len == 0)
		return true;
	for (unsigned i = 0; i < a->target_len; i++) {
		const struct slot *s = a->slots[i];

		if (s->drained || s->state == SLOT_STARTING || s->state == SLOT_RESTING)
			return false;
		if (s->state == SLOT_BACKOFF &&
		    s->timer.due_us <= a->core->now_us + CORE_HOLD_OFF_MS * 1000)
			return false;
	}
	return true;
}

static void
settle_held_off(struct app *a)
{
	bool before = a->held_off;

	if (somebody_serves(a))
		a->held_off = false;
	else if (service_is_far(a))
		a->held_off = true;
	if (a->held_off && !before && a->wanted == APP_RUN && a->core->shutdown == SHUTDOWN_NONE)
		note_app(a, NOTE_HELD_OFF, true,
		    "nobody serves: new clients are held off, so that they try again");
}

static void
add(struct steer_table *t, const struct slot *s, unsigned seat)
{
	t->seats[t->len++] = (struct steer_seat){(uint16_t)s->index, (uint8_t)seat};
}

static void
add_serving(struct steer_table *t, const struct app *a, enum worker_state state)
{
	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct slot *s = a->slots[i];
		const struct worker *w = s->current;

		if (!w || w->state != state)
			w = state == WORKER_READY ? find_delayed(s) : NULL;
		if (w)
			add(t, s, w->seat);
	}
}

/* Where connections may wait: slots whose worker comes back. With all of them drained or given up,
 * whoever comes back first will be one of them. */
static void
add_waiting(struct steer_table *t, const struct app *a, bool also_hopeless)
{
	for (unsigned i = 0; i < a->target_len; i++) {
		const struct slot *s = a->slots[i];

		if (also_hopeless || s->state == SLOT_STARTING || s->state == SLOT_SERVING ||
		    s->state == SLOT_BACKOFF)
			add(t, s, s->seat);
	}
}

static void
fill(struct steer_table *t, const struct app *a)
{
	t->len = 0;
	t->mode = a->held_off ? STEER_HOLD : STEER_SERVE;
	if (a->held_off)
		return;
	if (a->generation->conf->balance == BALANCE_STICKY)
		add_waiting(t, a, false);
	if (t->len == 0)
		add_serving(t, a, WORKER_READY);
	if (t->len == 0)
		add_serving(t, a, WORKER_STALLED);
	if (t->len == 0)
		add_waiting(t, a, false);
	if (t->len == 0)
		add_waiting(t, a, true);
}

static bool
is_same(const struct steer_table *x, const struct steer_table *y)
{
	return x->mode == y->mode && x->len == y->len &&
	       (x->len == 0 || memcmp(x->seats, y->seats, x->len * sizeof(*x->seats)) == 0);
}

void
steer_settle(struct app *a)
{
	struct steer_table t = {0};

	if (!a->steer_stale || !a->generation || !a->generation->steered)
		return;
	settle_held_off(a);
	t.cap = a->slots_len ? a->slots_len : 1;
	t.seats = mem_calloc(t.cap, sizeof(*t.seats));
	if (!t.seats)
		return; /* stays stale: the next step tries again */
	a->steer_stale = false;
	fill(&t, a);
	if (is_same(&t, &a->steer)) {
		mem_free(t.seats);
		return;
	}
	mem_free(a->steer.seats);
	a->steer = t;
	action_push_app(a, ACTION_STEER);
}
