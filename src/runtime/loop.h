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

struct children;
struct threads;
struct offloads;
struct tasks;

/* A room's part of brood_loop_free(). */
struct loop_end {
	void (*fn)(struct brood_loop *loop, void *arg);
	void *arg;
	struct loop_end *next;
};

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
	struct jobs posted_now;	/* what runs of it */
	uv_async_t wake;	/* not referenced: it keeps nothing alive */

	loop_sleep_fn *sleep;	/* NULL: libuv sleeps itself */
	void *sleep_arg;
	uv_prepare_t prepare;	/* a poll begins: a turn is counted */
	struct load {
		uint64_t slept_ns;	/* of ours; libuv counts its own */
		uint64_t turn_ns, turn_idle_ns;	/* clock and sleep when this turn began */
		uint64_t taken_ns, taken_idle_ns; /* at the last loop_take_load() */
		uint64_t lag_us;
		uint64_t stats_lag_us, stats_ns, stats_idle_ns;
	} load;

	void (*on_error)(struct brood_loop *loop, int error, const char *what, void *arg);
	void *on_error_arg;
	struct brood_loop_stats stats;

	struct loop_end *ends;
	bool is_ending;		/* being freed: nothing may be begun */
	struct offloads *offloads; /* these are NULL until there is one */
	struct threads *threads;
	struct children *children;
	struct tasks *tasks;
	struct brood_task *main_task; /* until it has ended */
};

/* Takes libuv's place in sleeping from the next turn on; sleep NULL: gives it back. */
void loop_set_sleep(struct brood_loop *loop, loop_sleep_fn *sleep, void *arg);

/* The loop's work since the last call, in microseconds: the longest turn, and how much of the time
 * it was awake (0 to 1). For the beats. */
void loop_take_load(struct brood_loop *loop, uint64_t *ret_lag_us, double *ret_busy);

/* brood_loop_stats(), but the longest turn goes on being that since the program asked. */
void loop_look(struct brood_loop *loop, struct brood_loop_stats *ret);

/* Milliseconds now, not as of the turn's beginning. */
uint64_t loop_clock_ms(struct brood_loop *loop);

/* Empties ticks and microtasks now: between two callbacks that libuv sees as one. */
void loop_run_queues(struct brood_loop *loop);

/* Asks that fn be called by brood_loop_free(): the last that asked is the first. Callbacks may still
 * run then, nothing may be begun. Handles that are left are closed after it, without a word to them. */
void loop_at_end(struct brood_loop *loop, struct loop_end *end,
    void (*fn)(struct brood_loop *loop, void *arg), void *arg);

#endif
