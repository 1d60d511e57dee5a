/*
 * recall: see the header. One timer looks at those that were sent something and have not been heard
 * of since; it runs only while there are any.
 */
#include "loop/recall.h"

#include <utlist.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "sys/borrow.h"

#define LOOKS_MAX 8 /* each look that changes nothing doubles the wait for the next */

struct recall {
	struct loop *loop;
	uv_timer_t timer;
	uint64_t armed_us; /* what timer waits for, UINT64_MAX = nothing */
	struct proc *sent;
	struct recall_owner owner;
};

static void on_timer(uv_timer_t *h);

struct recall *
recall_new(struct loop *l, const struct recall_owner *owner)
{
	struct recall *r = mem_calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = l;
	r->owner = *owner;
	(void)uv_timer_init(&l->uv, &r->timer); /* cannot fail */
	r->timer.data = r;
	r->armed_us = UINT64_MAX;
	return r;
}

static uint64_t
due_us(const struct recall *r, const struct proc *p)
{
	const struct worker *w = core_find_worker(r->loop->core, p->worker);

	return p->sent_us + (w ? (w->generation->conf->stall_after_ms << p->sent_looks) * 1000 : 0);
}

static void
arm(struct recall *r, uint64_t at_us)
{
	uint64_t now_us;

	if (at_us >= r->armed_us)
		return;
	r->armed_us = at_us;
	now_us = clock_now_us();
	uv_update_time(&r->loop->uv); /* timers count from the loop's cached time */
	/* At least one turn of the loop later: an answer that has come is read first. */
	(void)uv_timer_start(
	    &r->timer, on_timer, at_us > now_us ? (at_us - now_us + 999) / 1000 : 1, 0);
}

static void
take_back(struct recall *r, struct proc *p)
{
	int end, fd;

	if (p->channel_number < 0 ||
	    borrow_fd(p->pid, p->channel_number, p->channel_inode, &end) < 0)
		return; /* it stays where it is until the worker goes on */
	fd = channel_recall(p->channel, end);
	fd_close(&end);
	if (fd >= 0)
		r->owner.returned(r->owner.arg, p, fd);
}

/* Nobody else is free: where it is, it is as well as with us. */
static void
look_again(struct recall *r, struct proc *p, uint64_t now_us)
{
	p->sent_us = now_us;
	if (p->sent_looks < LOOKS_MAX)
		p->sent_looks++;
	DL_APPEND2(r->sent, p, sent_prev, sent_next);
}

static void
on_timer(uv_timer_t *h)
{
	struct recall *r = h->data;
	uint64_t now_us = clock_now_us();
	struct proc *p, *next;

	r->armed_us = UINT64_MAX;
	DL_FOREACH_SAFE2 (r->sent, p, next, sent_next) {
		if (due_us(r, p) > now_us)
			continue;
		recall_forget(r, p);
		if (!p->channel || !channel_has_unread(p->channel))
			continue;
		if (r->owner.is_wanted(r->owner.arg, p))
			take_back(r, p);
		else
			look_again(r, p, now_us);
	}
	/* The list is short: those that were found to have read are gone from it. */
	DL_FOREACH2 (r->sent, p, sent_next)
		arm(r, due_us(r, p));
}

void
recall_sent(struct recall *r, struct proc *p)
{
	recall_forget(r, p);
	p->sent_us = clock_now_us();
	p->sent_looks = 0;
	p->sent_by = r;
	DL_APPEND2(r->sent, p, sent_prev, sent_next);
	arm(r, due_us(r, p));
}

void
recall_forget(struct recall *r, struct proc *p)
{
	if (p->sent_us == 0 || p->sent_by != r)
		return;
	DL_DELETE2(r->sent, p, sent_prev, sent_next);
	p->sent_us = 0;
}

static void
on_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void
recall_free(struct recall *r)
{
	if (r)
		uv_close((uv_handle_t *)&r->timer, on_closed);
}
