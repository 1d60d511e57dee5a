/*
 * waitset: see the header.
 *
 * A member has a list of the sockets that its worker was told of, in the order in which it was
 * told: a place in it is what the worker finds in an event. The list only grows. Registered are
 * those of them that it shall read now.
 */
#include "loop/waitset.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "base/fd.h"
#include "base/mem.h"
#include "loop/channel.h"
#include "loop/listeners.h"

#define SEATS       2
#define LINE_UP_MAX 8 /* readers that are made to look at one socket again */

/* A socket that a worker was told of. */
struct place {
	const struct listener *ls;
	unsigned slot;
	uint8_t seat;
	bool in; /* registered */
};

struct member {
	worker_id id;
	unsigned slot, seat;
	unsigned neighbours;
	bool own_slot_only;
	bool joined;
	int set;
	struct waitset_source *sources;
	size_t sources_len;
	struct place *places;
	size_t len, cap;
	struct member *next; /* in the same slot */
};

struct waitset_group {
	waitset_send_fn send;
	void *arg;
	unsigned width; /* slots in use */
	unsigned len, cap; /* slots that were ever used */
	struct member **slots;
	worker_id *alone; /* per slot and seat: who must be left alone there; 0 = nobody */
};

struct waitset_group *
waitset_group_new(waitset_send_fn send, void *arg)
{
	struct waitset_group *g = mem_calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->send = send;
	g->arg = arg;
	g->width = 1;
	return g;
}

static void
member_free(struct member *m)
{
	fd_close(&m->set);
	mem_free(m->sources);
	mem_free(m->places);
	mem_free(m);
}

void
waitset_group_free(struct waitset_group *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < g->len; i++) {
		while (g->slots[i]) {
			struct member *m = g->slots[i];

			LL_DELETE(g->slots[i], m);
			member_free(m);
		}
	}
	mem_free(g->slots);
	mem_free(g->alone);
	mem_free(g);
}

bool
waitset_group_is_idle(const struct waitset_group *g)
{
	for (unsigned i = 0; i < g->len; i++)
		if (g->slots[i] || g->alone[i * SEATS] || g->alone[i * SEATS + 1])
			return false;
	return true;
}

static int
reserve(struct waitset_group *g, unsigned n)
{
	struct member **slots;
	worker_id *alone;

	if (n > g->cap) {
		slots = mem_realloc(g->slots, n * sizeof(*slots));
		if (slots)
			g->slots = slots;
		alone = slots ? mem_realloc(g->alone, n * SEATS * sizeof(*alone)) : NULL;
		if (!alone)
			return -ENOMEM;
		g->alone = alone;
		g->cap = n;
	}
	for (; g->len < n; g->len++) {
		g->slots[g->len] = NULL;
		g->alone[g->len * SEATS] = g->alone[g->len * SEATS + 1] = 0;
	}
	return 0;
}

static struct member *
find(const struct waitset_group *g, worker_id worker)
{
	for (unsigned i = 0; i < g->len; i++)
		for (struct member *m = g->slots[i]; m; m = m->next)
			if (m->id == worker)
				return m;
	return NULL;
}

static int
first_error(int so_far, int r)
{
	return so_far < 0 ? so_far : r;
}

/* --- who reads what -------------------------------------------------------------------------- */

static unsigned
reach_of(const struct waitset_group *g, const struct member *m)
{
	unsigned most = g->width - 1;
	unsigned reach = m->neighbours;

	if (m->own_slot_only)
		return 0;
	if (reach == 0)
		reach = g->width > WAITSET_WIDE ? WAITSET_REACH : most;
	return reach < most ? reach : most;
}

/* Whether it may come to read that socket, were nobody to be left alone. */
static bool
reaches(const struct waitset_group *g, const struct member *m, const struct place *p)
{
	if (p->ls->shape == LISTENER_ONE)
		return true;
	if (p->ls->shape == LISTENER_PER_SLOT || m->own_slot_only || p->slot == m->slot)
		return p->slot == m->slot;
	return (p->slot + g->width - m->slot % g->width) % g->width <= reach_of(g, m);
}

static bool
should_read(const struct waitset_group *g, const struct member *m, const struct place *p)
{
	if (!m->joined || !reaches(g, m, p))
		return false;
	if (p->ls->shape != LISTENER_STEERED || (p->slot == m->slot && p->seat == m->seat))
		return true;
	return g->alone[p->slot * SEATS + p->seat] == 0;
}

static struct place *
find_place(const struct member *m, const struct place *p)
{
	for (size_t i = 0; i < m->len; i++) {
		struct place *mine = &m->places[i];

		if (mine->slot == p->slot && mine->seat == p->seat && mine->ls == p->ls)
			return mine;
	}
	return NULL;
}

