/*
 * status: the core's structs as JSON and as one line. Reads, never decides; what a reader may
 * rely on is in brood-protocol(7), so a member here is a promise.
 *
 * Ages are counted on the monotonic clock. `status` of a thousand slots is made in a few
 * milliseconds: keys are literals that need no check, and nothing is looked up twice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "core/cluster.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "ipc/msg.h"

#define WHY_SLOTS_MAX   32 /* of `why APP`: more is too much for a person and a socket */
#define LAST_DEATHS_MAX 5

/* Now for ages: the core's own time may be old in a quiet cluster. */
static uint64_t
now_us_for(const struct core *c)
{
	uint64_t now = clock_now_us();

	return now > c->now_us ? now : c->now_us;
}

static uint64_t
age_ms(uint64_t now_us, uint64_t since_us)
{
	return now_us > since_us ? (now_us - since_us) / 1000 : 0;
}

static json_t *
beat_json(const struct worker_report *r, uint64_t now_us)
{
	json_t *o;

	if (r == NULL || !r->has_beat)
		return json_null();
	o = json_object();
	json_put_count(o, "age_ms", age_ms(now_us, r->beat_us));
	json_put_count(o, "lag_us", r->lag_us);
	json_put(o, "busy", json_real(r->busy));
	json_put_count(o, "conns", r->conns);
	json_put_count(o, "requests", r->requests);
	json_put_count(o, "stolen", r->stolen);
	return o;
}

static const struct worker_report *
report_of(const struct ctl_context *ctx, const struct worker *w)
{
	static const struct worker_report silent;
	const struct worker_report *r = NULL;

	if (w != NULL && ctx->report != NULL)
		r = ctx->report(ctx->arg, w->id);
	return r != NULL ? r : &silent;
}

/* How a worker comes to its connections: by its own socket alone (T0), or by a wait set of the
 * master's within its loop (T1) or around it (T2). */
static const char *
tier_of(const struct worker *w)
{
	return !w->on_ring ? "T0" : w->neighbours > 0 ? "T1" : "T2";
}

static json_t *
worker_json(const struct ctl_context *ctx, const struct worker *w, uint64_t now_us)
{
	const struct worker_report *r = report_of(ctx, w);
	json_t *o;

	if (w == NULL)
		return json_null();
	o = json_object();
	json_put_count(o, "pid", w->pid > 0 ? (uint64_t)w->pid : 0);
	json_put_count(o, "number", w->number);
	json_put_count(o, "generation", w->generation != NULL ? w->generation->number : 0);
	json_put_text(o, "state", worker_state_to_string(w->state));
	json_put_text(o, "step", leave_step_to_string(w->step));
	json_put_text(o, "reason", w->reason);
	json_put_count(o, "uptime_ms", w->spawned_us > 0 ? age_ms(now_us, w->spawned_us) : 0);
	json_put(o, "speaks", json_boolean(w->speaks));
	json_put(o, "leader", json_boolean(w->leads));
	json_put_text(o, "status", r->status);
	json_put(o, "beat", beat_json(r, now_us));
	json_put_count(o, "messages_in", r->messages_in);
	json_put_count(o, "messages_out", r->messages_out);
	json_put_count(o, "messages_skipped", r->messages_skipped);
	json_put_count(o, "messages_dropped", r->messages_dropped);
	json_put_count(o, "log_lines", r->log_lines);
	json_put_count(o, "log_bytes", r->log_bytes);
	json_put_count(o, "log_dropped", r->log_dropped);
	return o;
}

/* A place for a spare serves nobody: it is as far as its spare. */
static const char *
state_of(const struct slot *s)
{
	return s->spare && s->current != NULL ? worker_state_to_string(s->current->state)
	                                      : slot_state_to_string(s->state);
}

