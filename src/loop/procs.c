/*
 * procs: see the header.
 *
 * Order at a worker's end, each step for a reason:
 *   1. peek with WNOWAIT: the zombie still holds its pid, nobody else can have it (S11);
 *   2. status pipe, NOTIFY_SOCKET, fd:N and channel are read to their end: a worker that said
 *      READY and died was ready (S2);
 *   3. what it left behind is looked for when that decides about the cause (P11), and its process
 *      group is killed (P12);
 *   4. wait4() takes it, with its resource usage;
 *   5. its pipes are drained for the last words; then the core hears of it;
 *   6. everything that was its own is closed, once.
 */
#include "loop/procs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "core/cluster.h"
#include "loop/channel.h"
#include "loop/control.h"
#include "loop/dispatch.h"
#include "loop/einhorn.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/output.h"
#include "loop/probe.h"
#include "loop/ready.h"
#include "loop/ring.h"
#include "loop/start.h"
#include "loop/strays.h"
#include "loop/watch.h"
#include "sys/proc.h"
#include "sys/spawn.h"

#define SPAWNS_A_TURN 16
#define REAPS_A_TURN  64
#define END_WAIT_MS   1000
#define DAEMON_MS     1000

/* A start that waits for its turn. */
struct pending {
	struct start_request request;
	struct pending *prev, *next;
};

struct helper {
	pid_t pid;
	procs_helper_fn fn;
	void *arg;
	UT_hash_handle hh;
};

struct procs {
	struct proc *by_pid, *by_worker;
	struct helper *helpers;
	struct pending *queue;
	uv_idle_t idle; /* runs while there is something left for another turn */
	bool reap_more;
	uint64_t oom_kills;
	int oom_fd;
	uint64_t strays; /* children of nobody's that were reaped (P14) */
	pid_t dead[REAPS_A_TURN]; /* reaped in this turn: whose orphans to look for */
	unsigned dead_len;
};

static void on_idle(uv_idle_t *h);

int
procs_init(struct loop *l, struct err *e)
{
	struct procs *ps = mem_calloc(1, sizeof(*ps));

	if (!ps)
		return err_set(e, -ENOMEM, "out of memory");
	(void)uv_idle_init(&l->uv, &ps->idle); /* cannot fail */
	ps->oom_fd = proc_oom_open();
	if (ps->oom_fd >= 0)
		(void)proc_oom_kills(ps->oom_fd, &ps->oom_kills);
	strays_init();
	l->procs = ps;
	return 0;
}

static struct proc *
find_by_pid(struct procs *ps, pid_t pid)
{
	struct proc *p;

	HASH_FIND(by_pid, ps->by_pid, &pid, sizeof(pid), p);
	return p;
}

struct proc *
procs_find(struct loop *l, worker_id worker)
{
	struct proc *p = NULL;

	if (l->procs)
		HASH_FIND(by_worker, l->procs->by_worker, &worker, sizeof(worker), p);
	return p;
}

static struct helper *
find_helper(struct procs *ps, pid_t pid)
{
	struct helper *h;

	HASH_FIND(hh, ps->helpers, &pid, sizeof(pid), h);
	return h;
}

bool
procs_is_worker(struct loop *l, pid_t pid)
{
	return find_by_pid(l->procs, pid) != NULL;
}

bool
procs_is_helper(struct loop *l, pid_t pid)
{
	return find_helper(l->procs, pid) != NULL;
}

int
procs_add_helper(struct loop *l, pid_t pid, procs_helper_fn fn, void *arg)
{
	struct helper *h = mem_calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->pid = pid;
	h->fn = fn;
	h->arg = arg;
	HASH_ADD(hh, l->procs->helpers, pid, sizeof(h->pid), h);
	if (h->hh.tbl)
		return 0;
	mem_free(h);
	return -ENOMEM;
}

void
procs_forget_helper(struct loop *l, pid_t pid)
{
	struct helper *h = l->procs ? find_helper(l->procs, pid) : NULL;

	if (h)
		h->fn = NULL;
}

/* --- one process ---------------------------------------------------------------------------- */

static void
free_if_done(struct proc *p)
{
	if (!p->gone || p->handles > 0)
		return;
	mem_free(p);
}

