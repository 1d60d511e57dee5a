/*
 * output, source, sink and logproc together, on real pipes and a real loop: what they are for
 * only shows with descriptors that fill up and break. Each test is a process of its own, so its
 * descriptors 1 and 2 may be replaced. The reaper is faked: it waits for log writers only.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"
#include "ctl/command.h"
#include "loop/loop.h"
#include "loop/output.h"
#include "loop/procs.h"
#include "loop/tell.h"
#include "sys/logwriter.h"

static char dir[] = "/tmp/check_output.XXXXXX";
static char *no_environ[] = {NULL};
static struct loop loop;
static struct conf conf;
static struct conf_app app;

/* ---- the reaper, for one log writer at a time */

static struct {
	pid_t pid;
	procs_helper_fn fn;
	void *arg;
} helper;

int
procs_add_helper(struct loop *l, pid_t pid, procs_helper_fn fn, void *arg)
{
	(void)l;
	helper.pid = pid;
	helper.fn = fn;
	helper.arg = arg;
	return 0;
}

void
procs_forget_helper(struct loop *l, pid_t pid)
{
	(void)l;
	if (helper.pid == pid)
		helper.fn = NULL;
}

static void
reap(void)
{
	int status;
	pid_t pid = helper.pid;

	if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
		helper.pid = 0;
		if (helper.fn)
			helper.fn(helper.arg, pid, status);
	}
}

/* ---- what the master was told */

static char last_told[256];

void
tell(struct loop *l, enum log_level level, const char *event, const struct log_who *who,
    const char *fmt, ...)
{
	va_list ap;

	(void)l;
	(void)level;
	(void)event;
	(void)who;
	va_start(ap, fmt);
	(void)vsnprintf(last_told, sizeof(last_told), fmt, ap);
	va_end(ap);
}

/* ---- the stage */

static void
start(enum conf_log_kind kind, const char *path)
{
	struct err e;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(uv_loop_init(&loop.uv), 0);
	loop.options.name = "test";
	loop.options.environ = no_environ;
	loop.procs = (struct procs *)&helper;
	conf.master.log = LOG_TO_NONE;
	conf.master.log_level = LOG_LEVEL_INFO;
	app.name = "web";
	app.log = kind;
	app.log_path = (char *)(uintptr_t)path;
	app.log_line_max = 8192;
	ck_assert_int_eq(output_init(&loop, &conf, &e), 0);
	ck_assert_msg(output_app_prepare(&loop, &app, &e) == 0, "%s", e.text);
}

