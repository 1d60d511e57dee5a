/*
 * worker: the life of one process, from the wish for it to its end.
 *
 *   idle -> starting -> ready <-> stalled -> draining -> stopping -> dead
 *
 * A spare is parked between two times of starting: until it is told to listen, and until it does.
 *
 * Order of deciders: what the kernel says (exited) comes first, then what we were told to do
 * (leave), then what the worker says. worker_set_state() is the only line that writes the state.
 * A worker never decides about its slot: it tells slot.c how it ended.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "core/internal.h"

void
worker_arm_ms(struct worker *w, uint64_t ms)
{
	struct core *c = w->app->core;

	timer_arm(&c->timers, &w->timer, c->now_us + ms * 1000);
}

/* Refuses a pair that the table does not know; records reason and time; tells the world. Leaving
 * a state drops its deadline: the new state arms its own. */
bool
worker_set_state(struct worker *w, enum worker_state to, const char *reason)
{
	struct core *c = w->app->core;
	bool serves = worker_serves(w);
	struct action *act;

	if (!worker_state_is_legal(w->state, to)) {
		note_worker(w, NOTE_IGNORED, true, "refused %s -> %s (%s)",
		    worker_state_to_string(w->state), worker_state_to_string(to), reason);
		return false;
	}
	/* Of a worker that stalls all the time the history keeps what was told. */
	if (w->told || !(to == WORKER_STALLED || (serves && to == WORKER_READY)))
		slot_remember(w->slot, true, (int)w->state, (int)to, w, w->cause, reason);
	act = action_push_worker(w, ACTION_TRANSITION);
	act->transition.of_worker = true;
	act->transition.from = (int)w->state;
	act->transition.to = (int)to;
	text_set(act->text, reason);
	w->state = to;
	w->since_us = c->now_us;
	text_set(w->reason, reason);
	/* A replacement that is due stays due, whether the worker stalls or not. */
	if (!serves || !worker_serves(w))
		timer_drop(&c->timers, &w->timer);
	if (to == WORKER_DEAD)
		w->probing = false; /* with the process */
	if (to != WORKER_READY && to != WORKER_STALLED)
		timer_drop(&c->timers, &w->check);
	if (serves && !worker_serves(w))
		stall_end(w);
	steer_touch(w->app);
	return true;
}

bool
worker_serves(const struct worker *w)
{
	return w && (w->state == WORKER_READY || w->state == WORKER_STALLED);
}

void
worker_probe(struct worker *w, enum probe_kind kind)
{
	w->probing = kind != PROBE_NONE;
	action_push_worker(w, ACTION_PROBE)->probe.kind = kind;
}

static void
request_spawn(struct worker *w)
{
	struct action *act;

	w->spawning = true;
	w->app->core->pending_spawns++;
	act = action_push_worker(w, ACTION_SPAWN);
	act->launch = w->generation->launch;
	act->spawn.number = w->number;
	act->spawn.alone = w->generation->steered && !w->slot->spare &&
	                   (!w->generation->ring || w->generation->conf->ready == READY_TCP ||
	                       w->generation->conf->ready == READY_HTTP);
}

struct worker *
worker_new(struct slot *s, struct generation *g, unsigned seat)
{
	struct core *c = s->app->core;
	struct worker *w;

	if (slot_reserve_timers(c) != 0)
		return NULL;
	w = mem_calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->id = c->last_worker + 1;
	HASH_ADD(by_id, c->workers, id, sizeof(w->id), w);
	if (!w->by_id.tbl) {
		mem_free(w);
		return NULL;
	}
	c->last_worker++;
	w->app = s->app;
	w->slot = s;
	w->generation = generation_ref(g);
	w->since_us = w->spawned_us = c->now_us;
	w->interval_us = g->conf->watchdog_ms * 1000;
	timer_init(&w->timer, TIMER_WORKER, w);
	timer_init(&w->check, TIMER_CHECK, w);
	timer_init(&w->probe, TIMER_PROBE, w);
	w->seat = seat;
	w->number = spare_number(s, g);
	s->app->starts++;
	request_spawn(w);
	return w;
}

