/*
 * stall: workers that serve but take nothing: found by their queue (own sockets only: on the ring
 * a neighbour takes over before anybody could notice) or by a ping that stays unanswered (watchdog).
 * One that says by itself that it is alive is not asked: its silence tells.
 * A stalled worker is steered around, its queue is given to the others where that is safe, and it
 * is tried by a connection of our own until it takes one. One that stays stalled for `watchdog` is
 * aborted. Health probes are asked for here, too.
 */
#include <stdio.h>

#include "base/units.h"
#include "core/internal.h"

#define RESCUE_AGAIN_LOOKS 16 /* looks at a queue that nobody reads, from rescue to rescue */
#define NEVER              UINT64_MAX
#define INTERVAL_MAX_US    (365ull * 24 * 3600 * 1000000)

/* When it should have said by itself that it is alive. */
static uint64_t
silent_from_us(const struct worker *w)
{
	return w->keeps_time && w->interval_us > 0 ? w->alive_us + w->interval_us : NEVER;
}

static void
arm_check(struct worker *w, uint64_t due_us)
{
	struct core *c = w->app->core;

	if (silent_from_us(w) < due_us)
		due_us = silent_from_us(w);
	if (due_us == NEVER)
		timer_drop(&c->timers, &w->check);
	else
		timer_arm(&c->timers, &w->check, due_us < c->now_us ? c->now_us : due_us);
}

/* A worker that speaks is asked twice in the watchdog's time. */
static void
arm_ping(struct worker *w)
{
	uint64_t ms = w->generation->conf->watchdog_ms;
	bool asked = ms > 0 && w->speaks && silent_from_us(w) == NEVER;

	w->pinged = false;
	arm_check(w, asked ? w->app->core->now_us + (ms / 2 + 1) * 1000 : NEVER);
}

static void
arm_probe(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;
	struct core *c = w->app->core;

	if (conf->probe_path)
		timer_arm(&c->timers, &w->probe, c->now_us + conf->probe_interval_ms * 1000);
}

void
stall_begin(struct worker *w)
{
	w->queue_since_us = w->stalled_us = 0;
	w->queue_len = 0;
	arm_ping(w);
	arm_probe(w);
}

void
stall_end(struct worker *w)
{
	struct core *c = w->app->core;

	timer_drop(&c->timers, &w->check);
	timer_drop(&c->timers, &w->probe);
	w->stalled_us = 0;
	if (w->probing)
		worker_probe(w, PROBE_NONE);
}

/* --- stalled and back ---------------------------------------------------------------------- */

/* A program that serves one request after the other is stalled, so to speak, many times a second:
 * gone round each time, but not told of. */
static bool
is_worth_telling(struct slot *s)
{
	uint64_t now_us = s->app->core->now_us;

	if (s->stall_told_us != 0 && now_us < s->stall_told_us + CORE_STALL_TELL_MS * 1000) {
		s->stalls_untold++;
		return false;
	}
	s->stall_told_us = now_us;
	return true;
}

static void
tell_stalled(struct worker *w, const char *reason)
{
	struct slot *s = w->slot;

	if (s->stalls_untold > 0)
		note_worker(w, NOTE_STALLED, true, "%s (as %llu times before)", reason,
		    (unsigned long long)s->stalls_untold);
	else
		note_worker(w, NOTE_STALLED, true, "%s", reason);
	s->stalls_untold = 0;
}

/* When the watchdog's patience ends, from the beginning of the stall; 0 = never. */
static uint64_t
patience_ms(const struct worker *w)
{
	uint64_t ms = w->generation->conf->watchdog_ms;

	return w->silent ? ms - ms / 2 : ms;
}

static void
arm_patience(struct worker *w)
{
	uint64_t ms = patience_ms(w);

	if (!w->told && (ms == 0 || ms > CORE_STALL_LONG_MS))
		ms = CORE_STALL_LONG_MS;
	arm_check(w, ms > 0 ? w->stalled_us + ms * 1000 : NEVER);
}

static void
become_stalled(struct worker *w, bool silent, const char *reason)
{
	struct core *c = w->app->core;

	w->told = is_worth_telling(w->slot);
	if (!worker_set_state(w, WORKER_STALLED, reason))
		return;
	if (w->told)
		tell_stalled(w, reason);
	w->slot->stalls++;
	w->silent = silent;
	w->stalled_us = c->now_us;
	if (!silent)
		worker_probe(w, PROBE_ACCEPT);
	arm_patience(w);
}

