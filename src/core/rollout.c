/*
 * rollout: replacing each worker of an app by one of a new generation, and the way back.
 *
 *   none -> [waiting] -> forward -> none                          all slots switched
 *                           |
 *                           +-> verifying -> back -> none         first failure: go back
 *
 * Slot by slot, at most max_surge replacements on their way beside their old workers, plus at most
 * max_unavailable slots whose old worker may go before its replacement is ready. Draining workers
 * hold nobody up. A slot that was switched must serve before the next one is begun.
 *
 * The first failure stops everything that is on its way; an old worker that still serves never
 * notices. Slots already switched go back one by one to what they ran before, if its files are
 * still what they were; each new worker serves until its replacement is ready.
 *
 * slot->before is set exactly while a rollout may have to take that slot back.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "core/internal.h"

bool
rollout_is_active(const struct app *a)
{
	return a->rollout.state == ROLLOUT_FORWARD || a->rollout.state == ROLLOUT_VERIFYING ||
	       a->rollout.state == ROLLOUT_BACK;
}

static void
set_state(struct app *a, enum rollout_state to)
{
	if (rollout_state_is_legal(a->rollout.state, to))
		a->rollout.state = to;
	else
		note_app(a, NOTE_IGNORED, true, "refused rollout %s -> %s",
		    rollout_state_to_string(a->rollout.state), rollout_state_to_string(to));
}

/* --- counting ------------------------------------------------------------------------------ */

static unsigned
count_generations_of_leaving(const struct app *a)
{
	const struct generation *seen[8];
	unsigned n = 0;

	for (unsigned i = 0; i < a->slots_len; i++) {
		for (const struct worker *w = a->slots[i]->leaving; w; w = w->next_leaving) {
			bool known = w->generation == a->generation || w->written_off;

			for (unsigned k = 0; k < n && !known; k++)
				known = seen[k] == w->generation;
			if (!known && n < 8)
				seen[n++] = w->generation;
		}
	}
	return n;
}

/* Slots of the rollout that have not settled: a replacement or a fresh worker on its way. */
static unsigned
count_in_flight(const struct app *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->target_len; i++) {
		const struct slot *s = a->slots[i];
		bool moved = a->rollout.state == ROLLOUT_FORWARD ? s->generation == a->rollout.to
		                                                 : s->before == NULL;

		n += s->next || (moved && (s->state == SLOT_STARTING || s->state == SLOT_BACKOFF));
	}
	return n;
}

static unsigned
count_not_serving(const struct app *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->target_len; i++)
		n += a->slots[i]->state != SLOT_SERVING;
	return n;
}

static unsigned
count_replacing(const struct app *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->target_len; i++)
		n += a->slots[i]->next != NULL;
	return n;
}

/* --- moving one slot ----------------------------------------------------------------------- */

/* The slot runs g from now on, with nothing in between: for slots that do not serve, and within
 * max_unavailable. */
static void
move_in_place(struct slot *s, struct generation *g, enum cause cause, const char *reason)
{
	if (s->next)
		worker_leave(s->next, cause, reason, false);
	if (s->current)
		worker_leave(s->current, cause, reason, false);
	slot_adopt(s, g);
	slot_start(s, reason);
}

/* Without memory nothing else may ever happen: the slot's timer, which a serving slot does not
 * need, brings the rollout back here. */
static bool
replace_or_retry(struct slot *s, struct generation *g)
{
	struct core *c = s->app->core;

	if (slot_replace(s, g))
		return true;
	if (!timer_is_armed(&s->timer)) {
		note_slot(s, NOTE_SPAWN_WAITING, true, "out of memory; trying again in %d ms",
		    CORE_SPAWN_RETRY_MS);
		timer_arm(&c->timers, &s->timer, c->now_us + CORE_SPAWN_RETRY_MS * 1000);
	}
	return false;
}

/* Begins to move a slot to g. False: not now (a limit, or no memory). */
static bool
move_slot(struct slot *s, struct generation *g, const struct conf_app *limits, const char *reason)
{
	struct app *a = s->app;

	if (s->state != SLOT_SERVING && !slot_is_taken_over(s)) {
		move_in_place(s, g, CAUSE_RELOAD, reason);
		return true;
	}
	if (count_replacing(a) < limits->max_surge)
		return replace_or_retry(s, g);
	if (count_not_serving(a) < limits->max_unavailable) {
		move_in_place(s, g, CAUSE_RELOAD, reason);
		return true;
	}
	return false;
}

