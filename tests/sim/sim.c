/*
 * sim: see sim.h. Order of the file: randomness, the agenda of things to come, processes, the
 * performing of actions, operators, what is checked after each step, a life.
 */
#include "sim.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/cluster.h"

#define APPS_MAX     3
#define PROCS_MAX    4096
#define REQUESTS_MAX 512
#define LAUNCHES_MAX 512
#define AGENDA_MAX   16384
#define SLOTS_MAX    16
#define SPARES_MAX   3
#define MS           1000ull
#define SEC          1000000ull

/* How the workers of one generation behave. */
enum temper {
	TEMPER_GOOD,
	TEMPER_CRASHES_AT_BOOT,
	TEMPER_NEVER_READY,
	TEMPER_FLAKY, /* dies now and then after ready */
	TEMPER_NOT_FOUND,
	TEMPER_STUBBORN, /* ignores the stop signal, often the abort signal too */
	TEMPER_QUITS, /* exits 0 after a while */
	TEMPER_PERMANENT, /* exits with a code that forbids a restart */
	TEMPER_DAEMON,
	TEMPER_ONE_BAD_SLOT, /* crashes at boot in one slot only */
	TEMPER_MAX,
};

/* A launch cookie: what the loop would keep for a generation. */
struct launch {
	bool live; /* given to the core and not given back */
	unsigned index;
	enum temper temper;
	unsigned bad_slot; /* TEMPER_ONE_BAD_SLOT */
	bool intact;
	bool node; /* its workers ask before they listen */
	struct conf_app conf;
};

struct proc {
	worker_id worker;
	pid_t pid;
	bool alive;
	bool speaks, unkillable;
	bool ever_ready;
	unsigned seat;
	uint64_t stalls_from, stalls_to; /* takes nothing, answers no ping */
	uint64_t word_us; /* says so often by itself that it is alive; 0 = never */
	uint64_t said_us; /* when it last did; 0 = never did */
	bool ring_given, ring_joined, ring_cut;
	bool emptied, quiet; /* what ACTION_WATCH was told */
	bool cut; /* ACTION_WATCH asked for it */
	bool asked, answered; /* of Node: it called listen(), and was told to go on */
	bool deaf; /* closed its channel */
	bool late; /* says that it is ready in other ways, too, but only when it listens */
	char app[49];
	unsigned slot; /* of a spare: its number */
	unsigned number;
	struct launch *launch;
};

struct planned {
	uint64_t at;
	uint64_t order; /* keeps what was planned first first */
	struct event ev;
	int proc; /* index of a process that must still be alive, or -1 */
};

/* What is known about a slot from outside, to judge restarts by. */
struct slot_watch {
	uint64_t boot_death_at; /* 0 = none since an operator acted */
	uint64_t least_delay_us;
	unsigned generation;
	uint64_t deaths[16]; /* before ready, of this generation, in a row */
	unsigned deaths_len;
};

/* A slot whose worker is about to die while a spare is parked. */
struct worker_watch {
	const char *app; /* NULL: nobody */
	unsigned slot, seat;
	unsigned generation;
	bool final; /* its worker's end is one that no other follows */
	bool read; /* one that is led out still takes what comes to that seat */
};

struct sim {
	uint64_t rng, now, order;
	struct core *core;
	struct action_list actions;
	struct planned *agenda;
	size_t agenda_len;
	struct proc *procs;
	int procs_len;
	struct launch *launches[LAUNCHES_MAX];
	unsigned launches_len;
	request_id asked, answered_count;
	bool answered[REQUESTS_MAX];
	struct slot_watch watch[APPS_MAX][64];
	struct slot_watch spare_watch[APPS_MAX][SPARES_MAX]; /* by place */
	const char *names[APPS_MAX];
	unsigned apps;
	struct sim_coverage *cov;
	FILE *log;
	const char *wrong;
	bool ended;
	int exit_code;
	bool steered[APPS_MAX], node[APPS_MAX];
	struct worker_watch taker; /* who must be a slot's worker after this step */
	unsigned queue[APPS_MAX][SLOTS_MAX][2]; /* connections that wait at a seat */
	uint64_t traffic_to[APPS_MAX];
	bool migrates; /* a rescue moves what waits */
	bool quiet_since_rollout[APPS_MAX]; /* nothing died and nobody interfered */
	bool disturbed[APPS_MAX]; /* in this step */
	unsigned ready_at_start[APPS_MAX], ready_before[APPS_MAX];
	bool failed_now[APPS_MAX]; /* a rollout failed in this step */
	enum rollout_state rollout_before[APPS_MAX];
	uint64_t stop_bound_us;
	bool short_of_memory; /* a life in which allocations fail often */
	bool stood_still; /* this step comes after a standstill */
	uint64_t stepped_at;
	bool calm; /* no faults of memory or fork any more */
};

static const char *
wrong(struct sim *s, const char *what)
{
	if (!s->wrong)
		s->wrong = what;
	return what;
}

static void
say(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (!s->log)
		return;
	fprintf(s->log, "%10.3f ", (double)s->now / 1e3);
	va_start(ap, fmt);
	vfprintf(s->log, fmt, ap);
	va_end(ap);
	fputc('\n', s->log);
}

/* --- randomness ---------------------------------------------------------------------------- */

static uint32_t
rnd(struct sim *s, uint32_t n)
{
	s->rng += 0x9e3779b97f4a7c15ull;
	uint64_t z = s->rng;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ (z >> 31)) % n);
}

static bool
chance(struct sim *s, uint32_t percent)
{
	return rnd(s, 100) < percent;
}

/* --- the agenda ---------------------------------------------------------------------------- */