/* --- registrations --------------------------------------------------------------------------- */

static int
fd_of(const struct place *p)
{
	return listener_fd(p->ls, p->slot, p->seat);
}

static int
put_in(struct member *m, struct place *p)
{
	struct epoll_event ev = {
	    .events = EPOLLIN | EPOLLEXCLUSIVE,
	    .data.u64 = (uint64_t)(p - m->places),
	};
	int r;

	if (p->in)
		return 0;
	/* Whoever had it before may have made it block: then a reader that comes second would
	 * stand still (R13). */
	r = fd_set_nonblocking(fd_of(p), true);
	if (r == 0 && epoll_ctl(m->set, EPOLL_CTL_ADD, fd_of(p), &ev) != 0)
		r = -errno;
	p->in = r == 0;
	return r;
}

static void
take_out(struct member *m, struct place *p)
{
	if (p->in)
		(void)epoll_ctl(m->set, EPOLL_CTL_DEL, fd_of(p), NULL); /* it is in there */
	p->in = false;
}

static int
put_in_again(struct member *m, struct place *p)
{
	take_out(m, p);
	return put_in(m, p);
}

/* Calls fn for whoever reads p or should, in the order of its line: its owner, the other worker of
 * the slot, then back round the ring. */
typedef int (*reader_fn)(
    const struct waitset_group *g, struct member *m, struct place *p, void *arg);

static int
call_readers_in(const struct waitset_group *g, unsigned slot, const struct place *p, bool owners,
    reader_fn fn, void *arg)
{
	int r = 0;

	for (struct member *m = g->slots[slot]; m; m = m->next) {
		bool owns = slot == p->slot && m->seat == p->seat;
		struct place *mine = owns == owners ? find_place(m, p) : NULL;

		if (mine && (mine->in || should_read(g, m, mine)))
			r = first_error(r, fn(g, m, mine, arg));
	}
	return r;
}

static int
call_readers(
    const struct waitset_group *g, const struct place *p, bool owner_too, reader_fn fn, void *arg)
{
	unsigned slot = p->slot % g->len;
	int r = 0;

	if (owner_too)
		r = call_readers_in(g, slot, p, true, fn, arg);
	for (unsigned i = 0; i < g->len; i++, slot = (slot > 0 ? slot : g->len) - 1)
		r = first_error(r, call_readers_in(g, slot, p, false, fn, arg));
	return r;
}

static int
count_reader(const struct waitset_group *g, struct member *m, struct place *p, void *arg)
{
	(void)g;
	(void)m;
	*(unsigned *)arg += p->in;
	return 0;
}

static int
line_up_one(const struct waitset_group *g, struct member *m, struct place *p, void *arg)
{
	unsigned *left = arg;

	(void)g;
	if (!p->in || *left == 0)
		return 0;
	--*left;
	return put_in_again(m, p);
}

static int
line_up_all(const struct waitset_group *g, struct member *m, struct place *p, void *arg)
{
	(void)arg;
	take_out(m, p);
	return should_read(g, m, p) ? put_in(m, p) : 0;
}

static bool
something_waits(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLIN};

	return poll(&look, 1, 0) > 0 && (look.revents & POLLIN);
}

/* A wake-up may have been lost: some readers look again. All in their order, or, where there are
 * many, some that are not the owner, so that it stays the first. */
static void
offer_again(const struct waitset_group *g, const struct place *p)
{
	unsigned readers = 0, left = LINE_UP_MAX;

	if (!something_waits(fd_of(p)))
		return;
	(void)call_readers(g, p, true, count_reader, &readers);
	(void)call_readers(g, p, readers <= LINE_UP_MAX, line_up_one, &left);
}

static void
empty(const struct waitset_group *g, struct member *m)
{
	m->joined = false;
	for (size_t i = 0; i < m->len; i++) {
		bool was_in = m->places[i].in;

		take_out(m, &m->places[i]);
		if (was_in)
			offer_again(g, &m->places[i]);
	}
}

/* --- what a worker is told of ---------------------------------------------------------------- */

static int
add_place(struct member *m, const struct listener *ls, unsigned slot, unsigned seat)
{
	const struct place p = {.ls = ls, .slot = slot, .seat = (uint8_t)seat};
	struct place *places;

	if (find_place(m, &p))
		return 0;
	if (m->len == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;

		places = mem_realloc(m->places, cap * sizeof(*places));
		if (!places)
			return -ENOMEM;
		m->places = places;
		m->cap = cap;
	}
	m->places[m->len++] = p;
	return 0;
}