/* --- the end ------------------------------------------------------------------------------- */

static void
forget_before(struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++)
		generation_assign(a->core, &a->slots[i]->before, NULL);
}

static void
finish(struct app *a, struct generation *runs)
{
	struct core *c = a->core;

	generation_assign(c, &a->generation, runs);
	steer_touch(a); /* it may balance in another way */
	forget_before(a);
	generation_assign(c, &a->rollout.to, NULL);
	generation_assign(c, &a->rollout.from, NULL);
	set_state(a, ROLLOUT_NONE);
}

static void
finish_done(struct app *a)
{
	char age[32];

	units_format_age_ms((a->core->now_us - a->rollout.started_us) / 1000, age, sizeof(age));
	note_app(a, NOTE_ROLLOUT_DONE, false, "generation %u serves in all %u slots after %s",
	    a->rollout.to->number, a->target_len, age);
	finish(a, a->rollout.to);
}

static void
finish_failed(struct app *a, const char *ending)
{
	char text[ACTION_TEXT_MAX];

	text_format(text, "%s; %s", a->rollout.reason, ending);
	note_app(a, NOTE_ROLLOUT_FAILED, true, "%s", text);
	op_fail(a, text);
	finish(a, a->rollout.from);
}

void
rollout_cancel(struct app *a, const char *reason)
{
	if (a->rollout.state == ROLLOUT_NONE)
		return;
	op_fail(a, reason);
	/* A state that knows only one way on is left by it. */
	if (a->rollout.state == ROLLOUT_WAITING)
		finish(a, a->generation);
	else
		finish(a, a->rollout.to);
}

/* --- forward ------------------------------------------------------------------------------- */

static void
begin_forward(struct app *a)
{
	set_state(a, ROLLOUT_FORWARD);
	a->rollout.started_us = a->core->now_us;
	note_app(a, NOTE_ROLLOUT_STARTED, false, "generation %u -> %u, %u workers",
	    a->rollout.from->number, a->rollout.to->number, a->rollout.new_len);
}

void
rollout_begin(struct app *a, struct generation *to, unsigned workers)
{
	generation_assign(a->core, &a->rollout.to, to);
	generation_assign(a->core, &a->rollout.from, a->generation);
	a->rollout.old_len = a->target_len;
	a->rollout.reason[0] = '\0';
	a->rollout.new_len = workers;
	if (count_generations_of_leaving(a) + 2 > to->conf->max_generations) {
		set_state(a, ROLLOUT_WAITING);
		note_app(a, NOTE_ROLLOUT_WAITING, false,
		    "%u workers of an older generation still drain: waiting for them "
		    "(max_generations)",
		    app_count_leaving(a));
		return;
	}
	begin_forward(a);
}

/* New slots are born with the new generation and wait for their turn like all others. */
static void
grow(struct app *a)
{
	struct rollout *r = &a->rollout;

	if (r->new_len <= a->target_len)
		return;
	app_set_target(a, r->new_len, r->to);
	if (r->new_len > a->target_len)
		rollout_fail(a, "out of memory for more slots");
}

/* Begins to move slots as far as the limits allow. */
static void
start_moves(struct app *a)
{
	struct generation *to = a->rollout.to;
	unsigned limit = to->conf->max_surge + to->conf->max_unavailable;
	unsigned in_flight = count_in_flight(a);
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "rollout to generation %u", to->number);
	for (unsigned i = 0; i < a->rollout.new_len && in_flight < limit; i++) {
		struct slot *s = a->slots[i];

		if (s->generation == to && s->state == SLOT_RESTING)
			slot_start(s, reason);
		else if (s->generation == to || s->next)
			continue;
		else if (!move_slot(s, to, to->conf, reason))
			return;
		in_flight++;
	}
}

