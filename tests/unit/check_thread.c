/* check_thread: threads with loops: how they end, who hears of it, terminated at every stage. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime_support.h"

/* --- what the parent hears ------------------------------------------------------------------- */

struct story {
	int fn_code, stop_code; /* what its thread shall do */
	const char *raises;
	unsigned n; /* free for the test */
	pthread_t where;
	struct brood_thread *thread;
	unsigned exits;
	int code;
	char error[128];
	unsigned heard, heard_at_exit;
};

static void
on_exit_note(struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	struct story *s = arg;

	ck_assert_ptr_eq(l, loop);
	if (s->thread != NULL)
		ck_assert_ptr_eq(t, s->thread);
	s->exits++;
	s->code = code;
	s->heard_at_exit = s->heard;
	(void)snprintf(s->error, sizeof s->error, "%s", error != NULL ? error : "");
}

static void
start(struct story *s, brood_thread_fn *fn)
{
	s->thread = brood_thread_start(loop, fn, on_exit_note, s);
	ck_assert_ptr_nonnull(s->thread);
}

static void
run_to_end(struct story *s)
{
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(s->exits, 1);
}

/* --- how it ends ----------------------------------------------------------------------------- */

static void
stop_or_raise(struct brood_loop *l, void *arg)
{
	struct story *s = arg;

	if (s->raises != NULL) {
		brood_raise(l, -ENOENT, s->raises);
		brood_raise(l, -EIO, "a second one");
	} else if (s->stop_code >= 0) {
		brood_stop(l, s->stop_code);
	}
}

static void
no_more(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	ck_abort_msg("it went on");
}

/* Once from the function itself, once from a callback. */
static int
end_as_told(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	struct story *s = arg;

	s->where = pthread_self();
	ck_assert_ptr_ne(l, loop);
	ck_assert_ptr_eq(brood_port_loop(parent), l);
	if (s->n == 0) {
		stop_or_raise(l, s);
	} else {
		ck_assert_uint_ne(brood_set_timeout(l, 1, stop_or_raise, s), 0);
		if (s->raises != NULL || s->stop_code >= 0)
			ck_assert_uint_ne(brood_set_timeout(l, 100000, no_more, NULL), 0);
	}
	return s->fn_code;
}

static const struct {
	int fn_code, stop_code;
	const char *raises;
	int code;
	const char *error;
} ends[] = {
    {0, -1, NULL, 0, ""},
    {5, -1, NULL, 5, ""},
    {-3, -1, NULL, -3, ""},
    {0, 0, NULL, 0, ""},
    {0, 7, NULL, 7, ""},
    {5, 7, NULL, 5, ""},
    {0, -1, "the file", 1, "the file: No such file or directory"},
    {5, -1, "the file", 5, "the file: No such file or directory"},
};

START_TEST(its_code_and_its_error_come_back)
{
	for (unsigned from = 0; from < 2; from++) {
		struct story s = {.fn_code = ends[_i].fn_code,
		    .stop_code = ends[_i].stop_code,
		    .raises = ends[_i].raises,
		    .n = from};

		start(&s, end_as_told);
		ck_assert_uint_eq(s.exits, 0);
		run_to_end(&s);
		ck_assert_int_eq(s.code, ends[_i].code);
		ck_assert_str_eq(s.error, ends[_i].error);
		ck_assert(!pthread_equal(s.where, pthread_self()));
	}
}
END_TEST

static void
handle(struct brood_loop *l, int error, const char *what, void *arg)
{
	struct story *s = arg;

	(void)l;
	ck_assert_int_eq(error, -ENOENT);
	ck_assert_str_eq(what, "handled");
	s->n++;
}

static int
handle_itself(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)parent;
	brood_on_error(l, handle, arg);
	brood_raise(l, -ENOENT, "handled");
	return 0;
}

START_TEST(an_error_that_it_handles_is_its_own)
{
	struct story s = {0};

	start(&s, handle_itself);
	run_to_end(&s);
	ck_assert_int_eq(s.code, 0);
	ck_assert_str_eq(s.error, "");
	ck_assert_uint_eq(s.n, 1);
}
END_TEST

