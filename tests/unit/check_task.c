/*
 * check_task: when tasks run, what becomes of their results, how they are ended early. What they
 * wait for is in check_wait.c, where they run in check_stack.c; order beside Node's in tests/order.
 */
#include <check.h>
#include <errno.h>
#include <fenv.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "run_suite.h"
#include "task_support.h"

static struct brood_task *task;

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int
end_badly(void *arg)
{
	(void)arg;
	return -EIO;
}

static int
end_badly_later(void *arg)
{
	(void)arg;
	(void)brood_sleep(1);
	return -EIO;
}

static int
return_arg(void *arg)
{
	return (int)(intptr_t)arg;
}

/* Says what comes of each wait. */
static int
sleep_long(void *arg)
{
	int r = brood_sleep(60000);

	if (arg != NULL)
		say(arg);
	return r;
}

/* --- running --------------------------------------------------------------------------------- */

static int
speak_twice(void *arg)
{
	ck_assert_ptr_nonnull(brood_self());
	say(arg);
	ck_assert_int_eq(brood_sleep(1), 0);
	say(arg);
	return 5;
}

START_TEST(go_runs_until_the_first_wait)
{
	ck_assert_ptr_null(brood_self());
	task = brood_go(loop, 0, speak_twice, "task");
	ck_assert_ptr_nonnull(task);
	ck_assert_ptr_null(brood_self());
	say("caller");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "task caller task");
	ck_assert_int_eq(brood_join(task), 5);
}
END_TEST

static int
go_inside(void *arg)
{
	struct brood_task *self = brood_self(), *inner;

	say("outer");
	inner = brood_go(loop, 0, speak_twice, arg);
	ck_assert_ptr_eq(brood_self(), self);
	say("outer");
	ck_assert_int_eq(brood_join(inner), 5);
	ck_assert_ptr_eq(brood_self(), self);
	say("end");
	return 0;
}

START_TEST(a_task_that_goes_is_given_back_to)
{
	brood_detach(brood_go(loop, 0, go_inside, "inner"));
	say("caller");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "outer inner outer caller inner end");
}
END_TEST

static int
descend(void *arg)
{
	int depth = (int)(intptr_t)arg, r;

	if (depth == 0)
		return brood_sleep(1);
	r = brood_join(brood_go(loop, 0, descend, (void *)(intptr_t)(depth - 1)));
	return r < 0 ? r : r + 1;
}

START_TEST(tasks_in_tasks_in_tasks)
{
	task = brood_go(loop, 0, descend, (void *)(intptr_t)100);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), 100);
}
END_TEST

START_TEST(outside_of_a_task_nothing_waits)
{
	char c;

	ck_assert_int_eq(brood_sleep(1), -EPERM);
	ck_assert_int_eq(brood_yield(), -EPERM);
	ck_assert_int_eq(brood_read(0, &c, 1), -EPERM);
	ck_assert_int_eq(brood_offload_wait(nothing, NULL), -EPERM);
	ck_assert_int_eq(brood_all(NULL, 0), -EPERM);
	task = brood_go(loop, 0, sleep_long, NULL);
	ck_assert_int_eq(brood_join(task), -EPERM);
	brood_deadline(1);
}
END_TEST

