/*
 * command: from a request to a plan. One row a method: name, role, parameters, help, and the
 * function that plans it; the role is checked in one place, before any parameter is looked at.
 * Nothing is done here: what changes the cluster goes to the core as an event, what needs a
 * system call to the loop.
 *
 * A refusal names the parameter and what there is instead. Who asks is a program more often than
 * a person, but a person reads the message.
 */
#include "ctl/command.h"

#include <string.h>

#include "base/str.h"
#include "core/cluster.h"
#include "ctl/json.h"
#include "ctl/params.h"
#include "ipc/msg.h"

typedef void (*plan_fn)(struct call *call);

struct row {
	struct ctl_method method;
	plan_fn plan;
};

static const struct row *rows(size_t *ret_len);

static bool
slot_has_process(const struct slot *s)
{
	if ((s->current != NULL && s->current->pid > 0) || (s->next != NULL && s->next->pid > 0))
		return true;
	for (const struct worker *w = s->leaving; w != NULL; w = w->next_leaving) {
		if (w->pid > 0)
			return true;
	}
	return false;
}

static bool
refuse_slot(struct call *call, const struct slot *s)
{
	return call_refuse(call, RPC_FAILED, "%s.%d has no process: it is in state %s%s%s",
	    call->app->name, call->plan->slot, slot_state_to_string(s->state),
	    s->reason[0] != '\0' ? ": " : "", s->reason);
}

static void
plan_event(struct call *call, enum event_kind kind)
{
	call->plan->outcome = CTL_EVENT;
	call->plan->event.kind = kind;
	call->plan->event.app = call->plan->app[0] != '\0' ? call->plan->app : NULL;
}

static void
plan_answer(struct call *call, json_t *result)
{
	if (result == NULL) {
		call_refuse(call, RPC_SYSTEM, "out of memory");
		return;
	}
	call->plan->outcome = CTL_ANSWER;
	call->plan->result = result;
}

static const char *
role_name(enum ctl_role role)
{
	return role == CTL_ROLE_ADMIN ? "admin" : role == CTL_ROLE_OPERATOR ? "operator" : "none";
}

static void
plan_hello(struct call *call)
{
	const json_t *version = call_param(call, "version");
	json_t *o;

	if (version != NULL && (!json_is_integer(version) || json_integer_value(version) < 1)) {
		call_refuse(call, RPC_INVALID_PARAMS, "version: must be a whole number from 1 on");
		return;
	}
	o = json_object();
	json_put_count(o, "protocol", RPC_PROTOCOL_VERSION);
	json_put_text(o, "version", call->ctx->version);
	json_put_text(o, "name", call->ctx->name);
	json_put_count(o, "pid", (uint64_t)call->ctx->pid);
	json_put_text(o, "role", role_name(call->role));
	json_put(o, "adhoc", json_boolean(call->ctx->adhoc));
	plan_answer(call, o);
}

static void
plan_ping(struct call *call)
{
	plan_answer(call, json_pack("{s:b}", "pong", 1));
}

static void
plan_version(struct call *call)
{
	json_t *o = json_object();

	json_put_text(o, "version", call->ctx->version);
	json_put_count(o, "protocol", RPC_PROTOCOL_VERSION);
	json_put_count(o, "pid", (uint64_t)call->ctx->pid);
	json_put_text(o, "name", call->ctx->name);
	plan_answer(call, o);
}

static void
plan_help(struct call *call)
{
	json_t *list = json_array(), *o = json_object();
	size_t n;
	const struct row *all = rows(&n);

	for (size_t i = 0; i < n; i++) {
		const struct ctl_method *m = &all[i].method;
		json_t *row = json_object();

		json_put_text(row, "name", m->name);
		json_put_text(row, "role", role_name(m->role));
		json_put_text(row, "params", m->params);
		json_put_text(row, "help", m->help);
		(void)json_array_append_new(list, row);
	}
	json_put(o, "methods", list);
	plan_answer(call, o);
}