static bool
comes_before(const struct planned *a, const struct planned *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void
plan(struct sim *s, uint64_t in_us, const struct event *ev, int proc)
{
	size_t i = s->agenda_len;

	if (s->agenda_len == AGENDA_MAX) {
		wrong(s, "the simulator's agenda is full");
		return;
	}
	s->agenda[i] =
	    (struct planned){.at = s->now + in_us, .order = s->order++, .ev = *ev, .proc = proc};
	s->agenda_len++;
	for (; i > 0 && comes_before(&s->agenda[i], &s->agenda[(i - 1) / 2]); i = (i - 1) / 2) {
		struct planned t = s->agenda[i];

		s->agenda[i] = s->agenda[(i - 1) / 2];
		s->agenda[(i - 1) / 2] = t;
	}
}

static struct planned
take_first(struct sim *s)
{
	struct planned first = s->agenda[0];
	size_t i = 0, child;

	s->agenda[0] = s->agenda[--s->agenda_len];
	while ((child = 2 * i + 1) < s->agenda_len) {
		struct planned t;

		if (child + 1 < s->agenda_len &&
		    comes_before(&s->agenda[child + 1], &s->agenda[child]))
			child++;
		if (!comes_before(&s->agenda[child], &s->agenda[i]))
			break;
		t = s->agenda[i];
		s->agenda[i] = s->agenda[child];
		s->agenda[child] = t;
		i = child;
	}
	return first;
}

/* --- launches ------------------------------------------------------------------------------ */

static void
random_conf(struct sim *s, struct conf_app *c, const char *name)
{
	static const enum conf_ready ready[] = {READY_AUTO, READY_NOTIFY, READY_CHANNEL, READY_FD,
	    READY_DELAY, READY_TCP, READY_HTTP, READY_AUTO};
	static const enum conf_balance balance[] = {
	    BALANCE_EVEN, BALANCE_EVEN, BALANCE_STICKY, BALANCE_CPU};

	memset(c, 0, sizeof(*c));
	c->name = (char *)name;
	c->ready = ready[rnd(s, 8)];
	c->compat = chance(s, 10) ? COMPAT_EINHORN : COMPAT_NONE;
	c->balance = balance[rnd(s, 4)];
	c->drain = (enum conf_drain)rnd(s, DRAIN_MAX);
	c->stall_after_ms = 1 + rnd(s, 5);
	c->watchdog_ms = chance(s, 40) ? 50 + rnd(s, 3000) : 0;
	c->probe_path = chance(s, 30) ? (char *)"/healthz" : NULL;
	c->probe_interval_ms = 100 + rnd(s, 2000);
	c->probe_timeout_ms = 50 + rnd(s, 500);
	c->probe_failures = 1 + rnd(s, 3);
	c->ready_delay_ms = rnd(s, 3) * 200;
	c->ready_timeout_ms = 500 + rnd(s, 4000);
	c->stop_signal = SIGTERM;
	c->abort_signal = SIGABRT;
	c->drain_delay_ms = chance(s, 30) ? rnd(s, 2000) : 0;
	c->stop_timeout_ms = rnd(s, 3000);
	c->abort_timeout_ms = chance(s, 80) ? rnd(s, 1000) : 0;
	c->restart =
	    chance(s, 80) ? RESTART_ALWAYS : (chance(s, 50) ? RESTART_ON_FAILURE : RESTART_NEVER);
	c->no_restart_codes[42] = 1;
	c->restart_delay_ms = 50 + rnd(s, 200);
	c->restart_delay_max_ms = c->restart_delay_ms * (1 + rnd(s, 30));
	c->restart_limit = chance(s, 85) ? 2 + rnd(s, 8) : 0;
	c->restart_window_ms = 1000 + rnd(s, 60000);
	c->crash_burst = rnd(s, 6);
	c->crash_refill_ms = 500 + rnd(s, 3000);
	c->max_surge = rnd(s, 3);
	c->max_unavailable = rnd(s, 2);
	if (c->max_surge + c->max_unavailable == 0)
		c->max_surge = 1;
	c->max_generations = 2 + rnd(s, 2);
}

static void
random_node_conf(struct sim *s, struct conf_app *c)
{
	static const enum conf_ready ready[] = {READY_AUTO, READY_AUTO, READY_LISTENING,
	    READY_LISTENING, READY_CHANNEL, READY_DELAY, READY_HTTP, READY_TCP};

	c->ready = ready[rnd(s, 8)];
	c->spares = chance(s, 75) ? 1 + rnd(s, SPARES_MAX) : 0;
	c->listen_len = chance(s, 50);
}

static int
app_index(struct sim *s, const char *name)
{
	for (unsigned i = 0; i < s->apps; i++)
		if (strcmp(s->names[i], name) == 0)
			return (int)i;
	return -1;
}

static struct launch *
launch_new(struct sim *s, const char *name)
{
	struct launch *l;

	if (s->launches_len == LAUNCHES_MAX)
		return NULL;
	l = calloc(1, sizeof(*l));
	l->index = s->launches_len;
	l->live = true;
	l->intact = chance(s, 75);
	l->bad_slot = rnd(s, 5);
	l->temper = chance(s, 55) ? TEMPER_GOOD : (enum temper)rnd(s, TEMPER_MAX);
	random_conf(s, &l->conf, name);
	l->node = app_index(s, name) >= 0 && chance(s, s->node[app_index(s, name)] ? 90 : 5);
	if (l->node)
		random_node_conf(s, &l->conf);
	s->launches[s->launches_len++] = l;
	return l;
}

/* --- processes ----------------------------------------------------------------------------- */

static struct event
event_of(enum event_kind kind, worker_id w)
{
	struct event ev = {.kind = kind, .worker = w};

	return ev;
}

static void
plan_exit(struct sim *s, int i, uint64_t in_us, int code, int sig)
{
	struct event ev = event_of(EVENT_EXITED, s->procs[i].worker);

	ev.exited.code = sig ? -1 : code;
	ev.exited.signal = sig;
	ev.exited.core_dumped = sig && chance(s, 20);
	ev.exited.oom = sig == SIGKILL && chance(s, 5);
	plan(s, in_us, &ev, i);
}

static void
plan_ready(struct sim *s, int i, uint64_t in_us)
{
	static const enum ready_by by[] = {READY_BY_NOTIFY, READY_BY_CHANNEL, READY_BY_FD};
	struct event ev = event_of(EVENT_READY, s->procs[i].worker);

	if (s->procs[i].speaks) {
		struct event spoke = event_of(EVENT_SPOKE, s->procs[i].worker);

		plan(s, in_us > 5 ? in_us - 5 : 0, &spoke, i);
	}
	for (unsigned k = 0; k < 3; k++) {
		ev.ready.by = by[k];
		plan(s, in_us + k, &ev, i);
	}
}

static void
plan_ring(struct sim *s, int i, uint64_t in_us)
{
	struct event ev = event_of(EVENT_RING, s->procs[i].worker);

	ev.ring.neighbours = chance(s, 20) ? 3 : 0;
	plan(s, in_us, &ev, i);
}

/* Things that a worker may say or do at any time, rightly or not. */
static void
plan_noise(struct sim *s, int i)
{
	static const enum event_kind kinds[] = {EVENT_STOPPING, EVENT_REPLACE, EVENT_PROTOCOL_FAULT,
	    EVENT_CHANNEL_CLOSED, EVENT_EXTEND, EVENT_READY, EVENT_SPOKE, EVENT_RING, EVENT_ALIVE,
	    EVENT_EMPTIED, EVENT_QUIET, EVENT_INTERVAL, EVENT_TRIGGER};
	struct event ev = event_of(kinds[rnd(s, 13)], s->procs[i].worker);

	if (ev.kind == EVENT_EXTEND)
		ev.extend.us = rnd(s, 3) * SEC;
	else if (ev.kind == EVENT_INTERVAL)
		ev.interval.us = rnd(s, 3000) * MS;
	else if (ev.kind == EVENT_READY)
		ev.ready.by = READY_BY_CHANNEL;
	else if (ev.kind == EVENT_REPLACE || ev.kind == EVENT_PROTOCOL_FAULT)
		ev.text.reason = "noise";
	plan(s, rnd(s, 8000) * MS, &ev, i);
}

/* So often that it is always in time, but when it stalls. */
static void
plan_words(struct sim *s, int i, uint64_t in_us)
{
	struct event ev = event_of(EVENT_ALIVE, s->procs[i].worker);
	uint64_t watchdog_us = s->procs[i].launch->conf.watchdog_ms * MS;

	if (watchdog_us < 500 * MS || !chance(s, 40))
		return;
	s->procs[i].word_us = watchdog_us / 100 * (40 + rnd(s, 60));
	ev.alive.unasked = true;
	plan(s, in_us, &ev, i);
}

/* One of Node's: whether it listens is for the master to say. Some never do. */
static void
plan_listen(struct sim *s, int i, uint64_t boot)
{
	struct event ev = event_of(EVENT_ASKED, s->procs[i].worker);

	if (chance(s, 95))
		plan(s, boot, &ev, i);
	if (chance(s, 20))
		plan(s, boot + rnd(s, 1000) * MS, &ev, i); /* another server */
	ev.kind = EVENT_CHANNEL_CLOSED;
	if (chance(s, 3))
		plan(s, boot + rnd(s, 5000) * MS, &ev, i);
	s->procs[i].late = chance(s, 70);
	if (!s->procs[i].late)
		plan_ready(s, i, boot > 50 * MS ? boot - 50 * MS : 0);
	plan_words(s, i, boot);
	if (chance(s, 10))
		plan_noise(s, i);
}

static void
plan_life(struct sim *s, int i)
{
	struct proc *p = &s->procs[i];
	struct event ev;
	uint64_t boot = (1 + rnd(s, 400)) * MS;

	p->speaks = chance(s, 50);
	if (chance(s, 25)) {
		p->stalls_from = s->now + boot + rnd(s, 3000) * MS;
		p->stalls_to = p->stalls_from + (1 + rnd(s, chance(s, 70) ? 300 : 8000)) * MS;
	}
	p->unkillable = chance(s, 1) && chance(s, 30);
	if (p->launch->temper == TEMPER_ONE_BAD_SLOT && p->slot == p->launch->bad_slot) {
		plan_exit(s, i, rnd(s, 300) * MS, 1, 0);
		return;
	}
	switch (p->launch->temper) {
	case TEMPER_CRASHES_AT_BOOT:
		plan_exit(s, i, rnd(s, 300) * MS, 1, chance(s, 30) ? SIGSEGV : 0);
		return;
	case TEMPER_NOT_FOUND:
		ev = event_of(EVENT_EXEC_FAILED, p->worker);
		ev.exec_failed.error = ENOENT;
		ev.exec_failed.stage = "exec";
		plan(s, 200, &ev, i);
		plan_exit(s, i, 300, 127, 0);
		return;
	case TEMPER_DAEMON:
		ev = event_of(EVENT_EXITED, p->worker);
		ev.exited.daemonised = true;
		plan(s, rnd(s, 100) * MS, &ev, i);
		return;
	case TEMPER_NEVER_READY:
		return;
	case TEMPER_FLAKY:
		plan_exit(s, i, boot + rnd(s, 5000) * MS, 3, chance(s, 50) ? SIGSEGV : 0);
		break;
	case TEMPER_QUITS:
		plan_exit(s, i, boot + rnd(s, 5000) * MS, 0, 0);
		break;
	case TEMPER_PERMANENT:
		plan_exit(s, i, boot + rnd(s, 5000) * MS, 42, 0);
		break;
	case TEMPER_GOOD:
	case TEMPER_STUBBORN:
	case TEMPER_ONE_BAD_SLOT:
	case TEMPER_MAX:
		break;
	}
	if (p->launch->node) {
		plan_listen(s, i, boot);
		return;
	}
	if (p->speaks && chance(s, 60))
		plan_ring(s, i, chance(s, 85) ? boot / 2 : boot + rnd(s, 500) * MS);
	plan_ready(s, i, boot);
	plan_words(s, i, boot - boot / 4);
	if (chance(s, 10))
		plan_noise(s, i);
}

/* From here on a ready worker may be missing for other reasons than a rollout. */
static void
disturb(struct sim *s, int app)
{
	s->quiet_since_rollout[app] = false;
	s->disturbed[app] = true;
}

static int
find_proc(struct sim *s, pid_t pid)
{
	for (int i = s->procs_len - 1; i >= 0; i--)
		if (s->procs[i].pid == pid)
			return i;
	return -1;
}

/* --- actions ------------------------------------------------------------------------------- */

static struct launch *
cookie(struct sim *s, void *p)
{
	for (unsigned i = 0; i < s->launches_len; i++)
		if (s->launches[i] == p)
			return s->launches[i];
	wrong(s, "an action carries a cookie that nobody gave");
	return NULL;
}

/* What is known about where a worker is: a slot, or a spare's place. */
static struct slot_watch *
watch_of(struct sim *s, const struct worker *w)
{
	int app = app_index(s, w->app->name);

	for (unsigned i = 0; w->slot->spare && i < w->app->spares_len && i < SPARES_MAX; i++)
		if (w->app->spares[i] == w->slot)
			return &s->spare_watch[app][i];
	return w->slot->index < 64 ? &s->watch[app][w->slot->index] : NULL;
}

/* A start after a death before ready must have waited. */
static void
judge_restart(struct sim *s, const struct action *a)
{
	struct slot_watch *w = watch_of(s, core_find_worker(s->core, a->worker));

	if (!w)
		return;
	if (w->generation != a->generation)
		w->deaths_len = 0; /* another program: a clean sheet */
	if (w->boot_death_at != 0 && w->generation == a->generation &&
	    s->now < w->boot_death_at + w->least_delay_us)
		wrong(s, "a slot was started again too early after a death before ready");
}

/* A number for itself; those beyond the slots are for spares, which come last. */
static void
judge_number(struct sim *s, const struct action *a, const struct launch *l)
{
	const struct worker *w = core_find_worker(s->core, a->worker), *other;
	const struct app *app = w->app;
	bool fresh = w->slot->spare && w->since_us == s->now; /* else its fork is tried again */

	if (!l->node && a->spawn.number != (unsigned)a->slot)
		wrong(s, "a worker has another number than its slot");
	if (fresh && a->spawn.number < app->slots_len)
		wrong(s, "a spare has the number of a slot");
	if (fresh && app->rollout.state != ROLLOUT_NONE)
		wrong(s, "a spare is started while a rollout runs");
	for (unsigned i = 0; fresh && i < app->target_len; i++)
		if (app->slots[i]->state == SLOT_STARTING)
			wrong(s, "a spare is started before the slots are");
	for (int i = 0; i < s->procs_len; i++) {
		const struct proc *p = &s->procs[i];

		if (!p->alive || p->launch != l || p->number != a->spawn.number)
			continue;
		other = core_find_worker(s->core, p->worker);
		if (other && other->cause == CAUSE_NONE && other->slot != w->slot)
			wrong(s, "two workers have one number");
	}
}

static void
on_spawn(struct sim *s, const struct action *a)
{
	struct launch *l = cookie(s, a->launch);
	struct event ev = event_of(EVENT_SPAWNED, a->worker);
	struct proc *p = &s->procs[s->procs_len];

	s->cov->spawns++;
	judge_restart(s, a);
	if (l)
		judge_number(s, a, l);
	if (l && !l->live)
		wrong(s, "a spawn uses a generation that was given back");
	if (s->procs_len == PROCS_MAX) {
		wrong(s, "thousands of processes: a hot loop");
		return;
	}
	if (!s->calm && chance(s, 3)) {
		ev.kind = EVENT_SPAWN_FAILED;
		ev.spawn_failed.transient = chance(s, 85);
		ev.spawn_failed.error = ev.spawn_failed.transient ? EAGAIN : EINVAL;
		ev.spawn_failed.what = "fork";
		plan(s, rnd(s, 2), &ev, -1);
		return;
	}
	memset(p, 0, sizeof(*p));
	p->worker = a->worker;
	p->pid = 1000 + s->procs_len;
	p->alive = true;
	p->launch = l;
	p->slot = (unsigned)a->slot;
	p->number = a->spawn.number;
	p->seat = a->seat;
	if (a->seat > 1 || (a->seat == 1 && !s->steered[app_index(s, a->app)]))
		wrong(s, "a worker holds a seat that is not there");
	memcpy(p->app, a->app, sizeof(p->app));
	ev.spawned.pid = p->pid;
	plan(s, chance(s, 20) ? rnd(s, 2000) : 0, &ev, s->procs_len);
	/* What the process does can only be seen after its birth was told. */
	s->procs_len++;
}

/* A worker that is led out gets its stop signal when nothing waits at its seat and, where the master
 * waits for that, no request is inside; or when its time is over. */
static void
judge_stop(struct sim *s, const struct proc *p, const struct action *a)
{
	const struct worker *w = core_find_worker(s->core, p->worker);
	const struct conf_app *conf = &p->launch->conf;

	if (!w || a->signal.signal != SIGTERM || w->cause == CAUSE_NONE ||
	    w->step != LEAVE_SIGNALLED || !p->cut || s->core->shutdown >= SHUTDOWN_QUICK ||
	    s->now >= w->asked_us + conf->stop_timeout_ms * MS)
		return;
	if (!p->emptied)
		wrong(s, "a stop signal while connections wait at the worker's seat");
	if (!p->quiet && (conf->drain == DRAIN_QUIET ||
	                     (conf->drain == DRAIN_AUTO && !w->speaks && !p->launch->node)))
		wrong(s, "a stop signal while a request is inside the worker");
}

static void
on_signal_action(struct sim *s, const struct action *a)
{
	int i = find_proc(s, a->pid);
	struct proc *p;
	bool stubborn;

	if (i < 0 || a->pid <= 0) {
		wrong(s, "a signal to a process that never was");
		return;
	}
	p = &s->procs[i];
	if (!p->alive) {
		wrong(s, "a signal to a process that was reaped");
		return;
	}
	stubborn = p->launch->temper == TEMPER_STUBBORN;
	judge_stop(s, p, a);
	if (a->signal.signal == SIGKILL) {
		if (!p->unkillable)
			plan_exit(s, i, rnd(s, 5) * MS, 0, SIGKILL);
	} else if (a->signal.signal == SIGABRT) {
		if (!stubborn || chance(s, 50))
			plan_exit(s, i, rnd(s, 100) * MS, 0, SIGABRT);
	} else if (!stubborn) {
		plan_exit(
		    s, i, rnd(s, chance(s, 70) ? 200 : 4000) * MS, 0, chance(s, 20) ? SIGTERM : 0);
	}
}

/* Its channel is closed last; some live on then, some never come so far. */
static void
drain_node(struct sim *s, int i)
{
	struct event ev = event_of(EVENT_CHANNEL_CLOSED, s->procs[i].worker);
	uint64_t in_us = rnd(s, chance(s, 80) ? 300 : 4000) * MS;

	if (chance(s, 10))
		return;
	plan(s, in_us, &ev, i);
	if (s->procs[i].launch->temper != TEMPER_STUBBORN && chance(s, 85))
		plan_exit(s, i, in_us + rnd(s, 20) * MS, 0, 0);
}

static void
on_drain(struct sim *s, const struct action *a)
{
	int i = find_proc(s, a->pid);
	struct event ev = event_of(EVENT_STOPPING, a->worker);

	if (i < 0 || !s->procs[i].alive) {
		wrong(s, "a drain request to a process that is not there");
		return;
	}
	if (s->procs[i].ring_joined && !s->procs[i].ring_cut)
		wrong(s, "a worker is told to drain that still reads its neighbours' sockets");
	if (s->procs[i].launch->node) {
		drain_node(s, i);
		return;
	}
	if (chance(s, 20))
		return;
	plan(s, rnd(s, 20) * MS, &ev, i);
	if (s->procs[i].launch->temper != TEMPER_STUBBORN)
		plan_exit(s, i, (20 + rnd(s, chance(s, 80) ? 200 : 4000)) * MS, 0, 0);
}

static struct proc *
proc_of(struct sim *s, const struct action *a, const char *otherwise)
{
	for (int i = s->procs_len - 1; i >= 0; i--)
		if (s->procs[i].worker == a->worker && s->procs[i].alive)
			return &s->procs[i];
	wrong(s, otherwise);
	return NULL;
}

static void
on_answer(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "listen() of a process is answered that is not there");
	struct event ev = event_of(EVENT_READY, a->worker);
	uint64_t in_us = rnd(s, chance(s, 90) ? 20 : 2000) * MS;

	if (!p)
		return;
	if (!p->asked)
		wrong(s, "listen() is answered that was not called");
	if (p->answered)
		wrong(s, "listen() is answered twice");
	if (p->deaf)
		wrong(s, "listen() is answered where nobody can hear it");
	if (core_find_worker(s->core, a->worker)->slot->spare)
		wrong(s, "a spare is told to listen");
	p->answered = true;
	p->slot = (unsigned)a->slot;
	p->seat = a->seat;
	ev.ready.by = READY_BY_LISTENING;
	plan(s, in_us, &ev, (int)(p - s->procs));
	if (p->late)
		plan_ready(s, (int)(p - s->procs), in_us);
}

