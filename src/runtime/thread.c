/*
 * thread: threads with a loop and a port of their own.
 *
 * All that a thread needs is made by its parent, its loop too, so that what is missing is an error
 * of brood_thread_start(), and terminating needs nothing that could be missing. From then on the
 * loop is the thread's, and the thread frees it. Two wakes join them: "stop" in the thread's loop,
 * which is sent to under a lock, because the thread closes it; and "ended" in the parent's, which
 * the thread sends last of all, and which keeps the parent's loop alive until then.
 *
 * A thread that does not come back to its loop can't be ended: C has no way to take away from it
 * what it holds. Who frees its parent's loop waits for it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "runtime/loop.h"
#include "runtime/port.h"

#define CODE_FAILED     1 /* an error that nobody handled; as in Node also for a terminated one */
#define ERROR_MAX_BYTES 256

struct brood_thread {
	struct brood_loop *parent, *loop;
	struct brood_port *outer, *inner; /* NULL once they are closed */
	brood_thread_fn *fn;
	brood_thread_exit_fn *on_exit;
	void *arg;
	uv_thread_t tid;
	uv_async_t ended;
	atomic_bool is_terminated;
	struct brood_thread *prev, *next;

	uv_mutex_t lock;
	uv_async_t stop;
	bool can_stop; /* under the lock: stop is open */

	/* The thread's, and the parent's when it has ended. */
	struct loop_end end;
	int code;
	int error; /* 0: none */
	char what[ERROR_MAX_BYTES];
};

/* Those of one parent. */
struct threads {
	struct loop_end end;
	struct brood_thread *list;
};

/* --- in the thread --------------------------------------------------------------------------- */

static void
note_error(struct brood_loop *loop, int error, const char *what, void *arg)
{
	struct brood_thread *t = arg;

	if (t->error == 0) {
		t->error = error != 0 ? error : -EIO;
		(void)snprintf(t->what, sizeof t->what, "%s", what);
	}
	brood_stop(loop, CODE_FAILED);
}

static void
on_stop(uv_async_t *handle)
{
	struct brood_thread *t = handle->data;

	brood_enter(t->loop);
	brood_stop(t->loop, CODE_FAILED);
	brood_leave(t->loop);
}

/* The last of what ends with the thread's loop: until then its callbacks may use the port. */
static void
end_loop(struct brood_loop *loop, void *arg)
{
	struct brood_thread *t = arg;

	(void)loop;
	brood_port_close(t->inner);
	uv_mutex_lock(&t->lock);
	t->can_stop = false;
	uv_close((uv_handle_t *)&t->stop, NULL);
	uv_mutex_unlock(&t->lock);
}

static int
run_loop(struct brood_thread *t)
{
	int code, run_code;

	if (atomic_load(&t->is_terminated))
		return CODE_FAILED;
	brood_enter(t->loop);
	code = t->fn(t->loop, t->inner, t->arg);
	brood_leave(t->loop);
	run_code = brood_run(t->loop);
	if (atomic_load(&t->is_terminated))
		return CODE_FAILED;
	return code != 0 ? code : run_code;
}

static void
run_thread(void *arg)
{
	struct brood_thread *t = arg;

	uv_update_time(&t->loop->uv);
	brood_on_error(t->loop, note_error, t);
	t->code = run_loop(t);
	brood_loop_free(t->loop);
	if (t->error != 0 && t->code == 0)
		t->code = CODE_FAILED;
	(void)uv_async_send(&t->ended);
}

/* --- in the parent --------------------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
	struct brood_thread *t = handle->data;

	uv_mutex_destroy(&t->lock);
	mem_free(t);
}

static void
tell(struct brood_thread *t)
{
	char text[ERROR_MAX_BYTES + 64];

	if (t->error == 0) {
		if (t->on_exit != NULL)
			t->on_exit(t->parent, t, t->code, NULL, t->arg);
		return;
	}
	if (t->on_exit == NULL) {
		/* Nobody handled it there, and nobody would hear of it here. */
		brood_raise(t->parent, t->error, t->what);
		return;
	}
	(void)snprintf(
	    text, sizeof text, "%s: %s", t->what, strerror(t->error < 0 ? -t->error : t->error));
	t->on_exit(t->parent, t, t->code, text, t->arg);
}

