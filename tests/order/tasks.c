/*
 * tasks: where JavaScript has async functions. brood_go() is the call, brood_join() the await.
 */
#include "order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A child that sleeps, says its name, and ends as told. */
struct child {
	const char *name;
	uint64_t ms;
	int result;
};

static int
child(void *arg)
{
	const struct child *c = arg;
	int r = c->ms > 0 ? brood_sleep(c->ms) : 0;

	if (r == -ECANCELED) {
		sayf("%s is cancelled", c->name);
		return r;
	}
	sayf("%s", c->name);
	return c->result;
}

static struct brood_task *
go_child(struct brood_loop *loop, struct child *c)
{
	return brood_go(loop, 0, child, c);
}

static void
go(struct brood_loop *loop, brood_task_fn *fn)
{
	brood_detach(brood_go(loop, 0, fn, loop));
}

/* --- where they run -------------------------------------------------------------------------- */

static int
sleep_once(void *arg)
{
	say(arg, "task");
	(void)brood_sleep(1);
	say(arg, "slept");
	return 0;
}

void
task_begins_at_once(struct brood_loop *loop)
{
	say(loop, "before");
	go(loop, sleep_once);
	(void)brood_next_tick(loop, say, "tick");
	say(loop, "after");
}

static int
sleep_and_queue(void *arg)
{
	struct brood_loop *loop = arg;

	(void)brood_sleep(1);
	say(loop, "slept");
	(void)brood_next_tick(loop, say, "tick");
	(void)brood_microtask(loop, say, "microtask");
	(void)brood_sleep(1);
	say(loop, "slept again");
	return 0;
}

void
task_resumes_as_microtask(struct brood_loop *loop)
{
	go(loop, sleep_and_queue);
}

static struct brood_loop *among;

static int
sleep_among_timers(void *name)
{
	(void)brood_sleep(10);
	say(among, name);
	(void)brood_next_tick(
	    among, say, strcmp(name, "task 1") == 0 ? "task 1 tick" : "task 2 tick");
	return 0;
}

void
tasks_among_timers(struct brood_loop *loop)
{
	among = loop;
	brood_detach(brood_go(loop, 0, sleep_among_timers, "task 1"));
	(void)brood_set_timeout(loop, 10, say, "timer");
	brood_detach(brood_go(loop, 0, sleep_among_timers, "task 2"));
}

static int
take_turns(void *name)
{
	for (int i = 1; i <= 3; i++) {
		sayf("%s %d", (char *)name, i);
		(void)brood_yield();
	}
	return 0;
}

void
tasks_take_turns(struct brood_loop *loop)
{
	brood_detach(brood_go(loop, 0, take_turns, "first"));
	brood_detach(brood_go(loop, 0, take_turns, "second"));
}

/* Its own pipe and not standard input, whose line is there already: a read that need not wait does
 * not, where a stream of Node always does. */
static int pipe_ends[2];

static int
read_line(void *arg)
{
	struct brood_loop *loop = arg;
	char line[64];
	ssize_t n = brood_read(pipe_ends[0], line, sizeof line - 1);

	line[n > 0 ? n : 0] = '\0';
	sayf("read %s", line);
	(void)brood_set_timeout(loop, 0, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_close(loop, pipe_ends[0]);
	spin(10);
	return 0;
}

void
task_reads(struct brood_loop *loop)
{
	if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) < 0)
		abort();
	go(loop, read_line);
	if (write(pipe_ends[1], "a line", 6) != 6)
		abort();
	(void)close(pipe_ends[1]);
	say(loop, "main");
}

/* --- joining --------------------------------------------------------------------------------- */

static int
end_with_seven(void *arg)
{
	(void)brood_sleep(1);
	(void)brood_next_tick(arg, say, "tick");
	say(arg, "child ends");
	return 7;
}

static int
join_seven(void *arg)
{
	struct brood_task *task = brood_go(arg, 0, end_with_seven, arg);

	say(arg, "parent waits");
	sayf("joined %d", brood_join(task));
	return 0;
}

