/*
 * listeners: see the header.
 */
#include "loop/listeners.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "sys/cred.h"
#include "sys/listen.h"

static void
listener_free(struct listener_table *t, struct listener *ls)
{
	if (ls->path && !ls->inherited && ls->len > 0)
		listen_unlink(ls->path, ls->fds[0]);
	for (unsigned i = 0; i < ls->len; i++)
		fd_close(&ls->fds[i]);
	HASH_DEL(t->by_key, ls);
	mem_free(ls->fds);
	mem_free(ls->path);
	mem_free(ls->key);
	mem_free(ls);
}

/* A listener without sockets, in the table; key is copied. */
static struct listener *
listener_new(struct listener_table *t, const char *key, enum conf_listen_kind kind)
{
	struct listener *ls = mem_calloc(1, sizeof(*ls));

	if (!ls)
		return NULL;
	ls->key = mem_strdup(key);
	if (!ls->key) {
		mem_free(ls);
		return NULL;
	}
	ls->kind = kind;
	HASH_ADD_KEYPTR(hh, t->by_key, ls->key, strlen(ls->key), ls);
	if (!ls->hh.tbl) {
		mem_free(ls->key);
		mem_free(ls);
		return NULL;
	}
	return ls;
}

static int
reserve(struct listener *ls, unsigned n)
{
	int *fds;

	if (n <= ls->cap)
		return 0;
	fds = mem_realloc(ls->fds, n * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	ls->fds = fds;
	ls->cap = n;
	return 0;
}

static enum conf_listen_kind
kind_of_key(const char *key)
{
	if (strncmp(key, "unix:", 5) == 0)
		return LISTEN_UNIX;
	return strncmp(key, "udp:", 4) == 0 ? LISTEN_UDP : LISTEN_TCP;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return 0;
	if (ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&ss)->sin_port);
	if (ss.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	return 0;
}

static int
adopt(struct listener_table *t, int fd, struct err *e)
{
	struct listener *ls;
	char *key = NULL;
	int r = listen_inspect(fd, &key);

	if (r < 0)
		return err_set(
		    e, r, "descriptor %d of the service manager is no listening socket", fd);
	HASH_FIND(hh, t->by_key, key, strlen(key), ls);
	if (ls) {
		r = err_set(e, -EEXIST, "descriptor %d: %s was handed over twice", fd, key);
		free(key);
		return r;
	}
	ls = listener_new(t, key, kind_of_key(key));
	free(key);
	if (!ls || reserve(ls, 1) < 0) {
		if (ls)
			listener_free(t, ls);
		return err_set(e, -ENOMEM, "descriptor %d: out of memory", fd);
	}
	ls->fds[ls->len++] = fd;
	ls->inherited = true;
	ls->port = port_of(fd);
	ls->backlog = -1;
	return 0;
}

unsigned
listeners_adopt(struct listener_table *t, int first, int count, struct err *e)
{
	unsigned bad = 0;

	for (int i = 0; i < count; i++) {
		int fd = first + i;

		if (adopt(t, fd, e) == 0)
			continue;
		fd_close(&fd);
		bad++;
	}
	return bad;
}

unsigned
listeners_close_unused(struct listener_table *t)
{
	struct listener *ls, *next;
	unsigned n = 0;

	HASH_ITER (hh, t->by_key, ls, next) {
		if (ls->refs > 0)
			continue;
		listener_free(t, ls);
		n++;
	}
	return n;
}

void
listeners_done(struct listener_table *t)
{
	struct listener *ls, *next;

	HASH_ITER (hh, t->by_key, ls, next)
		listener_free(t, ls);
}

static int
make_spec(const struct conf_app *app, const struct conf_listen *conf, struct listen_spec *ret,
    struct err *e)
{
	static const enum listen_type types[LISTEN_KIND_MAX] = {
	    [LISTEN_TCP] = LISTEN_TYPE_TCP,
	    [LISTEN_UNIX] = LISTEN_TYPE_UNIX,
	    [LISTEN_UDP] = LISTEN_TYPE_UDP,
	};
	struct cred_user owner;
	int r;

	*ret = (struct listen_spec){
	    .type = types[conf->kind],
	    .host = conf->host,
	    .port = conf->port,
	    .path = conf->path,
	    .mode = conf->mode < 0 ? 0600 : conf->mode,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1,
	    .backlog = conf->backlog,
	    .nonblocking = app && app->nonblocking == TRI_YES,
	};
	if (conf->owner) {
		r = cred_lookup(conf->owner, NULL, &owner);
		if (r < 0)
			return err_set(
			    e, r, "listen = %s: no user \"%s\"", conf->text, conf->owner);
		ret->uid = owner.uid;
		cred_user_free(&owner);
	}
	if (conf->group) {
		r = cred_lookup_group(conf->group, &ret->gid);
		if (r < 0)
			return err_set(
			    e, r, "listen = %s: no group \"%s\"", conf->text, conf->group);
	}
	return 0;
}

static enum listener_shape
shape_wanted(const struct conf_app *app, const struct conf_listen *conf)
{
	bool kernel = app->balance == BALANCE_KERNEL && conf->kind == LISTEN_TCP;

	return kernel ? LISTENER_PER_SLOT : LISTENER_ONE;
}

static int
open_new(struct listener_table *t, const struct conf_app *app, const struct conf_listen *conf,
    unsigned workers, struct listener **ret, struct err *e)
{
	struct listener *ls = listener_new(t, conf->key, conf->kind);
	enum listener_shape shape = shape_wanted(app, conf);
	unsigned count = shape == LISTENER_PER_SLOT && workers > 1 ? workers : 1;
	struct listen_spec spec;
	int r;

	if (!ls)
		return err_set(e, -ENOMEM, "out of memory");
	r = reserve(ls, count);
	if (r < 0)
		err_set(e, r, "out of memory");
	else
		r = make_spec(app, conf, &spec, e);
	if (r == 0 && conf->path && !(ls->path = mem_strdup(conf->path)))
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0 && (r = listen_open(&spec, count, ls->fds, &ls->port, e)) < 0)
		err_wrap(e, r, "listen");
	if (r < 0) {
		listener_free(t, ls);
		return r;
	}
	ls->len = count;
	ls->shape = shape;
	ls->nonblocking = spec.nonblocking;
	ls->backlog = conf->backlog;
	ls->mode = spec.mode;
	ls->uid = spec.uid;
	ls->gid = spec.gid;
	*ret = ls;
	return 0;
}

