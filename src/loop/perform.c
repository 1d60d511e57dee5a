/*
 * perform: see the header. One case an action, in the order of the enum; no default, so that the
 * compiler names what was forgotten.
 */
#include "loop/perform.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "core/cluster.h"
#include "loop/binder.h"
#include "loop/channel.h"
#include "loop/control.h"
#include "loop/dispatch.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/manager.h"
#include "loop/node.h"
#include "loop/output.h"
#include "loop/probe.h"
#include "loop/procs.h"
#include "loop/queues.h"
#include "loop/ring.h"
#include "loop/servers.h"
#include "loop/signals.h"
#include "loop/starter.h"
#include "loop/steer.h"
#include "loop/tell.h"
#include "loop/watch.h"

static void
verify(struct loop *l, const struct action *a)
{
	const char *what = NULL;
	bool intact = launch_verify(a->launch, &what) == 1;
	const struct event ev = {
	    .kind = EVENT_VERIFIED,
	    .app = a->app,
	    .worker = a->worker,
	    .verified = {.intact = intact, .what = what},
	};

	loop_step(l, &ev);
}

static void
forget_app(struct loop *l, const char *app)
{
	journal_forget_app(l->journal, app);
	metrics_forget_app(l->metrics, app);
	output_app_gone(l, app);
	queues_forget(l, app);
	servers_forget(l, app);
}

static void
bury(struct loop *l, const struct action *a)
{
	struct obituary o = {
	    .wall_ms = clock_wall_ms(),
	    .slot = a->slot < 0 ? 0 : (unsigned)a->slot,
	    .pid = a->pid,
	    .generation = a->generation,
	    .cause = a->obituary.cause,
	    .code = a->obituary.code,
	    .signal = a->obituary.signal,
	    .core_dumped = a->obituary.core_dumped,
	    .expected = a->obituary.expected,
	    .was_ready = a->obituary.was_ready,
	    .uptime_us = a->obituary.uptime_us,
	};

	snprintf(o.app, sizeof(o.app), "%s", a->app);
	snprintf(o.reason, sizeof(o.reason), "%s", a->text);
	procs_fill_obituary(l, a->worker, &o);
	metrics_worker_gone(l->metrics, a->app, a->worker);
	if (!o.was_ready && o.last_words)
		binder_hint(l, o.app, o.last_words);
	tell_obituary(l, &o); /* the words are the journal's then */
}

/* Last words of the newest unexpected death, for a start that failed: of the app that the reply
 * names, else of the first app that has any. */
static const char *
last_words(struct loop *l, const char *app)
{
	const struct obituary *o;

	if (app[0]) {
		o = journal_last_death(l->journal, app);
		return o ? o->last_words : NULL;
	}
	for (size_t i = 0; i < l->conf->apps_len; i++) {
		o = journal_last_death(l->journal, l->conf->apps[i]->name);
		if (o && o->last_words)
			return o->last_words;
	}
	return NULL;
}

/* "127.0.0.1:8080", "udp:[::1]:53", "unix:/run/web.sock"; the real port where any was asked for. */
static void
add_address(struct str *text, const struct listener_info *info)
{
	const char *key = strncmp(info->key, "tcp:", 4) == 0 ? info->key + 4 : info->key;
	const char *colon = strrchr(key, ':');

	if (info->port != 0 && colon && strcmp(colon, ":0") == 0)
		str_addf(text, "%.*s:%u", (int)(colon - key), key, (unsigned)info->port);
	else
		str_add(text, key);
}

/* Each app with what it serves, once it does. */
static void
tell_serving(struct loop *l)
{
	for (size_t i = 0; i < l->conf->apps_len; i++) {
		const char *app = l->conf->apps[i]->name;
		struct listener_info infos[CONF_LISTENERS_MAX];
		size_t n = launch_listeners(l, app, infos, CONF_LISTENERS_MAX);
		const struct log_who who = {.app = app, .slot = -1};
		struct str text = {0};

		for (size_t k = 0; k < n && k < CONF_LISTENERS_MAX; k++) {
			str_add(&text, k ? ", " : "serves ");
			add_address(&text, &infos[k]);
		}
		if (n > 0 && !str_failed(&text))
			tell(l, LOG_LEVEL_INFO, "app_serving", &who, "%s", str_text(&text));
		str_free(&text);
	}
}