static bool
is_stalled(const struct sim *s, const struct proc *p)
{
	return s->now >= p->stalls_from && s->now < p->stalls_to;
}

static void
on_ring_action(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "a wait set for a process that is not there");

	if (!p)
		return;
	if (a->kind == ACTION_RING_GIVE && p->ring_given)
		wrong(s, "a wait set was given twice");
	if (a->kind == ACTION_RING_JOIN && (!p->ring_given || p->ring_joined))
		wrong(s, "a worker joins the ring twice, or without a set");
	if (a->kind == ACTION_RING_CUT && !p->ring_given)
		wrong(s, "a worker is cut off that has no set");
	p->ring_given |= a->kind == ACTION_RING_GIVE;
	p->ring_joined |= a->kind == ACTION_RING_JOIN;
	p->ring_cut |= a->kind == ACTION_RING_CUT;
}

static void
on_kick(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "a kick for a process that is not there");
	int app = app_index(s, a->app);

	if (!p || app < 0 || a->slot < 0 || a->slot >= SLOTS_MAX || a->seat > 1)
		return;
	if (!p->ring_joined || p->ring_cut)
		wrong(s, "a kick for a worker that is not on the ring");
	if ((int)p->slot != a->slot && core_find_app(s->core, a->app) &&
	    core_find_app(s->core, a->app)->generation->conf->balance == BALANCE_STICKY)
		wrong(s, "a sticky client is given to another slot");
	if (!is_stalled(s, p))
		s->queue[app][a->slot][a->seat] = 0;
}

