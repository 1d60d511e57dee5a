/*
 * guard: see the header.
 *
 * A set with mask 0 costs nothing per connection: the kernel wakes it for HUP and ERR alone. The
 * loop watches the set's own descriptor.
 *
 * A steered group has another order once a member left (R3), and the order in which several left
 * counts. The set's ready list has them in that order; all of them are taken from it before the
 * first listens again, so that a worker that shuts down one after the other is seen through to its
 * end. What stays is a shutdown() within the microseconds in which others are told to listen, and
 * a worker that shuts its listener down and listens again itself before we look: the map has two
 * members changed round then, for as long as the group lives. While both slots serve nobody notices;
 * else the queue of the wrong one is a parked seat's, which is looked at and rescued as any other.
 * No program that we know does either.
 */
#include "loop/guard.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/launch.h"
#include "loop/listeners.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/steer.h"
#include "loop/tell.h"
#include "sys/queue.h"

#define EVENTS_A_LOOK 64
#define RETRY_MS      1000
#define TELL_FOR_US   1000000
#define TELL_LINES    8 /* for so long: a worker that does it in a circle shall not fill the log */

struct watched {
	int fd;
	struct listener *ls;
	unsigned i; /* in ls->fds */
	bool down;
	bool lost; /* it could not be told to listen */
	UT_hash_handle hh;
	struct watched *prev, *next; /* in guard->down */
};

struct guard {
	int epoll_fd;
	uv_poll_t poll;
	uv_timer_t retry; /* runs while one is lost */
	struct watched *by_fd;
	struct watched *down; /* in the order in which they left */
	unsigned handles; /* open ones; the last close frees */
};

static struct watched *
find(struct guard *g, int fd)
{
	struct watched *w;

	HASH_FIND_INT(g->by_fd, &fd, w);
	return w;
}

/* --- who it was ----------------------------------------------------------------------------- */

static const struct worker *
worker_at(const struct app *a, unsigned slot, unsigned seat)
{
	const struct slot *s = slot < a->slots_len ? a->slots[slot] : NULL;
	const struct worker *w = s ? s->current : NULL;

	if (!s || (w && w->seat == seat))
		return w;
	if (s->next && s->next->seat == seat)
		return s->next;
	for (w = s->leaving; w && w->seat != seat;)
		w = w->next_leaving;
	return w;
}

/* The app, and the worker where only one has that socket: those on the ring have them all. */
static struct log_who
find_who(const struct loop *l, const struct watched *w)
{
	struct log_who who = {.slot = -1};
	const struct worker *worker;
	const struct launch *la;
	const struct app *a = NULL;
	unsigned slot, seat;

	DL_FOREACH (l->launches->all, la)
		for (size_t i = 0; i < la->listeners_len; i++)
			if (la->listeners[i] == w->ls)
				a = core_find_app(l->core, la->app->name);
	if (!a)
		return who;
	who.app = a->name;
	if (w->ls->shape != LISTENER_STEERED)
		return who;
	listener_seat_of(w->ls, w->i, &slot, &seat);
	worker = worker_at(a, slot, seat);
	if (!worker || worker->on_ring)
		return who;
	who.slot = (int)slot;
	who.pid = worker->pid;
	who.generation = worker->generation->number;
	return who;
}

static bool
may_tell(struct listener *ls)
{
	uint64_t now_us = clock_now_us();

	if (ls->told_us == 0 || now_us - ls->told_us >= TELL_FOR_US) {
		ls->told_us = now_us;
		ls->told = 0;
	}
	return ls->told++ < TELL_LINES;
}

static void
tell_shut(struct loop *l, struct watched *w, const char *error)
{
	struct log_who who = find_who(l, w);

	if (!may_tell(w->ls))
		return;
	if (error)
		tell(l, LOG_LEVEL_ERROR, "listener_lost", &who,
		    "%s: a worker shut it down, and it cannot listen again: %s; tried every second",
		    w->ls->key, error);
	else
		tell(l, LOG_LEVEL_WARN, "listener_shut", &who,
		    "%s: a worker shut it down; it listens again (%llu times so far)", w->ls->key,
		    (unsigned long long)w->ls->hangups);
}

/* --- hanging up ----------------------------------------------------------------------------- */

static void
note_down(struct guard *g, struct watched *w)
{
	w->down = true;
	w->ls->hangups++;
	DL_APPEND(g->down, w);
	if (w->ls->shape == LISTENER_STEERED)
		listener_left_group(w->ls, w->i);
}

/* What hung up stays on the set's ready list, behind what has not been looked at. */
static void
collect(struct guard *g)
{
	struct epoll_event events[EVENTS_A_LOOK];
	bool more = true;

	while (more) {
		int n = epoll_wait(g->epoll_fd, events, EVENTS_A_LOOK, 0);

		more = false;
		for (int i = 0; i < n; i++) {
			struct watched *w = find(g, events[i].data.fd);

			if (!w || w->down)
				continue;
			note_down(g, w);
			more = true;
		}
	}
}

static int
watch_fd(struct guard *g, int fd)
{
	struct epoll_event ev = {.events = 0, .data.fd = fd};

	return epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0 ? -errno : 0;
}

