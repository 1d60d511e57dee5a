/* check_child: children: what they find, what is heard of them, what is left open: nothing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime_support.h"

enum { N = BROOD_CHILD_NULL, P = BROOD_CHILD_PIPE };

#ifdef __SANITIZE_THREAD__
/* libuv closes by syscall(), unseen, so that a descriptor seems to be made twice. */
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
	return "race:uv_pipe\n";
}
#endif

/* --- a child and its end --------------------------------------------------------------------- */

struct end {
	struct brood_child *child;
	unsigned n;
	int status;
};

static void
on_exit_note(struct brood_child *child, int status, void *arg)
{
	struct end *e = arg;

	if (e->child != NULL)
		ck_assert_ptr_eq(child, e->child);
	e->n++;
	e->status = status;
}

static struct brood_child *
try_start(struct end *e, const char *const *argv, int in, int out, int err)
{
	struct brood_child_options o = {
	    .argv = argv, .fds = {in, out, err}, .on_exit = on_exit_note, .arg = e};

	e->n = 0;
	e->child = NULL;
	errno = 0;
	return e->child = brood_child_start(loop, &o);
}

static void
start_shell(struct end *e, const char *script, int in, int out, int err)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	ck_assert_ptr_nonnull(try_start(e, argv, in, out, err));
	ck_assert_int_gt(brood_child_pid(e->child), 0);
}

static void
run_to_end(struct end *e)
{
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(e->n, 1);
}

static void
check_exit(const struct end *e, int code)
{
	ck_assert(WIFEXITED(e->status));
	ck_assert_int_eq(WEXITSTATUS(e->status), code);
}