static void
on_rescue(struct sim *s, const struct action *a)
{
	const struct app *app = core_find_app(s->core, a->app);
	int i = app_index(s, a->app);

	if (i < 0 || a->slot < 0 || a->slot >= SLOTS_MAX || a->seat > 1)
		return;
	for (unsigned k = 0; app && k < app->steer.len; k++)
		if (app->steer.seats[k].slot == a->slot && app->steer.seats[k].seat == a->seat &&
		    !app->steer_stale)
			wrong(s, "a queue is given away that is steered to");
	if (s->migrates)
		s->queue[i][a->slot][a->seat] = 0;
}

static void
on_watch(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "a process is watched that is not there");
	struct event ev = event_of(
	    a->watch.kind == WATCH_EMPTY ? EVENT_EMPTIED : EVENT_QUIET, a->worker);

	if (!p || a->watch.kind == WATCH_NONE)
		return;
	p->cut = true;
	if (chance(s, 10))
		return; /* never: a deadline has to end it */
	ev.quiet.unknown = a->watch.kind == WATCH_QUIET && chance(s, 5);
	plan(s, rnd(s, chance(s, 80) ? 30 : 2000) * MS, &ev, (int)(p - s->procs));
}

/* A probe finds what is there: a worker that boots well, or one that stalls until it does not. */
static void
on_probe(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "a process is probed that is not there");
	struct event ev = event_of(EVENT_PROBED, a->worker);
	uint64_t in_us;

	if (!p || a->probe.kind == PROBE_NONE)
		return;
	in_us = (1 + rnd(s, 300)) * MS;
	if (p->stalls_to > s->now + in_us)
		in_us = p->stalls_to - s->now;
	ev.probed.kind = a->probe.kind;
	ev.probed.ok = true;
	ev.probed.what = "200 OK";
	if (a->probe.kind == PROBE_HEALTH) {
		ev.probed.ok = chance(s, 70);
		in_us = rnd(s, (uint32_t)p->launch->conf.probe_timeout_ms + 1) * MS;
	} else if (p->launch->temper == TEMPER_NEVER_READY) {
		return;
	}
	ev.probed.unknown = chance(s, 3);
	plan(s, in_us, &ev, (int)(p - s->procs));
}

static void
on_ping(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "a ping to a process that is not there");
	struct event ev = event_of(EVENT_ALIVE, a->worker);

	if (p)
		plan(s, is_stalled(s, p) ? p->stalls_to - s->now : rnd(s, 20) * MS, &ev,
		    (int)(p - s->procs));
}

static void
on_verify(struct sim *s, const struct action *a)
{
	struct launch *l = cookie(s, a->launch);
	struct event ev = event_of(EVENT_VERIFIED, 0);

	if (!l)
		return;
	if (!l->live)
		wrong(s, "a generation is verified that was given back");
	ev.app = s->names[app_index(s, a->app)];
	ev.verified.intact = l->intact;
	ev.verified.what = "app.js";
	plan(s, 0, &ev, -1);
}

static void
on_forget(struct sim *s, const struct action *a)
{
	struct launch *l = cookie(s, a->launch);

	if (!l)
		return;
	if (!l->live)
		wrong(s, "a generation was given back twice");
	l->live = false;
	for (int i = 0; i < s->procs_len; i++)
		if (s->procs[i].alive && s->procs[i].launch == l)
			wrong(s, "a generation was given back while a process of it lives");
}

