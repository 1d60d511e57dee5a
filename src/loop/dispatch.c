/*
 * dispatch: see the header.
 *
 * Who asked waits in one line, the longest first: that is the round robin. Each address has a
 * door, a poll that runs only while somebody waits for what comes there, so an app whose workers
 * are all busy costs no wake-up, and its connections wait in the kernel's queue, where nobody has
 * to hold them.
 *
 * Our copy of a connection is closed as soon as it is sent: as long as it is open, a worker's
 * close() would not end the connection. What could not be sent is ours still and goes to the next,
 * and so does what a worker has not read within stall_after (recall.h): it keeps its place in the
 * line, and gets nothing until it reads again.
 */
#include "loop/dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/recall.h"
#include "loop/tell.h"

#define ACCEPTS_A_TURN 64
#define PAUSE_MS       100 /* out of descriptors or memory: others must let go first */
#define ASLEEP_MS      16 /* a worker asked and does not read: looked at again, the pauses grow */
#define ASLEEP_MAX_MS  1024

/* One address that connections for an app come from. The descriptor is a copy, so that the poll
 * may outlive the listener by the moment that it takes to settle. */
struct door {
	uv_poll_t poll;
	struct dispatch *dispatch;
	char app[49];
	const struct listener *listener; /* compared only */
	int fd;
	bool open;
	struct door *next;
};

/* Accepted, and nobody there to take it. */
struct held {
	char app[49];
	const struct listener *listener; /* compared only */
	int fd;
	struct held *next;
};

struct dispatch {
	struct loop *loop;
	struct proc *waiting; /* for a connection, the longest first */
	struct door *doors;
	struct held *held;
	struct recall *recall;
	uv_timer_t again; /* ends what paused, deaf and asleep say */
	uint64_t asleep_ms; /* the next pause */
	bool paused;
	bool complained;
};

static void on_door(uv_poll_t *h, int status, int events);
static void on_again(uv_timer_t *h);
static bool is_wanted(void *arg, const struct proc *p);
static void on_returned(void *arg, struct proc *p, int fd);

int
dispatch_init(struct loop *l, struct err *e)
{
	struct dispatch *d = mem_calloc(1, sizeof(*d));
	const struct recall_owner owner = {is_wanted, on_returned, d};

	if (!d)
		return err_set(e, -ENOMEM, "out of memory");
	d->loop = l;
	d->asleep_ms = ASLEEP_MS;
	d->recall = recall_new(l, &owner);
	if (!d->recall) {
		mem_free(d);
		return err_set(e, -ENOMEM, "out of memory");
	}
	(void)uv_timer_init(&l->uv, &d->again); /* cannot fail */
	d->again.data = d;
	l->dispatch = d;
	return 0;
}

/* --- who may have what ---------------------------------------------------------------------- */

/* The name of the listener for workers of la; NULL: they do not serve it. */
static const char *
name_of(const struct launch *la, const struct listener *ls)
{
	for (size_t i = 0; i < la->app->listen_len; i++)
		if (la->listeners[i] == ls)
			return la->app->listen[i].name;
	return NULL;
}

/* A worker that asked before it was ready has to wait until it is; one in its drain_delay goes on
 * as before. */
static bool
may_have_more(const struct worker *w)
{
	return w->state == WORKER_READY || (w->state == WORKER_DRAINING && w->step == LEAVE_DELAY);
}

/* Who is next for what comes from there, and by which name it knows the address. */
static struct proc *
next_for(
    const struct dispatch *d, const char *app, const struct listener *ls, const char **ret_name)
{
	struct proc *p;

	DL_FOREACH2(d->waiting, p, take_next)
	{
		const struct worker *w;

		if (strcmp(p->app, app) != 0)
			continue;
		w = core_find_worker(d->loop->core, p->worker);
		if (!w || !p->channel || p->take_deaf || p->take_asleep || !may_have_more(w))
			continue;
		*ret_name = name_of(w->generation->launch, ls);
		if (*ret_name)
			return p;
	}
	return NULL;
}

static void
leave_line(struct dispatch *d, struct proc *p)
{
	DL_DELETE2(d->waiting, p, take_prev, take_next);
	p->take_prev = p->take_next = NULL;
	p->takes = p->take_deaf = p->take_asleep = false;
}

/* --- doors ---------------------------------------------------------------------------------- */