/* What `status` and `why` tell of a slot alike. */
static json_t *
slot_head_json(const struct slot *s, uint64_t now_us)
{
	uint64_t next_us = slot_next_deadline(s);
	json_t *o = json_object();

	json_put_count(o, "slot", s->index);
	json_put_text(o, "state", state_of(s));
	json_put_text(o, "reason", s->reason);
	json_put_count(o, "since_ms", age_ms(now_us, s->since_us));
	json_put_count(o, "restarts", s->restarts);
	json_put_count(o, "stalls", s->stalls);
	json_put(o, "drained", json_boolean(s->drained));
	if (next_us > 0)
		json_put_count(o, "next_ms", age_ms(next_us, now_us));
	else
		json_put(o, "next_ms", json_null());
	return o;
}

/* What waits at the slot's own sockets, and the connections that changed hands here: those that
 * its worker took from its siblings, and those that were taken from it. */
static void
put_queue(json_t *o, const struct ctl_context *ctx, const struct slot *s)
{
	struct slot_queue q = {0};
	json_t *queue = NULL;

	if (ctx->queue != NULL && ctx->queue(ctx->arg, s->app->name, s->index, &q)) {
		queue = json_object();
		json_put_count(queue, "now", q.now);
		json_put_count(queue, "most", q.most);
		json_put_count(queue, "limit", q.limit);
		json_put_count(queue, "rescued", q.rescued);
	}
	json_put(o, "queue", queue != NULL ? queue : json_null());
	json_put_count(o, "taken_over", report_of(ctx, s->current)->stolen + q.rescued);
}

static void
put_leaving(json_t *o, const struct ctl_context *ctx, const struct slot *s, uint64_t now_us)
{
	json_t *leaving = json_array();

	for (const struct worker *w = s->leaving; w != NULL; w = w->next_leaving)
		(void)json_array_append_new(leaving, worker_json(ctx, w, now_us));
	json_put(o, "leaving", leaving);
}

static json_t *
slot_json(const struct ctl_context *ctx, const struct slot *s, uint64_t now_us)
{
	json_t *o = slot_head_json(s, now_us);

	json_put(o, "tier", s->current != NULL ? json_string(tier_of(s->current)) : json_null());
	json_put_count(o, "seat", s->seat);
	put_queue(o, ctx, s);
	json_put(o, "worker", worker_json(ctx, s->current, now_us));
	json_put(o, "next", worker_json(ctx, s->next, now_us));
	put_leaving(o, ctx, s, now_us);
	return o;
}

/* Those that are there, that shall be, or that leave. */
static json_t *
spares_json(const struct ctl_context *ctx, const struct app *a, uint64_t now_us)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < a->spares_len; i++) {
		const struct slot *s = a->spares[i];
		json_t *o;

		if (s->generation == NULL && s->leaving == NULL)
			continue;
		o = slot_head_json(s, now_us);
		json_put(o, "worker", worker_json(ctx, s->current, now_us));
		put_leaving(o, ctx, s, now_us);
		(void)json_array_append_new(list, o);
	}
	return list;
}

/* The slots of an app that are wanted, counted by state. */
struct tally {
	unsigned of[SLOT_STATE_MAX], all;
	unsigned drained; /* by an operator, and away */
};

static struct tally
tally_slots(const struct app *a)
{
	struct tally t = {0};

	for (unsigned i = 0; i < a->slots_len && i < a->target_len; i++) {
		t.of[a->slots[i]->state]++;
		t.all++;
		t.drained += a->slots[i]->drained && a->slots[i]->state == SLOT_RESTING;
	}
	return t;
}

/* The app in one word. The order is that of what a person must know first. */
static const char *
app_state(const struct app *a)
{
	struct tally t = tally_slots(a);
	unsigned trouble = t.of[SLOT_FAILED] + t.of[SLOT_BACKOFF];

	if (a->core->shutdown != SHUTDOWN_NONE || a->wanted == APP_GO)
		return "stopping";
	if (a->wanted == APP_REST || t.all == 0)
		return app_count_alive(a) > 0 ? "stopping" : "resting";
	if (a->rollout.state != ROLLOUT_NONE)
		return "reloading";
	if (t.of[SLOT_SERVING] == t.all)
		return "ready";
	if (t.drained > 0 && t.drained + t.of[SLOT_SERVING] == t.all)
		return "drained";
	if (trouble == 0 && t.of[SLOT_STARTING] > 0)
		return "starting";
	if (t.of[SLOT_SERVING] > 0)
		return "degraded";
	if (trouble > 0)
		return "failed";
	return t.of[SLOT_EXITED] > 0 ? "exited" : "resting";
}