START_TEST(an_error_that_nobody_asked_for_is_the_parents)
{
	struct story s = {.raises = "handled", .stop_code = -1};

	brood_on_error(loop, handle, &s);
	ck_assert_ptr_nonnull(brood_thread_start(loop, end_as_told, NULL, &s));
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(s.n, 1);
}
END_TEST

static int
raise_long(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	char text[2000];

	(void)parent;
	(void)arg;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	brood_raise(l, 0, text);
	return 0;
}

static void
on_exit_long(struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	(void)l;
	(void)t;
	ck_assert_int_eq(code, 1);
	ck_assert_uint_gt(strlen(error), 100);
	++*(int *)arg;
}

START_TEST(a_long_error_is_cut)
{
	int n = 0;

	ck_assert_ptr_nonnull(brood_thread_start(loop, raise_long, on_exit_long, &n));
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(n, 1);
	errno = 0;
	ck_assert_ptr_null(brood_thread_start(loop, NULL, on_exit_long, &n));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* --- messages -------------------------------------------------------------------------------- */

static void
echo(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)arg;
	ck_assert_int_eq(brood_port_send(p, m->data, m->len), 0);
}

static int
echo_all(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)l;
	(void)arg;
	brood_port_listen(parent, echo, NULL);
	return 0;
}

/* Sends what comes back until n was heard, then closes its end, and the thread ends. */
static void
hear_and_send(struct brood_port *p, struct brood_message *m, void *arg)
{
	struct story *s = arg;

	ck_assert_str_eq(m->data, "ping");
	if (++s->heard == s->n)
		brood_port_close(p);
	else
		ck_assert_int_eq(brood_port_send(p, "ping", 4), 0);
}

static void
start_echo(struct story *s)
{
	start(s, echo_all);
	brood_port_listen(brood_thread_port(s->thread), hear_and_send, s);
	ck_assert_int_eq(brood_port_send(brood_thread_port(s->thread), "ping", 4), 0);
}

START_TEST(they_talk)
{
	struct story s = {.n = 1000};

	start_echo(&s);
	run_to_end(&s);
	ck_assert_int_eq(s.code, 0);
	ck_assert_uint_eq(s.heard_at_exit, 1000);
}
END_TEST

static int
send_and_end(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)l;
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(brood_port_send(parent, "last words", 10), 0);
	(void)arg;
	return 0;
}

static void
hear(struct brood_port *p, struct brood_message *m, void *arg)
{
	struct story *s = arg;

	ck_assert_str_eq(m->data, "last words");
	s->heard++;
	if (s->heard == s->n)
		brood_port_listen(p, NULL, NULL);
}

START_TEST(last_words_are_heard_before_its_end)
{
	struct story s = {0};

	start(&s, send_and_end);
	brood_port_listen(brood_thread_port(s.thread), hear, &s);
	run_to_end(&s);
	ck_assert_uint_eq(s.heard_at_exit, 2000);
}
END_TEST

START_TEST(its_end_does_not_wait_for_who_does_not_listen)
{
	struct story s = {.n = 1500};

	start(&s, send_and_end);
	brood_port_listen(brood_thread_port(s.thread), hear, &s);
	run_to_end(&s);
	ck_assert_uint_eq(s.heard_at_exit, 1500);
}
END_TEST

static int
move_one(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)l;
	(void)arg;
	ck_assert_int_eq(brood_port_move(parent, malloc(100), 100, free), 0);
	return 0;
}

static int
move_and_stay(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)sem_post(arg);
	brood_port_listen(parent, echo, NULL);
	return move_one(l, parent, NULL);
}

