/*
 * invariant: what must hold after every step, whatever happened. Checked by the simulator after
 * each event, by debug builds of the master, and on demand. It reads and never repairs.
 */
#include <stdio.h>

#include "core/internal.h"

static const char *
check_leaving(const struct slot *s)
{
	for (const struct worker *w = s->leaving; w; w = w->next_leaving) {
		if (w->slot != s)
			return "a leaving worker is in another slot's list";
		if (w->cause == CAUSE_NONE)
			return "a worker leaves without a cause";
		if (w->state == WORKER_IDLE
		        ? !w->spawning
		        : w->state != WORKER_DRAINING && w->state != WORKER_STOPPING)
			return "a leaving worker neither drains nor stops";
		if (w->state != WORKER_IDLE && !w->written_off && !timer_is_armed(&w->timer))
			return "a leaving worker has no deadline: its stop might never end";
		if (w->state == WORKER_STOPPING && w->step < LEAVE_SIGNALLED)
			return "a stopping worker got no signal";
	}
	return NULL;
}

/* Whoever is a slot's worker, and not a spare any more, is told to listen as soon as it asks. */
static const char *
check_answered(const struct worker *w)
{
	if (w->state == WORKER_PARKED)
		return "a slot's worker is parked";
	if (w->answered != w->asked)
		return "a worker's listen() is not answered, or was before it asked";
	return NULL;
}

static const char *
check_current(const struct slot *s)
{
	const struct worker *w = s->current;

	switch (s->state) {
	case SLOT_SERVING:
		if (!worker_serves(w))
			return "a serving slot has no ready worker";
		if ((w->state == WORKER_STALLED) != (w->stalled_us != 0))
			return "a worker is stalled without a beginning, or the reverse";
		return NULL;
	case SLOT_STARTING:
		if (!w || (w->state != WORKER_IDLE && w->state != WORKER_STARTING))
			return "a starting slot has no starting worker";
		if (!w->spawning && !timer_is_armed(&w->timer))
			return "a starting worker has no deadline";
		return NULL;
	case SLOT_BACKOFF:
		if (!timer_is_armed(&s->timer))
			return "a slot in backoff has no deadline";
		break;
	case SLOT_RESTING:
	case SLOT_FAILED:
	case SLOT_EXITED:
		if (timer_is_armed(&s->timer))
			return "a slot at rest has a deadline";
		break;
	case SLOT_STATE_MAX:
		return "a slot has no state";
	}
	return w ? "a slot without service has a current worker" : NULL;
}

static const char *
check_slot(const struct slot *s)
{
	const struct worker *w = s->next;
	const char *bad = check_current(s);

	if (bad)
		return bad;
	if (w && s->state != SLOT_SERVING && !slot_is_taken_over(s))
		return "a replacement is on its way where nothing serves";
	if (w && w->state != WORKER_IDLE && w->state != WORKER_STARTING)
		return "a replacement is neither idle nor starting";
	if (w && !w->spawning && !timer_is_armed(&w->timer))
		return "a replacement has no deadline";
	if (!slot_is_wanted(s) && s->state != SLOT_RESTING)
		return "a slot that is not wanted does not rest";
	if (s->before && !rollout_is_active(s->app))
		return "a slot remembers a rollout that is over";
	if (s->current && s->current->generation != s->generation)
		return "a slot's worker is of another generation than the slot";
	if ((s->current && (bad = check_answered(s->current))) ||
	    (s->next && (bad = check_answered(s->next))))
		return bad;
	return check_leaving(s);
}

static const char *
check_spare(const struct slot *place)
{
	const struct worker *w = place->current;
	bool has_one = place->state == SLOT_STARTING || place->state == SLOT_SERVING;

	if (place->next || place->before || place->drained)
		return "a spare's place is used as a slot";
	if (has_one != (w != NULL))
		return "a spare's place has a worker where it should have none, or the reverse";
	if (!place->generation && (w || place->state != SLOT_RESTING))
		return "a spare's place is in use without a generation";
	if (place->app->wanted != APP_RUN && place->state != SLOT_RESTING)
		return "an app rests and has spares";
	if (timer_is_armed(&place->timer) != (place->state == SLOT_BACKOFF))
		return "a spare's place waits without a deadline, or the reverse";
	if (!w)
		return check_leaving(place);
	if ((w->state == WORKER_PARKED) != (place->state == SLOT_SERVING))
		return "a spare is parked and its place does not know it, or the reverse";
	if (w->state != WORKER_PARKED && w->state != WORKER_IDLE && w->state != WORKER_STARTING)
		return "a spare does what only a slot's worker does";
	if (w->state != WORKER_PARKED && !w->spawning && !timer_is_armed(&w->timer))
		return "a starting spare has no deadline";
	if (w->answered || w->leads || w->on_ring || w->probing || w->promoted)
		return "a spare is treated like a slot's worker";
	if (w->number != place->index || w->generation != place->generation)
		return "a spare is not what its place says";
	return check_leaving(place);
}

static bool
have_one_number(const struct worker *x, const struct worker *y)
{
	return x && y && x->generation == y->generation && x->number == y->number;
}

static const struct slot *
nth(const struct app *a, unsigned i)
{
	return i < a->slots_len ? a->slots[i] : a->spares[i - a->slots_len];
}