static json_t *
listeners_json(const struct ctl_context *ctx, const struct app *a)
{
	struct listener_info info[CONF_LISTENERS_MAX];
	json_t *list = json_array();
	size_t n = 0;

	if (ctx->listeners != NULL)
		n = ctx->listeners(ctx->arg, a->name, info, CONF_LISTENERS_MAX);
	if (n > CONF_LISTENERS_MAX)
		n = CONF_LISTENERS_MAX;
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		json_put_text(o, "address", info[i].key);
		json_put_text(o, "name", info[i].name);
		json_put_count(o, "sockets", info[i].sockets);
		json_put_count(o, "port", info[i].port);
		json_put_text(o, "shape", info[i].shape != NULL ? info[i].shape : "");
		(void)json_object_set_new(o, "asked", json_boolean(info[i].asked));
		if (info[i].unused)
			json_put_count(o, "unused_as", info[i].use_as);
		(void)json_array_append_new(list, o);
	}
	return list;
}

static const char *
balance_of(const struct app *a)
{
	const struct conf_app *conf = a->generation != NULL ? a->generation->conf : NULL;

	return conf != NULL ? conf_balance_to_string(conf->balance) : "";
}

/* Where new connections are sent, as far as the master sends them anywhere. */
static const char *
steering_of(const struct app *a)
{
	switch (a->steer.mode) {
	case STEER_SERVE:
		return "serve";
	case STEER_HOLD:
		return "hold";
	case STEER_NONE:
		break;
	}
	return "none";
}

static json_t *
app_json(const struct ctl_context *ctx, const struct app *a, uint64_t now_us)
{
	json_t *o = json_object(), *slots = json_array();
	bool led = a->leader != NULL && a->leader->slot != NULL;

	json_put_text(o, "name", a->name);
	json_put_text(o, "state", app_state(a));
	json_put_count(o, "generation", a->generation != NULL ? a->generation->number : 0);
	json_put_count(o, "workers", a->target_len);
	json_put_count(o, "ready", app_count_ready(a));
	json_put_count(o, "leaving", app_count_leaving(a));
	json_put_count(o, "starts", a->starts);
	json_put_count(o, "deaths", a->deaths);
	json_put_text(o, "rollout", rollout_state_to_string(a->rollout.state));
	json_put_text(o, "balance", balance_of(a));
	json_put_text(o, "steering", steering_of(a));
	json_put(o, "leader", led ? json_integer(a->leader->slot->index) : json_null());
	json_put(o, "listeners", listeners_json(ctx, a));
	for (unsigned i = 0; i < a->slots_len; i++)
		(void)json_array_append_new(slots, slot_json(ctx, a->slots[i], now_us));
	json_put(o, "slots", slots);
	json_put(o, "spares", spares_json(ctx, a, now_us));
	return o;
}

static void
put_master(json_t *o, const struct ctl_context *ctx, uint64_t now_us)
{
	json_put_text(o, "version", ctx->version);
	json_put_count(o, "protocol", RPC_PROTOCOL_VERSION);
	json_put_text(o, "name", ctx->name);
	json_put_count(o, "pid", (uint64_t)ctx->pid);
	json_put(o, "adhoc", json_boolean(ctx->adhoc));
	json_put(o, "started", json_wall_time(ctx->started_wall_ms));
	json_put_count(o, "uptime_ms", age_ms(now_us, ctx->started_us));
	json_put_text(o, "config", ctx->config_path);
	json_put_text(o, "run_dir", ctx->run_dir);
	json_put_text(o, "state", ctx->core->shutdown == SHUTDOWN_NONE ? "running" : "stopping");
	json_put_count(o, "cpus", ctx->cpus);
}

json_t *
ctl_status_json(const struct ctl_context *ctx)
{
	return ctl_status_json_of(ctx, NULL);
}

