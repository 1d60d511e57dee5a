/*
 * offload: see runtime/offload.h. libuv has one queue for all loops and what libuv itself does in
 * the pool (files, names): work that waits for something other than the processor takes a thread
 * from all of them.
 *
 * The end of a loop: libuv says that work is over only in a turn, in which everything else that
 * the loop still has would run as well. So each piece of work says itself, under the lock, when it
 * is over; offload_end() waits for that, and libuv's word comes later and is for the memory only.
 */
#include "runtime/offload.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"
#include "runtime/loop.h"

#define POOL_SIZE_DEFAULT 4
#define POOL_SIZE_MAX     1024

struct offload {
	uv_work_t req;
	struct brood_loop *loop;
	brood_id id;
	brood_work_fn *work;
	brood_done_fn *done;
	void *arg;
	uint64_t asked_ns;
	int result;
	bool is_cancelled;
	bool is_told; /* done was called */
	bool is_over; /* under the lock: work has returned */
	struct offload *prev, *next;
};

/* Those of one loop. */
struct offloads {
	struct loop_end end;
	struct offload *list;
	uv_mutex_t lock;
	uv_cond_t one_over;
	uint64_t waiting, queued_us, longest_queued_us; /* under the lock: the pool counts */
};

/* --- how big the pool is --------------------------------------------------------------------- */

/* As libuv reads it when the first work comes. */
static unsigned
read_pool_size(void)
{
	const char *text = getenv("UV_THREADPOOL_SIZE");
	unsigned n = text != NULL ? (unsigned)atoi(text) : POOL_SIZE_DEFAULT;

	if (n == 0)
		n = 1;
	return n < POOL_SIZE_MAX ? n : POOL_SIZE_MAX;
}

/* From the first work on it stays what it is, whatever happens to the environment. */
static unsigned
pool_size(bool is_used)
{
	static atomic_uint size;
	unsigned n = atomic_load(&size);

	if (n != 0)
		return n;
	n = read_pool_size();
	if (is_used)
		atomic_store(&size, n);
	return n;
}

void
offload_stats(struct brood_loop *loop, struct brood_loop_stats *ret)
{
	struct offloads *os = loop->offloads;

	ret->pool_size = pool_size(false);
	if (os == NULL)
		return;
	uv_mutex_lock(&os->lock);
	ret->offloads_waiting = os->waiting;
	ret->offloads_queued_us = os->queued_us;
	ret->offloads_longest_queued_us = os->longest_queued_us;
	uv_mutex_unlock(&os->lock);
}

/* --- in the pool ----------------------------------------------------------------------------- */

static void
note_begin(struct offloads *os, uint64_t queued_us)
{
	uv_mutex_lock(&os->lock);
	os->waiting--;
	os->queued_us += queued_us;
	if (queued_us > os->longest_queued_us)
		os->longest_queued_us = queued_us;
	uv_mutex_unlock(&os->lock);
}

static void
run_work(uv_work_t *req)
{
	struct offload *o = req->data;
	struct offloads *os = o->loop->offloads;

	note_begin(os, (uv_hrtime() - o->asked_ns) / 1000);
	o->result = o->work(o->arg);
	uv_mutex_lock(&os->lock);
	o->is_over = true;
	uv_cond_signal(&os->one_over);
	uv_mutex_unlock(&os->lock);
}

/* --- in the loop ----------------------------------------------------------------------------- */

static void
tell(struct offload *o, int result)
{
	struct brood_loop *loop = o->loop;

	o->is_told = true;
	ids_remove(&loop->ids, o->id);
	brood_enter(loop);
	if (o->done != NULL)
		o->done(loop, result, o->arg);
	brood_leave(loop);
}

static void
on_over(uv_work_t *req, int status)
{
	struct offload *o = req->data;

	/* Else offload_end() did, and the list is gone. */
	if (!o->is_told) {
		DL_DELETE(o->loop->offloads->list, o);
		tell(o, status == UV_ECANCELED ? -ECANCELED : o->result);
	}
	mem_free(o);
}

