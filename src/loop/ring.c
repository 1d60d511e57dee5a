/*
 * ring: see the header.
 */
#include "loop/ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/tell.h"
#include "loop/waitset.h"

struct ring {
	char app[49];
	struct waitset_group *group;
	UT_hash_handle hh;
};

static int
send_message(void *arg, worker_id worker, const struct channel_ring *message)
{
	struct proc *p = procs_find(arg, worker);

	return p ? channel_send_ring(p->channel, message) : -ESRCH;
}

static struct ring *
find(struct loop *l, const char *app)
{
	struct ring *r;

	HASH_FIND_STR(l->rings, app, r);
	return r;
}

static struct ring *
find_or_make(struct loop *l, const char *app)
{
	struct ring *r = find(l, app);

	if (r)
		return r;
	r = mem_calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	(void)snprintf(r->app, sizeof(r->app), "%s", app);
	r->group = waitset_group_new(send_message, l);
	if (r->group)
		HASH_ADD_STR(l->rings, app, r);
	if (r->group && r->hh.tbl)
		return r;
	waitset_group_free(r->group);
	mem_free(r);
	return NULL;
}

static void
ring_free(struct loop *l, struct ring *r)
{
	HASH_DEL(l->rings, r);
	waitset_group_free(r->group);
	mem_free(r);
}

/* Slots in use. Those of workers that leave because the app got smaller are not. */
static unsigned
width_of(const struct loop *l, const char *app)
{
	const struct app *a = core_find_app(l->core, app);

	return a && a->target_len > 0 ? a->target_len : 1;
}

static void
complain(struct loop *l, const struct action *a, int r)
{
	const struct log_who who = {
	    .app = a->app,
	    .slot = a->slot,
	    .pid = a->pid,
	    .generation = a->generation,
	};

	if (r < 0)
		tell(l, LOG_LEVEL_WARN, "ring_incomplete", &who,
		    "its wait set is not what it should be: %s", strerror(-r));
}

void
ring_give(struct loop *l, const struct action *a)
{
	const struct worker *w = core_find_worker(l->core, a->worker);
	const struct launch *la = w ? w->generation->launch : NULL;
	struct waitset_source sources[CONF_LISTENERS_MAX];
	struct waitset_worker who = {.id = a->worker, .sources = sources};
	struct ring *r = la ? find_or_make(l, a->app) : NULL;

	if (!r) {
		complain(l, a, la ? -ENOMEM : 0);
		return;
	}
	who.slot = w->slot->index;
	who.seat = w->seat;
	who.neighbours = a->ring.neighbours;
	who.own_slot_only = la->app->balance == BALANCE_STICKY;
	for (size_t i = 0; i < la->listeners_len; i++)
		if (la->listen[i]->kind != LISTEN_UDP)
			sources[who.sources_len++] =
			    (struct waitset_source){la->listeners[i], la->listen[i]->name};
	complain(l, a, waitset_give(r->group, &who, width_of(l, a->app)));
}

void
ring_join(struct loop *l, const struct action *a)
{
	struct ring *r = find(l, a->app);

	if (r)
		complain(l, a, waitset_join(r->group, a->worker, width_of(l, a->app)));
}

void
ring_cut(struct loop *l, const struct action *a)
{
	struct ring *r = find(l, a->app);

	if (r)
		waitset_cut(r->group, a->worker);
}

void
ring_kick(struct loop *l, const struct action *a)
{
	struct ring *r = find(l, a->app);

	/* What failed is tried again with the next look at the queue. */
	if (r && a->slot >= 0)
		(void)waitset_kick(r->group, a->worker, (unsigned)a->slot, a->seat);
}

/* A socket that all share may block again only while nobody else lives who could rely on the
 * contrary. Those of a seat are seen to where the worker is started. */
static void
settle_shared(struct loop *l, const struct action *a, const struct ring *r)
{
	const struct app *app = core_find_app(l->core, a->app);
	const struct launch *la = a->launch;

	for (size_t i = 0; app && app->alive == 0 && i < la->listeners_len; i++)
		if (la->listeners[i]->shape == LISTENER_ONE &&
		    !(r && waitset_uses(r->group, la->listeners[i])))
			listener_assert_mode(la->listeners[i], 0, 0);
}

void
ring_before_spawn(struct loop *l, const struct action *a)
{
	struct ring *r = a->spawn.alone ? find_or_make(l, a->app) : find(l, a->app);
	unsigned slot = a->slot < 0 ? 0 : (unsigned)a->slot;

	if (a->spawn.alone)
		complain(
		    l, a, r ? waitset_leave_alone(r->group, a->worker, slot, a->seat) : -ENOMEM);
	settle_shared(l, a, r);
}

void
ring_forget(struct loop *l, worker_id worker)
{
	struct proc *p = procs_find(l, worker);
	struct ring *r = p ? find(l, p->app) : NULL;

	if (!r)
		return;
	(void)waitset_forget(r->group, worker); /* the next to join is told what is missing */
	if (waitset_group_is_idle(r->group))
		ring_free(l, r);
}

void
ring_on_growth(struct loop *l, const char *app)
{
	struct ring *r = find(l, app);

	if (r)
		(void)waitset_settle(r->group, width_of(l, app)); /* as above */
}

void
ring_done(struct loop *l)
{
	struct ring *r, *next;

	HASH_ITER (hh, l->rings, r, next)
		ring_free(l, r);
}
