/*
 * ring: see ring.h.
 */
#include "worker/ring.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/loop.h"
#include "worker/worker.h"

#define LOOP_PLACE UINT64_MAX /* libuv's descriptor in the wait set */
#define SWEEP_MAX  256

void
ring_init(struct ring *r, struct brood_worker *w)
{
	r->worker = w;
	r->set = -1;
	r->ready = -1;
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
	int loop_fd = uv_backend_fd(brood_uv(r->worker->loop));

	r->set = take_fd(fds, n, at);
	return r->set >= 0 && epoll_ctl(r->set, EPOLL_CTL_ADD, loop_fd, &ev) == 0;
}

static struct ring_place *
add_place(struct ring *r)
{
	struct ring_place **places = mem_realloc(r->places, (r->n + 1) * sizeof(*places));
	struct ring_place *p = NULL;

	if (places != NULL) {
		r->places = places;
		p = mem_calloc(1, sizeof *p);
	}
	if (p != NULL)
		r->places[r->n++] = p;
	return p;
}

static bool
take_place(struct ring *r, const char *name, int fd)
{
	struct ring_place *p = add_place(r);
	size_t len = strlen(name);

	if (p == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	p->listener.fd = fd;
	p->listener.is_unix = fd >= 0 && listener_fd_is_unix(fd);
	if (len >= sizeof p->listener.name)
		len = sizeof p->listener.name - 1;
	memcpy(p->listener.name, name, len);
	return fd >= 0;
}

void
ring_drop(struct ring *r)
{
	r->ready = -1;
	ring_sleep(r, false);
	if (r->set >= 0) {
		/* The master has the set, too: what is ours does not stay in there (R12). */
		(void)epoll_ctl(
		    r->set, EPOLL_CTL_DEL, uv_backend_fd(brood_uv(r->worker->loop)), NULL);
		close(r->set);
		r->set = -1;
	}
	for (size_t i = 0; i < r->n; i++)
		listener_close(&r->places[i]->listener);
}

static void
note_own(struct ring *r, const struct control *frame)
{
	int64_t place;

	for (size_t i = 0; control_own(frame, i, &place); i++) {
		if (place >= 0 && (uint64_t)place < r->n)
			r->places[place]->is_own_slots = true;
	}
}

/* Without descriptors left, or memory, this worker does without: it must not sleep in a set that
 * reports what it can't accept from. */
bool
ring_take(struct ring *r, const struct control *frame, int *fds, size_t n)
{
	bool was_whole = r->is_whole, ok = true;
	size_t at = 0;

	if (r->is_broken)
		return false;
	if (r->set < 0)
		ok = take_set(r, fds, n, &at);
	for (size_t i = 0; i < control_listeners(frame); i++)
		ok = take_place(r, control_listener(frame, i), take_fd(fds, n, &at)) && ok;
	note_own(r, frame);
	/* Later, one that is missing is only one that this worker does not take over from. */
	if (!ok && !was_whole) {
		r->is_broken = true;
		ring_drop(r);
		return false;
	}
	r->is_whole = r->is_whole || !frame->has_more;
	return r->is_whole && !was_whole;
}

/* --- one turn -------------------------------------------------------------------------------- */

/* One event at most: a second ready listener stays there for whoever is idle. */
static void
sleep_in_set(struct brood_loop *loop, int timeout_ms, void *arg)
{
	struct ring *r = arg;
	struct epoll_event ev;

	(void)loop;
	if (epoll_wait(r->set, &ev, 1, timeout_ms) == 1 && ev.data.u64 != LOOP_PLACE)
		r->ready = ev.data.u64 < LONG_MAX ? (long)ev.data.u64 : LONG_MAX;
}

void
ring_sleep(struct ring *r, bool on)
{
	loop_set_sleep(r->worker->loop, on ? sleep_in_set : NULL, r);
}

static void
accept_from(struct ring *r, uint64_t place)
{
	const struct ring_place *p = place < r->n ? r->places[place] : NULL;

	/* The frame that names it is on its way, or there was no descriptor for it. The set goes on
	 * reporting it, so somebody else shall be asked for a moment. */
	if (p == NULL || p->listener.fd < 0)
		worker_pause(r->worker);
	else if (worker_accept(r->worker, &p->listener) && !p->is_own_slots)
		r->worker->stolen++;
}

void
ring_accept(struct ring *r)
{
	long place = r->ready;

	r->ready = -1;
	if (place >= 0)
		accept_from(r, (uint64_t)place);
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
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 != LOOP_PLACE)
			accept_from(r, events[i].data.u64);
	}
	ring_drop(r);
}

void
ring_done(struct ring *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free(r->places[i]);
	mem_free(r->places);
	r->places = NULL;
	r->n = 0;
}