START_TEST(what_cannot_be_begun)
{
	errno = 0;
	ck_assert_ptr_null(brood_go(loop, 0, NULL, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(brood_go(loop, SIZE_MAX, nothing, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static int
resume_in_place(void *arg)
{
	(void)arg;
	ck_assert_int_eq(brood_sleep(1), 0);
	say("task");
	(void)brood_next_tick(loop, say_fn, "tick");
	(void)brood_microtask(loop, say_fn, "microtask");
	return 0;
}

static void
queue_both(struct brood_loop *l, void *arg)
{
	(void)arg;
	(void)brood_microtask(l, say_fn, "theirs");
	(void)brood_next_tick(l, say_fn, "their_tick");
}

START_TEST(who_waited_goes_on_as_a_microtask)
{
	brood_detach(brood_go(loop, 0, resume_in_place, NULL));
	(void)brood_set_timeout(loop, 1, queue_both, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "task microtask tick their_tick theirs");
}
END_TEST

/* Registers and control words are a task's own. */
static int
round_upward(void *arg)
{
	volatile double third = 1;
	int before = fegetround();

	(void)arg;
	ck_assert_int_eq(fesetround(FE_UPWARD), 0);
	for (int i = 0; i < 20; i++) {
		third = third / 3;
		ck_assert_int_eq(brood_yield(), 0);
		ck_assert_int_eq(fegetround(), FE_UPWARD);
	}
	return before == FE_TONEAREST ? 0 : -EIO;
}

static int
count_in_registers(void *arg)
{
	uint64_t a = (uintptr_t)arg, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13;
	double x = (double)a;

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(brood_yield(), 0);
		ck_assert_int_eq(fegetround(), FE_TONEAREST);
		a += 1, b += 2, c += 3, d += 4, e += 5, f += 6, x += 0.5;
	}
	ck_assert_uint_eq(a, (uintptr_t)arg + 20);
	ck_assert_uint_eq(b, (uintptr_t)arg * 3 + 40);
	ck_assert_uint_eq(c, (uintptr_t)arg * 5 + 60);
	ck_assert_uint_eq(d, (uintptr_t)arg * 7 + 80);
	ck_assert_uint_eq(e, (uintptr_t)arg * 11 + 100);
	ck_assert_uint_eq(f, (uintptr_t)arg * 13 + 120);
	ck_assert(x == (double)(uintptr_t)arg + 10);
	return 0;
}

START_TEST(a_switch_keeps_what_a_call_keeps)
{
	/* Valgrind has no other rounding than the default. */
	if (!RUNNING_ON_VALGRIND)
		brood_detach(brood_go(loop, 0, round_upward, NULL));
	for (uintptr_t i = 1; i <= 10; i++)
		brood_detach(brood_go(loop, 0, count_in_registers, (void *)(i << 40 | i)));
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_raised, 0);
}
END_TEST

START_TEST(tasks_are_counted)
{
	struct brood_loop_stats stats;

	task = brood_go(loop, 0, end_badly_later, NULL);
	brood_detach(brood_go(loop, 0, nothing, NULL));
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.tasks, 2);
	ck_assert_uint_eq(stats.tasks_alive, 1);
	ck_assert_uint_gt(stats.stacks_bytes, 0);
	ck_assert_uint_eq(stats.stacks_without_guard, 0);
	(void)brood_run(loop);
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.tasks_alive, 0);
}
END_TEST

/* --- results --------------------------------------------------------------------------------- */

static int
join_says(void *arg)
{
	int r = brood_join(arg);

	say("joined");
	return r;
}

START_TEST(join_before_and_after_the_end)
{
	struct brood_task *first, *second;

	task = brood_go(loop, 0, speak_twice, "task");
	first = brood_go(loop, 0, join_says, task);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "task task joined");
	ck_assert_int_eq(brood_join(first), 5);

	task = brood_go(loop, 0, return_arg, (void *)(intptr_t)7);
	second = brood_go(loop, 0, join_says, task);
	say("caller"); /* it passes once through the microtasks */
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "task task joined caller joined");
	ck_assert_int_eq(brood_join(second), 7);
}
END_TEST

static int
join_wrongly(void *arg)
{
	struct brood_task *both[2] = {arg, arg};

	ck_assert_int_eq(brood_join(brood_self()), -EDEADLK);
	ck_assert_int_eq(brood_all(both, 2), -EBUSY);
	ck_assert_int_eq(brood_join(NULL), -ENOMEM);
	ck_assert_int_eq(brood_any(both, 0, NULL), -EINVAL);
	ck_assert_int_eq(brood_all(both, 0), 0);
	say("right");
	return brood_join(arg);
}

START_TEST(joins_that_cannot_be)
{
	struct brood_task *joiner;

	task = brood_go(loop, 0, speak_twice, "task");
	joiner = brood_go(loop, 0, join_wrongly, task);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(joiner), 5);

	task = brood_go(loop, 0, sleep_long, NULL);
	joiner = brood_go(loop, 0, join_says, task);
	ck_assert_int_eq(brood_join(brood_go(loop, 0, join_says, task)), -EBUSY);
	brood_detach(task); /* somebody has it already */
	brood_cancel(task);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(joiner), -ECANCELED);

	task = brood_go(loop, 0, sleep_long, NULL);
	brood_detach(task);
	ck_assert_int_eq(brood_join(brood_go(loop, 0, join_says, task)), -EINVAL);
}
END_TEST

