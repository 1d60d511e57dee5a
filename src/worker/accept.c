/*
 * accept: see worker.h. Listeners are polled and accepted by hand: uv_listen() would call
 * listen() again and so change the backlog of a socket that belongs to the master, and it accepts
 * all that is queued, while one connection a turn leaves the rest to idle siblings.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "worker/worker.h"

#define FDS_RESERVED   32
#define PAUSE_MS       100
#define ACCEPT_ALL_MAX 65536

static void on_pause_over(uv_timer_t *timer);
static void on_readable(uv_poll_t *poll, int status, int events);

/* --- whether --------------------------------------------------------------------------------- */

void
accept_set_limit(struct brood_worker *w, size_t reserved)
{
	struct rlimit files = {.rlim_cur = RLIM_INFINITY};
	uint64_t most;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	most = files.rlim_cur == RLIM_INFINITY ? UINT64_C(1) << 30 : files.rlim_cur;
	reserved += FDS_RESERVED;
	w->max_conns = most > reserved + FDS_RESERVED ? most - reserved : FDS_RESERVED;
}

bool
worker_is_full(const struct brood_worker *w)
{
	return w->conns >= w->max_conns;
}

void
accept_update(struct brood_worker *w)
{
	bool on = w->state == WORKER_SERVING && !w->is_paused && !w->is_closed;

	for (size_t i = 0; i < w->n_doors; i++) {
		struct door *d = &w->doors[i];

		if (!d->is_open)
			continue;
		if (on)
			(void)uv_poll_start(&d->poll, UV_READABLE, on_readable);
		else
			(void)uv_poll_stop(&d->poll);
	}
	ring_sleep(&w->ring, on && ring_is_in_use(&w->ring));
	dispatch_ask(w);
}

/* A listener that stays readable while we cannot take anything from it would spin the loop, so it
 * is left alone; other workers take the connection meanwhile. What is full waits for a close. */
void
worker_pause(struct brood_worker *w)
{
	if (w->is_paused || w->state != WORKER_SERVING)
		return;
	w->is_paused = true;
	accept_update(w);
	if (!worker_is_full(w))
		(void)uv_timer_start(&w->pause, on_pause_over, PAUSE_MS, 0);
}

static void
resume(struct brood_worker *w)
{
	if (!w->is_paused || worker_is_full(w))
		return;
	w->is_paused = false;
	(void)uv_timer_stop(&w->pause);
	accept_update(w);
}

static void
on_pause_over(uv_timer_t *timer)
{
	resume(timer->data);
}

void
brood_worker_closed(struct brood_worker *w, int n)
{
	if (n <= 0)
		return;
	w->conns -= (uint64_t)n < w->conns ? (uint64_t)n : w->conns;
	resume(w);
	report_news(w);
	if (w->conns == 0 && w->state == WORKER_DRAINING && w->on.on_drain == NULL)
		brood_worker_done(w);
}

/* --- one connection -------------------------------------------------------------------------- */

static bool
is_out_of_something(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM;
}

void
worker_give(struct brood_worker *w, int fd, const struct listener *l)
{
	int one = 1;

	if (!l->is_unix)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	w->conns++;
	w->has_accepted = true;
	report_news(w);
	w->on.on_connection(w, fd, l->name, w->data);
}

bool
worker_accept(struct brood_worker *w, const struct listener *l)
{
	int fd;

	if (worker_is_full(w)) {
		worker_pause(w);
		return false;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		worker_give(w, fd, l);
		return true;
	}
	if (is_out_of_something(errno))
		worker_pause(w);
	/* The client of an aborted connection is gone, those behind it are not. EAGAIN: another
	 * worker was faster. EINVAL: it was shut down, and the master has it listen again. */
	return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

/* --- by the loop ----------------------------------------------------------------------------- */

/* What is queued behind, at this door or another, is reported again in the next turn. */
static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct door *d = poll->data;
	struct brood_worker *w = d->worker;

	(void)events;
	brood_enter(w->loop);
	if (status < 0)
		worker_pause(w);
	else if (!w->has_accepted)
		(void)worker_accept(w, d->listener);
	brood_leave(w->loop);
}

static void
close_door(struct door *d)
{
	if (!d->is_open)
		return;
	d->is_open = false;
	worker_close_handle(d->worker, (uv_handle_t *)&d->poll);
}

int
accept_open_doors(struct brood_worker *w)
{
	int r;

	if (w->listeners.n == 0)
		return 0;
	w->doors = mem_calloc(w->listeners.n, sizeof *w->doors);
	if (w->doors == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < w->listeners.n; i++) {
		struct door *d = &w->doors[i];

		d->worker = w;
		d->listener = &w->listeners.at[i];
		r = uv_poll_init(brood_uv(w->loop), &d->poll, d->listener->fd);
		if (r < 0)
			return r;
		uv_unref((uv_handle_t *)&d->poll);
		d->poll.data = d;
		d->is_open = true;
		w->n_doors++;
	}
	return 0;
}

void
accept_leave_to_ring(struct brood_worker *w)
{
	for (size_t i = 0; i < w->n_doors; i++)
		close_door(&w->doors[i]);
	for (size_t i = 0; i < w->listeners.n; i++)
		listener_close(&w->listeners.at[i]);
}

/* --- the end --------------------------------------------------------------------------------- */

/* A shared listener is only let go of, never shut down: the master and the other workers live on
 * it. What is queued on one that we bound nobody else would answer. */
void
accept_leave(struct brood_worker *w)
{
	ring_leave(&w->ring);
	for (size_t i = 0; i < w->n_doors; i++) {
		struct listener *l = w->doors[i].listener;

		if (!w->doors[i].is_open || !l->is_own)
			continue;
		for (int n = 0; n < ACCEPT_ALL_MAX && worker_accept(w, l); n++)
			;
	}
	accept_drop(w);
}

void
accept_drop(struct brood_worker *w)
{
	(void)uv_timer_stop(&w->pause);
	ring_drop(&w->ring);
	accept_leave_to_ring(w);
}
