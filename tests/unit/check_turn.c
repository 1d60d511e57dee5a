/*
 * check_turn: the loop of libbrood by itself: its queues, ids, timers and immediates, the turn, and
 * what other threads hand in. Its order is held against Node's in tests/order.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "run_suite.h"
#include "runtime/loop.h"

static struct brood_loop *loop;
static char said[4096];

static void
setup(void)
{
	said[0] = '\0';
	loop = brood_loop_new();
	ck_assert_ptr_nonnull(loop);
}

static void
teardown(void)
{
	brood_loop_free(loop);
	loop = NULL;
}

static void
say(struct brood_loop *l, void *what)
{
	ck_assert_ptr_eq(l, loop);
	ck_assert_uint_lt(strlen(said) + strlen(what) + 2, sizeof said);
	strcat(said, what);
	strcat(said, " ");
}

/* --- jobs and ids ---------------------------------------------------------------------------- */

START_TEST(a_queue_keeps_its_order_while_it_wraps_and_grows)
{
	struct jobs q = {0};
	struct job job;
	uintptr_t in = 0, out = 0;

	srand(1);
	for (int round = 0; round < 2000; round++) {
		for (int i = rand() % 40; i > 0; i--)
			ck_assert_int_eq(jobs_add(&q, say, (void *)++in), 0);
		for (int i = rand() % 40; i > 0 && jobs_take(&q, &job); i--)
			ck_assert_uint_eq((uintptr_t)job.arg, ++out);
	}
	while (jobs_take(&q, &job))
		ck_assert_uint_eq((uintptr_t)job.arg, ++out);
	ck_assert_uint_eq(in, out);
	jobs_done(&q);
}
END_TEST

START_TEST(a_queue_that_was_long_gives_its_memory_back)
{
	struct jobs q = {0};
	struct job job;

	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(jobs_add(&q, say, NULL), 0);
	while (jobs_take(&q, &job))
		;
	ck_assert_uint_eq(q.cap, 0);
	jobs_done(&q);
}
END_TEST

START_TEST(an_id_that_was_removed_names_nothing_again)
{
	struct ids t = {0};
	brood_id first, second;
	int a, b;

	first = ids_add(&t, ID_TIMER, &a);
	ck_assert_ptr_eq(ids_find(&t, first, ID_TIMER), &a);
	ck_assert_ptr_null(ids_find(&t, first, ID_IMMEDIATE));
	ids_remove(&t, first);
	second = ids_add(&t, ID_IMMEDIATE, &b);
	ck_assert_uint_eq((uint32_t)first, (uint32_t)second);
	ck_assert_uint_ne(first, second);
	ck_assert_ptr_null(ids_find(&t, first, ID_TIMER));
	ck_assert_int_eq(ids_kind(&t, first), ID_NONE);
	ck_assert_int_eq(ids_kind(&t, second), ID_IMMEDIATE);
	ck_assert_ptr_null(ids_find(&t, 0, ID_TIMER));
	ck_assert_ptr_null(ids_find(&t, UINT64_MAX, ID_TIMER));
	ids_done(&t);
}
END_TEST

/* --- timers ---------------------------------------------------------------------------------- */

#define MANY 3000

static struct planned {
	brood_id id;
	uint64_t due_ms; /* not before it */
	bool has_run, is_cleared;
} planned[MANY];
static uint64_t last_due_ms;
static unsigned n_run;

static void
on_planned(struct brood_loop *l, void *arg)
{
	struct planned *p = arg, *other = &planned[rand() % MANY];

	ck_assert(!p->has_run && !p->is_cleared);
	uv_update_time(brood_uv(l));
	ck_assert_uint_ge(brood_now(l), p->due_ms);
	p->has_run = true;
	n_run++;
	if (rand() % 4 != 0 || other->has_run)
		return;
	other->is_cleared = true;
	brood_clear(l, other->id);
}

