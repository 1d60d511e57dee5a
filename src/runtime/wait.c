/*
 * wait: what tasks wait for but other tasks: time, turns, descriptors, work in the pool.
 *
 * A call on a descriptor is tried first; only where it would block the task waits, and then tries
 * again. Who waits is woken, that is, resumed by a microtask of the callback that ended the wait, as
 * what follows an await. A descriptor that was waited for keeps its uv_poll_t until brood_close(),
 * and that stays started when its task goes on: most often the same is waited for again soon, and the
 * kernel need not be told anything. Where that is not so, the next event finds nobody and stops it.
 * It keeps the loop alive only while somebody waits.
 *
 * A task that never had to wait for a while gives way for a turn: a peer that is fast can't starve
 * the loop (libuv has the same bound for its streams).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime/task.h"

#define QUICK_MAX    32 /* calls without a wait */
#define BACKLOG_MS   5 /* until a full backlog of a UNIX socket is tried again */
#define FIRST_PLACES 64

enum direction { READING, WRITING };
static const int events_of[] = {[READING] = UV_READABLE, [WRITING] = UV_WRITABLE};

struct watch {
	uv_poll_t poll;
	struct tasks *tasks;
	int fd;
	struct brood_task *waiting[2];
	int armed; /* events that poll is started for */
	bool has_poll;
	bool is_no_socket;
};

/* --- time and turns -------------------------------------------------------------------------- */

static bool
stop_id(struct brood_task *t)
{
	brood_clear(t->loop, t->wait.id);
	return true;
}

static void
on_id(struct brood_loop *loop, void *arg)
{
	(void)loop;
	task_wake(arg, 0);
}

int
brood_sleep(uint64_t ms)
{
	struct brood_task *t;
	int r = task_begin_wait(&t);

	if (r < 0)
		return r;
	t->wait.id = brood_set_timeout(t->loop, ms, on_id, t);
	return t->wait.id != 0 ? task_wait(t, stop_id) : -ENOMEM;
}

int
brood_yield(void)
{
	struct brood_task *t;
	int r = task_begin_wait(&t);

	if (r < 0)
		return r;
	t->wait.id = brood_set_immediate(t->loop, on_id, t);
	return t->wait.id != 0 ? task_wait(t, stop_id) : -ENOMEM;
}

/* --- work in the pool ------------------------------------------------------------------------ */

struct work {
	struct brood_task *task;
	brood_work_fn *fn;
	void *arg;
};

static int
run_work(void *arg)
{
	struct work *w = arg;

	return w->fn(w->arg);
}

static void
on_work_done(struct brood_loop *loop, int result, void *arg)
{
	struct work *w = arg;

	(void)loop;
	task_wake(w->task, result);
}

/* It is told in any case: what runs can't be stopped, and its argument may be on this stack. */
static bool
stop_work(struct brood_task *t)
{
	(void)brood_offload_cancel(t->loop, t->wait.id);
	return false;
}

int
brood_offload_wait(brood_work_fn *fn, void *arg)
{
	struct work w = {.fn = fn, .arg = arg};
	int r = task_begin_wait(&w.task);

	if (r < 0)
		return r;
	if (fn == NULL)
		return -EINVAL;
	w.task->wait.id = brood_offload(w.task->loop, run_work, on_work_done, &w);
	return w.task->wait.id != 0 ? task_wait(w.task, stop_work) : -errno;
}

/* --- descriptors: what is known of them ------------------------------------------------------ */

static struct watch *
find(const struct tasks *ts, int fd)
{
	return fd >= 0 && (size_t)fd < ts->n_watches ? ts->watches[fd] : NULL;
}

static int
reserve(struct tasks *ts, int fd)
{
	size_t n = ts->n_watches > 0 ? ts->n_watches : FIRST_PLACES;
	struct watch **watches;

	if ((size_t)fd < ts->n_watches)
		return 0;
	while (n <= (size_t)fd)
		n *= 2;
	watches = mem_realloc(ts->watches, n * sizeof(struct watch *));
	if (watches == NULL)
		return -ENOMEM;
	for (size_t i = ts->n_watches; i < n; i++)
		watches[i] = NULL;
	ts->watches = watches;
	ts->n_watches = n;
	return 0;
}

