/*
 * slot: a position of an app and the worker that serves it.
 *
 *            start            ready
 *   resting -------> starting -----> serving
 *      ^               |  ^             |
 *      | rest          v  | start       v
 *      +--------- backoff, failed, exited
 *
 * SERVING means exactly that the current worker is ready; STARTING that it is idle or starting; in
 * the other states there is none. A replacement (next) exists only beside a ready current worker, or
 * beside a spare that took its place.
 * Which generation a slot runs is rollout.c's business; how long it waits, backoff.c's.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "core/internal.h"

int
slot_reserve_timers(struct core *c)
{
	size_t n = ((size_t)HASH_CNT(by_id, c->workers) + 1) * 3;

	for (const struct app *a = c->apps; a; a = a->next)
		n += a->slots_len + a->spares_len;
	return timer_heap_reserve(&c->timers, n);
}

struct slot *
slot_new(struct app *a, unsigned index, struct generation *g)
{
	struct slot *s;

	if (slot_reserve_timers(a->core) != 0)
		return NULL;
	s = mem_calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->app = a;
	s->index = index;
	s->generation = g ? generation_ref(g) : NULL;
	s->since_us = a->core->now_us;
	s->last_code = -1;
	timer_init(&s->timer, TIMER_SLOT, s);
	return s;
}

void
slot_free(struct slot *s)
{
	struct core *c = s->app->core;

	timer_drop(&c->timers, &s->timer);
	generation_unref(c, s->generation);
	generation_unref(c, s->before);
	mem_free(s);
}

bool
slot_is_wanted(const struct slot *s)
{
	return s->app->wanted == APP_RUN && s->index < s->app->target_len && !s->drained;
}

bool
slot_is_empty(const struct slot *s)
{
	return !s->current && !s->next && !s->leaving;
}

uint64_t
slot_next_deadline(const struct slot *s)
{
	if (timer_is_armed(&s->timer))
		return s->timer.due_us;
	if (s->current && timer_is_armed(&s->current->timer))
		return s->current->timer.due_us;
	return 0;
}

void
slot_remember(struct slot *s, bool of_worker, int from, int to, const struct worker *w,
    enum cause cause, const char *reason)
{
	struct history_entry *h = &s->history[s->history_at++ % HISTORY_LEN];

	h->at_us = s->app->core->now_us;
	h->pid = w ? w->pid : 0;
	h->generation = w ? w->generation->number : (s->generation ? s->generation->number : 0);
	h->of_worker = of_worker;
	h->from = (uint8_t)from;
	h->to = (uint8_t)to;
	h->cause = (uint8_t)cause;
	(void)snprintf(h->reason, sizeof(h->reason), "%.*s", (int)sizeof(h->reason) - 1, reason);
}

void
slot_set_state(struct slot *s, enum slot_state to, const char *reason)
{
	struct core *c = s->app->core;
	struct action *act;

	if (s->state == to) {
		text_set(s->reason, reason);
		return;
	}
	if (!slot_state_is_legal(s->state, to)) {
		note_slot(s, NOTE_IGNORED, true, "refused slot %s -> %s (%s)",
		    slot_state_to_string(s->state), slot_state_to_string(to), reason);
		return;
	}
	slot_remember(s, false, (int)s->state, (int)to, NULL, CAUSE_NONE, reason);
	act = action_push_slot(s, ACTION_TRANSITION);
	act->transition.from = (int)s->state;
	act->transition.to = (int)to;
	text_set(act->text, reason);
	timer_drop(&c->timers, &s->timer);
	s->state = to;
	s->since_us = c->now_us;
	text_set(s->reason, reason);
	steer_touch(s->app);
}

void
slot_set_generation(struct slot *s, struct generation *g)
{
	generation_assign(s->app->core, &s->generation, g);
	/* Another program deserves a clean sheet. */
	backoff_clear(&s->backoff);
	s->owed_us = 0;
}

/* The slot runs g from now on, within a rollout: what it ran before is kept for the way back, and
 * a slot that is on the way back has arrived. */
void
slot_adopt(struct slot *s, struct generation *g)
{
	struct core *c = s->app->core;
	struct generation *keep;

	if (g == s->generation)
		return;
	keep = generation_ref(g);
	generation_assign(c, &s->before, g == s->before ? NULL : s->generation);
	slot_set_generation(s, g);
	generation_unref(c, keep);
}

unsigned
slot_other_seat(const struct slot *s, const struct generation *g)
{
	return g->steered ? s->seat ^ 1 : s->seat;
}

