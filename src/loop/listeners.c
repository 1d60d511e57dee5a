/*
 * listeners: see the header.
 */
#include "loop/listeners.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/resource.h>
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
	fd_close(&ls->plug[0]);
	fd_close(&ls->plug[1]);
	HASH_DEL(t->by_key, ls);
	mem_free(ls->fds);
	mem_free(ls->places);
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
	ls->plug[0] = ls->plug[1] = -1;
	ls->plug_place = LISTENER_NOWHERE;
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
	uint16_t *places;
	int *fds;

	if (n <= ls->cap)
		return 0;
	fds = mem_realloc(ls->fds, n * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	ls->fds = fds;
	places = mem_realloc(ls->places, n * sizeof(*places));
	if (!places)
		return -ENOMEM;
	ls->places = places;
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
make_spec(const struct conf_listen *conf, bool nonblocking, struct listen_spec *ret, struct err *e)
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
	    .nonblocking = nonblocking,
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
shape_asked(const struct conf_app *app, const struct conf_listen *conf)
{
	if (conf->kind != LISTEN_TCP)
		return LISTENER_ONE;
	switch (app->balance) {
	case BALANCE_KERNEL:
		return LISTENER_PER_SLOT;
	case BALANCE_EVEN:
	case BALANCE_STICKY:
	case BALANCE_CPU:
		return LISTENER_STEERED;
	default:
		return LISTENER_ONE;
	}
}

/* All slots that it may have without growing: a reload or an operator who wants some more finds
 * them, and no member joins a group in service. */
static unsigned
steered_slots(const struct listener_table *t, unsigned workers)
{
	return workers > 2 * t->cpus ? workers : 2 * t->cpus > 0 ? 2 * t->cpus : 1;
}

/* Half of what may be open is for sockets at most: workers need the rest. */
static bool
fits_limit(const struct listener_table *t, unsigned workers)
{
	uint64_t need = 2 * (uint64_t)steered_slots(t, workers);
	const struct listener *ls;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return true;
	for (ls = t->by_key; ls; ls = ls->hh.next)
		need += ls->len;
	return need <= limit.rlim_cur / 2;
}

/* The shape of the TCP addresses of app that are open already, of whichever app. */
static enum listener_shape
shape_of_open(const struct listener_table *t, const struct conf_app *app, bool *ret_any)
{
	enum listener_shape shape = LISTENER_ONE;

	*ret_any = false;
	for (size_t i = 0; i < app->listen_len; i++) {
		const struct conf_listen *conf = &app->listen[i];
		const struct listener *ls;

		if (conf->kind != LISTEN_TCP)
			continue;
		HASH_FIND(hh, t->by_key, conf->key, strlen(conf->key), ls);
		if (!ls)
			continue;
		shape = ls->shape;
		*ret_any = true;
		if (shape != LISTENER_STEERED)
			break;
	}
	return shape;
}

/* What can be had of what was asked for. An app is steered with all of its TCP addresses or with
 * none (where the service manager gave one, it is its only socket): a worker is moved from seat to
 * seat, and there is no half of that. */
static enum listener_shape
shape_possible(struct listener_table *t, const struct conf_app *app, const struct conf_listen *conf,
    unsigned workers)
{
	enum listener_shape shape = shape_asked(app, conf), other;
	bool any;

	t->why_shared = NULL;
	if (shape != LISTENER_STEERED)
		return shape;
	other = shape_of_open(t, app, &any);
	if (any)
		return other == LISTENER_STEERED ? LISTENER_STEERED : LISTENER_ONE;
	if (!steer_swap_is_safe(t->steer_cache))
		t->why_shared = steer_swap_reason();
	else if (!fits_limit(t, workers))
		t->why_shared = "the limit of open descriptors is too low for two sockets a slot";
	return t->why_shared ? LISTENER_ONE : LISTENER_STEERED;
}

bool
listeners_may_steer(const struct listener_table *t, const struct conf_app *app, unsigned workers)
{
	const struct conf_listen any = {.kind = LISTEN_TCP};

	return shape_asked(app, &any) == LISTENER_STEERED && steer_swap_is_safe(t->steer_cache) &&
	       fits_limit(t, workers);
}

static bool
is_v6only(int fd)
{
	int domain = 0, only = 0;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 || domain != AF_INET6)
		return false;
	len = sizeof(only);
	return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && only != 0;
}

/* The group that was opened gets its map and its program. */
static int
begin_steering(struct listener *ls, const struct conf_app *app, unsigned workers, struct err *e)
{
	unsigned n = workers < ls->base ? workers : ls->base;
	int r;

	ls->v6only = is_v6only(ls->fds[0]);
	for (unsigned i = 0; i < ls->len; i++)
		listener_joined_group(ls, i);
	/* Seats 0 of the slots are the first places, in order. */
	r = listener_steer(ls, app->balance, ls->places, n > 0 ? n : 1, ls->places, n);
	return r < 0 ? err_set(e, r, "listen: steering program: %s", strerror(-r)) : 0;
}

