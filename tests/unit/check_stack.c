/*
 * check_stack: stacks of tasks: sizes, what is given back, and that no overflow goes unnoticed,
 * whichever kind of guard there is.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/stack.h"
#include "task_support.h"

static struct stacks stacks;

static size_t
bytes_of(const struct stack *st)
{
	return (size_t)(st->top - st->low);
}

static void
forget_limits(void)
{
	stack_limit_guards(STACK_GUARD_TABLE, -1);
}

/* --- stacks ---------------------------------------------------------------------------------- */

START_TEST(sizes_are_rounded_up)
{
	static const size_t sizes[] = {0, 1, 16384, 16385, 65536, 100000, 1 << 20, 5000000};
	struct stack st[8];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(stack_get(&stacks, sizes[i], &st[i]), 0);
		/* All of it can be used. */
		memset(st[i].low, 1, bytes_of(&st[i]));
		ck_assert_uint_ge(bytes_of(&st[i]) + page + 64, sizes[i]);
		ck_assert_uint_eq((uintptr_t)st[i].top % 64, 0);
	}
	ck_assert_uint_ge(bytes_of(&st[0]), 56 * 1024);
	for (int i = 0; i < 8; i++)
		stack_put(&stacks, &st[i]);
	stacks_done(&stacks);
	ck_assert_uint_eq(stacks.bytes, 0);
	ck_assert_int_eq(stack_get(&stacks, ((size_t)1 << 30) + 1, &st[0]), -EINVAL);
	ck_assert_int_eq(stack_get(&stacks, SIZE_MAX, &st[0]), -EINVAL);
}
END_TEST

START_TEST(the_last_is_the_first_to_be_used_again)
{
	struct stack a, b, again;

	ck_assert_int_eq(stack_get(&stacks, 0, &a), 0);
	ck_assert_int_eq(stack_get(&stacks, 0, &b), 0);
	ck_assert_ptr_ne(a.low, b.low);
	stack_put(&stacks, &a);
	stack_put(&stacks, &b);
	ck_assert_int_eq(stack_get(&stacks, 0, &again), 0);
	ck_assert_ptr_eq(again.low, b.low);
	stack_put(&stacks, &again);
	stacks_done(&stacks);
	ck_assert_uint_eq(stacks.bytes, 0);
}
END_TEST

#define MANY 1000

/* _i: which guards. */
START_TEST(memory_is_given_back)
{
	static struct stack st[MANY];
	size_t before, after;

	stack_limit_guards(_i, -1);
	before = resident_bytes();
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(stack_get(&stacks, 0, &st[i]), 0);
		memset(st[i].low, 1, bytes_of(&st[i]));
	}
	if (_i == STACK_BARE)
		ck_assert_uint_gt(stacks.n_bare, MANY / 2);
	else
		ck_assert_uint_eq(stacks.n_bare, 0);
	/* In another order than they came. */
	for (int i = 0; i < MANY; i++)
		stack_put(&stacks, &st[i * 7 % MANY]);
	after = resident_bytes();
	ck_assert_uint_eq(stacks.n_bare, 0);
	/* 4 MiB are kept, and for bare ones a page each. */
	if (!IS_SANITIZED && !RUNNING_ON_VALGRIND)
		ck_assert_uint_lt(after, before + ((size_t)12 << 20));
	stacks_done(&stacks);
	ck_assert_uint_eq(stacks.bytes, 0);
	forget_limits();
}
END_TEST

/* What is taken, touched and put back at random: no stack is two tasks', none is taken for
 * overflowed. */