json_t *
ctl_status_json_of(const struct ctl_context *ctx, const char *app)
{
	uint64_t now_us = now_us_for(ctx->core);
	json_t *o = json_object(), *apps = json_array();

	put_master(o, ctx, now_us);
	for (const struct app *a = ctx->core->apps; a != NULL; a = a->next) {
		if (app == NULL || strcmp(a->name, app) == 0)
			(void)json_array_append_new(apps, app_json(ctx, a, now_us));
	}
	json_put(o, "apps", apps);
	return o;
}

static void
put_setting(json_t *settings, const char *key, const char *value)
{
	json_t *old = json_object_get(settings, key);
	struct str both = {0};

	/* A key that may be repeated (listen) becomes one text. */
	if (json_is_string(old)) {
		str_addf(&both, "%s %s", json_string_value(old), value);
		value = str_text(&both);
	}
	(void)json_object_set_new(settings, key, json_shown(value));
	str_free(&both);
}

/* The settings in force, as the configuration itself prints them: one source for what a key is
 * called and how its value is written. Only the section of the app; variables stay hidden. */
static json_t *
config_json(const struct conf_app *app)
{
	json_t *settings = json_object();
	struct conf_app *apps[] = {(struct conf_app *)(uintptr_t)app};
	struct conf one = {.path = (char *)(uintptr_t) "", .apps = apps, .apps_len = 1};
	struct str text = {0};
	bool in_app = false;
	char *line, *rest;

	conf_print(&one, true, false, &text);
	rest = text.data;
	while ((line = rest != NULL ? strsep(&rest, "\n") : NULL) != NULL) {
		char *value = strstr(line, " = ");

		if (line[0] == '[')
			in_app = strncmp(line, "[app:", 5) == 0;
		if (!in_app || value == NULL || strchr("#;[", line[0]) != NULL)
			continue;
		*value = '\0';
		put_setting(settings, line, value + 3);
	}
	str_free(&text);
	return settings;
}

static int
newest_first(const void *a, const void *b)
{
	const struct obituary *const *x = a, *const *y = b;

	return ((*x)->wall_ms < (*y)->wall_ms) - ((*x)->wall_ms > (*y)->wall_ms);
}

/* The last few ends of an app that nobody had asked for. */
static json_t *
last_deaths_json(const struct ctl_context *ctx, const struct app *a)
{
	const struct obituary *last[LAST_DEATHS_MAX + 1];
	json_t *list = json_array();
	size_t n = 0;

	/* Beyond the slots: of spares. */
	for (unsigned i = 0; i < (a->slots_len + 2 * a->spares_len) * JOURNAL_OBITUARIES; i++) {
		const struct obituary *o = journal_obituary(
		    ctx->journal, a->name, i / JOURNAL_OBITUARIES, i % JOURNAL_OBITUARIES);

		if (o == NULL || o->expected)
			continue;
		last[n++] = o;
		qsort(last, n, sizeof(last[0]), newest_first);
		if (n > LAST_DEATHS_MAX)
			n = LAST_DEATHS_MAX;
	}
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, obituary_to_json(last[i]));
	return list;
}

json_t *
ctl_describe_json(const struct ctl_context *ctx, const char *app)
{
	const struct app *a = core_find_app(ctx->core, app);
	json_t *o;

	if (a == NULL)
		return NULL;
	o = app_json(ctx, a, now_us_for(ctx->core));
	json_put(o, "config",
	    a->generation != NULL && a->generation->conf != NULL ? config_json(a->generation->conf)
	                                                         : json_object());
	json_put(o, "metrics", metrics_to_json(ctx->metrics, app));
	json_put(o, "last_deaths", last_deaths_json(ctx, a));
	return o;
}