void
worker_free(struct worker *w)
{
	struct core *c = w->app->core;

	timer_drop(&c->timers, &w->timer);
	timer_drop(&c->timers, &w->check);
	timer_drop(&c->timers, &w->probe);
	HASH_DELETE(by_id, c->workers, w);
	generation_unref(c, w->generation);
	mem_free(w);
}

/* --- becoming ready ------------------------------------------------------------------------ */

static void
become_ready(struct worker *w, enum ready_by by)
{
	struct core *c = w->app->core;
	char age[32], text[ACTION_TEXT_MAX];
	size_t at = c->out->len;

	units_format_age_ms((c->now_us - w->since_us) / 1000, age, sizeof(age));
	text_format(text, "ready after %s (%s)", age, ready_by_to_string(by));
	if (!worker_set_state(w, WORKER_READY, text))
		return;
	if (at < c->out->len)
		c->out->items[at].transition.ready_by = by;
	w->ready_us = w->alive_us = c->now_us;
	w->app->ever_ready = true;
	w->app->tells_ready = by <= READY_BY_LISTENING;
	timer_drop(&c->timers, &w->check);
	if (w->probing)
		worker_probe(w, PROBE_NONE);
	/* Before the old worker is cut off: at no instant nobody reads. */
	if (w->on_ring)
		action_push_worker(w, ACTION_RING_JOIN);
	stall_begin(w);
	slot_on_ready(w->slot, w);
}

static bool
accepts_ready_by(const struct worker *w, enum ready_by by)
{
	switch (w->generation->conf->ready) {
	case READY_AUTO:
		return true;
	case READY_NOTIFY:
		return by == READY_BY_NOTIFY;
	case READY_CHANNEL:
		return by == READY_BY_CHANNEL;
	case READY_FD:
		return by == READY_BY_FD;
	case READY_DELAY:
		return by == READY_BY_TIME;
	/* On the ring it takes nothing before it is ready: there its own word counts. */
	case READY_TCP:
		return by == READY_BY_ACCEPT || w->on_ring;
	case READY_HTTP:
		return by == READY_BY_HTTP || w->on_ring;
	/* Who binds for itself says it as it can. */
	case READY_LISTENING:
		return by == READY_BY_LISTENING || by == READY_BY_CHANNEL;
	case READY_MAX:
		break;
	}
	return false;
}

static void
on_ready(struct worker *w, enum ready_by by)
{
	const struct conf_app *conf = w->generation->conf;

	if (worker_serves(w)) {
		/* Several signs of one thing: the first that came counted. */
		w->app->tells_ready |= by == READY_BY_LISTENING ||
		                       (by == READY_BY_CHANNEL && conf->compat == COMPAT_EINHORN);
		return;
	}
	if (w->slot->spare && w->cause == CAUSE_NONE && by < READY_BY_LISTENING) {
		w->said |= 1u << by; /* counts when it has a slot */
		return;
	}
	if (w->state != WORKER_STARTING || w->slot->spare || !accepts_ready_by(w, by))
		note_worker(w, NOTE_IGNORED, false, "said it was ready (%s) while %s: ignored",
		    ready_by_to_string(by), worker_state_to_string(w->state));
	else
		become_ready(w, by);
}

/* Of a program of Node's that has no address here nobody knows whether it will ever listen. */
static bool
will_listen(const struct worker *w)
{
	return w->asked || w->app->tells_ready || w->generation->conf->listen_len > 0;
}

/* A program of Einhorn's that acknowledges does so always, and may accept long before. */
static bool
will_acknowledge(const struct worker *w)
{
	return w->generation->conf->compat == COMPAT_EINHORN && w->app->tells_ready;
}