START_TEST(bare_stacks_keep_their_words)
{
	enum { N = 200 };
	static struct stack st[N];
	static bool taken[N];

	stack_limit_guards(_i, 20);
	srand(1);
	for (int round = 0; round < 20000; round++) {
		int i = rand() % N;

		if (!taken[i]) {
			ck_assert_int_eq(stack_get(&stacks, 16384, &st[i]), 0);
			memset(st[i].low, i, bytes_of(&st[i]));
		} else {
			if (st[i].is_bare)
				stack_check_bare(&st[i], st[i].low, NULL);
			ck_assert_int_eq((unsigned char)st[i].low[0], i);
			ck_assert_int_eq((unsigned char)st[i].top[-1], i);
			stack_put(&stacks, &st[i]);
		}
		taken[i] = !taken[i];
	}
	for (int i = 0; i < N; i++)
		if (taken[i])
			stack_put(&stacks, &st[i]);
	stacks_done(&stacks);
	ck_assert_uint_eq(stacks.bytes, 0);
	ck_assert_uint_eq(stacks.n_bare, 0);
	forget_limits();
}
END_TEST

START_TEST(guards_are_pages_as_far_as_mappings_go)
{
	enum { N = 64 };
	struct stack st[N];
	unsigned n_bare = 0;

	stack_limit_guards(STACK_GUARD_PAGE, 10);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(stack_get(&stacks, 65536, &st[i]), 0);
		n_bare += st[i].is_bare;
	}
	ck_assert_uint_eq(stacks.n_bare, n_bare);
	/* Ten, and the lowest of each chunk. */
	ck_assert_uint_ge(n_bare, N - 10 - 4);
	ck_assert_uint_lt(n_bare, N - 10 + 1);
	for (int i = 0; i < N; i++)
		stack_put(&stacks, &st[i]);
	stacks_done(&stacks);
	forget_limits();
}
END_TEST

START_TEST(no_memory)
{
	struct stack st;

	mem_fail_at(1, 1);
	ck_assert_int_eq(stack_get(&stacks, 0, &st), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_int_eq(stack_get(&stacks, 0, &st), 0);
	stack_put(&stacks, &st);
	stacks_done(&stacks);
}
END_TEST

/* --- overflow -------------------------------------------------------------------------------- */

static int
sleep_in_task(void *arg)
{
	(void)arg;
	return brood_sleep(10);
}

/* Not a tail call, and nothing to be optimised away. */
__attribute__((noinline)) static int
dive(int bytes)
{
	volatile char room[256];

	for (size_t i = 0; i < sizeof room; i++)
		room[i] = (char)bytes;
	return (bytes > 0 ? dive(bytes - (int)sizeof room) : 0) + room[bytes & 255];
}

static int
dive_and_end(void *arg)
{
	return dive((int)(intptr_t)arg) == 12345 ? -EIO : 0;
}

static int
dive_and_sleep(void *arg)
{
	return dive_and_end(arg) < 0 ? -EIO : brood_sleep(1);
}

/* Where it is when it waits, not where it was. */
__attribute__((noinline)) static int
sleep_below(void *arg)
{
	char room[66000];

	(void)arg;
	room[0] = 0;
	__asm__ volatile("" : : "r"(room) : "memory"); /* somebody may look at all of it */
	return brood_sleep(1) + room[0];
}

struct overflow {
	enum stack_guard guard;
	brood_task_fn *fn;
	int bytes;
};

/* Its own process, which dies of it. The task is the second of its chunk. */
static void
overflow(const struct overflow *o)
{
	static const struct rlimit no_core = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &no_core);
	stack_limit_guards(o->guard, o->guard == STACK_BARE ? 0 : -1);
	open_loop();
	brood_detach(brood_go(loop, 65536, sleep_in_task, NULL));
	brood_detach(brood_go(loop, 65536, o->fn, (void *)(intptr_t)o->bytes));
	(void)brood_run(loop);
	close_loop();
	_exit(0);
}

