/*
 * show: what there is, in tables. Nothing here changes anything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/member.h"
#include "cli/target.h"

#define QUERY_MS 10000

static int
fail_with(const struct cli *cli, struct failure *f)
{
	int code = cli_fail_with(cli, f);

	failure_done(f);
	return code;
}

static json_t *
call(struct cli *cli, const char *method, json_t *params, struct failure *f)
{
	return client_call(cli->instance.client, method, params, cli_deadline_us(cli, QUERY_MS), f);
}

/* Resident memory of a process, in bytes; 0 where /proc does not tell. */
static uint64_t
rss_of(json_int_t pid)
{
	char path[64], buf[128];
	unsigned long long pages = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%lld/statm", (long long)pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	if (!f)
		return 0;
	if (!fgets(buf, sizeof(buf), f) || sscanf(buf, "%*u %llu", &pages) != 1)
		pages = 0;
	(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
add_rss(struct table *tb, json_int_t pid)
{
	uint64_t bytes = rss_of(pid);

	if (bytes == 0)
		table_add(tb, "");
	else if (bytes < 10u << 20)
		table_addf(tb, "%.1fM", (double)bytes / (1 << 20));
	else
		table_addf(tb, "%lluM", (unsigned long long)(bytes >> 20));
}

static void
add_beat(struct table *tb, const json_t *worker)
{
	const json_t *beat = json_object_get(worker, "beat");

	if (!json_is_object(beat)) {
		table_add(tb, "");
		table_add(tb, "");
		return;
	}
	table_addf(tb, "%.1fms", (double)number_of(beat, "lag_us") / 1000);
	table_addf(tb, "%lld", (long long)number_of(beat, "conns"));
}

/* What is worth saying of a slot: its worker's own words, or why it does not serve. */
static void
add_note(struct table *tb, const json_t *slot, const json_t *worker)
{
	struct str s = {0};
	const json_t *next = json_object_get(slot, "next_ms");
	const char *status = text_of(worker, "status"), *state = text_of(slot, "state");
	char buf[32];

	if (json_is_true(json_object_get(worker, "leader")))
		str_add(&s, "leader");
	if (strcmp(state, "serving") != 0)
		str_addf(&s, "%s%s", s.len ? ", " : "", text_of(slot, "reason"));
	if (strcmp(state, "backoff") == 0 && json_is_integer(next))
		str_addf(&s, "; next try in %s", age_text((uint64_t)json_integer_value(next), buf));
	if (strcmp(text_of(worker, "state"), "stalled") == 0)
		str_addf(&s, "%s%s", s.len ? ", " : "", text_of(worker, "reason"));
	if (*status)
		str_addf(&s, "%s%s", s.len ? ", " : "", status);
	table_add(tb, str_text(&s));
	str_free(&s);
}

/* Columns of `status`. How connections find a slot is shown where there is room for it. */
#define STATUS_ROOM 120
static const struct column columns_before[] = {{"APP", false, false}, {"SLOT", true, false},
    {"PID", true, false}, {"STATE", false, false}, {"GEN", true, false}, {"UPTIME", true, false},
    {"RESTARTS", true, false}, {"RSS", true, false}, {"LAG", true, false}, {"CONNS", true, false}};
static const struct column columns_ways[] = {{"TIER", false, false}, {"QUEUE", true, false},
    {"TAKEN", true, false}, {"STALLS", true, false}};
static const struct column columns_after[] = {{"STATUS", false, true}};
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static struct table *
status_table(const struct term *t, bool ways)
{
	struct column all[LEN(columns_before) + LEN(columns_ways) + LEN(columns_after)];
	size_t n = LEN(columns_before);

	memcpy(all, columns_before, sizeof(columns_before));
	if (ways) {
		memcpy(all + n, columns_ways, sizeof(columns_ways));
		n += LEN(columns_ways);
	}
	memcpy(all + n, columns_after, sizeof(columns_after));
	return table_new(t, all, n + LEN(columns_after));
}

/* Tier, what waits now and the most that ever did, connections that changed hands, stalls. */
void
cli_add_ways(struct table *tb, const json_t *slot)
{
	const json_t *queue = json_object_get(slot, "queue");

	table_add(tb, text_of(slot, "tier"));
	if (json_is_object(queue))
		table_addf(tb, "%lld/%lld", (long long)number_of(queue, "now"),
		    (long long)number_of(queue, "most"));
	else
		table_add(tb, "");
	table_addf(tb, "%lld", (long long)number_of(slot, "taken_over"));
	table_addf(tb, "%lld", (long long)number_of(slot, "stalls"));
}

bool
cli_has_other_number(const json_t *slot, const json_t *worker)
{
	const json_t *number = json_object_get(worker, "number");

	return json_is_integer(number) && json_integer_value(number) != number_of(slot, "slot");
}

void
cli_add_slot_number(struct table *tb, const json_t *slot, const json_t *worker, const char *mark)
{
	long long at = number_of(slot, "slot");

	if (strstr(mark, "spare") && json_is_object(worker))
		table_addf(tb, "%s%lld", mark, (long long)number_of(worker, "number"));
	else if (cli_has_other_number(slot, worker))
		table_addf(
		    tb, "%s%lld (as %lld)", mark, at, (long long)number_of(worker, "number"));
	else
		table_addf(tb, "%s%lld", mark, at);
}

static void
add_worker(struct table *tb, bool ways, const char *app, const json_t *slot, const json_t *worker,
    const char *state, const char *mark)
{
	bool has = json_is_object(worker);
	char buf[32];

	table_add_row(tb);
	table_add(tb, app);
	cli_add_slot_number(tb, slot, worker, mark);
	table_add_number(tb, has && number_of(worker, "pid") > 0, number_of(worker, "pid"));
	table_add_tinted(tb, term_state_tint(state), state);
	table_add_number(tb, has, number_of(worker, "generation"));
	table_add(tb, has ? age_text((uint64_t)number_of(worker, "uptime_ms"), buf) : "");
	table_add_number(tb, !*mark, number_of(slot, "restarts"));
	add_rss(tb, number_of(worker, "pid"));
	add_beat(tb, worker);
	if (ways && !*mark)
		cli_add_ways(tb, slot);
	for (size_t i = 0; ways && *mark && i < LEN(columns_ways); i++)
		table_add(tb, "");
	if (*mark)
		table_add(tb, text_of(has ? worker : slot, "reason"));
	else
		add_note(tb, slot, worker);
}

/* A slot is a line, its coming and leaving workers a line each below it. */
static void
add_slot(struct table *tb, bool ways, const char *app, const json_t *slot)
{
	const json_t *worker = json_object_get(slot, "worker"),
	             *next = json_object_get(slot, "next");
	const json_t *leaving;
	const char *state = text_of(slot, "state");
	size_t i;

	/* "serving" is the slot's word; people look for "ready". */
	if (strcmp(state, "serving") == 0)
		state = json_is_object(worker) ? text_of(worker, "state") : "ready";
	else if (json_is_true(json_object_get(slot, "drained")) && strcmp(state, "resting") == 0)
		state = "drained";
	add_worker(tb, ways, app, slot, worker, state, "");
	if (json_is_object(next))
		add_worker(tb, ways, app, slot, next, text_of(next, "state"), "+");
	json_array_foreach(json_object_get(slot, "leaving"), i, leaving)
	{
		add_worker(tb, ways, app, slot, leaving, text_of(leaving, "state"), "-");
	}
}

static void
add_spare(struct table *tb, bool ways, const char *app, const json_t *spare)
{
	const json_t *worker = json_object_get(spare, "worker"), *leaving;
	size_t i;

	if (strcmp(text_of(spare, "state"), "resting") != 0)
		add_worker(tb, ways, app, spare, worker, text_of(spare, "state"), "spare ");
	json_array_foreach(json_object_get(spare, "leaving"), i, leaving)
	{
		add_worker(tb, ways, app, spare, leaving, text_of(leaving, "state"), "-spare ");
	}
}

/* The program listens elsewhere. */
static void
show_unused(const json_t *listener)
{
	if (json_object_get(listener, "unused_as") == NULL)
		return;
	if (number_of(listener, "unused_as") > 0)
		printf(" (unused: write ?as=%lld behind it)",
		    (long long)number_of(listener, "unused_as"));
	else
		printf(" (unused)");
}

/* One socket for all, where the configuration asked for more and the kernel does not allow it. */
static bool
is_not_steered(const json_t *app, const json_t *listener)
{
	static const char *const steered[] = {"even", "sticky", "cpu"};
	const char *balance = text_of(app, "balance");
	bool wanted = false;

	for (size_t i = 0; i < LEN(steered); i++)
		wanted = wanted || strcmp(balance, steered[i]) == 0;
	return wanted && strncmp(text_of(listener, "address"), "tcp:", 4) == 0 &&
	       strcmp(text_of(listener, "shape"), "shared") == 0;
}

static void
print_app_line(const struct cli *cli, const json_t *app)
{
	const struct term *t = &cli->term;
	const char *state = text_of(app, "state"), *rollout = text_of(app, "rollout");
	size_t i;
	const json_t *l;

	printf("%s", term_on(t->color, TINT_BOLD));
	term_put(stdout, text_of(app, "name"));
	printf("%s: %s", term_off(t->color), term_on(t->color, term_state_tint(state)));
	term_put(stdout, state);
	printf("%s, %lld/%lld ready, generation %lld", term_off(t->color),
	    (long long)number_of(app, "ready"), (long long)number_of(app, "workers"),
	    (long long)number_of(app, "generation"));
	if (number_of(app, "leaving") > 0)
		printf(", %lld leaving", (long long)number_of(app, "leaving"));
	if (*rollout && strcmp(rollout, "none") != 0) {
		printf(", rollout ");
		term_put(stdout, rollout);
	}
	json_array_foreach(json_object_get(app, "listeners"), i, l)
	{
		printf("%s", i ? " " : ", on ");
		term_put(stdout, text_of(l, "address"));
		if (is_not_steered(app, l))
			printf(" (shared: see brood doctor)");
		show_unused(l);
	}
	if (strcmp(text_of(app, "steering"), "hold") == 0)
		printf(", %snew clients are held off%s", term_on(t->color, TINT_WARN),
		    term_off(t->color));
	(void)putchar('\n');
}

static void
print_status(const struct cli *cli, const json_t *status)
{
	bool ways = term_has_room(&cli->term, STATUS_ROOM);
	struct table *tb = status_table(&cli->term, ways);
	const json_t *app, *slot;
	size_t i, k;
	bool any = false;
	char buf[32];

	printf("%s", term_on(cli->term.color, TINT_BOLD));
	term_put(stdout, text_of(status, "name"));
	printf("%s: pid %lld, up %s, brood %s, ", term_off(cli->term.color),
	    (long long)number_of(status, "pid"),
	    age_text((uint64_t)number_of(status, "uptime_ms"), buf), text_of(status, "version"));
	term_put(stdout, text_of(status, "config"));
	printf("%s\n", strcmp(text_of(status, "state"), "stopping") == 0 ? ", stopping" : "");
	json_array_foreach(json_object_get(status, "apps"), i, app)
	{
		print_app_line(cli, app);
		json_array_foreach(json_object_get(app, "slots"), k, slot)
		{
			add_slot(tb, ways, text_of(app, "name"), slot);
			any = true;
		}
		json_array_foreach(json_object_get(app, "spares"), k, slot)
		{
			add_spare(tb, ways, text_of(app, "name"), slot);
		}
	}
	if (any)
		(void)putchar('\n');
	table_print(tb);
}

/* An app that rests, or is drained, does so because somebody wanted it. While a rollout keeps all slots serving
 * nothing is degraded. */
static bool
is_well(const json_t *app)
{
	const char *state = text_of(app, "state");

	return strcmp(state, "ready") == 0 || strcmp(state, "resting") == 0 ||
	       strcmp(state, "drained") == 0 ||
	       (strcmp(state, "reloading") == 0 &&
	           number_of(app, "ready") >= number_of(app, "workers"));
}

static int
status_code(const json_t *status)
{
	const json_t *app;
	size_t i;

	if (strcmp(text_of(status, "state"), "stopping") == 0)
		return CLI_FAILED;
	json_array_foreach(json_object_get(status, "apps"), i, app)
	{
		if (!is_well(app))
			return CLI_FAILED;
	}
	return CLI_OK;
}

int
cmd_status(struct cli *cli)
{
	const char *app = cli->args_len ? cli->args[0] : NULL;
	json_t *params = json_object(), *status;
	struct failure f = {0};
	int code;

	if (instance_pick(cli, app, &cli->instance, &f) < 0) {
		json_decref(params);
		if (f.exit_code == CLI_NO_MASTER)
			f.exit_code = CLI_NOT_RUNNING;
		return fail_with(cli, &f);
	}
	if (app)
		(void)json_object_set_new(params, "app", json_string(app));
	status = call(cli, "status", params, &f);
	if (!status)
		return fail_with(cli, &f);
	if (cli->json)
		(void)cli_print_json(cli, status, false);
	else
		print_status(cli, status);
	code = status_code(status);
	json_decref(status);
	return code;
}

struct totals {
	json_int_t ready, workers;
	struct str apps;
};

static void
add_up(const json_t *status, struct totals *t)
{
	size_t i;
	const json_t *app;

	json_array_foreach(json_object_get(status, "apps"), i, app)
	{
		t->ready += number_of(app, "ready");
		t->workers += number_of(app, "workers");
		str_addf(&t->apps, "%s%s", i ? " " : "", text_of(app, "name"));
	}
}

static void
add_instance(struct table *tb, const struct instance *in)
{
	const char *state = instance_state_to_string(in->state);
	struct totals t = {0};
	char buf[32];

	table_add_row(tb);
	table_add(tb, in->name);
	if (!in->status) {
		table_add(tb, "");
		table_add_tinted(tb, term_state_tint(state), state);
		for (int i = 0; i < 3; i++)
			table_add(tb, "");
		table_add(tb, in->state == INSTANCE_STALE
		                  ? "no master listens here; the next start cleans up"
		                  : str_text(&in->why.text));
		return;
	}
	add_up(in->status, &t);
	table_addf(tb, "%lld", (long long)number_of(in->status, "pid"));
	table_add_tinted(
	    tb, term_state_tint(text_of(in->status, "state")), text_of(in->status, "state"));
	table_add(tb, str_text(&t.apps));
	table_addf(tb, "%lld/%lld", (long long)t.ready, (long long)t.workers);
	table_add(tb, age_text((uint64_t)number_of(in->status, "uptime_ms"), buf));
	table_add(tb, text_of(in->status, "config"));
	str_free(&t.apps);
}

static json_t *
instance_to_json(const struct instance *in)
{
	const json_t *s = in->status, *app;
	struct totals t = {0};
	json_t *apps, *v;
	size_t i;

	if (!s)
		return json_pack("{s:s, s:s, s:s, s:s*}", "name", in->name, "state",
		    instance_state_to_string(in->state), "socket", in->socket, "message",
		    in->why.text.len ? str_text(&in->why.text) : NULL);
	apps = json_array();
	json_array_foreach(json_object_get(s, "apps"), i, app)
	{
		(void)json_array_append(apps, json_object_get(app, "name"));
	}
	add_up(s, &t);
	str_free(&t.apps);
	v = json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:I, s:I, s:I, s:s, s:O?}", "name", in->name,
	    "state", text_of(s, "state"), "socket", in->socket, "pid", number_of(s, "pid"),
	    "version", text_of(s, "version"), "apps", apps, "ready", t.ready, "workers", t.workers,
	    "uptime_ms", number_of(s, "uptime_ms"), "config", text_of(s, "config"), "adhoc",
	    json_object_get(s, "adhoc"));
	return v;
}