START_TEST(thousands_of_timers_run_once_and_not_too_early)
{
	unsigned n_cleared = 0;

	srand(2);
	n_run = 0;
	for (size_t i = 0; i < MANY; i++) {
		uint64_t ms = 1 + (uint64_t)(rand() % 60);

		planned[i] = (struct planned){0};
		uv_update_time(brood_uv(loop));
		planned[i].due_ms = brood_now(loop) + ms;
		planned[i].id = brood_set_timeout(loop, ms, on_planned, &planned[i]);
		ck_assert_uint_ne(planned[i].id, 0);
		/* Some are cleared, some set back, before any runs. */
		if (rand() % 8 == 0) {
			brood_clear(loop, planned[i].id);
			planned[i].is_cleared = true;
		} else if (rand() % 8 == 0) {
			ck_assert(brood_refresh(loop, planned[i].id));
		}
	}
	ck_assert_int_eq(brood_run(loop), 0);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert(planned[i].has_run != planned[i].is_cleared);
		n_cleared += planned[i].is_cleared;
		ck_assert(!brood_refresh(loop, planned[i].id));
	}
	ck_assert_uint_eq(n_run + n_cleared, MANY);
	ck_assert_uint_eq(loop->timers.n, 0);
}
END_TEST

static uint64_t due_ms[200];

static void
in_order(struct brood_loop *l, void *arg)
{
	uint64_t due = *(uint64_t *)arg;

	(void)l;
	ck_assert_uint_ge(due, last_due_ms);
	last_due_ms = due;
	n_run++;
}

/* One of each length: those of one length run together, as in Node. */
START_TEST(timers_that_are_due_at_once_run_in_the_order_of_their_times)
{
	last_due_ms = n_run = 0;
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t ms = 1 + i * 77 % 200;

		ck_assert_uint_ne(brood_set_timeout(loop, ms, in_order, &due_ms[i]), 0);
		due_ms[i] = brood_now(loop) + ms;
	}
	/* All are late by the time the loop looks. */
	(void)poll(NULL, 0, 220);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(n_run, 200);
}
END_TEST

static brood_id its_id;

static void
clears_itself(struct brood_loop *l, void *arg)
{
	say(l, arg);
	brood_clear(l, its_id);
	brood_clear(l, its_id);
	ck_assert(!brood_refresh(l, its_id));
}

static void
refreshes_itself(struct brood_loop *l, void *arg)
{
	say(l, arg);
	if (++n_run < 3)
		ck_assert(brood_refresh(l, its_id));
}

START_TEST(a_timer_may_clear_or_refresh_itself)
{
	its_id = brood_set_interval(loop, 1, clears_itself, "cleared");
	ck_assert_int_eq(brood_run(loop), 0);
	n_run = 0;
	its_id = brood_set_timeout(loop, 1, refreshes_itself, "again");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "cleared again again again ");
}
END_TEST

static brood_id others[3];

static void
clears_others(struct brood_loop *l, void *arg)
{
	say(l, arg);
	for (int i = 0; i < 3; i++)
		brood_clear(l, others[i]);
	/* A list of the same length is made while the one that was emptied still runs. */
	ck_assert_uint_ne(brood_set_timeout(l, 5, say, "later"), 0);
}

START_TEST(a_timer_may_clear_all_others_of_its_length)
{
	ck_assert_uint_ne(brood_set_timeout(loop, 5, clears_others, "first"), 0);
	for (int i = 0; i < 3; i++)
		others[i] = brood_set_timeout(loop, 5, say, "never");
	(void)poll(NULL, 0, 10);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "first later ");
}
END_TEST

START_TEST(what_is_not_referenced_does_not_hold_the_run)
{
	brood_id timer = brood_set_timeout(loop, 3600000, say, "never");
	brood_id immediate;

	brood_unref(loop, timer);
	ck_assert_int_eq(brood_run(loop), 0);
	immediate = brood_set_immediate(loop, say, "never");
	brood_unref(loop, immediate);
	ck_assert_int_eq(brood_run(loop), 0);
	brood_ref(loop, immediate);
	brood_ref(loop, immediate);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "never ");
	brood_ref(loop, timer);
	brood_clear(loop, timer);
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

/* --- immediates ------------------------------------------------------------------------------ */

