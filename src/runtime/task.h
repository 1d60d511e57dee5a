/*
 * runtime/task: tasks, and when they run. A task has a stack of its own (runtime/stack), at the top
 * of which it lies itself. Tasks are asymmetric: who resumes one gets the word back as soon as it
 * waits or ends, be it a plain callback or another task.
 *
 * When it runs: brood_go() at once, up to the first wait, as an async function does. What ends a wait
 * (a callback of libuv, the end of a task that it joins, brood_cancel(), ...) wakes it: it is resumed
 * by a microtask, as what follows an await, so that it never runs within somebody else's call.
 *
 *	                 brood_go()
 *	                     |
 *	    run()            v         fn returns
 *	 +-------------> RUNNING ----------------> ENDED --> freed when joined or detached
 *	 |                   | task_wait()
 *	 |                   v
 *	 |               WAITING
 *	 |                   | task_wake()
 *	 |                   v
 *	 +---------------- WOKEN
 *
 * An error that nobody joins for is raised once ticks and microtasks are done, as with a promise in
 * Node. That of a detached task or the main task is raised at once, but not that a task which was
 * cancelled says so (-ECANCELED).
 */
#ifndef BROOD_RUNTIME_TASK_H
#define BROOD_RUNTIME_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "brood.h"
#include "runtime/context.h"
#include "runtime/loop.h"
#include "runtime/stack.h"

struct join;
struct watch;

enum task_state { TASK_RUNNING, TASK_WAITING, TASK_WOKEN, TASK_ENDED, TASK_STATE_MAX };

/* Undoes what would end the wait. False: it can't be undone, the wait goes on to its end. */
typedef bool wait_stop_fn(struct brood_task *t);

struct brood_task {
	struct context context;
	struct context *back; /* who resumed it */
	struct brood_loop *loop;
	brood_task_fn *fn;
	void *arg;
	struct stack stack;
	enum task_state state;
	int result;
	int error; /* why each wait fails; 0: none does */
	bool is_detached, is_main;
	bool is_told; /* its error was raised */
	unsigned char quick; /* calls that did not have to wait, since it last did */
	unsigned char refused; /* while the loop is being freed */
	uint64_t deadline_ms; /* of the loop's clock; 0: none */
	brood_id deadline; /* its timer, set by the first wait */

	wait_stop_fn *stop;
	union {
		brood_id id;
		struct watch *watch;
		struct join *join;
	} wait; /* what stop needs */
	int woken_with;
	int interrupted; /* why the wait is to end before its time; 0: it isn't */

	struct join *joined_by;
	struct brood_task *prev, *next; /* all of the loop */
	struct brood_task *next_woken;
	struct brood_task *prev_orphan, *next_orphan; /* errors without somebody who joins */
};

/* Those of one loop. */
struct tasks {
	struct brood_loop *loop;
	struct loop_end end;
	bool is_ending; /* whoever waits is refused */
	bool was_behind; /* its end came after all others */
	struct stacks stacks;
	struct brood_task *all; /* until they are freed */
	struct brood_task *woken, *last_woken;
	struct brood_task *orphans;
	bool is_looking; /* a microtask will look at them */
	uv_idle_t idle; /* does what no microtask could be had for */
	struct watch **watches; /* by descriptor */
	size_t n_watches;
};

/* NULL with errno: no memory, or the loop is being freed. */
struct tasks *tasks_of(struct brood_loop *loop);

/* Each function that waits begins with it: the task that calls, and 0, or why it may not wait:
 * -ECANCELED, -ETIMEDOUT, -ENOMEM, or -EPERM where there is no task. */
int task_begin_wait(struct brood_task **ret);
/* Waits; returns why it was interrupted, or what it was woken with. */
int task_wait(struct brood_task *t, wait_stop_fn *stop);
/* Waits until the microtasks that are queued now are done. */
void task_pass(struct brood_task *t);
/* What it waits for is there. */
void task_wake(struct brood_task *t, int result);

/* It has ended: it is nobody's any more. */
void task_free(struct brood_task *t);
/* Somebody cares for its error after all. */
void task_adopt(struct brood_task *t);

/* wait.c's part of the end of a loop. */
void watches_done(struct tasks *ts);

#endif