static void
print_instances_json(const struct cli *cli, const struct instance_list *l)
{
	json_t *all = json_array(), *doc;

	for (size_t i = 0; i < l->len; i++)
		(void)json_array_append_new(all, instance_to_json(&l->items[i]));
	doc =
	    json_pack("{s:s, s:o}", "run_dir", cli->run_dir ? cli->run_dir : "", "instances", all);
	(void)cli_print_json(cli, doc, false);
	json_decref(doc);
}

int
cmd_ls(struct cli *cli)
{
	static const struct column columns[] = {{"NAME", false, false}, {"PID", true, false},
	    {"STATE", false, false}, {"APPS", false, false}, {"READY", true, false},
	    {"UPTIME", true, false}, {"CONFIG", false, true}};
	struct instance_list l;
	struct failure f = {0};
	struct table *tb;

	if (instance_list_scan(cli->run_dir, &l, &f) < 0)
		return fail_with(cli, &f);
	for (size_t i = 0; i < l.len; i++) {
		struct instance *in = &l.items[i];
		if (in->state == INSTANCE_RUNNING && instance_get_status(in, 0, &in->why) < 0)
			in->state = INSTANCE_SILENT;
	}
	if (cli->json)
		print_instances_json(cli, &l);
	else if (l.len == 0)
		printf("no instances in %s\n", cli->run_dir ? cli->run_dir : "(no run directory)");
	else {
		tb = table_new(&cli->term, columns, sizeof(columns) / sizeof(columns[0]));
		for (size_t i = 0; i < l.len; i++)
			add_instance(tb, &l.items[i]);
		table_print(tb);
	}
	instance_list_done(&l);
	return CLI_OK;
}