/* The sanitizers and valgrind would tell of it. */
START_TEST(what_is_not_heard_is_freed)
{
	struct brood_thread *t;
	struct story s = {0};
	sem_t begun;

	start(&s, move_one);
	run_to_end(&s);
	(void)sem_init(&begun, 0, 0);
	t = brood_thread_start(loop, move_and_stay, NULL, &begun);
	ck_assert_ptr_nonnull(t);
	while (sem_wait(&begun) < 0)
		;
	brood_thread_terminate(t);
	for (int i = 0; i < 100; i++) {
		char *data = malloc(100);

		if (brood_port_move(brood_thread_port(t), data, 100, free) < 0)
			free(data);
	}
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

static void
on_exit_look(struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	struct story *s = arg;

	on_exit_note(l, t, code, error, arg);
	ck_assert_ptr_nonnull(brood_thread_port(t));
	ck_assert_int_eq(brood_port_send(brood_thread_port(t), "x", 1), -EPIPE);
	brood_thread_terminate(t);
	brood_port_close(brood_thread_port(t));
	ck_assert_ptr_null(brood_thread_port(t));
	s->n = 99;
}

static int
close_and_end(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)l;
	(void)arg;
	brood_port_close(parent);
	return 0;
}

START_TEST(nobody_is_at_the_other_end_any_more)
{
	struct story s = {0};

	ck_assert_ptr_nonnull(brood_thread_start(loop, close_and_end, on_exit_look, &s));
	run_to_end(&s);
	ck_assert_uint_eq(s.n, 99);
}
END_TEST

/* --- terminated ------------------------------------------------------------------------------ */

enum stage { NOT_BEGUN, IN_FN, ASLEEP, IN_CALLBACK, SPINNING, STAGES };

static sem_t there, go_on;
static enum stage stage;

static void
wait_for(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		;
}

static void
hold(struct brood_loop *l, void *arg)
{
	(void)arg;
	(void)sem_post(&there);
	wait_for(&go_on);
	ck_assert_uint_ne(brood_set_immediate(l, no_more, NULL), 0);
}

static void
spin(struct brood_loop *l, void *arg)
{
	ck_assert_uint_ne(brood_set_immediate(l, spin, arg), 0);
}

static int
be_somewhere(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)arg;
	brood_port_listen(parent, echo, NULL);
	switch (stage) {
	case IN_FN:
		(void)sem_post(&there);
		wait_for(&go_on);
		break;
	case IN_CALLBACK:
		ck_assert_uint_ne(brood_set_timeout(l, 0, hold, NULL), 0);
		break;
	case SPINNING:
		ck_assert_uint_ne(brood_set_immediate(l, spin, NULL), 0);
		(void)sem_post(&there);
		break;
	case ASLEEP:
		(void)sem_post(&there);
		break;
	case NOT_BEGUN:
	case STAGES:
		break;
	}
	return 4;
}

START_TEST(terminated_at_each_stage)
{
	struct story s = {0};

	(void)sem_init(&there, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	stage = (enum stage)_i;
	start(&s, be_somewhere);
	if (stage != NOT_BEGUN)
		wait_for(&there);
	if (stage == ASLEEP)
		(void)usleep(20000);
	brood_thread_terminate(s.thread);
	brood_thread_terminate(s.thread);
	(void)sem_post(&go_on);
	run_to_end(&s);
	ck_assert_int_eq(s.code, 1);
	ck_assert_str_eq(s.error, "");
}
END_TEST

static void
terminate(struct brood_loop *l, void *arg)
{
	struct story *s = arg;

	(void)l;
	if (s->exits == 0)
		brood_thread_terminate(s->thread);
}

static void
do_nothing(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
}

static int
count_to_ten(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)parent;
	(void)arg;
	for (uint64_t i = 0; i < 10; i++)
		ck_assert_uint_ne(brood_set_timeout(l, i / 4, do_nothing, NULL), 0);
	return 3;
}

