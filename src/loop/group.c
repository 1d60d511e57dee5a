/*
 * group: the steered ones among the listeners: where each socket is in its SO_REUSEPORT group, the
 * plug, and the program that sends connections to places in the group.
 *
 * The kernel numbers members by listen(2). Nobody can ask it for a number, so the map is kept by
 * what is known to change it, in the order in which it happens: who joins goes last; when a member
 * leaves, the last one moves into its place (reuseport_detach_sock() in the kernel).
 */
#include <errno.h>
#include <stdbool.h>

#include "base/fd.h"
#include "loop/listeners.h"
#include "sys/queue.h"

/* The place in fds. */
static unsigned
position(const struct listener *ls, unsigned slot, unsigned seat)
{
	unsigned i = 0;

	if (ls->shape == LISTENER_STEERED)
		i = slot < ls->base ? seat * ls->base + slot : 2 * slot + seat;
	else if (ls->shape == LISTENER_PER_SLOT)
		i = slot;
	return i < ls->len ? i : 0;
}

unsigned
listener_slots(const struct listener *ls)
{
	return ls->shape == LISTENER_STEERED ? ls->len / 2 : ls->len;
}

int
listener_fd(const struct listener *ls, unsigned slot, unsigned seat)
{
	return ls->fds[position(ls, slot, seat)];
}

unsigned
listener_index(const struct listener *ls, unsigned slot, unsigned seat)
{
	unsigned i = position(ls, slot, seat);

	return ls->shape == LISTENER_STEERED ? ls->places[i] : i;
}

void
listener_seat_of(const struct listener *ls, unsigned i, unsigned *ret_slot, unsigned *ret_seat)
{
	bool paired = i >= 2 * ls->base;

	*ret_slot = paired ? i / 2 : i % ls->base;
	*ret_seat = paired ? i % 2 : i / ls->base;
}

void
listener_assert_mode(const struct listener *ls, unsigned slot, unsigned seat)
{
	/* Our own, open descriptor: cannot fail. */
	(void)fd_set_nonblocking(listener_fd(ls, slot, seat), ls->nonblocking);
}

const char *
listener_shape_to_string(enum listener_shape shape)
{
	static const char *const names[] = {
	    [LISTENER_ONE] = "shared",
	    [LISTENER_PER_SLOT] = "kernel",
	    [LISTENER_STEERED] = "steered",
	};

	return names[shape];
}

static uint16_t *
place_of(struct listener *ls, unsigned i)
{
	return i == LISTENER_PLUG ? &ls->plug_place : &ls->places[i];
}

void
listener_left_group(struct listener *ls, unsigned i)
{
	uint16_t *hole = place_of(ls, i);
	unsigned last = ls->members - 1;

	if (*hole == LISTENER_NOWHERE)
		return;
	if (ls->plug_place == last)
		ls->plug_place = *hole;
	for (unsigned k = 0; k < ls->len; k++)
		if (ls->places[k] == last)
			ls->places[k] = *hole;
	*hole = LISTENER_NOWHERE;
	ls->members = last;
}

void
listener_joined_group(struct listener *ls, unsigned i)
{
	*place_of(ls, i) = (uint16_t)ls->members++;
}

int
listener_open_plug(struct listener *ls, uint16_t now)
{
	const struct steer_spec spec = {
	    .targets = &now,
	    .targets_len = 1,
	    .sockets = ls->members,
	    .v6only = ls->v6only,
	};
	int r;

	if (ls->plug[0] >= 0)
		return 0;
	r = queue_plug(ls->fds[0], &spec, ls->plug);
	if (r < 0) {
		ls->plug[0] = ls->plug[1] = -1;
		return r;
	}
	listener_joined_group(ls, LISTENER_PLUG);
	return 0;
}

static enum steer_by
steer_by(enum conf_balance balance)
{
	switch (balance) {
	case BALANCE_STICKY:
		return STEER_BY_SOURCE;
	case BALANCE_CPU:
		return STEER_BY_CPU;
	default:
		return STEER_BY_RANDOM;
	}
}

static bool
is_too_long(int r)
{
	return r == -E2BIG || r == -ENOMEM;
}

int
listener_steer(const struct listener *ls, enum conf_balance balance, const uint16_t *targets,
    unsigned targets_len, const uint16_t *slots, unsigned slots_len)
{
	struct steer_spec spec = {
	    .by = steer_by(balance),
	    .targets = targets,
	    .targets_len = targets_len,
	    .slots = slots,
	    .slots_len = slots_len,
	    .sockets = ls->members,
	    .v6only = ls->v6only,
	};
	int r = steer_attach(ls->fds[0], &spec);

	/* Thousands of slots whose seats alternate are more than a program can say, or than
	 * net.core.optmem_max lets it. First nobody can be addressed alone any more; then some get
	 * no new connections, which is better than what the old program does: it sends them to
	 * where nobody is. */
	if (is_too_long(r) && slots_len > 0) {
		spec.slots_len = 0;
		r = steer_attach(ls->fds[0], &spec);
	}
	while (is_too_long(r) && spec.targets_len > 1) {
		spec.targets_len /= 2;
		r = steer_attach(ls->fds[0], &spec);
	}
	return r;
}