static void
join_in_microtask(struct brood_loop *l, void *arg)
{
	brood_detach(brood_go(l, 0, nothing, NULL));
	say(brood_join(arg) == -EIO ? "joined" : "not joined");
}

static void
join_in_tick(struct brood_loop *l, void *arg)
{
	(void)brood_microtask(l, join_in_microtask, arg);
}

START_TEST(an_error_that_nobody_joins_is_raised_when_the_queues_are_done)
{
	task = brood_go(loop, 0, end_badly, NULL);
	ck_assert_uint_eq(n_raised, 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_raised, 1);
	ck_assert_int_eq(raised, -EIO);
	/* Joined or detached later it is not raised again. */
	ck_assert_int_eq(brood_join(task), -EIO);
	task = brood_go(loop, 0, end_badly, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	brood_detach(task);
	ck_assert_uint_eq(n_raised, 2);

	task = brood_go(loop, 0, end_badly, NULL);
	(void)brood_next_tick(loop, join_in_tick, task);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "joined");
	ck_assert_uint_eq(n_raised, 2);
}
END_TEST

static void
join_others(struct brood_loop *l, int error, const char *what, void *arg)
{
	struct brood_task **tasks = arg;

	(void)l;
	(void)what;
	n_raised++;
	ck_assert_int_eq(error, -EIO);
	/* The second of three: the third is raised all the same. */
	if (tasks[1] != NULL)
		ck_assert_int_eq(brood_join(tasks[1]), -EIO);
	tasks[1] = NULL;
}

START_TEST(a_handler_may_join_what_was_to_be_raised_next)
{
	struct brood_task *tasks[3];

	brood_on_error(loop, join_others, tasks);
	for (int i = 0; i < 3; i++)
		tasks[i] = brood_go(loop, 0, end_badly, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_raised, 2);
}
END_TEST

START_TEST(detached_tasks_report_their_errors)
{
	brood_detach(brood_go(loop, 0, end_badly_later, NULL));
	brood_detach(brood_go(loop, 0, nothing, NULL));
	brood_detach(brood_go(loop, 0, end_badly, NULL));
	ck_assert_uint_eq(n_raised, 1);
	brood_detach(NULL);
	task = brood_go(loop, 0, sleep_long, NULL);
	brood_detach(task);
	brood_cancel(task); /* ends with -ECANCELED: as it was told */
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_raised, 2);
}
END_TEST

START_TEST(an_error_without_a_handler_ends_the_loop_with_1)
{
	brood_on_error(loop, NULL, NULL);
	brood_detach(brood_go(loop, 0, sleep_long, NULL));
	(void)brood_go(loop, 0, end_badly_later, NULL);
	ck_assert_int_eq(brood_run(loop), 1);
}
END_TEST

static int
detach_itself(void *arg)
{
	brood_detach(brood_self());
	if (arg != NULL)
		(void)brood_sleep(1);
	return -EIO;
}

START_TEST(a_task_may_detach_itself)
{
	(void)brood_go(loop, 0, detach_itself, NULL);
	ck_assert_uint_eq(n_raised, 1);
	(void)brood_go(loop, 0, detach_itself, "later");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_raised, 2);
}
END_TEST

/* --- the main task --------------------------------------------------------------------------- */

static int
sleep_then_42(void *arg)
{
	(void)arg;
	return brood_sleep(1) == 0 ? 42 : 1;
}

