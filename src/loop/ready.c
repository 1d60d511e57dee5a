/*
 * ready: see the header. A worker may send datagrams as fast as it likes: they draw on a bucket
 * of tokens, and while it is empty the kernel's small queue makes the sender wait.
 */
#include "loop/ready.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "loop/throttle.h"
#include "sys/notify.h"

#define READY_DATAGRAMS_A_TURN 16

struct readiness {
	struct throttle throttle;
	uv_poll_t notify, line;
	struct proc *proc;
	int notify_fd, line_fd;
	bool line_has_data; /* something came on fd:N, no newline yet */
	bool closed;
	unsigned handles;
};

static void
on_closed(uv_handle_t *h)
{
	struct readiness *r = h->data;

	if (--r->handles == 0)
		mem_free(r);
}

static void
close_poll(uv_poll_t *h, int *fd)
{
	if (*fd < 0)
		return;
	uv_close((uv_handle_t *)h, on_closed);
	fd_close(fd);
}

static void
tell_ready(struct proc *p, enum ready_by by)
{
	const struct event ev = {
	    .kind = EVENT_READY,
	    .worker = p->worker,
	    .ready = {.by = by},
	};

	loop_step(p->loop, &ev);
}

static void
take_message(struct proc *p, const struct notify_message *m)
{
	struct event ev = {.worker = p->worker};

	if (m->status[0])
		snprintf(p->report.status, sizeof(p->report.status), "%s", m->status);
	if (m->extend_us != 0) {
		ev.kind = EVENT_EXTEND;
		ev.extend.us = m->extend_us;
		loop_step(p->loop, &ev);
	}
	if (m->ready)
		tell_ready(p, READY_BY_NOTIFY);
	if (m->has_interval) {
		ev.kind = EVENT_INTERVAL;
		ev.interval.us = m->interval_us;
		loop_step(p->loop, &ev);
	}
	if (m->watchdog) {
		ev.kind = EVENT_ALIVE;
		ev.alive.unasked = true;
		loop_step(p->loop, &ev);
	}
	if (m->stopping) {
		ev.kind = EVENT_STOPPING;
		loop_step(p->loop, &ev);
	}
	if (m->watchdog_trigger) {
		ev.kind = EVENT_TRIGGER;
		loop_step(p->loop, &ev);
	}
}

/* Takes at most `most` datagrams. False: none is left. */
static bool
read_notify(struct readiness *r, unsigned most)
{
	struct notify_message m;

	for (unsigned i = 0; i < most && !r->closed; i++) {
		int got = notify_worker_read(r->notify_fd, &m);

		if (got == 0 || got == -EAGAIN)
			return false;
		if (got > 0)
			take_message(r->proc, &m);
	}
	return true;
}

static void
on_notify(uv_poll_t *h, int status, int events)
{
	struct readiness *r = h->data;

	(void)events;
	if (status < 0) {
		(void)uv_poll_stop(h);
		return;
	}
	(void)read_notify(r, READY_DATAGRAMS_A_TURN);
	if (!r->closed && !throttle_take(&r->throttle, READY_DATAGRAMS_A_TURN))
		(void)uv_poll_stop(h); /* on_refilled() starts it again */
}

static void
on_refilled(void *arg)
{
	struct readiness *r = arg;

	if (!r->closed && r->notify_fd >= 0)
		(void)uv_poll_start(&r->notify, UV_READABLE, on_notify);
}

/* A newline means ready, as in s6, and closing afterwards is fine. So does the end of the stream
 * after anything else was written, where s6 would wait for what can't come any more. */
static void
read_line(struct readiness *r)
{
	char buf[512];
	ssize_t n;
	bool ready = false;

	do {
		n = read(r->line_fd, buf, sizeof(buf));
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		r->line_has_data = true;
		ready = memchr(buf, '\n', (size_t)n) != NULL;
		if (!ready)
			return;
	}
	ready = ready || (n == 0 && r->line_has_data);
	close_poll(&r->line, &r->line_fd);
	if (ready)
		tell_ready(r->proc, READY_BY_FD);
}

static void
on_line(uv_poll_t *h, int status, int events)
{
	struct readiness *r = h->data;

	(void)events;
	if (status < 0)
		close_poll(&r->line, &r->line_fd);
	else
		read_line(r);
}

static int
open_poll(struct readiness *r, uv_poll_t *h, int *fd, uv_poll_cb cb)
{
	int err;

	if (*fd < 0)
		return 0;
	err = uv_poll_init(&r->proc->loop->uv, h, *fd);
	if (err < 0) {
		fd_close(fd);
		return err;
	}
	h->data = r;
	r->handles++;
	return uv_poll_start(h, UV_READABLE, cb);
}

struct readiness *
readiness_open(struct proc *p, int notify_fd, int ready_fd)
{
	struct readiness *r = mem_calloc(1, sizeof(*r));
	int err;

	if (!r) {
		fd_close(&notify_fd);
		fd_close(&ready_fd);
		return NULL;
	}
	r->proc = p;
	r->notify_fd = notify_fd;
	r->line_fd = ready_fd;
	(void)throttle_init(&r->throttle, &p->loop->uv, on_refilled, r); /* cannot fail */
	r->throttle.timer.data = r;
	r->handles = 1;
	err = open_poll(r, &r->notify, &r->notify_fd, on_notify);
	if (err == 0)
		err = open_poll(r, &r->line, &r->line_fd, on_line);
	if (err == 0)
		return r;
	readiness_close(r);
	return NULL;
}

void
readiness_drain(struct readiness *r)
{
	if (!r || r->closed)
		return;
	if (r->notify_fd >= 0)
		(void)read_notify(r, 4 * READY_DATAGRAMS_A_TURN);
	while (!r->closed && r->line_fd >= 0) {
		bool before = r->line_has_data;

		read_line(r);
		if (r->line_has_data == before)
			break;
	}
}

void
readiness_close(struct readiness *r)
{
	if (!r || r->closed)
		return;
	r->closed = true;
	close_poll(&r->notify, &r->notify_fd);
	close_poll(&r->line, &r->line_fd);
	throttle_close(&r->throttle, on_closed);
}
