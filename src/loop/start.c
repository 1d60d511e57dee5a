/*
 * start: one worker from a wish to a process: its descriptors, its socket for readiness, the fork.
 * All that may fail is done before the fork; a failure leaves nothing behind.
 */
#include "loop/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/einhorn.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/output.h"
#include "loop/procs.h"
#include "loop/ready.h"
#include "loop/tell.h"
#include "sys/notify.h"
#include "sys/spawn.h"

#define SUN_PATH_ROOM 108

/* Descriptors of one start. The worker's ends are closed after the fork, whatever came of it;
 * each of ours when it has found its owner. */
struct ends {
	int out[2], err[2], channel[2], line[2];
	int notify;
	int worker_out, worker_err;
};

static void
close_worker_ends(struct ends *x)
{
	fd_close(&x->out[1]);
	fd_close(&x->err[1]);
	fd_close(&x->channel[1]);
	fd_close(&x->line[1]);
}

static void
close_our_ends(struct ends *x)
{
	fd_close(&x->out[0]);
	fd_close(&x->err[0]);
	fd_close(&x->channel[0]);
	fd_close(&x->line[0]);
	fd_close(&x->notify);
}

/* Only our end is non-blocking: the worker's must behave like any pipe. */
static int
make_pipe(int fds[2])
{
	int r;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		fds[0] = fds[1] = -1;
		return -errno;
	}
	r = fd_set_nonblocking(fds[0], true);
	return r;
}

static int
make_channel(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		fds[0] = fds[1] = -1;
		return -errno;
	}
	return fd_set_nonblocking(fds[0], true);
}

static int
open_output(struct loop *l, const struct conf_app *conf, struct ends *x, const char **ret_what)
{
	int r;

	*ret_what = "pipe";
	switch (conf->log) {
	case LOG_TO_PASS:
		x->worker_out = STDOUT_FILENO;
		x->worker_err = STDERR_FILENO;
		return 0;
	case LOG_TO_NONE:
		x->worker_out = x->worker_err = launch_null_fd(l);
		return 0;
	case LOG_TO_INHERIT:
	case LOG_TO_FILE:
	case LOG_TO_MAX:
		break;
	}
	r = make_pipe(x->out);
	if (r == 0)
		r = make_pipe(x->err);
	x->worker_out = x->out[1];
	x->worker_err = x->err[1];
	return r;
}

/* RUN_DIR/n/NAME.APP.SLOT.ID, or shorter where an address has no room for that. */
static char *
socket_path(struct loop *l, const struct start_request *q, const char *suffix)
{
	struct str path = {0};

	str_addf(&path, "%s/n/%s.%s.%u.%u%s", l->options.run_dir, l->options.name, q->app,
	    q->number, q->worker, suffix);
	if (path.len >= SUN_PATH_ROOM) {
		str_reset(&path);
		str_addf(&path, "%s/n/%s.%u%s", l->options.run_dir, l->options.name, q->worker,
		    suffix);
	}
	if (!str_failed(&path) && path.len < SUN_PATH_ROOM)
		return path.data;
	str_free(&path);
	return NULL;
}

static int
open_notify(struct loop *l, struct proc *p, const struct start_request *q, struct ends *x,
    const char **ret_what)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	char *path = socket_path(l, q, "");

	*ret_what = "NOTIFY_SOCKET";
	if (!path && launch_conf(q->launch)->ready == READY_NOTIFY)
		return -ENAMETOOLONG;
	if (!path) {
		tell(l, LOG_LEVEL_WARN, "notify_socket_missing", NULL,
		    "%s is too long for a socket's address: workers get no NOTIFY_SOCKET",
		    l->options.run_dir);
		return 0;
	}
	(void)launch_user(q->launch, &uid, &gid);
	p->notify_path = path;
	x->notify = notify_worker_open(path, uid, gid);
	return x->notify < 0 ? x->notify : 0;
}

/* Where its path is too long the worker has the channel for it. */
static int
open_einhorn(struct loop *l, struct proc *p, const struct start_request *q, const char **ret_what)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	char *path;

	if (launch_conf(q->launch)->compat != COMPAT_EINHORN)
		return 0;
	*ret_what = "EINHORN_SOCK_PATH";
	path = socket_path(l, q, ".e");
	if (!path) {
		tell(l, LOG_LEVEL_WARN, "notify_socket_missing", NULL,
		    "%s is too long for a socket's address: workers get no EINHORN_SOCK_PATH",
		    l->options.run_dir);
		return 0;
	}
	(void)launch_user(q->launch, &uid, &gid);
	return einhorn_open(p, path, uid, gid, &p->einhorn);
}