static void
try_again_in(struct dispatch *d, uint64_t ms)
{
	if (uv_is_active((uv_handle_t *)&d->again))
		return;
	uv_update_time(&d->loop->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(&d->again, on_again, ms, 0); /* cannot fail with a callback */
}

static void
pause_all(struct dispatch *d, int error)
{
	if (!d->complained)
		tell(d->loop, LOG_LEVEL_WARN, "accept_waits", NULL,
		    "connections are not accepted for the moment: %s", strerror(error));
	d->complained = true;
	d->paused = true;
	try_again_in(d, PAUSE_MS);
}

static void
set_open(struct door *o, bool open)
{
	if (o->open == open)
		return;
	o->open = open;
	if (open)
		(void)uv_poll_start(&o->poll, UV_READABLE, on_door); /* epoll_ctl is done later */
	else
		(void)uv_poll_stop(&o->poll);
}

static void
settle_doors(struct dispatch *d)
{
	struct door *o;
	const char *name;

	LL_FOREACH (d->doors, o)
		set_open(o, !d->paused && next_for(d, o->app, o->listener, &name) != NULL);
}

static void
on_door_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

static void
remove_door(struct dispatch *d, struct door *o)
{
	LL_DELETE(d->doors, o);
	uv_close((uv_handle_t *)&o->poll, on_door_closed);
	fd_close(&o->fd);
}

static int
add_door(struct dispatch *d, const char *app, const struct listener *ls)
{
	struct door *o = mem_calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->fd = fcntl(listener_fd(ls, 0, 0), F_DUPFD_CLOEXEC, 0);
	if (o->fd < 0) {
		r = -errno;
		mem_free(o);
		return r;
	}
	r = uv_poll_init(&d->loop->uv, &o->poll, o->fd);
	if (r < 0) {
		fd_close(&o->fd);
		mem_free(o);
		return r;
	}
	o->poll.data = o;
	o->dispatch = d;
	o->listener = ls;
	memcpy(o->app, app, sizeof(o->app));
	LL_PREPEND(d->doors, o);
	return 0;
}

static struct door *
find_door(const struct dispatch *d, const char *app, const struct listener *ls)
{
	struct door *o;

	LL_FOREACH (d->doors, o)
		if (o->listener == ls && strcmp(o->app, app) == 0)
			return o;
	return NULL;
}

/* Whatever the worker of p serves has a door from now on. */
static int
make_doors(struct dispatch *d, const struct proc *p)
{
	const struct worker *w = core_find_worker(d->loop->core, p->worker);
	const struct launch *la = w ? w->generation->launch : NULL;
	int r = 0;

	for (size_t i = 0; la && i < la->app->listen_len && r == 0; i++) {
		const struct listener *ls = la->listeners[i];

		if (ls->kind != LISTEN_UDP && !find_door(d, p->app, ls))
			r = add_door(d, p->app, ls);
	}
	return r;
}

/* --- connections ---------------------------------------------------------------------------- */

/* The first in the line that can be reached has it. */
static bool
send_to_next(struct dispatch *d, const char *app, const struct listener *ls, int fd)
{
	struct proc *p;
	const char *name;

	while ((p = next_for(d, app, ls, &name))) {
		int r = channel_send_connection(p->channel, name, fd);

		if (r == 0 || r == -ENOTCONN)
			leave_line(d, p);
		if (r == 0) {
			p->sent_from = ls;
			recall_sent(d->recall, p);
			return true;
		}
		if (r == -ENOTCONN)
			continue;
		p->take_deaf = true;
		try_again_in(d, ASLEEP_MS);
	}
	return false;
}

/* fd is ours no more, whatever came of it. */
static void
hand_over(struct dispatch *d, const char *app, const struct listener *ls, int fd)
{
	struct held *h;

	if (send_to_next(d, app, ls, fd)) {
		fd_close(&fd);
		return;
	}
	h = mem_calloc(1, sizeof(*h));
	if (!h) {
		fd_close(&fd); /* lost: there is no memory even to remember it */
		return;
	}
	memcpy(h->app, app, sizeof(h->app));
	h->listener = ls;
	h->fd = fd;
	LL_APPEND(d->held, h);
}

/* What is held goes first, to whoever it is for. */
static void
hand_held(struct dispatch *d)
{
	struct held *h, *next;

	LL_FOREACH_SAFE(d->held, h, next)
	{
		if (!send_to_next(d, h->app, h->listener, h->fd))
			continue;
		LL_DELETE(d->held, h);
		fd_close(&h->fd);
		mem_free(h);
	}
}

/* A ping was sent to a worker that slept; once that is read, so is all before it. */
static bool
is_asleep(const struct proc *p)
{
	return p->take_asleep && p->channel && channel_has_unread(p->channel);
}

static void
on_again(uv_timer_t *h)
{
	struct dispatch *d = h->data;
	bool asleep = false;
	struct proc *p;
	int r = 0;

	d->paused = false;
	DL_FOREACH2(d->waiting, p, take_next)
	{
		p->take_deaf = false;
		p->take_asleep = is_asleep(p);
		asleep = asleep || p->take_asleep;
		if (r == 0)
			r = make_doors(d, p);
	}
	if (r < 0)
		pause_all(d, -r);
	if (asleep)
		try_again_in(d, d->asleep_ms);
	d->asleep_ms = !asleep                        ? ASLEEP_MS
	               : d->asleep_ms < ASLEEP_MAX_MS ? 2 * d->asleep_ms
	                                              : ASLEEP_MAX_MS;
	hand_held(d);
	settle_doors(d);
}

static bool
is_wanted(void *arg, const struct proc *p)
{
	const struct dispatch *d = arg;
	const char *name;

	return next_for(d, p->app, p->sent_from, &name) != NULL;
}

/* p asked, was sent this, and has not read it: the next has it, p is still the first in the line. */
static void
on_returned(void *arg, struct proc *p, int fd)
{
	struct dispatch *d = arg;

	p->take_asleep = true;
	if (!p->takes)
		DL_PREPEND2(d->waiting, p, take_prev, take_next);
	p->takes = true;
	try_again_in(d, ASLEEP_MS);
	hand_over(d, p->app, p->sent_from, fd);
	settle_doors(d);
}

static bool
is_our_lack(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Blocking, as accept(2) has it, is what a program expects that says nothing else. */
static bool
wants_nonblocking(const struct dispatch *d, const struct proc *p)
{
	const struct worker *w = core_find_worker(d->loop->core, p->worker);

	return w && w->generation->conf->nonblocking == TRI_YES;
}

/* One connection from there to who is next. False: there is none, or nobody to have it. */
static bool
accept_one(struct door *o)
{
	struct dispatch *d = o->dispatch;
	const char *name;
	struct proc *p = next_for(d, o->app, o->listener, &name);
	int fd;

	if (!p || d->paused)
		return false;
	fd = accept4(
	    o->fd, NULL, NULL, SOCK_CLOEXEC | (wants_nonblocking(d, p) ? SOCK_NONBLOCK : 0));
	if (fd < 0 && is_our_lack(errno)) {
		pause_all(d, errno);
		return false;
	}
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	d->complained = false;
	/* Its address comes last next time, so that no address waits for another. */
	LL_DELETE(d->doors, o);
	LL_APPEND(d->doors, o);
	hand_over(d, o->app, o->listener, fd);
	return true;
}

static void
on_door(uv_poll_t *h, int status, int events)
{
	struct door *o = h->data;
	struct dispatch *d = o->dispatch;

	(void)events;
	/* An error of the socket shows in accept4(), too, and is not worth a spin. */
	for (int i = 0; status == 0 && i < ACCEPTS_A_TURN && accept_one(o); i++)
		;
	if (status < 0)
		pause_all(d, -status);
	settle_doors(d);
}

/* --- from outside --------------------------------------------------------------------------- */

bool
dispatch_take(struct loop *l, struct proc *p)
{
	const struct worker *w = core_find_worker(l->core, p->worker);
	struct dispatch *d = l->dispatch;
	struct door *o, *next;
	int r;

	if (!d || !w || w->generation->conf->balance != BALANCE_DISPATCH)
		return false;
	if (p->takes) {
		dispatch_awake(l, p);
		return false;
	}
	recall_forget(d->recall, p);
	p->takes = true;
	DL_APPEND2(d->waiting, p, take_prev, take_next);
	r = make_doors(d, p);
	if (r < 0 && !d->paused)
		pause_all(d, -r);
	hand_held(d);
	/* While all were busy, connections piled up in the queue: that is worth a look before a
	 * turn of the loop is spent on it. */
	LL_FOREACH_SAFE(d->doors, o, next)
	{
		if (!p->takes)
			break;
		if (!o->open && strcmp(o->app, p->app) == 0)
			(void)accept_one(o);
	}
	settle_doors(d);
	return true;
}

void
dispatch_awake(struct loop *l, struct proc *p)
{
	if (!p->take_asleep)
		return;
	p->take_asleep = false;
	hand_held(l->dispatch);
	settle_doors(l->dispatch);
}

void
dispatch_forget(struct loop *l, worker_id worker)
{
	struct proc *p = procs_find(l, worker);

	if (!l->dispatch || !p)
		return;
	recall_forget(l->dispatch->recall, p);
	if (!p->takes)
		return;
	leave_line(l->dispatch, p);
	settle_doors(l->dispatch);
}

/* Whether some generation of the app still names the listener. */
static bool
is_named(const struct loop *l, const char *app, const struct listener *ls)
{
	const struct launch *la;

	DL_FOREACH (l->launches->all, la)
		if (strcmp(la->app->name, app) == 0 && name_of(la, ls))
			return true;
	return false;
}

void
dispatch_settle(struct loop *l)
{
	struct dispatch *d = l->dispatch;
	struct door *o, *next;
	struct held *h, *after;

	if (!d || (!d->doors && !d->held))
		return;
	LL_FOREACH_SAFE(d->doors, o, next)
	if (!is_named(l, o->app, o->listener))
		remove_door(d, o);
	LL_FOREACH_SAFE(d->held, h, after)
	{
		if (is_named(l, h->app, h->listener))
			continue;
		LL_DELETE(d->held, h);
		fd_close(&h->fd);
		mem_free(h);
	}
	hand_held(d);
	settle_doors(d);
}

static void
on_again_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void
dispatch_done(struct loop *l)
{
	struct dispatch *d = l->dispatch;

	if (!d)
		return;
	l->dispatch = NULL;
	while (d->doors)
		remove_door(d, d->doors);
	while (d->held) {
		struct held *h = d->held;

		LL_DELETE(d->held, h);
		fd_close(&h->fd);
		mem_free(h);
	}
	recall_free(d->recall);
	uv_close((uv_handle_t *)&d->again, on_again_closed);
}
