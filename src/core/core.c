/*
 * core: takes one event, lets the file that it concerns decide, then lets every app advance. This
 * file knows who is concerned and nothing of what is decided.
 */
#include "core/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "core/internal.h"

/* Room for the actions of an ordinary step; larger ones grow as they go. */
#define STEP_ACTIONS 64

struct core *
core_new(uint64_t seed)
{
	struct core *c = mem_calloc(1, sizeof(*c));

	if (c)
		c->rng = seed * 2 + 1;
	return c;
}

void
core_free(struct core *c)
{
	struct worker *w, *next_worker;
	struct app *a, *next;

	if (!c)
		return;
	c->out = NULL; /* nobody is left to take the cookies back */
	HASH_ITER (by_id, c->workers, w, next_worker)
		worker_free(w);
	for (a = c->apps; a; a = next) {
		next = a->next;
		while (a->ops) {
			struct op *op = a->ops;

			a->ops = op->next;
			generation_unref(c, op->target);
			for (size_t i = 0; i < op->requests_len; i++)
				if (--op->requests[i]->pending == 0)
					mem_free(op->requests[i]);
			mem_free(op->requests);
			mem_free(op);
		}
		for (size_t i = 0; i < a->going_len; i++)
			if (--a->going[i]->pending == 0)
				mem_free(a->going[i]);
		app_free(a);
	}
	for (size_t i = 0; i < c->stopping_len; i++)
		if (--c->stopping[i]->pending == 0)
			mem_free(c->stopping[i]);
	mem_free(c->stopping);
	timer_heap_done(&c->timers);
	mem_free(c);
}

void
core_set_exit_when(struct core *c, enum conf_exit_when when)
{
	c->exit_when = when;
}

/* xorshift64*: for jitter, nothing else. */
uint32_t
core_random(struct core *c)
{
	c->rng ^= c->rng >> 12;
	c->rng ^= c->rng << 25;
	c->rng ^= c->rng >> 27;
	return (uint32_t)((c->rng * 0x2545f4914f6cdd1dull) >> 32);
}

