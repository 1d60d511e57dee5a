/*
 * watch: see the header. There is no deadline here: how long a worker may take to leave is the
 * core's.
 *
 * Empty means: new connections are steered elsewhere, nothing was seen in the queue for a while,
 * and the handshakes that were under way when they were steered elsewhere are over, because their
 * last packet still lands at this seat, one round trip later (which loopback hides). Some of those
 * that are noted belong to other seats; that only makes us wait for no reason. To list them costs
 * milliseconds where there are many connections, so that workers that leave at a time share a list.
 */
#include "loop/watch.h"

#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "sys/conns.h"
#include "sys/queue.h"

#define STEERED_US     1000 /* after which new connections surely go elsewhere */
#define EMPTY_FIRST_MS 2 /* that, and timers may fire up to one early */
#define EMPTY_LOOK_MS  2
#define EMPTY_FOR_US   (10 * 1000)
#define QUIET_LOOK_MS  5
#define QUIET_LOOKS    2 /* in a row */
#define FRESH_RTOS     5 /* a request on its way may be lost, and lost again when it is repeated */
#define COST_FACTOR    10 /* a look may take a tenth of our time */

/* Handshakes that were under way at a listener. */
struct shakes {
	const struct listener *ls; /* open as long as the worker of any watch lives */
	struct handshakes list;
	uint64_t noted_us, asked_us;
	uint64_t cost_us; /* of asking */
	int left; /* when last asked; or a negative errno */
	unsigned refs;
	struct shakes *prev, *next; /* in l->shakes */
};

struct watch {
	struct loop *l;
	uv_timer_t timer;
	worker_id worker;
	enum watch_kind kind;
	uint64_t began_us;
	/* empty */
	bool noted;
	struct shakes *shakes[CONF_LISTENERS_MAX]; /* NULL: nothing to wait for there */
	uint64_t empty_us; /* since when; 0 = it is not */
	/* quiet */
	struct quiet quiet;
	unsigned quiet_looks;
};

static void
on_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

static void
put_shakes(struct loop *l, struct shakes *s)
{
	if (!s || --s->refs > 0)
		return;
	DL_DELETE(l->shakes, s);
	handshakes_done(&s->list);
	mem_free(s);
}

static void
end(struct watch *x)
{
	struct proc *p = procs_find(x->l, x->worker);

	if (p && p->watch == x)
		p->watch = NULL;
	for (size_t i = 0; i < CONF_LISTENERS_MAX; i++)
		put_shakes(x->l, x->shakes[i]);
	quiet_done(&x->quiet);
	uv_close((uv_handle_t *)&x->timer, on_closed);
}

/* x is no more after it. */
static void
finish(struct watch *x, bool unknown)
{
	struct event ev = {.worker = x->worker};
	struct loop *l = x->l;

	if (x->kind == WATCH_EMPTY) {
		ev.kind = EVENT_EMPTIED;
	} else {
		ev.kind = EVENT_QUIET;
		ev.quiet.unknown = unknown;
	}
	/* First the end: what follows may be the next watch. */
	end(x);
	loop_step(l, &ev);
}

static void on_timer(uv_timer_t *timer);

static void
look_again(struct watch *x, uint64_t ms)
{
	uv_update_time(&x->l->uv);
	(void)uv_timer_start(&x->timer, on_timer, ms, 0); /* cannot fail with a callback */
}

static bool
is_tcp(const struct listener *ls)
{
	return ls->kind == LISTEN_TCP;
}

/* --- empty ---------------------------------------------------------------------------------- */

/* Only a seat of its own can be emptied. */
static int
seat_fd(const struct worker *w, size_t i)
{
	const struct launch *la = w->generation->launch;
	const struct listener *ls = la->listeners[i];

	if (!is_tcp(ls) || ls->shape != LISTENER_STEERED)
		return -1;
	return listener_fd(ls, w->slot->index, w->seat);
}

static size_t
listeners_len(const struct worker *w)
{
	const struct launch *la = w->generation->launch;

	return la->listeners_len;
}

/* Once is enough to know that they can't be told here. */
static void
cannot_tell(int r)
{
	static bool was_told;

	if (!was_told)
		log_debug("handshakes_unknown", NULL,
		    "handshakes under way can't be told here (%s): leaving workers do not wait for "
		    "them",
		    strerror(-r));
	was_told = true;
}

/* What another watch has noted when this one had begun will do. */
static struct shakes *
get_shakes(const struct watch *x, const struct listener *ls, int fd)
{
	struct loop *l = x->l;
	struct shakes *s;

	DL_FOREACH (l->shakes, s) {
		if (s->ls != ls || s->noted_us < x->began_us + STEERED_US)
			continue;
		s->refs++;
		return s;
	}
	s = mem_calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->ls = ls;
	s->refs = 1;
	s->noted_us = clock_now_us();
	s->left = handshakes_note(fd, &s->list);
	if (s->left < 0)
		cannot_tell(s->left);
	else
		s->left = 1; /* or more, or none: the list may go on, are_left() asks */
	DL_APPEND(l->shakes, s);
	return s;
}

static void
note_handshakes(struct watch *x, const struct worker *w)
{
	const struct launch *la = w->generation->launch;

	x->noted = true;
	for (size_t i = 0; i < listeners_len(w); i++) {
		int fd = seat_fd(w, i);

		if (fd >= 0)
			x->shakes[i] = get_shakes(x, la->listeners[i], fd);
	}
}