static int
add_seats(struct member *m, const struct listener *ls, unsigned slot)
{
	unsigned own = slot == m->slot ? m->seat : 0;
	int r = add_place(m, ls, slot, own);

	return first_error(r, add_place(m, ls, slot, 1 - own));
}

/* All that it reaches: its own first, then round the ring, with what is parked at each stop. */
static int
add_places(const struct waitset_group *g, struct member *m, const struct listener *ls)
{
	unsigned reach = reach_of(g, m), slots = listener_slots(ls);
	int r = 0;

	switch (ls->shape) {
	case LISTENER_ONE:
		return add_place(m, ls, 0, 0);
	case LISTENER_PER_SLOT:
		return m->slot < slots ? add_place(m, ls, m->slot, 0) : 0;
	case LISTENER_STEERED:
		break;
	}
	if (m->slot < slots)
		r = add_seats(m, ls, m->slot);
	for (unsigned i = 0; i <= reach && !m->own_slot_only; i++) {
		unsigned slot = (m->slot + i) % g->width;

		for (; slot < slots && slot < g->len; slot += g->width)
			r = first_error(r, add_seats(m, ls, slot));
	}
	return r;
}

static const char *
name_of(const struct member *m, const struct listener *ls)
{
	for (size_t i = 0; i < m->sources_len; i++)
		if (m->sources[i].listener == ls)
			return m->sources[i].name;
	return "";
}

/* One message: what fits of the places from `from` on. Returns how many, or a negative errno. */
static int
send_part(const struct waitset_group *g, const struct member *m, size_t from, bool with_set)
{
	const char *names[CHANNEL_PARCEL_MAX];
	unsigned own[CHANNEL_PARCEL_MAX];
	int fds[CHANNEL_PARCEL_MAX];
	struct channel_ring message = {.fds = fds, .names = names, .own = own};
	int r;

	if (with_set)
		fds[message.fds_len++] = m->set;
	for (size_t i = from; i < m->len && message.fds_len < CHANNEL_PARCEL_MAX; i++) {
		const struct place *p = &m->places[i];

		fds[message.fds_len++] = fd_of(p);
		names[message.names_len++] = name_of(m, p->ls);
		if (p->slot == m->slot || p->ls->shape == LISTENER_ONE)
			own[message.own_len++] = (unsigned)i;
	}
	message.more = from + message.names_len < m->len;
	r = g->send(g->arg, m->id, &message);
	return r < 0 ? r : (int)message.names_len;
}

/* Tells it of the places from `from` on. What it can't be told of does not exist for it. */
static int
tell_places(const struct waitset_group *g, struct member *m, size_t from, bool with_set)
{
	while (with_set || from < m->len) {
		int r = send_part(g, m, from, with_set);

		if (r < 0) {
			m->len = from;
			return r;
		}
		from += (size_t)r;
		with_set = false;
	}
	return 0;
}

/* --- settling -------------------------------------------------------------------------------- */

static int
settle_member(const struct waitset_group *g, struct member *m, bool with_set)
{
	size_t before = m->len;
	int r = 0;

	for (size_t i = 0; i < m->sources_len; i++)
		r = first_error(r, add_places(g, m, m->sources[i].listener));
	r = first_error(r, tell_places(g, m, before, with_set));
	for (size_t i = 0; i < m->len; i++) {
		struct place *p = &m->places[i];

		if (should_read(g, m, p))
			r = first_error(r, put_in(m, p));
		else
			take_out(m, p);
	}
	return r;
}

static int
settle_all(const struct waitset_group *g)
{
	int r = 0;

	for (unsigned i = 0; i < g->len; i++)
		for (struct member *m = g->slots[i]; m; m = m->next)
			r = first_error(r, settle_member(g, m, false));
	return r;
}

int
waitset_settle(struct waitset_group *g, unsigned width)
{
	int r = reserve(g, width);

	if (r < 0)
		return r;
	g->width = width > 0 ? width : 1;
	return settle_all(g);
}

/* Most events change nothing about the width; then only the worker at hand has to be looked at. */
static int
note_width(struct waitset_group *g, unsigned width)
{
	return width == g->width && width <= g->len ? 0 : waitset_settle(g, width);
}

/* --- what happens to workers ----------------------------------------------------------------- */

static int
member_new(const struct waitset_worker *who, struct member **ret)
{
	struct member *m = mem_calloc(1, sizeof(*m));
	int r = 0;

	if (!m)
		return -ENOMEM;
	m->id = who->id;
	m->slot = who->slot;
	m->seat = who->seat;
	m->neighbours = who->neighbours;
	m->own_slot_only = who->own_slot_only;
	m->set = epoll_create1(EPOLL_CLOEXEC);
	if (m->set < 0)
		r = -errno;
	m->sources = mem_calloc(who->sources_len + 1, sizeof(*m->sources));
	if (r == 0 && !m->sources)
		r = -ENOMEM;
	if (r < 0) {
		member_free(m);
		return r;
	}
	memcpy(m->sources, who->sources, who->sources_len * sizeof(*m->sources));
	m->sources_len = who->sources_len;
	*ret = m;
	return 0;
}