int
cmd_ping(struct cli *cli)
{
	uint64_t before = clock_now_us();
	struct failure f = {0};
	json_t *result = call(cli, "ping", json_object(), &f);

	if (!result)
		return fail_with(cli, &f);
	if (cli->json)
		(void)cli_print_json(cli, result, false);
	else
		printf("%s (pid %lld) answers in %.1f ms\n", cli->instance.name,
		    (long long)number_of(client_hello(cli->instance.client), "pid"),
		    (double)(clock_now_us() - before) / 1000);
	json_decref(result);
	return CLI_OK;
}

/* The program's own version is always to be had; a master is asked when it is clear which. */
int
cmd_version(struct cli *cli)
{
	struct failure f = {0};
	json_t *v = json_pack("{s:s}", "brood", PACKAGE_VERSION);
	const json_t *hello = NULL;
	int code = CLI_OK;

	if (!cli->json)
		printf("brood %s\n", PACKAGE_VERSION);
	if (instance_pick(cli, NULL, &cli->instance, &f) == 0)
		hello = client_hello(cli->instance.client);
	else if (cli->instance_name || f.exit_code == CLI_FAILED)
		code = cli_fail_with(cli, &f);
	if (hello && !cli->json)
		printf("broodd %s (%s, pid %lld, protocol %lld)\n", text_of(hello, "version"),
		    cli->instance.name, (long long)number_of(hello, "pid"),
		    (long long)number_of(hello, "protocol"));
	if (hello)
		(void)json_object_set(v, "master", (json_t *)hello);
	if (cli->json && code == CLI_OK)
		(void)cli_print_json(cli, v, false);
	json_decref(v);
	failure_done(&f);
	return code;
}

int
cmd_env(struct cli *cli)
{
	struct failure f = {0};
	int slot;
	char *app = cli_take_target(cli, &slot);
	const char *name;
	json_t *params, *result, *value;

	if (!app || slot == TARGET_ALL_SLOTS) {
		free(app);
		return cli_fail(cli, CLI_USAGE, "env wants one worker: APP.SLOT");
	}
	params = json_pack("{s:s, s:i}", "app", app, "slot", slot);
	free(app);
	result = call(cli, "env", params, &f);
	if (!result)
		return fail_with(cli, &f);
	if (cli->json)
		(void)cli_print_json(cli, result, false);
	else {
		json_object_foreach(json_object_get(result, "environment"), name, value)
		{
			term_put(stdout, name);
			(void)putchar('=');
			term_put(stdout, json_string_value(value) ? json_string_value(value) : "");
			(void)putchar('\n');
		}
	}
	json_decref(result);
	return CLI_OK;
}
