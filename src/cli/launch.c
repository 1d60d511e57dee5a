/*
 * launch: broodd in this process (`brood run`) or behind it (`brood start`). It knows broodd's
 * command line and the lines on --ready-fd, nothing of what a configuration says.
 */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "ipc/frame.h"

#define READY_LINE_MAX (1024 * 1024)

static char *
join(const char *dir, const char *rest)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, rest) < 0 ? NULL : path;
}

/* DIR/rest if it can be executed. */
static char *
try(const char *dir, const char *rest)
{
	char *path = join(dir, rest);

	if (path && access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* An installation may be moved as a whole and a build tree may be run in place, so what lies
 * beside this program comes before what configure was told. */
static char *
find_program(const char *variable, const char *const *beside, const char *installed)
{
	const char *given = getenv(variable);
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *found = NULL, *slash;

	if (given && *given)
		return strdup(given);
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		for (; !found && *beside; beside++)
			found = try(self, *beside);
	}
	return found ? found : strdup(installed);
}

char *
launch_find_broodd(void)
{
	static const char *const beside[] = {"../sbin/broodd", "broodd", NULL};

	return find_program("BROOD_BROODD", beside, SBINDIR "/broodd");
}

char *
launch_find_hello(void)
{
	static const char *const beside[] = {"../libexec/brood/brood-hello", "brood-hello", NULL};

	return find_program("BROOD_HELLO", beside, PKGLIBEXECDIR "/brood-hello");
}

static int
explain_exec(const struct cli *cli, const char *path, int err)
{
	cli_fail(cli, CLI_SYSTEM, "cannot execute %s: %s", path, strerror(err));
	cli_hint(cli, "the variable BROOD_BROODD may name the program");
	return CLI_SYSTEM;
}

int
launch_exec(const struct cli *cli, char *const *argv)
{
	(void)fflush(stdout);
	interrupt_done();
	(void)execv(argv[0], argv);
	return explain_exec(cli, argv[0], errno);
}

int
launch_exec_broodd(const struct cli *cli, const char *const *args)
{
	char *argv[12] = {launch_find_broodd()};
	size_t n = 1;
	int code;

	if (!argv[0])
		return cli_fail(cli, CLI_SYSTEM, "out of memory");
	for (; *args && n < 11; args++)
		argv[n++] = (char *)*args;
	code = launch_exec(cli, argv);
	free(argv[0]);
	return code;
}

int
launch_capture_broodd(const struct cli *cli, const char *const *args, struct str *ret)
{
	int out[2], status = 0;
	char buf[4096];
	ssize_t n;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return cli_fail(cli, CLI_SYSTEM, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		(void)dup2(out[1], 1);
		(void)dup2(out[1], 2);
		_exit(launch_exec_broodd(cli, args));
	}
	fd_close(&out[1]);
	while (pid > 0 && ((n = read(out[0], buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			str_add_n(ret, buf, (size_t)n);
	fd_close(&out[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return cli_fail(cli, CLI_SYSTEM, "cannot start a process: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;
}

struct launch {
	struct cli *cli;
	pid_t pid;
	int ready_fd, err_fd;
	struct frame_reader reader;
	struct progress *progress;
	json_t *end; /* {"ready":...} or {"failed":...} */
	bool begun; /* it said something */
	bool err_seen;
	int interrupts;
};

/* In the child, between fork and exec. */
static void
become_broodd(char **argv, int err_fd)
{
	int null_fd = open("/dev/null", O_RDWR);

	(void)setsid();
	interrupt_done();
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(err_fd, 2) < 0)
		_exit(CLI_SYSTEM);
	if (null_fd > 2)
		(void)close(null_fd);
	(void)execv(argv[0], argv);
	(void)dprintf(2, "brood: cannot execute %s: %s\n", argv[0], strerror(errno));
	_exit(CLI_SYSTEM);
}

/* argv has room for three more: " --ready-fd N". 0 or negative errno. */
static int
start_child(struct launch *l, char **argv)
{
	int ready[2], err[2];
	char number[16];
	size_t n = 0;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC) < 0) {
		int r = -errno;
		fd_close(&ready[0]);
		fd_close(&ready[1]);
		return r;
	}
	while (argv[n])
		n++;
	(void)snprintf(number, sizeof(number), "%d", ready[1]);
	argv[n] = (char *)"--ready-fd";
	argv[n + 1] = number;
	argv[n + 2] = NULL;
	(void)fflush(stdout);
	l->pid = fork();
	if (l->pid == 0) {
		(void)fd_set_cloexec(ready[1], false);
		become_broodd(argv, err[1]);
	}
	argv[n] = NULL;
	fd_close(&ready[1]);
	fd_close(&err[1]);
	l->ready_fd = ready[0];
	l->err_fd = err[0];
	return l->pid < 0 ? -EAGAIN : 0;
}

static bool
on_line(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	struct launch *l = arg;
	json_t *v = kind == FRAME_LINE ? json_loadb(data, len, 0, NULL) : NULL;

	l->begun = true;
	if (json_object_get(v, "event"))
		progress_show(l->progress, json_object_get(v, "event"));
	else if (!l->end && (json_object_get(v, "ready") || json_object_get(v, "failed")))
		l->end = json_incref(v);
	json_decref(v);
	return true;
}

/* Passes on what broodd complains about, as it is: broodd has escaped it. */
static void
pass_stderr(struct launch *l)
{
	char buf[4096];
	ssize_t n = read(l->err_fd, buf, sizeof(buf));

	if (n > 0) {
		l->err_seen = true;
		(void)fflush(stdout);
		(void)fd_write_all(STDERR_FILENO, buf, (size_t)n);
	} else if (n == 0 || errno != EINTR)
		fd_close(&l->err_fd);
}

static void
read_ready(struct launch *l)
{
	char buf[8192];
	ssize_t n = read(l->ready_fd, buf, sizeof(buf));

	if (n > 0)
		(void)frame_reader_feed(&l->reader, buf, (size_t)n, on_line, l);
	else if (n == 0 || errno != EINTR)
		fd_close(&l->ready_fd);
}

/* Ctrl-C while it starts means: do not start. A second one leaves it to end by itself. */
static bool
give_up(struct launch *l)
{
	if (l->interrupts == interrupt_pending())
		return false;
	l->interrupts = interrupt_pending();
	if (l->interrupts > 1)
		return true;
	cli_hint(l->cli, "interrupted: stopping the master again");
	(void)kill(l->pid, SIGTERM);
	return false;
}

static int
left_ms(uint64_t deadline_us)
{
	uint64_t now = clock_now_us();

	if (!deadline_us)
		return -1;
	return now >= deadline_us ? 0 : (int)((deadline_us - now) / 1000 + 1);
}

/* Until the ready descriptor has said how it ends or is closed, and what broodd wrote before
 * that has been shown. 0, or CLI_TIMEOUT or CLI_FAILED when we do not wait any longer. */
static int
wait_ready(struct launch *l)
{
	uint64_t deadline = cli_deadline_us(l->cli, 0);

	while (l->ready_fd >= 0 && !l->end) {
		struct pollfd fds[2] = {
		    {.fd = l->ready_fd, .events = POLLIN}, {.fd = l->err_fd, .events = POLLIN}};
		int n = poll(fds, 2, left_ms(deadline));

		if (give_up(l))
			return CLI_FAILED;
		if (n == 0)
			return CLI_TIMEOUT;
		if (n < 0)
			continue;
		if (fds[1].revents)
			pass_stderr(l);
		if (fds[0].revents)
			read_ready(l);
		if (l->begun && l->cli->no_wait)
			return 0;
	}
	/* It may have complained just before it ended. */
	while (l->err_fd >= 0) {
		struct pollfd p = {.fd = l->err_fd, .events = POLLIN};
		if (poll(&p, 1, l->end && json_object_get(l->end, "ready") ? 0 : 200) <= 0)
			break;
		pass_stderr(l);
	}
	return 0;
}

/* It ended, or is about to, without having said a word on the ready descriptor. */
static int
explain_death(struct launch *l)
{
	int status = 0;

	while (waitpid(l->pid, &status, 0) < 0)
		if (errno != EINTR || interrupt_pending() > 1)
			return CLI_FAILED;
	while (l->err_fd >= 0)
		pass_stderr(l);
	if (interrupt_pending())
		return cli_fail(l->cli, CLI_FAILED, "interrupted; nothing was started");
	if (WIFSIGNALED(status))
		return cli_fail(l->cli, CLI_FAILED,
		    "broodd was killed by signal %d before it was ready", WTERMSIG(status));
	if (!l->err_seen || WEXITSTATUS(status) == 0)
		return cli_fail(l->cli, WEXITSTATUS(status) ? WEXITSTATUS(status) : CLI_FAILED,
		    "broodd ended with code %d before it was ready", WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

static int
explain_failed(struct launch *l)
{
	struct failure f = {0};
	int code = (int)json_integer_value(json_object_get(l->end, "failed"));
	const char *message = json_string_value(json_object_get(l->end, "message"));
	const char *words = json_string_value(json_object_get(l->end, "last_words"));
	int status;

	failure_set(&f, code > 0 && code < 256 ? code : CLI_FAILED, "not started: %s",
	    message ? message : "the master gave no reason");
	if (words)
		str_add(&f.last_words, words);
	code = cli_fail_with(l->cli, &f);
	failure_done(&f);
	/* So that the same name can be started again as soon as we return. */
	(void)waitpid(l->pid, &status, 0);
	return code;
}

static void
print_ready(struct launch *l)
{
	const char *name = json_string_value(json_object_get(l->end, "name"));
	struct failure f = {0};
	size_t i;
	const json_t *app;

	if (l->cli->json) {
		(void)cli_print_json(l->cli, l->end, false);
		return;
	}
	if (name)
		l->cli->instance_name = name;
	if (name && instance_pick(l->cli, NULL, &l->cli->instance, &f) == 0 &&
	    instance_get_status(&l->cli->instance, 0, &f) == 0) {
		json_array_foreach(json_object_get(l->cli->instance.status, "apps"), i, app)
		{
			cli_print_app(l->cli, app);
		}
	} else {
		term_put(stdout, name ? name : "brood");
		printf(": ready (pid %lld)\n",
		    (long long)json_integer_value(json_object_get(l->end, "pid")));
	}
	l->cli->instance_name = NULL;
	failure_done(&f);
}

static int
conclude(struct launch *l, int waited)
{
	if (waited == CLI_TIMEOUT) {
		cli_fail(l->cli, CLI_TIMEOUT, "time is up; the start goes on in the background");
		cli_hint(l->cli, "`brood status` shows where it is, `brood shutdown` ends it");
		return CLI_TIMEOUT;
	}
	if (waited)
		return cli_fail(l->cli, waited, "interrupted");
	if (!l->end && l->begun && l->cli->no_wait) {
		printf("start accepted\n");
		return CLI_OK;
	}
	if (!l->end)
		return explain_death(l);
	if (json_object_get(l->end, "failed"))
		return explain_failed(l);
	print_ready(l);
	return CLI_OK;
}

int
launch_background(struct cli *cli, char **argv)
{
	struct launch l = {.cli = cli, .ready_fd = -1, .err_fd = -1};
	int r, code;

	frame_reader_init(&l.reader, READY_LINE_MAX);
	l.progress = progress_new(cli);
	r = start_child(&l, argv);
	if (r < 0)
		code = cli_fail(cli, CLI_SYSTEM, "cannot start a process: %s", strerror(-r));
	else
		code = conclude(&l, wait_ready(&l));
	fd_close(&l.ready_fd);
	fd_close(&l.err_fd);
	frame_reader_done(&l.reader);
	progress_free(l.progress);
	json_decref(l.end);
	return code;
}
