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
#include "loop/servers.h"
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

	for (size_t i = 0; i < la->listeners_len; i++) {
		if (la->listeners[i]->kind != LISTEN_TCP)
			continue;
		if (la->listeners[i]->shape != LISTENER_STEERED)
			return false;
		steered = true;
	}
	return steered || la->may_steer;
}

bool
launch_is_node(const struct launch *la)
{
	return la->take == TAKE_NODE;
}

bool
launch_is_nonblocking(const struct launch *la)
{
	if (la->app->nonblocking != TRI_AUTO)
		return la->app->nonblocking == TRI_YES;
	return la->take == TAKE_NODE || la->take == TAKE_BIND;
}

/* Addresses that were open before, for apps that are no more, may have met in one: nobody would
 * steer its group then. */
static int
check_shapes(const struct launch *la, struct err *e)
{
	for (size_t i = 0; i < la->listeners_len && !launch_is_steered(la); i++)
		if (la->listeners[i]->shape == LISTENER_STEERED)
			return err_set(e, -EINVAL,
			    "listen = %s: it is open with sockets for each worker, and another "
			    "address of the app with one for all; use other addresses, or stop "
			    "broodd and start it again",
			    la->listen[i]->text);
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
	la->listen = mem_calloc(app->listen_len + 1, sizeof(struct conf_listen *));
	if (!la->listeners || !la->listen)
		return err_set(e, -ENOMEM, "out of memory");
	t->cpus = l->ctl.cpus;
	t->why_shared = NULL;
	for (; n < app->listen_len && r == 0; n++) {
		struct listener *known;

		HASH_FIND(hh, t->by_key, app->listen[n].key, strlen(app->listen[n].key), known);
		before[n] = known ? known->len : 0;
		la->listen[n] = &app->listen[n];
		r = listener_get(t, app, la->listen[n], launch_is_nonblocking(la), workers,
		    &la->listeners[n], e);
		if (r == 0 && t->why_shared)
			tell_shared(l, t->why_shared);
	}
	if (r == 0) {
		la->listeners_len = n;
		la->may_steer =
		    la->take == TAKE_NODE && n == 0 && listeners_may_steer(t, app, workers);
		r = check_shapes(la, e);
	}
	if (r == 0)
		return 0;
	la->listeners_len = 0;
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
	for (size_t i = 0; i < la->listeners_len; i++) {
		guard_add(l, la->listeners[i]);
		steer_listener(l, la->listeners[i]);
	}
	queues_settle(l, la->app->name);
}

void
launch_put_listeners(struct loop *l, const struct launch *la)
{
	for (size_t i = 0; i < la->listeners_len; i++) {
		if (la->listeners[i]->refs == 1) {
			guard_remove(l, la->listeners[i]);
			queues_reopen(l, la->app->name);
		}
		listener_put(&l->launches->listeners, la->listeners[i]);
	}
}

int
launch_add_listener(struct loop *l, struct launch *la, const struct conf_listen *conf,
    struct listener **ret, struct err *e)
{
	struct listener_table *t = &l->launches->listeners;
	const struct app *a = core_find_app(l->core, la->app->name);
	const struct conf_listen **listen;
	struct listener **listeners;
	struct conf_listen *copy;
	size_t n = la->listeners_len;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(la->listen[i]->key, conf->key) != 0)
			continue;
		*ret = la->listeners[i];
		return 0;
	}
	if (n >= CONF_LISTENERS_MAX)
		return err_set(e, -EMFILE, "listen = %s: an app has %d addresses at most",
		    conf->text, CONF_LISTENERS_MAX);
	listeners = mem_realloc(la->listeners, (n + 1) * sizeof(*listeners));
	if (listeners)
		la->listeners = listeners;
	listen = mem_realloc(la->listen, (n + 1) * sizeof(*listen));
	if (listen)
		la->listen = listen;
	copy = listeners && listen ? conf_listen_copy(conf) : NULL;
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	t->cpus = l->ctl.cpus;
	r = listener_get(t, la->app, copy, launch_is_nonblocking(la),
	    a && a->slots_len > 0 ? a->slots_len : 1, &la->listeners[n], e);
	if (r < 0) {
		conf_listen_free(copy);
		return r;
	}
	la->listen[n] = copy;
	la->listeners_len++;
	*ret = la->listeners[n];
	guard_add(l, *ret);
	steer_listener(l, *ret);
	queues_reopen(l, la->app->name);
	return 0;
}

void
launch_drop_listener(struct loop *l, struct launch *la, struct listener *ls)
{
	size_t i = la->app->listen_len, last = la->listeners_len - 1;

	while (i < la->listeners_len && la->listeners[i] != ls)
		i++;
	if (i >= la->listeners_len)
		return;
	if (ls->refs == 1) {
		guard_remove(l, ls);
		queues_reopen(l, la->app->name);
	}
	conf_listen_free((struct conf_listen *)la->listen[i]);
	la->listen[i] = la->listen[last];
	la->listeners[i] = la->listeners[last];
	la->listeners_len--;
	listener_put(&l->launches->listeners, ls);
}

bool
launches_serve(const struct loop *l, const char *app, const struct listener *ls)
{
	const struct launch *la;

	DL_FOREACH (l->launches->all, la) {
		if (strcmp(la->app->name, app) != 0)
			continue;
		for (size_t i = 0; i < la->listeners_len; i++)
			if (la->listeners[i] == ls)
				return true;
	}
	return false;
}

int
launch_open_slots(struct loop *l, struct launch *la, unsigned workers, struct err *e)
{
	unsigned before[CONF_LISTENERS_MAX];

	for (size_t i = 0; i < la->listeners_len; i++) {
		int r;

		before[i] = la->listeners[i]->len;
		r = listener_grow(la->listeners[i], la->listen[i], workers, e);
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
		for (size_t i = 0; i < la->listeners_len; i++)
			close_slots(l, app, la->listeners[i], workers);
	}
}

size_t
launch_sockets(const struct launch *la)
{
	size_t n = 0;

	for (size_t i = 0; i < la->listeners_len; i++)
		n += la->listeners[i]->len;
	return n;
}

void
launch_assert_modes(const struct launch *la, unsigned slot, unsigned seat)
{
	for (size_t i = 0; i < la->listeners_len; i++)
		if (la->listeners[i]->shape == LISTENER_STEERED)
			listener_assert_mode(la->listeners[i], slot, seat);
}

size_t
launch_listeners(struct loop *l, const char *app, struct listener_info *ret, size_t max)
{
	const struct app *a = core_find_app(l->core, app);
	const struct launch *la = a && a->generation ? a->generation->launch : NULL;
	size_t n = la ? la->listeners_len : 0;

	for (size_t i = 0; i < n && i < max; i++) {
		bool asked = i >= la->app->listen_len;
		bool any_port = asked && la->listen[i]->kind != LISTEN_UNIX && la->listen[i]->port == 0;

		ret[i] = (struct listener_info){
		    .key = any_port ? la->listen[i]->text : la->listeners[i]->key,
		    .name = la->listen[i]->name,
		    .sockets = la->listeners[i]->len,
		    .port = la->listeners[i]->port,
		    .shape = listener_shape_to_string(la->listeners[i]->shape),
		    .asked = asked,
		};
		ret[i].unused = servers_is_unused(l, la, i, &ret[i].use_as);
	}
	return n;
}