/* Whether it had come to its own end or not: one word of it, and one of two codes. */
START_TEST(terminated_at_any_time)
{
	unsigned seed = 1, terminated = 0;

	for (int round = 0; round < 300; round++) {
		struct story s = {0};

		start(&s, count_to_ten);
		for (volatile unsigned i = rand_r(&seed) % 200000; i > 0; i--)
			;
		if (round % 3 == 0)
			terminate(loop, &s);
		else
			ck_assert_uint_ne(
			    brood_set_timeout(loop, rand_r(&seed) % 4, terminate, &s), 0);
		run_to_end(&s);
		ck_assert(s.code == 1 || s.code == 3);
		ck_assert_str_eq(s.error, "");
		terminated += s.code == 1;
	}
	ck_assert_uint_gt(terminated, 0);
}
END_TEST

/* --- the end of the parent's loop ------------------------------------------------------------ */

static void
on_exit_at_the_end(
    struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	on_exit_note(l, t, code, error, arg);
	errno = 0;
	ck_assert_ptr_null(brood_thread_start(l, echo_all, NULL, NULL));
	ck_assert_int_eq(errno, ECANCELED);
}

static int
say_there(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)l;
	(void)parent;
	(void)arg;
	(void)sem_post(&there);
	return 6;
}

START_TEST(the_end_of_a_loop_ends_its_threads)
{
	brood_thread_fn *const fns[] = {echo_all, be_somewhere, say_there, send_and_end};
	struct story s[12] = {{0}};

	(void)sem_init(&there, 0, 0);
	stage = SPINNING;
	for (unsigned i = 0; i < 12; i++) {
		s[i].thread = brood_thread_start(loop, fns[i % 4], on_exit_at_the_end, &s[i]);
		ck_assert_ptr_nonnull(s[i].thread);
		brood_port_listen(brood_thread_port(s[i].thread), hear, &s[i]);
	}
	for (unsigned i = 0; i < 6; i++) /* both that are there and say so */
		wait_for(&there);
	brood_loop_free(loop);
	for (unsigned i = 0; i < 12; i++) {
		ck_assert_uint_eq(s[i].exits, 1);
		ck_assert_str_eq(s[i].error, "");
		if (i % 4 < 2)
			ck_assert_int_eq(s[i].code, 1);
	}
	loop = NULL;
}
END_TEST

START_TEST(a_loop_ends_right_after_a_start)
{
	for (int round = 0; round < 100; round++) {
		struct story s = {0};

		start(&s, round % 2 == 0 ? echo_all : count_to_ten);
		brood_loop_free(loop);
		ck_assert_uint_eq(s.exits, 1);
		setup();
	}
}
END_TEST

/* --- many ------------------------------------------------------------------------------------ */

#define MANY 32

START_TEST(thirty_two_at_a_time)
{
	static struct story s[MANY];

	memset(s, 0, sizeof s);
	for (unsigned i = 0; i < MANY; i++) {
		s[i].n = 50 + i;
		start_echo(&s[i]);
	}
	ck_assert_int_eq(brood_run(loop), 0);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_uint_eq(s[i].exits, 1);
		ck_assert_int_eq(s[i].code, 0);
		ck_assert_uint_eq(s[i].heard_at_exit, 50 + i);
	}
}
END_TEST

static int chain_left;

static int
nothing(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)l;
	(void)parent;
	(void)arg;
	return 0;
}

static void
on_exit_next(struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	(void)t;
	ck_assert_int_eq(code, 0);
	ck_assert_ptr_null(error);
	if (--chain_left > 0)
		ck_assert_ptr_nonnull(brood_thread_start(l, nothing, on_exit_next, arg));
}

