/*
 * rescue: see the header. Each worker is given one, and the next when it has taken that: where all are
 * busy, the rest is as well off in the kernel's queue, from which its own worker may still take it. What
 * a worker does not read in stall_after is taken back out of its channel.
 */
#include "loop/rescue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>
#include <uv.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/held.h"
#include "loop/listeners.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/queues.h"
#include "loop/recall.h"

#define ACCEPTS_A_TURN 64
#define AGAIN_MS       16 /* nobody took it: somebody may by then; the pauses grow */
#define AGAIN_MAX_MS   1024

/* A seat whose queue is being emptied. */
struct source {
	char app[49];
	const struct listener *listener; /* valid while a launch of the app has it */
	unsigned slot, seat;
	struct source *next;
};

struct rescue {
	struct loop *loop;
	struct node_giver giver;
	struct recall *recall;
	struct source *sources;
	struct held *held; /* accepted for somebody who then did not take it */
	uv_timer_t again;
	uint64_t again_ms; /* the next pause */
	worker_id last; /* that was given one: the next is behind it */
};

static void on_again(uv_timer_t *h);

/* --- who may have one --------------------------------------------------------------------------- */

/* One that slept is awake when it has read what was sent to find out. */
static bool
is_awake(struct proc *p)
{
	if (p->take_asleep)
		p->take_asleep = p->channel && channel_has_unread(p->channel);
	return !p->take_asleep;
}

static struct proc *
candidate(const struct rescue *r, const struct slot *s, const struct listener *ls)
{
	const struct worker *w = s->current;
	struct proc *p = w && w->state == WORKER_READY ? procs_find(r->loop, w->id) : NULL;

	return p && p->node && node_serves(p->node, ls) ? p : NULL;
}

/* Whoever has taken all that it was given; of several, in turn. */
static struct proc *
pick(const struct rescue *r, const char *app, const struct listener *ls)
{
	const struct app *a = core_find_app(r->loop->core, app);
	unsigned at = 0;

	for (unsigned i = 0; a && i < a->slots_len; i++)
		if (a->slots[i]->current && a->slots[i]->current->id == r->last)
			at = i + 1;
	for (unsigned i = 0; a && i < a->slots_len; i++) {
		struct proc *p = candidate(r, a->slots[(at + i) % a->slots_len], ls);

		if (p && node_untaken(p->node) == 0 && !node_refuses(p->node) && is_awake(p))
			return p;
	}
	return NULL;
}

bool
rescue_is_possible(struct loop *l, const char *app, const struct listener *ls)
{
	const struct app *a = core_find_app(l->core, app);

	for (unsigned i = 0; a && l->rescue && i < a->slots_len; i++)
		if (candidate(l->rescue, a->slots[i], ls))
			return true;
	return false;
}

/* --- giving ------------------------------------------------------------------------------------- */

static bool
give(struct rescue *r, const char *app, const struct listener *ls, int fd)
{
	struct proc *p = pick(r, app, ls);

	if (!p || node_give(p->node, ls, fd, &r->giver) < 0)
		return false;
	r->last = p->worker;
	r->again_ms = AGAIN_MS;
	p->sent_from = ls;
	recall_sent(r->recall, p);
	return true;
}

