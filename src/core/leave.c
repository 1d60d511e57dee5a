/*
 * leave: how a worker is brought to its end: asked, told, aborted, killed, each with a deadline.
 *
 *   delay -> cut -> quiet -> asked -> agreed -> signalled -> aborted -> killed
 *
 * Steps are skipped (a worker that does not speak brood is never asked; cut and quiet are for those
 * that the master steers), never taken back. The
 * bound of a stop is the sum of one worker's deadlines, since all leave side by side. What becomes
 * of the slot is not decided here: whoever lets a worker leave has seen to that.
 */
#include "core/internal.h"

void
leave_detach(struct worker *w)
{
	struct slot *s = w->slot;

	if (s->current == w)
		s->current = NULL;
	if (s->next == w)
		s->next = NULL;
	if (w->app->leader == w) {
		w->app->leader = NULL;
		worker_tell_leader(w, false);
	}
}

void
leave_unlink(struct worker *w)
{
	for (struct worker **at = &w->slot->leaving; *at; at = &(*at)->next_leaving) {
		if (*at == w) {
			*at = w->next_leaving;
			return;
		}
	}
}

static void
send_signal(struct worker *w, int sig, bool group)
{
	struct action *act = action_push_worker(w, ACTION_SIGNAL);

	act->signal.signal = sig;
	act->signal.group = group;
}

void
leave_kill(struct worker *w)
{
	w->step = LEAVE_KILLED;
	send_signal(w, 9, true);
	worker_arm_ms(w, CORE_KILL_WAIT_MS);
}

/* The stop signal. A worker that was asked to drain before has used up part of its time. */
static void
step_signal(struct worker *w, const char *reason)
{
	struct core *c = w->app->core;
	const struct conf_app *conf = w->generation->conf;
	bool watched = w->step == LEAVE_CUT || w->step == LEAVE_QUIET;
	uint64_t due_us, least_us = c->now_us + conf->abort_timeout_ms * 1000;

	if (!worker_set_state(w, WORKER_STOPPING, reason))
		return;
	if (w->step < LEAVE_CUT)
		w->asked_us = c->now_us;
	if (watched)
		action_push_worker(w, ACTION_WATCH)->watch.kind = WATCH_NONE;
	w->step = LEAVE_SIGNALLED;
	send_signal(w, conf->stop_signal, false);
	due_us = w->asked_us + conf->stop_timeout_ms * 1000;
	if (w->asked_us != c->now_us && due_us < least_us)
		due_us = least_us;
	if (c->shutdown >= SHUTDOWN_QUICK && due_us > c->now_us + CORE_QUICK_STOP_MS * 1000)
		due_us = c->now_us + CORE_QUICK_STOP_MS * 1000;
	timer_arm(&c->timers, &w->timer, due_us);
}

/* Asks a worker that understands brood; all others know no other word than the stop signal. */
static void
step_ask(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;

	if (w->mute || (!w->speaks && !w->generation->node)) {
		step_signal(w, w->reason);
		return;
	}
	if (w->step < LEAVE_CUT)
		w->asked_us = w->app->core->now_us;
	w->step = LEAVE_ASKED;
	action_push_worker(w, ACTION_DRAIN)->drain.deadline_ms = conf->stop_timeout_ms;
	if (w->generation->node) {
		leave_agreed(w); /* it has no word for that, and no choice */
		return;
	}
	worker_arm_ms(w,
	    conf->stop_timeout_ms < CORE_DRAIN_ACK_MS ? conf->stop_timeout_ms : CORE_DRAIN_ACK_MS);
}

static void
watch(struct worker *w, enum watch_kind kind)
{
	action_push_worker(w, ACTION_WATCH)->watch.kind = kind;
}

/* All that is left of the time that it got when it was cut off. */
static void
arm_rest(struct worker *w)
{
	timer_arm(&w->app->core->timers, &w->timer,
	    w->asked_us + w->generation->conf->stop_timeout_ms * 1000);
}

