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

#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cluster.h"
#include "loop/dispatch.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/steer.h"
#include "loop/tell.h"

#define DATA_MAX     65536 /* of one address */
#define FD_FIRST     3 /* listen({fd}): the first address of the configuration */
#define FILE_MODE    0777 /* of a UNIX socket's file, without the umask's bits */
#define READABLE_ALL 0444
#define WRITABLE_ALL 0222

struct server_data {
	char id[49 + 1 + NODE_KEY_MAX]; /* app, NUL, key */
	size_t id_len, len;
	char *text;
	UT_hash_handle hh;
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

	HASH_FIND(hh, l->launches->server_data, id, len, d);
	return d;
}

static void
free_data(struct loop *l, struct server_data *d)
{
	HASH_DEL(l->launches->server_data, d);
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

	if (!has_data(q) || q->data_len > DATA_MAX || find_data(l, app, q->key))
		return;
	d = mem_calloc(1, sizeof(*d));
	if (!d)
		return;
	d->text = mem_alloc(q->data_len);
	if (d->text) {
		memcpy(d->text, q->data, d->len = q->data_len);
		d->id_len = make_id(d->id, app, q->key);
		HASH_ADD_KEYPTR(hh, l->launches->server_data, d->id, d->id_len, d);
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

	if (!l->launches)
		return;
	HASH_ITER (hh, l->launches->server_data, d, next)
		if (!app || strcmp(d->id, app) == 0)
			free_data(l, d);
}

/* --- which listener --------------------------------------------------------------------------- */

static bool
is_udp(const struct node_query *q)
{
	return q->type == NODE_ADDRESS_UDP4 || q->type == NODE_ADDRESS_UDP6;
}

/* All addresses, and IPv4 as well where it is one of IPv6. */
static bool
is_dual(const struct node_query *q)
{
	if (q->address[0] == '\0')
		return q->type == NODE_ADDRESS_TCP || (q->type == NODE_ADDRESS_UDP6 && !q->v6only);
	return strcmp(q->address, "::") == 0 && !q->v6only;
}

/* As conf has it. */
static const char *
host_of(const struct node_query *q)
{
	if (is_dual(q))
		return "*";
	if (q->address[0])
		return q->address;
	return q->type == NODE_ADDRESS_UDP6 ? "::" : "0.0.0.0";
}

static bool
is_wildcard(const char *host)
{
	return strcmp(host, "*") == 0 || strcmp(host, "::") == 0 || strcmp(host, "0.0.0.0") == 0;
}

/* A datagram socket of Node's is of one family. */
static bool
has_family(const struct listener *ls, const struct node_query *q)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(listener_fd(ls, 0, 0), SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       domain == (q->type == NODE_ADDRESS_UDP6 ? AF_INET6 : AF_INET);
}

/* How well an address of the configuration is what was asked for; 0: it is not. Another address of
 * the port will do, but two servers of one worker are not one. */
static unsigned
rank(const struct conf_listen *conf, const struct listener *ls, const struct node_query *q,
    const struct server *servers)
{
	bool exact, as;

	if (q->type == NODE_ADDRESS_PATH)
		return conf->kind == LISTEN_UNIX && !q->abstract &&
		       strcmp(conf->path, q->address) == 0;
	if (conf->kind != (is_udp(q) ? LISTEN_UDP : LISTEN_TCP) || q->port <= 0)
		return 0;
	as = conf->as == q->port;
	if ((!as && ls->port != q->port) || (is_udp(q) && !has_family(ls, q)))
		return 0;
	exact = strcmp(conf->host, host_of(q)) == 0;
	if (!exact && !is_wildcard(conf->host) && !is_wildcard(host_of(q)) &&
	    servers_find(servers, ls))
		return 0;
	return 1 + exact + 2 * as;
}

static struct listener *
find_named(const struct launch *la, const struct node_query *q, const struct server *servers)
{
	struct listener *best = NULL;
	unsigned best_rank = 0;

	for (size_t i = 0; i < la->app->listen_len; i++) {
		unsigned r = rank(la->listen[i], la->listeners[i], q, servers);

		if (r > best_rank) {
			best = la->listeners[i];
			best_rank = r;
		}
	}
	return best;
}

/* listen({fd: N}): never a descriptor of the master's. */
static int
find_by_fd(const struct launch *la, const struct node_query *q, struct listener **ret)
{
	size_t i = (size_t)(q->fd - FD_FIRST);

	if (q->fd < FD_FIRST || i >= la->app->listen_len ||
	    (la->listeners[i]->kind == LISTEN_UDP) != is_udp(q))
		return -EINVAL;
	*ret = la->listeners[i];
	return 0;
}

static int
make_unix(const struct loop *l, const struct launch *la, const struct node_query *q,
    struct conf_listen *ret, struct str *key)
{
	const char *base = strrchr(q->address, '/');
	mode_t umask = la->app->umask >= 0 ? (mode_t)la->app->umask : l->options.umask;

	str_addf(key, "unix:%s%s", q->abstract ? "@" : "", q->address);
	if (str_failed(key))
		return -ENOMEM;
	*ret = (struct conf_listen){
	    .kind = LISTEN_UNIX,
	    .key = key->data,
	    .text = key->data,
	    .path = key->data + strlen("unix:"),
	    .name = base ? (char *)(uintptr_t)base + 1 : (char *)(uintptr_t)q->address,
	    .mode = (int)((FILE_MODE & ~umask) | (q->readable_all ? READABLE_ALL : 0) |
	                  (q->writable_all ? WRITABLE_ALL : 0)),
	    .owner = la->app->user,
	    .group = la->app->group,
	    .backlog = q->backlog,
	};
	return 0;
}

static int
make_inet(const struct launch *la, const struct node_query *q, struct conf_listen **ret,
    struct err *e)
{
	const char *host = host_of(q);
	struct str text = {0}, key = {0};
	int r = -ENOMEM;

	*ret = NULL;
	str_addf(&text, strchr(host, ':') ? "%s[%s]:%d" : "%s%s:%d", is_udp(q) ? "udp:" : "", host,
	    q->port > 0 ? q->port : 0);
	if (!str_failed(&text)) {
		*ret = conf_listen_new(str_text(&text), e);
		r = *ret ? 0 : -EINVAL;
	}
	str_free(&text);
	if (r < 0)
		return r;
	(*ret)->backlog = q->backlog;
	if ((*ret)->port > 0)
		return 0;
	/* Any port: one for each server of the app, and the same for all its workers. */
	str_addf(&key, "%s#%s.%u", (*ret)->key, la->app->name, q->index);
	mem_free((*ret)->key);
	(*ret)->key = key.data;
	if (!str_failed(&key))
		return 0;
	conf_listen_free(*ret);
	*ret = NULL;
	return -ENOMEM;
}

/* Addresses are shared by generations of one app, not by apps. */
static bool
is_anothers(const struct loop *l, const struct launch *la, const char *key)
{
	const struct launch *other;

	DL_FOREACH (l->launches->all, other) {
		if (strcmp(other->app->name, la->app->name) == 0)
			continue;
		for (size_t i = 0; i < other->listeners_len; i++)
			if (strcmp(other->listen[i]->key, key) == 0)
				return true;
	}
	return false;
}

static int
open_asked(struct loop *l, struct launch *la, const struct node_query *q, struct listener **ret,
    struct err *e)
{
	struct conf_listen unix_conf, *conf = NULL;
	struct str key = {0};
	int r = -EINVAL;

	if (q->type == NODE_ADDRESS_PATH && q->address[0])
		r = make_unix(l, la, q, &unix_conf, &key);
	else if (q->type == NODE_ADDRESS_TCP || is_udp(q))
		r = make_inet(la, q, &conf, e);
	if (r == 0 && is_anothers(l, la, conf ? conf->key : unix_conf.key))
		r = err_set(e, -EADDRINUSE, "%s: another app listens there",
		    conf ? conf->text : unix_conf.text);
	if (r == 0)
		r = launch_add_listener(l, la, conf ? conf : &unix_conf, ret, e);
	conf_listen_free(conf);
	str_free(&key);
	return r;
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
is_held(const struct server *servers, const struct node_query *q)
{
	bool any_port = (q->type == NODE_ADDRESS_TCP || is_udp(q)) && q->port <= 0;
	size_t len = base_len(q->key);

	for (; servers; servers = servers->next) {
		if (strcmp(servers->key, q->key) == 0)
			return true;
		if (!any_port && base_len(servers->key) == len &&
		    memcmp(servers->key, q->key, len) == 0)
			return true;
	}
	return false;
}

static int
find_listener(struct loop *l, struct launch *la, const struct server *servers,
    const struct node_query *q, struct listener **ret, struct err *e)
{
	if (q->too_long)
		return -ENAMETOOLONG;
	if (is_held(servers, q))
		return -EADDRINUSE;
	if (q->fd >= 0)
		return find_by_fd(la, q, ret);
	*ret = find_named(la, q, servers);
	return *ret ? 0 : open_asked(l, la, q, ret, e);
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

static int
note_server(struct server **servers, const struct node_query *q, const struct listener *ls)
{
	struct server *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	memcpy(s->key, q->key, sizeof(s->key));
	s->listener = ls;
	LL_APPEND(*servers, s);
	return 0;
}

int
servers_open(struct loop *l, struct proc *p, struct server **servers, const struct node_query *q,
    struct server_answer *ret)
{
	const struct worker *w = core_find_worker(l->core, p->worker);
	const struct server_data *data;
	struct err e = {{0}};
	int r = -EINVAL;

	*ret = (struct server_answer){.data = q->data, .data_len = q->data_len};
	if (w)
		r = find_listener(l, w->generation->launch, *servers, q, &ret->listener, &e);
	if (r == 0)
		r = note_server(servers, q, ret->listener);
	if (r == 0)
		keep_data(l, p->app, q);
	data = find_data(l, p->app, q->key);
	if (data) {
		ret->data = data->text;
		ret->data_len = data->len;
	}
	if (r < 0) {
		tell_failure(l, p, r, &e);
		return r;
	}
	ret->fd = listener_fd(ret->listener, w->slot->index, w->seat);
	ret->plain = w->generation->conf->balance == BALANCE_DISPATCH &&
	             ret->listener->kind != LISTEN_UDP;
	ret->any_port = q->port > 0 && ret->listener->port != q->port;
	if (ret->plain)
		fill_name(q, ret);
	/* A worker that blocks in accept() answers nobody; one of Node's does not see to it itself. */
	(void)fd_set_nonblocking(ret->fd, true);
	return 0;
}

void
servers_close(struct server **servers, const char *key)
{
	struct server *s, *next;

	LL_FOREACH_SAFE (*servers, s, next) {
		if (strcmp(s->key, key) != 0)
			continue;
		LL_DELETE(*servers, s);
		mem_free(s);
	}
}

void
servers_close_all(struct server **servers)
{
	while (*servers) {
		struct server *s = *servers;

		LL_DELETE(*servers, s);
		mem_free(s);
	}
}

const struct server *
servers_find(const struct server *servers, const struct listener *ls)
{
	for (; servers; servers = servers->next)
		if (servers->listener == ls)
			return servers;
	return NULL;
}

const struct server *
servers_by_key(const struct server *servers, const char *key)
{
	for (; servers; servers = servers->next)
		if (strcmp(servers->key, key) == 0)
			return servers;
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