START_TEST(the_main_task_gives_the_exit_code)
{
	ck_assert_ptr_nonnull(brood_main(loop, sleep_then_42, NULL));
	errno = 0;
	ck_assert_ptr_null(brood_main(loop, nothing, NULL));
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_int_eq(brood_run(loop), 42);
	ck_assert_int_eq(brood_run(loop), 0);

	brood_detach(brood_main(loop, return_arg, (void *)(intptr_t)7));
	ck_assert_int_eq(brood_run(loop), 7);

	ck_assert_ptr_nonnull(brood_main(loop, end_badly_later, NULL));
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_raised, 1);
	brood_on_error(loop, NULL, NULL);
	ck_assert_ptr_nonnull(brood_main(loop, end_badly, NULL));
	ck_assert_int_eq(brood_run(loop), 1);
}
END_TEST

static int
join_each_other(void *arg)
{
	struct brood_task **other = arg;

	ck_assert_int_eq(brood_yield(), 0);
	return brood_join(*other);
}

START_TEST(tasks_that_wait_for_each_other_are_given_up)
{
	struct brood_task *one = NULL, *two;

	two = brood_main(loop, join_each_other, &one);
	one = brood_go(loop, 0, join_each_other, &two);
	ck_assert_int_eq(brood_run(loop), 13);
}
END_TEST

/* --- ended early ----------------------------------------------------------------------------- */

static int
wait_and_wait(void *arg)
{
	(void)arg;
	ck_assert_int_eq(brood_sleep(60000), -ECANCELED);
	say("cancelled");
	ck_assert_int_eq(brood_sleep(0), -ECANCELED);
	ck_assert_int_eq(brood_yield(), -ECANCELED);
	ck_assert_int_eq(brood_read(0, NULL, 0), -ECANCELED);
	ck_assert_int_eq(brood_offload_wait(nothing, NULL), -ECANCELED);
	return 3;
}

START_TEST(cancel_ends_this_wait_and_all_others)
{
	task = brood_go(loop, 0, wait_and_wait, NULL);
	brood_cancel(task);
	brood_cancel(task);
	say("caller"); /* it does not run within the call */
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(trace, "caller cancelled");
	brood_cancel(task); /* too late: nothing happens */
	ck_assert_int_eq(brood_join(task), 3);
	brood_cancel(NULL);
}
END_TEST

static int
cancel_itself(void *arg)
{
	(void)arg;
	brood_cancel(brood_self());
	return brood_sleep(60000);
}

static int
yield_once(void *arg)
{
	(void)arg;
	return brood_yield();
}

static void
cancel_task(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	brood_cancel(task);
}

START_TEST(cancel_of_what_does_not_sleep)
{
	task = brood_go(loop, 0, cancel_itself, NULL);
	ck_assert_int_eq(brood_join(task), -ECANCELED);

	task = brood_go(loop, 0, yield_once, NULL);
	brood_cancel(task);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), -ECANCELED);

	/* Woken, but not resumed yet: its wait has ended already. */
	task = brood_go(loop, 0, yield_once, NULL);
	(void)brood_set_immediate(loop, cancel_task, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), 0);
}
END_TEST

static int
sleep_with_deadlines(void *arg)
{
	(void)arg;
	brood_deadline(60000);
	ck_assert_int_eq(brood_sleep(1), 0);
	brood_deadline(5);
	ck_assert_int_eq(brood_sleep(60000), -ETIMEDOUT);
	ck_assert_int_eq(brood_sleep(60000), -ETIMEDOUT);
	ck_assert_int_eq(brood_yield(), -ETIMEDOUT);
	brood_deadline(0);
	ck_assert_int_eq(brood_sleep(1), 0);
	brood_deadline(60000); /* it keeps nothing alive: cleared as the task ends */
	ck_assert_int_eq(brood_yield(), 0);
	return 1;
}

START_TEST(a_deadline_is_for_all_waits_until_it_is_taken_back)
{
	task = brood_go(loop, 0, sleep_with_deadlines, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), 1);
}
END_TEST

/* --- several --------------------------------------------------------------------------------- */

struct child {
	uint64_t ms;
	int result;
	int waited; /* what its sleep returned */
};

static int
run_child(void *arg)
{
	struct child *c = arg;

	c->waited = brood_sleep(c->ms);
	return c->waited < 0 ? c->waited : c->result;
}

/* Children are on the stack of the task that joins them. */
struct family {
	struct child children[3];
	int result; /* of brood_any() */
	bool is_any;
	uint64_t deadline_ms;
};