static void
on_reply(struct sim *s, const struct action *a)
{
	if (a->reply.request == 0 || a->reply.request > s->asked)
		wrong(s, "an answer to a request that nobody made");
	else if (s->answered[a->reply.request % REQUESTS_MAX])
		wrong(s, "a request was answered twice");
	else
		s->answered[a->reply.request % REQUESTS_MAX] = true;
	s->answered_count++;
}

/* When a worker that says by itself that it is alive is late. */
static uint64_t
late_from(const struct proc *p, const struct worker *w)
{
	uint64_t from = p->said_us > w->ready_us ? p->said_us : w->ready_us;

	return p->said_us == 0 || w->interval_us == 0 ? UINT64_MAX : from + w->interval_us;
}

static void
judge_silence(struct sim *s, const struct action *a)
{
	struct proc *p = proc_of(s, a, "a process is called silent that is not there");
	const struct worker *w = core_find_worker(s->core, a->worker);

	if (p && w && strncmp(a->text, "has not said", 12) == 0 && s->now < late_from(p, w))
		wrong(s, "a worker is called silent that has spoken in time");
}

static void
on_transition(struct sim *s, const struct action *a)
{
	int app = app_index(s, a->app);

	if (a->transition.of_worker)
		s->cov->worker[a->transition.from][a->transition.to]++;
	else
		s->cov->slot[a->transition.from][a->transition.to]++;
	if (app >= 0 && a->transition.of_worker && a->transition.to == WORKER_DRAINING &&
	    strcmp(a->text, "drains on its own") == 0)
		disturb(s, app);
	if (app >= 0 && a->transition.of_worker && a->transition.from == WORKER_STALLED &&
	    a->transition.to == WORKER_STOPPING)
		disturb(s, app); /* the watchdog */
	if (a->transition.of_worker && a->transition.to == WORKER_STOPPING)
		judge_silence(s, a);
	/* Ready, or given up: from here only an operator or a rollout starts it again. */
	if (app >= 0 && a->slot >= 0 && a->slot < 64 &&
	    (a->transition.of_worker
	            ? a->transition.to == WORKER_READY
	            : a->transition.to != SLOT_STARTING && a->transition.to != SLOT_BACKOFF))
		s->watch[app][a->slot] = (struct slot_watch){0};
}

/* Anything that an obituary tells about a ready worker ends the quiet in which no ready worker
 * may be missing. */
static void
on_obituary(struct sim *s, const struct action *a)
{
	int app = app_index(s, a->app);

	if (app >= 0 && !a->obituary.expected)
		disturb(s, app);
}

static void
say_table(struct sim *s, const struct action *a)
{
	const struct app *app = core_find_app(s->core, a->app);

	if (!s->log || !app)
		return;
	fprintf(s->log, "%s:", app->steer.mode == STEER_HOLD ? " held off" : "           to");
	for (unsigned i = 0; i < app->steer.len; i++)
		fprintf(s->log, " %u.%u", app->steer.seats[i].slot, app->steer.seats[i].seat);
	fputc('\n', s->log);
}

/* An app that is stopped or gone has no process. */
static void
judge_gone(struct sim *s, const struct action *a)
{
	for (int i = 0; i < s->procs_len; i++)
		if (s->procs[i].alive && strcmp(s->procs[i].app, a->app) == 0)
			wrong(s, "a process outlives its app");
}

static void
perform(struct sim *s, const struct action *a)
{
	say(s, "    %-10s %s.%d gen %u pid %d w%u %s", action_kind_to_string(a->kind), a->app,
	    a->slot, a->generation, (int)a->pid, a->worker, a->text);
	s->cov->actions[a->kind]++;
	switch (a->kind) {
	case ACTION_SPAWN:
		on_spawn(s, a);
		break;
	case ACTION_SIGNAL:
		on_signal_action(s, a);
		break;
	case ACTION_DRAIN:
		on_drain(s, a);
		break;
	case ACTION_ANSWER:
		on_answer(s, a);
		break;
	case ACTION_VERIFY:
		on_verify(s, a);
		break;
	case ACTION_FORGET:
		on_forget(s, a);
		break;
	case ACTION_REPLY:
		on_reply(s, a);
		break;
	case ACTION_TRANSITION:
		on_transition(s, a);
		break;
	case ACTION_OBITUARY:
		on_obituary(s, a);
		break;
	case ACTION_NOTE:
		s->cov->notes[a->note.kind]++;
		s->cov->rollouts_done += a->note.kind == NOTE_ROLLOUT_DONE;
		s->cov->rollouts_failed += a->note.kind == NOTE_ROLLOUT_FAILED;
		if (a->note.kind == NOTE_APP_STOPPED)
			judge_gone(s, a);
		if (a->note.kind == NOTE_ROLLOUT_FAILED)
			s->failed_now[app_index(s, a->app)] = true;
		break;
	case ACTION_EXIT:
		s->ended = true;
		s->exit_code = a->exit.code;
		break;
	case ACTION_RING_GIVE:
	case ACTION_RING_JOIN:
	case ACTION_RING_CUT:
		on_ring_action(s, a);
		break;
	case ACTION_KICK:
		on_kick(s, a);
		break;
	case ACTION_RESCUE:
		on_rescue(s, a);
		break;
	case ACTION_WATCH:
		on_watch(s, a);
		break;
	case ACTION_PROBE:
		on_probe(s, a);
		break;
	case ACTION_PING:
		on_ping(s, a);
		break;
	case ACTION_STEER:
		say_table(s, a);
		break;
	case ACTION_APP_GONE:
		judge_gone(s, a);
		break;
	case ACTION_LEADER:
	case ACTION_SLOT_GONE:
	case ACTION_KIND_MAX:
		break;
	}
}

/* --- what is checked after each step ------------------------------------------------------- */

/* While a rollout runs and nothing dies on its own, there are never fewer ready workers than when
 * it began, but for max_unavailable and a smaller target. */
static void
check_ready_kept(struct sim *s, const struct app *a, unsigned i)
{
	const struct rollout *r = &a->rollout;
	unsigned ready = app_count_ready(a), floor_ready, slack;

	if (r->state == ROLLOUT_FORWARD && s->rollout_before[i] != ROLLOUT_FORWARD) {
		s->quiet_since_rollout[i] = !s->disturbed[i];
		s->ready_at_start[i] = s->ready_before[i];
	}
	s->disturbed[i] = false;
	s->ready_before[i] = ready;
	if (r->state != ROLLOUT_FORWARD && r->state != ROLLOUT_BACK)
		return;
	if (!s->quiet_since_rollout[i] || a->wanted != APP_RUN)
		return;
	slack = r->to->conf->max_unavailable > r->from->conf->max_unavailable
	            ? r->to->conf->max_unavailable
	            : r->from->conf->max_unavailable;
	floor_ready = s->ready_at_start[i];
	if (floor_ready > r->new_len)
		floor_ready = r->new_len;
	if (floor_ready > r->old_len)
		floor_ready = r->old_len;
	if (ready + slack < floor_ready)
		wrong(s, "fewer ready workers than when the rollout began");
}

static void
check_spares(struct sim *s, const struct app *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->spares_len; i++)
		n += a->spares[i]->current != NULL;
	for (unsigned i = 0; a->rollout.state == ROLLOUT_NONE && i < a->spares_len; i++)
		if (a->spares[i]->current && a->spares[i]->current->generation != a->generation)
			wrong(s, "a spare is of an old generation");
	if (n > 0 && (a->wanted != APP_RUN || n > a->generation->conf->spares))
		wrong(s, "more spares than the configuration asks for");
}

/* Of those that serve a slot, or shall: a spare's may wait for ever. */
static void
check_answered(struct sim *s)
{
	for (int i = 0; i < s->procs_len; i++) {
		const struct proc *p = &s->procs[i];
		const struct worker *w;

		if (!p->alive || !p->asked || p->answered)
			continue;
		w = core_find_worker(s->core, p->worker);
		if (w && w->cause == CAUSE_NONE && !w->slot->spare)
			wrong(s, "a worker's listen() is not answered");
	}
}