static void
plan_status(struct call *call)
{
	if (call_take_app(call, false))
		plan_answer(call,
		    ctl_status_json_of(call->ctx, call->app != NULL ? call->app->name : NULL));
}

static void
plan_describe(struct call *call)
{
	if (call_take_app(call, true))
		plan_answer(call, ctl_describe_json(call->ctx, call->app->name));
}

static void
plan_why(struct call *call)
{
	if (call_take_app(call, true) && call_take_slot(call, false))
		plan_answer(call, ctl_why_json(call->ctx, call->app->name, call->plan->slot));
}

static void
plan_reload(struct call *call)
{
	struct ctl_plan *plan = call->plan;

	if (!call_take_living_app(call, false) ||
	    !call_take_bool(call, "wait", true, &plan->wait) ||
	    !call_take_bool(call, "update_env", false, &plan->update_env))
		return;
	if (plan->update_env && !call->ctx->adhoc)
		call_refuse(call, RPC_FAILED, "update_env: %s takes its environment from %s",
		    call->ctx->name, call->ctx->config_path);
	else
		plan->outcome = CTL_RELOAD;
}

static void
plan_restart(struct call *call)
{
	if (call_take_living_app(call, false) &&
	    call_take_bool(call, "wait", true, &call->plan->wait))
		call->plan->outcome = CTL_RESTART;
}

static void
plan_start(struct call *call)
{
	if (call_take_living_app(call, true) &&
	    call_take_bool(call, "wait", true, &call->plan->wait))
		plan_event(call, EVENT_START);
}

static void
plan_stop(struct call *call)
{
	if (call_take_living_app(call, true) &&
	    call_take_bool(call, "wait", true, &call->plan->wait))
		plan_event(call, EVENT_STOP);
}

static void
plan_shutdown(struct call *call)
{
	if (!call_take_bool(call, "wait", true, &call->plan->wait))
		return;
	plan_event(call, EVENT_SHUTDOWN);
	call->plan->event.shutdown.mode = SHUTDOWN_GRACEFUL;
}

static void
plan_scale(struct call *call)
{
	unsigned workers = 0;

	if (!call_take_living_app(call, true) ||
	    !call_take_bool(call, "wait", true, &call->plan->wait) ||
	    !call_take_workers(call, call->app->target_len, &workers))
		return;
	plan_event(call, EVENT_SCALE);
	call->plan->event.scale.workers = workers;
}

/* A slot, or without it all of the app. */
static void
plan_away(struct call *call, enum event_kind kind)
{
	if (!call_take_living_app(call, true) || !call_take_slot(call, false) ||
	    !call_take_bool(call, "wait", true, &call->plan->wait))
		return;
	if (call->plan->slot >= (int)call->app->slots_len) {
		call_refuse(call, RPC_FAILED, "%s.%d is no slot, but the number of a spare",
		    call->app->name, call->plan->slot);
		return;
	}
	plan_event(call, kind);
	call->plan->event.drain.slot = call->plan->slot;
}

static void
plan_drain(struct call *call)
{
	plan_away(call, EVENT_DRAIN);
}

static void
plan_resume(struct call *call)
{
	plan_away(call, EVENT_RESUME);
}

/* What the app itself is asked for, if it is; else the root. */
static void
plan_probe(struct call *call)
{
	const struct conf_app *conf;
	const char *path = NULL;

	if (!call_take_app(call, true) || !call_take_slot(call, true))
		return;
	conf = call->app->generation != NULL ? call->app->generation->conf : NULL;
	if (conf != NULL)
		path = conf->probe_path != NULL ? conf->probe_path : conf->ready_path;
	if (!call_take_path(call, path) ||
	    !call_take_timeout(call, conf != NULL ? conf->probe_timeout_ms : 5000))
		return;
	call->plan->outcome = CTL_PROBE;
}