void
task_joined(struct brood_loop *loop)
{
	go(loop, join_seven);
}

static int
join_ended(void *arg)
{
	struct brood_task *task = go_child(arg, &(struct child){"child", 0, 7});

	(void)brood_microtask(arg, say, "microtask");
	(void)brood_next_tick(arg, say, "tick");
	sayf("joined %d", brood_join(task));
	return 0;
}

void
task_joined_ended(struct brood_loop *loop)
{
	go(loop, join_ended);
}

static int
join_in_turn(void *arg)
{
	static struct child slow = {"slow", 30, 30}, fast = {"fast", 5, 5};
	struct brood_task *first = go_child(arg, &slow), *second = go_child(arg, &fast);

	sayf("joined %d", brood_join(first));
	sayf("joined %d", brood_join(second));
	return 0;
}

void
tasks_joined_in_turn(struct brood_loop *loop)
{
	go(loop, join_in_turn);
}

/* --- errors ---------------------------------------------------------------------------------- */

static int
fail_at_once(void *arg)
{
	(void)arg;
	return -EIO;
}

static int
fail_after_sleep(void *arg)
{
	(void)arg;
	(void)brood_sleep(1);
	return -EIO;
}

static int
join_error(void *task)
{
	if (brood_join(task) == -EIO)
		say(NULL, "error: wanted");
	return 0;
}

static int
join_error_and_go_on(void *arg)
{
	(void)join_error(brood_go(arg, 0, fail_after_sleep, NULL));
	(void)brood_set_immediate(arg, say, "and on");
	return 0;
}

void
task_error_joined(struct brood_loop *loop)
{
	go(loop, join_error_and_go_on);
}

static void
go_join_error(struct brood_loop *loop, void *task)
{
	brood_detach(brood_go(loop, 0, join_error, task));
}

static void
queue_join_error(struct brood_loop *loop, void *task)
{
	(void)brood_microtask(loop, go_join_error, task);
}

void
task_error_joined_late(struct brood_loop *loop)
{
	struct brood_task *failed = brood_go(loop, 0, fail_at_once, NULL);

	(void)brood_next_tick(loop, queue_join_error, failed);
	say(loop, "main");
}

void
task_error_too_late(struct brood_loop *loop)
{
	struct brood_task *failed = brood_go(loop, 0, fail_at_once, NULL);

	(void)brood_set_immediate(loop, go_join_error, failed);
	(void)brood_next_tick(loop, say, "tick");
	(void)brood_microtask(loop, say, "microtask");
	say(loop, "main");
}

static int
fail_with_queues(void *arg)
{
	(void)brood_sleep(1);
	(void)brood_next_tick(arg, say, "tick");
	(void)brood_microtask(arg, say, "microtask");
	say(arg, "fails");
	return -EIO;
}

void
task_error_nobody(struct brood_loop *loop)
{
	(void)brood_go(loop, 0, fail_with_queues, loop);
	(void)brood_set_timeout(loop, 1000, say, "never");
}

static void
handle(struct brood_loop *loop, int error, const char *what, void *arg)
{
	(void)error;
	(void)what;
	(void)arg;
	say(loop, "handled");
}

void
task_error_handled(struct brood_loop *loop)
{
	brood_on_error(loop, handle, NULL);
	(void)brood_go(loop, 0, fail_at_once, NULL);
	(void)brood_next_tick(loop, say, "tick");
	(void)brood_set_immediate(loop, say, "and on");
}

/* --- several --------------------------------------------------------------------------------- */

static int
join_all(void *arg)
{
	static struct child slow = {"slow", 40, 0}, fast = {"fast", 5, 0},
	                    middle = {"middle", 20, 0};
	struct brood_task *tasks[] = {
	    go_child(arg, &slow), go_child(arg, &fast), go_child(arg, &middle)};

	if (brood_all(tasks, 3) == 0)
		say(arg, "all");
	return 0;
}

void
tasks_all(struct brood_loop *loop)
{
	go(loop, join_all);
}