/* That its time since it was born is over. */
static void
arm_delay(struct worker *w)
{
	struct core *c = w->app->core;
	uint64_t due_us = w->spawned_us + w->generation->conf->ready_delay_ms * 1000;

	timer_arm(&c->timers, &w->timer, due_us > c->now_us ? due_us : c->now_us);
}

/* A program that says nothing is tested by a connection to its seat, which no client uses yet; where
 * it has none of its own, all that can be told is that it is alive. Who speaks is given the time to,
 * since it knows better when it is ready. */
static void
await_ready(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;
	bool node = w->generation->node;
	bool speaks = node || w->generation->ring || will_acknowledge(w);
	bool testable = w->generation->steered && !speaks;

	/* Who asks for a wait set says when it is ready: before it has one, it takes nothing. */
	if (conf->ready == READY_AUTO && node && !will_listen(w))
		worker_arm_ms(w, CORE_LISTEN_WAIT_MS);
	else if (conf->ready == READY_AUTO && !testable && !speaks)
		worker_arm_ms(w, CORE_ALIVE_READY_MS);
	else if (conf->ready == READY_DELAY)
		arm_delay(w);
	else
		worker_arm_ms(w, conf->ready_timeout_ms);
	if (conf->ready == READY_HTTP)
		worker_probe(w, PROBE_HTTP);
	else if (conf->ready == READY_TCP)
		worker_probe(w, PROBE_ACCEPT);
	else if (conf->ready == READY_AUTO && testable)
		timer_arm(&w->app->core->timers, &w->check,
		    w->app->core->now_us + (w->app->tells_ready ? CORE_ALIVE_READY_MS
		                                                : CORE_TEST_AFTER_MS) * 1000);
}

static void
on_tested(struct worker *w, const struct event *ev)
{
	if (ev->probed.unknown) {
		note_worker(w, NOTE_READY_ASSUMED, false, "can't be tested (%s)",
		    ev->probed.what ? ev->probed.what : "?");
		worker_arm_ms(w, CORE_ALIVE_READY_MS);
		return;
	}
	if (ev->probed.ok)
		become_ready(
		    w, ev->probed.kind == PROBE_HTTP ? READY_BY_HTTP : READY_BY_ACCEPT);
}

static void
on_probed(struct worker *w, const struct event *ev)
{
	w->probing = false;
	if (w->state == WORKER_STARTING)
		on_tested(w, ev);
	else
		stall_on_probed(w, ev);
}

/* --- not becoming ready -------------------------------------------------------------------- */

/* Tells the slot about the end of a worker that belonged to it. Decides by the place that the
 * worker held, which the caller has taken from the slot already. */
static void
tell_slot(struct slot *s, bool was_current, const struct death *d)
{
	if (was_current)
		slot_on_current_gone(s, d);
	else
		slot_on_next_gone(s, d);
}

/* A start that failed while the process lives on: it is stopped, its slot goes on without it. */
static void
fail_start(struct worker *w, enum cause cause, const char *reason)
{
	struct slot *s = w->slot;
	bool was_current = s->current == w;
	struct death d = {.cause = cause, .code = -1, .reason = reason};

	/* A program that may never listen is no use as a spare. */
	d.permanent = s->spare && cause == CAUSE_READY_TIMEOUT && !will_listen(w);
	d.generation = generation_ref(w->generation);
	if (w->probing)
		worker_probe(w, PROBE_NONE);
	worker_leave(w, cause, reason, false);
	tell_slot(s, was_current, &d);
	generation_unref(s->app->core, d.generation);
}

/* That it is ready, as far as anybody can know. */
static bool
will_say_so(const struct worker *w)
{
	return will_acknowledge(w) || (w->generation->node && will_listen(w));
}

/* Another worker of the app has shown meanwhile that it will: then it has the whole time for it. */
static bool
has_time_to_say_so(struct worker *w)
{
	struct core *c = w->app->core;
	uint64_t due_us = w->spawned_us + w->generation->conf->ready_timeout_ms * 1000;

	if (!will_say_so(w) || c->now_us >= due_us)
		return false;
	timer_arm(&c->timers, &w->timer, due_us);
	return true;
}