static bool
are_left(struct shakes *s)
{
	uint64_t now_us = clock_now_us(), cpu_us = clock_cpu_us();

	if (!s || s->left <= 0)
		return false;
	if (now_us - s->asked_us < EMPTY_LOOK_MS * 1000 ||
	    now_us - s->asked_us < s->cost_us * COST_FACTOR)
		return true;
	s->asked_us = now_us;
	s->left = handshakes_left(&s->list);
	s->cost_us = clock_cpu_us() - cpu_us;
	if (s->left < 0)
		cannot_tell(s->left);
	return s->left > 0;
}

static bool
has_handshakes(const struct watch *x, const struct worker *w)
{
	for (size_t i = 0; i < listeners_len(w); i++)
		if (are_left(x->shakes[i]))
			return true;
	return false;
}

/* A queue holds what nobody will ever take, too: our own connections to a program that takes none,
 * and those whose client has gone. */
static bool
holds_no_client(int fd)
{
	return conns_waiting(fd) == 0;
}

static bool
is_empty(const struct worker *w)
{
	for (size_t i = 0; i < listeners_len(w); i++) {
		int fd = seat_fd(w, i);
		unsigned len = 0, limit;

		if (fd >= 0 && queue_length(fd, &len, &limit) == 0 && len > 0 &&
		    !holds_no_client(fd))
			return false;
	}
	return true;
}

/* The queues are looked at after the handshakes: one that was over by then is in a queue. */
static void
look_whether_empty(struct watch *x, const struct worker *w)
{
	uint64_t began_us = clock_now_us(), cpu_us = clock_cpu_us(), cost_ms;

	if (!x->noted)
		note_handshakes(x, w);
	if (!is_empty(w)) {
		x->empty_us = 0;
	} else if (x->empty_us == 0) {
		x->empty_us = began_us;
	} else if (began_us - x->empty_us >= EMPTY_FOR_US && !has_handshakes(x, w)) {
		if (is_empty(w)) {
			finish(x, false);
			return;
		}
		x->empty_us = 0;
	}
	cost_ms = (clock_cpu_us() - cpu_us) * COST_FACTOR / 1000;
	look_again(x, cost_ms > EMPTY_LOOK_MS ? cost_ms : EMPTY_LOOK_MS);
}

/* --- quiet ---------------------------------------------------------------------------------- */

/* A connection that the worker took a moment ago, on which nobody has spoken: its client was sent
 * here before the others were sent elsewhere, and its request is on its way (a round trip is enough,
 * which loopback hides). */
static bool
has_fresh(const struct quiet *q)
{
	for (size_t i = 0; i < q->seen_len; i++) {
		const struct quiet_conn *c = &q->seen[i];

		if (c->received == 0 && c->sent == 0 && c->heard_ms < FRESH_RTOS * c->rto_ms)
			return true;
	}
	return false;
}

static void
look_whether_quiet(struct watch *x, const struct worker *w)
{
	const struct launch *la = w->generation->launch;
	uint16_t ports[CONF_LISTENERS_MAX];
	uint64_t cost_us = 0, pause_ms;
	size_t len = 0;
	int busy;

	for (size_t i = 0; i < la->listeners_len; i++)
		if (is_tcp(la->listeners[i]))
			ports[len++] = la->listeners[i]->port;
	busy = len > 0 ? quiet_look(&x->quiet, w->pid, ports, len, &cost_us) : 0;
	if (busy < 0) {
		finish(x, true);
		return;
	}
	/* One that takes several calls says nothing before its end. */
	if (!x->quiet.look)
		x->quiet_looks = busy == 0 && !has_fresh(&x->quiet) ? x->quiet_looks + 1 : 0;
	if (x->quiet_looks >= QUIET_LOOKS || len == 0) {
		finish(x, false);
		return;
	}
	pause_ms = cost_us * COST_FACTOR / 1000 + 1;
	look_again(x, pause_ms > QUIET_LOOK_MS ? pause_ms : QUIET_LOOK_MS);
}

static void
on_timer(uv_timer_t *timer)
{
	struct watch *x = timer->data;
	const struct worker *w = core_find_worker(x->l->core, x->worker);

	if (!w || w->pid == 0) {
		end(x);
		return;
	}
	switch (x->kind) {
	case WATCH_EMPTY:
		look_whether_empty(x, w);
		break;
	case WATCH_QUIET:
		look_whether_quiet(x, w);
		break;
	case WATCH_NONE:
		end(x);
		break;
	}
}

/* --- begin and end -------------------------------------------------------------------------- */

void
watch_begin(struct loop *l, const struct action *a)
{
	struct proc *p = procs_find(l, a->worker);
	struct watch *x;

	if (!p)
		return; /* it died, of which the core will hear */
	watch_end(p);
	if (a->watch.kind == WATCH_NONE)
		return;
	x = mem_calloc(1, sizeof(*x));
	if (!x)
		return; /* the core's deadline stands */
	x->l = l;
	x->worker = a->worker;
	x->kind = a->watch.kind;
	x->began_us = clock_now_us();
	(void)uv_timer_init(&l->uv, &x->timer); /* cannot fail */
	x->timer.data = x;
	p->watch = x;
	look_again(x, x->kind == WATCH_EMPTY ? EMPTY_FIRST_MS : 0);
}

void
watch_end(struct proc *p)
{
	struct watch *x = p->watch;

	p->watch = NULL;
	if (x)
		end(x);
}