static int
join_all_but_one(void *arg)
{
	static struct child slow = {"slow", 5000, 0}, fast = {"fast", 5, 0},
	                    middle = {"middle", 20, -EIO}, slow_too = {"slow too", 5000, 0};
	struct brood_task *tasks[] = {go_child(arg, &slow), go_child(arg, &fast),
	    go_child(arg, &middle), go_child(arg, &slow_too)};

	if (brood_all(tasks, 4) == -EIO)
		say(arg, "error: wanted");
	return 0;
}

void
tasks_all_but_one(struct brood_loop *loop)
{
	go(loop, join_all_but_one);
}

static int
join_any(void *arg)
{
	static struct child slow = {"slow", 5000, 0}, fast = {"fast", 5, -EIO},
	                    middle = {"middle", 20, 20};
	struct brood_task *tasks[] = {
	    go_child(arg, &slow), go_child(arg, &fast), go_child(arg, &middle)};
	int result = 0;

	if (brood_any(tasks, 3, &result) == 2)
		sayf("any: %d", result);
	return 0;
}

void
tasks_any(struct brood_loop *loop)
{
	go(loop, join_any);
}

static int
join_any_of_none(void *arg)
{
	static struct child slow = {"slow", 40, -EIO}, fast = {"fast", 5, -EINVAL};
	struct brood_task *tasks[] = {go_child(arg, &slow), go_child(arg, &fast)};

	if (brood_any(tasks, 2, NULL) == -EIO)
		say(arg, "error: wanted");
	return 0;
}

void
tasks_any_of_none(struct brood_loop *loop)
{
	go(loop, join_any_of_none);
}

/* --- cancelled and too late ------------------------------------------------------------------ */

static struct brood_task *cancelled;

static int
wait_twice(void *arg)
{
	if (brood_sleep(5000) == -ECANCELED)
		say(arg, "this is cancelled");
	if (brood_sleep(5000) == -ECANCELED)
		say(arg, "the next is cancelled");
	return 0;
}

static void
cancel(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "cancel");
	brood_cancel(cancelled);
	(void)brood_next_tick(loop, say, "tick");
}

void
task_cancelled(struct brood_loop *loop)
{
	cancelled = brood_go(loop, 0, wait_twice, loop);
	(void)brood_set_timeout(loop, 5, cancel, NULL);
}

static int
wait_until_deadline(void *arg)
{
	brood_deadline(20);
	(void)brood_sleep(1);
	say(arg, "slept");
	if (brood_sleep(5000) == -ETIMEDOUT)
		say(arg, "too late");
	return 0;
}

void
task_deadline(struct brood_loop *loop)
{
	go(loop, wait_until_deadline);
}

/* --- the main task --------------------------------------------------------------------------- */

static struct child settled = {"main ends", 5, 0}, code = {"main ends", 5, 7},
                    fails = {"main fails", 5, -EIO};

void
main_settled(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 20, say, "timer");
	(void)brood_main(loop, child, &settled);
}

void
main_code(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 20, say, "timer");
	(void)brood_main(loop, child, &code);
}

void
main_fails(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1000, say, "never");
	(void)brood_main(loop, child, &fails);
}

static struct brood_task *waits_for;

static int
wait_for_second(void *arg)
{
	(void)brood_sleep(5);
	say(arg, "waits for the second");
	(void)brood_join(waits_for);
	return 0;
}

static int
wait_for_first(void *first)
{
	(void)brood_join(first);
	say(NULL, "never");
	return 0;
}

void
main_never_settled(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 20, say, "timer");
	waits_for = brood_main(loop, wait_for_first, brood_go(loop, 0, wait_for_second, loop));
}

static void
stop(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "stop");
	brood_stop(loop, 4);
}

/* The end of the loop cancels it, after the run. */
static int
wait_long(void *arg)
{
	if (brood_sleep(5000) == 0)
		say(arg, "never");
	return 0;
}

void
main_stopped(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 5, stop, NULL);
	(void)brood_main(loop, wait_long, loop);
}
