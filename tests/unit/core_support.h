/*
 * core_support: a core with one app, whose events the test makes up: the app's configuration, the
 * events that tests of the core have in common, and the actions that the last one led to.
 */
#ifndef BROOD_TESTS_UNIT_CORE_SUPPORT_H
#define BROOD_TESTS_UNIT_CORE_SUPPORT_H

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "core/cluster.h"
#include "run_suite.h"

#define MS  1000ull
#define SEC 1000000ull

static struct core *core;
static struct action_list actions; /* of the last event */
static uint64_t now;
static struct conf_app conf;
static int cookies[16]; /* launches: only their addresses matter */

/* --- the fixture: setup() of a program calls this first, and then configures what it is about - */

static inline void
core_support_setup(void)
{
	now = 100 * SEC;
	core = core_new(1);
	memset(&conf, 0, sizeof(conf));
	conf.name = (char *)"web";
	conf.ready_timeout_ms = 10000;
	conf.stop_signal = SIGTERM;
	conf.abort_signal = SIGABRT;
	conf.stop_timeout_ms = 3000;
	conf.abort_timeout_ms = 500;
	conf.restart_delay_ms = 100;
	conf.restart_delay_max_ms = 1000;
	conf.restart_limit = 10;
	conf.restart_window_ms = 60000;
	conf.crash_burst = 5;
	conf.crash_refill_ms = 2000;
	conf.max_surge = 1;
	conf.max_generations = 2;
}

static inline void
teardown(void)
{
	core_free(core);
	action_list_done(&actions);
}

/* --- events ---------------------------------------------------------------------------------- */

static inline void
take(const struct event *ev)
{
	actions.len = 0;
	ck_assert_int_eq(core_step(core, now, ev, &actions), 0);
	ck_assert_ptr_null(core_check(core));
}

static inline void
simple(enum event_kind kind, worker_id w)
{
	struct event ev = {.kind = kind, .worker = w};

	take(&ev);
}

/* The configuration has this app and no other; target: what it has beside conf and its launch. */
static inline void
configure_as(struct core_target target, int cookie, request_id request)
{
	struct event ev = {.kind = EVENT_CONFIGURE, .request = request};

	target.conf = &conf;
	target.launch = &cookies[cookie];
	ev.configure.targets = &target;
	ev.configure.len = 1;
	take(&ev);
}

static inline void
spawned(worker_id w)
{
	struct event ev = {.kind = EVENT_SPAWNED, .worker = w};

	ev.spawned.pid = (pid_t)(1000 + w);
	take(&ev);
}

static inline void
gets_ready(worker_id w, enum ready_by by)
{
	struct event ev = {.kind = EVENT_READY, .worker = w};

	ev.ready.by = by;
	take(&ev);
}

static inline void
exited(worker_id w, int code, int sig)
{
	struct event ev = {.kind = EVENT_EXITED, .worker = w};

	ev.exited.code = sig ? -1 : code;
	ev.exited.signal = sig;
	take(&ev);
}

static inline void
shut_down(enum shutdown_mode mode)
{
	struct event ev = {.kind = EVENT_SHUTDOWN};

	ev.shutdown.mode = mode;
	take(&ev);
}

static inline void
later(uint64_t us)
{
	struct event ev = {.kind = EVENT_TIME};

	now += us;
	take(&ev);
}

/* --- actions --------------------------------------------------------------------------------- */

static inline const struct action *
find(enum action_kind kind)
{
	for (size_t i = 0; i < actions.len; i++)
		if (actions.items[i].kind == kind)
			return &actions.items[i];
	return NULL;
}

static inline unsigned
count(enum action_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < actions.len; i++)
		n += actions.items[i].kind == kind;
	return n;
}

static inline bool
has_note(enum note_kind kind)
{
	for (size_t i = 0; i < actions.len; i++)
		if (actions.items[i].kind == ACTION_NOTE && actions.items[i].note.kind == kind)
			return true;
	return false;
}

#endif
