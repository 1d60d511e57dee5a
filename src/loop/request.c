/*
 * request: a request of a client, from the plan that ctl makes of it to the answer. What takes
 * time leaves a waiter behind; its client may go away, the operation goes on (K5).
 *
 * A request without an id is a notification in the sense of JSON-RPC: done, never answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "core/cluster.h"
#include "ipc/msg.h"
#include "loop/channel.h"
#include "loop/client.h"
#include "loop/loop.h"
#include "sys/proc.h"

static void
answer(struct client *c, const json_t *id, json_t *result)
{
	if (id)
		rpc_add_result(&c->out, id, result);
	else
		json_decref(result);
}

/* A string of JSON; text that is no UTF-8 (a path, a text that was cut) is escaped. */
static json_t *
text_to_json(const char *text)
{
	json_t *value = json_string(text);
	struct str s = {0};

	if (value)
		return value;
	str_add_escaped(&s, text, strlen(text));
	value = json_string(str_text(&s));
	str_free(&s);
	return value;
}

static void
answer_text(struct client *c, const json_t *id, const char *key, const char *text)
{
	answer(c, id, json_pack("{s:o}", key, text_to_json(text)));
}

/* data is stolen. */
static void
answer_error(struct client *c, const json_t *id, int code, const char *message, json_t *data)
{
	json_t *text = text_to_json(message);

	if (id)
		rpc_add_error(&c->out, id, code, text ? json_string_value(text) : "", data);
	else
		json_decref(data);
	json_decref(text);
}

static void
waiter_free(struct waiter *w)
{
	json_decref(w->id);
	mem_free(w->requests);
	mem_free(w);
}

void
waiters_free(struct client *c)
{
	while (c->waiters) {
		struct waiter *w = c->waiters;

		LL_DELETE(c->waiters, w);
		waiter_free(w);
	}
}

/* A waiter for n operations, whose request ids are given out here. NULL without memory. */
static struct waiter *
waiter_new(struct client *c, const json_t *id, const char *app, size_t n)
{
	struct waiter *w = mem_calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->requests = mem_calloc(n, sizeof(*w->requests));
	w->id = json_deep_copy(id);
	if (!w->requests || !w->id) {
		waiter_free(w);
		return NULL;
	}
	(void)snprintf(w->app, sizeof(w->app), "%s", app);
	w->since_ms = clock_wall_ms();
	w->len = w->pending = n;
	for (size_t i = 0; i < n; i++)
		w->requests[i] = loop_next_request(c->control->loop);
	LL_PREPEND(c->waiters, w);
	return w;
}

/* Last words of the newest death that this operation saw, or NULL: they say more than we can. */
static json_t *
failure_data(const struct loop *l, const struct waiter *w)
{
	const struct obituary *newest = NULL;

	for (const struct app *a = l->core->apps; a; a = a->next) {
		const struct obituary *o = NULL;

		if (w->app[0] == '\0' || strcmp(w->app, a->name) == 0)
			o = journal_last_death(l->journal, a->name);
		if (o && o->wall_ms >= w->since_ms && (!newest || o->wall_ms > newest->wall_ms))
			newest = o;
	}
	if (!newest || !newest->last_words || newest->last_words[0] == '\0')
		return NULL;
	return json_pack("{s:s}", "last_words", newest->last_words);
}

static void
waiter_answer(struct client *c, struct waiter *w)
{
	LL_DELETE(c->waiters, w);
	if (w->code == REPLY_DONE)
		answer_text(c, w->id, "message", w->text);
	else
		answer_error(c, w->id, w->code == REPLY_BUSY ? RPC_BUSY : RPC_FAILED, w->text,
		    w->code == REPLY_FAILED ? failure_data(c->control->loop, w) : NULL);
	waiter_free(w);
	client_touch(c);
}

/* One operation of w is over. The first failure's words are the answer, else the last ones. */
static void
waiter_settle(struct client *c, struct waiter *w, enum reply_code code, const char *text)
{
	if (w->code == REPLY_DONE) {
		w->code = code;
		(void)snprintf(w->text, sizeof(w->text), "%s", text);
	}
	if (--w->pending == 0)
		waiter_answer(c, w);
}

static bool
client_on_reply(struct client *c, const struct action *reply)
{
	struct waiter *w;

	LL_FOREACH (c->waiters, w) {
		for (size_t i = 0; i < w->len; i++) {
			if (w->requests[i] != reply->reply.request)
				continue;
			w->requests[i] = 0;
			waiter_settle(c, w, reply->reply.code, reply->text);
			return true;
		}
	}
	return false;
}