static void
on_status_closed(uv_handle_t *h)
{
	struct proc *p = h->data;

	p->handles--;
	free_if_done(p);
}

static void
close_status(struct proc *p)
{
	if (p->handles > 0 && !uv_is_closing((uv_handle_t *)&p->status))
		uv_close((uv_handle_t *)&p->status, on_status_closed);
	fd_close(&p->status_fd);
}

/* Looks whether exec worked. */
static void
read_status(struct proc *p)
{
	struct spawn_failure failure;
	int r;

	if (p->status_fd < 0)
		return;
	r = spawn_read_status(p->status_fd, &failure);
	if (r == 0)
		return;
	close_status(p);
	if (r < 0) {
		const struct event ev = {
		    .kind = EVENT_EXEC_FAILED,
		    .worker = p->worker,
		    .exec_failed =
		        {
		            .error = failure.error,
		            .stage = spawn_stage_to_string(failure.stage),
		        },
		};

		loop_step(p->loop, &ev);
	}
}

static void
on_status(uv_poll_t *h, int status, int events)
{
	struct proc *p = h->data;

	(void)events;
	if (status < 0)
		(void)uv_poll_stop(h); /* read when the process ends */
	else
		read_status(p);
}

void
proc_born(struct proc *p, pid_t pid, int status_fd)
{
	p->pid = pid;
	p->status_fd = status_fd;
	HASH_ADD(by_pid, p->loop->procs->by_pid, pid, sizeof(p->pid), p);
	if (!p->by_pid.tbl) {
		p->pid = 0;
		return;
	}
	if (uv_poll_init(&p->loop->uv, &p->status, p->status_fd) != 0)
		return; /* the end of the process tells as well */
	p->status.data = p;
	p->handles++;
	(void)uv_poll_start(&p->status, UV_READABLE, on_status); /* as above */
}

void
proc_close(struct proc *p)
{
	struct procs *ps = p->loop->procs;

	dispatch_forget(p->loop, p);
	if (p->node)
		node_end(p->node);
	ring_forget(p->loop, p->worker);
	watch_end(p);
	probe_end(p);
	HASH_DELETE(by_worker, ps->by_worker, p);
	if (p->pid > 0)
		HASH_DELETE(by_pid, ps->by_pid, p);
	channel_close(p->channel);
	node_free(p->node);
	p->node = NULL;
	readiness_close(p->readiness);
	einhorn_close(p->einhorn);
	if (p->output)
		output_source_close(p->output);
	p->channel = NULL;
	p->readiness = NULL;
	p->einhorn = NULL;
	p->output = NULL;
	if (p->notify_path) {
		(void)unlink(p->notify_path); /* gone already is fine */
		free(p->notify_path);
		p->notify_path = NULL;
	}
	close_status(p);
	p->gone = true;
	free_if_done(p);
}

struct proc *
proc_new(struct loop *l, worker_id worker)
{
	struct proc *p = mem_calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = l;
	p->worker = worker;
	p->status_fd = p->channel_number = -1;
	HASH_ADD(by_worker, l->procs->by_worker, worker, sizeof(p->worker), p);
	if (p->by_worker.tbl)
		return p;
	mem_free(p);
	return NULL;
}

/* --- starting ------------------------------------------------------------------------------- */

static void
start_next(struct loop *l)
{
	struct pending *q = l->procs->queue;
	const struct worker *w = core_find_worker(l->core, q->request.worker);
	struct event ev = {.worker = q->request.worker};
	pid_t pid = 0;
	int r = -ECANCELED;

	DL_DELETE(l->procs->queue, q);
	ev.spawn_failed.what = "not wanted any more";
	if (w && w->cause == CAUSE_NONE)
		r = start_worker(l, &q->request, &pid, &ev.spawn_failed.what);
	if (r == 0) {
		ev.kind = EVENT_SPAWNED;
		ev.spawned.pid = pid;
	} else {
		ev.kind = EVENT_SPAWN_FAILED;
		ev.spawn_failed.error = -r;
		ev.spawn_failed.transient = spawn_errno_is_transient(-r);
	}
	mem_free(q);
	loop_step(l, &ev);
}