/* Waits until no request is inside, for a program that may die at once of the stop signal. */
static void
step_quiet(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;

	if (!w->generation->steered || conf->drain == DRAIN_SELF ||
	    (conf->drain == DRAIN_AUTO && (w->speaks || w->generation->node))) {
		step_ask(w);
		return;
	}
	w->step = LEAVE_QUIET;
	watch(w, WATCH_QUIET);
	arm_rest(w);
}

/* It is steered around from this step on. What waits at its seat is read by its neighbours on the
 * ring, if there are any; else by itself, so it is not told to go before nothing waits any more. */
static void
step_cut(struct worker *w)
{
	bool has_heirs = w->on_ring && ring_has_other(w);

	steer_touch(w->app);
	if (w->on_ring && (has_heirs || !w->generation->steered))
		action_push_worker(w, ACTION_RING_CUT);
	if (has_heirs || !w->generation->steered) {
		step_ask(w);
		return;
	}
	w->step = LEAVE_CUT;
	w->asked_us = w->app->core->now_us;
	watch(w, WATCH_EMPTY);
	arm_rest(w);
}

void
leave_on_emptied(struct worker *w)
{
	if (w->step != LEAVE_CUT)
		return;
	if (w->on_ring)
		action_push_worker(w, ACTION_RING_CUT);
	step_quiet(w);
}

void
leave_on_quiet(struct worker *w, bool unknown)
{
	if (w->step != LEAVE_QUIET)
		return;
	if (unknown)
		note_worker(w, NOTE_STRANDED, false,
		    "whether a request is inside can't be told here: it gets its stop signal");
	step_ask(w);
}

void
leave_agreed(struct worker *w)
{
	if (w->step < LEAVE_CUT)
		w->asked_us = w->app->core->now_us;
	if (w->step == LEAVE_CUT || w->step == LEAVE_QUIET)
		watch(w, WATCH_NONE);
	w->step = LEAVE_AGREED;
	steer_touch(w->app);
	timer_arm(&w->app->core->timers, &w->timer,
	    w->asked_us + w->generation->conf->stop_timeout_ms * 1000);
}

static void
step_abort(struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;

	if (conf->abort_timeout_ms == 0 || w->app->core->shutdown >= SHUTDOWN_QUICK) {
		note_worker(w, NOTE_STOP_ESCALATED, true, "still there: KILL");
		leave_kill(w);
		return;
	}
	note_worker(
	    w, NOTE_STOP_ESCALATED, true, "still there after its stop timeout: aborting it");
	w->step = LEAVE_ABORTED;
	send_signal(w, conf->abort_signal, false);
	worker_arm_ms(w, conf->abort_timeout_ms);
}

void
leave_abort(struct worker *w, const char *reason)
{
	const struct conf_app *conf = w->generation->conf;
	bool watched = w->step == LEAVE_CUT || w->step == LEAVE_QUIET;

	if (w->probing)
		worker_probe(w, PROBE_NONE);
	worker_set_state(w, WORKER_STOPPING, reason);
	if (watched)
		watch(w, WATCH_NONE);
	if (w->on_ring)
		action_push_worker(w, ACTION_RING_CUT);
	w->asked_us = w->app->core->now_us;
	if (conf->abort_timeout_ms == 0) {
		leave_kill(w);
	} else {
		w->step = LEAVE_ABORTED;
		send_signal(w, conf->abort_signal, false);
		worker_arm_ms(w, conf->abort_timeout_ms);
	}
}

void
worker_abort(struct worker *w, enum cause cause, const char *reason)
{
	struct core *c = w->app->core;
	struct slot *s = w->slot;
	struct death d = {.cause = cause, .code = -1, .reason = reason};
	bool was_current = s->current == w;

	d.was_ready = w->ready_us != 0;
	if (d.was_ready)
		d.ready_for_us = c->now_us - w->ready_us;
	d.generation = generation_ref(w->generation);
	leave_detach(w);
	w->cause = cause;
	w->next_leaving = s->leaving;
	s->leaving = w;
	leave_abort(w, reason);
	if (was_current)
		slot_on_current_gone(s, &d);
	else
		slot_on_next_gone(s, &d);
	generation_unref(c, d.generation);
}