static void
advance_forward(struct app *a)
{
	struct generation *to = a->rollout.to;

	grow(a);
	if (a->rollout.state != ROLLOUT_FORWARD)
		return;
	start_moves(a);
	for (unsigned i = 0; i < a->rollout.new_len; i++) {
		const struct slot *s = a->slots[i];

		if (s->generation == to && s->state == SLOT_FAILED) {
			char text[ACTION_TEXT_MAX];

			text_format(text, "%s.%u: %s", a->name, i, s->reason);
			rollout_fail(a, text);
			return;
		}
		if (s->generation != to || (s->state != SLOT_SERVING && s->state != SLOT_EXITED))
			return;
	}
	app_set_target(a, a->rollout.new_len, to);
	finish_done(a);
}

/* --- failure and the way back -------------------------------------------------------------- */

/* Takes back what is on its way in one slot. True when the slot stays switched and serves. */
static bool
withdraw(struct slot *s, struct generation *to)
{
	if (s->next)
		worker_leave(s->next, CAUSE_ROLLOUT_FAILED, "the rollout failed", false);
	if (s->generation != to)
		return false;
	if (!s->before)
		return false; /* a slot that the rollout added: it goes with the target */
	if (s->state == SLOT_SERVING)
		return true;
	if (s->current)
		worker_leave(s->current, CAUSE_ROLLOUT_FAILED, "the rollout failed", false);
	slot_set_generation(s, s->before);
	generation_assign(s->app->core, &s->before, NULL);
	slot_start(s, "back to the generation before");
	return false;
}

static void
fail_forward(struct app *a, const char *reason)
{
	unsigned switched = 0;

	text_set(a->rollout.reason, reason);
	/* The state changes first: what is stopped here must not be taken for another failure. */
	set_state(a, ROLLOUT_VERIFYING);
	if (a->target_len > a->rollout.old_len)
		app_set_target(a, a->rollout.old_len, a->rollout.from);
	for (unsigned i = 0; i < a->target_len; i++)
		switched += withdraw(a->slots[i], a->rollout.to);
	if (switched == 0) {
		finish_failed(a, "generation before goes on in all slots");
		return;
	}
	action_push_app(a, ACTION_VERIFY)->launch = a->rollout.from->launch;
}

void
rollout_fail(struct app *a, const char *reason)
{
	if (a->rollout.state == ROLLOUT_FORWARD) {
		fail_forward(a, reason);
	} else if (a->rollout.state == ROLLOUT_BACK) {
		char text[ACTION_TEXT_MAX];

		text_format(text, "going back failed too (%s)", reason);
		for (unsigned i = 0; i < a->target_len; i++)
			if (a->slots[i]->next)
				worker_leave(a->slots[i]->next, CAUSE_ROLLOUT_FAILED, text, false);
		finish_failed(a, text);
	}
}

static void
advance_back(struct app *a)
{
	const struct conf_app *limits = a->rollout.from->conf;
	unsigned limit = limits->max_surge + limits->max_unavailable;
	unsigned in_flight = count_in_flight(a);
	bool any = false;

	for (unsigned i = 0; i < a->target_len; i++) {
		struct slot *s = a->slots[i];

		if (!s->before)
			continue;
		any = true;
		if (s->next)
			continue;
		if (in_flight >= limit ||
		    !move_slot(s, s->before, limits, "back to the generation before"))
			return;
		in_flight++;
	}
	if (!any && in_flight == 0)
		finish_failed(a, "all slots went back to the generation before");
}

void
rollout_on_verified(struct app *a, bool intact, const char *what)
{
	char text[ACTION_TEXT_MAX];

	if (a->rollout.state != ROLLOUT_VERIFYING)
		return;
	if (!intact) {
		text_format(text, "%s was changed in place: switched slots stay as they are",
		    what ? what : "a file");
		finish_failed(a, text);
		return;
	}
	set_state(a, ROLLOUT_BACK);
	note_app(a, NOTE_ROLLOUT_BACK, true, "going back to generation %u: %s",
	    a->rollout.from->number, a->rollout.reason);
}

void
rollout_advance(struct app *a)
{
	switch (a->rollout.state) {
	case ROLLOUT_WAITING:
		if (count_generations_of_leaving(a) + 2 > a->rollout.to->conf->max_generations)
			return;
		begin_forward(a);
		advance_forward(a);
		break;
	case ROLLOUT_FORWARD:
		advance_forward(a);
		break;
	case ROLLOUT_BACK:
		advance_back(a);
		break;
	case ROLLOUT_NONE:
	case ROLLOUT_VERIFYING:
	case ROLLOUT_STATE_MAX:
		break;
	}
}
