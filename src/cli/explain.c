/*
 * explain: `why` and `describe`: the state of things in sentences, for somebody who was woken up
 * by it. Facts come from the master; what they mean and what to do next is said here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/member.h"
#include "cli/target.h"
#include "cli/when.h"

#define QUERY_MS 10000

static void
heading(const struct cli *cli, const char *text)
{
	printf("\n%s%s%s\n", term_on(cli->term.color, TINT_BOLD), text, term_off(cli->term.color));
}

/* One sentence for each state, with what is needed to read it. */
static void
print_state(const struct cli *cli, const char *app, const json_t *slot)
{
	const struct term *t = &cli->term;
	const char *state = text_of(slot, "state"), *reason = text_of(slot, "reason");
	const json_t *worker = json_object_get(slot, "worker");
	json_int_t restarts = number_of(slot, "restarts");
	bool stalled = strcmp(text_of(worker, "state"), "stalled") == 0;
	char buf[32];

	if (stalled) {
		state = "stalled";
		reason = text_of(worker, "reason");
	} else if (json_is_true(json_object_get(slot, "drained")) &&
	           strcmp(state, "resting") == 0) {
		state = "drained";
	}
	printf("%s", term_on(t->color, TINT_BOLD));
	term_put(stdout, app);
	printf(".%lld%s is %s", (long long)number_of(slot, "slot"), term_off(t->color),
	    term_on(t->color, term_state_tint(state)));
	term_put(stdout, state);
	printf("%s", term_off(t->color));
	/* How long the slot has served says nothing of that. */
	if (!stalled)
		printf(" for %s", age_text(number_of(slot, "since_ms"), buf));
	if (json_is_object(worker) && number_of(worker, "pid") > 0)
		printf(", pid %lld of generation %lld", (long long)number_of(worker, "pid"),
		    (long long)number_of(worker, "generation"));
	if (cli_has_other_number(slot, worker)) {
		printf(", once a spare: it knows itself as ");
		term_put(stdout, app);
		printf(".%lld", (long long)number_of(worker, "number"));
	}
	if (restarts > 0)
		printf(", after %lld restart%s", (long long)restarts, restarts == 1 ? "" : "s");
	if (number_of(slot, "stalls") > 0)
		printf(", stalled %lld time%s", (long long)number_of(slot, "stalls"),
		    number_of(slot, "stalls") == 1 ? "" : "s");
	if (*reason) {
		printf(": ");
		term_put(stdout, reason);
	}
	(void)putchar('\n');
}

/* "12s ago (02:29:00) pid 812 of generation 7: SIGKILL, 3m12s after it was started, ready" */
static void
print_obituary(const struct cli *cli, const json_t *o)
{
	const struct term *t = &cli->term;
	bool expected = json_is_true(json_object_get(o, "expected"));
	const char *reason = text_of(o, "reason"), *words = text_of(o, "last_words");
	char ago[48], clock[32], buf[32], mem[32];

	when_format_ago(text_of(o, "time"), ago, sizeof(ago));
	when_format(text_of(o, "time"), clock, sizeof(clock));
	printf("  %s (%s) pid %lld of generation %lld: %s", ago, clock,
	    (long long)number_of(o, "pid"), (long long)number_of(o, "generation"),
	    term_on(t->color, expected ? TINT_NONE : TINT_BAD));
	term_put(stdout, text_of(o, "text"));
	printf("%s, after %s, %s\n", term_off(t->color), age_text(number_of(o, "uptime_ms"), buf),
	    json_is_true(json_object_get(o, "was_ready")) ? "it had been ready"
	                                                  : "before it was ready");
	printf("    cause: ");
	term_put(stdout, text_of(o, "cause"));
	if (*reason) {
		printf(" (");
		term_put(stdout, reason);
		printf(")");
	}
	units_format_size((uint64_t)number_of(o, "max_rss_bytes") >> 20 << 20, mem, sizeof(mem));
	printf("%s; used %.1f s of CPU and %s of memory\n", expected ? ", as intended" : "",
	    (double)(number_of(o, "user_ms") + number_of(o, "system_ms")) / 1000, mem);
	if (*words) {
		printf("    last words:\n");
		term_put_lines(stdout, "      | ", words);
	} else if (!expected)
		printf("    it wrote nothing to its standard error\n");
}

static void
print_obituaries(const struct cli *cli, const json_t *list, const char *title)
{
	size_t i;
	const json_t *o;

	if (json_array_size(list) == 0)
		return;
	heading(cli, title);
	json_array_foreach(list, i, o)
	{
		print_obituary(cli, o);
	}
}