static int
run_family(void *arg)
{
	struct family *f = arg;
	struct child children[3];
	struct brood_task *tasks[3];
	int r;

	memcpy(children, f->children, sizeof children);
	for (int i = 0; i < 3; i++)
		tasks[i] = brood_go(loop, 0, run_child, &children[i]);
	brood_deadline(f->deadline_ms);
	r = f->is_any ? brood_any(tasks, 3, &f->result) : brood_all(tasks, 3);
	memcpy(f->children, children, sizeof children);
	return r;
}

static int
result_of_family(struct family *f)
{
	struct brood_task *t = brood_go(loop, 0, run_family, f);
	struct brood_loop_stats stats;
	int r;

	ck_assert_int_eq(brood_run(loop), 0);
	r = brood_join(t);
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.tasks_alive, 0);
	/* That of the family itself, which is joined too late. */
	ck_assert_uint_eq(n_raised, r < 0);
	n_raised = 0;
	return r;
}

START_TEST(all_of_them)
{
	struct family well = {.children = {{5, 1, 0}, {1, 2, 0}, {0, 0, 0}}};
	struct family ill = {.children = {{60000, 1, 0}, {1, -EIO, 0}, {60000, -EPIPE, 0}}};

	ck_assert_int_eq(result_of_family(&well), 0);
	ck_assert_int_eq(result_of_family(&ill), -EIO);
	ck_assert_int_eq(ill.children[0].waited, -ECANCELED);
	ck_assert_int_eq(ill.children[2].waited, -ECANCELED);
}
END_TEST

START_TEST(any_of_them)
{
	struct family won = {.is_any = true, .children = {{60000, 1, 0}, {1, -EIO, 0}, {5, 9, 0}}};
	struct family lost = {
	    .is_any = true, .children = {{10, -EIO, 0}, {1, -EPIPE, 0}, {1, -ESRCH, 0}}};

	ck_assert_int_eq(result_of_family(&won), 2);
	ck_assert_int_eq(won.result, 9);
	ck_assert_int_eq(won.children[0].waited, -ECANCELED);
	ck_assert_int_eq(result_of_family(&lost), -EIO);
}
END_TEST

START_TEST(who_is_late_or_cancelled_ends_those_he_waits_for)
{
	struct family late = {
	    .children = {{60000, 1, 0}, {60000, 0, 0}, {0, 0, 0}}, .deadline_ms = 5};
	struct family cancelled = {
	    .is_any = true, .children = {{60000, 1, 0}, {60000, 2, 0}, {60000, 3, 0}}};

	ck_assert_int_eq(result_of_family(&late), -ETIMEDOUT);
	ck_assert_int_eq(late.children[0].waited, -ECANCELED);

	task = brood_go(loop, 0, run_family, &cancelled);
	brood_cancel(task);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), -ECANCELED);
	ck_assert_int_eq(cancelled.children[2].waited, -ECANCELED);
}
END_TEST

static int
join_while_cancelled(void *arg)
{
	struct child child = {60000, 1, 0};
	struct brood_task *inner[2] = {brood_go(loop, 0, run_child, &child), NULL};
	int r;

	brood_cancel(brood_self());
	r = arg != NULL ? brood_all(inner, 2) : brood_join(inner[0]);
	ck_assert_int_eq(child.waited, -ECANCELED);
	return r;
}

START_TEST(a_join_frees_whatever_it_returns)
{
	struct brood_task *a = brood_go(loop, 0, join_while_cancelled, NULL);
	struct brood_task *b = brood_go(loop, 0, join_while_cancelled, "all");

	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(a), -ECANCELED);
	ck_assert_int_eq(brood_join(b), -ECANCELED);
	ck_assert_ptr_null(loop->tasks->all);
}
END_TEST

static int
join_one_of_no_memory(void *arg)
{
	struct child child = {60000, 1, 0};
	struct brood_task *tasks[2] = {brood_go(loop, 0, run_child, &child), NULL};
	int r = arg != NULL ? brood_all(tasks, 2) : 0;

	ck_assert_int_eq(child.waited, -ECANCELED);
	return r;
}