static void
plan_kill(struct call *call)
{
	const struct slot *s;
	int signal = 0;

	if (!call_take_app(call, true) || !call_take_slot(call, true) ||
	    !call_take_signal(call, "TERM", &signal))
		return;
	s = app_find_place(call->app, (unsigned)call->plan->slot);
	if (!slot_has_process(s)) {
		refuse_slot(call, s);
		return;
	}
	plan_event(call, EVENT_KILL);
	call->plan->event.kill.slot = (unsigned)call->plan->slot;
	call->plan->event.kill.signal = signal;
}

static void
plan_signal(struct call *call)
{
	int signal = 0;

	if (!call_take_app(call, true) || !call_take_signal(call, NULL, &signal))
		return;
	plan_event(call, EVENT_SIGNAL);
	call->plan->event.signal.signal = signal;
}

static void
plan_send(struct call *call)
{
	const json_t *data = json_object_get(call->params, "data");

	if (!call_take_app(call, true) || !call_take_slot(call, false))
		return;
	if (data == NULL) {
		call_refuse(call, RPC_INVALID_PARAMS, "data: is missing");
		return;
	}
	call->plan->outcome = CTL_SEND;
	call->plan->data = data;
}

static void
plan_env(struct call *call)
{
	const struct slot *s;

	if (!call_take_app(call, true) || !call_take_slot(call, true))
		return;
	s = app_find_place(call->app, (unsigned)call->plan->slot);
	if (s->current == NULL || s->current->pid <= 0)
		refuse_slot(call, s);
	else
		call->plan->outcome = CTL_ENV;
}

static void
plan_logs(struct call *call)
{
	if (call_take_app(call, false) && call_take_slot(call, false) && call_take_lines(call) &&
	    call_take_bool(call, "follow", false, &call->plan->follow))
		call->plan->outcome = CTL_LOGS;
}

static void
plan_events(struct call *call)
{
	if (call_take_app(call, false) && call_take_lines(call) &&
	    call_take_bool(call, "follow", false, &call->plan->follow))
		call->plan->outcome = CTL_EVENTS;
}

static void
plan_reopen(struct call *call)
{
	call->plan->outcome = CTL_REOPEN;
}

static void
plan_config(struct call *call)
{
	call->plan->outcome = CTL_CONFIG;
}

#define OPERATOR CTL_ROLE_OPERATOR
#define ADMIN    CTL_ROLE_ADMIN

static const struct row table[] = {
    {{"hello", OPERATOR, "version?, client?", "exchange protocol versions"}, plan_hello},
    {{"ping", OPERATOR, "", "does the master answer"}, plan_ping},
    {{"version", OPERATOR, "", "version of the master"}, plan_version},
    {{"help", OPERATOR, "", "this list"}, plan_help},
    {{"status", OPERATOR, "app?", "state of all apps and workers"}, plan_status},
    {{"describe", OPERATOR, "app", "one app with settings, metrics, last deaths"}, plan_describe},
    {{"why", OPERATOR, "app, slot?", "what happened to a slot, and how its workers ended"},
        plan_why},
    {{"reload", OPERATOR, "app?, wait?, update_env?", "read the configuration, roll out"},
        plan_reload},
    {{"restart", OPERATOR, "app?, wait?", "stop all workers, then start them"}, plan_restart},
    {{"start", OPERATOR, "app, wait?", "start an app that rests"}, plan_start},
    {{"stop", OPERATOR, "app, wait?", "let an app rest"}, plan_stop},
    {{"shutdown", OPERATOR, "wait?", "end the master and all workers"}, plan_shutdown},
    {{"scale", OPERATOR, "app, workers, wait?", "N, +N or -N workers"}, plan_scale},
    {{"drain", OPERATOR, "app, slot?, wait?", "take workers away, keep their sockets"}, plan_drain},
    {{"resume", OPERATOR, "app, slot?, wait?", "end what drain began"}, plan_resume},
    {{"probe", OPERATOR, "app, slot, path?, timeout_ms?", "ask one worker over its socket"},
        plan_probe},
    {{"kill", ADMIN, "app, slot, signal?", "signal to one worker"}, plan_kill},
    {{"signal", OPERATOR, "app, signal", "signal to all workers of an app"}, plan_signal},
    {{"send", OPERATOR, "app, slot?, data", "message to workers"}, plan_send},
    {{"env", ADMIN, "app, slot", "environment of a worker"}, plan_env},
    {{"logs", OPERATOR, "app?, slot?, lines?, follow?", "output of workers"}, plan_logs},
    {{"events", OPERATOR, "lines?, follow?, app?", "what happened"}, plan_events},
    {{"reopen", OPERATOR, "", "reopen log files"}, plan_reopen},
    {{"config", ADMIN, "", "the configuration in force"}, plan_config},
};