static void
print_next(const struct cli *cli, const char *app, const json_t *slot)
{
	const char *state = text_of(slot, "state");
	const json_t *next = json_object_get(slot, "next_ms"),
	             *worker = json_object_get(slot, "worker");
	char buf[32] = "";

	if (json_is_integer(next))
		age_text(json_integer_value(next), buf);
	heading(cli, "What comes next");
	if (strcmp(state, "backoff") == 0)
		printf("  A new worker is started in %s.\n", *buf ? buf : "a moment");
	else if (strcmp(state, "failed") == 0)
		printf("  Nothing by itself: too many workers died before they were ready, or it "
		       "cannot be\n"
		       "  executed. After the cause is removed, `brood reload %s` tries again.\n",
		    app);
	else if (strcmp(state, "exited") == 0)
		printf("  Nothing by itself: its worker ended and `restart` wants no other.\n"
		       "  `brood restart %s` starts it again.\n",
		    app);
	else if (json_is_true(json_object_get(slot, "drained")))
		printf("  Nothing by itself: an operator drained it. `brood resume %s.%lld` ends "
		       "that.\n",
		    app, (long long)number_of(slot, "slot"));
	else if (strcmp(state, "resting") == 0)
		printf("  Nothing by itself: it wants no worker. `brood start %s` or `brood scale "
		       "%s N`\n"
		       "  wakes it.\n",
		    app, app);
	else if (strcmp(state, "starting") == 0 && *buf)
		printf("  Its worker has %s left to become ready; then it is taken for failed.\n",
		    buf);
	else if (strcmp(state, "starting") == 0)
		printf("  Its worker is expected to become ready.\n");
	else if (strcmp(state, "parked") == 0)
		printf("  It takes the place of the next worker that dies.\n");
	else if (json_is_object(json_object_get(slot, "next")))
		printf("  Pid %lld of generation %lld is to take over when it is ready.\n",
		    (long long)number_of(json_object_get(slot, "next"), "pid"),
		    (long long)number_of(json_object_get(slot, "next"), "generation"));
	else if (strcmp(text_of(worker, "state"), "stalled") == 0)
		printf("  New connections go round it until it takes one, or answers, again.\n");
	else
		printf("  Nothing: it serves. Were pid %lld to die, it would be replaced.\n",
		    (long long)number_of(worker, "pid"));
}

