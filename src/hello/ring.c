/*
 * ring: see ring.h.
 */
#include "hello/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hello/server.h"

#define LOOP_PLACE UINT64_MAX /* libuv's descriptor in the wait set */
#define SWEEP_MAX  256

static void on_prepare(uv_prepare_t *prepare);

void
ring_init(struct ring *r, struct server *server)
{
	r->server = server;
	r->set = -1;
	r->ready = -1;
	(void)uv_prepare_init(server->loop, &r->prepare);
	r->prepare.data = r;
	(void)uv_prepare_start(&r->prepare, on_prepare);
	/* It keeps nothing alive. */
	uv_unref((uv_handle_t *)&r->prepare);
}

bool
ring_is_in_use(const struct ring *r)
{
	return r->set >= 0 && r->is_whole && !r->is_broken;
}

/* --- taking it ------------------------------------------------------------------------------- */

static int
take_fd(int *fds, size_t n, size_t *at)
{
	int fd = *at < n ? fds[*at] : -1;

	if (fd >= 0)
		fds[*at] = -1;
	++*at;
	return fd;
}

static bool
take_set(struct ring *r, int *fds, size_t n, size_t *at)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = LOOP_PLACE};

	r->set = take_fd(fds, n, at);
	return r->set >= 0 &&
	       epoll_ctl(r->set, EPOLL_CTL_ADD, uv_backend_fd(r->server->loop), &ev) == 0;
}

static bool
add_place(struct ring *r, const char *name, int fd)
{
	struct ring_place **places = realloc(r->places, (r->n + 1) * sizeof(struct ring_place *));
	struct ring_place *p = calloc(1, sizeof *p);

	if (places != NULL)
		r->places = places;
	if (places == NULL || p == NULL) {
		free(p);
		if (fd >= 0)
			close(fd);
		return false;
	}
	p->listener.fd = fd;
	p->listener.is_unix = fd >= 0 && listeners_is_unix(fd);
	memcpy(p->listener.name, name, strlen(name) + 1);
	r->places[r->n++] = p;
	return fd >= 0;
}

static void
release(struct ring *r)
{
	if (r->set >= 0) {
		/* The master has the set, too: what is ours does not stay in there (R12). */
		(void)epoll_ctl(r->set, EPOLL_CTL_DEL, uv_backend_fd(r->server->loop), NULL);
		close(r->set);
		r->set = -1;
	}
	for (size_t i = 0; i < r->n; i++) {
		struct listener_fd *l = &r->places[i]->listener;

		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
}

/* Without descriptors left, or memory, this worker does without: it must not sleep in a set that
 * reports what it can't accept from. */
bool
ring_take(struct ring *r, struct control *frame, int *fds, size_t n)
{
	char name[LISTENERS_NAME_MAX];
	bool was_whole = r->is_whole, ok = true;
	size_t at = 0;
	long place;

	if (r->is_broken || server_is_draining(r->server))
		return false;
	if (r->set < 0)
		ok = take_set(r, fds, n, &at);
	while (control_next_name(&frame->listeners, name, sizeof name))
		ok = add_place(r, name, take_fd(fds, n, &at)) && ok;
	while (control_next_place(&frame->own, &place)) {
		if (place >= 0 && (size_t)place < r->n)
			r->places[place]->is_own_slots = true;
	}
	/* Later, one that is missing is only one that this worker does not take over from. */
	if (!ok && !was_whole) {
		r->is_broken = true;
		release(r);
		return false;
	}
	server_reserve(r->server, at);
	r->is_whole = r->is_whole || !frame->more;
	return r->is_whole && !was_whole;
}

/* --- one turn -------------------------------------------------------------------------------- */

static void
accept_from(struct ring *r, uint64_t place)
{
	const struct ring_place *p = place < r->n ? r->places[place] : NULL;

	/* The frame that names it is on its way, or there was no descriptor for it. The set goes on
	 * reporting it, so somebody else shall be asked for a moment. */
	if (p == NULL || p->listener.fd < 0)
		server_pause(r->server);
	else if (server_accept(r->server, &p->listener) && !p->is_own_slots)
		r->stolen++;
}

/* Before libuv polls: what is accepted here is read in the same turn. */
static void
on_prepare(uv_prepare_t *prepare)
{
	struct ring *r = prepare->data;
	long place = r->ready;

	r->ready = -1;
	if (place >= 0)
		accept_from(r, (uint64_t)place);
}

/* One event at most: a second ready listener stays there for whoever is idle. */
static void
sleep_in_set(struct ring *r)
{
	struct epoll_event ev;
	int n;

	uv_update_time(r->server->loop);
	n = epoll_wait(r->set, &ev, 1, uv_backend_timeout(r->server->loop));
	if (n == 1 && ev.data.u64 != LOOP_PLACE)
		r->ready = (long)ev.data.u64;
}

static void
run_turn(struct ring *r)
{
	uint64_t began_ns, took_ns;

	sleep_in_set(r);
	began_ns = uv_hrtime();
	(void)uv_run(r->server->loop, UV_RUN_NOWAIT);
	took_ns = uv_hrtime() - began_ns;
	if (took_ns > r->longest_ns)
		r->longest_ns = took_ns;
}

void
ring_run(struct ring *r)
{
	while (uv_loop_alive(r->server->loop)) {
		if (ring_is_in_use(r) && server_is_open(r->server))
			run_turn(r);
		else
			(void)uv_run(r->server->loop, UV_RUN_ONCE);
	}
}

uint64_t
ring_take_lag_us(struct ring *r)
{
	uint64_t lag_us = r->longest_ns / 1000;

	r->longest_ns = 0;
	return lag_us;
}

/* --- the end --------------------------------------------------------------------------------- */

void
ring_leave(struct ring *r)
{
	struct epoll_event events[SWEEP_MAX];
	int n;

	if (r->set < 0)
		return;
	n = ring_is_in_use(r) ? epoll_wait(r->set, events, SWEEP_MAX, 0) : 0;
	for (int i = 0; i < n; i++)
		accept_from(r, events[i].data.u64);
	release(r);
}

void
ring_done(struct ring *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->places[i]);
	free(r->places);
	r->places = NULL;
	r->n = 0;
}
