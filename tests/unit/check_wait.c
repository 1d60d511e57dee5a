/*
 * check_wait: tasks on descriptors: sockets, pipes, listeners; who waits, who is woken, what keeps
 * the loop alive and what does not.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "run_suite.h"
#include "task_support.h"

static int ends[2];
static struct brood_task *task;

static void
setup(void)
{
	open_loop();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void
teardown(void)
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			ck_assert_int_eq(brood_close(loop, ends[i]), 0);
	close_loop();
}

static void
close_end(int i)
{
	ck_assert_int_eq(brood_close(loop, ends[i]), 0);
	ends[i] = -1;
}

static int
result_of(brood_task_fn *fn, void *arg)
{
	struct brood_task *t = brood_go(loop, 0, fn, arg);

	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(brood_run(loop), 0);
	n_raised = 0;
	return brood_join(t);
}

static uint64_t
turns(void)
{
	struct brood_loop_stats stats;

	brood_loop_stats(loop, &stats);
	return stats.turns;
}

/* --- reading and writing --------------------------------------------------------------------- */

static int
echo(void *arg)
{
	char buf[64];
	ssize_t n;

	(void)arg;
	while ((n = brood_read(ends[1], buf, sizeof buf)) > 0)
		if (brood_write(ends[1], buf, (size_t)n) != n)
			return -EIO;
	return (int)n;
}

static int
ask(void *arg)
{
	char c = 'a';

	(void)arg;
	for (int i = 0; i < 100; i++, c++) {
		char answer = 0;

		if (brood_write(ends[0], &c, 1) != 1 || brood_read(ends[0], &answer, 1) != 1)
			return -EIO;
		ck_assert_int_eq(answer, c);
	}
	close_end(0);
	return 0;
}

START_TEST(two_tasks_talk)
{
	struct brood_task *other = brood_go(loop, 0, echo, NULL);

	ck_assert_int_eq(result_of(ask, NULL), 0);
	ck_assert_int_eq(brood_join(other), 0);
}
END_TEST

#define MANY ((size_t)3 << 20)

static int
write_many(void *arg)
{
	char *data = malloc(MANY);
	ssize_t n;

	(void)arg;
	for (size_t i = 0; i < MANY; i++)
		data[i] = (char)(i % 251);
	n = brood_write(ends[0], data, MANY);
	free(data);
	close_end(0);
	return n == (ssize_t)MANY ? 0 : -EIO;
}