static void
sets_another(struct brood_loop *l, void *arg)
{
	say(l, arg);
	brood_clear(l, others[0]);
	ck_assert_uint_ne(brood_set_immediate(l, say, "next-turn"), 0);
	ck_assert_int_eq(brood_next_tick(l, say, "tick"), 0);
}

START_TEST(an_immediate_clears_one_of_its_turn_and_sets_one_of_the_next)
{
	ck_assert_uint_ne(brood_set_immediate(loop, sets_another, "one"), 0);
	others[0] = brood_set_immediate(loop, say, "never");
	ck_assert_uint_ne(brood_set_immediate(loop, say, "two"), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "one tick two next-turn ");
}
END_TEST

static void
stops(struct brood_loop *l, void *arg)
{
	say(l, arg);
	ck_assert_int_eq(brood_next_tick(l, say, "rest-tick"), 0);
	brood_stop(l, 42);
}

START_TEST(a_stop_leaves_the_rest_for_the_next_run)
{
	ck_assert_uint_ne(brood_set_immediate(loop, say, "one"), 0);
	ck_assert_uint_ne(brood_set_immediate(loop, stops, "stop"), 0);
	ck_assert_uint_ne(brood_set_immediate(loop, say, "rest"), 0);
	ck_assert_int_eq(brood_run(loop), 42);
	ck_assert_str_eq(said, "one stop ");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "one stop rest-tick rest ");
}
END_TEST

/* --- the turn -------------------------------------------------------------------------------- */

static uint64_t n_recursions;

static void
recurses(struct brood_loop *l, void *arg)
{
	uint64_t until_ns = *(uint64_t *)arg;

	n_recursions++;
	if (uv_hrtime() < until_ns)
		ck_assert_int_eq(brood_next_tick(l, recurses, arg), 0);
}

START_TEST(ticks_that_hold_up_the_loop_are_counted)
{
	struct brood_loop_stats stats;
	uint64_t until_ns = uv_hrtime() + 60000000;

	ck_assert_int_eq(brood_next_tick(loop, recurses, &until_ns), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.starved, 1);
	ck_assert_uint_eq(stats.ticks, n_recursions);
	ck_assert_uint_ge(stats.busy_us, 60000);
}
END_TEST

static void computes(struct brood_loop *l, void *arg);

START_TEST(so_are_few_that_take_long)
{
	struct brood_loop_stats stats;

	ck_assert_int_eq(brood_next_tick(loop, computes, NULL), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.starved, 1);
}
END_TEST

static void
computes(struct brood_loop *l, void *arg)
{
	uint64_t until_ns = uv_hrtime() + 30000000;

	(void)l;
	(void)arg;
	while (uv_hrtime() < until_ns)
		;
}

START_TEST(lag_is_the_longest_turn_and_sleep_is_not_busy)
{
	uint64_t lag_us;
	double busy;

	ck_assert_uint_ne(brood_set_timeout(loop, 1, computes, NULL), 0);
	ck_assert_uint_ne(brood_set_timeout(loop, 300, say, "end"), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	loop_take_load(loop, &lag_us, &busy);
	ck_assert_uint_ge(lag_us, 30000);
	ck_assert(busy > 0 && busy < 1);
	loop_take_load(loop, &lag_us, &busy);
	ck_assert_uint_eq(lag_us, 0);
}
END_TEST

static int n_slept;

static void
sleeps_in_poll(struct brood_loop *l, int timeout_ms, void *arg)
{
	struct pollfd p = {.fd = uv_backend_fd(brood_uv(l)), .events = POLLIN};

	ck_assert_ptr_eq(arg, &n_slept);
	n_slept++;
	(void)poll(&p, 1, timeout_ms);
}

static uv_poll_t pipe_poll;
static int pipe_fds[2];

static void
on_pipe(uv_poll_t *p, int status, int events)
{
	char c;

	(void)events;
	brood_enter(loop);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(pipe_fds[0], &c, 1), 1);
	say(loop, "read");
	ck_assert_int_eq(brood_next_tick(loop, say, "tick"), 0);
	uv_close((uv_handle_t *)p, NULL);
	brood_leave(loop);
}

