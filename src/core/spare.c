/*
 * spare: workers of Node's that have booted and wait with their listen(), so that a slot whose worker
 * dies is served again at once.
 *
 * A spare lives in a place: a struct slot of its own array, which serves nobody. It is parked when it
 * asks to listen; the place is SERVING then. The slot that needs it takes the worker out of its place,
 * answers its listen() with the slot's socket, and is as good as serving; the place starts another.
 *
 *   place    resting ---> starting ---> serving ---> resting     a slot took it
 *                            |             |
 *                            +--> backoff, failed, exited        it died on its own
 *
 * Spares come last: they are started when the app's slots have been, never during a rollout, and
 * nobody waits for them. Each start of one makes up for one that a slot took or for one that died.
 *
 * A worker knows itself by a number that it can't be told again: that of its slot, and a spare's is
 * one beyond the slots, which it keeps. Among the workers of one generation that are not leaving
 * each slot and each place has a number of its own.
 */
#include <errno.h>

#include "base/mem.h"
#include "core/internal.h"

int
spare_reserve(struct app *a, unsigned n)
{
	struct slot **grown, *place;

	if (n <= a->spares_len)
		return 0;
	grown = mem_realloc(a->spares, n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	a->spares = grown;
	while (a->spares_len < n) {
		place = slot_new(a, 0, NULL);
		if (!place)
			return -ENOMEM;
		place->spare = true;
		a->spares[a->spares_len++] = place;
	}
	return 0;
}

/* --- numbers ------------------------------------------------------------------------------- */

static bool
has_number(const struct worker *w, const struct generation *g, unsigned number)
{
	return w && w->generation == g && w->number == number;
}

static bool
is_taken(const struct slot *by_other_than, const struct generation *g, unsigned number)
{
	const struct app *a = by_other_than->app;

	for (unsigned i = 0; i < a->slots_len; i++)
		if (a->slots[i] != by_other_than && (has_number(a->slots[i]->current, g, number) ||
		                                        has_number(a->slots[i]->next, g, number)))
			return true;
	for (unsigned i = 0; i < a->spares_len; i++)
		if (a->spares[i] != by_other_than && has_number(a->spares[i]->current, g, number))
			return true;
	return false;
}

unsigned
spare_number(const struct slot *s, const struct generation *g)
{
	unsigned number = s->spare ? s->app->slots_len : s->index;

	if (!g->node || s->app->spares_len == 0 || !is_taken(s, g, number))
		return number;
	for (number = s->app->slots_len; is_taken(s, g, number); number++)
		;
	return number;
}

/* --- taking one ---------------------------------------------------------------------------- */

/* That of the slot's own number, which was added a moment ago; else any, but rather none that another
 * such slot could have. */
static struct slot *
find_parked(const struct slot *s)
{
	const struct app *a = s->app;
	struct slot *found = NULL;

	for (unsigned i = 0; i < a->spares_len; i++) {
		const struct worker *w = a->spares[i]->current;

		if (!w || w->state != WORKER_PARKED || w->generation != s->generation)
			continue;
		if (w->number == s->index)
			return a->spares[i];
		if (!found || found->current->number < a->slots_len)
			found = a->spares[i];
	}
	return found;
}

struct slot *
spare_take(struct slot *s, const char *reason)
{
	struct slot *place = find_parked(s);
	struct worker *w;

	if (!place)
		return NULL;
	w = place->current;
	place->current = NULL;
	slot_set_state(place, SLOT_RESTING, "a slot took it");
	worker_promote(w, s, reason);
	return place;
}

/* --- how they are ---------------------------------------------------------------------------- */

void
spare_on_parked(struct worker *w)
{
	backoff_on_ready(&w->slot->backoff);
	slot_set_state(w->slot, SLOT_SERVING, w->reason);
}

void
spare_rest(struct slot *place, enum cause cause, const char *reason)
{
	slot_rest(place, cause, reason, false);
	generation_assign(place->app->core, &place->generation, NULL);
}

void
spare_rest_all(struct app *a, enum cause cause, const char *reason)
{
	for (unsigned i = 0; i < a->spares_len; i++)
		spare_rest(a->spares[i], cause, reason);
}

void
spare_make_room(struct app *a, const struct generation *g)
{
	for (unsigned i = 0; i < a->spares_len; i++) {
		const struct worker *w = a->spares[i]->current;

		/* A parked one is taken by the slot of its number. */
		if (w && w->generation == g && w->number < a->slots_len &&
		    w->state != WORKER_PARKED)
			spare_rest(a->spares[i], CAUSE_SCALE, "its number is a slot's now");
	}
}

void
spare_retry(struct app *a)
{
	for (unsigned i = 0; i < a->spares_len; i++)
		if (!a->spares[i]->current)
			spare_rest(a->spares[i], CAUSE_NONE, "tried again");
}

/* The slots' rules, on an account of its own: to have been parked is its way of having served. */
void
spare_on_gone(struct slot *place, const struct death *d)
{
	const struct conf_app *conf = place->generation->conf;
	struct core *c = place->app->core;
	bool was_parked = place->state == SLOT_SERVING, spent = false;
	uint64_t delay_us = 0;

	place->restarts++;
	if (was_parked)
		delay_us = backoff_after_crash(
		    &place->backoff, conf, c->now_us, c->now_us - place->since_us);
	else
		delay_us = backoff_after_boot_death(
		    &place->backoff, conf, c->now_us, core_random(c), &spent);
	if (d->permanent || spent) {
		slot_set_state(place, SLOT_FAILED, d->reason);
		note_slot(place, NOTE_SPARE_FAILED, true,
		    "no spare any more: %s; `brood reload` or `brood start` tries again",
		    d->reason);
	} else if (!slot_wants_restart(conf, d)) {
		slot_set_state(place, SLOT_EXITED, d->reason);
	} else if (delay_us > 0) {
		slot_back_off(place, delay_us, d->reason);
	} else {
		slot_set_state(place, SLOT_RESTING, d->reason);
	}
}

/* --- how many -------------------------------------------------------------------------------- */

/* None where no slot will ever need one. */
static unsigned
count_wanted(const struct app *a)
{
	bool any = false;

	if (a->wanted != APP_RUN || !a->generation || !a->generation->node)
		return 0;
	for (unsigned i = 0; i < a->target_len && !any; i++) {
		enum slot_state state = a->slots[i]->state;

		any = state == SLOT_STARTING || state == SLOT_SERVING || state == SLOT_BACKOFF;
	}
	return any ? a->generation->conf->spares : 0;
}

/* The slots come first, and what they become is known. */
static bool
may_start(const struct app *a)
{
	bool any = false;

	if (a->rollout.state != ROLLOUT_NONE)
		return false;
	for (unsigned i = 0; i < a->target_len; i++) {
		if (a->slots[i]->state == SLOT_STARTING)
			return false;
		any |= a->slots[i]->state == SLOT_SERVING;
	}
	return any;
}

static bool
is_out_of_date(const struct slot *place)
{
	const struct app *a = place->app;

	return place->generation && (place->generation != a->generation ||
	                                (place->current && place->current->number < a->slots_len));
}

static void
start(struct slot *place)
{
	if (place->generation != place->app->generation)
		slot_set_generation(place, place->app->generation);
	place->index = spare_number(place, place->generation);
	slot_start(place, "a spare");
}

/* While a rollout runs those of the old generation stay: the old slots may need them. */
void
spare_advance(struct app *a)
{
	unsigned wanted = count_wanted(a);

	for (unsigned i = 0; i < a->spares_len; i++) {
		struct slot *place = a->spares[i];

		if (i >= wanted && place->generation)
			spare_rest(place, CAUSE_SCALE, "no spare is wanted");
		if (i >= wanted || a->rollout.state != ROLLOUT_NONE)
			continue;
		if (is_out_of_date(place))
			spare_rest(place, CAUSE_RELOAD, "another takes its place");
		if (place->state == SLOT_RESTING && may_start(a))
			start(place);
	}
}

bool
spare_is_missing(const struct app *a)
{
	unsigned wanted = count_wanted(a);

	for (unsigned i = 0; i < a->spares_len && i < wanted; i++)
		if (a->spares[i]->state == SLOT_RESTING && may_start(a))
			return true;
	return false;
}
