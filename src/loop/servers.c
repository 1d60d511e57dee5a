/*
 * servers: see the header. What the first worker says with its question (the keys of TLS tickets) is
 * what all of an app are told, as long as the app lives: a ticket is good at every worker, and
 * after a restart.
 */
#include "loop/servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/asked.h"
#include "loop/dispatch.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/steer.h"
#include "loop/tell.h"

#define DATA_MAX     1024 /* of one address: the keys are a tenth of it */
#define DATA_ENTRIES 4096
#define SERVERS_MAX  256 /* of one worker */
#define FAILURES_MAX 8 /* of one worker in a second: each may mean a walk through all of /proc */

#define LOOK_MS 2000 /* after one asked for an address of its own: by then it has asked for all */

struct server_data {
	char id[49 + 1 + NODE_KEY_MAX]; /* app, NUL, key */
	size_t id_len, len;
	char *text;
	UT_hash_handle hh;
};

struct servers {
	struct loop *loop;
	struct server_data *data; /* uthash */
	uv_timer_t timer; /* looks for addresses that nobody uses */
};

/* --- what the first one said ------------------------------------------------------------------ */

static size_t
make_id(char id[sizeof(((struct server_data *)NULL)->id)], const char *app, const char *key)
{
	size_t len = strlen(app) + 1;

	memcpy(id, app, len);
	memcpy(id + len, key, strlen(key));
	return len + strlen(key);
}

static struct server_data *
find_data(const struct loop *l, const char *app, const char *key)
{
	char id[sizeof(((struct server_data *)NULL)->id)];
	size_t len = make_id(id, app, key);
	struct server_data *d;

	HASH_FIND(hh, l->servers->data, id, len, d);
	return d;
}

static void
free_data(struct loop *l, struct server_data *d)
{
	HASH_DEL(l->servers->data, d);
	mem_free(d->text);
	mem_free(d);
}

static bool
has_data(const struct node_query *q)
{
	return q->data && (q->data_len != 4 || memcmp(q->data, "null", 4) != 0);
}

/* Without memory the next one is the first. */
static void
keep_data(struct loop *l, const char *app, const struct node_query *q)
{
	struct server_data *d;

	if (!has_data(q) || q->data_len > DATA_MAX ||
	    HASH_CNT(hh, l->servers->data) >= DATA_ENTRIES || find_data(l, app, q->key))
		return;
	d = mem_calloc(1, sizeof(*d));
	if (!d)
		return;
	d->text = mem_alloc(q->data_len);
	if (d->text) {
		memcpy(d->text, q->data, d->len = q->data_len);
		d->id_len = make_id(d->id, app, q->key);
		HASH_ADD_KEYPTR(hh, l->servers->data, d->id, d->id_len, d);
	}
	if (d->hh.tbl)
		return;
	mem_free(d->text);
	mem_free(d);
}

void
servers_forget(struct loop *l, const char *app)
{
	struct server_data *d, *next;

	HASH_ITER (hh, l->servers->data, d, next)
		if (!app || strcmp(d->id, app) == 0)
			free_data(l, d);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* A key without its index. */
static size_t
base_len(const char *key)
{
	const char *colon = strrchr(key, ':');

	return colon ? (size_t)(colon - key) : strlen(key);
}

/* One worker has an address once; of any port, one for each index. */
static bool
is_held(const struct server_set *set, const struct node_query *q)
{
	bool any_port = (q->type == NODE_ADDRESS_TCP || node_query_is_udp(q)) && q->port <= 0;
	size_t len = base_len(q->key);

	for (const struct server *s = set->all; s; s = s->next) {
		if (strcmp(s->key, q->key) == 0)
			return true;
		if (!any_port && base_len(s->key) == len && memcmp(s->key, q->key, len) == 0)
			return true;
	}
	return false;
}

/* What a program of round robin shall believe that it listens on: its own words, where it had any. */
static void
fill_name(const struct node_query *q, struct server_answer *ret)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	} a;
	socklen_t len = sizeof(a);
	const void *bytes;

	if (getsockname(ret->fd, &a.any, &len) != 0 ||
	    (a.any.sa_family != AF_INET && a.any.sa_family != AF_INET6))
		return;
	ret->v6 = a.any.sa_family == AF_INET6;
	bytes = ret->v6 ? (const void *)&a.v6.sin6_addr : (const void *)&a.v4.sin_addr;
	(void)inet_ntop(a.any.sa_family, bytes, ret->address, sizeof(ret->address)); /* it fits */
	ret->port = q->port > 0 ? (uint16_t)q->port : ret->listener->port;
}

