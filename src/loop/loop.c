/*
 * loop: see the header. Wiring, the step, the one timer, and the order in which everything is
 * made and taken apart.
 */
#include "loop/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "core/core.h"
#include "loop/configure.h"
#include "loop/control.h"
#include "loop/dispatch.h"
#include "loop/guard.h"
#include "loop/launch.h"
#include "loop/manager.h"
#include "loop/output.h"
#include "loop/procs.h"
#include "loop/queues.h"
#include "loop/rescue.h"
#include "loop/ring.h"
#include "loop/servers.h"
#include "loop/signals.h"
#include "loop/starter.h"
#include "loop/step.h"
#include "loop/tell.h"
#include "loop/watchers.h"
#include "sys/cred.h"
#include "sys/proc.h"

#define CLOSE_TURNS 1000

void
loop_reopen_logs(struct loop *l)
{
	output_reopen(l);
	tell(l, LOG_LEVEL_INFO, "logs_reopened", NULL, "log files are opened again");
}

request_id
loop_next_request(struct loop *l)
{
	if (++l->last_request == 0)
		l->last_request = 1;
	return l->last_request;
}

/* --- life ---------------------------------------------------------------------------------- */

static size_t
list_listeners(void *arg, const char *app, struct listener_info *ret, size_t max)
{
	return launch_listeners(arg, app, ret, max);
}

static bool
report_queue(void *arg, const char *app, unsigned slot, struct slot_queue *ret)
{
	return queues_report(arg, app, slot, ret);
}

static void
fill_context(struct loop *l)
{
	const struct conf_source *source = &l->options.source;

	l->ctl = (struct ctl_context){
	    .core = l->core,
	    .journal = l->journal,
	    .metrics = l->metrics,
	    .name = l->options.name,
	    .version = PACKAGE_VERSION,
	    .config_path = source->label ? source->label : source->path,
	    .run_dir = l->options.run_dir,
	    .pid = getpid(),
	    .adhoc = l->options.adhoc,
	    .started_wall_ms = clock_wall_ms(),
	    .started_us = clock_now_us(),
	    .cpus = proc_usable_cpus(),
	    .arg = l,
	    .report = procs_report,
	    .listeners = list_listeners,
	    .queue = report_queue,
	};
}

static int
init_minds(struct loop *l, struct err *e)
{
	l->core = core_new(clock_now_us() ^ (uint64_t)getpid() << 32);
	l->journal = journal_new();
	l->metrics = metrics_new();
	if (!l->core || !l->journal || !l->metrics || step_init(l) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	fill_context(l);
	return 0;
}

static int
open_control(struct loop *l, const struct conf *conf, struct err *e)
{
	const char *group = conf->master.control_group;
	gid_t gid = (gid_t)-1;
	int r;

	if (group && (r = cred_lookup_group(group, &gid)) < 0)
		return err_set(e, r, "%s: control_group = %s: no such group", conf->path, group);
	return control_init(l, gid, e);
}

/* *ret_code: exit code that goes with a failure. */
static int
init_all(struct loop *l, const struct conf *conf, int *ret_code, struct err *e)
{
	int r;

	*ret_code = 71;
	/* Before anything is made that a signal's default action would leave behind. */
	r = signals_init(l, e);
	if (r == 0)
		r = init_minds(l, e);
	if (r == 0)
		r = queues_init(l, e);
	if (r == 0)
		r = launch_init(l, e);
	if (r == 0)
		r = guard_init(l, e);
	if (r == 0)
		r = procs_init(l, e);
	if (r == 0)
		r = dispatch_init(l, e);
	if (r == 0)
		r = rescue_init(l, e);
	if (r == 0)
		r = servers_init(l, e);
	if (r == 0 && (r = starter_init(l, l->options.ready_fd)) < 0)
		err_set(e, r, "--ready-fd %d: %s", l->options.ready_fd, strerror(-r));
	if (r < 0)
		return r;
	*ret_code = 73;
	r = output_init(l, conf, e);
	if (r == 0)
		r = open_control(l, conf, e);
	if (r < 0) {
		if (r == -EACCES || r == -EPERM)
			*ret_code = 77;
		else if (r == -ENOENT || r == -ESRCH)
			*ret_code = 78;
		return r;
	}
	*ret_code = 71;
	r = manager_init(l, l->options.watchdog_us);
	if (r < 0)
		err_set(e, r, "service manager: %s", strerror(-r));
	return r;
}

static int
first_start(struct loop *l, struct conf *conf, int *ret_code, struct err *e)
{
	int r;

	tell(l, LOG_LEVEL_INFO, "master_started", NULL, "brood %s, pid %d, instance %s, %s",
	    PACKAGE_VERSION, (int)getpid(), l->options.name, l->ctl.config_path);
	l->start_request = loop_next_request(l);
	r = configure_all(l, conf, l->start_request, e);
	if (r < 0) {
		*ret_code = launch_exit_code(l);
		/* Who typed the command gets what a shell would say about it. */
		if (!l->options.adhoc && (*ret_code == 126 || *ret_code == 127))
			*ret_code = 78;
		return r;
	}
	launch_settle(l);
	return 0;
}

static void
close_loop(struct loop *l)
{
	/* Everything was closed by its owner; what is left are callbacks, and pipes of workers
	 * that somebody else still holds (bounded by output_source_close()). */
	for (int i = 0; i < CLOSE_TURNS && uv_loop_alive(&l->uv); i++)
		(void)uv_run(&l->uv, UV_RUN_NOWAIT);
	if (uv_loop_close(&l->uv) != 0)
		log_debug("loop_busy", NULL, "handles were left open at the end");
}

/* The reverse of init_all(); each part accepts that it was never begun. */
static void
finish(struct loop *l)
{
	signals_done(l);
	manager_done(l);
	starter_done(l);
	if (l->control)
		control_done(l);
	procs_done(l);
	ring_done(l);
	dispatch_done(l);
	rescue_done(l);
	queues_done(l);
	core_free(l->core);
	guard_done(l);
	servers_done(l);
	launch_done(l);
	if (l->output)
		output_done(l);
	uv_close((uv_handle_t *)&l->timer, NULL);
	close_loop(l);
	procs_free(l);
	queues_free(l);
	journal_free(l->journal);
	metrics_free(l->metrics);
	action_list_done(&l->actions);
	step_done(l);
	conf_unref(l->conf);
}

int
loop_main(const struct loop_options *options, struct conf *conf)
{
	struct loop l = {.options = *options, .conf = conf};
	struct err e = {0};
	int code = 71, r;

	watchers_init();
	r = uv_loop_init(&l.uv);
	if (r < 0) {
		log_error("start_failed", NULL, "event loop: %s", strerror(-r));
		conf_unref(conf);
		return code;
	}
	l.uv.data = &l;
	(void)uv_timer_init(&l.uv, &l.timer); /* cannot fail */
	r = init_all(&l, conf, &code, &e);
	if (r == 0)
		r = first_start(&l, conf, &code, &e);
	if (r < 0) {
		log_error("start_failed", NULL, "%s", e.text);
		starter_on_failed(&l, code, e.text, NULL);
		l.exit_code = code;
	} else {
		while (!l.ending && uv_run(&l.uv, UV_RUN_DEFAULT) != 0)
			;
		tell(&l, LOG_LEVEL_INFO, "master_stopped", NULL, "exit code %d", l.exit_code);
	}
	finish(&l);
	return l.exit_code;
}
