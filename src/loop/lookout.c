/*
 * lookout: see the header.
 *
 * The set is level-triggered and holds every socket. One that shows something the loop shall not
 * wake for is silent in it (events 0) and asked itself at each look: the queue of a stalled worker,
 * which may stay full for hours; the seat of a worker that starts or leaves; any queue that nobody
 * takes from. Of all others the set says which have something, and only those are asked: a thousand
 * idle slots cost one call.
 */
#include "loop/lookout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "base/fd.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/prepared.h"
#include "sys/queue.h"

/* What follows from the core's state, of a seat. */
enum {
	SEAT_HELD = 1, /* a worker has it */
	SEAT_TARGET = 2, /* new connections go there */
	SEAT_TAKES = 4, /* its worker is ready and takes from it alone */
};

int
lookout_init(struct lookout *o)
{
	*o = (struct lookout){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .reopen = true};
	return o->epoll_fd < 0 ? -errno : 0;
}

void
lookout_done(struct lookout *o)
{
	fd_close(&o->epoll_fd);
	mem_free(o->looks);
	mem_free(o->events);
	mem_free(o->seats);
	mem_free(o->samples);
	mem_free(o->slots);
}

static struct seat *
seat_of(const struct lookout *o, const struct look *x)
{
	return &o->seats[2 * (size_t)x->slot + x->seat];
}

/* --- which sockets there are ---------------------------------------------------------------- */

static size_t
add_listeners(const struct launch *la, struct listener *ret[LOOKOUT_LISTENERS_MAX], size_t n)
{
	for (size_t i = 0; i < la->listeners_len && n < LOOKOUT_LISTENERS_MAX; i++) {
		struct listener *ls = la->listeners[i];
		size_t k = 0;

		while (k < n && ret[k] != ls)
			k++;
		if (k == n && ls && ls->kind == LISTEN_TCP)
			ret[n++] = ls;
	}
	return n;
}

/* Of all generations that there are. */
static size_t
collect(const struct launch *launches, const char *app, struct listener *ret[LOOKOUT_LISTENERS_MAX])
{
	const struct launch *la;
	size_t n = 0;

	DL_FOREACH (launches, la)
		if (strcmp(la->app->name, app) == 0)
			n = add_listeners(la, ret, n);
	return n;
}

static bool
is_same(const struct lookout *o, struct listener *const now[], size_t n)
{
	if (o->reopen || n != o->listeners_len)
		return false;
	for (size_t i = 0; i < n; i++)
		if (now[i] != o->listeners[i] || now[i]->len != o->lens[i])
			return false;
	return true;
}

