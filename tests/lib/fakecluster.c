/* fakecluster: see the header. Aborts where the core refuses an event: the test is wrong then. */
#include "fakecluster.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const struct worker_report *
report(void *arg, worker_id worker)
{
	struct fake_cluster *f = arg;

	(void)worker;
	return &f->report;
}

static size_t
listeners(void *arg, const char *app, struct listener_info *ret, size_t max)
{
	(void)arg;
	(void)app;
	if (max > 0)
		*ret = (struct listener_info){
		    .key = "tcp:127.0.0.1:8080",
		    .name = "8080",
		    .sockets = 1,
		    .port = 8080,
		    .shape = "shared",
		};
	return 1;
}

static bool
queue(void *arg, const char *app, unsigned slot, struct slot_queue *ret)
{
	struct fake_cluster *f = arg;

	(void)app;
	(void)slot;
	*ret = f->queue;
	return f->queue.limit > 0;
}

void
fake_cluster_init(struct fake_cluster *f)
{
	memset(f, 0, sizeof(*f));
	f->core = core_new(1);
	f->journal = journal_new();
	f->metrics = metrics_new();
	if (f->core == NULL || f->journal == NULL || f->metrics == NULL)
		abort();
	f->now_us = clock_now_us();
	f->argv[0] = (char *)(uintptr_t) "worker";
	f->ctx = (struct ctl_context){
	    .core = f->core,
	    .journal = f->journal,
	    .metrics = f->metrics,
	    .name = "test",
	    .version = "0.1.0",
	    .config_path = "test.conf",
	    .run_dir = "run",
	    .pid = 4711,
	    .started_wall_ms = clock_wall_ms(),
	    .started_us = clock_now_us(),
	    .cpus = 2,
	    .arg = f,
	    .report = report,
	    .listeners = listeners,
	    .queue = queue,
	};
}

void
fake_cluster_done(struct fake_cluster *f)
{
	core_free(f->core);
	journal_free(f->journal);
	metrics_free(f->metrics);
}

void
fake_cluster_add(struct fake_cluster *f, const char *name, unsigned workers)
{
	struct conf_app *a = &f->conf[f->apps++];

	a->name = (char *)(uintptr_t)name;
	a->argv = f->argv;
	a->umask = -1;
	a->limit_nofile = CONF_LIMIT_NONE;
	a->limit_core = CONF_LIMIT_NONE;
	a->nice = INT_MIN;
	a->oom_score_adj = INT_MIN;
	a->workers_n = workers;
	a->ready_timeout_ms = 60000;
	a->stop_signal = SIGTERM;
	a->stop_timeout_ms = 30000;
	a->abort_signal = SIGABRT;
	a->abort_timeout_ms = 2000;
	a->restart_delay_ms = 100;
	a->restart_delay_max_ms = 60000;
	a->restart_limit = 10;
	a->restart_window_ms = 60000;
	a->crash_burst = 5;
	a->crash_refill_ms = 2000;
	a->max_surge = 1;
	a->max_generations = 2;
	a->message_max = 65536;
	a->log_line_max = 8192;
}

/* Spawns give rise to steps of their own, and these to more: done until nothing is left. */
void
fake_cluster_step(struct fake_cluster *f, const struct event *ev)
{
	struct action_list list = {0};
	size_t done = 0;

	f->now_us += 1000;
	if (core_step(f->core, f->now_us, ev, &list) < 0)
		abort();
	for (; done < list.len; done++) {
		struct event spawned = {.kind = EVENT_SPAWNED, .worker = list.items[done].worker};

		if (list.items[done].kind != ACTION_SPAWN)
			continue;
		spawned.spawned.pid = f->last_pid = f->last_pid > 0 ? f->last_pid + 1 : 1000;
		if (core_step(f->core, f->now_us, &spawned, &list) < 0)
			abort();
	}
	action_list_done(&list);
	if (core_check(f->core) != NULL)
		abort();
}

void
fake_cluster_start(struct fake_cluster *f)
{
	struct core_target targets[FAKE_APPS_MAX];
	struct event ev = {.kind = EVENT_CONFIGURE};

	for (size_t i = 0; i < f->apps; i++)
		targets[i] = (struct core_target){.conf = &f->conf[i],
		    .launch = &f->conf[i],
		    .workers = f->conf[i].workers_n,
		    .node = f->conf[i].spares > 0};
	ev.configure.targets = targets;
	ev.configure.len = f->apps;
	fake_cluster_step(f, &ev);
}

void
fake_cluster_ready(struct fake_cluster *f)
{
	struct worker *w, *next;

	HASH_ITER (by_id, f->core->workers, w, next) {
		struct event ev = {.kind = EVENT_READY, .worker = w->id};

		ev.ready.by = READY_BY_NOTIFY;
		if (w->state == WORKER_STARTING)
			fake_cluster_step(f, &ev);
	}
}

void
fake_cluster_exit(struct fake_cluster *f, const char *app, unsigned slot, int code, int signal)
{
	struct app *a = core_find_app(f->core, app);
	struct event ev = {.kind = EVENT_EXITED, .worker = a->slots[slot]->current->id};

	ev.exited.code = signal > 0 ? -1 : code;
	ev.exited.signal = signal;
	fake_cluster_step(f, &ev);
}
