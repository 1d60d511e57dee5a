/*
 * logproc: log writers as children of the master: started, noticed when they die, started again,
 * and listened to: what one complains of (a full disk) becomes an event of the master, since the
 * log is the place where nobody could read it. Must not wait for one, ever: that a disk is slow is
 * why they exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/logproc.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "loop/sink.h"
#include "loop/tell.h"
#include "sys/logwriter.h"
#include "sys/proc.h"
#include "sys/spawn.h"

#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
/* So young a writer may not have its handler for SIGUSR1 yet, and would die of it. */
#define REOPEN_AGE_MS 1000

struct logproc {
	struct sink *sink; /* NULL: let go of */
	struct sink_set *set;
	pid_t pid; /* 0: not running */
	int status_fd; /* says why it could not be executed */
	uint64_t started_us;
	uint64_t pause_ms; /* before the next start */
	uv_timer_t timer; /* next start, or a reopening that had to wait */
	int complaints[2]; /* a pipe; its end for writing is descriptor 2 of each writer */
	uv_poll_t poll; /* of the other end */
	unsigned handles; /* that libuv has not let go of */
};

static void on_timer(uv_timer_t *timer);

static const char *
logproc_name(const struct logproc *p)
{
	if (p->sink->path)
		return p->sink->path;
	return p->sink->standard == 1 ? "standard output" : "standard error";
}

/* Tells when p's process is dead. */
static void
on_exit_of_writer(void *arg, pid_t pid, int wait_status)
{
	struct logproc *p = arg;
	struct spawn_failure failure = {0};
	bool failed = spawn_read_status(p->status_fd, &failure) < 0;

	(void)pid;
	fd_close(&p->status_fd);
	p->pid = 0;
	sink_detach(p->sink);
	if (sink_is_over(p->sink))
		return;
	if (clock_now_us() - p->started_us > PAUSE_MAX_MS * UINT64_C(1000))
		p->pause_ms = PAUSE_MIN_MS;
	if (failed)
		log_warn("log_writer_exit", NULL, "writer of %s could not %s: %s", logproc_name(p),
		    spawn_stage_to_string(failure.stage), strerror(failure.error));
	else
		log_warn("log_writer_exit", NULL, "writer of %s ended (%s %d); again in %u s",
		    logproc_name(p), WIFSIGNALED(wait_status) ? "signal" : "exit",
		    WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
		    (unsigned)(p->pause_ms / 1000));
	(void)uv_timer_start(&p->timer, on_timer, p->pause_ms, 0);
	p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
}

/* A complaint is one line, written at once. */
static void
on_complaint(uv_poll_t *poll, int status, int events)
{
	struct logproc *p = poll->data;
	char text[1024], *rest = text, *line;
	ssize_t got = status < 0 ? 0 : read(p->complaints[0], text, sizeof(text) - 1);

	(void)events;
	if (got <= 0)
		return;
	text[got] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (line[0] != '\0')
			tell(p->set->loop, LOG_LEVEL_WARN, "log_writer", NULL, "%s", line);
}

/* Forks the writer with these as its 0, 1 and 2. */
static int
logproc_fork(struct logproc *p, const int fds[3], struct err *e)
{
	char *argv[] = {"broodd", "--log-writer", p->sink->path ? p->sink->path : "-", NULL};
	struct spawn_spec spec = {
	    .path = proc_self_path(),
	    .argv = argv,
	    .envp = p->set->loop->options.environ,
	    .umask = -1,
	    .limit_nofile = UINT64_MAX,
	    .limit_core = UINT64_MAX,
	    .nice = INT_MIN,
	    .oom_score_adj = INT_MIN,
	    .fds = fds,
	    .fds_len = 3,
	};
	struct spawn_result result;
	int err = spawn_process(&spec, &result);

	if (err < 0)
		return err_set(e, err, "log writer: %s", strerror(-err));
	/* If it can't be remembered it is not killed: it ends with its pipe, which closes now. */
	err = procs_add_helper(p->set->loop, result.pid, on_exit_of_writer, p);
	if (err < 0) {
		fd_close(&result.status_fd);
		return err_set(e, err, "log writer: %s", strerror(-err));
	}
	p->pid = result.pid;
	p->status_fd = result.status_fd;
	p->started_us = clock_now_us();
	return 0;
}

