/*
 * loop: see runtime/loop.h. The phases are libuv's, which are Node's; what is added are the two
 * queues after each callback, and a sleep that somebody else may take over.
 */
#include "runtime/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/offload.h"

#define STARVED_NS  10000000u /* queues that hold up the loop for so long are counted */
#define CLOCK_EVERY 256 /* jobs, then the clock is looked at */

static void on_wake(uv_async_t *wake);
static void on_prepare(uv_prepare_t *prepare);

const char *
brood_version(void)
{
	return PACKAGE_VERSION;
}

/* --- made and freed -------------------------------------------------------------------------- */

static int
open_loop(struct brood_loop *loop)
{
	int r = uv_mutex_init(&loop->posted_lock);

	if (r < 0)
		return r;
	r = uv_loop_init(&loop->uv);
	if (r == 0) {
		r = uv_async_init(&loop->uv, &loop->wake, on_wake);
		if (r == 0)
			return 0;
		(void)uv_loop_close(&loop->uv);
	}
	uv_mutex_destroy(&loop->posted_lock);
	return r;
}

struct brood_loop *
brood_loop_new(void)
{
	struct brood_loop *loop = mem_calloc(1, sizeof *loop);
	int r = loop != NULL ? open_loop(loop) : -ENOMEM;

	if (r < 0) {
		mem_free(loop);
		errno = -r;
		return NULL;
	}
	(void)uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
	uv_unref((uv_handle_t *)&loop->wake);
	(void)uv_prepare_init(&loop->uv, &loop->prepare);
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	uv_unref((uv_handle_t *)&loop->prepare);
	loop->uv.data = loop->prepare.data = loop->wake.data = loop;
	timers_init(loop);
	immediates_init(loop);
	loop->load.turn_ns = loop->load.taken_ns = loop->load.stats_ns = uv_hrtime();
	return loop;
}

static void
close_if_open(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void
brood_loop_free(struct brood_loop *loop)
{
	struct loop_end *end;

	if (loop == NULL)
		return;
	loop->is_ending = true;
	while ((end = loop->ends) != NULL) {
		loop->ends = end->next;
		end->fn(loop, end->arg);
	}
	timers_done(loop);
	immediates_done(loop);
	do
		uv_walk(&loop->uv, close_if_open, NULL);
	while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0);
	(void)uv_loop_close(&loop->uv);
	uv_mutex_destroy(&loop->posted_lock);
	jobs_done(&loop->posted);
	jobs_done(&loop->posted_now);
	jobs_done(&loop->ticks);
	jobs_done(&loop->microtasks);
	ids_done(&loop->ids);
	mem_free(loop);
}

void
loop_at_end(struct brood_loop *loop, struct loop_end *end,
    void (*fn)(struct brood_loop *loop, void *arg), void *arg)
{
	*end = (struct loop_end){.fn = fn, .arg = arg, .next = loop->ends};
	loop->ends = end;
}

struct uv_loop_s *
brood_uv(struct brood_loop *loop)
{
	return &loop->uv;
}

uint64_t
brood_now(const struct brood_loop *loop)
{
	return uv_now(&loop->uv);
}

uint64_t
loop_clock_ms(struct brood_loop *loop)
{
	uv_update_time(&loop->uv);
	return uv_now(&loop->uv);
}

/* --- the queues ------------------------------------------------------------------------------ */

int
brood_next_tick(struct brood_loop *loop, brood_fn *fn, void *arg)
{
	return jobs_add(&loop->ticks, fn, arg);
}

int
brood_microtask(struct brood_loop *loop, brood_fn *fn, void *arg)
{
	return jobs_add(&loop->microtasks, fn, arg);
}

/* All ticks, then all microtasks, and ticks again where those asked for some: what comes in
 * meanwhile is run as well, so that they can starve the loop, as in Node. */
static bool
next_job(struct brood_loop *loop, bool *in_ticks, struct job *ret)
{
	if (*in_ticks && jobs_take(&loop->ticks, ret)) {
		loop->stats.ticks++;
		return true;
	}
	*in_ticks = false;
	if (jobs_take(&loop->microtasks, ret)) {
		loop->stats.microtasks++;
		return true;
	}
	*in_ticks = true;
	if (!jobs_take(&loop->ticks, ret))
		return false;
	loop->stats.ticks++;
	return true;
}