static int
cancel(struct offload *o)
{
	struct offloads *os = o->loop->offloads;

	if (o->is_cancelled)
		return 0;
	if (uv_cancel((uv_req_t *)&o->req) < 0)
		return -EBUSY;
	o->is_cancelled = true;
	uv_mutex_lock(&os->lock);
	os->waiting--;
	uv_mutex_unlock(&os->lock);
	return 0;
}

static void
wait_until_over(struct offload *o)
{
	struct offloads *os = o->loop->offloads;

	uv_mutex_lock(&os->lock);
	while (!o->is_over)
		uv_cond_wait(&os->one_over, &os->lock);
	uv_mutex_unlock(&os->lock);
}

/* The loop is being freed: what has not begun is cancelled, what runs is waited for. All are
 * cancelled before the first is waited for, or the others would begin meanwhile. */
static void
offload_end(struct brood_loop *loop, void *arg)
{
	struct offloads *os = arg;
	struct offload *o;

	DL_FOREACH (os->list, o)
		(void)cancel(o);
	DL_FOREACH (os->list, o)
		if (!o->is_cancelled)
			wait_until_over(o);
	DL_FOREACH (os->list, o)
		if (!o->is_told)
			tell(o, o->is_cancelled ? -ECANCELED : o->result);
	loop->offloads = NULL;
	uv_cond_destroy(&os->one_over);
	uv_mutex_destroy(&os->lock);
	mem_free(os);
}

static int
open_offloads(struct offloads *os)
{
	int r = uv_mutex_init(&os->lock);

	if (r < 0)
		return r;
	r = uv_cond_init(&os->one_over);
	if (r < 0)
		uv_mutex_destroy(&os->lock);
	return r;
}

static int
need_offloads(struct brood_loop *loop)
{
	struct offloads *os;
	int r;

	if (loop->is_ending)
		return -ECANCELED;
	if (loop->offloads != NULL)
		return 0;
	os = mem_calloc(1, sizeof *os);
	r = os != NULL ? open_offloads(os) : -ENOMEM;
	if (r < 0) {
		mem_free(os);
		return r;
	}
	loop_at_end(loop, &os->end, offload_end, os);
	loop->offloads = os;
	return 0;
}

/* --- what is asked --------------------------------------------------------------------------- */

static void
begin(struct brood_loop *loop, struct offload *o)
{
	struct offloads *os = loop->offloads;

	(void)pool_size(true);
	DL_APPEND(os->list, o);
	loop->stats.offloads++;
	uv_mutex_lock(&os->lock);
	os->waiting++;
	uv_mutex_unlock(&os->lock);
	o->asked_ns = uv_hrtime();
	/* It fails for want of a work function only, and aborts where there is no thread at all. */
	(void)uv_queue_work(&loop->uv, &o->req, run_work, on_over);
}

brood_id
brood_offload(struct brood_loop *loop, brood_work_fn *work, brood_done_fn *done, void *arg)
{
	struct offload *o;
	int r = work != NULL ? need_offloads(loop) : -EINVAL;

	if (r < 0) {
		errno = -r;
		return 0;
	}
	o = mem_calloc(1, sizeof *o);
	if (o != NULL)
		o->id = ids_add(&loop->ids, ID_OFFLOAD, o);
	if (o == NULL || o->id == 0) {
		mem_free(o);
		errno = ENOMEM;
		return 0;
	}
	o->req.data = o;
	o->loop = loop;
	o->work = work;
	o->done = done;
	o->arg = arg;
	begin(loop, o);
	return o->id;
}

int
brood_offload_cancel(struct brood_loop *loop, brood_id id)
{
	struct offload *o = ids_find(&loop->ids, id, ID_OFFLOAD);

	return o != NULL ? cancel(o) : -ESRCH;
}