static void
finish(struct brood_thread *t)
{
	struct brood_loop *parent = t->parent;

	(void)uv_thread_join(&t->tid);
	DL_DELETE(parent->threads->list, t);
	brood_enter(parent);
	tell(t);
	brood_port_close(t->outer);
	uv_close((uv_handle_t *)&t->ended, on_closed);
	brood_leave(parent);
}

/* What it has sent is heard before its end, if anybody listens. */
static void
on_ended(uv_async_t *handle)
{
	struct brood_thread *t = handle->data;

	if (t->outer != NULL && port_is_behind(t->outer))
		(void)uv_async_send(&t->ended);
	else
		finish(t);
}

/* All are told before the first is waited for. */
static void
end_threads(struct brood_loop *loop, void *arg)
{
	struct threads *ts = arg;
	struct brood_thread *t;

	DL_FOREACH (ts->list, t)
		brood_thread_terminate(t);
	while (ts->list != NULL)
		finish(ts->list);
	loop->threads = NULL;
	mem_free(ts);
}

static int
need_threads(struct brood_loop *loop)
{
	struct threads *ts;

	if (loop->is_ending)
		return -ECANCELED;
	if (loop->threads != NULL)
		return 0;
	ts = mem_calloc(1, sizeof *ts);
	if (ts == NULL)
		return -ENOMEM;
	loop_at_end(loop, &ts->end, end_threads, ts);
	loop->threads = ts;
	return 0;
}

/* --- started --------------------------------------------------------------------------------- */

static int
open_line(struct brood_thread *t)
{
	struct brood_port *ports[2];
	int r = port_pair_new(t->parent, t->loop, ports);

	if (r < 0)
		return r;
	t->outer = ports[0];
	t->inner = ports[1];
	port_set_holder(t->outer, &t->outer);
	port_set_holder(t->inner, &t->inner);
	return 0;
}

/* That can't fail: each loop has a wake of this kind already. */
static void
open_wakes(struct brood_thread *t)
{
	(void)uv_async_init(&t->parent->uv, &t->ended, on_ended);
	(void)uv_async_init(&t->loop->uv, &t->stop, on_stop);
	uv_unref((uv_handle_t *)&t->stop);
	t->ended.data = t->stop.data = t;
	t->can_stop = true;
	loop_at_end(t->loop, &t->end, end_loop, t);
}

static int
open_thread(struct brood_thread *t)
{
	int r = uv_mutex_init(&t->lock);

	if (r < 0)
		return r;
	t->loop = brood_loop_new();
	r = t->loop != NULL ? open_line(t) : -errno;
	if (r == 0) {
		open_wakes(t);
		return 0;
	}
	brood_loop_free(t->loop);
	uv_mutex_destroy(&t->lock);
	return r;
}

static int
start(struct brood_thread *t)
{
	int r = open_thread(t);

	if (r < 0) {
		mem_free(t);
		return r;
	}
	r = uv_thread_create(&t->tid, run_thread, t);
	if (r == 0) {
		DL_APPEND(t->parent->threads->list, t);
		return 0;
	}
	brood_loop_free(t->loop);
	brood_port_close(t->outer);
	uv_close((uv_handle_t *)&t->ended, on_closed);
	return r;
}

struct brood_thread *
brood_thread_start(
    struct brood_loop *loop, brood_thread_fn *fn, brood_thread_exit_fn *on_exit, void *arg)
{
	struct brood_thread *t = NULL;
	int r = fn != NULL ? need_threads(loop) : -EINVAL;

	if (r == 0) {
		t = mem_calloc(1, sizeof *t);
		r = t != NULL ? 0 : -ENOMEM;
	}
	if (r == 0) {
		t->parent = loop;
		t->fn = fn;
		t->on_exit = on_exit;
		t->arg = arg;
		r = start(t);
	}
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return t;
}

struct brood_port *
brood_thread_port(struct brood_thread *t)
{
	return t->outer;
}

void
brood_thread_terminate(struct brood_thread *t)
{
	atomic_store(&t->is_terminated, true);
	uv_mutex_lock(&t->lock);
	if (t->can_stop)
		(void)uv_async_send(&t->stop);
	uv_mutex_unlock(&t->lock);
}