static void
tell_failure(struct loop *l, const struct proc *p, int error, const struct err *e)
{
	const struct log_who who = {
	    .app = p->app,
	    .slot = (int)p->slot,
	    .pid = p->pid,
	    .generation = p->generation,
	};

	tell(l, LOG_LEVEL_WARN, "listen_failed", &who, "listen: %s",
	    e->text[0] ? e->text : strerror(-error));
}

static void look_later(struct loop *l, const struct launch *la);

static int
note_server(struct server_set *set, const struct node_query *q, const struct listener *ls)
{
	struct server *s = set->len < SERVERS_MAX ? mem_calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return set->len < SERVERS_MAX ? -ENOMEM : -EMFILE;
	memcpy(s->key, q->key, sizeof(s->key));
	s->listener = ls;
	LL_APPEND(set->all, s);
	set->len++;
	return 0;
}

/* A program that tries one port after the other, or one for ever, shall not hold up the master: what
 * failed so often is not looked into any more. */
static bool
fails_often(struct server_set *set)
{
	if (clock_now_us() - set->second_us >= 1000000)
		set->failures = 0;
	if (set->failures == 0)
		set->second_us = clock_now_us();
	return set->failures >= FAILURES_MAX;
}

int
servers_open(struct loop *l, struct proc *p, struct server_set *set, const struct node_query *q,
    struct server_answer *ret)
{
	const struct worker *w = core_find_worker(l->core, p->worker);
	const struct server_data *data;
	struct err why = {{0}}, *e = fails_often(set) ? NULL : &why;
	int r = -EINVAL;

	*ret = (struct server_answer){.data = q->data, .data_len = q->data_len};
	if (w && is_held(set, q))
		r = err_set(e, -EADDRINUSE, "%s: this worker listens there already", q->key);
	else if (w)
		r = asked_listener(l, w->generation->launch, set, q, &ret->listener, e);
	if (r == 0)
		r = note_server(set, q, ret->listener);
	if (r == 0)
		keep_data(l, p->app, q);
	data = find_data(l, p->app, q->key);
	if (data) {
		ret->data = data->text;
		ret->data_len = data->len;
	}
	if (r < 0) {
		set->failures++;
		if (e)
			tell_failure(l, p, r, e);
		return r;
	}
	ret->fd = listener_fd(ret->listener, w->slot->index, w->seat);
	ret->plain =
	    w->generation->conf->balance == BALANCE_DISPATCH && ret->listener->kind != LISTEN_UDP;
	ret->any_port = q->port > 0 && ret->listener->port != q->port;
	if (ret->plain)
		fill_name(q, ret);
	look_later(l, w->generation->launch);
	/* A worker that blocks in accept() answers nobody; one of Node's does not see to it itself. */
	(void)fd_set_nonblocking(ret->fd, true);
	return 0;
}

void
servers_close(struct server_set *set, const char *key)
{
	struct server *s, *next;

	LL_FOREACH_SAFE (set->all, s, next) {
		if (strcmp(s->key, key) != 0)
			continue;
		LL_DELETE(set->all, s);
		set->len--;
		mem_free(s);
	}
}

void
servers_close_all(struct server_set *set)
{
	while (set->all) {
		struct server *s = set->all;

		LL_DELETE(set->all, s);
		mem_free(s);
	}
	set->len = 0;
}

const struct server *
servers_find(const struct server_set *set, const struct listener *ls)
{
	const struct server *s;

	LL_FOREACH (set->all, s)
		if (s->listener == ls)
			return s;
	return NULL;
}