int
waitset_give(struct waitset_group *g, const struct waitset_worker *who, unsigned width)
{
	struct member *m;
	int others, r;

	if (find(g, who->id))
		return -EEXIST;
	r = reserve(g, who->slot + 1);
	if (r < 0)
		return r;
	others = note_width(g, width);
	r = member_new(who, &m);
	if (r < 0)
		return r;
	LL_APPEND(g->slots[m->slot], m);
	r = settle_member(g, m, true);
	if (r == 0)
		return others;
	LL_DELETE(g->slots[m->slot], m);
	member_free(m);
	return r;
}

int
waitset_join(struct waitset_group *g, worker_id worker, unsigned width)
{
	struct member *m = find(g, worker);
	int r;

	if (!m || m->joined)
		return 0;
	r = note_width(g, width);
	m->joined = true;
	g->alone[m->slot * SEATS + m->seat] = 0;
	r = first_error(r, settle_member(g, m, false));
	for (size_t i = 0; i < m->len; i++) {
		const struct place p = m->places[i];

		if (p.ls->shape == LISTENER_STEERED && p.slot == m->slot && p.seat == m->seat)
			r = first_error(r, call_readers(g, &p, false, line_up_all, NULL));
	}
	return r;
}

void
waitset_cut(struct waitset_group *g, worker_id worker)
{
	struct member *m = find(g, worker);

	if (m)
		empty(g, m);
}

static int
end_alone(struct waitset_group *g, worker_id worker)
{
	int r = 0;

	for (unsigned i = 0; i < g->len * SEATS; i++) {
		if (g->alone[i] != worker)
			continue;
		g->alone[i] = 0;
		r = first_error(r, settle_all(g));
	}
	return r;
}

int
waitset_forget(struct waitset_group *g, worker_id worker)
{
	struct member *m = find(g, worker);

	if (m) {
		empty(g, m);
		LL_DELETE(g->slots[m->slot], m);
		member_free(m);
	}
	return end_alone(g, worker);
}

int
waitset_kick(struct waitset_group *g, worker_id worker, unsigned slot, unsigned seat)
{
	struct member *m = find(g, worker);
	int r = 0;

	if (!m || !m->joined || slot >= g->len || seat >= SEATS || g->alone[slot * SEATS + seat])
		return 0;
	for (size_t i = 0; i < m->sources_len; i++) {
		const struct listener *ls = m->sources[i].listener;
		bool steered = ls->shape == LISTENER_STEERED;
		struct place p = {
		    .ls = ls, .slot = steered ? slot : 0, .seat = steered ? (uint8_t)seat : 0};
		size_t before = m->len;

		if (ls->shape == LISTENER_PER_SLOT || (steered && slot >= listener_slots(ls)))
			continue;
		/* Perhaps no neighbour of it: it is told of that socket, too. */
		r = first_error(r, add_place(m, ls, p.slot, p.seat));
		r = first_error(r, tell_places(g, m, before, false));
		if (!find_place(m, &p))
			continue;
		r = first_error(r, put_in_again(m, find_place(m, &p)));
		/* An owner that was put in again stands behind the others: they follow it. */
		if (steered && p.slot == m->slot && p.seat == m->seat)
			r = first_error(r, call_readers(g, &p, false, line_up_all, NULL));
	}
	return r;
}

int
waitset_leave_alone(struct waitset_group *g, worker_id worker, unsigned slot, unsigned seat)
{
	int r = reserve(g, slot + 1);

	if (r < 0)
		return r;
	if (seat >= SEATS)
		return -EINVAL;
	g->alone[slot * SEATS + seat] = worker;
	for (unsigned i = 0; i < g->len; i++)
		for (struct member *m = g->slots[i]; m; m = m->next)
			for (size_t k = 0; k < m->len; k++)
				if (!should_read(g, m, &m->places[k]))
					take_out(m, &m->places[k]);
	return 0;
}

bool
waitset_uses(const struct waitset_group *g, const struct listener *ls)
{
	for (unsigned i = 0; i < g->len; i++)
		for (const struct member *m = g->slots[i]; m; m = m->next)
			for (size_t k = 0; k < m->sources_len; k++)
				if (m->sources[k].listener == ls)
					return true;
	return false;
}