/* It is begun in the check phase, when this turn's poll is over. */
static void
polls_and_writes(struct brood_loop *l, void *arg)
{
	(void)arg;
	ck_assert_int_eq(uv_poll_init(brood_uv(l), &pipe_poll, pipe_fds[0]), 0);
	ck_assert_int_eq(uv_poll_start(&pipe_poll, UV_READABLE, on_pipe), 0);
	ck_assert_int_eq(write(pipe_fds[1], "x", 1), 1);
}

START_TEST(somebody_else_may_sleep)
{
	ck_assert_int_eq(pipe(pipe_fds), 0);
	n_slept = 0;
	loop_set_sleep(loop, sleeps_in_poll, &n_slept);
	ck_assert_uint_ne(brood_set_immediate(loop, polls_and_writes, NULL), 0);
	ck_assert_uint_ne(brood_set_timeout(loop, 30, say, "timer"), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "read tick timer ");
	ck_assert_int_gt(n_slept, 1);
	ck_assert_int_lt(n_slept, 100);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

static void
gives_back(struct brood_loop *l, void *arg)
{
	loop_set_sleep(l, NULL, NULL);
	ck_assert_uint_ne(brood_set_timeout(l, 20, say, arg), 0);
}

/* Each begins the next, so that there is a sleep between two of them however late they are. */
static void
takes_over(struct brood_loop *l, void *arg)
{
	loop_set_sleep(l, sleeps_in_poll, &n_slept);
	ck_assert_uint_ne(brood_set_timeout(l, 20, gives_back, arg), 0);
}

START_TEST(sleep_is_taken_over_and_given_back_while_it_runs)
{
	n_slept = 0;
	ck_assert_uint_ne(brood_set_timeout(loop, 1, takes_over, "end"), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "end ");
	ck_assert_int_ge(n_slept, 1);
	ck_assert_int_lt(n_slept, 100);
}
END_TEST

/* --- errors and other threads ---------------------------------------------------------------- */

static void
raises(struct brood_loop *l, void *arg)
{
	ck_assert_int_eq(brood_next_tick(l, say, "tick"), 0);
	brood_raise(l, -EIO, arg);
}

static void
on_error(struct brood_loop *l, int error, const char *what, void *arg)
{
	ck_assert_int_eq(error, -EIO);
	ck_assert_str_eq(what, "disk");
	say(l, arg);
}

START_TEST(an_error_that_nobody_handles_ends_the_run)
{
	int keep = dup(2), null = open("/dev/null", O_WRONLY);

	ck_assert_uint_ne(brood_set_timeout(loop, 1, raises, "disk"), 0);
	ck_assert_uint_ne(brood_set_timeout(loop, 1, say, "after"), 0);
	dup2(null, 2);
	ck_assert_int_eq(brood_run(loop), 1);
	dup2(keep, 2);
	close(keep);
	close(null);
	ck_assert_str_eq(said, "");
	brood_on_error(loop, on_error, "handled");
	ck_assert_uint_ne(brood_set_timeout(loop, 1, raises, "disk"), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "tick after handled tick ");
}
END_TEST

#define POSTS 20000

static void
counts(struct brood_loop *l, void *arg)
{
	unsigned *n = arg;

	if (++*n == 4 * POSTS)
		brood_stop(l, 0);
}

static void *
posts(void *arg)
{
	for (int i = 0; i < POSTS; i++)
		ck_assert_int_eq(brood_post(loop, counts, arg), 0);
	return NULL;
}

START_TEST(threads_post_and_all_of_it_runs)
{
	pthread_t threads[4];
	unsigned n = 0;
	brood_id held = brood_set_interval(loop, 3600000, say, "never");

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, posts, &n), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(n, 4 * POSTS);
	brood_clear(loop, held);
}
END_TEST