static void
on_start_deadline(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;
	char text[ACTION_TEXT_MAX], limit[32];

	units_format_duration_ms(conf->ready_timeout_ms, limit, sizeof(limit));
	if (w->slot->spare) {
		text_format(text, "a spare that did not listen within %s", limit);
		fail_start(w, CAUSE_READY_TIMEOUT, text);
		return;
	}
	switch (conf->ready) {
	case READY_AUTO:
		if (has_time_to_say_so(w))
			return;
		if (w->probing || w->generation->ring || timer_is_armed(&w->check) || will_say_so(w))
			break;
		note_worker(w, NOTE_READY_ASSUMED, false,
		    "said nothing and is alive after %d ms: taken for ready",
		    w->generation->node ? CORE_LISTEN_WAIT_MS : CORE_ALIVE_READY_MS);
		become_ready(w, READY_BY_TIME);
		return;
	case READY_DELAY:
		become_ready(w, READY_BY_TIME);
		return;
	case READY_TCP:
	case READY_HTTP:
		if (w->probing)
			break;
		become_ready(w, READY_BY_TIME);
		return;
	case READY_NOTIFY:
	case READY_CHANNEL:
	case READY_FD:
	case READY_LISTENING:
	case READY_MAX:
		break;
	}
	text_format(text, "not ready within %s (ready = %s%s)", limit,
	    conf_ready_to_string(conf->ready),
	    conf->ready != READY_AUTO ? ""
	    : w->generation->node     ? ": it did not listen"
	    : will_acknowledge(w)     ? ": it acknowledged before, and did not now"
	                              : ": it said nothing and took no connection");
	fail_start(w, CAUSE_READY_TIMEOUT, text);
}

/* --- spawning ------------------------------------------------------------------------------ */

static void
spawn_answered(struct worker *w)
{
	w->spawning = false;
	w->app->core->pending_spawns--;
}

static void
on_spawned(struct worker *w, pid_t pid)
{
	struct core *c = w->app->core;

	if (!w->spawning)
		return;
	spawn_answered(w);
	w->pid = pid;
	w->spawned_us = c->now_us;
	c->alive++;
	w->app->alive++;
	if (w->cause != CAUSE_NONE) {
		/* It was not wanted any more when it came: it has served nobody. */
		worker_set_state(w, WORKER_STARTING, w->reason);
		worker_set_state(w, WORKER_STOPPING, "not wanted any more");
		w->asked_us = c->now_us;
		leave_kill(w);
		return;
	}
	worker_set_state(w, WORKER_STARTING, "started");
	if (w->slot->spare)
		worker_arm_ms(w, w->generation->conf->ready_timeout_ms);
	else
		await_ready(w);
}

/* A worker that never was: it leaves its slot and the world. */
static void
never_was(struct worker *w, const char *reason)
{
	struct slot *s = w->slot;
	bool was_current = s->current == w;
	struct death d = {.cause = CAUSE_SPAWN, .code = -1, .reason = reason};

	d.generation = generation_ref(w->generation);
	w->cause = CAUSE_SPAWN;
	leave_detach(w);
	worker_set_state(w, WORKER_DEAD, reason);
	worker_free(w);
	tell_slot(s, was_current, &d);
	generation_unref(s->app->core, d.generation);
}