void
slot_back_off(struct slot *s, uint64_t delay_us, const char *reason)
{
	struct core *c = s->app->core;
	char text[ACTION_TEXT_MAX], delay[32];

	units_format_age_ms(delay_us / 1000, delay, sizeof(delay));
	text_format(text, "next start in %s: %s", delay, reason);
	slot_set_state(s, SLOT_BACKOFF, text);
	timer_arm(&c->timers, &s->timer, c->now_us + delay_us);
	note_slot(s, NOTE_RESTART_DELAYED, false, "%s", text);
}

/* A worker that is led out still takes what comes to that seat. */
static bool
seat_is_read(const struct slot *s, unsigned seat)
{
	for (const struct worker *w = s->leaving; w; w = w->next_leaving)
		if (w->seat == seat && w->state == WORKER_DRAINING && w->step < LEAVE_ASKED)
			return true;
	return false;
}

/* The old one reads its socket to the end: it is not the new one's. */
static void
pick_seat(struct slot *s)
{
	unsigned other = slot_other_seat(s, s->generation);

	if (!s->next && seat_is_read(s, s->seat) && !seat_is_read(s, other))
		s->seat = other;
}

void
slot_start(struct slot *s, const char *reason)
{
	struct worker *w;

	pick_seat(s);
	if (!s->spare && spare_take(s, reason))
		return;
	w = worker_new(s, s->generation, s->seat);
	if (!w) {
		slot_back_off(s, CORE_SPAWN_RETRY_MS * 1000, "out of memory");
		return;
	}
	s->current = w;
	slot_set_state(s, SLOT_STARTING, reason);
}

bool
slot_replace(struct slot *s, struct generation *g)
{
	struct worker *w = worker_new(s, g, slot_other_seat(s, g));

	if (!w)
		return false;
	s->next = w;
	return true;
}

void
slot_rest(struct slot *s, enum cause cause, const char *reason, bool with_delay)
{
	if (s->next)
		worker_leave(s->next, cause, reason, false);
	if (s->current)
		worker_leave(s->current, cause, reason, with_delay);
	slot_set_state(s, SLOT_RESTING, reason);
}

/* --- a worker became ready ----------------------------------------------------------------- */

/* The replacement takes over; the old one drains and holds nobody up. */
static void
switch_over(struct slot *s)
{
	struct worker *old = s->current, *new = s->next;
	enum cause cause = old->replace_cause != CAUSE_NONE && new->generation == old->generation
	                       ? old->replace_cause
	                       : CAUSE_RELOAD;
	char text[ACTION_TEXT_MAX];

	s->next = NULL;
	text_format(text, "replaced by pid %d of generation %u%s%s", (int)new->pid,
	    new->generation->number, cause == CAUSE_RELOAD ? "" : ": ",
	    cause == CAUSE_RELOAD ? "" : old->replace_reason);
	/* First the seat: whoever is cut off is cut off from the old one. */
	s->seat = new->seat;
	worker_leave(old, cause, text, false);
	s->current = new;
	slot_adopt(s, new->generation);
}

void
slot_on_ready(struct slot *s, struct worker *w)
{
	if (s->next == w)
		switch_over(s);
	backoff_on_ready(&s->backoff);
	slot_set_state(s, SLOT_SERVING, w->reason);
	app_elect(s->app);
}

/* --- a worker ended ------------------------------------------------------------------------ */

static void
give_up(struct slot *s, const char *reason)
{
	slot_set_state(s, SLOT_FAILED, reason);
	note_slot(s, NOTE_SLOT_FAILED, true,
	    "gave up: %s; `brood reload` or `brood start` tries again", reason);
}

bool
slot_is_taken_over(const struct slot *s)
{
	return s->state == SLOT_STARTING && s->current->promoted;
}

bool
slot_wants_restart(const struct conf_app *conf, const struct death *d)
{
	switch (conf->restart) {
	case RESTART_ALWAYS:
		return true;
	case RESTART_ON_FAILURE:
		return d->code != 0 || d->cause == CAUSE_REQUEST;
	case RESTART_NEVER:
		return d->cause == CAUSE_REQUEST || d->cause == CAUSE_SPAWN;
	case RESTART_MAX:
		break;
	}
	return true;
}

/* Before any worker of the app was ever ready its slots share one budget: not a slot is at
 * fault then but the program. */
static bool
boot_budget_of_app_is_spent(struct app *a, const struct conf_app *conf)
{
	return !a->ever_ready && boot_budget_spend(&a->boot, conf, a->core->now_us);
}

/* A spare that is started for this slot already counts as its last start: spares make no crash loop
 * faster. */
static uint64_t
line_up(const struct slot *s, uint64_t delay_us)
{
	uint64_t now_us = s->app->core->now_us;

	return delay_us > 0 && s->owed_us > now_us ? s->owed_us - now_us + delay_us : delay_us;
}

/* A spare takes the place of a worker that served, at once and on the same socket; what the slot
 * would have to wait for, the next spare waits for. */
