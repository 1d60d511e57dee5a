/*
 * stream: logs and events, which come line by line and may go on until the user has seen enough.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/member.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "cli/when.h"

#define HISTORY_MS 30000

struct stream {
	struct cli *cli;
	const char *notification; /* "log" or "event" */
	int width; /* widest "app.slot" so far, so that columns stay */
	bool failed; /* stdout takes no more */
};

static void
print_log(struct stream *st, const json_t *rec)
{
	const struct term *t = &st->cli->term;
	int slot = (int)json_integer_value(json_object_get(rec, "slot"));
	char who[64];
	int n;

	n = snprintf(who, sizeof(who), "%s.%d", text_of(rec, "app"), slot);
	if (n > st->width && n < (int)sizeof(who))
		st->width = n;
	printf("%s%-*s |%s ", term_on_name(t->color, text_of(rec, "app"), slot), st->width, who,
	    term_off(t->color));
	term_put(stdout, text_of(rec, "line"));
	(void)putchar('\n');
}

static enum tint
level_tint(const char *level)
{
	if (strcmp(level, "error") == 0)
		return TINT_BAD;
	return strcmp(level, "warn") == 0 ? TINT_WARN : TINT_NONE;
}

static void
print_event(struct stream *st, const json_t *event)
{
	const struct term *t = &st->cli->term;
	const char *level = text_of(event, "level");
	struct str s = {0};
	char clock[32];

	when_format(text_of(event, "time"), clock, sizeof(clock));
	event_add_text(&s, event);
	printf("%s%s%s %s%-5s%s ", term_on(t->color, TINT_DIM), clock, term_off(t->color),
	    term_on(t->color, level_tint(level)), level, term_off(t->color));
	term_put(stdout, str_text(&s));
	(void)putchar('\n');
	str_free(&s);
}

/* We did not read fast enough: what is missing is said where it is missing. */
static void
print_lost(struct stream *st, const json_t *params)
{
	if (strcmp(text_of(params, "what"), st->notification) != 0)
		return;
	(void)fflush(stdout);
	fprintf(stderr, "brood: %" JSON_INTEGER_FORMAT " lines lost\n",
	    json_integer_value(json_object_get(params, "lines")));
}

static bool
on_record(void *arg, const char *method, const json_t *params)
{
	struct stream *st = arg;

	if (strcmp(method, "lost") == 0)
		print_lost(st, params);
	if (strcmp(method, st->notification) != 0)
		return true;
	if (st->cli->json)
		(void)cli_print_json(st->cli, params, true);
	else if (strcmp(method, "log") == 0)
		print_log(st, params);
	else
		print_event(st, params);
	/* What follows is shown as it comes; history may go out in large pieces. */
	if ((st->cli->follow && fflush(stdout) != 0) || ferror(stdout))
		st->failed = true;
	return !st->failed;
}

static int
stream(struct cli *cli, const char *method, const char *notification, json_t *params)
{
	struct stream st = {.cli = cli, .notification = notification};
	struct client *client = cli->instance.client;
	struct failure f = {0};
	int code = CLI_OK;
	json_t *result;

	(void)json_object_set_new(params, "lines", json_integer((json_int_t)cli->lines));
	(void)json_object_set_new(params, "follow", json_boolean(cli->follow));
	client_on_notification(client, on_record, &st);
	client_watch(client, STDOUT_FILENO);
	result = client_call(client, method, params, cli_deadline_us(cli, HISTORY_MS), &f);
	(void)fflush(stdout);
	if (!result && !st.failed && f.exit_code != CLI_OK)
		code = cli_fail_with(cli, &f);
	else if (result && cli->follow && !st.failed && client_follow(client, 0, &f) < 0)
		code = cli_fail_with(cli, &f);
	json_decref(result);
	failure_done(&f);
	return code;
}

int
cmd_logs(struct cli *cli)
{
	json_t *params = json_object();
	int slot = TARGET_ALL_SLOTS;
	char *app;

	if (cli->args_len > 0) {
		app = cli_take_target(cli, &slot);
		if (app)
			(void)json_object_set_new(params, "app", json_string(app));
		if (slot != TARGET_ALL_SLOTS)
			(void)json_object_set_new(params, "slot", json_integer(slot));
		free(app);
	}
	return stream(cli, "logs", "log", params);
}

int
cmd_events(struct cli *cli)
{
	json_t *params = json_object();

	if (cli->args_len > 0)
		(void)json_object_set_new(params, "app", json_string(cli->args[0]));
	return stream(cli, "events", "event", params);
}