static int
reserve_slots(struct lookout *o, size_t n)
{
	struct slot_count *slots;
	struct queue_sample *samples;
	struct seat *seats;

	if (n <= o->slots_len)
		return 0;
	slots = mem_realloc(o->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	o->slots = slots;
	seats = mem_realloc(o->seats, 2 * n * sizeof(*seats));
	if (!seats)
		return -ENOMEM;
	o->seats = seats;
	samples = mem_realloc(o->samples, 2 * n * sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	o->samples = samples;
	memset(slots + o->slots_len, 0, (n - o->slots_len) * sizeof(*slots));
	memset(seats + 2 * o->slots_len, 0, 2 * (n - o->slots_len) * sizeof(*seats));
	o->slots_len = n;
	return 0;
}

static int
reserve_looks(struct lookout *o, size_t n)
{
	struct epoll_event *events;
	struct look *looks;

	looks = mem_realloc(o->looks, (n + 1) * sizeof(*looks));
	if (!looks)
		return -ENOMEM;
	o->looks = looks;
	events = mem_realloc(o->events, (n + 1) * sizeof(*events));
	if (!events)
		return -ENOMEM;
	o->events = events;
	return 0;
}

/* Where the kernel has no memory for one more, it is asked at each look. */
static void
set_wakes(struct lookout *o, struct look *x, bool wakes, int op)
{
	struct epoll_event ev = {
	    .events = wakes ? EPOLLIN : 0,
	    .data.u64 = (uint64_t)(x - o->looks),
	};

	x->wakes = epoll_ctl(o->epoll_fd, op, x->fd, &ev) == 0 && wakes;
}

static void
add_look(struct lookout *o, const struct listener *ls, unsigned i)
{
	struct look *x = &o->looks[o->looks_len++];
	unsigned slot = i, seat = 0, len = 0, limit = 0;
	struct seat *s;

	if (ls->shape == LISTENER_STEERED)
		listener_seat_of(ls, i, &slot, &seat);
	*x = (struct look){.fd = ls->fds[i], .slot = (uint16_t)slot, .seat = (uint8_t)seat};
	s = seat_of(o, x);
	(void)queue_length(x->fd, &len, &limit); /* not known, then */
	if (limit > 0 && (s->limit == 0 || limit < s->limit))
		s->limit = limit;
	set_wakes(o, x, false, EPOLL_CTL_ADD);
}

/* A new set in the place of the old one: what was closed is in the old one for as long as a worker
 * holds it, and could not be taken out. */
static int
renew_set(struct lookout *o)
{
	int fd = epoll_create1(EPOLL_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (dup3(fd, o->epoll_fd, O_CLOEXEC) < 0)
		r = -errno;
	fd_close(&fd);
	return r;
}

static int
open_looks(struct lookout *o, struct listener *const now[], size_t n, size_t slots)
{
	size_t looks = 0;
	int r;

	o->looks_len = o->listeners_len = 0;
	for (size_t i = 0; i < n; i++) {
		looks += now[i]->len;
		if (listener_slots(now[i]) > slots)
			slots = listener_slots(now[i]);
	}
	r = renew_set(o);
	if (r == 0)
		r = reserve_slots(o, slots);
	if (r == 0)
		r = reserve_looks(o, looks);
	if (r < 0)
		return r;
	for (size_t i = 0; i < 2 * o->slots_len; i++)
		o->seats[i].limit = 0;
	o->steered = false;
	for (size_t i = 0; i < n; i++) {
		for (unsigned k = 0; k < now[i]->len; k++)
			add_look(o, now[i], k);
		o->steered |= now[i]->shape == LISTENER_STEERED;
		o->lens[i] = now[i]->len;
		o->listeners[i] = now[i];
	}
	o->listeners_len = n;
	o->reopen = false;
	return 0;
}

/* --- which of them wake --------------------------------------------------------------------- */

static void
mark(struct lookout *o, const struct worker *w)
{
	size_t at = 2 * (size_t)w->slot->index + w->seat;

	if (w->state < WORKER_STARTING || w->state > WORKER_STOPPING || at >= 2 * o->slots_len)
		return;
	o->seats[at].is |= SEAT_HELD;
	if (w->state == WORKER_READY && !w->on_ring) {
		o->seats[at].is |= SEAT_TAKES;
		o->any_takes = true;
	}
}

static void
mark_workers(struct lookout *o, const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct slot *s = a->slots[i];

		if (s->current)
			mark(o, s->current);
		if (s->next)
			mark(o, s->next);
		for (const struct worker *w = s->leaving; w; w = w->next_leaving)
			mark(o, w);
	}
}

static void
mark_targets(struct lookout *o, const struct app *a)
{
	for (unsigned i = 0; i < a->steer.len; i++) {
		size_t at = 2 * (size_t)a->steer.seats[i].slot + a->steer.seats[i].seat;

		if (at < 2 * o->slots_len)
			o->seats[at].is |= SEAT_TARGET;
	}
}

static bool
somebody_serves(const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++) {
		const struct worker *w = a->slots[i]->current;

		if (w && (w->state == WORKER_READY || w->state == WORKER_STALLED))
			return true;
	}
	return false;
}

static bool
is_taken_alone(const struct lookout *o, const struct look *x)
{
	uint8_t is = seat_of(o, x)->is;

	return (is & SEAT_TARGET) && (is & SEAT_TAKES);
}

static bool
shall_wake(const struct lookout *o, const struct look *x)
{
	uint8_t is = seat_of(o, x)->is;

	if (x->hung)
		return false;
	if (is_taken_alone(o, x))
		return true;
	return x->len == 0 && (!o->steered || (is & SEAT_TARGET) || !(is & SEAT_HELD));
}

void
lookout_arm(struct lookout *o)
{
	for (size_t i = 0; i < o->looks_len; i++) {
		struct look *x = &o->looks[i];
		bool wakes = shall_wake(o, x);

		if (wakes != x->wakes)
			set_wakes(o, x, wakes, EPOLL_CTL_MOD);
	}
}

bool
lookout_settle(struct lookout *o, const struct launch *launches, const struct app *a)
{
	struct listener *now[LOOKOUT_LISTENERS_MAX];
	size_t n = collect(launches, a->name, now);

	/* Without memory nothing is looked at until the next change. */
	if (!is_same(o, now, n) && open_looks(o, now, n, a->slots_len) < 0)
		return false;
	if (reserve_slots(o, a->slots_len) < 0)
		return false;
	o->any_takes = false;
	for (size_t i = 0; i < 2 * o->slots_len; i++)
		o->seats[i].is = 0;
	mark_workers(o, a);
	mark_targets(o, a);
	if (o->looks_len == 0 || (!o->steered && somebody_serves(a)))
		return false;
	lookout_arm(o);
	return true;
}

/* --- looking -------------------------------------------------------------------------------- */

static void
ask_set(struct lookout *o)
{
	int n = epoll_wait(o->epoll_fd, o->events, (int)o->looks_len, 0);

	for (int i = 0; i < n; i++) {
		struct look *x = &o->looks[o->events[i].data.u64];

		x->ready = true;
		if (!(o->events[i].events & EPOLLHUP))
			continue;
		/* A worker shut it down (guard.h); it would wake the loop until it listens again. */
		x->hung = epoll_ctl(o->epoll_fd, EPOLL_CTL_DEL, x->fd, NULL) == 0;
		x->wakes = false;
	}
}

static void
ask_socket(struct lookout *o, struct look *x)
{
	unsigned limit;

	if (queue_length(x->fd, &x->len, &limit) < 0) {
		x->len = 0;
	} else if (x->hung) {
		x->hung = false;
		set_wakes(o, x, shall_wake(o, x), EPOLL_CTL_ADD);
	}
}

uint64_t
lookout_look(struct lookout *o, bool *ret_takes)
{
	uint64_t sum = 0;

	*ret_takes = false;
	ask_set(o);
	for (size_t i = 0; i < 2 * o->slots_len; i++)
		o->seats[i].len = 0;
	for (size_t i = 0; i < o->looks_len; i++) {
		struct look *x = &o->looks[i];

		x->len = 0;
		if (x->ready || !x->wakes)
			ask_socket(o, x);
		x->ready = false;
		seat_of(o, x)->len += x->len;
		sum += x->len;
		*ret_takes |= x->len > 0 && is_taken_alone(o, x);
	}
	for (size_t i = 0; i < o->slots_len; i++) {
		unsigned len = o->seats[2 * i].len + o->seats[2 * i + 1].len;

		if (len > o->slots[i].most)
			o->slots[i].most = len;
	}
	return sum;
}

size_t
lookout_samples(struct lookout *o, size_t slots_len)
{
	unsigned seats = o->steered ? 2 : 1;
	bool news = false;
	size_t n = 0;

	for (size_t i = 0; i < 2 * o->slots_len; i++) {
		struct seat *s = &o->seats[i];
		unsigned len = s->len > s->own ? s->len - s->own : 0;
		bool before = s->told;

		s->told = len > 0;
		news |= s->told || before;
		if (i % 2 < seats && (i / 2 < slots_len || s->told || before))
			o->samples[n++] = (struct queue_sample){
			    .slot = (unsigned)i / 2,
			    .seat = (unsigned)i % 2,
			    .len = len,
			    .limit = s->limit,
			};
	}
	return news ? n : 0;
}