const struct server *
servers_by_key(const struct server_set *set, const char *key)
{
	const struct server *s;

	LL_FOREACH (set->all, s)
		if (strcmp(s->key, key) == 0)
			return s;
	return NULL;
}

static bool
is_open(struct loop *l, const struct launch *la, const struct listener *ls)
{
	const struct worker *w, *next;

	HASH_ITER (by_id, l->core->workers, w, next) {
		const struct proc *p = w->generation->launch == la ? procs_find(l, w->id) : NULL;

		if (p && p->node && node_serves(p->node, ls))
			return true;
	}
	return false;
}

void
servers_settle(struct loop *l, const struct proc *p, const struct listener *listener)
{
	const struct worker *w = core_find_worker(l->core, p->worker);
	struct launch *la = w ? w->generation->launch : NULL;

	for (size_t i = 0; la && i < la->listeners_len; i++) {
		struct listener *ls = la->listeners[i];

		if (ls != listener)
			continue;
		steer_listener(l, ls);
		if (i >= la->app->listen_len && !is_open(l, la, ls))
			launch_drop_listener(l, la, ls);
		dispatch_settle(l);
		return;
	}
}

/* --- addresses that nobody uses ------------------------------------------------------------------- */

bool
servers_is_unused(struct loop *l, const struct launch *la, size_t i, uint16_t *ret_as)
{
	bool elsewhere = false;

	*ret_as = 0;
	if (la->take != TAKE_NODE || i >= la->app->listen_len || is_open(l, la, la->listeners[i]))
		return false;
	for (size_t k = la->app->listen_len; k < la->listeners_len; k++) {
		if (!is_open(l, la, la->listeners[k]))
			continue;
		elsewhere = true;
		if (*ret_as == 0 && la->listen[k]->kind == la->listen[i]->kind &&
		    la->listen[k]->kind != LISTEN_UNIX)
			*ret_as = la->listen[k]->port;
	}
	return elsewhere;
}

static void
tell_unused(struct loop *l, const struct launch *la)
{
	const struct log_who who = {.app = la->app->name, .slot = -1};
	uint16_t as;

	for (size_t i = 0; i < la->app->listen_len; i++) {
		if (la->listeners[i]->told_unused || !servers_is_unused(l, la, i, &as))
			continue;
		la->listeners[i]->told_unused = true;
		if (as == 0)
			tell(l, LOG_LEVEL_WARN, "listener_unused", &who,
			    "listen = %s: no worker listens there, but elsewhere",
			    la->listen[i]->text);
		else
			tell(l, LOG_LEVEL_WARN, "listener_unused", &who,
			    "listen = %s: no worker listens there, but on port %u: "
			    "write ?as=%u behind the address",
			    la->listen[i]->text, (unsigned)as, (unsigned)as);
	}
}

static void
on_timer(uv_timer_t *h)
{
	const struct servers *s = h->data;
	const struct app *a;
	const struct launch *la;

	DL_FOREACH (s->loop->launches->all, la) {
		a = core_find_app(s->loop->core, la->app->name);
		if (la->take == TAKE_NODE && a && a->generation && a->generation->launch == la)
			tell_unused(s->loop, la);
	}
}

static void
look_later(struct loop *l, const struct launch *la)
{
	if (la->app->listen_len == 0 || la->listeners_len == la->app->listen_len ||
	    uv_is_active((uv_handle_t *)&l->servers->timer))
		return;
	uv_update_time(&l->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(&l->servers->timer, on_timer, LOOK_MS, 0); /* cannot fail */
}

/* --- life ----------------------------------------------------------------------------------------- */

int
servers_init(struct loop *l, struct err *e)
{
	struct servers *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->loop = l;
	(void)uv_timer_init(&l->uv, &s->timer); /* cannot fail */
	s->timer.data = s;
	l->servers = s;
	return 0;
}

static void
on_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void
servers_done(struct loop *l)
{
	if (!l->servers)
		return;
	servers_forget(l, NULL);
	uv_close((uv_handle_t *)&l->servers->timer, on_closed);
	l->servers = NULL;
}