void
procs_spawn(struct loop *l, const struct action *a)
{
	struct pending *q = mem_calloc(1, sizeof(*q));

	if (!q) {
		const struct event ev = {
		    .kind = EVENT_SPAWN_FAILED,
		    .worker = a->worker,
		    .spawn_failed = {.error = ENOMEM, .transient = true, .what = "memory"},
		};

		loop_step(l, &ev);
		return;
	}
	q->request.worker = a->worker;
	q->request.slot = a->slot < 0 ? 0 : (unsigned)a->slot;
	q->request.number = a->spawn.number;
	q->request.seat = a->seat;
	q->request.alone = a->spawn.alone;
	q->request.generation = a->generation;
	q->request.launch = a->launch;
	memcpy(q->request.app, a->app, sizeof(q->request.app));
	DL_APPEND(l->procs->queue, q);
	(void)uv_idle_start(&l->procs->idle, on_idle); /* cannot fail with a callback */
}

void
procs_signal(struct loop *l, const struct action *a)
{
	struct proc *p = procs_find(l, a->worker);
	const struct worker *w;

	if (!p || p->pid <= 0)
		return;
	if (a->signal.group)
		(void)kill(-p->pid, a->signal.signal); /* not yet a group of its own: below */
	(void)kill(p->pid, a->signal.signal); /* gone already: SIGCHLD is on its way */
	/* A stopped process would keep the stop signal for later (P8). */
	w = core_find_worker(l->core, a->worker);
	if (w && w->state == WORKER_STOPPING && a->signal.signal != SIGKILL)
		(void)kill(p->pid, SIGCONT);
}

/* --- reaping ------------------------------------------------------------------------------- */

/* The kernel counts kills for our whole group; a KILL that nobody here sent and a counter that
 * moved belong together. */
static bool
was_oom(struct procs *ps, const struct worker *w, int wait_status)
{
	uint64_t now;

	if (!WIFSIGNALED(wait_status) || WTERMSIG(wait_status) != SIGKILL || ps->oom_fd < 0)
		return false;
	if (w && (w->step == LEAVE_KILLED || w->operator_signal == SIGKILL))
		return false;
	if (proc_oom_kills(ps->oom_fd, &now) != 0 || now <= ps->oom_kills)
		return false;
	ps->oom_kills++;
	return true;
}

static void
tell_core(struct proc *p, int wait_status, bool oom, bool daemonised)
{
	struct event ev = {.kind = EVENT_EXITED, .worker = p->worker};

	ev.exited.code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
	ev.exited.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	ev.exited.core_dumped = WIFSIGNALED(wait_status) && WCOREDUMP(wait_status);
	ev.exited.oom = oom;
	ev.exited.daemonised = daemonised;
	loop_step(p->loop, &ev);
}

/* A program that puts itself into the background ends with 0 about when it begins to serve; the
 * process that it left behind may have said READY before (P11). */
static bool
may_have_daemonised(const struct worker *w, const siginfo_t *info)
{
	if (info->si_code != CLD_EXITED || info->si_status != 0 || !w || w->cause != CAUSE_NONE)
		return false;
	return w->ready_us == 0 || clock_now_us() - w->ready_us < DAEMON_MS * 1000;
}

/* info is of the zombie, which is not taken yet. */
static void
reap_worker(struct proc *p, const siginfo_t *info)
{
	struct loop *l = p->loop;
	const struct worker *w;
	bool daemonised = false;
	int status = 0;

	read_status(p);
	readiness_drain(p->readiness);
	einhorn_drain(p->einhorn);
	channel_drain(p->channel);
	w = core_find_worker(l->core, p->worker);
	if (may_have_daemonised(w, info))
		daemonised = strays_sweep(l, &p->pid, 1) > 0;
	(void)kill(-p->pid, SIGKILL);
	if (wait4(p->pid, &status, 0, &p->usage) != p->pid)
		return; /* cannot be: the zombie was there, and nobody else waits */
	if (p->output)
		output_source_drain(p->output);
	l->procs->dead[l->procs->dead_len++] = p->pid;
	tell_core(p, status, was_oom(l->procs, w, status), daemonised);
	proc_close(p);
}

