/*
 * steer: see the header.
 */
#include "loop/steer.h"

#include <string.h>
#include <utlist.h>

#include "core/cluster.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/tell.h"

static bool
names(const struct launch *la, const struct listener *ls)
{
	for (size_t i = 0; la && i < la->listeners_len; i++)
		if (la->listeners[i] == ls)
			return true;
	return false;
}

/* Whose seats its connections go to: when an address moves from one app to another, that is the
 * new one as soon as the core has said anything about it. */
static const struct app *
find_owner(const struct loop *l, const struct listener *ls)
{
	const struct app *owner = NULL;
	const struct launch *la;

	DL_FOREACH (l->launches->all, la) {
		const struct app *a = names(la, ls) ? core_find_app(l->core, la->app->name) : NULL;

		if (a && a->steer.mode != STEER_NONE)
			owner = a;
	}
	return owner;
}

/* One of Node's that serves has asked for what it reads, and another may have asked for more. */
static bool
has(struct loop *l, const struct worker *w, const struct listener *ls)
{
	const struct proc *p = w->generation->node && w->ready_us != 0 ? procs_find(l, w->id) : NULL;

	return p && p->node ? node_serves(p->node, ls) : names(w->generation->launch, ls);
}

/* Whether the worker of that seat, or the one that will have it, has ls among its sockets. */
static bool
is_read(struct loop *l, const struct slot *s, unsigned seat, const struct listener *ls)
{
	const struct generation *g = s->generation;
	const struct worker *w = s->current;

	if (!w || w->seat != seat)
		for (w = s->leaving; w && (w->seat != seat || w->step > LEAVE_DELAY);)
			w = w->next_leaving;
	if (w)
		return has(l, w, ls);
	return g && names(g->launch, ls);
}

/* Places of the seats of the core's table; targets has room for CONF_WORKERS_MAX. */
static unsigned
fill_targets(struct loop *l, const struct app *a, const struct listener *ls, uint16_t *targets)
{
	unsigned n = 0;

	if (a->steer.mode != STEER_SERVE)
		return 0;
	for (unsigned i = 0; i < a->steer.len && n < CONF_WORKERS_MAX; i++) {
		const struct steer_seat *seat = &a->steer.seats[i];
		unsigned place = listener_index(ls, seat->slot, seat->seat);

		if (place != LISTENER_NOWHERE && seat->slot < a->slots_len &&
		    is_read(l, a->slots[seat->slot], seat->seat, ls))
			targets[n++] = (uint16_t)place;
	}
	return n;
}

/* Places in use of all slots; of one that hung up, wherever the others go. */
static unsigned
fill_slots(const struct app *a, const struct listener *ls, const uint16_t *targets,
    unsigned targets_len, uint16_t *slots)
{
	unsigned n = 0;

	for (; n < a->slots_len && n < CONF_WORKERS_MAX; n++) {
		unsigned place = listener_index(ls, n, a->slots[n]->seat);

		if (place == LISTENER_NOWHERE)
			place = targets_len > 0 ? targets[0] : 0;
		slots[n] = (uint16_t)place;
	}
	return n;
}

/* Without a byte of memory of its own: where there is none, workers are replaced all the same, and
 * connections must not go to where nobody is. */
static int
attach(struct loop *l, const struct app *a, struct listener *ls)
{
	uint16_t targets[CONF_WORKERS_MAX], slots[CONF_WORKERS_MAX];
	unsigned len = fill_targets(l, a, ls, targets);
	unsigned slots_len = fill_slots(a, ls, targets, len, slots);
	int r;

	ls->partial = a->steer.mode == STEER_SERVE && len < a->steer.len;
	if (len == 0) {
		r = listener_open_plug(ls, slots_len > 0 ? slots[0] : 0);
		if (r < 0)
			return r;
		targets[len++] = ls->plug_place;
	}
	return listener_steer(
	    ls, a->generation->conf->balance, targets, len, slots, slots_len);
}

static void
steer(struct loop *l, const struct app *a, struct listener *ls)
{
	const struct log_who who = {.app = a->name, .slot = -1};
	int r;

	if (!a->generation)
		return;
	r = attach(l, a, ls);
	if (r == 0)
		return;
	ls->partial = true; /* tried again as soon as anything happens */
	tell(l, LOG_LEVEL_WARN, "steer_failed", &who,
	    "%s: new connections go where they went before: %s", ls->key, strerror(-r));
}

static void
steer_app(struct loop *l, const char *name, bool only_partial)
{
	const struct app *a = core_find_app(l->core, name);
	struct listener *ls, *next;

	if (!a)
		return;
	HASH_ITER (hh, l->launches->listeners.by_key, ls, next)
		if (ls->shape == LISTENER_STEERED && (ls->partial || !only_partial) &&
		    find_owner(l, ls) == a)
			steer(l, a, ls);
}

void
steer_apply(struct loop *l, const struct action *a)
{
	steer_app(l, a->app, false);
}

void
steer_on_transition(struct loop *l, const char *app)
{
	steer_app(l, app, true);
}

void
steer_listener(struct loop *l, struct listener *ls)
{
	const struct app *a = ls->shape == LISTENER_STEERED ? find_owner(l, ls) : NULL;

	if (a)
		steer(l, a, ls);
}
