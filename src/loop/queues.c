/*
 * queues: see the header. What is looked at, and how, is in lookout.c; here is when.
 *
 *     off    nobody looks: not steered and somebody is ready, or no TCP listener
 *     idle   all empty: the set is polled, no timer
 *     fast   1 ms: connections wait at a worker that takes them from its own socket alone
 *     slow   20 ms: they wait at workers on the ring, whom neighbours help, or where nobody takes
 *            them; the set stays polled if there are others. Where nothing comes or goes for five
 *            seconds (a worker that is stopped, a client that left without being taken), 500 ms
 *
 * While the tick is fast the set is not polled, so that a busy app costs one wake-up a tick and not
 * one a connection.
 *
 * The tick is a timerfd: libuv's timers know milliseconds, of which they round up each, and a stall
 * is three of them.
 */
#include "loop/queues.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "loop/guard.h"
#include "loop/lookout.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/rescue.h"
#include "loop/tell.h"
#include "sys/queue.h"

#define FAST_US     1000
#define SLOW_US     20000
#define STILL_US    500000
#define RESCUE_US   300 /* after a stall: handshakes that were under way when it was steered round */
#define STILL_TICKS 250 /* slow ones that saw no change */
#define EMPTY_TICKS 2 /* then it may sleep */
#define HURRY_TICKS 16 /* fast for so long after a change: a rescue may follow */
#define READERS_MAX 16 /* of one rescued queue */

enum mode { MODE_OFF, MODE_IDLE, MODE_FAST, MODE_SLOW };

struct app_queues {
	struct loop *l;
	char app[49];
	enum mode mode;
	struct lookout look;
	uv_poll_t poll; /* on its set */
	int timer_fd;
	long period_us; /* 0: it is off */
	uv_poll_t timer;
	unsigned handles;
	bool stale;
	unsigned ticks, empty_ticks, still_ticks;
	uint64_t waiting; /* at the last look */
	UT_hash_handle hh;
};

struct queues {
	struct app_queues *by_app;
	uv_prepare_t prepare; /* runs while something is stale */
	bool closed;
};

static void on_prepare(uv_prepare_t *h);
static void on_poll(uv_poll_t *h, int status, int events);
static void on_timer(uv_poll_t *timer, int status, int events);

int
queues_init(struct loop *l, struct err *e)
{
	struct queues *qs = mem_calloc(1, sizeof(*qs));

	if (!qs)
		return err_set(e, -ENOMEM, "out of memory");
	(void)uv_prepare_init(&l->uv, &qs->prepare); /* cannot fail */
	uv_unref((uv_handle_t *)&qs->prepare);
	l->queues = qs;
	return 0;
}

/* --- one app -------------------------------------------------------------------------------- */

static struct app_queues *
find(struct loop *l, const char *app)
{
	struct app_queues *q = NULL;

	if (l->queues)
		HASH_FIND(hh, l->queues->by_app, app, strlen(app), q);
	return q;
}

static void
app_free(struct app_queues *q)
{
	lookout_done(&q->look);
	fd_close(&q->timer_fd);
	mem_free(q);
}

static void
on_closed(uv_handle_t *h)
{
	struct app_queues *q = h->data;

	if (--q->handles == 0)
		app_free(q);
}