#define METHODS (sizeof(table) / sizeof(table[0]))

static const struct row *
rows(size_t *ret_len)
{
	*ret_len = METHODS;
	return table;
}

const struct ctl_method *
ctl_methods(size_t *ret_len)
{
	static struct ctl_method methods[METHODS];

	for (size_t i = 0; i < METHODS; i++)
		methods[i] = table[i].method;
	*ret_len = METHODS;
	return methods;
}

static const struct row *
find_method(struct call *call, const char *name)
{
	const char *names[METHODS], *nearest;
	char buf[SHOWN_MAX + 4];

	for (size_t i = 0; i < METHODS; i++) {
		if (strcmp(table[i].method.name, name) == 0)
			return &table[i];
		names[i] = table[i].method.name;
	}
	nearest = str_nearest(name, names, METHODS);
	if (nearest != NULL)
		call_refuse(call, RPC_METHOD_NOT_FOUND, "no method \"%s\": did you mean \"%s\"?",
		    call_shown(name, buf), nearest);
	else
		call_refuse(call, RPC_METHOD_NOT_FOUND, "no method \"%s\": \"help\" lists them",
		    call_shown(name, buf));
	return NULL;
}

/* What JSON-RPC asks of any request. */
static bool
check_shape(struct call *call, const json_t *request)
{
	const json_t *version = json_object_get(request, "jsonrpc");
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");

	if (!json_is_object(request))
		return call_refuse(call, RPC_INVALID_REQUEST, "a request must be an object");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return call_refuse(call, RPC_INVALID_REQUEST, "jsonrpc: must be \"2.0\"");
	if (!json_is_string(json_object_get(request, "method")))
		return call_refuse(call, RPC_INVALID_REQUEST, "method: must be a string");
	if (id != NULL && !json_is_integer(id) && !json_is_string(id) && !json_is_null(id))
		return call_refuse(
		    call, RPC_INVALID_REQUEST, "id: must be a string or a whole number");
	if (params != NULL && !json_is_null(params) && !json_is_object(params))
		return call_refuse(call, RPC_INVALID_PARAMS, "params: must be an object");
	call->params = json_is_object(params) ? params : NULL;
	return true;
}

void
ctl_dispatch(
    const struct ctl_context *ctx, enum ctl_role role, const json_t *request, struct ctl_plan *ret)
{
	struct call call = {.ctx = ctx, .role = role, .plan = ret};
	const struct row *row;

	memset(ret, 0, sizeof(*ret));
	ret->slot = -1;
	ret->wait = true;
	if (!check_shape(&call, request))
		return;
	row = find_method(&call, json_string_value(json_object_get(request, "method")));
	if (row == NULL)
		return;
	ret->method = &row->method;
	if (role < row->method.role)
		call_refuse(&call, RPC_PERMISSION, "%s: needs the role %s; this connection has %s",
		    row->method.name, role_name(row->method.role), role_name(role));
	else
		row->plan(&call);
}

void
ctl_plan_done(struct ctl_plan *plan)
{
	json_decref(plan->result);
	plan->result = NULL;
}