static int
logproc_launch(struct logproc *p, struct err *e)
{
	int pipe_fds[2] = {-1, -1};
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int standard = p->sink->standard;
	int err = null_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0 ? -errno : 0;

	if (err == 0)
		err = fd_set_nonblocking(pipe_fds[1], true);
	if (err < 0)
		(void)err_set(e, err, "log writer: %s", strerror(-err));
	else
		err = logproc_fork(p,
		    (int[3]){pipe_fds[0], standard > 0 ? standard : null_fd, p->complaints[1]}, e);
	fd_close(&null_fd);
	fd_close(&pipe_fds[0]);
	if (err < 0) {
		fd_close(&pipe_fds[1]);
		return err;
	}
	sink_attach(p->sink, pipe_fds[1]);
	return 0;
}

static void
on_timer(uv_timer_t *timer)
{
	struct logproc *p = timer->data;
	struct err e;

	if (p->pid > 0) {
		(void)kill(p->pid, SIGUSR1);
		return;
	}
	if (logproc_launch(p, &e) == 0)
		return;
	log_warn("log_writer_exit", NULL, "%s: %s", logproc_name(p), e.text);
	(void)uv_timer_start(&p->timer, on_timer, p->pause_ms, 0);
}

static void
logproc_free(struct logproc *p)
{
	fd_close(&p->complaints[0]);
	fd_close(&p->complaints[1]);
	mem_free(p);
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct logproc *p = handle->data;
	struct sink_set *set = p->set;

	if (--p->handles == 0)
		logproc_free(p);
	sink_set_handle_closed(set);
}

static void
handle_opened(struct logproc *p, uv_handle_t *handle)
{
	handle->data = p;
	p->handles++;
	p->set->handles++;
}

/* From here on p is freed by closing its handles. */
static void
open_handles(struct logproc *p)
{
	uv_loop_t *loop = &p->set->loop->uv;

	(void)uv_timer_init(loop, &p->timer);
	handle_opened(p, (uv_handle_t *)&p->timer);
	if (uv_poll_init(loop, &p->poll, p->complaints[0]) < 0)
		return; /* no memory: it writes, and is not heard */
	handle_opened(p, (uv_handle_t *)&p->poll);
	(void)uv_poll_start(&p->poll, UV_READABLE, on_complaint);
}

int
logproc_start(struct sink *s, struct logproc **ret, struct err *e)
{
	struct logproc *p;
	int err = s->path ? logwriter_check(s->path, e) : 0;

	if (err < 0)
		return err;
	p = mem_calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->sink = s;
	p->set = s->set;
	p->status_fd = -1;
	p->pause_ms = PAUSE_MIN_MS;
	p->complaints[0] = p->complaints[1] = -1;
	if (pipe2(p->complaints, O_CLOEXEC) < 0 || fd_set_nonblocking(p->complaints[0], true) < 0)
		err = err_set(e, -errno, "log writer: %s", strerror(errno));
	else
		err = logproc_launch(p, e);
	if (err < 0) {
		logproc_free(p);
		return err;
	}
	open_handles(p);
	*ret = p;
	return 0;
}

void
logproc_reopen(struct logproc *p)
{
	uint64_t age_ms = (clock_now_us() - p->started_us) / 1000;

	if (p->pid == 0)
		return;
	if (age_ms < REOPEN_AGE_MS)
		(void)uv_timer_start(&p->timer, on_timer, REOPEN_AGE_MS - age_ms, 0);
	else
		(void)kill(p->pid, SIGUSR1);
}

bool
logproc_is_running(const struct logproc *p)
{
	return p->pid > 0;
}

void
logproc_close(struct logproc *p)
{
	if (p->pid > 0 && p->set->loop->procs)
		procs_forget_helper(p->set->loop, p->pid);
	fd_close(&p->status_fd);
	p->sink = NULL;
	if (p->handles > 1)
		uv_close((uv_handle_t *)&p->poll, on_handle_closed);
	uv_close((uv_handle_t *)&p->timer, on_handle_closed);
}