static void
print_history(const struct cli *cli, const json_t *history)
{
	static const struct column columns[] = {{"  WHEN", true, false}, {"PID", true, false},
	    {"GEN", true, false}, {"WHAT", false, false}, {"FROM", false, false},
	    {"TO", false, false}, {"CAUSE", false, false}, {"REASON", false, true}};
	struct table *tb;
	const json_t *h;
	size_t i;
	char buf[32];

	if (json_array_size(history) == 0)
		return;
	heading(cli, "History");
	tb = table_new(&cli->term, columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(history, i, h)
	{
		const char *cause = text_of(h, "cause");
		table_add_row(tb);
		table_addf(tb, "  %s ago", age_text(number_of(h, "at_ms_ago"), buf));
		table_add_number(tb, number_of(h, "pid") > 0, number_of(h, "pid"));
		table_add_number(tb, number_of(h, "generation") > 0, number_of(h, "generation"));
		table_add(tb, text_of(h, "what"));
		table_add(tb, text_of(h, "from"));
		table_add_tinted(tb, term_state_tint(text_of(h, "to")), text_of(h, "to"));
		table_add(tb, strcmp(cause, "none") == 0 ? "" : cause);
		table_add(tb, text_of(h, "reason"));
	}
	table_print(tb);
}

static void
explain_slot(const struct cli *cli, const char *app, const json_t *slot)
{
	print_state(cli, app, slot);
	print_obituaries(cli, json_object_get(slot, "obituaries"), "What happened");
	print_next(cli, app, slot);
	print_history(cli, json_object_get(slot, "history"));
}

static bool
has_death(const json_t *slot)
{
	size_t i;
	const json_t *o;

	json_array_foreach(json_object_get(slot, "obituaries"), i, o)
	{
		if (!json_is_true(json_object_get(o, "expected")))
			return true;
	}
	return false;
}

/* Of a whole app the slots with a story are told in full, the others in a line. */
static void
print_why(const struct cli *cli, const json_t *why)
{
	const json_t *slots = json_object_get(why, "slots"), *slot;
	const char *app = text_of(why, "app");
	size_t i;

	json_array_foreach(slots, i, slot)
	{
		const char *state = text_of(slot, "state");
		bool serves =
		    (strcmp(state, "serving") == 0 || strcmp(state, "parked") == 0) &&
		    strcmp(text_of(json_object_get(slot, "worker"), "state"), "stalled") != 0;
		if (json_array_size(slots) == 1 || !serves || has_death(slot)) {
			if (i > 0)
				(void)putchar('\n');
			explain_slot(cli, app, slot);
		} else
			print_state(cli, app, slot);
	}
}

static int
fail_with(const struct cli *cli, struct failure *f)
{
	int code = cli_fail_with(cli, f);

	failure_done(f);
	return code;
}

/* The app that is meant when none is named: the only one. NULL after explaining. malloc. */
static char *
only_app(struct cli *cli, int *ret_code)
{
	struct failure f = {0};
	struct str names = {0};
	const json_t *app;
	const char *name;
	size_t i;

	if (instance_get_status(&cli->instance, 0, &f) < 0) {
		*ret_code = fail_with(cli, &f);
		return NULL;
	}
	name = json_string_value(json_object_get(target_only_app(cli->instance.status), "name"));
	if (name)
		return strdup(name);
	json_array_foreach(json_object_get(cli->instance.status, "apps"), i, app)
	{
		str_addf(&names, "%s%s", i ? ", " : "", text_of(app, "name"));
	}
	*ret_code = cli_fail(
	    cli, CLI_USAGE, "%s which app? There are: %s", cli->verb->name, str_text(&names));
	str_free(&names);
	return NULL;
}

/* Calls method for the app, and slot, that is named or the only one. NULL after explaining. */
static json_t *
ask(struct cli *cli, const char *method, int *ret_code)
{
	struct failure f = {0};
	int slot = TARGET_ALL_SLOTS;
	char *app = cli->args_len ? cli_take_target(cli, &slot) : only_app(cli, ret_code);
	json_t *params, *result;

	if (!app)
		return NULL;
	params = json_pack("{s:s}", "app", app);
	if (slot != TARGET_ALL_SLOTS)
		(void)json_object_set_new(params, "slot", json_integer(slot));
	free(app);
	result =
	    client_call(cli->instance.client, method, params, cli_deadline_us(cli, QUERY_MS), &f);
	if (!result)
		*ret_code = fail_with(cli, &f);
	return result;
}

int
cmd_why(struct cli *cli)
{
	int code = CLI_SYSTEM;
	json_t *why = ask(cli, "why", &code);

	if (!why)
		return code;
	if (cli->json)
		(void)cli_print_json(cli, why, false);
	else
		print_why(cli, why);
	json_decref(why);
	return CLI_OK;
}

static void
print_pair(const char *key, const json_t *value)
{
	char *text = json_is_string(value) ? strdup(json_string_value(value))
	                                   : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	printf("  %-20s ", key);
	term_put(stdout, text ? text : "");
	(void)putchar('\n');
	free(text);
}

static void
print_listeners(const struct cli *cli, const json_t *list)
{
	static const struct column columns[] = {{"  ADDRESS", false, false}, {"NAME", false, false},
	    {"SOCKETS", true, false}, {"SHAPE", false, false}};
	struct table *tb;
	size_t i;
	const json_t *l;

	if (json_array_size(list) == 0)
		return;
	heading(cli, "Listeners");
	tb = table_new(&cli->term, columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach(list, i, l)
	{
		table_add_row(tb);
		table_addf(tb, "  %s", text_of(l, "address"));
		table_add(tb, text_of(l, "name"));
		table_addf(tb, "%lld", (long long)number_of(l, "sockets"));
		if (json_object_get(l, "unused_as") != NULL)
			table_addf(tb, "%s, unused", text_of(l, "shape"));
		else if (json_is_true(json_object_get(l, "asked")))
			table_addf(tb, "%s, asked for by workers", text_of(l, "shape"));
		else
			table_add(tb, text_of(l, "shape"));
	}
	table_print(tb);
}

static void
add_place(struct table *tb, const json_t *slot, const char *mark)
{
	const json_t *w = json_object_get(slot, "worker");
	bool has = json_is_object(w);
	const char *state = text_of(slot, "state");
	char buf[32];

	table_add_row(tb);
	cli_add_slot_number(tb, slot, w, mark);
	table_add_number(tb, has, number_of(w, "pid"));
	table_add_tinted(tb, term_state_tint(state), state);
	table_add_number(tb, has, number_of(w, "generation"));
	table_add(tb, has ? age_text(number_of(w, "uptime_ms"), buf) : "");
	table_addf(tb, "%lld", (long long)number_of(slot, "restarts"));
	if (has)
		table_addf(tb, "%lld/%lld", (long long)number_of(w, "messages_in"),
		    (long long)number_of(w, "messages_out"));
	else
		table_add(tb, "");
	table_add_number(tb, has, number_of(w, "log_lines"));
	table_add(
	    tb, has && *text_of(w, "status") ? text_of(w, "status") : text_of(slot, "reason"));
}

static void
print_workers(const struct cli *cli, const json_t *app)
{
	static const struct column columns[] = {{"  SLOT", true, false}, {"PID", true, false},
	    {"STATE", false, false}, {"GEN", true, false}, {"UPTIME", true, false},
	    {"RESTARTS", true, false}, {"MESSAGES", true, false}, {"LOG LINES", true, false},
	    {"STATUS", false, true}};
	struct table *tb = table_new(&cli->term, columns, sizeof(columns) / sizeof(columns[0]));
	size_t i;
	const json_t *slot;

	heading(cli, "Slots");
	json_array_foreach(json_object_get(app, "slots"), i, slot)
	{
		add_place(tb, slot, "  ");
	}
	json_array_foreach(json_object_get(app, "spares"), i, slot)
	{
		add_place(tb, slot, "  spare ");
	}
	table_print(tb);
}

static void
print_ways(const struct cli *cli, const json_t *slots)
{
	static const struct column columns[] = {{"  SLOT", true, false}, {"TIER", false, false},
	    {"QUEUE", true, false}, {"TAKEN", true, false}, {"STALLS", true, false}};
	struct table *tb = table_new(&cli->term, columns, sizeof(columns) / sizeof(columns[0]));
	size_t i;
	const json_t *slot;

	heading(cli, "Connections");
	json_array_foreach(slots, i, slot)
	{
		table_add_row(tb);
		table_addf(tb, "  %lld", (long long)number_of(slot, "slot"));
		cli_add_ways(tb, slot);
	}
	table_print(tb);
}

static void
print_metrics(const struct cli *cli, const json_t *metrics)
{
	size_t i;
	const json_t *m;

	if (json_array_size(metrics) == 0)
		return;
	heading(cli, "Metrics of the workers, summed");
	json_array_foreach(metrics, i, m)
	{
		const char *labels = text_of(m, "labels");
		printf("  ");
		term_put(stdout, text_of(m, "name"));
		if (*labels) {
			(void)putchar('{');
			term_put(stdout, labels);
			(void)putchar('}');
		}
		printf(" %.17g\n", json_number_value(json_object_get(m, "value")));
	}
}

static void
print_description(const struct cli *cli, const json_t *app)
{
	const struct term *t = &cli->term;
	const char *key, *state = text_of(app, "state");
	json_t *value;

	printf("%s", term_on(t->color, TINT_BOLD));
	term_put(stdout, text_of(app, "name"));
	printf("%s: %s", term_off(t->color), term_on(t->color, term_state_tint(state)));
	term_put(stdout, state);
	printf("%s, %lld/%lld ready, generation %lld, starts %lld, deaths %lld so far\n",
	    term_off(t->color), (long long)number_of(app, "ready"),
	    (long long)number_of(app, "workers"), (long long)number_of(app, "generation"),
	    (long long)number_of(app, "starts"), (long long)number_of(app, "deaths"));
	print_listeners(cli, json_object_get(app, "listeners"));
	print_workers(cli, app);
	print_ways(cli, json_object_get(app, "slots"));
	if (json_object_size(json_object_get(app, "config")) > 0)
		heading(cli, "Configuration");
	json_object_foreach(json_object_get(app, "config"), key, value)
	{
		print_pair(key, value);
	}
	print_metrics(cli, json_object_get(app, "metrics"));
	print_obituaries(cli, json_object_get(app, "last_deaths"), "Last deaths");
}

int
cmd_describe(struct cli *cli)
{
	int code = CLI_SYSTEM;
	json_t *app = ask(cli, "describe", &code);

	if (!app)
		return code;
	if (cli->json)
		(void)cli_print_json(cli, app, false);
	else
		print_description(cli, app);
	json_decref(app);
	return CLI_OK;
}