static int
read_many(void *arg)
{
	static char buf[5000];
	size_t at = 0;
	ssize_t n;

	(void)arg;
	(void)brood_sleep(5); /* until the writer waits */
	while ((n = brood_read(ends[1], buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n; i++, at++)
			if (buf[i] != (char)(at % 251))
				return -EIO;
	return at == MANY ? 0 : -EPIPE;
}

START_TEST(all_of_it_is_written)
{
	task = brood_go(loop, 0, write_many, NULL);
	ck_assert_int_eq(result_of(read_many, NULL), 0);
	ck_assert_int_eq(brood_join(task), 0);
}
END_TEST

static int
fill(void *arg)
{
	static const char data[1 << 20];

	(void)arg;
	return (int)brood_write(ends[0], data, sizeof data);
}

static int
read_one(void *arg)
{
	char c;
	int r = (int)brood_read(*(int *)arg, &c, 1);

	if (r == 1)
		say((char[2]){c, '\0'});
	return r;
}

static void
answer(struct brood_loop *l, void *arg)
{
	(void)l;
	ck_assert_int_eq(write(ends[1], arg, 1), 1);
}

static int
drain(void *arg)
{
	static char buf[4096];
	size_t n = 0, max = (size_t)(uintptr_t)arg;
	ssize_t r = 1;

	while (n < max && r > 0) {
		r = brood_read(ends[1], buf, sizeof buf);
		n += r > 0 ? (size_t)r : 0;
	}
	return r < 0 ? (int)r : (int)n;
}

START_TEST(one_reads_while_one_writes)
{
	struct brood_task *writer = brood_go(loop, 0, fill, NULL);

	task = brood_go(loop, 0, read_one, &ends[0]);
	(void)brood_set_timeout(loop, 1, answer, "x");
	/* Both wait: the reader is served, the writer once there is room. */
	ck_assert_int_eq(result_of(drain, (void *)(uintptr_t)(1 << 20)), 1 << 20);
	ck_assert_str_eq(trace, "x");
	ck_assert_int_eq(brood_join(task), 1);
	ck_assert_int_eq(brood_join(writer), 1 << 20);
}
END_TEST

static int
busy(void *arg)
{
	char c = 'b';

	(void)arg;
	ck_assert_int_eq(brood_read(ends[0], &c, 1), -EBUSY);
	ck_assert_int_eq(brood_accept(ends[0]), -EBUSY);
	ck_assert_int_eq(brood_write(ends[0], &c, 1), 1);
	close_end(0);
	return 0;
}

START_TEST(one_waits_in_each_direction)
{
	task = brood_go(loop, 0, read_one, &ends[0]);
	ck_assert_int_eq(result_of(busy, NULL), 0);
	ck_assert_int_eq(brood_join(task), -EBADF);
}
END_TEST

/* --- closing, cancelling, deadlines ---------------------------------------------------------- */

START_TEST(close_wakes_whoever_waits)
{
	struct brood_task *writer = brood_go(loop, 0, fill, NULL);

	task = brood_go(loop, 0, read_one, &ends[0]);
	close_end(0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), -EBADF);
	ck_assert_int_eq(brood_join(writer), -EBADF);
	ck_assert_int_eq(brood_close(loop, 1000), -EBADF);
	ck_assert_int_eq(brood_close(loop, -1), -EBADF);
}
END_TEST

static int
close_and_open(void *arg)
{
	int old = ends[0], r;

	(void)arg;
	r = brood_sleep(1);
	close_end(0);
	close_end(1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(ends[0], old);
	(void)brood_set_timeout(loop, 5, answer, "n");
	return r < 0 ? r : read_one(&ends[0]);
}

START_TEST(a_descriptor_of_the_same_number_is_another)
{
	int number = ends[0];

	task = brood_go(loop, 0, read_one, &number);
	ck_assert_int_eq(result_of(close_and_open, NULL), 1);
	ck_assert_int_eq(brood_join(task), -EBADF);
	ck_assert_str_eq(trace, "n");
}
END_TEST

static int
read_and_close(void *arg)
{
	int old = ends[0], r = read_one(&ends[0]);

	(void)arg;
	close_end(0);
	ck_assert_int_eq(dup(ends[1]), old); /* not what the writer means */
	return r;
}

static void
be_ready(struct brood_loop *l, void *arg)
{
	static char buf[1 << 16];

	while (recv(ends[1], buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	answer(l, arg);
}

START_TEST(who_was_woken_does_not_use_what_was_closed_meanwhile)
{
	struct brood_task *writer = brood_go(loop, 0, fill, NULL);
	int number = ends[0];

	task = brood_go(loop, 0, read_and_close, NULL);
	(void)brood_set_timeout(loop, 1, be_ready, "b");
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), 1);
	ck_assert_int_eq(brood_join(writer), -EBADF);
	ck_assert_int_eq(close(number), 0);
}
END_TEST

static void
cancel_task(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	brood_cancel(task);
}

static int
read_late(void *arg)
{
	char c;
	ssize_t n;

	brood_deadline(5);
	n = brood_read(ends[0], &c, 1);
	brood_deadline(0);
	/* It is free for others, and for itself. */
	ck_assert_int_eq(n, -ETIMEDOUT);
	(void)brood_set_timeout(loop, 1, answer, arg);
	return read_one(&ends[0]);
}

START_TEST(a_wait_that_was_ended_leaves_the_descriptor_to_others)
{
	task = brood_go(loop, 0, read_one, &ends[0]);
	(void)brood_set_timeout(loop, 1, cancel_task, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(brood_join(task), -ECANCELED);
	ck_assert_int_eq(result_of(read_late, "y"), 1);
	ck_assert_str_eq(trace, "y");
}
END_TEST

/* --- the loop -------------------------------------------------------------------------------- */

static int
read_then_sleep(void *arg)
{
	uint64_t before;
	char c;

	(void)arg;
	(void)brood_set_timeout(loop, 1, answer, "1");
	if (brood_read(ends[0], &c, 1) != 1)
		return -EIO;
	/* Nobody waits for what comes now: the loop learns it once, and sleeps. */
	ck_assert_int_eq(write(ends[1], "2", 1), 1);
	before = turns();
	(void)brood_sleep(50);
	ck_assert_uint_lt(turns() - before, 10);
	return read_one(&ends[0]);
}

START_TEST(what_nobody_waits_for_does_not_keep_the_loop_awake)
{
	ck_assert_int_eq(result_of(read_then_sleep, NULL), 1);
	ck_assert_str_eq(trace, "2");
	/* Neither does it keep it alive: brood_run() has returned. */
}
END_TEST

static bool has_ended;

static int
flood(void *arg)
{
	static char buf[16];

	(void)arg;
	while (!has_ended)
		if (brood_write(ends[0], buf, sizeof buf) < 0 ||
		    brood_read(ends[1], buf, sizeof buf) < 0)
			return -EIO;
	return 0;
}

static void
end_flood(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	has_ended = true;
}

START_TEST(who_never_has_to_wait_starves_nobody)
{
	(void)brood_set_timeout(loop, 5, end_flood, NULL);
	ck_assert_int_eq(result_of(flood, NULL), 0);
}
END_TEST

/* --- all kinds of descriptors ---------------------------------------------------------------- */

static int
read_all(void *arg)
{
	char buf[16];
	ssize_t n, all = 0;

	while ((n = brood_read(*(int *)arg, buf, sizeof buf)) > 0)
		all += n;
	return n < 0 ? (int)n : (int)all;
}

static int
write_hello(void *arg)
{
	return (int)brood_write(*(int *)arg, "hello", 5);
}

static void
close_fd(struct brood_loop *l, void *arg)
{
	ck_assert_int_eq(brood_close(l, *(int *)arg), 0);
}

START_TEST(pipes)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	task = brood_go(loop, 0, read_all, &fds[0]);
	(void)brood_set_timeout(loop, 5, close_fd, &fds[1]);
	ck_assert_int_eq(result_of(write_hello, &fds[1]), 5);
	ck_assert_int_eq(brood_join(task), 5);
	ck_assert_int_eq(brood_close(loop, fds[0]), 0);
}
END_TEST

static int
fill_pipe(void *arg)
{
	static const char data[1 << 20];

	return (int)brood_write(*(int *)arg, data, sizeof data);
}

START_TEST(who_writes_to_nobody_gets_an_error_and_no_signal)
{
	int fds[2];
	sigset_t pending;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	(void)brood_set_timeout(loop, 5, close_fd, &fds[0]);
	/* While it waits, and then without a wait. */
	ck_assert_int_eq(result_of(fill_pipe, &fds[1]), -EPIPE);
	ck_assert_int_eq(result_of(write_hello, &fds[1]), -EPIPE);
	ck_assert_int_eq(sigpending(&pending), 0);
	ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
	ck_assert_int_eq(brood_close(loop, fds[1]), 0);

	(void)brood_set_timeout(loop, 5, close_fd, &ends[1]);
	ck_assert_int_eq(result_of(fill, NULL), -EPIPE);
	ck_assert_int_eq(result_of(write_hello, &ends[0]), -EPIPE);
	ends[1] = -1;
}
END_TEST

static int
use_nothing(void *arg)
{
	char c;

	(void)arg;
	ck_assert_int_eq(brood_read(-1, &c, 1), -EBADF);
	ck_assert_int_eq(brood_write(1000, &c, 1), -EBADF);
	ck_assert_int_eq(brood_accept(INT_MAX), -EBADF);
	ck_assert_int_eq(brood_accept(ends[0]), -EINVAL);
	ck_assert_int_eq(brood_read(ends[0], &c, 0), 0);
	ck_assert_int_eq(brood_write(ends[0], &c, 0), 0);
	return 0;
}

START_TEST(descriptors_that_cannot_be_used)
{
	ck_assert_int_eq(result_of(use_nothing, NULL), 0);
}
END_TEST

START_TEST(regular_files_need_no_wait)
{
	char name[] = "/tmp/check_wait.XXXXXX";
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(result_of(write_hello, &fd), 5);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(result_of(read_all, &fd), 5);
	ck_assert_int_eq(brood_close(loop, fd), 0);
}
END_TEST

/* --- connections ----------------------------------------------------------------------------- */

static int listener;
static struct sockaddr_in address;

static void
open_listener(void)
{
	socklen_t len = sizeof address;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
}

static int
serve_one(void *arg)
{
	int *conn = arg;
	ssize_t n = *conn;
	char buf[16];

	n = brood_read((int)n, buf, sizeof buf);
	if (n > 0)
		n = brood_write(*conn, buf, (size_t)n);
	ck_assert_int_eq(brood_close(loop, *conn), 0);
	free(conn);
	return n < 0 ? (int)n : 0;
}

static int
accept_some(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++) {
		int *conn = malloc(sizeof *conn), flags;

		*conn = brood_accept(listener);
		if (*conn < 0) {
			int r = *conn;

			free(conn);
			return r;
		}
		flags = fcntl(*conn, F_GETFL);
		ck_assert(flags & O_NONBLOCK);
		ck_assert(fcntl(*conn, F_GETFD) & FD_CLOEXEC);
		brood_detach(brood_go(loop, 0, serve_one, conn));
	}
	return 0;
}

static int
visit(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = brood_connect(fd, (struct sockaddr *)&address, sizeof address);
	char c = 'v';

	(void)arg;
	if (r == 0 && (brood_write(fd, &c, 1) != 1 || brood_read(fd, &c, 1) != 1 || c != 'v'))
		r = -EIO;
	(void)brood_close(loop, fd);
	return r;
}

static int
visit_many(void *arg)
{
	struct brood_task *visits[50];
	int n = *(int *)arg;

	for (int i = 0; i < n; i++)
		visits[i] = brood_go(loop, 0, visit, NULL);
	return brood_all(visits, (size_t)n);
}

START_TEST(accept_and_connect)
{
	int n = 50;

	open_listener();
	task = brood_go(loop, 0, accept_some, &n);
	ck_assert_int_eq(result_of(visit_many, &n), 0);
	ck_assert_int_eq(brood_join(task), 0);
	ck_assert_int_eq(brood_close(loop, listener), 0);
}
END_TEST

START_TEST(a_connection_that_is_refused)
{
	open_listener();
	ck_assert_int_eq(brood_close(loop, listener), 0);
	ck_assert_int_eq(result_of(visit, NULL), -ECONNREFUSED);
}
END_TEST

static int
visit_unix(void *arg)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = brood_connect(fd, arg, sizeof(struct sockaddr_un));

	(void)brood_close(loop, fd);
	return r;
}

