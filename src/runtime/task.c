/*
 * task: see runtime/task.h. Joining is in join.c, other waits in wait.c.
 */
#include "runtime/task.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"
#include "runtime/join.h"

/* A task that is cancelled by the end of its loop and goes on waiting is given up after so many
 * waits that failed: it is in a loop that looks at no error. */
#define REFUSALS_MAX 200

static _Thread_local struct brood_task *current;

static void on_idle(uv_idle_t *idle);
static void tasks_end(struct brood_loop *loop, void *arg);

/* --- those of a loop ------------------------------------------------------------------------- */

struct tasks *
tasks_of(struct brood_loop *loop)
{
	struct tasks *ts = loop->tasks;

	if (ts != NULL || loop->is_ending) {
		errno = ECANCELED;
		return ts;
	}
	ts = mem_calloc(1, sizeof *ts);
	if (ts == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	ts->loop = loop;
	(void)uv_idle_init(&loop->uv, &ts->idle);
	ts->idle.data = ts;
	loop_at_end(loop, &ts->end, tasks_end, ts);
	loop->tasks = ts;
	return ts;
}

/* --- what becomes of its result -------------------------------------------------------------- */

static void
count_stacks(struct tasks *ts)
{
	ts->loop->stats.stacks_bytes = ts->stacks.bytes;
	ts->loop->stats.stacks_without_guard = ts->stacks.n_bare;
}

void
task_free(struct brood_task *t)
{
	struct tasks *ts = t->loop->tasks;
	struct stack stack = t->stack;

	DL_DELETE(ts->all, t);
	context_free(&t->context);
	stack_put(&ts->stacks, &stack);
	count_stacks(ts);
}

/* A task that was cancelled has done as it was told. */
static bool
has_failed(const struct brood_task *t)
{
	return t->result < 0 && !(t->result == -ECANCELED && t->error == -ECANCELED);
}

static void
raise_error(struct brood_task *t, const char *what)
{
	if (t->is_told || !has_failed(t) || t->loop->tasks->is_ending)
		return;
	t->is_told = true;
	brood_raise(t->loop, t->result, what);
}

static void look_at_orphans(struct brood_loop *loop, void *arg);

/* As a tick while there are ticks: these wait until no microtask is left, itself included. */
static void
look_later(struct tasks *ts)
{
	struct brood_loop *loop = ts->loop;
	int r;

	if (loop->ticks.n > 0)
		r = brood_next_tick(loop, look_at_orphans, NULL);
	else
		r = brood_microtask(loop, look_at_orphans, NULL);
	if (r < 0)
		(void)uv_idle_start(&ts->idle, on_idle);
}

/* Once nothing is queued that might still join: then it is alone in the queues. */
static void
look_at_orphans(struct brood_loop *loop, void *arg)
{
	struct tasks *ts = loop->tasks;
	struct brood_task *t;

	(void)arg;
	if (ts == NULL)
		return;
	if (loop->ticks.n > 0 || loop->microtasks.n > 0) {
		look_later(ts);
		return;
	}
	ts->is_looking = false;
	while ((t = ts->orphans) != NULL) {
		task_adopt(t);
		raise_error(t, "task that nobody joins");
	}
}

static void
orphan(struct brood_task *t)
{
	struct tasks *ts = t->loop->tasks;

	DL_APPEND2(ts->orphans, t, prev_orphan, next_orphan);
	if (ts->is_looking)
		return;
	ts->is_looking = true;
	look_later(ts);
}

void
task_adopt(struct brood_task *t)
{
	if (t->prev_orphan == NULL)
		return;
	DL_DELETE2(t->loop->tasks->orphans, t, prev_orphan, next_orphan);
	t->prev_orphan = t->next_orphan = NULL;
}

static void
end_main(struct brood_task *t)
{
	struct brood_loop *loop = t->loop;

	loop->main_task = NULL;
	if (t->result >= 0 && !loop->is_stopped)
		loop->code = t->result;
	raise_error(t, "main task");
}

static void
end_task(struct brood_task *t)
{
	struct brood_loop *loop = t->loop;

	loop->stats.tasks_alive--;
	if (t->deadline != 0)
		brood_clear(loop, t->deadline);
	if (t->is_main)
		end_main(t);
	if (t->joined_by != NULL) {
		join_ended(t->joined_by, t);
	} else if (t->is_detached) {
		raise_error(t, "detached task");
		task_free(t);
	} else if (has_failed(t) && !t->is_told && !loop->tasks->is_ending) {
		orphan(t);
	}
}

/* --- running --------------------------------------------------------------------------------- */

/* Until it waits or has ended. */
static void
run(struct brood_task *t)
{
	struct context here;
	struct brood_task *outer = current;

	t->back = &here;
	t->state = TASK_RUNNING;
	current = t;
	context_switch(&here, &t->context);
	current = outer;
	if (t->state == TASK_ENDED)
		end_task(t);
}

/* The other half, on the task's stack. */
static void
suspend(struct brood_task *t, enum task_state state)
{
	t->state = state;
	t->quick = 0;
	stack_check(&t->stack, t);
	context_switch(&t->context, t->back);
}

static void
run_fn(void *arg)
{
	struct brood_task *t = arg;

	t->result = t->fn(t->arg);
	stack_check(&t->stack, t);
	t->state = TASK_ENDED;
	context_leave(&t->context, t->back);
}

int
task_wait(struct brood_task *t, wait_stop_fn *stop)
{
	t->stop = stop;
	t->interrupted = 0;
	suspend(t, TASK_WAITING);
	return t->interrupted != 0 ? t->interrupted : t->woken_with;
}

/* One for each that was woken, so that they run in their places among other microtasks. */
static void
run_woken(struct brood_loop *loop, void *arg)
{
	struct tasks *ts = loop->tasks; /* NULL: queued before its end, run after it */
	struct brood_task *t = ts != NULL ? ts->woken : NULL;

	(void)arg;
	if (t == NULL)
		return;
	ts->woken = t->next_woken;
	run(t);
}

static void
queue(struct brood_task *t)
{
	struct tasks *ts = t->loop->tasks;

	t->next_woken = NULL;
	if (ts->woken != NULL)
		ts->last_woken->next_woken = t;
	else
		ts->woken = t;
	ts->last_woken = t;
	if (!ts->is_ending && brood_microtask(t->loop, run_woken, NULL) < 0)
		(void)uv_idle_start(&ts->idle, on_idle);
}

void
task_wake(struct brood_task *t, int result)
{
	t->woken_with = result;
	t->state = TASK_WOKEN;
	queue(t);
}

void
task_pass(struct brood_task *t)
{
	queue(t);
	suspend(t, TASK_WOKEN);
}

/* What was to be done by microtasks that no memory was to be had for. */
static void
on_idle(uv_idle_t *idle)
{
	struct tasks *ts = idle->data;
	struct brood_loop *loop = ts->loop;

	(void)uv_idle_stop(idle);
	brood_enter(loop);
	while (ts->woken != NULL) {
		run_woken(loop, NULL);
		loop_run_queues(loop);
	}
	if (ts->is_looking)
		look_at_orphans(loop, NULL);
	brood_leave(loop);
}

/* --- begun ----------------------------------------------------------------------------------- */

/* At the top of its stack; sizes of 64 keep what is there aligned. */
static struct brood_task *
place(const struct stack *stack)
{
	return (
	    struct brood_task *)(void *)(stack->top - ((sizeof(struct brood_task) + 63) & ~63u));
}

static struct brood_task *
task_new(struct brood_loop *loop, size_t size, brood_task_fn *fn, void *arg)
{
	struct tasks *ts = tasks_of(loop);
	struct brood_task *t;
	struct stack stack;
	int r;

	if (ts == NULL)
		return NULL;
	r = ts->is_ending            ? -ECANCELED
	    : fn == NULL             ? -EINVAL
	    : context_is_supported() ? stack_get(&ts->stacks, size, &stack)
	                             : -ENOTSUP;
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	t = place(&stack);
	memset(t, 0, sizeof *t);
	t->loop = loop;
	t->stack = stack;
	t->fn = fn;
	t->arg = arg;
	context_make(&t->context, stack.low, (size_t)((char *)t - stack.low), run_fn, t);
	DL_APPEND(ts->all, t);
	count_stacks(ts);
	loop->stats.tasks++;
	loop->stats.tasks_alive++;
	return t;
}

struct brood_task *
brood_go(struct brood_loop *loop, size_t stack, brood_task_fn *fn, void *arg)
{
	struct brood_task *t = task_new(loop, stack, fn, arg);

	if (t != NULL)
		run(t);
	return t;
}

struct brood_task *
brood_main(struct brood_loop *loop, brood_task_fn *fn, void *arg)
{
	struct brood_task *t;

	if (loop->main_task != NULL) {
		errno = EBUSY;
		return NULL;
	}
	t = task_new(loop, 0, fn, arg);
	if (t == NULL)
		return NULL;
	t->is_main = true;
	loop->main_task = t;
	run(t);
	return t;
}

struct brood_task *
brood_self(void)
{
	return current;
}

void
brood_detach(struct brood_task *t)
{
	if (t == NULL || t->joined_by != NULL)
		return;
	t->is_detached = true;
	if (t->state != TASK_ENDED)
		return;
	task_adopt(t);
	raise_error(t, "detached task");
	task_free(t);
}

/* --- ended early ----------------------------------------------------------------------------- */

static void
interrupt(struct brood_task *t, int error)
{
	if (t->state != TASK_WAITING || t->interrupted != 0)
		return;
	t->interrupted = error;
	if (t->stop != NULL && t->stop(t))
		task_wake(t, error);
}

void
brood_cancel(struct brood_task *t)
{
	if (t == NULL || t->state == TASK_ENDED || t->error != 0)
		return;
	t->error = -ECANCELED;
	interrupt(t, -ECANCELED);
}

static void
on_deadline(struct brood_loop *loop, void *arg)
{
	struct brood_task *t = arg;

	(void)loop;
	t->deadline = 0;
	t->deadline_ms = 1; /* long ago */
	interrupt(t, -ETIMEDOUT);
}

void
brood_deadline(uint64_t ms)
{
	struct brood_task *t = current;

	if (t == NULL)
		return;
	if (t->deadline != 0)
		brood_clear(t->loop, t->deadline);
	t->deadline = 0;
	t->deadline_ms = 0;
	if (ms > 0 && ms < INT64_MAX / 2)
		t->deadline_ms = loop_clock_ms(t->loop) + ms;
}

/* Its timer is set by the first call that may wait. */
static int
check_deadline(struct brood_task *t)
{
	uint64_t now = uv_now(&t->loop->uv);

	if (t->deadline_ms <= now)
		return -ETIMEDOUT;
	if (t->deadline == 0)
		t->deadline = brood_set_timeout(t->loop, t->deadline_ms - now, on_deadline, t);
	return t->deadline != 0 ? 0 : -ENOMEM;
}

int
task_begin_wait(struct brood_task **ret)
{
	struct brood_task *t = current;

	if (t == NULL)
		return -EPERM;
	*ret = t;
	if (t->error != 0) {
		if (t->loop->tasks->is_ending && t->refused++ == REFUSALS_MAX) {
			t->stop = NULL;
			suspend(t, TASK_WAITING);
		}
		return t->error;
	}
	return t->deadline_ms != 0 ? check_deadline(t) : 0;
}

/* --- the end of the loop --------------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
	struct tasks *ts = handle->data;

	mem_free(ts);
}

/* False: some go on waiting. */
static bool
end_all(struct tasks *ts)
{
	struct brood_task *t;
	bool all = true;

	DL_FOREACH (ts->all, t)
		brood_cancel(t);
	while (ts->woken != NULL)
		run_woken(ts->loop, NULL);
	DL_FOREACH (ts->all, t)
		all = all && t->state == TASK_ENDED;
	return all;
}

static void
go_behind(struct brood_loop *loop, struct loop_end *end)
{
	struct loop_end **last = &loop->ends;

	while (*last != NULL)
		last = &(*last)->next;
	end->next = NULL;
	*last = end;
}

/* Whoever waits for something that can't be undone (work in the pool) is told by the end of that
 * room, so this one goes behind the others once. What waits even then is given up: it waits for
 * itself, or looks at no error. Nothing of it runs any more, and its stack goes. */
static void
tasks_end(struct brood_loop *loop, void *arg)
{
	struct tasks *ts = arg;

	ts->is_ending = true;
	if (!end_all(ts) && !ts->was_behind) {
		ts->was_behind = true;
		go_behind(loop, &ts->end);
		return;
	}
	loop->main_task = NULL;
	while (ts->all != NULL) {
		if (ts->all->state != TASK_ENDED)
			loop->stats.tasks_alive--;
		task_free(ts->all);
	}
	watches_done(ts);
	stacks_done(&ts->stacks);
	loop->tasks = NULL;
	uv_close((uv_handle_t *)&ts->idle, on_closed);
}
