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

static const char *
check_current(const struct slot *s)
{
	const struct worker *w = s->current;

	switch (s->state) {
	case SLOT_SERVING:
		if (!w || w->state != WORKER_READY)
			return "a serving slot has no ready worker";
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
	if (w && s->state != SLOT_SERVING)
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
	return check_leaving(s);
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
	if (a->leader && (a->leader->state != WORKER_READY || !a->leader->leads))
		return "the leader is not ready";
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
	return check_leader(a);
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