START_TEST(a_stop_leaves_what_was_posted_for_the_next_run)
{
	brood_id held = brood_set_interval(loop, 3600000, say, "never");

	ck_assert_int_eq(brood_post(loop, say, "one"), 0);
	ck_assert_int_eq(brood_post(loop, stops, "stop"), 0);
	ck_assert_int_eq(brood_post(loop, say, "rest"), 0);
	ck_assert_int_eq(brood_run(loop), 42);
	ck_assert_str_eq(said, "one stop ");
	ck_assert_int_eq(brood_post(loop, say, "more"), 0);
	ck_assert_int_eq(brood_post(loop, stops, "end"), 0);
	ck_assert_int_eq(brood_run(loop), 42);
	ck_assert_str_eq(said, "one stop rest-tick rest more end ");
	brood_clear(loop, held);
}
END_TEST

/* --- without memory -------------------------------------------------------------------------- */

START_TEST(nothing_is_lost_where_memory_runs_out)
{
	unsigned n_set = 0;

	brood_loop_free(loop);
	for (unsigned long at = 1; at < 40; at++) {
		struct brood_loop *l;
		unsigned n = 0;

		mem_fail_at(at, 1);
		l = brood_loop_new();
		if (l == NULL) {
			mem_fail_at(0, 0);
			ck_assert_int_eq(errno, ENOMEM);
			continue;
		}
		loop = l;
		said[0] = '\0';
		n += brood_next_tick(l, say, "t") == 0;
		n += brood_microtask(l, say, "m") == 0;
		n += brood_post(l, say, "p") == 0;
		for (uint64_t ms = 1; ms < 6; ms++)
			n += brood_set_timeout(l, ms, say, "o") != 0;
		for (int i = 0; i < 3; i++)
			n += brood_set_immediate(l, say, "i") != 0;
		mem_fail_at(0, 0);
		ck_assert_int_eq(brood_run(l), 0);
		/* What is posted runs in a turn, and an immediate makes one. */
		ck_assert_uint_eq(strlen(said), 2 * n);
		n_set += n;
		brood_loop_free(l);
	}
	loop = NULL;
	ck_assert_uint_gt(n_set, 100);
}
END_TEST

START_TEST(a_loop_is_freed_with_all_that_waits)
{
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_ne(brood_set_timeout(loop, (uint64_t)i, say, "never"), 0);
		ck_assert_uint_ne(brood_set_immediate(loop, say, "never"), 0);
		ck_assert_int_eq(brood_next_tick(loop, say, "never"), 0);
		ck_assert_int_eq(brood_post(loop, say, "never"), 0);
	}
}
END_TEST

static void
add_tests(TCase *c)
{
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_queue_keeps_its_order_while_it_wraps_and_grows);
	tcase_add_test(c, a_queue_that_was_long_gives_its_memory_back);
	tcase_add_test(c, an_id_that_was_removed_names_nothing_again);
	tcase_add_test(c, thousands_of_timers_run_once_and_not_too_early);
	tcase_add_test(c, timers_that_are_due_at_once_run_in_the_order_of_their_times);
	tcase_add_test(c, a_timer_may_clear_or_refresh_itself);
	tcase_add_test(c, a_timer_may_clear_all_others_of_its_length);
	tcase_add_test(c, what_is_not_referenced_does_not_hold_the_run);
	tcase_add_test(c, an_immediate_clears_one_of_its_turn_and_sets_one_of_the_next);
	tcase_add_test(c, a_stop_leaves_the_rest_for_the_next_run);
	tcase_add_test(c, ticks_that_hold_up_the_loop_are_counted);
	tcase_add_test(c, so_are_few_that_take_long);
	tcase_add_test(c, lag_is_the_longest_turn_and_sleep_is_not_busy);
	tcase_add_test(c, somebody_else_may_sleep);
	tcase_add_test(c, sleep_is_taken_over_and_given_back_while_it_runs);
	tcase_add_test(c, an_error_that_nobody_handles_ends_the_run);
	tcase_add_test(c, threads_post_and_all_of_it_runs);
	tcase_add_test(c, a_stop_leaves_what_was_posted_for_the_next_run);
	tcase_add_test(c, nothing_is_lost_where_memory_runs_out);
	tcase_add_test(c, a_loop_is_freed_with_all_that_waits);
}

int
main(void)
{
	return run_suite("turn", setup, teardown, add_tests);
}