/* Oldest first, as a story is told. */
static json_t *
history_json(const struct slot *s, uint64_t now_us)
{
	unsigned n = s->history_at < HISTORY_LEN ? s->history_at : HISTORY_LEN;
	json_t *list = json_array();

	for (unsigned i = s->history_at - n; i != s->history_at; i++) {
		const struct history_entry *h = &s->history[i % HISTORY_LEN];
		json_t *o = json_object();

		json_put_count(o, "at_ms_ago", age_ms(now_us, h->at_us));
		json_put_count(o, "pid", h->pid > 0 ? (uint64_t)h->pid : 0);
		json_put_count(o, "generation", h->generation);
		json_put_text(o, "what", h->of_worker ? "worker" : "slot");
		json_put_text(o, "from",
		    h->of_worker ? worker_state_to_string(h->from) : slot_state_to_string(h->from));
		json_put_text(o, "to",
		    h->of_worker ? worker_state_to_string(h->to) : slot_state_to_string(h->to));
		json_put_text(o, "cause", cause_to_string(h->cause));
		json_put_text(o, "reason", h->reason);
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *
slot_why_json(const struct ctl_context *ctx, const struct slot *s, uint64_t now_us)
{
	json_t *o = slot_head_json(s, now_us), *list = json_array();
	const struct obituary *dead;

	json_put(o, "worker", worker_json(ctx, s->current, now_us));
	json_put(o, "history", history_json(s, now_us));
	for (unsigned i = 0;
	     (dead = journal_obituary(ctx->journal, s->app->name, s->index, i)) != NULL; i++)
		(void)json_array_append_new(list, obituary_to_json(dead));
	json_put(o, "obituaries", list);
	return o;
}

/* 0: in trouble now; 1: somebody died here; 2: nothing to tell. */
static unsigned
why_rank(const struct ctl_context *ctx, const struct slot *s)
{
	const struct obituary *o = journal_obituary(ctx->journal, s->app->name, s->index, 0);

	if (s->state != SLOT_SERVING && s->state != SLOT_RESTING && !s->spare)
		return 0;
	if (s->current != NULL && s->current->state == WORKER_STALLED)
		return 0;
	return o != NULL && !o->expected ? 1 : 2;
}

/* The slots, and behind them the spares' places that were ever used. */
static const struct slot *
nth_place(const struct app *a, unsigned i)
{
	const struct slot *s = i < a->slots_len ? a->slots[i] : a->spares[i - a->slots_len];

	return !s->spare || s->history_at > 0 ? s : NULL;
}

json_t *
ctl_why_json(const struct ctl_context *ctx, const char *app, int slot)
{
	const struct app *a = core_find_app(ctx->core, app);
	const struct slot *only = a != NULL && slot >= 0 ? app_find_place(a, (unsigned)slot) : NULL;
	uint64_t now_us = now_us_for(ctx->core);
	json_t *o, *slots;
	unsigned shown = 0, wanted = 0;

	if (a == NULL)
		return NULL;
	o = json_object();
	slots = json_array();
	for (unsigned rank = 0; rank <= 2; rank++) {
		for (unsigned i = 0; i < a->slots_len + a->spares_len; i++) {
			const struct slot *s = nth_place(a, i);

			if (s == NULL || (slot >= 0 && s != only) || why_rank(ctx, s) != rank)
				continue;
			wanted++;
			if (shown == WHY_SLOTS_MAX)
				continue;
			shown++;
			(void)json_array_append_new(slots, slot_why_json(ctx, s, now_us));
		}
	}
	json_put_text(o, "app", a->name);
	json_put(o, "slots", slots);
	json_put_count(o, "omitted", wanted - shown);
	return o;
}

void
ctl_status_line(const struct core *core, char *buf, size_t size)
{
	bool several = core->apps != NULL && core->apps->next != NULL;
	struct str line = {0};

	for (const struct app *a = core->apps; a != NULL && line.len < size; a = a->next) {
		if (line.len > 0)
			str_add(&line, ", ");
		if (several)
			str_addf(&line, "%s ", a->name);
		str_addf(&line, "%u/%u ready", app_count_ready(a), a->target_len);
		if (!several && a->generation != NULL)
			str_addf(&line, ", generation %u", a->generation->number);
	}
	if (core->apps == NULL)
		str_add(&line, "no apps");
	(void)snprintf(buf, size, "%s", str_text(&line));
	str_free(&line);
}