static bool
take_over(struct slot *s, const struct death *d)
{
	const struct conf_app *conf = s->generation->conf;
	struct core *c = s->app->core;
	struct slot *place;
	uint64_t delay_us;

	if (!d->was_ready || d->permanent || !slot_wants_restart(conf, d))
		return false;
	pick_seat(s);
	place = spare_take(s, d->reason);
	if (!place)
		return false;
	s->restarts++;
	delay_us = backoff_after_crash(&s->backoff, conf, c->now_us, d->ready_for_us);
	delay_us = line_up(s, delay_us);
	s->owed_us = c->now_us + delay_us;
	if (delay_us > 0)
		slot_back_off(place, delay_us, d->reason);
	return true;
}

static void
restart_by_policy(struct slot *s, const struct death *d)
{
	struct core *c = s->app->core;
	const struct conf_app *conf = s->generation->conf;
	uint64_t delay_us;
	bool spent = false;
	char text[ACTION_TEXT_MAX];

	s->restarts++;
	if (d->was_ready) {
		delay_us = backoff_after_crash(&s->backoff, conf, c->now_us, d->ready_for_us);
	} else {
		delay_us =
		    backoff_after_boot_death(&s->backoff, conf, c->now_us, core_random(c), &spent);
		spent |= boot_budget_of_app_is_spent(s->app, conf);
	}
	if (spent) {
		text_format(text, "%u deaths before ready within %us, last: %s",
		    conf->restart_limit, (unsigned)(conf->restart_window_ms / 1000), d->reason);
		give_up(s, text);
	} else if (delay_us == 0) {
		slot_start(s, d->reason);
	} else {
		slot_back_off(s, line_up(s, delay_us), d->reason);
	}
}

static void
fail_rollout(struct slot *s, const struct death *d)
{
	char text[ACTION_TEXT_MAX];

	text_format(text, "%s.%u: %s", s->app->name, s->index, d->reason);
	rollout_fail(s->app, text);
}

void
slot_on_current_gone(struct slot *s, const struct death *d)
{
	struct app *a = s->app;

	s->last_code = d->code;
	s->last_signal = d->signal;
	if (s->spare) {
		spare_on_gone(s, d);
		return;
	}
	app_elect(a);
	if (!slot_is_wanted(s)) {
		slot_set_state(s, SLOT_RESTING, d->reason);
		return;
	}
	if (take_over(s, d))
		return;
	if (s->next && s->next->seat != s->seat && !s->next->generation->ring && d->was_ready) {
		/* Its replacement holds the other socket; what waits at this one needs a reader, too. */
		struct generation *g = generation_ref(s->next->generation);

		s->restarts++;
		worker_leave(s->next, CAUSE_RELOAD, "starts anew in the place of the old worker", false);
		slot_adopt(s, g);
		generation_unref(a->core, g);
		slot_start(s, d->reason);
		return;
	}
	if (s->next) {
		/* Its replacement is on the way: nothing better can be started. (Where a spare took
		 * over and did not get ready either, also on the other socket.) */
		s->restarts++;
		s->seat = s->next->seat;
		s->current = s->next;
		s->next = NULL;
		slot_adopt(s, s->current->generation);
		slot_set_state(s, SLOT_STARTING, d->reason);
		return;
	}
	if (!d->was_ready && a->rollout.state == ROLLOUT_FORWARD &&
	    d->generation == a->rollout.to) {
		slot_set_state(s, SLOT_FAILED, d->reason);
		fail_rollout(s, d);
		return;
	}
	if (!d->was_ready && a->rollout.state == ROLLOUT_BACK && d->generation == s->generation &&
	    !s->before)
		fail_rollout(s, d);
	if (d->permanent)
		give_up(s, d->reason);
	else if (!slot_wants_restart(s->generation->conf, d))
		slot_set_state(s, SLOT_EXITED, d->reason);
	else
		restart_by_policy(s, d);
}

void
slot_on_next_gone(struct slot *s, const struct death *d)
{
	const struct rollout *r = &s->app->rollout;

	if ((r->state == ROLLOUT_FORWARD && d->generation == r->to) ||
	    (r->state == ROLLOUT_BACK && d->generation == s->before)) {
		fail_rollout(s, d);
	} else if (s->current && s->current->replace_cause != CAUSE_NONE) {
		/* The old one goes on; it is tried again when the worst delay has passed. */
		worker_want_replacement(s->current, s->current->replace_cause,
		    s->current->replace_reason, s->generation->conf->restart_delay_max_ms * 1000);
	}
}

void
slot_on_timer(struct slot *s)
{
	if (s->state == SLOT_BACKOFF && s->spare)
		slot_set_state(s, SLOT_RESTING, "next try"); /* when the app has time for it */
	else if (s->state == SLOT_BACKOFF)
		slot_start(s, "next try");
}