/* A worker that has no process yet: nobody to talk to. */
void
leave_idle(struct worker *w)
{
	struct core *c = w->app->core;

	timer_drop(&c->timers, &w->timer);
	if (w->spawning)
		return; /* SPAWNED or SPAWN_FAILED will find the cause set */
	if (worker_set_state(w, WORKER_DEAD, w->reason)) {
		leave_unlink(w);
		worker_free(w);
	}
}

void
worker_leave(struct worker *w, enum cause cause, const char *reason, bool with_delay)
{
	const struct conf_app *conf = w->generation->conf;

	leave_detach(w);
	w->cause = cause;
	w->next_leaving = w->slot->leaving;
	w->slot->leaving = w;
	switch (w->state) {
	case WORKER_IDLE:
		text_set(w->reason, reason);
		leave_idle(w);
		break;
	case WORKER_STARTING:
	case WORKER_PARKED:
		step_signal(w, reason);
		break;
	case WORKER_READY:
	case WORKER_STALLED:
		worker_set_state(w, WORKER_DRAINING, reason);
		if (with_delay && conf->drain_delay_ms > 0) {
			w->step = LEAVE_DELAY;
			worker_arm_ms(w, conf->drain_delay_ms);
		} else {
			step_cut(w);
		}
		break;
	case WORKER_DRAINING:
	case WORKER_STOPPING:
	case WORKER_DEAD:
	case WORKER_STATE_MAX:
		break;
	}
}

void
worker_hurry(struct worker *w, enum shutdown_mode mode)
{
	if (w->state == WORKER_IDLE || w->written_off)
		return;
	if (mode == SHUTDOWN_NOW) {
		if (w->state == WORKER_DRAINING)
			worker_set_state(w, WORKER_STOPPING, "killed: told to stop now");
		if (w->step < LEAVE_KILLED)
			leave_kill(w);
	} else if (mode == SHUTDOWN_QUICK) {
		if (w->state == WORKER_DRAINING)
			step_signal(w, "told to stop quickly");
		else if (w->step == LEAVE_SIGNALLED || w->step == LEAVE_ABORTED) {
			uint64_t due_us = w->app->core->now_us + CORE_QUICK_STOP_MS * 1000;

			if (w->timer.due_us > due_us)
				timer_arm(&w->app->core->timers, &w->timer, due_us);
		}
	} else if (mode == SHUTDOWN_NO_DELAY && w->step == LEAVE_DELAY) {
		step_cut(w);
	}
}

void
leave_on_deadline(struct worker *w)
{
	switch (w->step) {
	case LEAVE_DELAY:
		step_cut(w);
		break;
	case LEAVE_CUT:
	case LEAVE_QUIET:
		note_worker(w, NOTE_STRANDED, true, "%s after its stop timeout",
		    w->step == LEAVE_CUT ? "connections still wait at its socket"
		                         : "requests are still inside");
		if (w->on_ring)
			action_push_worker(w, ACTION_RING_CUT);
		step_signal(w, "drain deadline passed");
		break;
	case LEAVE_ASKED:
		step_signal(w, "did not answer the request to drain");
		break;
	case LEAVE_AGREED:
		if (w->mute && w->generation->node) {
			step_signal(w, "has drained and lives on");
			break;
		}
		note_worker(w, NOTE_STOP_ESCALATED, true, "has not finished draining in time");
		step_signal(w, "drain deadline passed");
		break;
	case LEAVE_SIGNALLED:
		step_abort(w);
		break;
	case LEAVE_ABORTED:
		note_worker(w, NOTE_STOP_ESCALATED, true, "still there: KILL");
		leave_kill(w);
		break;
	case LEAVE_KILLED:
		w->written_off = true;
		w->app->core->written_off++;
		note_worker(w, NOTE_UNKILLABLE, true,
		    "survives KILL (in the kernel, state D?): not waited for any more");
		break;
	case LEAVE_NONE:
	case LEAVE_STEP_MAX:
		break;
	}
}