struct app *
core_find_app(const struct core *c, const char *name)
{
	for (struct app *a = c->apps; a; a = a->next)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

struct worker *
core_find_worker(const struct core *c, worker_id id)
{
	struct worker *w;

	HASH_FIND(by_id, c->workers, &id, sizeof(id), w);
	return w;
}

uint64_t
core_next_deadline(const struct core *c)
{
	const struct timer *t = timer_heap_first(&c->timers);

	return t ? t->due_us : CORE_NO_DEADLINE;
}

/* --- a whole configuration ----------------------------------------------------------------- */

static void
drop_app(struct core *c, struct app *a)
{
	struct app **at = &c->apps;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	app_free(a);
}

static void
append_app(struct core *c, struct app *a)
{
	struct app **at = &c->apps;

	while (*at)
		at = &(*at)->next;
	*at = a;
}

static bool
is_target(const struct event *ev, const char *name)
{
	for (size_t i = 0; i < ev->configure.len; i++)
		if (strcmp(ev->configure.targets[i].conf->name, name) == 0)
			return true;
	return false;
}

/* One app of a new configuration. Its launch is the core's from here on, whatever comes: where
 * memory ends the request fails and the cookie goes back. */
static void
configure_app(struct core *c, const struct core_target *t, struct request *r)
{
	struct app *a = core_find_app(c, t->conf->name);
	const struct op_args args = {.target = t, .workers = t->workers, .slot = -1};
	enum op_kind kind = OP_RELOAD;
	int rc = -ENOMEM;

	if (!a) {
		kind = OP_START;
		if ((a = app_new(c, t)))
			append_app(c, a);
	} else if (a->wanted == APP_GO) {
		/* It was on its way out, and is wanted again. */
		request_settle_all(c, &a->going, &a->going_len, true, "configured again");
		kind = OP_RESTART;
		a->wanted = APP_REST;
	}
	if (a)
		rc = app_enqueue(a, kind, &args, r);
	if (rc != 0) {
		if (a && !a->generation && !a->ops)
			drop_app(c, a); /* new, and without what it should run */
		action_push(c, ACTION_FORGET)->launch = t->launch;
		r->pending++;
		request_settle(
		    c, r, true, rc == -EBUSY ? "too many operations wait" : "out of memory");
	}
}

static void
remove_app(struct app *a, struct request *r)
{
	app_rest(a, APP_GO, CAUSE_OPERATOR, "removed from the configuration", true);
	app_fail_ops(a, "removed from the configuration");
	(void)request_add(&a->going, &a->going_len, r);
}

static int
on_configure(struct core *c, const struct event *ev)
{
	struct request *r = request_new(ev->request);

	if (!r)
		return -ENOMEM;
	r->first_start = !c->started && !c->apps;
	/* Held open while operations are added, so that none of them can settle it early. */
	r->pending = 1;
	for (size_t i = 0; i < ev->configure.len; i++)
		configure_app(c, &ev->configure.targets[i], r);
	for (struct app *a = c->apps; a; a = a->next)
		if (a->wanted != APP_GO && !is_target(ev, a->name))
			remove_app(a, r);
	request_settle(c, r, false, "");
	return 0;
}

/* --- one app ------------------------------------------------------------------------------- */

static int
on_app_op(struct core *c, const struct event *ev, struct app *a, enum op_kind kind)
{
	bool with_target = kind == OP_RELOAD || kind == OP_RESTART;
	const struct op_args args = {
	    .target = with_target ? &ev->target : NULL,
	    .workers = kind == OP_SCALE ? ev->scale.workers : a->target_len,
	    .slot = kind == OP_DRAIN || kind == OP_RESUME ? ev->drain.slot : -1,
	};
	struct request *r = request_new(ev->request);
	int rc;

	if (!r)
		return -ENOMEM;
	memcpy(r->app, a->name, sizeof(r->app));
	rc = app_enqueue(a, kind, &args, r);
	if (rc != 0) {
		mem_free(r);
		if (rc != -EBUSY)
			return rc;
		if (with_target)
			action_push(c, ACTION_FORGET)->launch = ev->target.launch;
		request_reply_now(
		    c, ev->request, REPLY_BUSY, "%s: too many operations wait", a->name);
	}
	return 0;
}

static void
on_kill(struct core *c, const struct event *ev, struct app *a)
{
	const struct slot *s = app_find_place(a, ev->kill.slot);
	struct worker *w = s ? s->current : NULL;
	struct action *act;
	char name[16];

	if (!w || w->pid == 0) {
		request_reply_now(
		    c, ev->request, REPLY_FAILED, "%s.%u has no worker", a->name, ev->kill.slot);
		return;
	}
	w->operator_signal = ev->kill.signal;
	act = action_push_worker(w, ACTION_SIGNAL);
	act->signal.signal = ev->kill.signal;
	/* The answer first: who waits for it has asked for no progress. */
	request_reply_now(c, ev->request, REPLY_DONE, "sent SIG%s to %s.%u, pid %d",
	    signal_to_string(ev->kill.signal, name), a->name, ev->kill.slot, (int)w->pid);
	note_worker(w, NOTE_SIGNAL_SENT, false, "SIG%s sent on an operator's word",
	    signal_to_string(ev->kill.signal, name));
}

static bool
signal_current(const struct slot *s, int sig)
{
	struct worker *w = s->current;

	if (!w || w->pid == 0)
		return false;
	w->operator_signal = sig;
	action_push_worker(w, ACTION_SIGNAL)->signal.signal = sig;
	return true;
}

static void
on_signal(struct core *c, const struct event *ev, struct app *a)
{
	unsigned n = 0;
	char name[16];

	for (unsigned i = 0; i < a->slots_len; i++)
		n += signal_current(a->slots[i], ev->signal.signal);
	for (unsigned i = 0; i < a->spares_len; i++)
		n += signal_current(a->spares[i], ev->signal.signal);
	request_reply_now(c, ev->request, n > 0 ? REPLY_DONE : REPLY_FAILED,
	    "sent SIG%s to %u workers of %s", signal_to_string(ev->signal.signal, name), n,
	    a->name);
	if (n > 0)
		note_app(a, NOTE_SIGNAL_SENT, false,
		    "SIG%s sent to %u workers on an operator's word",
		    signal_to_string(ev->signal.signal, name), n);
}

/* DRAIN or RESUME of every app: one request, answered when all have done it. */
static int
on_drain_all(struct core *c, const struct event *ev)
{
	const struct op_args args = {.slot = -1};
	enum op_kind kind = ev->kind == EVENT_DRAIN ? OP_DRAIN : OP_RESUME;
	struct request *r = request_new(ev->request);

	if (!r)
		return -ENOMEM;
	r->pending = 1;
	for (struct app *a = c->apps; a; a = a->next) {
		if (a->wanted == APP_GO || app_enqueue(a, kind, &args, r) == 0)
			continue;
		r->pending++;
		request_settle(c, r, true, "too many operations wait, or out of memory");
	}
	request_settle(c, r, false, "");
	return 0;
}

static int
on_operator_event(struct core *c, const struct event *ev)
{
	bool with_target = ev->kind == EVENT_RELOAD || ev->kind == EVENT_RESTART;
	struct app *a = ev->app ? core_find_app(c, ev->app) : NULL;

	if (!ev->app && c->shutdown == SHUTDOWN_NONE &&
	    (ev->kind == EVENT_DRAIN || ev->kind == EVENT_RESUME))
		return on_drain_all(c, ev);
	if (!a || a->wanted == APP_GO || c->shutdown != SHUTDOWN_NONE) {
		if (with_target)
			action_push(c, ACTION_FORGET)->launch = ev->target.launch;
		request_reply_now(c, ev->request, REPLY_FAILED, "%s",
		    c->shutdown != SHUTDOWN_NONE ? "the master is stopping" : "no such app");
		return 0;
	}
	switch (ev->kind) {
	case EVENT_RELOAD:
		return on_app_op(c, ev, a, OP_RELOAD);
	case EVENT_RESTART:
		return on_app_op(c, ev, a, OP_RESTART);
	case EVENT_START:
		return on_app_op(c, ev, a, OP_START);
	case EVENT_STOP:
		return on_app_op(c, ev, a, OP_STOP);
	case EVENT_SCALE:
		return on_app_op(c, ev, a, OP_SCALE);
	case EVENT_DRAIN:
		return on_app_op(c, ev, a, OP_DRAIN);
	case EVENT_RESUME:
		return on_app_op(c, ev, a, OP_RESUME);
	case EVENT_KILL:
		on_kill(c, ev, a);
		return 0;
	default:
		on_signal(c, ev, a);
		return 0;
	}
}

static int
on_shutdown(struct core *c, const struct event *ev)
{
	struct request *r = NULL;

	if (ev->request != 0 && !(r = request_new(ev->request)))
		return -ENOMEM;
	shutdown_begin(c, ev->shutdown.mode, r);
	return 0;
}

/* --- time ---------------------------------------------------------------------------------- */

/* A deadline that is missed by far means that the master itself stood still (stopped, or the
 * whole machine): nobody could have answered in time, so everybody gets his time again (M4). */
static void
forgive_standstill(struct core *c)
{
	const struct timer *first = timer_heap_first(&c->timers);
	uint64_t gap_us = c->now_us - c->last_step_us;
	struct action *act;

	if (!first || first->due_us + CORE_LATE_MS * 1000ull >= c->now_us)
		return;
	timer_heap_shift(&c->timers, gap_us);
	stall_forgive(c, gap_us);
	act = action_push(c, ACTION_NOTE);
	act->note.kind = NOTE_LATE;
	act->note.bad = true;
	text_format(act->text, "the master stood still for up to %.1f s: all deadlines start again",
	    (double)gap_us / 1e6);
}

static void
fire_timers(struct core *c)
{
	struct timer *t;

	while ((t = timer_heap_first(&c->timers)) && t->due_us <= c->now_us) {
		timer_drop(&c->timers, t);
		switch (t->kind) {
		case TIMER_WORKER:
			worker_on_timer(t->owner);
			break;
		case TIMER_CHECK:
			stall_on_check(t->owner);
			break;
		case TIMER_PROBE:
			stall_on_probe_due(t->owner);
			break;
		case TIMER_SLOT:
			slot_on_timer(t->owner);
			break;
		}
	}
}

/* --- the step ------------------------------------------------------------------------------ */

static void
remove_gone_apps(struct core *c)
{
	struct app **at = &c->apps;

	while (*at) {
		struct app *a = *at;

		if (a->wanted != APP_GO || !app_is_empty(a)) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		request_settle_all(c, &a->going, &a->going_len, false, "");
		action_push_app(a, ACTION_APP_GONE);
		app_free(a);
	}
}

static int
take_event(struct core *c, const struct event *ev)
{
	struct worker *w;
	struct app *a;

	switch (ev->kind) {
	case EVENT_TIME:
		return 0;
	case EVENT_CONFIGURE:
		if (c->shutdown == SHUTDOWN_NONE)
			return on_configure(c, ev);
		for (size_t i = 0; i < ev->configure.len; i++)
			action_push(c, ACTION_FORGET)->launch = ev->configure.targets[i].launch;
		request_reply_now(c, ev->request, REPLY_FAILED, "the master is stopping");
		return 0;
	case EVENT_RELOAD:
	case EVENT_RESTART:
	case EVENT_START:
	case EVENT_STOP:
	case EVENT_SCALE:
	case EVENT_KILL:
	case EVENT_SIGNAL:
	case EVENT_DRAIN:
	case EVENT_RESUME:
		return on_operator_event(c, ev);
	case EVENT_SHUTDOWN:
		return on_shutdown(c, ev);
	case EVENT_VERIFIED:
		if (ev->app && (a = core_find_app(c, ev->app)))
			rollout_on_verified(a, ev->verified.intact, ev->verified.what);
		return 0;
	case EVENT_QUEUES:
		if (ev->app && (a = core_find_app(c, ev->app)))
			stall_on_queues(a, ev->queues.items, ev->queues.len);
		return 0;
	case EVENT_SPAWNED:
	case EVENT_SPAWN_FAILED:
	case EVENT_EXEC_FAILED:
	case EVENT_EXITED:
	case EVENT_READY:
	case EVENT_SPOKE:
	case EVENT_STOPPING:
	case EVENT_REPLACE:
	case EVENT_PROTOCOL_FAULT:
	case EVENT_CHANNEL_CLOSED:
	case EVENT_EXTEND:
	case EVENT_RING:
	case EVENT_ALIVE:
	case EVENT_INTERVAL:
	case EVENT_TRIGGER:
	case EVENT_ASKED:
	case EVENT_EMPTIED:
	case EVENT_QUIET:
	case EVENT_PROBED:
		if ((w = core_find_worker(c, ev->worker)))
			worker_on_event(w, ev);
		return 0;
	case EVENT_KIND_MAX:
		break;
	}
	return -EINVAL;
}

int
core_step(struct core *c, uint64_t now_us, const struct event *ev, struct action_list *out)
{
	int rc;

	if (c->exited)
		return 0;
	rc = action_list_reserve(out, STEP_ACTIONS);
	if (rc != 0)
		return rc;
	c->out = out;
	c->now_us = now_us;
	forgive_standstill(c);
	c->last_step_us = now_us;
	rc = take_event(c, ev);
	/* Only when nothing has happened: the caller may be late, and what lies in his sockets came
	 * in time (T2). Advancing may set a deadline of no time at all: none is left behind. */
	do {
		if (ev->kind == EVENT_TIME)
			fire_timers(c);
		for (struct app *a = c->apps; a; a = a->next)
			app_advance(a);
	} while (ev->kind == EVENT_TIME && core_next_deadline(c) <= c->now_us);
	remove_gone_apps(c);
	shutdown_check_exit_when(c);
	for (struct app *a = c->apps; a; a = a->next)
		steer_settle(a);
	shutdown_advance(c);
	c->out = NULL;
	return rc;
}