/* Also while it goes on: it may never end. */
static bool
is_starved(struct brood_loop *loop, uint64_t since_ns)
{
	if (uv_hrtime() - since_ns < STARVED_NS)
		return false;
	loop->stats.starved++;
	return true;
}

static void
drain(struct brood_loop *loop)
{
	uint64_t began_ns = uv_hrtime();
	bool in_ticks = true, is_counted = false;
	struct job job;
	unsigned n = 0;

	while (!loop->is_stopped && next_job(loop, &in_ticks, &job)) {
		job.fn(loop, job.arg);
		if (++n % CLOCK_EVERY == 0 && !is_counted)
			is_counted = is_starved(loop, began_ns);
	}
	if (!is_counted)
		(void)is_starved(loop, began_ns);
}

void
loop_run_queues(struct brood_loop *loop)
{
	if (loop->is_draining || (loop->ticks.n == 0 && loop->microtasks.n == 0))
		return;
	loop->is_draining = true;
	drain(loop);
	loop->is_draining = false;
}

void
brood_enter(struct brood_loop *loop)
{
	loop->depth++;
}

void
brood_leave(struct brood_loop *loop)
{
	if (loop->depth == 1)
		loop_run_queues(loop);
	loop->depth--;
}

/* --- the turn -------------------------------------------------------------------------------- */

static uint64_t
idle_ns(struct brood_loop *loop)
{
	return uv_metrics_idle_time(&loop->uv) + loop->load.slept_ns;
}

/* What was not sleep since the last time is how late anything may have been. */
static void
end_turn(struct brood_loop *loop)
{
	struct load *l = &loop->load;
	uint64_t now_ns = uv_hrtime(), slept_ns = idle_ns(loop);
	uint64_t lag_us = (now_ns - l->turn_ns - (slept_ns - l->turn_idle_ns)) / 1000;

	l->turn_ns = now_ns;
	l->turn_idle_ns = slept_ns;
	if ((int64_t)lag_us > (int64_t)l->lag_us)
		l->lag_us = lag_us;
	if ((int64_t)lag_us > (int64_t)l->stats_lag_us)
		l->stats_lag_us = lag_us;
}

static void
on_prepare(uv_prepare_t *prepare)
{
	struct brood_loop *loop = prepare->data;

	loop->stats.turns++;
	end_turn(loop);
}

/* What was begun after the poll, libuv hands to the kernel only in the next one. */
static bool
has_unpolled(const struct brood_loop *loop)
{
	return loop->uv.watcher_queue[0] != (void *)&loop->uv.watcher_queue;
}

static void
sleep_elsewhere(struct brood_loop *loop)
{
	uint64_t began_ns;
	int timeout_ms;

	uv_update_time(&loop->uv);
	timeout_ms = has_unpolled(loop) ? 0 : uv_backend_timeout(&loop->uv);
	began_ns = uv_hrtime();
	loop->sleep(loop, timeout_ms, loop->sleep_arg);
	loop->load.slept_ns += uv_hrtime() - began_ns;
}