static void
try_again(struct rescue *r)
{
	uv_update_time(&r->loop->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(&r->again, on_again, r->again_ms, 0); /* cannot fail with a callback */
	r->again_ms *= r->again_ms < AGAIN_MAX_MS ? 2 : 1;
}

static void
hold(struct rescue *r, const char *app, const struct listener *ls, int fd)
{
	held_add(&r->held, app, ls, fd);
	if (!uv_is_active((uv_handle_t *)&r->again))
		try_again(r);
}

/* Whether anybody will ever take what came there. */
static bool
is_served(const struct loop *l, const char *app, const struct listener *ls)
{
	const struct app *a = core_find_app(l->core, app);

	return a && (a->wanted == APP_RUN || a->alive > 0) && launches_serve(l, app, ls);
}

static bool
is_given_or_nobodys(void *arg, const char *app, const struct listener *ls, int fd)
{
	struct rescue *r = arg;

	return !is_served(r->loop, app, ls) || give(r, app, ls, fd);
}

static void
settle_held(struct rescue *r)
{
	held_sift(&r->held, is_given_or_nobodys, r);
}

static void
on_again(uv_timer_t *h)
{
	struct rescue *r = h->data;

	settle_held(r);
	if (r->held)
		try_again(r);
}

/* --- taking ------------------------------------------------------------------------------------- */

/* False: none is left there, or nobody to have it. */
static bool
move_one(struct rescue *r, struct source *s, bool *ret_empty)
{
	int fd;

	if (!pick(r, s->app, s->listener))
		return false;
	do {
		fd = accept4(listener_fd(s->listener, s->slot, s->seat), NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0) {
		*ret_empty = true; /* or we lack something: then it is asked for again */
		return false;
	}
	if (give(r, s->app, s->listener, fd))
		fd_close(&fd);
	else
		hold(r, s->app, s->listener, fd);
	return true;
}

static unsigned
move_all(struct rescue *r, struct source *s, bool *ret_empty)
{
	unsigned n = 0;

	while (n < ACCEPTS_A_TURN && move_one(r, s, ret_empty))
		n++;
	return n;
}

static void
drop_source(struct rescue *r, struct source *s)
{
	LL_DELETE(r->sources, s);
	mem_free(s);
}

/* Somebody has taken what he was given. */
static void
go_on(struct rescue *r)
{
	struct source *s, *next;

	settle_held(r);
	LL_FOREACH_SAFE (r->sources, s, next) {
		bool empty = !is_served(r->loop, s->app, s->listener) ||
		             s->slot >= listener_slots(s->listener);
		unsigned n = empty || r->held ? 0 : move_all(r, s, &empty);

		if (n > 0)
			queues_rescued(r->loop, s->app, s->slot, n);
		if (empty)
			drop_source(r, s);
	}
}

static struct source *
find_source(const struct rescue *r, const char *app, const struct listener *ls, unsigned slot,
    unsigned seat)
{
	struct source *s;

	LL_FOREACH (r->sources, s)
		if (s->listener == ls && s->slot == slot && s->seat == seat &&
		    strcmp(s->app, app) == 0)
			return s;
	return NULL;
}

unsigned
rescue_seat(
    struct loop *l, const char *app, const struct listener *ls, unsigned slot, unsigned seat)
{
	struct rescue *r = l->rescue;
	struct source *s = find_source(r, app, ls, slot, seat);
	bool empty = false;
	unsigned n;

	if (!s) {
		s = mem_calloc(1, sizeof(*s));
		if (!s)
			return 0; /* it is asked for again */
		snprintf(s->app, sizeof(s->app), "%s", app);
		s->listener = ls;
		s->slot = slot;
		s->seat = seat;
		LL_APPEND(r->sources, s);
	}
	n = move_all(r, s, &empty);
	if (empty)
		drop_source(r, s);
	return n;
}

/* --- what became of it ------------------------------------------------------------------------------ */

static void
on_taken(void *arg, struct proc *p)
{
	struct rescue *r = arg;

	recall_forget(r->recall, p);
	go_on(r);
}

static void
on_back(void *arg, struct proc *p, const struct listener *ls, int fd, bool gone)
{
	struct rescue *r = arg;

	(void)gone; /* who refuses is left alone for a while, who is gone, for ever */
	recall_forget(r->recall, p);
	if (give(r, p->app, ls, fd))
		fd_close(&fd);
	else
		hold(r, p->app, ls, fd);
}

static bool
has_other(void *arg, const struct proc *p)
{
	return pick(arg, p->app, p->sent_from) != NULL; /* p has one that it has not taken */
}

static void
on_returned(void *arg, struct proc *p, int fd)
{
	on_back(arg, p, p->sent_from, fd, false);
}

/* --- life ------------------------------------------------------------------------------------------- */

int
rescue_init(struct loop *l, struct err *e)
{
	struct rescue *r = mem_calloc(1, sizeof(*r));
	const struct recall_owner of_recall = {has_other, on_returned, r};

	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	r->loop = l;
	r->again_ms = AGAIN_MS;
	r->giver = (struct node_giver){on_taken, on_back, r};
	(void)uv_timer_init(&l->uv, &r->again); /* cannot fail */
	r->again.data = r;
	l->rescue = r;
	r->recall = recall_new(l, &of_recall);
	if (r->recall)
		return 0;
	rescue_done(l);
	return err_set(e, -ENOMEM, "out of memory");
}

static void
on_again_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void
rescue_done(struct loop *l)
{
	struct rescue *r = l->rescue;

	if (!r)
		return;
	l->rescue = NULL;
	held_free(&r->held);
	while (r->sources)
		drop_source(r, r->sources);
	recall_free(r->recall);
	uv_close((uv_handle_t *)&r->again, on_again_closed);
}
