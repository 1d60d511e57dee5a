/*
 * sink: queues of whole lines towards terminals, pipes, sockets and log writers. Nothing here
 * blocks, and nothing here logs: the log comes this way, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "loop/logproc.h"
#include "loop/loop.h"
#include "loop/sink.h"

#define QUEUE_KEEP_BYTES 16384 /* an empty queue keeps no more memory than this */

static size_t
sink_queued(const struct sink *s)
{
	return s->queue.len - s->head;
}

void
sink_set_handle_closed(struct sink_set *set)
{
	if (--set->handles == 0 && set->done)
		set->on_closed(set->arg);
}

static void
on_poll_closed(uv_handle_t *handle)
{
	struct sink_set *set = handle->data;

	mem_free(handle);
	sink_set_handle_closed(set);
}

/* Stops waiting for room. The handle outlives the sink until libuv has let go of it. */
static void
sink_drop_poll(struct sink *s)
{
	if (!s->poll)
		return;
	s->poll->data = s->set;
	uv_close((uv_handle_t *)s->poll, on_poll_closed);
	s->poll = NULL;
	fd_close(&s->epoll_fd);
}

static void
sink_unlink(struct sink *s)
{
	struct sink **at = &s->set->sinks;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
}

static void
sink_free(struct sink *s)
{
	sink_drop_poll(s);
	fd_close(&s->fd);
	if (s->proc)
		logproc_close(s->proc);
	str_free(&s->queue);
	mem_free(s->path);
	mem_free(s);
}

bool
sink_is_over(struct sink *s)
{
	if (s->refs > 0 || s->fd >= 0)
		return false;
	sink_unlink(s);
	sink_free(s);
	return true;
}

void
sink_attach(struct sink *s, int fd)
{
	s->fd = fd;
	if (s->midline) {
		/* The rest of a line would look like one of its own, with a prefix that its writer
		 * chose. */
		const char *rest = s->queue.data + s->head;
		const char *end = memchr(rest, '\n', sink_queued(s));

		s->head = end ? (size_t)(end + 1 - s->queue.data) : s->queue.len;
		s->midline = false;
	}
	sink_flush(s);
}

void
sink_detach(struct sink *s)
{
	bool was_full = s->full;

	sink_drop_poll(s);
	fd_close(&s->fd);
	s->full = false;
	if (was_full && s->refs > 0)
		s->set->on_room(s->set->arg, s);
}

/* It will never take a line again, or not before a new process is there. */
static void
sink_break(struct sink *s)
{
	if (!s->proc) {
		str_free(&s->queue);
		s->head = 0;
	}
	sink_detach(s);
}

static void
on_writable(uv_poll_t *poll, int status, int events)
{
	struct sink *s = poll->data;

	(void)events;
	if (status < 0)
		sink_drop_poll(s); /* libuv has stopped it; the write will tell what it is */
	sink_flush(s);
}

/* What libuv shall watch for s: its own descriptor, or an epoll set around a shared one. */
static int
sink_poll_fd(struct sink *s, int *ret_events)
{
	struct epoll_event ev = {.events = EPOLLOUT};

	*ret_events = UV_WRITABLE;
	if (!s->is_socket)
		return s->fd;
	*ret_events = UV_READABLE;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		fd_close(&s->epoll_fd);
	return s->epoll_fd;
}

/* Waits for room. Without memory or descriptors the next line tries again. */
static void
sink_wait(struct sink *s)
{
	uv_poll_t *poll;
	int fd, events;

	if (s->poll)
		return;
	poll = mem_calloc(1, sizeof(*poll));
	if (!poll)
		return;
	fd = sink_poll_fd(s, &events);
	if (fd < 0 || uv_poll_init(&s->set->loop->uv, poll, fd) < 0) {
		fd_close(&s->epoll_fd);
		mem_free(poll);
		return;
	}
	poll->data = s;
	s->poll = poll;
	s->set->handles++;
	(void)uv_poll_start(poll, events, on_writable);
}