START_TEST(one_after_the_other_leaves_nothing_behind)
{
	int before, after;

	chain_left = 2;
	on_exit_next(loop, NULL, 0, NULL, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	before = fd_count_open();
	chain_left = 200;
	on_exit_next(loop, NULL, 0, NULL, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	after = fd_count_open();
	ck_assert_int_eq(chain_left, 0);
	ck_assert_int_eq(after, before);
}
END_TEST

/* --- threads of threads ---------------------------------------------------------------------- */

static atomic_int depth_ended;

static void
on_inner_exit(struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	(void)l;
	(void)t;
	(void)error;
	(void)arg;
	ck_assert_int_eq(code, 1);
	atomic_fetch_add(&depth_ended, 1);
}

static int
go_deeper(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	uintptr_t left = (uintptr_t)arg;

	brood_port_listen(parent, echo, NULL);
	if (left == 0)
		(void)sem_post(&there);
	else if (brood_thread_start(l, go_deeper, on_inner_exit, (void *)(left - 1)) == NULL)
		return 2;
	return 0;
}

static void
on_outer_exit(struct brood_loop *l, struct brood_thread *t, int code, const char *error, void *arg)
{
	(void)arg;
	on_inner_exit(l, t, code, error, NULL);
}

START_TEST(who_is_terminated_takes_its_threads_along)
{
	struct brood_thread *t;

	(void)sem_init(&there, 0, 0);
	atomic_store(&depth_ended, 0);
	t = brood_thread_start(loop, go_deeper, on_outer_exit, (void *)(uintptr_t)4);
	ck_assert_ptr_nonnull(t);
	wait_for(&there);
	brood_thread_terminate(t);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(atomic_load(&depth_ended), 5);
}
END_TEST

static int
compute(void *arg)
{
	(void)arg;
	return 17;
}

static void
send_result(struct brood_loop *l, int result, void *arg)
{
	char text[16];

	(void)l;
	(void)snprintf(text, sizeof text, "%d", result);
	/* At the end of the loop the port is still there. */
	(void)brood_port_send(arg, text, strlen(text));
}

static int
offload_and_send(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	struct story *s = arg;

	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_ne(brood_offload(l, compute, send_result, parent), 0);
	if (s->n == 1)
		brood_stop(l, 0);
	return 0;
}

static void
hear_result(struct brood_port *p, struct brood_message *m, void *arg)
{
	struct story *s = arg;
	int result = atoi(m->data);

	(void)p;
	ck_assert(result == 17 || (s->n == 1 && result == -ECANCELED));
	s->heard++;
}

/* Also what its loop only says when it is freed: those that were stopped or cancelled. */
START_TEST(a_threads_offloads_are_its_own)
{
	for (unsigned n = 0; n < 2; n++) {
		struct story s = {.n = n};

		start(&s, offload_and_send);
		brood_port_listen(brood_thread_port(s.thread), hear_result, &s);
		run_to_end(&s);
		ck_assert_uint_eq(s.heard_at_exit, 20);
	}
}
END_TEST

static void
raise_at_the_end(struct brood_loop *l, int result, void *arg)
{
	(void)result;
	(void)arg;
	brood_raise(l, -EIO, "at the end");
}

static int
offload_and_stop(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)parent;
	ck_assert_uint_ne(brood_offload(l, compute, raise_at_the_end, arg), 0);
	brood_stop(l, 0);
	return 0;
}

START_TEST(an_error_while_its_loop_is_freed_is_one)
{
	struct story s = {0};

	start(&s, offload_and_stop);
	run_to_end(&s);
	ck_assert_int_eq(s.code, 1);
	ck_assert_str_eq(s.error, "at the end: Input/output error");
}
END_TEST

/* Of the thread's tasks; the port is theirs until the last has ended. */
static struct brood_port *tasks_port;

static int
wait_for_go_on(void *arg)
{
	(void)sem_post(&there);
	wait_for(arg);
	return 5;
}

static int
sleep_and_send(void *arg)
{
	(void)arg;
	(void)sem_post(&there);
	ck_assert_int_eq(brood_sleep(1000000), -ECANCELED);
	return brood_port_send(tasks_port, "last words", 10);
}

static int
offload_and_send_last(void *arg)
{
	ck_assert_int_eq(brood_offload_wait(wait_for_go_on, arg), 5);
	return brood_port_send(tasks_port, "last words", 10);
}

static int
have_tasks(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	(void)arg;
	tasks_port = parent;
	brood_detach(brood_go(l, 0, sleep_and_send, NULL));
	brood_detach(brood_go(l, 0, offload_and_send_last, &go_on));
	return 0;
}

static int
let_go_on(void *arg)
{
	(void)usleep(20000);
	return sem_post(arg);
}

START_TEST(tasks_of_a_terminated_thread_come_to_their_end)
{
	struct story s = {0};

	(void)sem_init(&there, 0, 0);
	(void)sem_init(&go_on, 0, 0);
	start(&s, have_tasks);
	brood_port_listen(brood_thread_port(s.thread), hear, &s);
	wait_for(&there);
	wait_for(&there);
	brood_thread_terminate(s.thread);
	ck_assert_uint_ne(brood_offload(loop, let_go_on, NULL, &go_on), 0);
	run_to_end(&s);
	ck_assert_int_eq(s.code, 1);
	ck_assert_uint_eq(s.heard_at_exit, 2);
}
END_TEST

/* --- what is missing ------------------------------------------------------------------------- */

START_TEST(without_memory_none_is_started)
{
	struct story s = {.stop_code = -1};
	unsigned long n;

	for (n = 1;; n++) {
		mem_fail_at(n, 1);
		errno = 0;
		s.thread = brood_thread_start(loop, end_as_told, on_exit_note, &s);
		mem_fail_at(0, 0);
		if (s.thread != NULL)
			break;
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_int_eq(brood_run(loop), 0);
		ck_assert_uint_eq(s.exits, 0);
		teardown();
		setup();
	}
	ck_assert_uint_ge(n, 5); /* those of the loop, the thread, its loop, the line */
	run_to_end(&s);
}
END_TEST

/* libuv asks for a stack as big as the limit says: one that has no place. */
START_TEST(without_a_thread_none_is_started)
{
	struct story s = {.stop_code = -1};
	struct rlimit was, is;

	ck_assert_int_eq(getrlimit(RLIMIT_STACK, &was), 0);
	if (was.rlim_max != RLIM_INFINITY)
		return;
	is = was;
	is.rlim_cur = (rlim_t)1 << 47;
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &is), 0);
	errno = 0;
	s.thread = brood_thread_start(loop, end_as_told, on_exit_note, &s);
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &was), 0);
	ck_assert_ptr_null(s.thread);
	ck_assert_int_ne(errno, 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(s.exits, 0);
	start(&s, end_as_told);
	run_to_end(&s);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, its_code_and_its_error_come_back, 0, sizeof ends / sizeof ends[0]);
	tcase_add_test(tc, an_error_that_it_handles_is_its_own);
	tcase_add_test(tc, an_error_that_nobody_asked_for_is_the_parents);
	tcase_add_test(tc, a_long_error_is_cut);
	tcase_add_test(tc, they_talk);
	tcase_add_test(tc, last_words_are_heard_before_its_end);
	tcase_add_test(tc, its_end_does_not_wait_for_who_does_not_listen);
	tcase_add_test(tc, what_is_not_heard_is_freed);
	tcase_add_test(tc, nobody_is_at_the_other_end_any_more);
	tcase_add_loop_test(tc, terminated_at_each_stage, 0, STAGES);
	tcase_add_test(tc, terminated_at_any_time);
	tcase_add_test(tc, the_end_of_a_loop_ends_its_threads);
	tcase_add_test(tc, a_loop_ends_right_after_a_start);
	tcase_add_test(tc, thirty_two_at_a_time);
	tcase_add_test(tc, one_after_the_other_leaves_nothing_behind);
	tcase_add_test(tc, who_is_terminated_takes_its_threads_along);
	tcase_add_test(tc, a_threads_offloads_are_its_own);
	tcase_add_test(tc, an_error_while_its_loop_is_freed_is_one);
	tcase_add_test(tc, tasks_of_a_terminated_thread_come_to_their_end);
	tcase_add_test(tc, without_memory_none_is_started);
	tcase_add_test(tc, without_a_thread_none_is_started);
}

int
main(void)
{
	return run_suite("thread", setup, teardown, add_tests);
}