static void
recover(struct worker *w, const char *how)
{
	struct core *c = w->app->core;
	char age[32], text[ACTION_TEXT_MAX];

	units_format_age_ms((c->now_us - w->stalled_us) / 1000, age, sizeof(age));
	text_format(text, "%s after %s", how, age);
	if (!worker_set_state(w, WORKER_READY, text))
		return;
	if (w->told)
		note_worker(w, NOTE_RECOVERED, false, "%s", text);
	w->told = false;
	if (w->probing)
		worker_probe(w, PROBE_NONE);
	w->stalled_us = w->queue_since_us = 0;
	w->queue_len = 0;
	arm_ping(w);
	if (w->generation->conf->probe_path && !timer_is_armed(&w->probe))
		arm_probe(w);
}

/* All look stalled, so none is: then it is the machine or the load, and going round somebody would
 * only burden the others (R7). */
static bool
is_last_that_takes(const struct worker *w)
{
	const struct app *a = w->app;

	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct worker *other = a->slots[i]->current;

		if (other && other != w && other->state == WORKER_READY)
			return false;
	}
	return true;
}

/* How long the queue of a worker may stand still. */
static uint64_t
still_limit_us(const struct worker *w)
{
	uint64_t us = w->generation->conf->stall_after_ms * 1000;

	return us > w->app->still_limit_us ? us : w->app->still_limit_us;
}

static uint64_t
still_us(const struct worker *w)
{
	return w->queue_since_us != 0 ? w->app->core->now_us - w->queue_since_us : 0;
}

/* So slow are all at this time. Who stood still for longer is stalled none the less: else, where all
 * are slow now and then, one that hangs would be forgiven for ever, and no watchdog would come to its
 * end. */
static void
allow_more(struct worker *last)
{
	struct app *a = last->app;
	uint64_t most_us = 2 * last->generation->conf->stall_after_ms * 1000;
	uint64_t us = still_limit_us(last), still = still_us(last);

	if (most_us < CORE_ALL_STALLED_MS * 1000)
		most_us = CORE_ALL_STALLED_MS * 1000;
	us = 2 * (us > still ? us : still);
	if (us > most_us)
		us = most_us;
	a->still_limit_us = us;
	a->still_limit_due_us = a->core->now_us + CORE_ALL_STALLED_FORGET_MS * 1000;
	for (unsigned i = 0; i < a->slots_len; i++) {
		struct worker *w = a->slots[i]->current;
		uint64_t since_us = w ? w->queue_since_us : 0;

		if (!w || w->state != WORKER_STALLED || w->silent || still_us(w) >= us)
			continue;
		recover(w, "all workers looked stalled, so none is:");
		w->queue_since_us = since_us; /* it may stand still yet */
	}
}

static void
allow_less(struct app *a)
{
	if (a->still_limit_us == 0 || a->core->now_us < a->still_limit_due_us)
		return;
	a->still_limit_us /= 2;
	if (a->still_limit_us < 1000)
		a->still_limit_us = 0;
	a->still_limit_due_us = a->core->now_us + CORE_ALL_STALLED_FORGET_MS * 1000;
}

/* What the app is steered by now; in a rollout workers may be of a generation that differs. */
static bool
is_sticky(const struct app *a)
{
	return a->generation->conf->balance == BALANCE_STICKY;
}

/* --- queues -------------------------------------------------------------------------------- */

/* A queue that is not empty and never got shorter within its limit. */
static void
look_at_own(struct worker *w, unsigned len)
{
	struct core *c = w->app->core;
	char limit[32], text[ACTION_TEXT_MAX];
	unsigned before = w->queue_len;

	w->queue_len = len;
	if (w->state == WORKER_STALLED)
		return; /* what became of its queue was not its doing */
	if (len == 0) {
		w->queue_since_us = 0;
		return;
	}
	if (w->queue_since_us == 0 || len < before) {
		w->queue_since_us = c->now_us;
		return;
	}
	if (w->state != WORKER_READY || is_sticky(w->app) || still_us(w) < still_limit_us(w))
		return;
	if (is_last_that_takes(w)) {
		allow_more(w);
		return;
	}
	units_format_age_ms(still_us(w) / 1000, limit, sizeof(limit));
	text_format(text, "takes no connection: %u wait for %s", len, limit);
	become_stalled(w, false, text);
}

/* A stranded connection (R9): an idle worker is made to look again. Nobody knows who is idle, so
 * each look asks the next one in the ring; sticky clients are for their own slot's alone. */
