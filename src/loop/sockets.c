/*
 * sockets: the listeners of a launch: got all together or not at all, grown with the app, guarded
 * and steered from the first moment on.
 */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/guard.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/queues.h"
#include "loop/steer.h"
#include "loop/tell.h"

/* Once: it is this system that is so, not the app. */
static void
tell_shared(struct loop *l, const char *why)
{
	if (l->launches->told_shared)
		return;
	l->launches->told_shared = true;
	tell(l, LOG_LEVEL_WARN, "steering_unavailable", NULL,
	    "%s: balance = even, sticky and cpu are one socket for all workers of an app", why);
}

bool
launch_is_steered(const struct launch *la)
{
	bool steered = false;

	for (size_t i = 0; i < la->app->listen_len; i++) {
		if (la->listeners[i]->kind != LISTEN_TCP)
			continue;
		if (la->listeners[i]->shape != LISTENER_STEERED)
			return false;
		steered = true;
	}
	return steered;
}

/* Addresses that were open before, for apps that are no more, may have met in one: nobody would
 * steer its group then. */
static int
check_shapes(const struct launch *la, struct err *e)
{
	for (size_t i = 0; i < la->app->listen_len && !launch_is_steered(la); i++)
		if (la->listeners[i]->shape == LISTENER_STEERED)
			return err_set(e, -EINVAL,
			    "listen = %s: it is open with sockets for each worker, and another "
			    "address of the app with one for all; use other addresses, or stop "
			    "broodd and start it again",
			    la->app->listen[i].text);
	return 0;
}

int
launch_get_listeners(struct loop *l, struct launch *la, unsigned workers, struct err *e)
{
	const struct conf_app *app = la->app;
	struct listener_table *t = &l->launches->listeners;
	unsigned before[CONF_LISTENERS_MAX];
	size_t n = 0;
	int r = 0;

	la->listeners = mem_calloc(app->listen_len + 1, sizeof(struct listener *));
	if (!la->listeners)
		return err_set(e, -ENOMEM, "out of memory");
	t->cpus = l->ctl.cpus;
	t->why_shared = NULL;
	for (; n < app->listen_len && r == 0; n++) {
		struct listener *known;

		HASH_FIND(hh, t->by_key, app->listen[n].key, strlen(app->listen[n].key), known);
		before[n] = known ? known->len : 0;
		r = listener_get(t, app, &app->listen[n], workers, &la->listeners[n], e);
		if (r == 0 && t->why_shared)
			tell_shared(l, t->why_shared);
	}
	if (r == 0)
		r = check_shapes(la, e);
	if (r == 0)
		return 0;
	while (n-- > 0) {
		struct listener *ls = la->listeners[n];

		la->listeners[n] = NULL;
		if (ls && before[n] > 0)
			listener_shrink(ls, before[n]);
		listener_put(t, ls);
	}
	return r;
}

void
launch_settle_listeners(struct loop *l, const struct launch *la)
{
	for (size_t i = 0; i < la->app->listen_len; i++) {
		guard_add(l, la->listeners[i]);
		steer_listener(l, la->listeners[i]);
	}
	queues_settle(l, la->app->name);
}

void
launch_put_listeners(struct loop *l, const struct launch *la)
{
	for (size_t i = 0; i < la->app->listen_len; i++) {
		if (la->listeners[i]->refs == 1) {
			guard_remove(l, la->listeners[i]);
			queues_reopen(l, la->app->name);
		}
		listener_put(&l->launches->listeners, la->listeners[i]);
	}
}

int
launch_open_slots(struct loop *l, struct launch *la, unsigned workers, struct err *e)
{
	const struct conf_app *app = la->app;
	unsigned before[CONF_LISTENERS_MAX];

	for (size_t i = 0; i < app->listen_len; i++) {
		int r;

		before[i] = la->listeners[i]->len;
		r = listener_grow(la->listeners[i], &app->listen[i], workers, e);
		if (r == 0)
			continue;
		while (i-- > 0)
			listener_shrink(la->listeners[i], before[i]);
		return r;
	}
	launch_settle_listeners(l, la);
	return 0;
}

static void
close_slots(struct loop *l, const char *app, struct listener *ls, unsigned workers)
{
	if (ls->shape != LISTENER_PER_SLOT || ls->len <= workers)
		return;
	guard_remove(l, ls);
	listener_shrink(ls, workers);
	guard_add(l, ls);
	queues_reopen(l, app);
}

void
launch_close_slots(struct loop *l, const char *app, unsigned workers)
{
	struct launch *la;

	DL_FOREACH (l->launches->all, la) {
		if (strcmp(la->app->name, app) != 0)
			continue;
		for (size_t i = 0; i < la->app->listen_len; i++)
			close_slots(l, app, la->listeners[i], workers);
	}
}

size_t
launch_sockets(const struct launch *la)
{
	size_t n = 0;

	for (size_t i = 0; i < la->app->listen_len; i++)
		n += la->listeners[i]->len;
	return n;
}

void
launch_assert_modes(const struct launch *la, unsigned slot, unsigned seat)
{
	for (size_t i = 0; i < la->app->listen_len; i++)
		if (la->listeners[i]->shape == LISTENER_STEERED)
			listener_assert_mode(la->listeners[i], slot, seat);
}

size_t
launch_listeners(struct loop *l, const char *app, struct listener_info *ret, size_t max)
{
	const struct app *a = core_find_app(l->core, app);
	const struct launch *la = a && a->generation ? a->generation->launch : NULL;
	size_t n = la ? la->app->listen_len : 0;

	for (size_t i = 0; i < n && i < max; i++)
		ret[i] = (struct listener_info){
		    .key = la->listeners[i]->key,
		    .name = la->app->listen[i].name,
		    .sockets = la->listeners[i]->len,
		    .port = la->listeners[i]->port,
		    .shape = listener_shape_to_string(la->listeners[i]->shape),
		};
	return n;
}