static void
on_spawn_failed(struct worker *w, const struct event *ev)
{
	struct core *c = w->app->core;
	char text[ACTION_TEXT_MAX];
	bool too_long;

	if (!w->spawning)
		return;
	spawn_answered(w);
	if (w->cause != CAUSE_NONE) {
		leave_idle(w);
		return;
	}
	text_format(text, "could not be started: %s: %s",
	    ev->spawn_failed.what ? ev->spawn_failed.what : "fork",
	    strerror(ev->spawn_failed.error));
	/* A replacement must not hold up a rollout for ever; a slot without a worker may wait. */
	too_long = w == w->slot->next &&
	           c->now_us - w->spawned_us > w->generation->conf->ready_timeout_ms * 1000;
	if (!ev->spawn_failed.transient || too_long) {
		never_was(w, text);
		return;
	}
	text_set(w->reason, text);
	note_worker(
	    w, NOTE_SPAWN_WAITING, true, "%s; trying again in %d ms", text, CORE_SPAWN_RETRY_MS);
	worker_arm_ms(w, CORE_SPAWN_RETRY_MS);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Its channel was closed for what it sent, and it took that for the end of the master before its
 * replacement was ready. */
static bool
left_for_fault(const struct worker *w)
{
	return w->cause == CAUSE_NONE && w->replace_cause == CAUSE_PROTOCOL;
}

static enum cause
cause_of_death(const struct worker *w, const struct event *ev)
{
	if (w->cause != CAUSE_NONE)
		return w->cause;
	if (w->exec_error != 0)
		return CAUSE_EXEC;
	if (ev->exited.oom)
		return CAUSE_OOM;
	if (ev->exited.signal != 0)
		return ev->exited.signal == w->operator_signal ? CAUSE_OPERATOR : CAUSE_SIGNAL;
	if (left_for_fault(w))
		return CAUSE_PROTOCOL;
	return CAUSE_EXIT;
}

static void
describe_death(const struct worker *w, const struct event *ev, char text[ACTION_TEXT_MAX])
{
	char name[16];

	if (w->exec_error != 0)
		text_set(text, w->reason);
	else if (ev->exited.oom)
		text_set(text, "killed by the kernel: out of memory");
	else if (ev->exited.signal != 0)
		text_format(text, "killed by SIG%s%s", signal_to_string(ev->exited.signal, name),
		    ev->exited.core_dumped ? " (core dumped)" : "");
	else if (ev->exited.daemonised)
		text_format(text,
		    "exit %d, leaving a child behind: it put itself into the background; "
		    "make it run in the foreground",
		    ev->exited.code);
	else if (w->cause == CAUSE_PROTOCOL || left_for_fault(w))
		text_format(text, "exit %d, its channel was closed: %s", ev->exited.code,
		    w->replace_reason);
	else
		text_format(text, "exit %d", ev->exited.code);
}

static void
push_obituary(struct worker *w, const struct event *ev, enum cause cause, const char *text)
{
	struct action *act = action_push_worker(w, ACTION_OBITUARY);

	act->obituary.cause = cause;
	act->obituary.code = ev->exited.code;
	act->obituary.signal = ev->exited.signal;
	act->obituary.core_dumped = ev->exited.core_dumped;
	act->obituary.expected = w->cause != CAUSE_NONE;
	act->obituary.was_ready = w->ready_us != 0;
	act->obituary.uptime_us = w->app->core->now_us - w->spawned_us;
	text_set(act->text, text);
}

/* Codes that say that a start can't succeed: set-up failed, not runnable, not found; and what the
 * operator listed. They count only from a pid that is ours, which is why they come in here. */
static bool
is_permanent(const struct worker *w, const struct event *ev)
{
	const struct conf_app *conf = w->generation->conf;
	int code = ev->exited.code;

	if (w->exec_error != 0 || ev->exited.daemonised)
		return true;
	if (code < 0 || code > 255)
		return false;
	return code == 125 || conf->no_restart_codes[code] ||
	       (w->ready_us == 0 && (code == 126 || code == 127));
}

static void
on_exited(struct worker *w, const struct event *ev)
{
	struct core *c = w->app->core;
	struct slot *s = w->slot;
	bool was_current = s->current == w, was_next = s->next == w;
	char text[ACTION_TEXT_MAX];
	enum cause cause = cause_of_death(w, ev);
	struct death d = {.cause = cause,
	    .code = ev->exited.code,
	    .signal = ev->exited.signal,
	    .was_ready = w->ready_us != 0,
	    .permanent = is_permanent(w, ev),
	    .daemonised = ev->exited.daemonised,
	    .reason = text};

	if (w->pid == 0)
		return;
	describe_death(w, ev, text);
	if (d.was_ready)
		d.ready_for_us = c->now_us - w->ready_us;
	d.generation = generation_ref(w->generation);
	push_obituary(w, ev, cause, text);
	c->alive--;
	w->app->alive--;
	w->app->deaths++;
	if (w->written_off)
		c->written_off--;
	w->speaks = false; /* nobody is there to be told anything */
	leave_detach(w);
	leave_unlink(w);
	if (w->cause == CAUSE_NONE)
		w->cause = cause;
	worker_set_state(w, WORKER_DEAD, text);
	worker_free(w);
	if (was_current || was_next)
		tell_slot(s, was_current, &d);
	generation_unref(c, d.generation);
}

/* --- events and deadlines ------------------------------------------------------------------ */

void
worker_want_replacement(struct worker *w, enum cause cause, const char *reason, uint64_t after_us)
{
	struct core *c = w->app->core;

	w->replace_cause = cause;
	text_set(w->replace_reason, reason);
	timer_arm(&c->timers, &w->timer, c->now_us + after_us);
}

/* It asks to go, or must go, while it serves. */
static void
on_replace(struct worker *w, enum cause cause, const char *reason, uint64_t after_us)
{
	if (worker_serves(w) && w->slot->current == w) {
		worker_want_replacement(w, cause, reason, after_us);
	} else if ((w->state == WORKER_STARTING || w->state == WORKER_PARKED) &&
	           cause == CAUSE_PROTOCOL) {
		text_set(w->replace_reason, reason);
		fail_start(w, cause, reason);
	} else {
		note_worker(w, NOTE_IGNORED, false, "%s, while %s: ignored", reason,
		    worker_state_to_string(w->state));
	}
}

static void
on_replace_due(struct worker *w)
{
	struct slot *s = w->slot;

	/* A rollout that is on its way to this slot replaces it anyway. */
	if (s->current == w && !s->next && !rollout_is_active(w->app) &&
	    !slot_replace(s, s->generation))
		worker_want_replacement(
		    w, w->replace_cause, w->replace_reason, CORE_SPAWN_RETRY_MS * 1000);
}

/* It said that it drains: because we asked, or by itself. */
static void
on_stopping(struct worker *w)
{
	struct slot *s = w->slot;
	struct death d = {
	    .cause = CAUSE_REQUEST, .code = -1, .was_ready = true, .reason = "drains on its own"};

	if (w->state == WORKER_DRAINING && w->step < LEAVE_AGREED) {
		leave_agreed(w);
		return;
	}
	if (!worker_serves(w) || s->current != w) {
		note_worker(w, NOTE_IGNORED, false, "said it was stopping while %s: ignored",
		    worker_state_to_string(w->state));
		return;
	}
	d.ready_for_us = w->app->core->now_us - w->ready_us;
	d.generation = generation_ref(w->generation);
	leave_detach(w);
	w->cause = CAUSE_REQUEST;
	w->next_leaving = s->leaving;
	s->leaving = w;
	worker_set_state(w, WORKER_DRAINING, d.reason);
	if (w->on_ring)
		action_push_worker(w, ACTION_RING_CUT);
	leave_agreed(w);
	slot_on_current_gone(s, &d);
	generation_unref(w->app->core, d.generation);
}

static void
on_extend(struct worker *w, uint64_t us)
{
	struct core *c = w->app->core;
	const uint64_t most_us = 3600ull * 1000000;
	uint64_t due_us = c->now_us + (us < most_us ? us : most_us);

	if (w->state == WORKER_STARTING && w->generation->conf->ready != READY_DELAY &&
	    timer_is_armed(&w->timer) && w->timer.due_us < due_us)
		timer_arm(&c->timers, &w->timer, due_us);
}

/* It knows itself that it is broken. What is over or ends anyway is left alone. */
static void
on_trigger(struct worker *w)
{
	static const char reason[] = "asked to be aborted (WATCHDOG=trigger)";

	if (worker_serves(w))
		stall_on_trigger(w, reason);
	else if (w->state == WORKER_STARTING || w->state == WORKER_PARKED)
		worker_abort(w, CAUSE_WATCHDOG, reason);
	else if (w->state == WORKER_DRAINING)
		leave_abort(w, reason);
	else
		note_worker(w, NOTE_IGNORED, false, "%s while %s: ignored", reason,
		    worker_state_to_string(w->state));
}

static void
on_exec_failed(struct worker *w, const struct event *ev)
{
	char text[ACTION_TEXT_MAX];

	w->exec_error = ev->exec_failed.error;
	text_format(
	    text, "could not %s: %s", ev->exec_failed.stage, strerror(ev->exec_failed.error));
	text_set(w->reason, text);
}

static void
on_spoke(struct worker *w)
{
	w->speaks = true;
	if (w->leads)
		worker_tell_leader(w, true);
	if (w->state == WORKER_READY)
		stall_begin(w);
}

/* It wants to sleep in a wait set of ours. Whoever leaves gets none. */
static void
on_ring(struct worker *w, unsigned neighbours)
{
	if (w->on_ring || w->cause != CAUSE_NONE || w->pid == 0 || w->slot->spare) {
		note_worker(w, NOTE_IGNORED, false, "asked for its wait set %s: ignored",
		    w->on_ring       ? "again"
		    : w->slot->spare ? "as a spare"
		                     : "though it leaves");
		return;
	}
	w->on_ring = w->generation->ring = true;
	w->neighbours = neighbours;
	action_push_worker(w, ACTION_RING_GIVE)->ring.neighbours = neighbours;
	if (w->state == WORKER_STARTING && w->generation->conf->ready == READY_AUTO)
		worker_arm_ms(w, w->generation->conf->ready_timeout_ms);
	if (worker_serves(w))
		action_push_worker(w, ACTION_RING_JOIN);
}

static void
answer(struct worker *w)
{
	if (w->answered)
		return;
	w->answered = true;
	action_push_worker(w, ACTION_ANSWER);
}

static void
park(struct worker *w)
{
	char age[32], text[ACTION_TEXT_MAX];

	if (w->state != WORKER_STARTING)
		return;
	units_format_age_ms((w->app->core->now_us - w->spawned_us) / 1000, age, sizeof(age));
	text_format(text, "booted within %s, waits for a slot", age);
	if (worker_set_state(w, WORKER_PARKED, text))
		spare_on_parked(w);
}

void
worker_promote(struct worker *w, struct slot *s, const char *reason)
{
	char text[ACTION_TEXT_MAX];
	bool ready = false;

	w->slot = s;
	w->seat = s->seat;
	w->promoted = true;
	s->current = w;
	text_format(text, "takes over as number %u: %s", w->number, reason);
	note_worker(w, NOTE_SPARE_SERVES, false, "%s", text);
	worker_set_state(w, WORKER_STARTING, text);
	slot_set_state(s, SLOT_STARTING, reason);
	answer(w);
	await_ready(w);
	for (unsigned by = 0; by < READY_BY_LISTENING && !ready; by++) {
		ready = (w->said >> by & 1) && accepts_ready_by(w, (enum ready_by)by);
		if (ready)
			become_ready(w, (enum ready_by)by);
	}
}

/* It called listen(), so it will say when it does. */
static void
on_asked(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;

	if (w->cause != CAUSE_NONE || w->pid == 0)
		return;
	if (w->slot->spare) {
		w->asked = true;
		park(w);
		return;
	}
	if (!w->asked && w->state == WORKER_STARTING && conf->ready == READY_AUTO)
		worker_arm_ms(w, conf->ready_timeout_ms);
	w->asked = true;
	answer(w);
}

/* Whoever drains closes its channel as its last thing, if it is one of Node's: what keeps it alive then
 * is no connection. */
static void
on_channel_closed(struct worker *w)
{
	w->mute = true;
	if (w->slot->spare && (w->state == WORKER_STARTING || w->state == WORKER_PARKED))
		fail_start(w, CAUSE_CHANNEL, "closed its channel: it can't be told to listen");
	else if (worker_serves(w))
		on_replace(w, CAUSE_CHANNEL, "closed its channel and lives on",
		    CORE_CHANNEL_GRACE_MS * 1000ull);
	else if (w->generation->node && w->state == WORKER_DRAINING && w->step == LEAVE_AGREED)
		worker_arm_ms(w, CORE_CHANNEL_END_MS);
}

void
worker_tell_leader(struct worker *w, bool leads)
{
	w->leads = leads;
	if (w->speaks && w->pid != 0)
		action_push_worker(w, ACTION_LEADER)->leader.leads = leads;
}

void
worker_on_event(struct worker *w, const struct event *ev)
{
	switch (ev->kind) {
	case EVENT_SPAWNED:
		on_spawned(w, ev->spawned.pid);
		break;
	case EVENT_SPAWN_FAILED:
		on_spawn_failed(w, ev);
		break;
	case EVENT_EXEC_FAILED:
		on_exec_failed(w, ev);
		break;
	case EVENT_EXITED:
		on_exited(w, ev);
		break;
	case EVENT_READY:
		on_ready(w, ev->ready.by);
		break;
	case EVENT_SPOKE:
		on_spoke(w);
		break;
	case EVENT_STOPPING:
		on_stopping(w);
		break;
	case EVENT_REPLACE:
		on_replace(w, CAUSE_REQUEST,
		    ev->text.reason && ev->text.reason[0] ? ev->text.reason : "it asked for it", 0);
		break;
	case EVENT_PROTOCOL_FAULT:
		on_replace(w, CAUSE_PROTOCOL, ev->text.reason, 0);
		break;
	case EVENT_CHANNEL_CLOSED:
		on_channel_closed(w);
		break;
	case EVENT_EXTEND:
		on_extend(w, ev->extend.us);
		break;
	case EVENT_RING:
		on_ring(w, ev->ring.neighbours);
		break;
	case EVENT_ALIVE:
		stall_on_alive(w, ev->alive.unasked);
		break;
	case EVENT_INTERVAL:
		stall_on_interval(w, ev->interval.us);
		break;
	case EVENT_TRIGGER:
		on_trigger(w);
		break;
	case EVENT_ASKED:
		on_asked(w);
		break;
	case EVENT_EMPTIED:
		leave_on_emptied(w);
		break;
	case EVENT_QUIET:
		leave_on_quiet(w, ev->quiet.unknown);
		break;
	case EVENT_PROBED:
		on_probed(w, ev);
		break;
	case EVENT_TIME:
	case EVENT_CONFIGURE:
	case EVENT_RELOAD:
	case EVENT_RESTART:
	case EVENT_START:
	case EVENT_STOP:
	case EVENT_SCALE:
	case EVENT_KILL:
	case EVENT_SIGNAL:
	case EVENT_DRAIN:
	case EVENT_RESUME:
	case EVENT_SHUTDOWN:
	case EVENT_VERIFIED:
	case EVENT_QUEUES:
	case EVENT_KIND_MAX:
		break;
	}
}

void
worker_on_timer(struct worker *w)
{
	switch (w->state) {
	case WORKER_IDLE:
		request_spawn(w);
		break;
	case WORKER_STARTING:
		on_start_deadline(w);
		break;
	case WORKER_READY:
	case WORKER_STALLED:
		on_replace_due(w);
		break;
	case WORKER_DRAINING:
	case WORKER_STOPPING:
		leave_on_deadline(w);
		break;
	case WORKER_PARKED:
	case WORKER_DEAD:
	case WORKER_STATE_MAX:
		break;
	}
}
