/*
 * dispatch: see worker.h. With `balance = dispatch` the master accepts, and a worker asks for one
 * connection after the other.
 *
 * It asks for the next one when the last has had its turn of the loop: what a client has sent
 * already is read, and what that computes is over, before somebody else's connection may come here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "worker/worker.h"

static const char line_take[] = "{\"brood\":\"take\"}\n";

void
dispatch_open(struct brood_worker *w)
{
	const char *on = getenv("BROOD_DISPATCH");

	w->is_dispatched = w->channel.is_open && on != NULL && strcmp(on, "1") == 0;
}

void
dispatch_ask(struct brood_worker *w)
{
	if (!w->is_dispatched || w->has_asked || w->ask_later != 0 || w->is_paused ||
	    w->state != WORKER_SERVING || w->is_closed)
		return;
	if (worker_is_full(w) || channel_say(&w->channel, line_take, strlen(line_take), true) < 0)
		worker_pause(w);
	else
		w->has_asked = true;
}

/* --- the next one ---------------------------------------------------------------------------- */

static void
on_next_turn_over(struct brood_loop *loop, void *arg)
{
	struct brood_worker *w = arg;

	(void)loop;
	w->ask_later = 0;
	dispatch_ask(w);
}

static void
on_turn_over(struct brood_loop *loop, void *arg)
{
	struct brood_worker *w = arg;

	w->ask_later = brood_set_immediate(loop, on_next_turn_over, w);
	if (w->ask_later == 0)
		dispatch_ask(w);
}

static void
ask_later(struct brood_worker *w)
{
	w->has_asked = false;
	if (w->ask_later != 0)
		return;
	w->ask_later = brood_set_immediate(w->loop, on_turn_over, w);
	if (w->ask_later == 0)
		dispatch_ask(w);
}

/* --- this one -------------------------------------------------------------------------------- */

/* The program may keep the name, so there is one place for each. */
static const struct listener *
listener_of(struct brood_worker *w, const char *name, int fd)
{
	struct listener_set *set = &w->listeners;
	size_t i = 0;

	while (i < set->n && strcmp(set->at[i].name, name) != 0)
		i++;
	if (i == LISTENERS_MAX)
		return &set->at[0];
	if (i == set->n) {
		struct listener *l = &set->at[set->n++];

		*l = (struct listener){.fd = -1, .is_unix = listener_fd_is_unix(fd)};
		(void)snprintf(l->name, sizeof l->name, "%s", name);
	}
	return &set->at[i];
}

void
dispatch_take(struct brood_worker *w, const struct control *frame, int *fds, size_t n)
{
	int fd = n > 0 ? fds[0] : -1;

	if (!w->is_dispatched || fd < 0)
		return;
	fds[0] = -1;
	ask_later(w);
	/* One that comes after the drain was begun was on its way: nobody else will serve it. */
	if (w->state == WORKER_DONE || fd_set_nonblocking(fd, true) < 0)
		fd_close(&fd);
	else
		worker_give(w, fd, listener_of(w, frame->listener, fd));
}

void
dispatch_close(struct brood_worker *w)
{
	brood_clear(w->loop, w->ask_later);
	w->ask_later = 0;
}