static void
check_live_count(struct sim *s, const struct app *a)
{
	unsigned most = a->slots_len, n = 0;

	for (unsigned i = 0; i < a->slots_len; i++)
		n += (a->slots[i]->current != NULL) + (a->slots[i]->next != NULL);
	if (n > 2 * most)
		wrong(s, "more workers than workers + surge");
}

/* When a rollout begins, workers of older generations than the two concerned must have gone, as
 * far as max_generations says. */
static void
check_generations(struct sim *s, const struct app *a)
{
	unsigned seen[16], n = 0;

	for (unsigned i = 0; i < a->slots_len; i++) {
		for (const struct worker *w = a->slots[i]->leaving; w; w = w->next_leaving) {
			bool known = w->generation == a->rollout.from ||
			             w->generation == a->rollout.to || w->written_off ||
			             w->since_us == s->now; /* told just now */

			for (unsigned k = 0; k < n && !known; k++)
				known = seen[k] == w->generation->number;
			if (!known && n < 16)
				seen[n++] = w->generation->number;
		}
	}
	if (n + 2 > a->rollout.to->conf->max_generations)
		wrong(s, "more generations alive than max_generations");
}

/* A step may pass through `none` on its way from one rollout to the next. */
static void
count_rollout_step(struct sim *s, enum rollout_state from, enum rollout_state to)
{
	if (rollout_state_is_legal(from, to)) {
		s->cov->rollout[from][to]++;
	} else if (rollout_state_is_legal(from, ROLLOUT_NONE) &&
	           rollout_state_is_legal(ROLLOUT_NONE, to)) {
		s->cov->rollout[from][ROLLOUT_NONE]++;
		s->cov->rollout[ROLLOUT_NONE][to]++;
	} else {
		s->cov->rollout[from][to]++;
		wrong(s, "a rollout took a step that is not legal");
	}
}

static void
check_world(struct sim *s)
{
	const char *bad = core_check(s->core);

	if (bad)
		wrong(s, bad);
	check_answered(s);
	for (const struct app *a = s->core->apps; a; a = a->next) {
		int i = app_index(s, a->name);

		check_live_count(s, a);
		check_spares(s, a);
		if (i < 0)
			continue;
		check_ready_kept(s, a, (unsigned)i);
		if (s->rollout_before[i] != a->rollout.state) {
			count_rollout_step(s, s->rollout_before[i], a->rollout.state);
			if (a->rollout.state == ROLLOUT_FORWARD)
				check_generations(s, a);
		}
		s->rollout_before[i] = a->rollout.state;
		if (s->failed_now[i] && !a->ops && s->core->shutdown == SHUTDOWN_NONE &&
		    a->wanted == APP_RUN && a->target_len > a->rollout.old_len && !a->scaled)
			wrong(s, "a failed rollout keeps slots that it added");
		s->failed_now[i] = false;
	}
}

/* --- a step -------------------------------------------------------------------------------- */

/* More deaths before ready within the window than restart_limit means that nobody gave up. */
static void
note_boot_death(struct sim *s, struct slot_watch *watch, const struct worker *w)
{
	const struct conf_app *conf = w->generation->conf;

	if (watch->generation != w->generation->number)
		watch->deaths_len = 0;
	watch->generation = w->generation->number;
	if (watch->deaths_len == 16)
		memmove(watch->deaths, watch->deaths + 1, --watch->deaths_len * sizeof(uint64_t));
	watch->deaths[watch->deaths_len++] = s->now;
	if (conf->restart_limit > 0 && watch->deaths_len > conf->restart_limit &&
	    s->now - watch->deaths[watch->deaths_len - 1 - conf->restart_limit] <=
	        conf->restart_window_ms * MS)
		wrong(s, "more deaths before ready than restart_limit allows");
}

static void
note_death(struct sim *s, const struct event *ev)
{
	for (int i = s->procs_len - 1; i >= 0; i--) {
		struct proc *p = &s->procs[i];
		const struct worker *w = core_find_worker(s->core, ev->worker);
		struct slot_watch *watch;

		if (p->worker != ev->worker)
			continue;
		p->alive = false;
		if (!w || w->cause != CAUSE_NONE || w->ready_us != 0 || w->state == WORKER_PARKED ||
		    w->slot->current != w || w->app->rollout.state != ROLLOUT_NONE ||
		    !(watch = watch_of(s, w)))
			return;
		watch->boot_death_at = s->now;
		note_boot_death(s, watch, w);
		watch->least_delay_us = p->launch->conf.restart_delay_ms * MS;
		return;
	}
}

/* An operator's word, perhaps one that waited in the queue, starts a slot whatever its past is; so
 * does the end of a rollout that failed. */
static void
forgive_started(struct sim *s, const struct action *a)
{
	int app = app_index(s, a->app);

	if (a->kind == ACTION_TRANSITION && !a->transition.of_worker &&
	    a->transition.to == SLOT_STARTING && app >= 0 && a->slot >= 0 && a->slot < 64 &&
	    (strcmp(a->text, "start") == 0 || strcmp(a->text, "restart") == 0 ||
	        strcmp(a->text, "resumed") == 0)) {
		s->watch[app][a->slot] = (struct slot_watch){0};
		memset(s->spare_watch[app], 0, sizeof(s->spare_watch[app]));
	}
	if (app >= 0 && (a->kind == ACTION_VERIFY ||
	                    (a->kind == ACTION_NOTE && a->note.kind == NOTE_ROLLOUT_FAILED)))
		memset(s->watch[app], 0, sizeof(s->watch[app]));
}

/* Once it was parked its deaths count otherwise. */
static void
note_parked(struct sim *s, worker_id worker)
{
	const struct worker *w = core_find_worker(s->core, worker);
	struct slot_watch *watch = w && w->state == WORKER_PARKED ? watch_of(s, w) : NULL;

	if (watch)
		*watch = (struct slot_watch){0};
}

static bool
is_final(const struct event *ev, const struct conf_app *conf)
{
	return ev->exited.code == 42 || ev->exited.daemonised || conf->restart == RESTART_NEVER ||
	       (conf->restart == RESTART_ON_FAILURE && ev->exited.code == 0);
}

/* Before a worker dies that served, and a spare is there. */
static void
expect_taker(struct sim *s, const struct event *ev)
{
	const struct worker *w = core_find_worker(s->core, ev->worker);
	const struct slot *t = w ? w->slot : NULL;
	const struct worker *spare;

	if (!w || t->spare || t->current != w || w->ready_us == 0 || w->pid == 0 ||
	    w->app->wanted != APP_RUN || t->index >= w->app->target_len || t->drained ||
	    (t->next && is_final(ev, w->generation->conf)))
		return;
	for (unsigned i = 0; i < w->app->spares_len; i++) {
		spare = w->app->spares[i]->current;
		if (spare && spare->state == WORKER_PARKED && spare->generation == w->generation)
			s->taker = (struct worker_watch){w->app->name, t->index, t->seat,
			    w->generation->number, is_final(ev, spare->generation->conf), false};
	}
	for (w = t->leaving; w; w = w->next_leaving)
		s->taker.read |= w->seat == t->seat && w->state == WORKER_DRAINING;
}

static void
judge_taker(struct sim *s)
{
	const struct app *a = s->taker.app ? core_find_app(s->core, s->taker.app) : NULL;
	const struct worker *w;

	if (!a)
		return;
	w = s->taker.slot < a->slots_len ? a->slots[s->taker.slot]->current : NULL;
	if (s->taker.final) {
		if (w && w->promoted)
			wrong(s, "a spare took the place of one that nobody shall follow");
		return;
	}
	if (!w || !w->promoted || w->generation->number != s->taker.generation)
		wrong(s, "a spare was there, and did not take the place of one that died");
	else if (w->seat != s->taker.seat && !s->taker.read)
		wrong(s, "a spare took over, but not what waits at the socket");
	s->cov->spares_took++;
	s->cov->spares_took_beside_next += w && w->slot->next;
}

