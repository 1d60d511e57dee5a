/*
 * signals: see the header.
 */
#include "loop/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "core/cluster.h"
#include "loop/control.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "loop/tell.h"

enum signal_action {
	SIGNAL_RELOAD,
	SIGNAL_REOPEN,
	SIGNAL_UNSUPPORTED,
	SIGNAL_STOP,
	SIGNAL_STOP_NO_DELAY,
	SIGNAL_STOP_QUICK,
	SIGNAL_SCALE_UP,
	SIGNAL_SCALE_DOWN,
	SIGNAL_DRAIN,
	SIGNAL_CHILD,
	SIGNAL_IGNORE,
	SIGNAL_ACTION_MAX,
};

static const struct signal_row {
	int number;
	enum signal_action action;
	enum signal_action on_terminal; /* under a `brood run` that owns its terminal */
	const char *name; /* of the action */
	const char *verb; /* of brood(1), "-" = none */
	const char *help;
} rows[] = {
    {SIGHUP, SIGNAL_RELOAD, SIGNAL_STOP, "reload", "reload",
        "read the configuration again and roll out; as TERM under a brood run that owns its "
        "terminal"},
    {SIGUSR1, SIGNAL_REOPEN, SIGNAL_REOPEN, "reopen", "reopen", "open log files again"},
    {SIGUSR2, SIGNAL_UNSUPPORTED, SIGNAL_UNSUPPORTED, "unsupported", "-",
        "kept for an upgrade in place; logged as unsupported"},
    {SIGTERM, SIGNAL_STOP, SIGNAL_STOP, "stop", "shutdown",
        "stop gracefully: drain_delay, drain, stop signal; a second one kills now"},
    {SIGQUIT, SIGNAL_STOP_NO_DELAY, SIGNAL_STOP_NO_DELAY, "stop", "shutdown",
        "as TERM without drain_delay; a second one kills now"},
    {SIGINT, SIGNAL_STOP_QUICK, SIGNAL_STOP_QUICK, "quick-stop", "-",
        "stop quickly: stop signal at once, KILL after 5 s; a second one kills now"},
    {SIGTTIN, SIGNAL_SCALE_UP, SIGNAL_IGNORE, "scale-up", "scale",
        "one worker more in every app; ignored by a brood run that owns its terminal"},
    {SIGTTOU, SIGNAL_SCALE_DOWN, SIGNAL_IGNORE, "scale-down", "scale",
        "one worker less in every app, at least one; ignored by a brood run that owns its "
        "terminal"},
    {SIGWINCH, SIGNAL_DRAIN, SIGNAL_IGNORE, "drain", "drain",
        "drain all workers, keep sockets and master; ignored by a brood run that owns its "
        "terminal"},
    {SIGCHLD, SIGNAL_CHILD, SIGNAL_CHILD, "reap", "-", "a process ended"},
    {SIGPIPE, SIGNAL_IGNORE, SIGNAL_IGNORE, "ignore", "-", "ignored"},
    {SIGXFSZ, SIGNAL_IGNORE, SIGNAL_IGNORE, "ignore", "-", "ignored"},
};

#define ECHO_US (50 * 1000)

#define ROWS (sizeof(rows) / sizeof(*rows))

struct signals {
	uv_signal_t handles[ROWS];
	unsigned open; /* handles that were initialised and not called back */
	int ended_by; /* signal that asked for the end first; 0 = none */
	uint64_t ended_us;
	request_id reload; /* under way on a signal's word */
	bool reload_again; /* one more was asked for meanwhile (S4) */
};

static bool
is_stop(enum signal_action action)
{
	return action == SIGNAL_STOP || action == SIGNAL_STOP_NO_DELAY ||
	       action == SIGNAL_STOP_QUICK;
}

