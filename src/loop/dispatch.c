/*
 * dispatch: see the header.
 *
 * Who asked waits in one line, the longest first: that is the round robin. The master listens at
 * the doors of an app only while somebody waits for what comes there.
 *
 * Our copy of a connection is closed as soon as it is sent: as long as it is open, a worker's
 * close() would not end the connection. What could not be sent is ours still and goes to the next,
 * and so does what a worker has not read within stall_after (recall.h): it keeps its place in the
 * line, and gets nothing until it reads again.
 */
#include "loop/dispatch.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/doors.h"
#include "loop/held.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/recall.h"

#define ASLEEP_MS     16 /* a worker asked and does not read: looked at again, the pauses grow */
#define ASLEEP_MAX_MS 1024

struct dispatch {
	struct loop *loop;
	struct proc *waiting; /* for a connection, the longest first */
	struct held *held; /* accepted for somebody who then did not take it */
	struct doors *doors;
	struct recall *recall;
	struct node_giver giver; /* to workers of Node's */
	uv_timer_t again; /* looks at those that were deaf or asleep */
	uint64_t asleep_ms; /* the next pause */
};

static void on_again(uv_timer_t *h);

/* --- who may have what ---------------------------------------------------------------------- */

/* The name of the listener for workers of la; NULL: they do not serve it. */
static const char *
name_of(const struct launch *la, const struct listener *ls)
{
	for (size_t i = 0; i < la->listeners_len; i++)
		if (la->listeners[i] == ls)
			return la->listen[i]->name;
	return NULL;
}

/* A worker that asked before it was ready has to wait until it is; one in its drain_delay goes on
 * as before. */
static bool
may_have_more(const struct worker *w)
{
	return w->state == WORKER_READY || (w->state == WORKER_DRAINING && w->step == LEAVE_DELAY);
}

static bool
refuses(const struct proc *p)
{
	return p->node && node_refuses(p->node);
}