static void
kick(struct app *a, unsigned slot, unsigned seat, unsigned looks)
{
	unsigned n = a->slots_len, skip = looks % (n ? n : 1);

	for (unsigned i = 0; i < n; i++) {
		unsigned at = (slot + skip + i) % n;
		struct worker *w = a->slots[at]->current;
		struct action *act;

		if (is_sticky(a) && at != slot)
			continue;
		if (!w || w->state != WORKER_READY || !w->on_ring)
			continue;
		act = action_push_worker(w, ACTION_KICK);
		act->slot = (int)slot;
		act->seat = seat;
		return;
	}
}

static void
rescue(struct app *a, unsigned slot, unsigned seat)
{
	struct action *act = action_push_app(a, ACTION_RESCUE);

	act->slot = (int)slot;
	act->seat = seat;
}

static bool
has_ring(const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct worker *w = a->slots[i]->current;

		if (w && w->state == WORKER_READY && w->on_ring)
			return true;
	}
	return false;
}

static bool
somebody_takes(const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++)
		if (a->slots[i]->current && a->slots[i]->current->state == WORKER_READY)
			return true;
	return false;
}

/* Whoever may read that seat itself: the slot's worker, or one that leaves. */
static struct worker *
reader_of(struct slot *s, unsigned seat)
{
	if (worker_serves(s->current) && s->current->seat == seat)
		return s->current;
	for (struct worker *w = s->leaving; w; w = w->next_leaving)
		if (w->seat == seat && w->state == WORKER_DRAINING && w->step < LEAVE_ASKED)
			return w;
	return NULL;
}

static void
look_at_seat(struct app *a, const struct queue_sample *q)
{
	struct slot *s = q->slot < a->slots_len ? a->slots[q->slot] : NULL;
	struct worker *reader = s && q->seat < 2 ? reader_of(s, q->seat) : NULL;
	/* What is steered to is not given away: a worker found stalled now is gone round from the end
	 * of this step on (R4). */
	bool is_left = (!reader || reader->state == WORKER_STALLED) && !a->steer_stale;
	/* A parked seat has no slot that could count: it is always the second look. */
	unsigned looks = 2;

	if (s && q->seat < 2) {
		s->queued[q->seat] = q->len > 0 ? s->queued[q->seat] + 1 : 0;
		looks = s->queued[q->seat];
	}
	if (reader && !reader->on_ring)
		look_at_own(reader, q->len);
	if (q->len == 0 || looks < 2)
		return;
	if ((!reader || reader->on_ring) && has_ring(a)) {
		kick(a, q->slot, q->seat, looks - 1);
	} else if (is_left && somebody_takes(a) &&
	           !is_sticky(a) &&
	           (looks == 2 || looks % RESCUE_AGAIN_LOOKS == 0 ||
	               (reader && reader->stalled_us != 0 &&
	                   a->core->now_us - reader->stalled_us < 2000))) {
		rescue(a, q->slot, q->seat);
	}
}

/* Nobody serves and what waits fills half of a queue: the rest shall try again later. */
static void
look_at_fullness(struct app *a, const struct queue_sample *items, size_t len)
{
	if (a->held_off || a->steer.mode != STEER_SERVE)
		return;
	for (unsigned i = 0; i < a->slots_len; i++)
		if (worker_serves(a->slots[i]->current) || a->slots[i]->leaving)
			return;
	for (size_t i = 0; i < len; i++) {
		if (items[i].len <= items[i].limit / 2)
			continue;
		a->held_off = true;
		steer_touch(a);
		note_app(a, NOTE_HELD_OFF, true,
		    "nobody serves and %u connections wait: new clients are held off, so that "
		    "they try again",
		    items[i].len);
		return;
	}
}

void
stall_on_queues(struct app *a, const struct queue_sample *items, size_t len)
{
	if (!a->generation)
		return;
	allow_less(a);
	for (size_t i = 0; i < len; i++)
		look_at_seat(a, &items[i]);
	look_at_fullness(a, items, len);
}

/* --- watchdog ------------------------------------------------------------------------------ */

void
stall_on_alive(struct worker *w, bool unasked)
{
	if (unasked) {
		w->keeps_time = true;
		w->alive_us = w->app->core->now_us;
	}
	if (w->state == WORKER_STALLED && w->silent)
		recover(w, "answered again");
	else if (w->state == WORKER_STALLED)
		arm_patience(w);
	else if (w->state == WORKER_READY && silent_from_us(w) != NEVER)
		arm_ping(w);
	else if (w->state == WORKER_READY)
		w->pinged = false;
}

