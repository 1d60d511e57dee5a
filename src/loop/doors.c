/*
 * doors: see the header.
 */
#include "loop/doors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/fd.h"
#include "base/mem.h"
#include "loop/listeners.h"
#include "loop/loop.h"
#include "loop/tell.h"

#define ACCEPTS_A_TURN 64
#define PAUSE_MS       100 /* out of descriptors or memory: others must let go first */

/* The descriptor is a copy, so that the poll may outlive the listener by the moment that it takes to
 * sort out, and nobody else's watch of the same socket is in its way. */
struct door {
	uv_poll_t poll;
	struct doors *doors;
	char app[49];
	const struct listener *listener; /* compared only */
	int fd;
	bool open;
	struct door *next;
};

struct doors {
	struct loop *loop;
	struct doors_owner owner;
	struct door *all;
	uv_timer_t pause;
	bool complained; /* of a lack that has not ended since */
};

static void on_readable(uv_poll_t *h, int status, int events);

static bool
is_paused(const struct doors *d)
{
	return uv_is_active((const uv_handle_t *)&d->pause);
}

static void
on_pause_over(uv_timer_t *h)
{
	struct doors *d = h->data;

	d->owner.again(d->owner.arg);
	doors_settle(d);
}

static void
pause_all(struct doors *d, int error)
{
	if (!d->complained)
		tell(d->loop, LOG_LEVEL_WARN, "accept_waits", NULL,
		    "connections are not accepted for the moment: %s", strerror(error));
	d->complained = true;
	uv_update_time(&d->loop->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(&d->pause, on_pause_over, PAUSE_MS, 0); /* cannot fail */
}

struct doors *
doors_new(struct loop *l, const struct doors_owner *owner)
{
	struct doors *d = mem_calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->loop = l;
	d->owner = *owner;
	(void)uv_timer_init(&l->uv, &d->pause); /* cannot fail */
	d->pause.data = d;
	return d;
}

/* --- making and breaking --------------------------------------------------------------------- */

static struct door *
find(const struct doors *d, const char *app, const struct listener *ls)
{
	struct door *o;

	LL_FOREACH (d->all, o)
		if (o->listener == ls && strcmp(o->app, app) == 0)
			return o;
	return NULL;
}

static int
add(struct doors *d, const char *app, const struct listener *ls)
{
	struct door *o = mem_calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->fd = fcntl(listener_fd(ls, 0, 0), F_DUPFD_CLOEXEC, 0);
	r = o->fd < 0 ? -errno : uv_poll_init(&d->loop->uv, &o->poll, o->fd);
	if (r < 0) {
		fd_close(&o->fd);
		mem_free(o);
		return r;
	}
	o->poll.data = o;
	o->doors = d;
	o->listener = ls;
	memcpy(o->app, app, sizeof(o->app));
	LL_PREPEND(d->all, o);
	return 0;
}

void
doors_need(struct doors *d, const char *app, const struct listener *ls)
{
	int r;

	if (is_paused(d) || find(d, app, ls))
		return;
	r = add(d, app, ls);
	if (r < 0)
		pause_all(d, -r);
}

static void
on_door_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

static void
drop(struct doors *d, struct door *o)
{
	LL_DELETE(d->all, o);
	uv_close((uv_handle_t *)&o->poll, on_door_closed);
	fd_close(&o->fd);
}

void
doors_sort_out(struct doors *d,
    bool (*is_named)(const struct loop *l, const char *app, const struct listener *ls))
{
	struct door *o, *next;

	LL_FOREACH_SAFE (d->all, o, next)
		if (!is_named(d->loop, o->app, o->listener))
			drop(d, o);
}

static void
on_pause_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void
doors_free(struct doors *d)
{
	if (!d)
		return;
	while (d->all)
		drop(d, d->all);
	uv_close((uv_handle_t *)&d->pause, on_pause_closed);
}

/* --- accepting ------------------------------------------------------------------------------- */

static bool
is_our_lack(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* False: there is none, or nobody to have it. */
static bool
accept_one(struct door *o)
{
	struct doors *d = o->doors;
	bool nonblocking = false;
	int fd;

	if (is_paused(d) || !d->owner.is_wanted(d->owner.arg, o->app, o->listener, &nonblocking))
		return false;
	fd = accept4(o->fd, NULL, NULL, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
	if (fd < 0 && is_our_lack(errno))
		pause_all(d, errno);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	d->complained = false;
	/* It comes last the next time, so that no address waits for another. */
	LL_DELETE(d->all, o);
	LL_APPEND(d->all, o);
	d->owner.came(d->owner.arg, o->app, o->listener, fd);
	return true;
}

void
doors_look(struct doors *d, const char *app)
{
	struct door *o, *next;

	LL_FOREACH_SAFE (d->all, o, next)
		if (!o->open && strcmp(o->app, app) == 0)
			(void)accept_one(o);
}

void
doors_settle(struct doors *d)
{
	struct door *o;

	LL_FOREACH (d->all, o) {
		bool nonblocking, open = !is_paused(d) && d->owner.is_wanted(d->owner.arg, o->app,
		                                              o->listener, &nonblocking);

		if (o->open == open)
			continue;
		o->open = open;
		if (open)
			(void)uv_poll_start(&o->poll, UV_READABLE, on_readable); /* does it later */
		else
			(void)uv_poll_stop(&o->poll);
	}
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct door *o = h->data;
	struct doors *d = o->doors;

	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_A_TURN && accept_one(o); i++)
		;
	if (status < 0)
		pause_all(d, -status); /* what it is shows in accept4(); not worth a spin */
	doors_settle(d);
}