static int
check_unchanged(const struct listener *ls, const struct conf_app *app,
    const struct conf_listen *conf, struct err *e)
{
	enum listener_shape shape = shape_wanted(app, conf);
	const char *what = NULL;
	struct listen_spec spec;
	int r = make_spec(app, conf, &spec, e);

	if (r < 0)
		return r;
	if (ls->inherited)
		what = shape == LISTENER_PER_SLOT ? "balance = kernel" : NULL;
	else if (ls->shape != shape)
		what = "another balance";
	else if (ls->nonblocking != spec.nonblocking)
		what = "another nonblocking";
	else if (ls->path && (ls->mode != spec.mode || ls->uid != spec.uid || ls->gid != spec.gid))
		what = "another mode or owner";
	if (!what)
		return 0;
	return err_set(e, -EINVAL,
	    "listen = %s: %s is not possible while the address is open; "
	    "use another address, or stop broodd and start it again",
	    conf->text, what);
}

int
listener_get(struct listener_table *t, const struct conf_app *app, const struct conf_listen *conf,
    unsigned workers, struct listener **ret, struct err *e)
{
	struct listener *ls;
	int r;

	HASH_FIND(hh, t->by_key, conf->key, strlen(conf->key), ls);
	if (!ls) {
		r = open_new(t, app, conf, workers, &ls, e);
		if (r < 0)
			return r;
	} else {
		r = check_unchanged(ls, app, conf, e);
		if (r == 0)
			r = listener_grow(ls, conf, workers, e);
		if (r < 0)
			return r;
		if (ls->backlog != conf->backlog && ls->kind != LISTEN_UDP) {
			for (unsigned i = 0; i < ls->len; i++)
				/* -1 as unsigned: the kernel cuts it to somaxconn. */
				(void)listen(
				    ls->fds[i], conf->backlog < 0 ? INT32_MAX : conf->backlog);
			ls->backlog = conf->backlog;
		}
	}
	ls->refs++;
	*ret = ls;
	return 0;
}

void
listener_put(struct listener_table *t, struct listener *ls)
{
	if (ls && --ls->refs == 0)
		listener_free(t, ls);
}

int
listener_grow(struct listener *ls, const struct conf_listen *conf, unsigned workers, struct err *e)
{
	unsigned before = ls->len;
	struct listen_spec spec;
	int r;

	if (ls->shape != LISTENER_PER_SLOT || workers <= ls->len)
		return 0;
	r = reserve(ls, workers);
	if (r < 0)
		return err_set(e, r, "out of memory");
	r = make_spec(NULL, conf, &spec, e);
	if (r < 0)
		return r;
	spec.nonblocking = ls->nonblocking;
	/* One opened alone is no member of a group yet; the kernel makes one when the next joins. */
	if (setsockopt(ls->fds[0], SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)) != 0)
		return err_set(
		    e, -errno, "listen = %s: SO_REUSEPORT: %s", conf->text, strerror(errno));
	while (ls->len < workers) {
		r = listen_append(&spec, ls->port, &ls->fds[ls->len], e);
		if (r < 0) {
			listener_shrink(ls, before);
			return err_wrap(e, r, "listen");
		}
		ls->len++;
	}
	return 0;
}

void
listener_shrink(struct listener *ls, unsigned workers)
{
	if (ls->shape != LISTENER_PER_SLOT)
		return;
	while (ls->len > workers && ls->len > 1)
		fd_close(&ls->fds[--ls->len]);
}

unsigned
listener_slots(const struct listener *ls)
{
	return ls->shape == LISTENER_STEERED ? ls->len / 2 : ls->len;
}

unsigned
listener_index(const struct listener *ls, unsigned slot, unsigned seat)
{
	return slot < ls->base ? seat * ls->base + slot : 2 * slot + seat;
}

int
listener_fd(const struct listener *ls, unsigned slot, unsigned seat)
{
	unsigned i = 0;

	if (ls->shape == LISTENER_STEERED)
		i = listener_index(ls, slot, seat);
	else if (ls->shape == LISTENER_PER_SLOT)
		i = slot;
	return ls->fds[i < ls->len ? i : 0];
}