void
request_on_reply(struct control *ctl, const struct action *reply)
{
	struct client *c;

	DL_FOREACH (ctl->clients, c)
		if (client_on_reply(c, reply))
			return;
}

/* Whoever waits for an operation on that app learns how it goes. */
void
request_progress(struct client *c, const struct journal_event *e, const json_t *event)
{
	struct waiter *w;

	LL_FOREACH (c->waiters, w) {
		if (w->app[0] != '\0' && e->app[0] != '\0' && strcmp(w->app, e->app) != 0)
			continue;
		if (c->out.len > CLIENT_FOLLOW_BYTES)
			return;
		rpc_add_notification(&c->out, "progress",
		    json_pack("{s:O, s:O}", "id", w->id, "event", (json_t *)event));
		client_touch(c);
	}
}

static int
code_of_errno(int err)
{
	switch (err) {
	case -EINVAL:
		return RPC_CONFIG;
	case -EBUSY:
	case -EAGAIN:
		return RPC_BUSY;
	case -EACCES:
	case -EPERM:
		return RPC_PERMISSION;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return RPC_SYSTEM;
	default:
		return RPC_FAILED;
	}
}

/* *ret waits for what plan starts, or is NULL: nobody does. False: no memory, and said so. */
static bool
plan_waiter(struct client *c, const struct ctl_plan *plan, const json_t *id, struct waiter **ret)
{
	*ret = NULL;
	if (!plan->wait || !id)
		return true;
	*ret = waiter_new(c, id, plan->app, 1);
	if (!*ret)
		answer_error(c, id, RPC_SYSTEM, "out of memory", NULL);
	return *ret != NULL;
}

/* The operation did not even start. */
static void
plan_failed(struct client *c, struct waiter *w, const json_t *id, int code, const char *message)
{
	if (w) {
		LL_DELETE(c->waiters, w);
		waiter_free(w);
	}
	answer_error(c, id, code, message, NULL);
}

static void
plan_accepted(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	if (!plan->wait)
		answer(c, id, json_pack("{s:b}", "accepted", 1));
}

static void
do_event(struct client *c, struct ctl_plan *plan, const json_t *id)
{
	struct loop *l = c->control->loop;
	struct event ev = plan->event;
	struct waiter *w;
	struct err e;
	int err;

	if (!plan_waiter(c, plan, id, &w))
		return;
	if (ev.kind == EVENT_SCALE) {
		err = loop_prepare_scale(l, plan->app, ev.scale.workers, &e);
		if (err < 0) {
			plan_failed(c, w, id, code_of_errno(err), e.text);
			return;
		}
	}
	ev.request = w ? w->requests[0] : 0;
	loop_step(l, &ev);
	plan_accepted(c, plan, id);
}

static void
do_reconfigure(struct client *c, struct ctl_plan *plan, const json_t *id, bool restart)
{
	const char *app = plan->app[0] != '\0' ? plan->app : NULL;
	struct waiter *w;
	struct err e;
	int err;

	if (!plan_waiter(c, plan, id, &w))
		return;
	err = loop_reconfigure(c->control->loop, app, restart, w ? w->requests[0] : 0, &e);
	if (err < 0)
		plan_failed(c, w, id, code_of_errno(err), e.text);
	else
		plan_accepted(c, plan, id);
}

/* Restarts app number i on behalf of w (NULL: nobody waits). False: refused, w settled. */
static bool
restart_one(struct client *c, struct waiter *w, const char *app, size_t i)
{
	request_id request = w ? w->requests[i] : 0;
	struct err e;

	if (loop_reconfigure(c->control->loop, app, true, request, &e) == 0)
		return true;
	if (w) {
		w->requests[i] = 0;
		waiter_settle(c, w, REPLY_FAILED, e.text);
	}
	return false;
}

/* `restart` without an app: one operation for each. Names are copied first: each step may bring
 * another configuration. */
static void
do_restart_all(struct client *c, struct ctl_plan *plan, const json_t *id)
{
	const struct conf *conf = c->control->loop->conf;
	size_t n = conf->apps_len;
	char(*names)[49] = mem_calloc(n + 1, sizeof(*names));
	struct waiter *w = NULL;

	if (names && plan->wait && id && n > 0)
		w = waiter_new(c, id, "", n);
	if (!names || (plan->wait && id && n > 0 && !w)) {
		mem_free(names);
		answer_error(c, id, RPC_SYSTEM, "out of memory", NULL);
		return;
	}
	for (size_t i = 0; i < n; i++)
		(void)snprintf(names[i], sizeof(names[i]), "%s", conf->apps[i]->name);
	/* The last to settle frees w; it is not looked at after that. */
	for (size_t i = 0; i < n; i++)
		(void)restart_one(c, w, names[i], i);
	mem_free(names);
	if (n == 0 && plan->wait)
		answer_text(c, id, "message", "there is no app");
	plan_accepted(c, plan, id);
}