START_TEST(a_task_that_could_not_be_made_is_one_that_failed)
{
	task = brood_go(loop, 0, join_one_of_no_memory, "all");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), -ENOMEM);
}
END_TEST

/* --- off the loop ---------------------------------------------------------------------------- */

static atomic_bool is_open;
static atomic_int n_inside;

/* Runs in the pool until it is let go. */
static int
pass_gate(void *arg)
{
	atomic_fetch_add(&n_inside, 1);
	while (!atomic_load(&is_open))
		(void)usleep(500);
	++*(int *)arg;
	return 6;
}

/* What has not begun could be taken back. */
static void
wait_inside(int n)
{
	while (atomic_load(&n_inside) < n)
		(void)usleep(500);
}

static int
offload(void *arg)
{
	int n = 0;
	int r;

	brood_deadline(arg != NULL ? 5 : 0);
	r = brood_offload_wait(pass_gate, &n);
	ck_assert_int_eq(n, 1);
	return r;
}

START_TEST(work_is_waited_for)
{
	atomic_store(&is_open, true);
	task = brood_go(loop, 0, offload, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), 6);
}
END_TEST

static void
open_gate(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	atomic_store(&is_open, true);
}

START_TEST(work_that_runs_is_waited_for_by_who_is_cancelled_or_late)
{
	struct brood_task *late;

	atomic_store(&is_open, false);
	atomic_store(&n_inside, 0);
	task = brood_go(loop, 0, offload, NULL);
	late = brood_go(loop, 0, offload, "late");
	wait_inside(2);
	(void)brood_set_timeout(loop, 20, cancel_task, NULL);
	(void)brood_set_timeout(loop, 40, open_gate, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), -ECANCELED);
	ck_assert_int_eq(brood_join(late), -ETIMEDOUT);
}
END_TEST

/* --- the end of the loop --------------------------------------------------------------------- */

static int
wait_deaf(void *arg)
{
	while (brood_self() != NULL) {
		++*(int *)arg;
		(void)brood_sleep(60000);
	}
	return 0;
}

static int
clean_up(void *arg)
{
	struct brood_task *inner = brood_go(loop, 0, sleep_long, "inner");
	int r = brood_join(inner);

	say(arg);
	ck_assert_ptr_null(brood_go(loop, 0, nothing, NULL));
	ck_assert_int_eq(errno, ECANCELED);
	return r;
}

START_TEST(who_still_waits_is_cancelled_at_the_end)
{
	int deaf = 0;

	(void)brood_go(loop, 0, clean_up, "outer");
	brood_detach(brood_go(loop, 0, sleep_long, "sleeper"));
	brood_detach(brood_go(loop, 0, wait_deaf, &deaf));
	(void)brood_go(loop, 0, end_badly, NULL);
	close_loop();
	ck_assert_str_eq(trace, "inner sleeper outer");
	ck_assert_int_gt(deaf, 1);
	ck_assert_uint_eq(n_raised, 0);
	open_loop();
}
END_TEST

static int
join_quietly(void *arg)
{
	return brood_join(arg);
}

START_TEST(nobody_is_left_at_the_end_of_a_loop_that_never_ran)
{
	for (int i = 0; i < 100; i++) {
		struct brood_task *t = brood_go(loop, 0, i % 2 == 0 ? sleep_long : end_badly, NULL);

		if (i % 3 == 0)
			(void)brood_go(loop, 0, join_quietly, t);
	}
	brood_cancel(brood_go(loop, 0, sleep_long, NULL));
}
END_TEST

static int
offload_at_end(void *arg)
{
	int n = 0;
	int r = brood_offload_wait(pass_gate, &n);

	(void)arg;
	ck_assert_int_eq(n, 1);
	say("offload");
	return r;
}

static void *
open_gate_soon(void *arg)
{
	(void)arg;
	(void)usleep(50000);
	atomic_store(&is_open, true);
	return NULL;
}