void
signals_set_own(void)
{
	sigset_t early;

	/* Handlers do not survive exec: what is not the default is ignored. */
	for (int i = 1; i <= SIGRTMAX; i++) {
		struct sigaction sa;

		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			(void)signal(i, SIG_DFL);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	/* A wish that comes before there is a handler waits for it (S5). One to end is followed at
	 * once: nothing has been made yet. */
	sigemptyset(&early);
	for (size_t i = 0; i < ROWS; i++)
		if (!is_stop(rows[i].action))
			(void)sigaddset(&early, rows[i].number);
	(void)sigprocmask(SIG_SETMASK, &early, NULL);
}

static void
reload(struct loop *l)
{
	struct signals *s = l->signals;
	request_id request;
	struct err e;

	if (s->reload != 0) {
		s->reload_again = true;
		return;
	}
	/* Set first: the answer may come before loop_reconfigure() returns. */
	request = s->reload = loop_next_request(l);
	/* What is wrong has been told by whom it was found. */
	if (loop_reconfigure(l, NULL, false, request, &e) < 0 && s->reload == request)
		s->reload = 0;
}

bool
signals_on_reply(struct loop *l, const struct action *reply)
{
	struct signals *s = l->signals;

	if (!s || s->reload == 0 || reply->reply.request != s->reload)
		return false;
	s->reload = 0;
	if (s->reload_again) {
		s->reload_again = false;
		/* Not from here: a step is under way. The handler runs at the next turn. */
		(void)raise(SIGHUP);
	}
	return true;
}

static void
stop(struct loop *l, int number, enum shutdown_mode mode)
{
	struct event ev = {.kind = EVENT_SHUTDOWN};
	struct signals *s = l->signals;
	uint64_t now_us = clock_now_us();

	/* timeout(1) and many a launcher signal the process and then its group, which is us again:
	 * an echo is no second thought. */
	if (s->ended_by == number && now_us - s->ended_us < ECHO_US)
		return;
	ev.shutdown.mode = s->ended_by ? SHUTDOWN_NOW : mode;
	s->ended_by = number;
	s->ended_us = now_us;
	loop_step(l, &ev);
}

static void
scale_one(struct loop *l, const char *app, unsigned workers)
{
	struct event ev = {.kind = EVENT_SCALE, .app = app};
	struct err e;
	const struct log_who who = {.app = app, .slot = -1};

	if (workers < 1 || workers > CONF_WORKERS_MAX)
		return;
	if (loop_prepare_scale(l, app, workers, &e) < 0) {
		tell(l, LOG_LEVEL_ERROR, "scale_failed", &who, "%s", e.text);
		return;
	}
	ev.scale.workers = workers;
	loop_step(l, &ev);
}

static void
scale_all(struct loop *l, int by)
{
	/* A step may remove an app from the list, so the next one is looked up by position. */
	for (unsigned at = 0;; at++) {
		const struct app *a = l->core->apps;
		char name[sizeof(a->name)];

		for (unsigned i = 0; a && i < at; i++)
			a = a->next;
		if (!a)
			return;
		memcpy(name, a->name, sizeof(name));
		if (a->wanted == APP_RUN)
			scale_one(l, name, (unsigned)((int)a->target_len + by));
	}
}

static void
drain_all(struct loop *l)
{
	struct event ev = {.kind = EVENT_DRAIN, .drain = {.slot = -1}};

	loop_step(l, &ev);
}

static void
act(struct loop *l, const struct signal_row *row, enum signal_action action)
{
	char name[16];

	switch (action) {
	case SIGNAL_RELOAD:
		reload(l);
		break;
	case SIGNAL_REOPEN:
		loop_reopen_logs(l);
		break;
	case SIGNAL_UNSUPPORTED:
		tell(l, LOG_LEVEL_WARN, "signal_unsupported", NULL, "SIG%s is not supported yet",
		    signal_to_string(row->number, name));
		break;
	case SIGNAL_STOP:
		stop(l, row->number, SHUTDOWN_GRACEFUL);
		break;
	case SIGNAL_STOP_NO_DELAY:
		stop(l, row->number, SHUTDOWN_NO_DELAY);
		break;
	case SIGNAL_STOP_QUICK:
		stop(l, row->number, SHUTDOWN_QUICK);
		break;
	case SIGNAL_SCALE_UP:
		scale_all(l, 1);
		break;
	case SIGNAL_SCALE_DOWN:
		scale_all(l, -1);
		break;
	case SIGNAL_DRAIN:
		drain_all(l);
		break;
	case SIGNAL_CHILD:
		procs_on_child(l);
		break;
	case SIGNAL_IGNORE:
	case SIGNAL_ACTION_MAX:
		break;
	}
}

static enum signal_action
action_of(const struct loop *l, const struct signal_row *row)
{
	return l->options.owns_terminal ? row->on_terminal : row->action;
}

static void
on_signal(uv_signal_t *h, int number)
{
	struct loop *l = h->loop->data;

	for (size_t i = 0; i < ROWS && !l->ending; i++) {
		if (rows[i].number != number)
			continue;
		if (number != SIGCHLD && l->control)
			control_check_socket(l);
		act(l, &rows[i], action_of(l, &rows[i]));
		return;
	}
}

int
signals_init(struct loop *l, struct err *e)
{
	struct signals *s = mem_calloc(1, sizeof(*s));
	sigset_t none;
	int r = 0;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	l->signals = s;
	for (size_t i = 0; i < ROWS && r == 0; i++) {
		if (action_of(l, &rows[i]) == SIGNAL_IGNORE) {
			(void)signal(rows[i].number, SIG_IGN);
			continue;
		}
		r = uv_signal_init(&l->uv, &s->handles[i]);
		if (r < 0)
			break;
		s->handles[i].data = s;
		s->open++;
		r = uv_signal_start(&s->handles[i], on_signal, rows[i].number);
	}
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	return r < 0 ? err_set(e, r, "signal handlers: %s", strerror(-r)) : 0;
}

static void
on_closed(uv_handle_t *h)
{
	struct signals *s = h->data;

	if (--s->open == 0)
		mem_free(s);
}

void
signals_done(struct loop *l)
{
	struct signals *s = l->signals;

	if (!s)
		return;
	l->signals = NULL;
	for (size_t i = 0; i < ROWS; i++)
		if (s->handles[i].data)
			uv_close((uv_handle_t *)&s->handles[i], on_closed);
	/* libuv has put back the defaults: from here to the end, which is near and bounded, no
	 * signal shall end us half-way. */
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].number != SIGCHLD)
			(void)signal(rows[i].number, SIG_IGN);
}

void
signals_print(FILE *out)
{
	char name[16];

	for (size_t i = 0; i < ROWS; i++)
		fprintf(out, "%s\t%s\t%s\t%s\n", signal_to_string(rows[i].number, name),
		    rows[i].name, rows[i].verb, rows[i].help);
}