static void
accept_all(struct brood_loop *l, void *arg)
{
	int conn = accept(listener, NULL, NULL);

	(void)arg;
	if (conn < 0)
		return;
	(void)close(conn);
	(void)brood_set_timeout(l, 1, accept_all, NULL);
}

START_TEST(a_full_backlog_of_a_unix_socket_is_waited_for)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct brood_task *visits[8];

	(void)snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "check_wait.%d", getpid());
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	for (int i = 0; i < 8; i++)
		visits[i] = brood_go(loop, 0, visit_unix, &name);
	ck_assert_int_ne(visits[7]->state, TASK_ENDED);
	(void)fcntl(listener, F_SETFL, O_NONBLOCK);
	/* Again, until nobody came for a while: the last ones try every few milliseconds. */
	for (int i = 0; i < 200; i++)
		(void)brood_set_timeout(loop, (uint64_t)i, accept_all, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(brood_join(visits[i]), 0);
	ck_assert_int_eq(brood_close(loop, listener), 0);
}
END_TEST

/* --- the end --------------------------------------------------------------------------------- */

static int
wait_and_close(void *arg)
{
	int r = read_one(arg);

	ck_assert_int_eq(r, -ECANCELED);
	close_end(0);
	say("closed");
	return r;
}

START_TEST(who_waits_at_the_end_can_close)
{
	task = brood_go(loop, 0, wait_and_close, &ends[0]);
	(void)brood_go(loop, 0, read_one, &ends[1]);
	close_loop();
	ck_assert_str_eq(trace, "closed");
	(void)close(ends[1]);
	ends[1] = -1;
	open_loop();
}
END_TEST