static void
do_send(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	unsigned n =
	    channel_send_message(c->control->loop, plan->app, plan->slot, -1, "brood", plan->data);

	answer(c, id, json_pack("{s:i}", "delivered", (int)n));
}

/* "NAME=value" with NUL behind each, as in /proc; it may be cut and need not end with one. */
static json_t *
env_to_json(const char *bytes, size_t len)
{
	json_t *env = json_object();

	while (len > 0) {
		size_t n = strnlen(bytes, len);
		const char *eq = memchr(bytes, '=', n);

		if (n == len)
			break;
		if (eq) {
			char *name = strndup(bytes, (size_t)(eq - bytes));

			if (name)
				(void)json_object_set_new(env, name, text_to_json(eq + 1));
			free(name);
		}
		bytes += n + 1;
		len -= n + 1;
	}
	return env;
}

static void
do_env(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	const struct app *a = core_find_app(c->control->loop->core, plan->app);
	const struct slot *s;
	const struct worker *w = NULL;
	char *bytes;
	size_t len;
	int err;

	if (a && plan->slot >= 0 && (s = app_find_place(a, (unsigned)plan->slot)))
		w = s->current;
	if (!w || w->pid <= 0) {
		answer_error(c, id, RPC_FAILED, "there is no process in that slot", NULL);
		return;
	}
	err = proc_environ(w->pid, &bytes, &len);
	if (err < 0) {
		answer_error(c, id, code_of_errno(err), strerror(-err), NULL);
		return;
	}
	answer(c, id,
	    json_pack("{s:s, s:i, s:i, s:o}", "app", a->name, "slot", plan->slot, "pid",
	        (int)w->pid, "environment", env_to_json(bytes, len)));
	free(bytes);
}

static void
do_probe(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	const char *text;
	int err = ask_begin(c, plan, id, &text);

	if (err < 0)
		answer_error(c, id, code_of_errno(err == -EINVAL ? -ENOENT : err), text, NULL);
}

static void
do_config(struct client *c, const json_t *id)
{
	struct str text = {0};

	conf_print(c->control->loop->conf, false, false, &text);
	if (str_failed(&text))
		answer_error(c, id, RPC_SYSTEM, "out of memory", NULL);
	else
		answer_text(c, id, "text", str_text(&text));
	str_free(&text);
}

static void
do_plan(struct client *c, struct ctl_plan *plan, const json_t *id)
{
	switch (plan->outcome) {
	case CTL_ANSWER:
		answer(c, id, plan->result);
		plan->result = NULL;
		break;
	case CTL_REFUSE:
		answer_error(c, id, plan->code, plan->message, NULL);
		break;
	case CTL_EVENT:
		do_event(c, plan, id);
		break;
	case CTL_RELOAD:
		do_reconfigure(c, plan, id, false);
		break;
	case CTL_RESTART:
		if (plan->app[0] == '\0')
			do_restart_all(c, plan, id);
		else
			do_reconfigure(c, plan, id, true);
		break;
	case CTL_LOGS:
		follow_logs(c, plan, id);
		break;
	case CTL_EVENTS:
		follow_events(c, plan, id);
		break;
	case CTL_SEND:
		do_send(c, plan, id);
		break;
	case CTL_ENV:
		do_env(c, plan, id);
		break;
	case CTL_CONFIG:
		do_config(c, id);
		break;
	case CTL_REOPEN:
		loop_reopen_logs(c->control->loop);
		answer_text(c, id, "message", "log files are reopened");
		break;
	case CTL_PROBE:
		do_probe(c, plan, id);
		break;
	}
}

void
request_handle(struct client *c, const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	struct ctl_plan plan;

	ctl_dispatch(&c->control->loop->ctl, c->role, request, &plan);
	/* What is no request at all is answered even though it has no id. */
	if (!id && plan.outcome == CTL_REFUSE && plan.code == RPC_INVALID_REQUEST)
		id = json_null();
	do_plan(c, &plan, id);
	ctl_plan_done(&plan);
	client_touch(c);
}