static void
turn(struct brood_loop *loop)
{
	if (loop->sleep == NULL) {
		(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	} else {
		sleep_elsewhere(loop);
		(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	}
}

void
loop_set_sleep(struct brood_loop *loop, loop_sleep_fn *sleep, void *arg)
{
	if ((sleep == NULL) != (loop->sleep == NULL))
		uv_stop(&loop->uv);
	loop->sleep = sleep;
	loop->sleep_arg = arg;
}

int
brood_run(struct brood_loop *loop)
{
	int code;

	brood_enter(loop);
	brood_leave(loop);
	while (!loop->is_stopped && uv_loop_alive(&loop->uv))
		turn(loop);
	code = loop->code;
	if (!loop->is_stopped && loop->main_task != NULL)
		code = 13;
	loop->is_stopped = false;
	loop->code = 0;
	return code;
}

void
brood_stop(struct brood_loop *loop, int code)
{
	loop->is_stopped = true;
	loop->code = code;
	uv_stop(&loop->uv);
}

/* --- timers and immediates by their ids ------------------------------------------------------ */

void
brood_clear(struct brood_loop *loop, brood_id id)
{
	void *what;

	if ((what = ids_find(&loop->ids, id, ID_TIMER)) != NULL)
		timers_clear(loop, what);
	else if ((what = ids_find(&loop->ids, id, ID_IMMEDIATE)) != NULL)
		immediates_clear(loop, what);
}

bool
brood_refresh(struct brood_loop *loop, brood_id id)
{
	struct timer *t = ids_find(&loop->ids, id, ID_TIMER);

	return t != NULL && timers_refresh(loop, t);
}

static void
set_ref(struct brood_loop *loop, brood_id id, bool on)
{
	void *what;

	if ((what = ids_find(&loop->ids, id, ID_TIMER)) != NULL)
		timers_set_ref(loop, what, on);
	else if ((what = ids_find(&loop->ids, id, ID_IMMEDIATE)) != NULL)
		immediates_set_ref(loop, what, on);
}

void
brood_ref(struct brood_loop *loop, brood_id id)
{
	set_ref(loop, id, true);
}

void
brood_unref(struct brood_loop *loop, brood_id id)
{
	set_ref(loop, id, false);
}

/* --- from other threads ---------------------------------------------------------------------- */

int
brood_post(struct brood_loop *loop, brood_fn *fn, void *arg)
{
	int r;

	uv_mutex_lock(&loop->posted_lock);
	r = jobs_add(&loop->posted, fn, arg);
	uv_mutex_unlock(&loop->posted_lock);
	return r == 0 ? uv_async_send(&loop->wake) : r;
}

/* Those that are there now: what is posted meanwhile waits for the next turn, and what a stop has left
 * for the next run. */
static void
on_wake(uv_async_t *wake)
{
	struct brood_loop *loop = wake->data;
	struct jobs empty = loop->posted_now;
	bool are_left = empty.n > 0;
	struct job job;

	if (!are_left) {
		uv_mutex_lock(&loop->posted_lock);
		loop->posted_now = loop->posted;
		loop->posted = empty;
		uv_mutex_unlock(&loop->posted_lock);
	}
	brood_enter(loop);
	while (!loop->is_stopped && jobs_take(&loop->posted_now, &job)) {
		job.fn(loop, job.arg);
		loop_run_queues(loop);
	}
	brood_leave(loop);
	if (are_left || loop->posted_now.n > 0)
		(void)uv_async_send(wake);
}

/* --- errors ---------------------------------------------------------------------------------- */

void
brood_on_error(struct brood_loop *loop,
    void (*fn)(struct brood_loop *loop, int error, const char *what, void *arg), void *arg)
{
	loop->on_error = fn;
	loop->on_error_arg = arg;
}

void
brood_raise(struct brood_loop *loop, int error, const char *what)
{
	if (loop->on_error != NULL) {
		loop->on_error(loop, error, what, loop->on_error_arg);
		return;
	}
	(void)fprintf(
	    stderr, "unhandled error: %s: %s\n", what, strerror(error < 0 ? -error : error));
	brood_stop(loop, 1);
}

/* --- figures --------------------------------------------------------------------------------- */

static double
share_awake(uint64_t took_ns, uint64_t slept_ns)
{
	return took_ns > slept_ns ? (double)(took_ns - slept_ns) / (double)took_ns : 0;
}

void
loop_take_load(struct brood_loop *loop, uint64_t *ret_lag_us, double *ret_busy)
{
	struct load *l = &loop->load;
	uint64_t now_ns = uv_hrtime(), slept_ns = idle_ns(loop);

	*ret_lag_us = l->lag_us;
	*ret_busy = share_awake(now_ns - l->taken_ns, slept_ns - l->taken_idle_ns);
	l->lag_us = 0;
	l->taken_ns = now_ns;
	l->taken_idle_ns = slept_ns;
}

void
loop_look(struct brood_loop *loop, struct brood_loop_stats *ret)
{
	struct load *l = &loop->load;

	*ret = loop->stats;
	ret->lag_us = l->stats_lag_us;
	ret->busy_us = (uv_hrtime() - l->stats_ns - (idle_ns(loop) - l->stats_idle_ns)) / 1000;
	offload_stats(loop, ret);
}

void
brood_loop_stats(struct brood_loop *loop, struct brood_loop_stats *ret)
{
	loop_look(loop, ret);
	loop->load.stats_lag_us = 0;
}