void
stall_on_interval(struct worker *w, uint64_t us)
{
	w->interval_us = us < INTERVAL_MAX_US ? us : INTERVAL_MAX_US;
	w->keeps_time = true;
	w->alive_us = w->app->core->now_us;
	if (w->state == WORKER_READY)
		arm_ping(w);
	else if (w->state == WORKER_STALLED)
		arm_patience(w);
}

/* By way of stalled, as all that is aborted while it serves. */
static void
give_up(struct worker *w, const char *reason)
{
	char text[ACTION_TEXT_MAX];

	text_set(text, reason);
	if (w->state == WORKER_READY)
		become_stalled(w, true, text);
	worker_abort(w, CAUSE_WATCHDOG, text);
}

void
stall_on_trigger(struct worker *w, const char *reason)
{
	give_up(w, reason);
}

/* The timers have been moved already. */
void
stall_forgive(struct core *c, uint64_t gap_us)
{
	for (struct worker *w = c->workers; w; w = w->by_id.next)
		w->alive_us += gap_us;
}

static bool
is_out_of_patience(const struct worker *w)
{
	uint64_t ms = patience_ms(w);

	return ms > 0 && w->app->core->now_us >= w->stalled_us + ms * 1000;
}

void
stall_on_check(struct worker *w)
{
	uint64_t watchdog_ms = w->generation->conf->watchdog_ms;
	char limit[32], text[ACTION_TEXT_MAX];

	if (w->state == WORKER_STARTING) {
		worker_probe(w, PROBE_ACCEPT);
	} else if (w->app->core->now_us >= silent_from_us(w)) {
		units_format_age_ms(w->interval_us / 1000, limit, sizeof(limit));
		text_format(text, "has not said WATCHDOG=1 for %s (watchdog)", limit);
		give_up(w, text);
	} else if (w->state == WORKER_READY && !w->pinged) {
		arm_ping(w);
		w->pinged = true;
		action_push_worker(w, ACTION_PING);
	} else if (w->state == WORKER_READY) {
		units_format_age_ms(watchdog_ms / 2, limit, sizeof(limit));
		text_format(text, "has not answered a ping for %s", limit);
		become_stalled(w, true, text);
	} else if (w->state == WORKER_STALLED && !is_out_of_patience(w)) {
		w->told = true;
		tell_stalled(w, w->reason);
		arm_patience(w);
	} else if (w->state == WORKER_STALLED) {
		units_format_age_ms(watchdog_ms, limit, sizeof(limit));
		text_format(text, "%s for %s (watchdog)",
		    w->silent ? "answered no ping" : "took no connection", limit);
		give_up(w, text);
	}
}

/* --- probes -------------------------------------------------------------------------------- */

void
stall_on_probe_due(struct worker *w)
{
	if (w->state == WORKER_READY && !w->probing && w->replace_cause == CAUSE_NONE)
		worker_probe(w, PROBE_HEALTH);
	else
		arm_probe(w);
}

static void
on_health(struct worker *w, const struct event *ev)
{
	const struct conf_app *conf = w->generation->conf;
	const char *what = ev->probed.what ? ev->probed.what : "";
	char text[ACTION_TEXT_MAX];

	if (ev->probed.unknown) {
		note_worker(w, NOTE_PROBE_FAILED, true, "not probed: %s", what);
		return;
	}
	arm_probe(w);
	if (ev->probed.ok) {
		w->probe_failures = 0;
		return;
	}
	w->probe_failures++;
	note_worker(w, NOTE_PROBE_FAILED, true, "probe %s failed (%u of %u): %s", conf->probe_path,
	    w->probe_failures, conf->probe_failures, what);
	if (w->probe_failures < conf->probe_failures || w->replace_cause != CAUSE_NONE ||
	    w->slot->current != w)
		return;
	text_format(
	    text, "probe %s failed %u times: %s", conf->probe_path, w->probe_failures, what);
	worker_want_replacement(w, CAUSE_PROBE, text, 0);
}

void
stall_on_probed(struct worker *w, const struct event *ev)
{
	if (ev->probed.kind == PROBE_HEALTH && w->state == WORKER_READY)
		on_health(w, ev);
	else if (ev->probed.kind == PROBE_ACCEPT && w->state == WORKER_STALLED && !w->silent &&
	         ev->probed.ok)
		recover(w, "takes connections again");
}