static void
reply(struct loop *l, const struct action *a)
{
	bool done = a->reply.code == REPLY_DONE;

	/* An operation on many workers leaves holes of its size in the heap. */
	(void)malloc_trim(0);
	manager_on_reply(l, a);
	if (a->reply.request == l->start_request) {
		l->start_request = 0;
		if (done) {
			tell_serving(l);
			starter_on_ready(l);
		} else {
			/* Told to stop while it starts, it has not failed. */
			if (l->core->shutdown == SHUTDOWN_NONE || l->core->failed_start)
				tell(l, LOG_LEVEL_ERROR, "start_failed", NULL, "%s", a->text);
			starter_on_failed(l, 1, a->text, last_words(l, a->app));
		}
	} else if (signals_on_reply(l, a)) {
		tell(l, done ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		    done ? "config_reloaded" : "reload_failed", NULL, "%s", a->text);
	} else {
		control_on_reply(l, a);
	}
}

void
perform(struct loop *l, const struct action *a)
{
	struct proc *p;

	switch (a->kind) {
	case ACTION_SPAWN:
		ring_before_spawn(l, a);
		procs_spawn(l, a);
		break;
	case ACTION_SIGNAL:
		procs_signal(l, a);
		break;
	case ACTION_DRAIN:
		dispatch_leaves(l, a->worker);
		p = procs_find(l, a->worker);
		if (p)
			channel_send_drain(p->channel, a->drain.deadline_ms);
		break;
	case ACTION_ANSWER:
		p = procs_find(l, a->worker);
		if (p && p->node)
			node_answer(p->node);
		break;
	case ACTION_PING:
		p = procs_find(l, a->worker);
		if (p)
			channel_send_ping(p->channel);
		break;
	case ACTION_LEADER:
		p = procs_find(l, a->worker);
		if (p)
			channel_send_leader(p->channel, a->leader.leads);
		break;
	case ACTION_VERIFY:
		verify(l, a);
		break;
	case ACTION_FORGET:
		launch_free(l, a->launch);
		dispatch_settle(l);
		break;
	case ACTION_SLOT_GONE:
		launch_close_slots(l, a->app, a->slot_gone.slots);
		break;
	case ACTION_APP_GONE:
		forget_app(l, a->app);
		break;
	case ACTION_STEER:
		steer_apply(l, a);
		queues_settle(l, a->app);
		break;
	case ACTION_RING_GIVE:
		ring_give(l, a);
		break;
	case ACTION_RING_JOIN:
		ring_join(l, a);
		queues_settle(l, a->app);
		break;
	case ACTION_RING_CUT:
		ring_cut(l, a);
		break;
	case ACTION_KICK:
		ring_kick(l, a);
		break;
	case ACTION_RESCUE:
		queues_rescue(l, a);
		break;
	case ACTION_WATCH:
		watch_begin(l, a);
		break;
	case ACTION_PROBE:
		probe_begin(l, a);
		break;
	case ACTION_TRANSITION:
		tell_transition(l, a);
		queues_settle(l, a->app);
		steer_on_transition(l, a->app);
		dispatch_settle(l);
		break;
	case ACTION_NOTE:
		tell_note(l, a);
		break;
	case ACTION_OBITUARY:
		bury(l, a);
		break;
	case ACTION_REPLY:
		reply(l, a);
		break;
	case ACTION_EXIT:
		l->ending = true;
		l->exit_code = a->exit.code;
		uv_stop(&l->uv);
		break;
	case ACTION_KIND_MAX:
		break;
	}
}
