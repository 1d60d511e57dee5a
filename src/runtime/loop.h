/*
 * runtime/loop: the loop of brood.h, on libuv. One struct a thread; each file of the room owns a
 * part of it:
 *   loop.c       the turn, the queues after each callback, brood_run() and its exit code
 *   jobs.c       a queue of fn and arg: ticks, microtasks, what other threads post
 *   timers.c     timers, in lists of one length as Node keeps them
 *   immediates.c immediates
 *   ids.c        ids that may be used after what they name has ended
 *   offload.c    work in libuv's pool
 *   port.c, thread.c  loops in other threads, lines to them
 *   child.c      child processes
 *   task.c, wait.c, stack.c, context.h  tasks: when they run, what they wait for, where
 *
 * Whatever libuv calls begins with brood_enter() and ends with brood_leave(): the outermost leave
 * empties the queues, as Node does after each callback. It must not decide how a worker serves.
 */
#ifndef BROOD_RUNTIME_LOOP_H
#define BROOD_RUNTIME_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "brood.h"
#include "runtime/ids.h"
#include "runtime/immediates.h"
#include "runtime/jobs.h"
#include "runtime/timers.h"

struct offloads;
struct tasks;

/* Sleeps until something comes for libuv or for itself, at most timeout_ms (-1: no end). It has
 * libuv's backend descriptor in what it waits for. Called between turns, in place of libuv's own
 * sleep. */
typedef void loop_sleep_fn(struct brood_loop *loop, int timeout_ms, void *arg);

struct brood_loop {
	uv_loop_t uv;
	unsigned depth;		/* of enter */
	bool is_draining;	/* the queues are being emptied */
	bool is_stopped;
	int code;		/* of brood_run(), once it is stopped */
	struct jobs ticks, microtasks;
	struct ids ids;
	struct timers timers;
	struct immediates immediates;

	uv_mutex_t posted_lock;
	struct jobs posted;	/* under the lock */
	uv_async_t wake;	/* not referenced: it keeps nothing alive */

	loop_sleep_fn *sleep;
	void *sleep_arg;
	uv_prepare_t prepare;	/* a turn's poll begins */
	uv_check_t check;	/* it has ended */
	uint64_t poll_ns, work_ns; /* when it last went to sleep, and woke */

	void (*on_error)(struct brood_loop *loop, int error, const char *what, void *arg);
	void *on_error_arg;
	struct brood_loop_stats stats;

	struct offloads *offloads; /* NULL until there is one */
	struct tasks *tasks;
	struct brood_task *main_task; /* until it has ended */
};

/* Takes libuv's place in sleeping from the next turn on; sleep NULL: gives it back. */
void loop_set_sleep(struct brood_loop *loop, loop_sleep_fn *sleep, void *arg);

/* The loop's work since the last call, in microseconds: the longest turn, and how much of the time
 * it was awake (0 to 1). For the beats. */
void loop_take_load(struct brood_loop *loop, uint64_t *ret_lag_us, double *ret_busy);

/* Called once by brood_loop_free(), before the handles are closed and the loop turned until they
 * are; each lets go of what it holds. */
void offload_done(struct brood_loop *loop);
void tasks_done(struct brood_loop *loop);

#endif
