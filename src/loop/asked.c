/*
 * asked: see the header. An address that the configuration names is not opened again, whatever the
 * program has in mind; any other is opened as a primary of Node's would, in the shape of the app's.
 */
#include "loop/asked.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/servers.h"

#define FD_FIRST     3 /* listen({fd}): the first address of the configuration */
#define FILE_MODE    0777 /* of a UNIX socket's file, without the umask's bits */
#define READABLE_ALL 0444
#define WRITABLE_ALL 0222

/* --- of the configuration ----------------------------------------------------------------------- */

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
    const struct server_set *set)
{
	bool exact, as;

	if (q->type == NODE_ADDRESS_PATH)
		return conf->kind == LISTEN_UNIX && !q->abstract &&
		       strcmp(conf->path, q->address) == 0;
	if (conf->kind != (node_query_is_udp(q) ? LISTEN_UDP : LISTEN_TCP) || q->port <= 0)
		return 0;
	as = conf->as == q->port;
	if ((!as && ls->port != q->port) || (node_query_is_udp(q) && !has_family(ls, q)))
		return 0;
	exact = strcmp(conf->host, host_of(q)) == 0;
	if (!exact && !is_wildcard(conf->host) && !is_wildcard(host_of(q)) && servers_find(set, ls))
		return 0;
	return 1 + exact + 2 * as;
}

static struct listener *
find_named(const struct launch *la, const struct node_query *q, const struct server_set *set)
{
	struct listener *best = NULL;
	unsigned best_rank = 0;

	for (size_t i = 0; i < la->app->listen_len; i++) {
		unsigned r = rank(la->listen[i], la->listeners[i], q, set);

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
	    (la->listeners[i]->kind == LISTEN_UDP) != node_query_is_udp(q))
		return -EINVAL;
	*ret = la->listeners[i];
	return 0;
}

/* --- as asked --------------------------------------------------------------------------------- */

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
make_inet(
    const struct launch *la, const struct node_query *q, struct conf_listen **ret, struct err *e)
{
	const char *host = host_of(q);
	struct str text = {0}, key = {0};
	int r = -ENOMEM;

	*ret = NULL;
	str_addf(&text, strchr(host, ':') ? "%s[%s]:%d" : "%s%s:%d",
	    node_query_is_udp(q) ? "udp:" : "", host, q->port > 0 ? q->port : 0);
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
	mem_free((*ret)->text);
	(*ret)->text = (*ret)->key; /* for people */
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

static unsigned
first_free_port(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	unsigned port = 1024;

	if (f && fscanf(f, "%u", &port) != 1)
		port = 1024;
	if (f)
		(void)fclose(f);
	return port;
}

static bool
may_write(const struct cred_user *u, const struct stat *st)
{
	bool member = st->st_gid == u->gid;

	if (st->st_uid == u->uid)
		return st->st_mode & S_IWUSR;
	for (int i = 0; i < u->groups_len; i++)
		member = member || u->groups[i] == st->st_gid;
	return st->st_mode & (member ? S_IWGRP : S_IWOTH);
}

/* A worker that runs as another user than the master gets no more by asking than it could have opened
 * itself. */
static int
check_rights(const struct launch *la, const struct node_query *q, struct err *e)
{
	char dir[NODE_ADDRESS_MAX];
	struct stat st;

	if (!la->change_user || la->user.uid == 0)
		return 0;
	if (q->type != NODE_ADDRESS_PATH) {
		if (q->port <= 0 || (unsigned)q->port >= first_free_port())
			return 0;
		return err_set(e, -EACCES,
		    "port %d: its user may not listen there: name it in the configuration, listen "
		    "= *:%d",
		    q->port, q->port);
	}
	memcpy(dir, q->address, sizeof(dir));
	if (q->abstract || stat(dirname(dir), &st) != 0 || may_write(&la->user, &st))
		return 0; /* where there is no directory, that is said later */
	return err_set(e, -EACCES,
	    "%s: its user may not write the directory: name it in the configuration, listen = "
	    "unix:%s",
	    q->address, q->address);
}

static int
open_asked(struct loop *l, struct launch *la, const struct node_query *q, struct listener **ret,
    struct err *e)
{
	struct conf_listen unix_conf = {0}, *conf = NULL;
	struct str key = {0};
	int r = -EINVAL;

	if (check_rights(la, q, e) < 0)
		return -EACCES;
	if (q->type == NODE_ADDRESS_PATH && q->address[0])
		r = make_unix(l, la, q, &unix_conf, &key);
	else if (q->type == NODE_ADDRESS_TCP || node_query_is_udp(q))
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

int
asked_listener(struct loop *l, struct launch *la, const struct server_set *set,
    const struct node_query *q, struct listener **ret, struct err *e)
{
	if (q->too_long)
		return -ENAMETOOLONG;
	if (q->fd >= 0)
		return find_by_fd(la, q, ret);
	*ret = find_named(la, q, set);
	return *ret ? 0 : open_asked(l, la, q, ret, e);
}