/* Only where there are spares: every pair is looked at. */
static const char *
check_numbers(const struct app *a)
{
	unsigned n = a->spares_len > 0 ? a->slots_len + a->spares_len : 0;

	for (unsigned i = 0; i < a->slots_len; i++)
		if (n == 0 && a->slots[i]->current && a->slots[i]->current->number != i)
			return "a worker knows itself by another number than its slot's";
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = i + 1; k < n; k++) {
			const struct slot *x = nth(a, i), *y = nth(a, k);

			if (have_one_number(x->current, y->current) ||
			    have_one_number(x->next, y->current) ||
			    have_one_number(x->current, y->next) ||
			    have_one_number(x->next, y->next))
				return "two workers of a generation know themselves by one number";
		}
	}
	return NULL;
}

static const char *
check_spares(const struct app *a, unsigned *alive)
{
	const char *bad;

	for (unsigned i = 0; i < a->spares_len; i++) {
		const struct slot *place = a->spares[i];

		if ((bad = check_spare(place)))
			return bad;
		*alive += place->current && place->current->pid != 0;
		for (const struct worker *w = place->leaving; w; w = w->next_leaving)
			*alive += w->pid != 0;
	}
	if (spare_is_missing(a))
		return "a spare is missing";
	return check_numbers(a);
}

static const char *
check_leader(const struct app *a)
{
	unsigned leaders = 0;

	for (unsigned i = 0; i < a->slots_len; i++)
		leaders += a->slots[i]->current && a->slots[i]->current->leads;
	if (leaders > 1)
		return "two workers lead";
	if (leaders == 0 && app_count_ready(a) > 0)
		return "nobody leads though a worker is ready";
	if (a->leader && (!worker_serves(a->leader) || !a->leader->leads))
		return "the leader is not ready";
	return NULL;
}

static bool
table_has(const struct steer_table *t, const struct worker *w)
{
	for (unsigned i = 0; i < t->len; i++)
		if (t->seats[i].slot == w->slot->index && t->seats[i].seat == w->seat)
			return true;
	return false;
}

/* New connections go where somebody reads, and to all who are ready. */
static const char *
check_steering(const struct app *a)
{
	const struct steer_table *t = &a->steer;
	bool any = false;

	if (!a->generation || !a->generation->steered || a->steer_stale)
		return NULL;
	if (t->mode == STEER_SERVE && t->len == 0 && a->slots_len > 0)
		return "new connections are steered to nobody";
	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct worker *w = a->slots[i]->current;

		if (a->slots[i]->current && a->slots[i]->current->seat != a->slots[i]->seat)
			return "a slot's seat in use is not its worker's";
		if (!w || w->state != WORKER_READY)
			continue;
		any = true;
		if (t->mode != STEER_SERVE || !table_has(t, w))
			return "a ready worker gets no connections";
	}
	if (!any || a->generation->conf->balance == BALANCE_STICKY)
		return NULL;
	for (unsigned i = 0; i < t->len; i++) {
		const struct slot *s =
		    t->seats[i].slot < a->slots_len ? a->slots[t->seats[i].slot] : NULL;
		const struct worker *w = s ? s->current : NULL;
		bool reads = w && w->state == WORKER_READY && w->seat == t->seats[i].seat;

		for (w = s ? s->leaving : NULL; w; w = w->next_leaving)
			reads |= w->step == LEAVE_DELAY && w->seat == t->seats[i].seat;
		if (!reads)
			return "new connections are steered to a seat that nobody reads";
	}
	return NULL;
}

static const char *
check_app(const struct app *a, unsigned *alive)
{
	unsigned mine = 0, replacing = 0;
	const char *bad;

	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct slot *s = a->slots[i];

		if ((bad = check_slot(s)))
			return bad;
		mine += s->current && s->current->pid != 0;
		mine += s->next && s->next->pid != 0;
		replacing +=
		    rollout_is_active(a) && s->next && s->next->generation != s->generation;
		for (const struct worker *w = s->leaving; w; w = w->next_leaving)
			mine += w->pid != 0;
	}
	if ((bad = check_spares(a, &mine)))
		return bad;
	if (mine != a->alive)
		return "the count of an app's processes is wrong";
	if (replacing > 0 && replacing > a->rollout.to->conf->max_surge &&
	    replacing > a->rollout.from->conf->max_surge)
		return "more replacements than max_surge";
	if (a->rollout.state != ROLLOUT_NONE && (!a->ops || a->ops->kind != OP_RELOAD))
		return "a rollout without its operation";
	if (a->rollout.state == ROLLOUT_NONE && (a->rollout.to || a->rollout.from))
		return "a rollout that is over holds on to its generations";
	if (a->target_len > a->slots_len)
		return "more slots wanted than there are";
	*alive += mine;
	bad = check_steering(a);
	return bad ? bad : check_leader(a);
}

const char *
core_check(const struct core *c)
{
	unsigned alive = 0;
	const char *bad;

	for (const struct app *a = c->apps; a; a = a->next)
		if ((bad = check_app(a, &alive)))
			return bad;
	if (alive != c->alive)
		return "the count of processes is wrong";
	if (c->shutdown != SHUTDOWN_NONE && !c->exited && c->alive <= c->written_off &&
	    c->pending_spawns == 0)
		return "the master stops, nothing is left, and it does not end";
	return NULL;
}