static void
close_handles(struct app_queues *q)
{
	uv_close((uv_handle_t *)&q->poll, on_closed);
	uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void
app_close(struct app_queues *q)
{
	HASH_DEL(q->l->queues->by_app, q);
	q->mode = MODE_OFF;
	close_handles(q);
}

static struct app_queues *
app_new(struct loop *l, const char *app)
{
	struct app_queues *q = mem_calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->l = l;
	snprintf(q->app, sizeof(q->app), "%s", app);
	q->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (lookout_init(&q->look) < 0 || q->timer_fd < 0 ||
	    uv_poll_init(&l->uv, &q->poll, q->look.epoll_fd) != 0) {
		app_free(q);
		return NULL;
	}
	q->poll.data = q->timer.data = q;
	q->handles = 1;
	if (uv_poll_init(&l->uv, &q->timer, q->timer_fd) != 0) {
		uv_close((uv_handle_t *)&q->poll, on_closed);
		return NULL;
	}
	q->handles = 2;
	(void)uv_poll_start(&q->timer, UV_READABLE, on_timer); /* cannot fail, as below */
	HASH_ADD_KEYPTR(hh, l->queues->by_app, q->app, strlen(q->app), q);
	if (q->hh.tbl)
		return q;
	close_handles(q);
	return NULL;
}

/* The next tick after first_us, then one each period_us; 0: none. */
static void
set_timer(struct app_queues *q, long first_us, long period_us)
{
	const struct itimerspec when = {
	    .it_value = {.tv_nsec = first_us * 1000},
	    .it_interval = {.tv_nsec = period_us * 1000},
	};

	q->period_us = period_us;
	(void)timerfd_settime(q->timer_fd, 0, &when, NULL);
}

static void
set_mode(struct app_queues *q, enum mode mode)
{
	bool polls = mode == MODE_IDLE || (mode == MODE_SLOW && q->look.any_takes);
	long period_us = SLOW_US;

	if (mode == MODE_FAST)
		period_us = FAST_US;
	else if (mode != MODE_SLOW)
		period_us = 0;
	else if (q->still_ticks >= STILL_TICKS)
		period_us = STILL_US;
	q->mode = mode;
	/* Either cannot fail on a descriptor that is polled by nobody else. */
	if (!polls)
		(void)uv_poll_stop(&q->poll);
	else if (!uv_is_active((uv_handle_t *)&q->poll))
		(void)uv_poll_start(&q->poll, UV_READABLE, on_poll);
	if (q->period_us != period_us)
		set_timer(q, period_us, period_us);
}

static void
settle(struct app_queues *q)
{
	const struct app *a = core_find_app(q->l->core, q->app);

	q->stale = false;
	if (!a) {
		app_close(q);
		return;
	}
	(void)uv_poll_stop(&q->poll); /* it may be another set after it */
	q->ticks = q->empty_ticks = q->still_ticks = 0;
	if (!lookout_settle(&q->look, q->l->launches->all, a))
		set_mode(q, MODE_OFF);
	else
		set_mode(q, q->look.any_takes ? MODE_FAST : MODE_SLOW);
}

static struct app_queues *
find_settled(struct loop *l, const char *app)
{
	struct app_queues *q = find(l, app);

	if (q && q->stale)
		settle(q);
	return find(l, app);
}

static void
on_prepare(uv_prepare_t *h)
{
	struct loop *l = h->loop->data;
	struct app_queues *q, *next;

	(void)uv_prepare_stop(h);
	HASH_ITER (hh, l->queues->by_app, q, next)
		if (q->stale)
			settle(q);
}

static void
make_stale(struct loop *l, const char *app, bool reopen)
{
	struct app_queues *q = find(l, app);

	if (!l->queues || l->queues->closed)
		return;
	if (!q && core_find_app(l->core, app))
		q = app_new(l, app);
	if (!q)
		return; /* it is not there, or there is no memory: it goes without */
	q->stale = true;
	q->look.reopen |= reopen;
	(void)uv_prepare_start(&l->queues->prepare, on_prepare); /* cannot fail with a callback */
}

void
queues_settle(struct loop *l, const char *app)
{
	make_stale(l, app, false);
}

void
queues_reopen(struct loop *l, const char *app)
{
	make_stale(l, app, true);
}

void
queues_forget(struct loop *l, const char *app)
{
	struct app_queues *q = find(l, app);

	if (q)
		app_close(q);
}

void
queues_done(struct loop *l)
{
	struct app_queues *q, *next;

	if (!l->queues)
		return;
	HASH_ITER (hh, l->queues->by_app, q, next)
		app_close(q);
	l->queues->closed = true;
	uv_close((uv_handle_t *)&l->queues->prepare, NULL);
}

void
queues_free(struct loop *l)
{
	mem_free(l->queues);
	l->queues = NULL;
}

/* --- the tick ------------------------------------------------------------------------------- */

static enum mode
next_mode(struct app_queues *q, uint64_t waiting, bool takes)
{
	bool any = waiting > 0;

	q->ticks = takes ? 0 : q->ticks + 1;
	q->empty_ticks = any ? 0 : q->empty_ticks + 1;
	q->still_ticks = waiting == q->waiting ? q->still_ticks + 1 : 0;
	q->waiting = waiting;
	if (q->empty_ticks >= EMPTY_TICKS)
		return MODE_IDLE;
	if (!q->look.any_takes)
		return MODE_SLOW;
	return takes || !any || q->ticks < HURRY_TICKS ? MODE_FAST : MODE_SLOW;
}

/* Who was found stalled in this step waits for its rescue, which a tick later is late. */
static void
hurry(struct app_queues *q)
{
	const struct app *a = core_find_app(q->l->core, q->app);

	for (unsigned i = 0; a && q->mode == MODE_FAST && i < a->slots_len; i++) {
		const struct worker *w = a->slots[i]->current;

		if (w && w->state == WORKER_STALLED && w->stalled_us == q->l->core->now_us) {
			set_timer(q, RESCUE_US, FAST_US);
			return;
		}
	}
}

static void
tell_core(struct app_queues *q)
{
	const struct app *a = core_find_app(q->l->core, q->app);
	struct event ev = {.kind = EVENT_QUEUES, .app = q->app};

	ev.queues.items = q->look.samples;
	ev.queues.len = a ? lookout_samples(&q->look, a->slots_len) : 0;
	if (ev.queues.len == 0)
		return;
	loop_step(q->l, &ev);
	hurry(q);
}

static void
tick(struct app_queues *q)
{
	uint64_t waiting;
	enum mode mode;
	bool takes;

	if (q->stale)
		settle(q);
	if (q->mode == MODE_OFF)
		return;
	waiting = lookout_look(&q->look, &takes);
	mode = next_mode(q, waiting, takes);
	if (mode != MODE_FAST)
		lookout_arm(&q->look);
	set_mode(q, mode);
	tell_core(q); /* the last: the app may be gone after it */
}

static void
on_timer(uv_poll_t *timer, int status, int events)
{
	struct app_queues *q = timer->data;
	uint64_t times;

	(void)status;
	(void)events;
	if (read(q->timer_fd, &times, sizeof(times)) == sizeof(times))
		tick(q);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct app_queues *q = h->data;

	(void)status;
	(void)events;
	q->empty_ticks = 0;
	tick(q);
}

/* --- rescue --------------------------------------------------------------------------------- */

static size_t
find_readers(const struct app *a, const struct listener *ls, unsigned slot, int fds[READERS_MAX])
{
	size_t n = 0;

	for (unsigned i = 1; i < a->slots_len + 1 && n < READERS_MAX; i++) {
		unsigned at = (slot + i) % a->slots_len;
		const struct worker *w = a->slots[at]->current;

		if (at != slot && w && w->state == WORKER_READY && at < listener_slots(ls))
			fds[n++] = listener_fd(ls, at, w->seat);
	}
	return n;
}

/* True: it was tried. */
static bool
flush(struct loop *l, const struct action *a, const struct app *app, struct listener *ls,
    unsigned *moved)
{
	unsigned slot = (unsigned)a->slot, len = 0, limit, i = 0;
	int fd = listener_fd(ls, slot, a->seat), readers[READERS_MAX];
	size_t n = find_readers(app, ls, slot, readers);

	if (n == 0 || queue_length(fd, &len, &limit) < 0 || len == 0)
		return false;
	while (ls->fds[i] != fd)
		i++;
	if (guard_flush(l, ls, i, readers, (unsigned)n) == 0)
		*moved += len;
	return true;
}

/* Once a stall, or once for what came late to a seat that nobody reads. */
static void
tell_rescue(
    struct app_queues *q, const struct action *a, const struct app *app, bool can, unsigned moved)
{
	const struct slot *s = (unsigned)a->slot < app->slots_len ? app->slots[a->slot] : NULL;
	const struct worker *w = s && s->current && s->current->seat == a->seat ? s->current : NULL;
	const struct log_who who = {
	    .app = q->app,
	    .slot = a->slot,
	    .pid = w ? w->pid : 0,
	    .generation = w ? w->generation->number : 0,
	};
	uint64_t now = s ? s->stalls + 1 : 1;

	if (w && w->state == WORKER_STALLED && !w->told)
		return; /* it stalls all the time */
	if (q->look.slots[a->slot].told == now)
		return;
	q->look.slots[a->slot].told = now;
	if (can)
		tell(q->l, LOG_LEVEL_INFO, "queue_rescued", &who,
		    "%u connections that waited at its socket were given to others", moved);
	else
		tell(q->l, LOG_LEVEL_INFO, "queue_stuck", &who,
		    "connections that wait at its socket stay there: net.ipv4.tcp_migrate_req is "
		    "off");
}

void
queues_rescue(struct loop *l, const struct action *a)
{
	struct app_queues *q = find_settled(l, a->app);
	const struct app *app = core_find_app(l->core, a->app);
	bool can = queue_can_migrate(), tried = false, by_hand = false;
	unsigned moved = 0;

	if (!q || !app || a->slot < 0 || (size_t)a->slot >= q->look.slots_len ||
	    q->look.looks_len == 0)
		return;
	for (size_t i = 0; i < q->look.listeners_len; i++) {
		struct listener *ls = q->look.listeners[i];

		if (ls->shape != LISTENER_STEERED || (unsigned)a->slot >= listener_slots(ls))
			continue;
		if (rescue_is_possible(l, a->app, ls)) {
			moved += rescue_seat(l, a->app, ls, (unsigned)a->slot, a->seat);
			by_hand = true;
		} else if (can) {
			tried |= flush(l, a, app, ls, &moved);
		}
	}
	if (tried || by_hand)
		q->look.slots[a->slot].flushes++;
	q->look.slots[a->slot].rescued += moved;
	if ((!can && !by_hand) || moved > 0)
		tell_rescue(q, a, app, can || by_hand, moved);
}

void
queues_rescued(struct loop *l, const char *app, unsigned slot, unsigned count)
{
	struct app_queues *q = find(l, app);

	if (!q || slot >= q->look.slots_len)
		return;
	q->look.slots[slot].rescued += count;
	q->look.slots[slot].flushes++; /* one of them may have been a probe */
}

/* --- what others want to know --------------------------------------------------------------- */

static void
add_queue(struct slot_queue *ret, int fd)
{
	unsigned len = 0, limit = 0;

	if (queue_length(fd, &len, &limit) < 0)
		return;
	ret->now += len;
	if (limit > 0 && (ret->limit == 0 || limit < ret->limit))
		ret->limit = limit;
}

bool
queues_report(struct loop *l, const char *app, unsigned slot, struct slot_queue *ret)
{
	struct app_queues *q = find_settled(l, app);
	bool known = false;

	*ret = (struct slot_queue){0};
	if (!q || slot >= q->look.slots_len)
		return false;
	for (size_t i = 0; i < q->look.listeners_len; i++) {
		const struct listener *ls = q->look.listeners[i];

		if (ls->shape == LISTENER_ONE || slot >= listener_slots(ls))
			continue;
		known = true;
		add_queue(ret, listener_fd(ls, slot, 0));
		if (ls->shape == LISTENER_STEERED)
			add_queue(ret, listener_fd(ls, slot, 1));
	}
	if (ret->now > q->look.slots[slot].most)
		q->look.slots[slot].most = ret->now;
	ret->most = q->look.slots[slot].most;
	ret->rescued = q->look.slots[slot].rescued;
	return known;
}

void
queues_own(struct loop *l, const char *app, unsigned slot, unsigned seat, int change)
{
	struct app_queues *q = find_settled(l, app);
	size_t at = 2 * (size_t)slot + seat;

	if (!q || at >= 2 * q->look.slots_len)
		return;
	if (change > 0)
		q->look.seats[at].own++;
	else if (q->look.seats[at].own > 0)
		q->look.seats[at].own--;
}

uint64_t
queues_flushes(struct loop *l, const char *app, unsigned slot)
{
	const struct app_queues *q = find(l, app);

	return q && slot < q->look.slots_len ? q->look.slots[slot].flushes : 0;
}