static int
open_sockets(struct listener_table *t, struct listener *ls, const struct conf_app *app,
    const struct listen_spec *spec, unsigned workers, struct err *e)
{
	unsigned count = 1;
	int r;

	if (ls->shape == LISTENER_STEERED) {
		ls->base = steered_slots(t, workers);
		count = 2 * ls->base;
	} else if (ls->shape == LISTENER_PER_SLOT && workers > 1) {
		count = workers;
	}
	r = reserve(ls, count);
	if (r < 0)
		return err_set(e, r, "out of memory");
	r = listen_open(spec, count, ls->fds, &ls->port, e);
	if (r < 0)
		return r == -ENOTSUP ? r : err_wrap(e, r, "listen");
	ls->len = count;
	return ls->shape == LISTENER_STEERED ? begin_steering(ls, app, workers, e) : 0;
}

static int
open_new(struct listener_table *t, const struct conf_app *app, const struct conf_listen *conf,
    bool nonblocking, unsigned workers, struct listener **ret, struct err *e)
{
	enum listener_shape shape = shape_possible(t, app, conf, workers);
	struct listener *ls = listener_new(t, conf->key, conf->kind);
	struct listen_spec spec;
	int r;

	if (!ls)
		return err_set(e, -ENOMEM, "out of memory");
	r = make_spec(conf, nonblocking, &spec, e);
	if (r == 0 && conf->path && !(ls->path = mem_strdup(conf->path)))
		r = err_set(e, -ENOMEM, "out of memory");
	if (r < 0) {
		listener_free(t, ls);
		return r;
	}
	ls->asked = shape_asked(app, conf);
	ls->shape = shape;
	spec.steered = ls->shape == LISTENER_STEERED;
	r = open_sockets(t, ls, app, &spec, workers, e);
	if (r == -ENOTSUP && spec.steered) {
		t->why_shared = "steering programs are forbidden here";
		ls->shape = LISTENER_ONE;
		spec.steered = false;
		r = open_sockets(t, ls, app, &spec, workers, e);
	}
	if (r < 0) {
		listener_free(t, ls);
		return r;
	}
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
    const struct conf_listen *conf, bool nonblocking, struct err *e)
{
	enum listener_shape asked = shape_asked(app, conf);
	const char *what = NULL;
	struct listen_spec spec;
	int r = make_spec(conf, nonblocking, &spec, e);

	if (r < 0)
		return r;
	if (ls->inherited)
		what = asked == LISTENER_PER_SLOT ? "balance = kernel" : NULL;
	else if (ls->asked != asked)
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
    bool nonblocking, unsigned workers, struct listener **ret, struct err *e)
{
	struct listener *ls;
	int r;

	HASH_FIND(hh, t->by_key, conf->key, strlen(conf->key), ls);
	if (!ls) {
		r = open_new(t, app, conf, nonblocking, workers, &ls, e);
		if (r < 0)
			return r;
	} else {
		r = check_unchanged(ls, app, conf, nonblocking, e);
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

/* One more socket, the last one of its group. */
static int
append(struct listener *ls, const struct listen_spec *spec, struct err *e)
{
	int r = listen_append(spec, ls->port, &ls->fds[ls->len], e);

	if (r < 0)
		return err_wrap(e, r, "listen");
	if (ls->shape == LISTENER_STEERED)
		listener_joined_group(ls, ls->len);
	ls->len++;
	return 0;
}

/* Pairs, so that the seats of slots that have workers stay where they are. */
static int
grow_steered(struct listener *ls, const struct listen_spec *spec, unsigned workers, struct err *e)
{
	int r = 0;

	while (r == 0 && ls->len < 2 * workers)
		r = append(ls, spec, e);
	if (r < 0 && ls->len % 2 == 1) {
		/* Nothing was ever steered to it. */
		listener_left_group(ls, ls->len - 1);
		fd_close(&ls->fds[--ls->len]);
	}
	return r;
}

int
listener_grow(struct listener *ls, const struct conf_listen *conf, unsigned workers, struct err *e)
{
	unsigned before = ls->len;
	struct listen_spec spec;
	int r;

	if (ls->shape == LISTENER_ONE || workers <= listener_slots(ls))
		return 0;
	r = reserve(ls, ls->shape == LISTENER_STEERED ? 2 * workers : workers);
	if (r < 0)
		return err_set(e, r, "out of memory");
	r = make_spec(conf, ls->nonblocking, &spec, e);
	if (r < 0)
		return r;
	if (ls->shape == LISTENER_STEERED)
		return grow_steered(ls, &spec, workers, e);
	/* One opened alone is no member of a group yet; the kernel makes one when the next joins. */
	if (setsockopt(ls->fds[0], SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)) != 0)
		return err_set(
		    e, -errno, "listen = %s: SO_REUSEPORT: %s", conf->text, strerror(errno));
	while (ls->len < workers) {
		r = append(ls, &spec, e);
		if (r < 0) {
			listener_shrink(ls, before);
			return r;
		}
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