static void
note_watched(struct sim *s, const struct event *ev)
{
	for (int i = 0; i < s->procs_len; i++) {
		s->procs[i].emptied |=
		    s->procs[i].worker == ev->worker && ev->kind == EVENT_EMPTIED;
		s->procs[i].quiet |= s->procs[i].worker == ev->worker && ev->kind == EVENT_QUIET;
	}
}

static void
note_word(struct sim *s, const struct event *ev)
{
	for (int i = 0; i < s->procs_len; i++)
		if (s->procs[i].worker == ev->worker)
			s->procs[i].said_us = s->now;
}

static void
forgive_silence(struct sim *s)
{
	for (int i = 0; i < s->procs_len; i++) {
		struct proc *p = &s->procs[i];
		const struct worker *w = core_find_worker(s->core, p->worker);

		if (w && p->said_us != 0 && w->interval_us != 0)
			p->said_us = late_from(p, w) - w->interval_us + s->now - s->stepped_at;
	}
}

/* Each says again in time what it has to say; one that stalls says it when it is over. */
static void
check_silence(struct sim *s)
{
	for (int i = 0; i < s->procs_len; i++) {
		const struct proc *p = &s->procs[i];
		const struct worker *w = p->alive ? core_find_worker(s->core, p->worker) : NULL;

		if (w && (w->state == WORKER_READY || w->state == WORKER_STALLED) &&
		    s->now > late_from(p, w))
			wrong(s, "a silent worker is left alone");
	}
}

static void
note_listen(struct sim *s, const struct event *ev)
{
	for (int i = s->procs_len - 1; i >= 0; i--) {
		struct proc *p = &s->procs[i];

		p->asked |= p->worker == ev->worker && ev->kind == EVENT_ASKED;
		p->deaf |= p->worker == ev->worker && ev->kind == EVENT_CHANNEL_CLOSED;
	}
}

static void
step(struct sim *s, struct event *ev)
{
	int rc, tries = 0;

	if (s->stood_still)
		forgive_silence(s);
	s->stepped_at = s->now;
	if ((ev->kind == EVENT_ALIVE && ev->alive.unasked) || ev->kind == EVENT_INTERVAL)
		note_word(s, ev);

	say(s, "%s %s w%u r%u", event_kind_to_string(ev->kind), ev->app ? ev->app : "", ev->worker,
	    ev->request);
	s->taker.app = NULL;
	if (ev->kind == EVENT_ASKED || ev->kind == EVENT_CHANNEL_CLOSED)
		note_listen(s, ev);
	if (ev->kind == EVENT_EXITED) {
		note_death(s, ev);
		expect_taker(s, ev);
	}
	if (ev->kind == EVENT_EMPTIED || ev->kind == EVENT_QUIET)
		note_watched(s, ev);
	s->actions.len = 0;
	if (!s->calm && chance(s, s->short_of_memory ? 30 : 1))
		mem_fail_at(1 + rnd(s, 4), 1 + rnd(s, 3));
	do {
		rc = core_step(s->core, s->now, ev, &s->actions);
		mem_fail_at(0, 0);
	} while (rc == -ENOMEM && ev->request == 0 && tries++ < 3 && ev->kind != EVENT_CONFIGURE &&
	         ev->kind != EVENT_RELOAD && ev->kind != EVENT_RESTART);
	if (rc != 0 && (ev->kind == EVENT_RELOAD || ev->kind == EVENT_RESTART))
		cookie(s, ev->target.launch)->live = false;
	if (rc != 0 && ev->kind == EVENT_CONFIGURE)
		for (size_t i = 0; i < ev->configure.len; i++)
			cookie(s, ev->configure.targets[i].launch)->live = false;
	if (rc != 0 && ev->request != 0)
		s->answered[ev->request % REQUESTS_MAX] = true; /* the caller was told */
	s->cov->steps++;
	for (size_t i = 0; i < s->actions.len; i++)
		forgive_started(s, &s->actions.items[i]);
	for (size_t i = 0; i < s->actions.len; i++) {
		struct action a = s->actions.items[i];

		if (s->stood_still && a.kind == ACTION_SIGNAL)
			wrong(s, "workers pay for a standstill of the master");
		perform(s, &a);
	}
	if (ev->kind == EVENT_ASKED)
		note_parked(s, ev->worker);
	if (!s->ended) {
		judge_taker(s);
		check_world(s);
		check_silence(s);
	}
	if (ev->kind == EVENT_VERIFIED && !ev->verified.intact && !s->ended) {
		const struct app *a = core_find_app(s->core, ev->app);

		if (a && a->rollout.state == ROLLOUT_BACK)
			wrong(s, "a rollout goes back to files that were changed in place");
	}
}

/* --- operators ----------------------------------------------------------------------------- */

static request_id
next_request(struct sim *s)
{
	if (s->asked + 1 >= REQUESTS_MAX)
		return 0;
	s->answered[++s->asked] = false;
	return s->asked;
}

static bool
fill_target(struct sim *s, struct core_target *t, const char *name)
{
	struct launch *l = launch_new(s, name);
	int app = app_index(s, name);

	if (!l)
		return false;
	*t = (struct core_target){.launch = l, .conf = &l->conf};
	t->workers = chance(s, 90) ? 1 + rnd(s, 5) : 0;
	t->steered = app >= 0 && s->steered[app];
	t->node = l->node;
	return true;
}

static void
forgive_all(struct sim *s)
{
	memset(s->watch, 0, sizeof(s->watch));
	memset(s->spare_watch, 0, sizeof(s->spare_watch));
}

static void
configure(struct sim *s)
{
	struct core_target targets[APPS_MAX];
	struct event ev = {.kind = EVENT_CONFIGURE, .request = next_request(s)};
	size_t n = 0;

	for (unsigned i = 0; i < s->apps; i++)
		if (chance(s, 85) || (n == 0 && i + 1 == s->apps))
			n += fill_target(s, &targets[n], s->names[i]);
	ev.configure.targets = targets;
	ev.configure.len = n;
	step(s, &ev);
}

static void
operate(struct sim *s)
{
	static const enum event_kind kinds[] = {EVENT_RELOAD, EVENT_RELOAD, EVENT_RELOAD,
	    EVENT_RESTART, EVENT_START, EVENT_STOP, EVENT_SCALE, EVENT_SCALE, EVENT_KILL,
	    EVENT_KILL, EVENT_SIGNAL, EVENT_DRAIN, EVENT_RESUME};
	struct event ev = {.kind = kinds[rnd(s, 13)]};

	forgive_all(s);
	for (unsigned i = 0; i < APPS_MAX; i++)
		if (ev.kind != EVENT_RELOAD)
			disturb(s, (int)i);
	if (chance(s, 25)) {
		configure(s);
		return;
	}
	ev.app = chance(s, 98) ? s->names[rnd(s, s->apps)] : "nobody";
	switch (ev.kind) {
	case EVENT_RELOAD:
	case EVENT_RESTART:
		if (!fill_target(s, &ev.target, ev.app))
			return;
		break;
	case EVENT_SCALE:
		ev.scale.workers = rnd(s, 7);
		break;
	case EVENT_KILL:
		ev.kill.slot = rnd(s, 8);
		ev.kill.signal = chance(s, 50) ? SIGKILL : SIGTERM;
		break;
	case EVENT_SIGNAL:
		ev.signal.signal = SIGTERM;
		break;
	case EVENT_DRAIN:
	case EVENT_RESUME:
		ev.drain.slot = chance(s, 50) ? -1 : (int)rnd(s, 5);
		if (chance(s, 20))
			ev.app = NULL;
		break;
	default:
		break;
	}
	ev.request = next_request(s);
	step(s, &ev);
}

/* --- a life -------------------------------------------------------------------------------- */