static void
finish(void)
{
	output_done(&loop);
	ck_assert_int_eq(uv_run(&loop.uv, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(&loop.uv), 0);
}

static void
turn(void)
{
	uv_run(&loop.uv, UV_RUN_NOWAIT);
	reap();
}

/* Turns until cond, for at most 10 s. */
#define turn_until(cond)                                                   \
	do {                                                               \
		for (int turns_ = 0; !(cond); turns_++) {                  \
			ck_assert_msg(turns_ < 10000, "never: %s", #cond); \
			turn();                                            \
			usleep(1000);                                      \
		}                                                          \
	} while (0)

/* A worker whose write ends are in fds. */
static struct output_source *
open_worker(unsigned slot, pid_t pid, int fds[2])
{
	int out[2], err[2];

	ck_assert_int_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
	fds[0] = out[1];
	fds[1] = err[1];
	return output_source_open(&loop, &app, slot, 1, pid, out[0], err[0]);
}

/* Makes fd (1 or 2) the write end of a pipe and returns the read end. */
static int
replace_with_pipe(int fd)
{
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], fd), fd);
	close(p[1]);
	ck_assert_int_eq(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	return p[0];
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static const char *
slurp(int fd)
{
	static char buf[65536];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static const char *
slurp_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	const char *text = slurp(fd);

	close(fd);
	return text;
}

static struct worker_report
counters(const struct output_source *s)
{
	struct worker_report r = {0};

	output_source_counters(s, &r);
	return r;
}

/* ---- tests */

START_TEST(lines_come_with_a_prefix_that_cannot_be_forged)
{
	int out = replace_with_pipe(1), err = replace_with_pipe(2), fds[2];
	struct output_source *s;

	start(LOG_TO_INHERIT, NULL);
	s = open_worker(2, 100, fds);
	say(fds[0], "hello\r\nweb.1 | \033[31mred\rover\n");
	say(fds[1], "trouble\n");
	turn_until(counters(s).log_lines == 3);
	ck_assert_str_eq(slurp(out), "web.2 | hello\nweb.2 | web.1 | \\x1B[31mred\\x0Dover\n");
	ck_assert_str_eq(slurp(err), "web.2 | trouble\n");
	finish();
}
END_TEST

START_TEST(one_description_for_both_is_one_sink)
{
	int out = replace_with_pipe(1), fds[2];
	struct output_source *s;

	dup2(1, 2);
	start(LOG_TO_INHERIT, NULL);
	s = open_worker(0, 100, fds);
	say(fds[0], "a\n");
	turn_until(counters(s).log_lines == 1);
	say(fds[1], "b\n");
	turn_until(counters(s).log_lines == 2);
	ck_assert_str_eq(slurp(out), "web.0 | a\nweb.0 | b\n");
	finish();
}
END_TEST

START_TEST(shared_descriptions_stay_blocking)
{
	int pair[2], fds[2], value = 0;
	struct output_source *s;
	char line[1000];

	(void)replace_with_pipe(1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	dup2(pair[1], 2);
	(void)setsockopt(2, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));
	start(LOG_TO_INHERIT, NULL);
	s = open_worker(0, 100, fds);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(write(fds[1], line, sizeof(line)), (ssize_t)sizeof(line));
	turn_until(counters(s).log_lines == 40);
	turn();
	ck_assert_int_eq(fcntl(1, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fcntl(2, F_GETFL) & O_NONBLOCK, 0);
	/* The socket was full; all comes once it is read. */
	for (size_t got = 0; got < 40 * (sizeof(line) + strlen("web.0 | "));) {
		turn();
		ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
		got += strlen(slurp(pair[0]));
	}
	finish();
}
END_TEST

/* Fills the worker's pipe until nobody takes more; returns how much went in. */
static size_t
storm(int fd)
{
	static const char text[] = "a line of a storm, long enough to be one\n";
	size_t total = 0;
	int idle = 0;

	while (idle < 20) {
		ssize_t n = write(fd, text, sizeof(text) - 1);

		if (n > 0) {
			total += (size_t)n;
			idle = 0;
			if (total % (sizeof(text) - 1) != 0)
				break;
		} else {
			idle++;
		}
		turn();
	}
	return total;
}

START_TEST(L1_block_stops_reading_and_goes_on)
{
	int out = replace_with_pipe(1), fds[2], other[2];
	struct output_source *s, *t;
	size_t total;

	start(LOG_TO_INHERIT, NULL);
	s = open_worker(0, 100, fds);
	total = storm(fds[0]);
	/* Sink queue, two pipes of 64 KiB, and no more. */
	ck_assert_uint_lt(total, 1024 * 1024);
	ck_assert_uint_eq(counters(s).log_dropped, 0);
	/* Nothing turns in vain while it is full. */
	ck_assert_int_eq(uv_run(&loop.uv, UV_RUN_NOWAIT) != 0, 1);
	t = open_worker(1, 101, other);
	say(other[1], "still heard\n");
	(void)replace_with_pipe(2);
	turn_until(counters(t).log_lines == 1);
	turn_until(slurp(out)[0] == '\0' && counters(s).log_bytes + counters(s).log_lines == total);
	ck_assert_uint_eq(counters(s).log_dropped, 0);
	finish();
}
END_TEST

START_TEST(L1_drop_counts_and_tells)
{
	int out = replace_with_pipe(1), fds[2];
	struct output_source *s;
	bool told = false;

	app.log_overflow = OVERFLOW_DROP;
	start(LOG_TO_INHERIT, NULL);
	s = open_worker(0, 100, fds);
	for (int i = 0; i < 60000; i++) {
		(void)!write(fds[0], "a line of a storm, long enough to be one\n", 41);
		if (i % 50 == 0)
			turn();
	}
	ck_assert_uint_gt(counters(s).log_dropped, 1000);
	for (int i = 0; i < 1000 && !told; i++) {
		told = strstr(slurp(out), "web.0 ! ") != NULL;
		turn();
	}
	ck_assert(told);
	finish();
}
END_TEST

START_TEST(L3_a_closed_stream_leaves_the_loop)
{
	int fds[2];
	struct output_source *s;

	(void)replace_with_pipe(1);
	start(LOG_TO_INHERIT, NULL);
	s = open_worker(0, 100, fds);
	say(fds[0], "no newline");
	close(fds[0]);
	turn_until(counters(s).log_lines == 1);
	turn();
	ck_assert_int_eq(
	    poll(&(struct pollfd){.fd = uv_backend_fd(&loop.uv), .events = POLLIN}, 1, 20), 0);
	close(fds[1]);
	turn();
	turn();
	output_source_close(s);
	finish();
}
END_TEST

START_TEST(L3_a_broken_standard_output_is_left_alone)
{
	int out = replace_with_pipe(1), fds[2];
	struct output_source *s;

	start(LOG_TO_INHERIT, NULL);
	s = open_worker(0, 100, fds);
	close(out);
	/* A log writer that is about to be executed may hold the pipe a little longer. */
	for (int i = 0; i < 1000 && counters(s).log_dropped == 0; i++) {
		say(fds[0], "into the void\n");
		usleep(1000);
		turn();
	}
	ck_assert_uint_gt(counters(s).log_dropped, 0);
	ck_assert_int_eq(
	    poll(&(struct pollfd){.fd = uv_backend_fd(&loop.uv), .events = POLLIN}, 1, 20), 0);
	finish();
}
END_TEST

START_TEST(L2_a_long_line_is_cut_and_marked)
{
	int out = replace_with_pipe(1), fds[2];
	struct output_source *s;
	const char *text;

	start(LOG_TO_INHERIT, NULL);
	app.log_line_max = 16;
	s = open_worker(0, 100, fds);
	say(fds[0], "0123456789abcdefXYZ\n");
	turn_until(counters(s).log_lines == 2);
	text = slurp(out);
	ck_assert_str_eq(text, "web.0 + 0123456789abcdef\nweb.0 | XYZ\n");
	finish();
}
END_TEST

/* A limit of file size stands for a full disk. */
START_TEST(F7_what_a_full_disk_costs_is_told_once)
{
	char path[64];
	int fds[2];
	struct rlimit limit = {8, 8};

	(void)snprintf(path, sizeof(path), "%s/full.log", dir);
	start(LOG_TO_FILE, path);
	ck_assert_int_eq(prlimit(helper.pid, RLIMIT_FSIZE, &limit, NULL), 0);
	(void)open_worker(0, 100, fds);
	say(fds[0], "too much for it\n");
	turn_until(last_told[0] != '\0');
	ck_assert_ptr_nonnull(strstr(last_told, "full.log: File too large: lines are lost"));
	last_told[0] = '\0';
	say(fds[0], "and more\n");
	for (int i = 0; i < 20; i++) {
		usleep(1000);
		turn();
	}
	ck_assert_str_eq(last_told, "");
	finish();
	ck_assert_int_eq(waitpid(helper.pid, NULL, 0), helper.pid);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(files_are_written_by_a_process)
{
	char path[64];
	int fds[2];
	struct output_source *s;
	const char *text;

	(void)snprintf(path, sizeof(path), "%s/web.log", dir);
	start(LOG_TO_FILE, path);
	s = open_worker(3, 100, fds);
	say(fds[0], "one\n");
	say(fds[1], "two\n");
	turn_until(counters(s).log_lines == 2);
	turn_until(strstr(text = slurp_file(path), "two") != NULL);
	ck_assert_ptr_nonnull(strstr(text, "Z web.3 out one\n"));
	ck_assert_ptr_nonnull(strstr(text, "Z web.3 err two\n"));
	finish();
	ck_assert_int_eq(waitpid(helper.pid, NULL, 0), helper.pid);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(a_dead_writer_is_started_again)
{
	char path[64];
	int fds[2];
	struct output_source *s;
	pid_t first;

	(void)snprintf(path, sizeof(path), "%s/web.log", dir);
	start(LOG_TO_FILE, path);
	s = open_worker(0, 100, fds);
	first = helper.pid;
	ck_assert_int_eq(kill(first, SIGKILL), 0);
	turn_until(helper.pid != first);
	say(fds[0], "lost\n");
	turn_until(counters(s).log_dropped == 1);
	turn_until(helper.pid > 0);
	say(fds[0], "after\n");
	turn_until(strstr(slurp_file(path), "after") != NULL);
	ck_assert_ptr_nonnull(strstr(slurp_file(path), "Z web.0 lost 1 line\n"));
	finish();
	ck_assert_int_eq(waitpid(helper.pid, NULL, 0), helper.pid);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(a_regular_file_as_stdout_is_written_by_a_process)
{
	char path[64];
	int fds[2], fd;
	struct output_source *s;

	(void)snprintf(path, sizeof(path), "%s/stdout", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(dup2(fd, 1), 1);
	say(1, "from the shell\n");
	start(LOG_TO_INHERIT, NULL);
	ck_assert_int_gt(helper.pid, 0);
	s = open_worker(0, 100, fds);
	say(fds[0], "one\n");
	turn_until(counters(s).log_lines == 1);
	turn_until(strstr(slurp_file(path), "one") != NULL);
	ck_assert_str_eq(slurp_file(path), "from the shell\nweb.0 | one\n");
	finish();
	ck_assert_int_eq(waitpid(helper.pid, NULL, 0), helper.pid);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(last_words_are_those_of_the_dead_one)
{
	int fds[2], other[2];
	struct output_source *s, *t;
	struct str words = {0};

	start(LOG_TO_NONE, NULL);
	s = open_worker(0, 100, fds);
	t = open_worker(0, 101, other);
	say(other[1], "not mine\n");
	turn_until(counters(t).log_lines == 1);
	say(fds[0], "only stdout\n");
	say(fds[1], "first\nsecond\nbye\033[0m");
	output_source_drain(s);
	output_source_last_words(s, 2, &words);
	ck_assert_str_eq(words.data, "second\nbye\\x1B[0m\n");
	str_free(&words);
	finish();
}
END_TEST

START_TEST(P13_a_held_pipe_does_not_hold_us)
{
	int fds[2];
	struct output_source *s;

	start(LOG_TO_NONE, NULL);
	s = open_worker(0, 100, fds);
	output_source_drain(s);
	output_source_close(s);
	turn_until(write(fds[0], "x\n", 2) < 0 && errno == EPIPE);
	finish();
}
END_TEST

static unsigned seen;

static void
see(void *arg, const char *name, const struct line_record *rec)
{
	(void)arg;
	ck_assert_str_eq(name, "web");
	ck_assert_uint_eq(rec->seq, ++seen);
}

START_TEST(a_watcher_sees_each_line)
{
	int fds[2];

	start(LOG_TO_NONE, NULL);
	(void)open_worker(0, 100, fds);
	output_watch(&loop, see, NULL);
	say(fds[0], "a\nb\nc\n");
	turn_until(seen == 3);
	output_watch(&loop, NULL, NULL);
	output_app_gone(&loop, "web");
	ck_assert_ptr_nonnull(output_ring(&loop, "web"));
	finish();
}
END_TEST

START_TEST(a_worker_costs_less_than_8_KiB)
{
	enum { WORKERS = 100 };
	int fds[WORKERS][2];
	struct output_source *s = NULL;
	size_t before;

	start(LOG_TO_NONE, NULL);
	(void)open_worker(0, 99, fds[0]);
	for (int i = 0; i < 3000; i++) { /* the app's ring has its full size */
		say(fds[0][0], "a line of some length, as programs write them, with an end\n");
		turn();
	}
	before = mallinfo2().uordblks;
	for (unsigned w = 0; w < WORKERS; w++) {
		s = open_worker(w, (pid_t)(100 + w), fds[w]);
		for (int i = 0; i < 200; i++)
			say(fds[w][i % 2], "a line of some length, as programs write them\n");
		turn_until(counters(s).log_lines == 200);
	}
	ck_assert_uint_lt((mallinfo2().uordblks - before) / WORKERS, 4096);
	finish();
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;
	SRunner *runner;
	int failed;

	if (argc == 3 && strcmp(argv[1], "--log-writer") == 0)
		return logwriter_main(argv[2]);
	s = suite_create("output");
	tc = tcase_create("output");
	if (!mkdtemp(dir))
		return 1;
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, lines_come_with_a_prefix_that_cannot_be_forged);
	tcase_add_test(tc, one_description_for_both_is_one_sink);
	tcase_add_test(tc, shared_descriptions_stay_blocking);
	tcase_add_test(tc, L1_block_stops_reading_and_goes_on);
	tcase_add_test(tc, L1_drop_counts_and_tells);
	tcase_add_test(tc, L3_a_closed_stream_leaves_the_loop);
	tcase_add_test(tc, L3_a_broken_standard_output_is_left_alone);
	tcase_add_test(tc, L2_a_long_line_is_cut_and_marked);
	tcase_add_test(tc, F7_what_a_full_disk_costs_is_told_once);
	tcase_add_test(tc, files_are_written_by_a_process);
	tcase_add_test(tc, a_dead_writer_is_started_again);
	tcase_add_test(tc, a_regular_file_as_stdout_is_written_by_a_process);
	tcase_add_test(tc, last_words_are_those_of_the_dead_one);
	tcase_add_test(tc, P13_a_held_pipe_does_not_hold_us);
	tcase_add_test(tc, a_watcher_sees_each_line);
	tcase_add_test(tc, a_worker_costs_less_than_8_KiB);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)rmdir(dir);
	return failed > 0;
}