/* Whichever room of the loop began first. */
START_TEST(work_that_runs_is_waited_for_at_the_end)
{
	pthread_t thread;

	atomic_store(&is_open, true);
	if (_i == 1)
		ck_assert_uint_ne(brood_offload(loop, nothing, NULL, NULL), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	atomic_store(&is_open, false);
	atomic_store(&n_inside, 0);
	task = brood_go(loop, 0, offload_at_end, NULL);
	(void)brood_go(loop, 0, join_quietly, task);
	wait_inside(1);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_gate_soon, NULL), 0);
	close_loop();
	(void)pthread_join(thread, NULL);
	ck_assert_str_eq(trace, "offload");
	open_loop();
}
END_TEST

static int
wait_in_the_end(void *arg)
{
	struct brood_task *ended = arg;

	(void)brood_sleep(60000);
	/* It passes through the microtasks, which do not run any more. */
	ck_assert_int_eq(brood_join(ended), -ECANCELED);
	say("ended");
	return 0;
}

START_TEST(a_join_in_the_end)
{
	(void)brood_go(loop, 0, wait_in_the_end, brood_go(loop, 0, nothing, NULL));
	close_loop();
	ck_assert_str_eq(trace, "ended");
	open_loop();
}
END_TEST

/* --- two threads ----------------------------------------------------------------------------- */

static int
count_up(void *arg)
{
	for (int i = 0; i < 100; i++)
		if (brood_yield() < 0 || brood_self() == NULL)
			return -EIO;
	++*(int *)arg;
	return 0;
}

static void *
run_loop_of_its_own(void *arg)
{
	struct brood_loop *l = brood_loop_new();

	for (int i = 0; i < 20; i++)
		brood_detach(brood_go(l, 0, count_up, arg));
	(void)brood_run(l);
	brood_loop_free(l);
	return NULL;
}

START_TEST(loops_in_several_threads)
{
	pthread_t threads[4];
	int counts[4] = {0};

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, run_loop_of_its_own, &counts[i]), 0);
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(threads[i], NULL);
		ck_assert_int_eq(counts[i], 20);
	}
}
END_TEST

/* --- no memory ------------------------------------------------------------------------------- */

static int
do_everything(void *arg)
{
	struct child children[2] = {{1, 1, 0}, {2, 2, 0}};
	struct brood_task *tasks[2];
	int r, ends[2], n = 0;
	char c = 'c';

	(void)arg;
	brood_deadline(60000);
	r = brood_sleep(1);
	for (int i = 0; i < 2; i++)
		tasks[i] = brood_go(loop, 0, run_child, &children[i]);
	if (r == 0)
		r = brood_all(tasks, 2);
	else
		(void)brood_any(tasks, 2, NULL);
	if (r == 0)
		r = brood_offload_wait(pass_gate, &n);
	if (r >= 0)
		r = brood_yield();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	tasks[0] = brood_go(loop, 0, return_arg, NULL);
	if (r == 0)
		r = (int)brood_write(ends[0], &c, 1);
	if (r == 1)
		r = (int)brood_read(ends[1], &c, 1);
	(void)brood_close(loop, ends[0]);
	(void)brood_close(loop, ends[1]);
	if (tasks[0] != NULL)
		(void)brood_join(tasks[0]);
	return r;
}

/* Each allocation in turn, alone and with all that follow: no crash, no leak, and whoever waits is
 * told. What others may have failed before (the loop's own start) is not counted. */