static int
open_ends(struct loop *l, struct proc *p, const struct start_request *q, struct ends *x,
    const char **ret_what)
{
	const struct conf_app *conf = launch_conf(q->launch);
	int r = open_output(l, conf, x, ret_what);

	if (r < 0)
		return r;
	*ret_what = "socketpair";
	r = make_channel(x->channel);
	if (r < 0)
		return r;
	if (conf->ready == READY_FD) {
		*ret_what = "pipe";
		r = make_pipe(x->line);
		if (r < 0)
			return r;
	}
	r = open_notify(l, p, q, x, ret_what);
	return r < 0 ? r : open_einhorn(l, p, q, ret_what);
}

static unsigned
workers_of(const struct loop *l, const char *app)
{
	const struct app *a = core_find_app(l->core, app);

	return a ? a->target_len : 0;
}

/* Of its slot, as PM2 counts them: also those of reloads. */
static unsigned
restarts_of(const struct loop *l, const struct start_request *q)
{
	const struct worker *w = core_find_worker(l->core, q->worker);

	return w ? (unsigned)w->slot->restarts + q->generation - 1 : 0;
}

/* By which number the worker will know its end of the channel. */
static void
note_channel(struct proc *p, const struct spawn_spec *spec, int end)
{
	struct stat st;

	for (int i = 0; i < spec->fds_len && fstat(end, &st) == 0; i++)
		if (spec->fds[i] == end) {
			p->channel_number = i;
			p->channel_inode = st.st_ino;
		}
}

/* Everything that may fail is done before the fork; ends that found an owner are -1 then. */
static int
prepare(struct loop *l, struct proc *p, const struct start_request *q, struct ends *x,
    struct spawn_spec *spec, const char **ret_what)
{
	const struct conf_app *conf = launch_conf(q->launch);
	struct launch_worker worker;
	int channel, notify, line, r;

	r = open_ends(l, p, q, x, ret_what);
	if (r < 0)
		return r;
	if (q->alone)
		launch_assert_modes(q->launch, q->slot, q->seat);
	*ret_what = "environment";
	worker = (struct launch_worker){
	    .worker = q->worker,
	    .slot = q->number,
	    .seat = q->seat,
	    .generation = q->generation,
	    .workers = workers_of(l, q->app),
	    .out_fd = x->worker_out,
	    .err_fd = x->worker_err,
	    .channel_fd = x->channel[1],
	    .ready_fd = x->line[1],
	    .notify_path = p->notify_path,
	    .einhorn_path = einhorn_path(p->einhorn),
	    .restarts = restarts_of(l, q),
	};
	r = launch_fill_spec(l, q->launch, &worker, spec);
	if (r < 0)
		return r;
	note_channel(p, spec, x->channel[1]);
	*ret_what = "event loop";
	channel = x->channel[0];
	notify = x->notify;
	line = x->line[0];
	x->channel[0] = x->notify = x->line[0] = -1;
	p->readiness = readiness_open(p, notify, line);
	if (launch_is_node(q->launch))
		p->node = node_new(p);
	p->channel = channel_open(p, channel, conf->message_max);
	if (launch_is_node(q->launch) && !p->node)
		return -ENOMEM;
	return p->readiness && p->channel ? 0 : -ENOMEM;
}

static void
adopt_child(
    struct proc *p, const struct conf_app *conf, const struct spawn_result *child, struct ends *x)
{
	struct loop *l = p->loop;

	proc_born(p, child->pid, child->status_fd);
	if (!p->by_pid.tbl)
		return;
	if (x->out[0] >= 0) {
		p->output = output_source_open(
		    l, conf, p->slot, p->generation, p->pid, x->out[0], x->err[0]);
		/* They are its own also where it had no memory: closed by it. */
		x->out[0] = x->err[0] = -1;
	}
}

/* 0 with the pid, or a negative errno and what could not be done. */
int
start_worker(struct loop *l, const struct start_request *q, pid_t *ret_pid, const char **ret_what)
{
	struct ends x = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, -1, -1, -1};
	struct spawn_result child = {.pid = 0, .status_fd = -1};
	struct spawn_spec spec;
	struct proc *p = proc_new(l, q->worker);
	int r;

	*ret_what = "memory";
	if (!p)
		return -ENOMEM;
	p->slot = q->number;
	p->generation = q->generation;
	memcpy(p->app, q->app, sizeof(p->app));
	r = prepare(l, p, q, &x, &spec, ret_what);
	if (r == 0) {
		*ret_what = "fork";
		r = spawn_process(&spec, &child);
	}
	close_worker_ends(&x);
	if (r == 0)
		adopt_child(p, launch_conf(q->launch), &child, &x);
	close_our_ends(&x);
	if (r == 0 && !p->by_pid.tbl) {
		/* A process that the table can't hold could not be reaped as a worker. */
		(void)kill(child.pid, SIGKILL);
		r = -ENOMEM;
	}
	if (r < 0)
		proc_close(p);
	else
		*ret_pid = child.pid;
	return r;
}