/* All that comes from fd until its end. */
static const char *
read_all(int fd)
{
	static char text[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t r;

	ck_assert_int_ge(fd, 0);
	for (;;) {
		r = read(fd, text + len, sizeof text - 1 - len);
		if (r > 0) {
			len += (size_t)r;
		} else if (r == 0) {
			break;
		} else {
			ck_assert_int_eq(errno, EAGAIN);
			(void)poll(&p, 1, -1);
		}
	}
	text[len] = '\0';
	(void)close(fd);
	return text;
}

/* --- how it ends ----------------------------------------------------------------------------- */

START_TEST(its_status_is_told)
{
	struct end e;

	start_shell(&e, "exit 0", N, N, N);
	ck_assert_uint_eq(e.n, 0);
	run_to_end(&e);
	check_exit(&e, 0);
	start_shell(&e, "exit 77", N, N, N);
	run_to_end(&e);
	check_exit(&e, 77);
	start_shell(&e, "kill -TERM $$", N, N, N);
	run_to_end(&e);
	ck_assert(WIFSIGNALED(e.status));
	ck_assert_int_eq(WTERMSIG(e.status), SIGTERM);
}
END_TEST

START_TEST(it_is_killed)
{
	struct end e;

	start_shell(&e, "exec sleep 1000", N, N, N);
	ck_assert_int_eq(brood_child_kill(e.child, 0), 0);
	ck_assert_int_eq(brood_child_kill(e.child, 12345), -EINVAL);
	ck_assert_int_eq(brood_child_kill(e.child, SIGKILL), 0);
	run_to_end(&e);
	ck_assert(WIFSIGNALED(e.status));
	ck_assert_int_eq(WTERMSIG(e.status), SIGKILL);
}
END_TEST

static void
kill_it_again(struct brood_child *child, int status, void *arg)
{
	on_exit_note(child, status, arg);
	ck_assert_int_eq(brood_child_kill(child, SIGKILL), -ESRCH);
	ck_assert_int_gt(brood_child_pid(child), 0);
	ck_assert_int_eq(brood_child_take_fd(child, 0), -1);
	ck_assert_int_eq(close(brood_child_take_fd(child, 1)), 0);
}

START_TEST(it_is_not_there_any_more_when_its_end_is_told)
{
	const char *const argv[] = {"true", NULL};
	struct end e = {0};
	struct brood_child_options o = {
	    .argv = argv, .fds = {N, P, N}, .on_exit = kill_it_again, .arg = &e};

	ck_assert_ptr_nonnull(brood_child_start(loop, &o));
	run_to_end(&e);
	check_exit(&e, 0);
}
END_TEST

START_TEST(nobody_need_hear_of_it)
{
	const char *const argv[] = {"true", NULL};
	struct brood_child_options o = {.argv = argv, .fds = {N, N, N}};

	ck_assert_ptr_nonnull(brood_child_start(loop, &o));
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

START_TEST(what_can_not_be_run_is_an_error_at_once)
{
	const char *const missing[] = {"/nowhere/nothing", NULL};
	const char *const unknown[] = {"there-is-no-such-program", "-x", NULL};
	const char *const forbidden[] = {"/dev/null", NULL};
	const char *const none[] = {NULL};
	struct brood_child_options o = {.argv = missing, .directory = "/nowhere", .fds = {N, N, N}};
	int before = fd_count_open();
	struct end e;

	ck_assert_ptr_null(try_start(&e, missing, P, P, P));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(try_start(&e, unknown, P, N, N));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(try_start(&e, forbidden, N, N, P));
	ck_assert_int_eq(errno, EACCES);
	ck_assert_ptr_null(try_start(&e, none, N, N, N));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(try_start(&e, NULL, N, N, N));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(try_start(&e, unknown, N, -3, N));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(brood_child_start(loop, &o));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(e.n, 0);
	ck_assert_int_le(fd_count_open(), before + 2); /* libuv's pipe for SIGCHLD */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* --- what it reads and writes ---------------------------------------------------------------- */

START_TEST(its_output_comes_through_pipes)
{
	struct end e;
	int out, err;

	start_shell(&e, "echo out; echo err >&2", N, P, P);
	ck_assert_int_eq(brood_child_take_fd(e.child, 0), -1);
	ck_assert_int_eq(brood_child_take_fd(e.child, 3), -1);
	ck_assert_int_eq(brood_child_take_fd(e.child, -1), -1);
	out = brood_child_take_fd(e.child, 1);
	err = brood_child_take_fd(e.child, 2);
	ck_assert_int_eq(brood_child_take_fd(e.child, 1), -1);
	ck_assert_int_eq(fcntl(out, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_int_eq(fcntl(out, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_str_eq(read_all(out), "out\n");
	ck_assert_str_eq(read_all(err), "err\n");
	run_to_end(&e);
	check_exit(&e, 0);
}
END_TEST

START_TEST(it_reads_what_is_written)
{
	struct end e;
	int in, out;

	start_shell(&e, "read a; echo \"got $a\"; cat", P, P, 2);
	in = brood_child_take_fd(e.child, 0);
	out = brood_child_take_fd(e.child, 1);
	ck_assert_int_eq(fcntl(in, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ck_assert_int_eq(write(in, "one\ntwo\n", 8), 8);
	(void)close(in);
	ck_assert_str_eq(read_all(out), "got one\ntwo\n");
	run_to_end(&e);
	check_exit(&e, 0);
}
END_TEST

START_TEST(nothing_is_there_to_read_and_nobody_to_write_to)
{
	struct end e;

	start_shell(&e, "cat && echo x && echo x >&2 ", N, N, N);
	run_to_end(&e);
	check_exit(&e, 0);
}
END_TEST

/* Errors and output to one of ours, which is in no place of the standard ones. */
START_TEST(it_inherits_a_descriptor)
{
	int ends[2];
	struct end e;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	start_shell(&e, "echo out; echo err >&2", N, ends[1], ends[1]);
	(void)close(ends[1]);
	run_to_end(&e);
	ck_assert_str_eq(read_all(ends[0]), "out\nerr\n");
}
END_TEST

START_TEST(environment_and_directory_are_as_asked)
{
	const char *const argv[] = {"/bin/sh", "-c", "echo $A:$B; pwd -P", NULL};
	const char *const env[] = {"A=1", NULL};
	struct end e = {0};
	struct brood_child_options o = {.argv = argv,
	    .env = env,
	    .directory = "/",
	    .fds = {N, P, N},
	    .on_exit = on_exit_note,
	    .arg = &e};

	(void)setenv("B", "ours", 1);
	e.child = brood_child_start(loop, &o);
	ck_assert_ptr_nonnull(e.child);
	ck_assert_str_eq(read_all(brood_child_take_fd(e.child, 1)), "1:\n/\n");
	run_to_end(&e);
	start_shell(&e, "echo $B", N, P, N);
	ck_assert_str_eq(read_all(brood_child_take_fd(e.child, 1)), "ours\n");
	run_to_end(&e);
}
END_TEST

/* --- the loop -------------------------------------------------------------------------------- */

static char said[64];

static void
say(struct brood_loop *l, void *what)
{
	(void)l;
	strcat(said, what);
}

static void
say_and_queue(struct brood_child *child, int status, void *arg)
{
	(void)child;
	(void)status;
	(void)arg;
	ck_assert_int_eq(brood_microtask(loop, say, "m"), 0);
	ck_assert_int_eq(brood_next_tick(loop, say, "t"), 0);
	strcat(said, "x");
}

START_TEST(ticks_and_microtasks_come_after_its_end)
{
	const char *const argv[] = {"true", NULL};
	struct brood_child_options o = {.argv = argv, .fds = {N, N, N}, .on_exit = say_and_queue};

	said[0] = '\0';
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(brood_child_start(loop, &o));
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "xtmxtmxtm");
}
END_TEST

static int chain_left;

static void
start_next(struct brood_child *child, int status, void *arg)
{
	const char *const argv[] = {"true", NULL};
	struct brood_child_options o = {.argv = argv, .fds = {P, P, P}, .on_exit = start_next};

	(void)child;
	(void)arg;
	ck_assert_int_eq(status, 0);
	if (--chain_left > 0)
		ck_assert_ptr_nonnull(brood_child_start(loop, &o));
}

START_TEST(many_leave_nothing_behind)
{
	int before;

	chain_left = 2;
	start_next(NULL, 0, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	before = fd_count_open();
	chain_left = 30;
	start_next(NULL, 0, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(chain_left, 0);
	ck_assert_int_eq(fd_count_open(), before);
}
END_TEST

START_TEST(sixteen_at_a_time)
{
	struct end e[16];

	for (int i = 0; i < 16; i++)
		start_shell(&e[i], "read a; exit $a", P, N, N);
	for (int i = 15; i >= 0; i--) {
		int fd = brood_child_take_fd(e[i].child, 0);

		ck_assert_int_gt(dprintf(fd, "%d\n", i + 10), 0);
		(void)close(fd);
	}
	ck_assert_int_eq(brood_run(loop), 0);
	for (int i = 0; i < 16; i++) {
		ck_assert_uint_eq(e[i].n, 1);
		check_exit(&e[i], i + 10);
	}
}
END_TEST

/* Each loop hears of its own. */
static int
have_a_child(struct brood_loop *l, struct brood_port *parent, void *arg)
{
	const char *const argv[] = {"sh", "-c", "exit 3", NULL};
	struct brood_child_options o = {
	    .argv = argv, .fds = {N, N, N}, .on_exit = on_exit_note, .arg = arg};

	(void)parent;
	return brood_child_start(l, &o) != NULL ? 0 : 1;
}

START_TEST(threads_have_children_of_their_own)
{
	struct end e[4] = {{0}}, ours;

	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(brood_thread_start(loop, have_a_child, NULL, &e[i]));
	start_shell(&ours, "exit 4", N, N, N);
	run_to_end(&ours);
	check_exit(&ours, 4);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_eq(e[i].n, 1);
		check_exit(&e[i], 3);
	}
}
END_TEST

START_TEST(it_outlives_its_loop)
{
	struct end e;
	int in, out, status;
	pid_t pid;

	start_shell(&e, "read a; echo \"still here\"", P, P, N);
	in = brood_child_take_fd(e.child, 0);
	out = brood_child_take_fd(e.child, 1);
	pid = brood_child_pid(e.child);
	brood_loop_free(loop);
	ck_assert_uint_eq(e.n, 0);
	ck_assert_int_eq(write(in, "x\n", 2), 2);
	(void)close(in);
	ck_assert_str_eq(read_all(out), "still here\n");
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	setup();
}
END_TEST

/* --- what is missing ------------------------------------------------------------------------- */

START_TEST(without_memory_none_is_started)
{
	struct end e = {0};
	const char *const argv[] = {"true", NULL};
	unsigned long n;

	for (n = 1;; n++) {
		mem_fail_at(n, 1);
		(void)try_start(&e, argv, P, P, P);
		mem_fail_at(0, 0);
		if (e.child != NULL)
			break;
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_int_eq(brood_run(loop), 0);
		ck_assert_uint_eq(e.n, 0);
	}
	ck_assert_uint_eq(n, 3); /* those of the loop, the child */
	run_to_end(&e);
}
END_TEST

/* However many descriptors are left: it is started with all of its pipes, or nothing is open. */
START_TEST(without_descriptors_none_is_started)
{
	struct end e = {0};
	const char *const argv[] = {"true", NULL};
	struct rlimit was, is;
	int before, left;

	start_shell(&e, "exit 0", P, N, N);
	run_to_end(&e); /* libuv's are there */
	before = fd_count_open();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	for (left = 0; left < 20; left++) {
		is = was;
		is.rlim_cur = (rlim_t)(before + left);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &is), 0);
		(void)try_start(&e, argv, P, P, P);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
		if (e.child != NULL)
			break;
		ck_assert_int_eq(errno, EMFILE);
		ck_assert_int_eq(brood_run(loop), 0);
		ck_assert_int_eq(fd_count_open(), before);
	}
	ck_assert_ptr_nonnull(e.child);
	run_to_end(&e);
	ck_assert_int_eq(fd_count_open(), before);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, its_status_is_told);
	tcase_add_test(tc, it_is_killed);
	tcase_add_test(tc, it_is_not_there_any_more_when_its_end_is_told);
	tcase_add_test(tc, nobody_need_hear_of_it);
	tcase_add_test(tc, what_can_not_be_run_is_an_error_at_once);
	tcase_add_test(tc, its_output_comes_through_pipes);
	tcase_add_test(tc, it_reads_what_is_written);
	tcase_add_test(tc, nothing_is_there_to_read_and_nobody_to_write_to);
	tcase_add_test(tc, it_inherits_a_descriptor);
	tcase_add_test(tc, environment_and_directory_are_as_asked);
	tcase_add_test(tc, ticks_and_microtasks_come_after_its_end);
	tcase_add_test(tc, many_leave_nothing_behind);
	tcase_add_test(tc, sixteen_at_a_time);
	tcase_add_test(tc, threads_have_children_of_their_own);
	tcase_add_test(tc, it_outlives_its_loop);
	tcase_add_test(tc, without_memory_none_is_started);
	tcase_add_test(tc, without_descriptors_none_is_started);
}

int
main(void)
{
	return run_suite("child", setup, teardown, add_tests);
}