START_TEST(every_allocation_fails_in_turn)
{
	unsigned long n, n_calls;
	int r, n_fine = 0;

	atomic_store(&is_open, true);
	/* Until the n-th is not asked for any more. */
	for (n = 1, n_calls = 1; n_calls >= n - 1; n++) {
		close_loop();
		open_loop();
		mem_fail_at(n, _i == 0 ? 1 : ULONG_MAX);
		task = brood_go(loop, 0, do_everything, NULL);
		ck_assert_int_eq(brood_run(loop), 0);
		n_calls = mem_calls();
		mem_fail_at(0, 0);
		if (task == NULL)
			continue;
		ck_assert_int_eq(task->state, TASK_ENDED);
		r = brood_join(task);
		ck_assert_msg(r == 1 || r == -ENOMEM, "allocation %lu: %d", n, r);
		n_fine += r == 1 && n <= n_calls;
	}
	ck_assert_uint_gt(n, 15);
	/* Some can do without: a wake-up by the idle handle. */
	ck_assert_int_gt(n_fine + _i, 0);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------ */

static int
sleep_a_while(void *arg)
{
	int r = brood_sleep((uint64_t)(uintptr_t)arg);

	return r;
}

static int
join_many(void *arg)
{
	size_t n = (uintptr_t)arg, before = resident_bytes(), after;
	struct brood_task **tasks = calloc(n, sizeof(struct brood_task *));
	int r;

	for (size_t i = 0; i < n; i++) {
		tasks[i] = brood_go(loop, 0, sleep_a_while, (void *)(1 + i % 7));
		ck_assert_ptr_nonnull(tasks[i]);
	}
	after = resident_bytes();
	/* A page of stack each, and the timer. */
	if (!IS_SANITIZED && !RUNNING_ON_VALGRIND && sysconf(_SC_PAGESIZE) == 4096)
		ck_assert_uint_lt((after - before) / n, 4096 + 512);
	r = brood_all(tasks, n);
	free(tasks);
	return r;
}

START_TEST(forty_thousand_tasks)
{
	uintptr_t n = IS_SANITIZED || RUNNING_ON_VALGRIND ? 500 : 40000;
	struct brood_loop_stats stats;

	task = brood_go(loop, 0, join_many, (void *)n);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), 0);
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.tasks, n + 1);
	ck_assert_uint_eq(stats.tasks_alive, 0);
	/* Most of the addresses went back as well. */
	ck_assert_uint_lt(stats.stacks_bytes, (uint64_t)128 << 20);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, go_runs_until_the_first_wait);
	tcase_add_test(tc, a_task_that_goes_is_given_back_to);
	tcase_add_test(tc, tasks_in_tasks_in_tasks);
	tcase_add_test(tc, outside_of_a_task_nothing_waits);
	tcase_add_test(tc, what_cannot_be_begun);
	tcase_add_test(tc, who_waited_goes_on_as_a_microtask);
	tcase_add_test(tc, a_switch_keeps_what_a_call_keeps);
	tcase_add_test(tc, tasks_are_counted);
	tcase_add_test(tc, join_before_and_after_the_end);
	tcase_add_test(tc, joins_that_cannot_be);
	tcase_add_test(tc, an_error_that_nobody_joins_is_raised_when_the_queues_are_done);
	tcase_add_test(tc, a_handler_may_join_what_was_to_be_raised_next);
	tcase_add_test(tc, detached_tasks_report_their_errors);
	tcase_add_test(tc, an_error_without_a_handler_ends_the_loop_with_1);
	tcase_add_test(tc, a_task_may_detach_itself);
	tcase_add_test(tc, the_main_task_gives_the_exit_code);
	tcase_add_test(tc, tasks_that_wait_for_each_other_are_given_up);
	tcase_add_test(tc, cancel_ends_this_wait_and_all_others);
	tcase_add_test(tc, cancel_of_what_does_not_sleep);
	tcase_add_test(tc, a_deadline_is_for_all_waits_until_it_is_taken_back);
	tcase_add_test(tc, all_of_them);
	tcase_add_test(tc, any_of_them);
	tcase_add_test(tc, who_is_late_or_cancelled_ends_those_he_waits_for);
	tcase_add_test(tc, a_join_frees_whatever_it_returns);
	tcase_add_test(tc, a_task_that_could_not_be_made_is_one_that_failed);
	tcase_add_test(tc, work_is_waited_for);
	tcase_add_test(tc, work_that_runs_is_waited_for_by_who_is_cancelled_or_late);
	tcase_add_test(tc, who_still_waits_is_cancelled_at_the_end);
	tcase_add_test(tc, nobody_is_left_at_the_end_of_a_loop_that_never_ran);
	tcase_add_loop_test(tc, work_that_runs_is_waited_for_at_the_end, 0, 2);
	tcase_add_test(tc, a_join_in_the_end);
	tcase_add_test(tc, loops_in_several_threads);
	tcase_add_loop_test(tc, every_allocation_fails_in_turn, 0, 2);
	tcase_add_test(tc, forty_thousand_tasks);
}

int
main(void)
{
	return run_suite("task", open_loop, close_loop, add_tests);
}