/* Who is next for what comes from there, and by which name it knows the address. */
static struct proc *
next_for(
    const struct dispatch *d, const char *app, const struct listener *ls, const char **ret_name)
{
	struct proc *p;

	DL_FOREACH2 (d->waiting, p, take_next) {
		const struct worker *w;

		if (strcmp(p->app, app) != 0)
			continue;
		w = core_find_worker(d->loop->core, p->worker);
		if (!w || !p->channel || p->take_deaf || p->take_asleep || refuses(p) ||
		    !may_have_more(w))
			continue;
		*ret_name = name_of(w->generation->launch, ls);
		if (*ret_name && (!p->node || node_serves(p->node, ls)))
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

/* --- connections ---------------------------------------------------------------------------- */

static void
try_again_in(struct dispatch *d, uint64_t ms)
{
	if (uv_is_active((uv_handle_t *)&d->again))
		return;
	uv_update_time(&d->loop->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(&d->again, on_again, ms, 0); /* cannot fail with a callback */
}

/* The first in the line that can be reached has it. */
static bool
send_to_next(void *arg, const char *app, const struct listener *ls, int fd)
{
	struct dispatch *d = arg;
	struct proc *p;
	const char *name;

	while ((p = next_for(d, app, ls, &name))) {
		int r = p->node ? node_give(p->node, ls, fd, &d->giver)
		                : channel_send_connection(p->channel, name, fd);

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
hand_over(void *arg, const char *app, const struct listener *ls, int fd)
{
	struct dispatch *d = arg;

	if (send_to_next(d, app, ls, fd))
		fd_close(&fd);
	else
		held_add(&d->held, app, ls, fd);
}

/* What is held goes before what has not been accepted yet. */
static void
settle(struct dispatch *d)
{
	held_sift(&d->held, send_to_next, d);
	doors_settle(d->doors);
}

/* --- who does not read ---------------------------------------------------------------------- */

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

	DL_FOREACH2 (d->waiting, p, take_next) {
		p->take_deaf = false;
		p->take_asleep = is_asleep(p);
		asleep = asleep || p->take_asleep || refuses(p);
	}
	if (!asleep) {
		d->asleep_ms = ASLEEP_MS;
	} else {
		try_again_in(d, d->asleep_ms);
		d->asleep_ms *= d->asleep_ms < ASLEEP_MAX_MS ? 2 : 1;
	}
	settle(d);
}

static bool
has_other(void *arg, const struct proc *p)
{
	const char *name;

	return next_for(arg, p->app, p->sent_from, &name) != NULL;
}

/* p asked, was sent this, and has not read it: the next has it, and p is the first in the line still,
 * unless it leaves. */
static void
on_returned(void *arg, struct proc *p, int fd)
{
	struct dispatch *d = arg;
	const struct worker *w = core_find_worker(d->loop->core, p->worker);

	if (w && may_have_more(w)) {
		if (!p->takes)
			DL_PREPEND2(d->waiting, p, take_prev, take_next);
		p->takes = p->take_asleep = true;
		try_again_in(d, ASLEEP_MS);
	}
	hand_over(d, p->app, p->sent_from, fd);
	settle(d);
}

/* --- workers of Node's ------------------------------------------------------------------------ */

/* They do not ask: who has taken one would have the next. */
static void
on_taken(void *arg, struct proc *p)
{
	const struct dispatch *d = arg;

	(void)dispatch_take(d->loop, p);
}

/* It would not have this one, so it has none for a while (node_refuses()). */
static void
on_back(void *arg, struct proc *p, const struct listener *ls, int fd, bool gone)
{
	struct dispatch *d = arg;

	recall_forget(d->recall, p);
	if (!gone && !p->takes) {
		p->takes = true;
		DL_APPEND2(d->waiting, p, take_prev, take_next);
		try_again_in(d, ASLEEP_MS);
	}
	hand_over(d, p->app, ls, fd);
	settle(d);
}

/* --- life ------------------------------------------------------------------------------------ */

/* Whatever the worker of p serves has a door from now on. */
static void
make_doors(struct dispatch *d, const struct proc *p)
{
	const struct worker *w = core_find_worker(d->loop->core, p->worker);
	const struct launch *la = w ? w->generation->launch : NULL;

	for (size_t i = 0; la && i < la->listeners_len; i++)
		if (la->listeners[i]->kind != LISTEN_UDP)
			doors_need(d->doors, p->app, la->listeners[i]);
}

static void
on_lack_over(void *arg)
{
	const struct dispatch *d = arg;
	struct proc *p;

	DL_FOREACH2 (d->waiting, p, take_next)
		make_doors(arg, p);
}

/* Blocking, as accept(2) has it, is what a program expects that says nothing else. */
static bool
is_wanted(void *arg, const char *app, const struct listener *ls, bool *ret_nonblocking)
{
	const struct dispatch *d = arg;
	const char *name;
	const struct proc *p = next_for(d, app, ls, &name);
	const struct worker *w = p ? core_find_worker(d->loop->core, p->worker) : NULL;

	if (w)
		*ret_nonblocking = launch_is_nonblocking(w->generation->launch);
	return w != NULL;
}

int
dispatch_init(struct loop *l, struct err *e)
{
	struct dispatch *d = mem_calloc(1, sizeof(*d));
	const struct doors_owner of_doors = {is_wanted, hand_over, on_lack_over, d};
	const struct recall_owner of_recall = {has_other, on_returned, d};

	if (!d)
		return err_set(e, -ENOMEM, "out of memory");
	d->loop = l;
	d->asleep_ms = ASLEEP_MS;
	d->giver = (struct node_giver){on_taken, on_back, d};
	(void)uv_timer_init(&l->uv, &d->again); /* cannot fail */
	d->again.data = d;
	l->dispatch = d;
	d->doors = doors_new(l, &of_doors);
	d->recall = recall_new(l, &of_recall);
	if (d->doors && d->recall)
		return 0;
	dispatch_done(l);
	return err_set(e, -ENOMEM, "out of memory");
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
	held_free(&d->held);
	doors_free(d->doors);
	recall_free(d->recall);
	uv_close((uv_handle_t *)&d->again, on_again_closed);
}

/* --- from outside ---------------------------------------------------------------------------- */

bool
dispatch_take(struct loop *l, struct proc *p)
{
	const struct worker *w = core_find_worker(l->core, p->worker);
	struct dispatch *d = l->dispatch;

	if (!d || !w || w->generation->conf->balance != BALANCE_DISPATCH)
		return false;
	if (p->takes) {
		make_doors(d, p); /* one of Node's listens at a further address */
		dispatch_awake(l, p);
		settle(d);
		return false;
	}
	recall_forget(d->recall, p);
	p->takes = true;
	DL_APPEND2(d->waiting, p, take_prev, take_next);
	make_doors(d, p);
	settle(d);
	if (p->takes) {
		doors_look(d->doors, p->app);
		doors_settle(d->doors);
	}
	return true;
}

void
dispatch_awake(struct loop *l, struct proc *p)
{
	if (!p->take_asleep)
		return;
	p->take_asleep = false;
	settle(l->dispatch);
}

void
dispatch_leaves(struct loop *l, worker_id worker)
{
	struct proc *p = procs_find(l, worker);

	if (!l->dispatch || !p || !p->takes)
		return;
	leave_line(l->dispatch, p);
	settle(l->dispatch);
}

void
dispatch_forget(struct loop *l, struct proc *p)
{
	if (!l->dispatch)
		return;
	recall_forget(l->dispatch->recall, p);
	dispatch_leaves(l, p->worker);
}

static bool
is_nobodys(void *arg, const char *app, const struct listener *ls, int fd)
{
	(void)fd;
	return !launches_serve(arg, app, ls);
}

void
dispatch_settle(struct loop *l)
{
	struct dispatch *d = l->dispatch;

	if (!d)
		return;
	doors_sort_out(d->doors, launches_serve);
	held_sift(&d->held, is_nobodys, l);
	settle(d);
}