static int
run_overflow(const struct overflow *o, char *text, size_t size)
{
	int fds[2], status = 0;
	size_t n = 0;
	ssize_t r;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)dup2(fds[1], 2);
		overflow(o);
	}
	(void)close(fds[1]);
	while (n < size - 1 && (r = read(fds[0], text + n, size - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	(void)close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static const struct overflow overflows[] = {
    {STACK_GUARD_TABLE, dive_and_end, 70000},
    {STACK_GUARD_TABLE, dive_and_sleep, 200000},
    {STACK_GUARD_PAGE, dive_and_end, 70000},
    {STACK_GUARD_PAGE, sleep_below, 0},
    {STACK_BARE, dive_and_end, 70000},
    {STACK_BARE, dive_and_sleep, 70000},
    {STACK_BARE, sleep_below, 0},
};

START_TEST(an_overflow_is_noticed)
{
	const struct overflow *o = &overflows[_i];
	char text[4096];
	int status = run_overflow(o, text, sizeof text);

	ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
	/* A sanitizer's frames are so much bigger that they reach the guard of the lowest slot; it
	 * says so itself, and exits. */
	if (IS_SANITIZED)
		return;
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), o->guard == STACK_BARE ? SIGABRT : SIGSEGV);
	if (o->guard == STACK_BARE)
		ck_assert_msg(
		    strstr(text, "has overflowed its stack (64 KiB") != NULL, "%.500s", text);
}
END_TEST

START_TEST(what_fits_is_no_overflow)
{
	char text[4096];
	struct overflow o = {_i, dive_and_sleep, IS_SANITIZED ? 10000 : 40000};
	int status = run_overflow(&o, text, sizeof text);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%.500s", text);
}
END_TEST

/* --- the limit of the kernel ----------------------------------------------------------------- */

static int
sleep_long(void *arg)
{
	(void)arg;
	return brood_sleep(60000);
}

/* Addresses are what is short: brood_go() says so, and those that are there go on. */
START_TEST(a_process_out_of_addresses)
{
	struct rlimit limit = {(rlim_t)600 << 20, (rlim_t)600 << 20};
	int n = 0;

	/* Their shadows are most of the addresses. */
	if (IS_SANITIZED || RUNNING_ON_VALGRIND)
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	open_loop();
	while (brood_go(loop, 1 << 20, sleep_long, NULL) != NULL)
		n++;
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_gt(n, 10);
	brood_detach(brood_go(loop, 0, sleep_in_task, NULL));
	close_loop();
}
END_TEST

/* 40,000 with pages for guards, as far as vm.max_map_count allows: what others map is not refused
 * either. */
START_TEST(forty_thousand_stacks_of_an_older_kernel)
{
	enum { N = 40000 };
	struct stack *st = calloc(N, sizeof *st);
	int n = IS_SANITIZED || RUNNING_ON_VALGRIND ? 200 : N;
	void *others;

	stack_limit_guards(STACK_GUARD_PAGE, -1);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(stack_get(&stacks, 65536, &st[i]), 0);
		st[i].top[-1] = 1;
	}
	for (int i = 0; i < 100; i++) {
		others = malloc((size_t)1 << 20);
		ck_assert_ptr_nonnull(others);
		free(others);
	}
	for (int i = 0; i < n; i++) {
		if (st[i].is_bare)
			stack_check_bare(&st[i], st[i].low, NULL);
		stack_put(&stacks, &st[i]);
	}
	stacks_done(&stacks);
	ck_assert_uint_eq(stacks.bytes, 0);
	free(st);
	forget_limits();
}
END_TEST

static Suite *
stack_suite(void)
{
	Suite *s = suite_create("stack");
	TCase *tc = tcase_create("stack");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, sizes_are_rounded_up);
	tcase_add_test(tc, the_last_is_the_first_to_be_used_again);
	tcase_add_loop_test(tc, memory_is_given_back, STACK_GUARD_TABLE, STACK_BARE + 1);
	tcase_add_loop_test(tc, bare_stacks_keep_their_words, STACK_GUARD_TABLE, STACK_BARE + 1);
	tcase_add_test(tc, guards_are_pages_as_far_as_mappings_go);
	tcase_add_test(tc, no_memory);
	tcase_add_loop_test(tc, an_overflow_is_noticed, 0, sizeof overflows / sizeof overflows[0]);
	tcase_add_loop_test(tc, what_fits_is_no_overflow, STACK_GUARD_TABLE, STACK_BARE + 1);
	tcase_add_test(tc, a_process_out_of_addresses);
	tcase_add_test(tc, forty_thousand_stacks_of_an_older_kernel);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(stack_suite());
	int n_failed;

	srunner_run_all(sr, CK_ENV);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