static ssize_t
sink_write(struct sink *s, const char *data, size_t len)
{
	ssize_t n;

	do {
		n = s->is_socket ? send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
		                 : write(s->fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Forgets what is written; the bytes behind it move only when that is less than what goes. */
static void
sink_compact(struct sink *s)
{
	if (s->head == s->queue.len) {
		str_reset(&s->queue);
		s->head = 0;
		if (s->queue.cap > QUEUE_KEEP_BYTES)
			str_free(&s->queue);
	} else if (s->head > s->queue.len / 2) {
		str_consume(&s->queue, s->head);
		s->head = 0;
	}
}

/* Nobody refers to it and all is written. Its process has to be waited for. */
static void
sink_end(struct sink *s)
{
	fd_close(&s->fd);
	if (!s->proc || !logproc_is_running(s->proc))
		(void)sink_is_over(s);
}

void
sink_flush(struct sink *s)
{
	ssize_t n;

	while (s->fd >= 0 && sink_queued(s) > 0) {
		n = sink_write(s, s->queue.data + s->head, sink_queued(s));
		if (n == -EAGAIN) {
			sink_wait(s);
			break;
		}
		if (n < 0) {
			sink_break(s);
			break;
		}
		s->head += (size_t)n;
		s->midline = n > 0 && s->queue.data[s->head - 1] != '\n';
	}
	sink_compact(s);
	if (sink_queued(s) == 0) {
		sink_drop_poll(s);
		if (s->refs == 0) {
			sink_end(s);
			return;
		}
	}
	if (s->full && sink_queued(s) <= SINK_QUEUE_BYTES / 2) {
		s->full = false;
		s->set->on_room(s->set->arg, s);
	}
}

bool
sink_put(struct sink *s, enum sink_giver giver, const char *line, size_t len)
{
	static const size_t limits[] = {
	    [SINK_GIVER_DROP] = SINK_QUEUE_BYTES,
	    [SINK_GIVER_BLOCK] = SINK_HARD_BYTES,
	    [SINK_GIVER_MASTER] = SINK_MASTER_BYTES,
	};

	if (s->fd < 0 || (s->full && giver == SINK_GIVER_DROP))
		return false;
	if (sink_queued(s) + len > limits[giver]) {
		s->full = true;
		return false;
	}
	str_add_n(&s->queue, line, len);
	if (str_failed(&s->queue)) {
		s->queue.failed = false;
		return false;
	}
	if (sink_queued(s) >= SINK_QUEUE_BYTES)
		s->full = true;
	return true;
}

static struct sink *
sink_new(struct sink_set *set)
{
	struct sink *s = mem_calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->set = set;
	s->refs = 1;
	s->fd = s->epoll_fd = -1;
	s->next = set->sinks;
	set->sinks = s;
	return s;
}

/* A description of our own for what standard descriptor fd shows, non-blocking. -1: there is no
 * such thing, a process has to write. */
static int
open_anew(int fd, mode_t type)
{
	char name[32];

	if (S_ISSOCK(type))
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!S_ISFIFO(type) && !S_ISCHR(type))
		return -1;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static struct sink *
find_standard(const struct sink_set *set, const struct stat *st)
{
	for (struct sink *s = set->sinks; s; s = s->next)
		if (s->refs > 0 && s->standard > 0 && s->dev == st->st_dev && s->ino == st->st_ino)
			return s;
	return NULL;
}

int
sink_open_standard(struct sink_set *set, int fd, struct sink **ret, struct err *e)
{
	struct stat st;
	struct sink *s;
	int err;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "descriptor %d: %s", fd, strerror(errno));
	s = find_standard(set, &st);
	if (s) {
		s->refs++;
		*ret = s;
		return 0;
	}
	s = sink_new(set);
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->standard = fd;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->is_socket = S_ISSOCK(st.st_mode);
	s->is_terminal = S_ISCHR(st.st_mode) && isatty(fd) == 1;
	s->fd = open_anew(fd, st.st_mode);
	/* ENXIO: a FIFO that nobody reads. That it is lost is no reason not to start. */
	if (s->fd < 0 && !(S_ISFIFO(st.st_mode) && errno == ENXIO)) {
		s->is_socket = false;
		err = logproc_start(s, &s->proc, e);
		if (err < 0) {
			sink_unlink(s);
			sink_free(s);
			return err;
		}
	}
	*ret = s;
	return 0;
}

int
sink_open_file(struct sink_set *set, const char *path, struct sink **ret, struct err *e)
{
	struct sink *s;
	int err = -ENOMEM;

	for (s = set->sinks; s; s = s->next) {
		if (s->path && s->refs > 0 && strcmp(s->path, path) == 0) {
			s->refs++;
			*ret = s;
			return 0;
		}
	}
	s = sink_new(set);
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	s->path = mem_strdup(path);
	if (s->path)
		err = logproc_start(s, &s->proc, e);
	else
		(void)err_set(e, err, "out of memory");
	if (err < 0) {
		sink_unlink(s);
		sink_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void
sink_unref(struct sink *s)
{
	if (s && --s->refs == 0)
		sink_flush(s);
}

void
sink_set_reopen(struct sink_set *set)
{
	for (struct sink *s = set->sinks; s; s = s->next)
		if (s->path && s->proc)
			logproc_reopen(s->proc);
}

/* False: it took nothing until end_us. */
static bool
sink_drain_once(struct sink *s, uint64_t end_us)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	uint64_t now_us = clock_now_us();

	if (now_us >= end_us || poll(&p, 1, (int)((end_us - now_us) / 1000) + 1) <= 0)
		return false;
	sink_flush(s);
	return true;
}

void
sink_set_drain(struct sink_set *set, int ms)
{
	uint64_t end_us = clock_now_us() + (uint64_t)ms * 1000;

	for (struct sink *s = set->sinks; s; s = s->next) {
		s->refs++; /* none goes away while we walk: sink_set_done() is near */
		while (s->fd >= 0 && sink_queued(s) > 0 && sink_drain_once(s, end_us))
			;
	}
}

void
sink_set_done(struct sink_set *set)
{
	while (set->sinks) {
		struct sink *s = set->sinks;

		set->sinks = s->next;
		sink_free(s);
	}
	set->done = true;
	if (set->handles == 0)
		set->on_closed(set->arg);
}