/* The first time that a task uses fd. */
static int
watch_new(struct tasks *ts, int fd, struct watch **ret)
{
	struct watch *w;
	int r;

	if (fd < 0)
		return -EBADF;
	r = fd_set_nonblocking(fd, true);
	if (r == 0)
		r = reserve(ts, fd);
	if (r < 0)
		return r;
	w = mem_calloc(1, sizeof *w);
	if (w == NULL)
		return -ENOMEM;
	w->tasks = ts;
	w->fd = fd;
	ts->watches[fd] = w;
	*ret = w;
	return 0;
}

static void
on_watch_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	mem_free(w);
}

static void
watch_free(struct watch *w)
{
	if (w->has_poll)
		uv_close((uv_handle_t *)&w->poll, on_watch_closed);
	else
		mem_free(w);
}

/* --- descriptors: waiting -------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

static int
wanted(const struct watch *w)
{
	return (w->waiting[READING] != NULL ? UV_READABLE : 0) |
	       (w->waiting[WRITING] != NULL ? UV_WRITABLE : 0);
}

static void
set_ref(struct watch *w)
{
	if (wanted(w) != 0)
		uv_ref((uv_handle_t *)&w->poll);
	else
		uv_unref((uv_handle_t *)&w->poll);
}

/* For what is waited for now, and nothing else. */
static int
rearm(struct watch *w)
{
	int events = wanted(w);
	int r = events != 0 ? uv_poll_start(&w->poll, events, on_poll) : uv_poll_stop(&w->poll);

	w->armed = r == 0 ? events : 0;
	return r;
}

/* It stays the one who waits until it runs: nobody else comes between. */
static void
wake(struct watch *w, enum direction d)
{
	struct brood_task *t = w->waiting[d];

	if (t != NULL && t->state == TASK_WAITING)
		task_wake(t, 0);
}

/* After an error (status), libuv has stopped it, and who waits finds out by trying. Who is woken
 * runs before brood_leave() returns: so what is still armed for nobody then is not needed soon. */
static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct brood_loop *loop = w->tasks->loop;
	int for_nobody;

	if (status < 0) {
		w->armed = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	for_nobody = w->armed & events & ~wanted(w);
	brood_enter(loop);
	if ((events & UV_READABLE) != 0)
		wake(w, READING);
	if ((events & UV_WRITABLE) != 0)
		wake(w, WRITING);
	brood_leave(loop);
	if (uv_is_closing((uv_handle_t *)poll) || (for_nobody & ~wanted(w)) == 0)
		return;
	/* It can't fail: the descriptor is this handle's already. */
	(void)rearm(w);
}

static bool
stop_watch(struct brood_task *t)
{
	(void)t;
	return true;
}

static int
open_poll(struct watch *w)
{
	int r;

	if (w->has_poll)
		return 0;
	r = uv_poll_init(&w->tasks->loop->uv, &w->poll, w->fd);
	if (r < 0)
		return r;
	w->poll.data = w;
	w->has_poll = true;
	return 0;
}

/* 0: it is worth another try. */
static int
watch_wait(struct watch *w, enum direction d, struct brood_task *t)
{
	int r = open_poll(w);

	if (r < 0)
		return r;
	w->waiting[d] = t;
	if ((w->armed & events_of[d]) == 0)
		r = rearm(w);
	if (r < 0)
		w->waiting[d] = NULL;
	set_ref(w);
	if (r < 0)
		return r;
	t->wait.watch = w;
	r = task_wait(t, stop_watch);
	if (t->wait.watch != NULL) {
		w->waiting[d] = NULL;
		set_ref(w);
	}
	return r;
}

/* --- descriptors: calls ---------------------------------------------------------------------- */

/* Each call has one: who calls, on what. */
struct io {
	struct brood_task *task;
	struct watch *watch;
	enum direction direction;
};

static int
begin(struct io *io, int fd, enum direction d)
{
	int r = task_begin_wait(&io->task);

	if (r == 0 && ++io->task->quick > QUICK_MAX) {
		r = brood_yield();
		if (r == -ENOMEM)
			r = 0;
	}
	if (r < 0)
		return r;
	io->direction = d;
	io->watch = find(io->task->loop->tasks, fd);
	if (io->watch == NULL)
		return watch_new(io->task->loop->tasks, fd, &io->watch);
	return io->watch->waiting[d] == NULL ? 0 : -EBUSY;
}