static void
unwatch_fd(struct guard *g, int fd)
{
	struct epoll_event ev = {0};

	(void)epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, fd, &ev); /* not there: what was wanted */
}

/* True: it listens. One that cannot is taken off the set, which would report it for ever. */
static bool
listen_again(struct guard *g, struct watched *w)
{
	struct loop *l = g->poll.loop->data;
	int backlog = w->ls->backlog < 0 ? INT_MAX : w->ls->backlog;

	if (listen(w->fd, backlog) != 0) {
		tell_shut(l, w, strerror(errno));
		if (!w->lost)
			unwatch_fd(g, w->fd);
		w->lost = true;
		return false;
	}
	if (w->lost)
		(void)watch_fd(g, w->fd); /* it was there before: there is room */
	w->lost = w->down = false;
	DL_DELETE(g->down, w);
	if (w->ls->shape == LISTENER_STEERED)
		listener_joined_group(w->ls, w->i);
	return true;
}

static void
raise_all(struct guard *g)
{
	struct loop *l = g->poll.loop->data;
	struct listener *steered = NULL;
	struct watched *w, *next;

	DL_FOREACH_SAFE (g->down, w, next) {
		if (!listen_again(g, w))
			continue;
		/* They mostly are of one listener: its program follows once. */
		if (steered && steered != w->ls)
			steer_listener(l, steered);
		steered = w->ls;
		tell_shut(l, w, NULL);
	}
	if (steered)
		steer_listener(l, steered);
}

static void
on_retry(uv_timer_t *h)
{
	struct loop *l = h->loop->data;

	raise_all(l->guard);
	if (!l->guard->down)
		(void)uv_timer_stop(h);
}

static void
on_hangup(uv_poll_t *h, int status, int events)
{
	struct loop *l = h->loop->data;
	struct guard *g = l->guard;

	(void)events;
	if (status < 0)
		return; /* an epoll descriptor has no errors */
	collect(g);
	raise_all(g);
	if (g->down && !uv_is_active((uv_handle_t *)&g->retry))
		(void)uv_timer_start(&g->retry, on_retry, RETRY_MS, RETRY_MS);
}

int
guard_flush(struct loop *l, struct listener *ls, unsigned i, const int *readers,
    unsigned readers_len)
{
	int r = queue_flush(ls->fds[i], readers, readers_len, ls->backlog);

	if (ls->shape != LISTENER_STEERED)
		return r;
	/* Where it could not listen again, the set says so in the next turn. */
	if (r == 0) {
		listener_left_group(ls, i);
		listener_joined_group(ls, i);
		steer_listener(l, ls);
	}
	return r;
}

/* --- what is watched ------------------------------------------------------------------------ */

static void
forget(struct guard *g, struct watched *w)
{
	if (w->down)
		DL_DELETE(g->down, w);
	HASH_DEL(g->by_fd, w);
	mem_free(w);
}

static void
watch(struct guard *g, struct listener *ls, unsigned i)
{
	struct watched *w = mem_calloc(1, sizeof(*w));

	if (!w)
		return; /* unguarded is how everybody else lives */
	w->fd = ls->fds[i];
	w->ls = ls;
	w->i = i;
	HASH_ADD_INT(g->by_fd, fd, w);
	if (!w->hh.tbl)
		mem_free(w);
	else if (watch_fd(g, w->fd) < 0)
		forget(g, w);
}

void
guard_add(struct loop *l, struct listener *ls)
{
	if (!l->guard || ls->kind != LISTEN_TCP)
		return;
	for (unsigned i = 0; i < ls->len; i++)
		if (!find(l->guard, ls->fds[i]))
			watch(l->guard, ls, i);
}

void
guard_remove(struct loop *l, struct listener *ls)
{
	for (unsigned i = 0; l->guard && i < ls->len; i++) {
		struct watched *w = find(l->guard, ls->fds[i]);

		if (!w)
			continue;
		unwatch_fd(l->guard, w->fd);
		forget(l->guard, w);
	}
}

/* --- life ----------------------------------------------------------------------------------- */

int
guard_init(struct loop *l, struct err *e)
{
	struct guard *g = mem_calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_set(e, -ENOMEM, "out of memory");
	g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = g->epoll_fd < 0 ? -errno : uv_poll_init(&l->uv, &g->poll, g->epoll_fd);
	if (r < 0) {
		fd_close(&g->epoll_fd);
		mem_free(g);
		return err_set(e, r, "epoll: %s", strerror(-r));
	}
	(void)uv_timer_init(&l->uv, &g->retry); /* cannot fail */
	g->handles = 2;
	g->poll.data = g->retry.data = g;
	l->guard = g;
	return uv_poll_start(&g->poll, UV_READABLE, on_hangup);
}

static void
on_closed(uv_handle_t *h)
{
	struct guard *g = h->data;

	if (--g->handles > 0)
		return;
	fd_close(&g->epoll_fd);
	mem_free(g);
}

void
guard_done(struct loop *l)
{
	struct guard *g = l->guard;
	struct watched *w, *next;

	if (!g)
		return;
	HASH_ITER (hh, g->by_fd, w, next)
		forget(g, w);
	l->guard = NULL;
	uv_close((uv_handle_t *)&g->poll, on_closed);
	uv_close((uv_handle_t *)&g->retry, on_closed);
}