START_TEST(every_allocation_fails_in_turn)
{
	for (unsigned long n = 1, calls = 1; calls >= n - 1; n++) {
		struct brood_task *reader;
		int r;

		close_loop();
		open_loop();
		mem_fail_at(n, 1);
		if (brood_set_timeout(loop, 1, answer, "z") == 0)
			answer(loop, "z");
		reader = brood_go(loop, 0, read_one, &ends[0]);
		ck_assert_int_eq(brood_run(loop), 0);
		calls = mem_calls();
		mem_fail_at(0, 0);
		r = reader != NULL ? brood_join(reader) : -ENOMEM;
		ck_assert(r == 1 || r == -ENOMEM);
		/* What was not read. */
		(void)recv(ends[0], &r, 1, MSG_DONTWAIT);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, two_tasks_talk);
	tcase_add_test(tc, all_of_it_is_written);
	tcase_add_test(tc, one_reads_while_one_writes);
	tcase_add_test(tc, one_waits_in_each_direction);
	tcase_add_test(tc, close_wakes_whoever_waits);
	tcase_add_test(tc, a_descriptor_of_the_same_number_is_another);
	tcase_add_test(tc, who_was_woken_does_not_use_what_was_closed_meanwhile);
	tcase_add_test(tc, a_wait_that_was_ended_leaves_the_descriptor_to_others);
	tcase_add_test(tc, what_nobody_waits_for_does_not_keep_the_loop_awake);
	tcase_add_test(tc, who_never_has_to_wait_starves_nobody);
	tcase_add_test(tc, pipes);
	tcase_add_test(tc, who_writes_to_nobody_gets_an_error_and_no_signal);
	tcase_add_test(tc, descriptors_that_cannot_be_used);
	tcase_add_test(tc, regular_files_need_no_wait);
	tcase_add_test(tc, accept_and_connect);
	tcase_add_test(tc, a_connection_that_is_refused);
	tcase_add_test(tc, a_full_backlog_of_a_unix_socket_is_waited_for);
	tcase_add_test(tc, who_waits_at_the_end_can_close);
	tcase_add_test(tc, every_allocation_fails_in_turn);
}

int
main(void)
{
	return run_suite("wait", setup, teardown, add_tests);
}