/* What to do about the errno of a call that failed: 0: try again. */
static int
after_error(struct io *io)
{
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return watch_wait(io->watch, io->direction, io->task);
	return -errno;
}

ssize_t
brood_read(int fd, void *data, size_t len)
{
	struct io io;
	int r = begin(&io, fd, READING);
	ssize_t n;

	while (r == 0) {
		n = read(fd, data, len);
		if (n >= 0)
			return n;
		r = after_error(&io);
	}
	return r;
}

/* A pipe without a reader is an error like others, not a signal: it is held back, and taken off
 * unless it was pending before. */
static ssize_t
write_without_signal(int fd, const void *data, size_t len)
{
	const struct timespec now = {0};
	sigset_t pipe_set, old, pending;
	ssize_t n;
	int error;

	(void)sigemptyset(&pipe_set);
	(void)sigaddset(&pipe_set, SIGPIPE);
	(void)sigpending(&pending);
	(void)pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	n = write(fd, data, len);
	error = errno;
	if (n < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0)
		(void)sigtimedwait(&pipe_set, NULL, &now);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return n;
}

static ssize_t
write_some(struct watch *w, const void *data, size_t len)
{
	ssize_t n;

	if (!w->is_no_socket) {
		n = send(w->fd, data, len, MSG_NOSIGNAL);
		if (n >= 0 || errno != ENOTSOCK)
			return n;
		w->is_no_socket = true;
	}
	return write_without_signal(w->fd, data, len);
}

ssize_t
brood_write(int fd, const void *data, size_t len)
{
	struct io io;
	int r = begin(&io, fd, WRITING);
	size_t done = 0;
	ssize_t n;

	while (r == 0 && done < len) {
		n = write_some(io.watch, (const char *)data + done, len - done);
		if (n >= 0)
			done += (size_t)n;
		else
			r = after_error(&io);
	}
	return r < 0 ? r : (ssize_t)done;
}

int
brood_accept(int fd)
{
	struct io io;
	int r = begin(&io, fd, READING);
	int conn;

	while (r == 0) {
		conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (conn >= 0)
			return conn;
		/* One that left while it was queued: the next. */
		r = errno == ECONNABORTED ? 0 : after_error(&io);
	}
	return r;
}

static int
connect_result(struct io *io)
{
	int r = watch_wait(io->watch, WRITING, io->task);
	int error = 0;
	socklen_t len = sizeof error;

	if (r < 0)
		return r;
	if (getsockopt(io->watch->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

int
brood_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct io io;
	int r;

	do {
		r = begin(&io, fd, WRITING);
		if (r < 0)
			return r;
		if (connect(fd, addr, len) == 0)
			return 0;
		if (errno == EINPROGRESS || errno == EINTR)
			return connect_result(&io);
		/* The backlog of a UNIX socket is full: nothing tells when it no longer is. */
		r = errno == EAGAIN && addr->sa_family == AF_UNIX ? brood_sleep(BACKLOG_MS)
		                                                  : -errno;
	} while (r == 0);
	return r;
}

/* One that was woken already must not try again either: the number may be another's by then. */
static void
dismiss(struct watch *w, enum direction d)
{
	struct brood_task *t = w->waiting[d];

	if (t == NULL)
		return;
	t->wait.watch = NULL;
	if (t->state == TASK_WAITING)
		task_wake(t, -EBADF);
	else
		t->woken_with = -EBADF;
}

int
brood_close(struct brood_loop *loop, int fd)
{
	struct watch *w = loop->tasks != NULL ? find(loop->tasks, fd) : NULL;

	if (w != NULL) {
		loop->tasks->watches[fd] = NULL;
		dismiss(w, READING);
		dismiss(w, WRITING);
		watch_free(w);
	}
	/* EINTR: it is closed all the same. */
	return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

/* The descriptors are not ours. */
void
watches_done(struct tasks *ts)
{
	for (size_t i = 0; i < ts->n_watches; i++)
		if (ts->watches[i] != NULL)
			watch_free(ts->watches[i]);
	mem_free(ts->watches);
	ts->watches = NULL;
	ts->n_watches = 0;
}