/* Whether somebody takes what waits at a seat: its worker, or a neighbour on the ring. */
static bool
is_read(struct sim *s, const struct app *a, unsigned slot, unsigned seat)
{
	for (int i = 0; i < s->procs_len; i++) {
		const struct proc *p = &s->procs[i];
		const struct worker *w = p->alive ? core_find_worker(s->core, p->worker) : NULL;

		if (!w || w->app != a || is_stalled(s, p) || w->ready_us == 0)
			continue;
		if (p->ring_joined ? !p->ring_cut : p->slot == slot && p->seat == seat)
			return true;
	}
	return false;
}

/* A millisecond of traffic: connections come where they are steered to, and are taken where
 * somebody takes them; then the master looks. */
static void
look_at_queues(struct sim *s, const char *name)
{
	const struct app *a = core_find_app(s->core, name);
	struct queue_sample items[2 * SLOTS_MAX];
	struct event ev = {.kind = EVENT_QUEUES, .app = name};
	int app = app_index(s, name);
	unsigned slots;

	if (!a || app < 0)
		return;
	for (unsigned i = 0; a->steer.mode == STEER_SERVE && i < a->steer.len; i++)
		if (a->steer.seats[i].slot < SLOTS_MAX && chance(s, 60))
			s->queue[app][a->steer.seats[i].slot][a->steer.seats[i].seat]++;
	slots = a->slots_len < SLOTS_MAX ? a->slots_len : SLOTS_MAX;
	for (unsigned i = 0; i < slots; i++) {
		for (unsigned k = 0; k < 2; k++) {
			if (is_read(s, a, i, k) && chance(s, 90))
				s->queue[app][i][k] = 0;
			items[ev.queues.len++] = (struct queue_sample){
			    .slot = i, .seat = k, .len = s->queue[app][i][k], .limit = 32};
		}
	}
	ev.queues.items = items;
	step(s, &ev);
	ev.queues.items = NULL;
	ev.queues.len = 0;
	if (s->now < s->traffic_to[app])
		plan(s, (1 + rnd(s, 3)) * MS, &ev, -1);
}

/* Some of an app's time has traffic. */
static void
begin_traffic(struct sim *s)
{
	for (unsigned i = 0; i < s->apps; i++) {
		struct event ev = {.kind = EVENT_QUEUES, .app = s->names[i]};

		if (!s->steered[i] || s->traffic_to[i] > s->now || chance(s, 60))
			continue;
		s->traffic_to[i] = s->now + (20 + rnd(s, 300)) * MS;
		plan(s, rnd(s, 1500) * MS, &ev, -1);
	}
}

/* Lets things happen until `until`, or until the master ended. */
static void
run_until(struct sim *s, uint64_t until)
{
	while (!s->ended && !s->wrong) {
		uint64_t due = core_next_deadline(s->core);
		uint64_t at = s->agenda_len ? s->agenda[0].at : CORE_NO_DEADLINE;
		struct event tick = {.kind = EVENT_TIME};

		if (due < at)
			at = due;
		if (at > until) {
			if (until != CORE_NO_DEADLINE && until > s->now)
				s->now = until;
			return;
		}
		/* From a moment at which nothing was due, so that nothing may come of it. */
		bool sleeps = at > s->now;

		if (sleeps)
			s->now = at;
		if (s->agenda_len == 0 || s->agenda[0].at > s->now) {
			if (sleeps && !s->calm && chance(s, 1)) {
				s->now += (3 + rnd(s, 60)) * SEC; /* SIGSTOP, suspended VM */
				forgive_all(s);
				s->stood_still = true;
			}
			step(s, &tick);
			s->stood_still = false;
			continue;
		}
		struct planned p = take_first(s);

		if (p.ev.kind == EVENT_QUEUES) {
			look_at_queues(s, p.ev.app);
			continue;
		}

		if (p.proc >= 0 && !s->procs[p.proc].alive)
			continue;
		if (p.ev.kind == EVENT_ASKED && s->procs[p.proc].deaf)
			continue;
		if (p.ev.kind == EVENT_SPAWNED) {
			step(s, &p.ev);
			if (s->procs[p.proc].alive)
				plan_life(s, p.proc);
			continue;
		}
		if (p.ev.kind == EVENT_ALIVE && p.ev.alive.unasked) {
			struct proc *speaker = &s->procs[p.proc];

			if (is_stalled(s, speaker)) {
				plan(s, speaker->stalls_to - s->now, &p.ev, p.proc);
				continue;
			}
			plan(s, speaker->word_us, &p.ev, p.proc);
		}
		step(s, &p.ev);
	}
}

/* Nobody may be left waiting, no cookie lost, no process alive. */
static void
check_end(struct sim *s)
{
	unsigned unkillable = 0;

	if (!s->ended) {
		wrong(s, "the master was told to stop and did not end");
		return;
	}
	for (request_id r = 1; r <= s->asked; r++)
		if (!s->answered[r])
			wrong(s, "a request was never answered");
	for (int i = 0; i < s->procs_len; i++) {
		if (s->procs[i].alive && !s->procs[i].unkillable)
			wrong(s, "a process is left after the end");
		unkillable += s->procs[i].alive;
	}
	if (unkillable > 0 && s->exit_code != 71)
		wrong(s, "an unkillable process is left and the exit code does not show it");
}

static void
stop_the_master(struct sim *s)
{
	/* The longest way out that any configuration of random_conf() allows: delay, drain or
	 * stop timeout with its grace, abort, KILL and the wait for it; plus slack for a fork that
	 * is under way. One worker's bound is everybody's: they leave side by side. */
	const uint64_t bound = (2000 + 3000 + 1000 + 1000 + 1000 + CORE_KILL_WAIT_MS + 3000) * MS;
	struct event ev = {.kind = EVENT_SHUTDOWN};
	uint64_t begun;

	if (s->ended)
		return;
	s->calm = true;
	ev.request = next_request(s);
	ev.shutdown.mode = (enum shutdown_mode)(1 + rnd(s, 4));
	begun = s->now;
	step(s, &ev);
	if (chance(s, 30)) {
		run_until(s, s->now + rnd(s, 3000) * MS);
		ev.shutdown.mode = (enum shutdown_mode)(1 + rnd(s, 4));
		if (!s->ended && !s->wrong) {
			ev.request = next_request(s);
			step(s, &ev);
		}
	}
	run_until(s, begun + bound);
}

const char *
sim_live(uint64_t seed, struct sim_coverage *cov, FILE *log)
{
	static const char *const names[APPS_MAX] = {"web", "api", "jobs"};
	struct sim *s = calloc(1, sizeof(*s));
	const char *what;
	unsigned acts;

	s->agenda = calloc(AGENDA_MAX, sizeof(*s->agenda));
	s->procs = calloc(PROCS_MAX + 1, sizeof(*s->procs));
	s->rng = seed * 0x2545f4914f6cdd1dull + 12345;
	s->now = 1000 * SEC;
	s->cov = cov;
	s->log = log;
	s->apps = 1 + rnd(s, APPS_MAX);
	s->short_of_memory = chance(s, 10);
	s->migrates = chance(s, 50);
	for (unsigned i = 0; i < APPS_MAX; i++)
		s->steered[i] = chance(s, 65), s->node[i] = chance(s, 40);
	memcpy(s->names, names, sizeof(names));
	s->core = core_new(seed);
	core_set_exit_when(s->core, (enum conf_exit_when)rnd(s, 10) == 0
	                                ? EXIT_WHEN_ALL_EXITED
	                                : (enum conf_exit_when)rnd(s, 2));
	configure(s);
	acts = rnd(s, 12);
	for (unsigned i = 0; i < acts && !s->ended && !s->wrong; i++) {
		begin_traffic(s);
		run_until(s, s->now + (chance(s, 30) ? rnd(s, 20) * MS : rnd(s, 12000) * MS));
		if (!s->ended && !s->wrong)
			operate(s);
	}
	if (!s->wrong)
		stop_the_master(s);
	if (!s->wrong)
		check_end(s);
	what = s->wrong;
	cov->lives++;
	core_free(s->core);
	action_list_done(&s->actions);
	for (unsigned i = 0; i < s->launches_len; i++)
		free(s->launches[i]);
	free(s->agenda);
	free(s->procs);
	free(s);
	return what;
}