static void
reap_other(struct loop *l, pid_t pid)
{
	struct helper *h = find_helper(l->procs, pid);
	const struct log_who who = {.slot = -1, .pid = pid};
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		return; /* as above */
	if (!h) {
		l->procs->strays++;
		log_debug("stray_reaped", &who, "a process that was left to us ended");
		return;
	}
	HASH_DELETE(hh, l->procs->helpers, h);
	if (h->fn)
		h->fn(h->arg, pid, status);
	mem_free(h);
}

/* True: there may be more. */
static bool
reap_one(struct loop *l)
{
	siginfo_t info = {0};
	struct proc *p;

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
		return false;
	p = find_by_pid(l->procs, info.si_pid);
	if (p)
		reap_worker(p, &info);
	else
		reap_other(l, info.si_pid);
	return true;
}

void
procs_on_child(struct loop *l)
{
	struct procs *ps = l->procs;
	uint64_t strays = ps->strays;

	ps->dead_len = 0;
	ps->reap_more = true;
	for (int i = 0; i < REAPS_A_TURN && ps->reap_more; i++)
		ps->reap_more = reap_one(l);
	if (ps->reap_more)
		(void)uv_idle_start(&ps->idle, on_idle); /* SIGCHLD will not come again for those */
	/* Also after the death of a stray: its own children are ours now. */
	if (ps->dead_len > 0 || ps->strays > strays)
		(void)strays_sweep(l, ps->dead, ps->dead_len);
	if (ps->dead_len > 0 && l->control)
		control_check_socket(l);
}

static void
on_idle(uv_idle_t *h)
{
	struct loop *l = h->loop->data;
	struct procs *ps = l->procs;

	if (ps->reap_more)
		procs_on_child(l);
	for (int i = 0; i < SPAWNS_A_TURN && ps->queue; i++)
		start_next(l);
	if (!ps->queue && !ps->reap_more)
		(void)uv_idle_stop(h);
}

/* --- what others want to know -------------------------------------------------------------- */

static uint64_t
timeval_us(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

void
procs_fill_obituary(struct loop *l, worker_id worker, struct obituary *o)
{
	const struct proc *p = procs_find(l, worker);
	struct str words = {0};

	if (!p)
		return;
	o->user_us = timeval_us(&p->usage.ru_utime);
	o->system_us = timeval_us(&p->usage.ru_stime);
	o->max_rss_bytes = (uint64_t)p->usage.ru_maxrss * 1024;
	if (!p->output)
		return;
	output_source_last_words(p->output, JOURNAL_LAST_LINES, &words);
	if (!str_failed(&words))
		o->last_words = words.data;
	else
		str_free(&words);
}

const struct worker_report *
procs_report(void *arg, worker_id worker)
{
	struct proc *p = procs_find(arg, worker);

	if (!p)
		return NULL;
	if (p->output)
		output_source_counters(p->output, &p->report);
	p->report.messages_dropped = channel_dropped(p->channel);
	return &p->report;
}

/* --- the end ------------------------------------------------------------------------------- */

void
procs_done(struct loop *l)
{
	const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
	struct procs *ps = l->procs;
	struct proc *p, *next;
	struct pending *q, *next_q;
	struct helper *h, *next_h;

	if (!ps)
		return;
	/* A killed process gives its own children to us: again, until none is left, or for so
	 * long. Nothing else is left to do by now, so that a short sleep holds nobody up. */
	for (int ms = 0; ms < END_WAIT_MS && strays_end_children(l) > 0; ms += 2)
		(void)nanosleep(&pause, NULL);
	HASH_ITER (by_worker, ps->by_worker, p, next)
		proc_close(p);
	DL_FOREACH_SAFE(ps->queue, q, next_q)
	mem_free(q);
	HASH_ITER (hh, ps->helpers, h, next_h) {
		HASH_DELETE(hh, ps->helpers, h);
		mem_free(h);
	}
	fd_close(&ps->oom_fd);
	uv_close((uv_handle_t *)&ps->idle, NULL);
}

void
procs_free(struct loop *l)
{
	mem_free(l->procs);
	l->procs = NULL;
}
