/*
 * change: verbs that make the master do something. Each waits for the outcome, shows how it
 * goes, and says at the end what is there now, or why not and what to look at.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/recipe.h"
#include "cli/target.h"

#define QUERY_MS 10000

struct change {
	const char *method;
	const char *app; /* NULL: all, or none in particular */
	json_t *params; /* stolen */
	bool waits; /* may take as long as workers take */
	bool summary; /* ends with what is ready now */
};

static bool
on_progress(void *arg, const char *method, const json_t *params)
{
	if (strcmp(method, "progress") == 0)
		progress_show(arg, json_object_get(params, "event"));
	return true;
}

void
cli_print_app(const struct cli *cli, const json_t *app)
{
	const struct term *t = &cli->term;
	const char *name = json_string_value(json_object_get(app, "name"));
	json_int_t ready = json_integer_value(json_object_get(app, "ready"));
	json_int_t workers = json_integer_value(json_object_get(app, "workers"));
	uint64_t took_ms = (clock_now_us() - cli->started_us) / 1000;
	char age[32];

	if (took_ms < 10000)
		(void)snprintf(age, sizeof(age), "%u ms", (unsigned)took_ms);
	else
		units_format_age_ms(took_ms, age, sizeof(age));
	term_put(stdout, name ? name : "?");
	printf(": %s%lld/%lld ready%s, generation %lld (%s)\n",
	    term_on(t->color, ready >= workers ? TINT_GOOD : TINT_WARN), (long long)ready,
	    (long long)workers, term_off(t->color),
	    (long long)json_integer_value(json_object_get(app, "generation")), age);
}

static void
print_summary(struct cli *cli, const char *app)
{
	struct failure f = {0};
	size_t i;
	const json_t *a;

	json_decref(cli->instance.status);
	cli->instance.status = NULL;
	if (instance_get_status(&cli->instance, 0, &f) < 0) {
		/* The operation is done; that it cannot be shown is no failure of it. */
		failure_done(&f);
		return;
	}
	json_array_foreach(json_object_get(cli->instance.status, "apps"), i, a)
	{
		const char *name = json_string_value(json_object_get(a, "name"));
		if (!app || (name && strcmp(name, app) == 0))
			cli_print_app(cli, a);
	}
}

static void
add_instance(const struct cli *cli, char *buf, size_t size)
{
	*buf = '\0';
	if (cli->instance_name)
		(void)snprintf(buf, size, " -i %s", cli->instance_name);
}

static int
explain_failure(struct cli *cli, const struct change *ch, struct failure *f, const char *suspect)
{
	char with[64];

	add_instance(cli, with, sizeof(with));
	if (interrupt_pending())
		failure_set(f, CLI_FAILED, "interrupted; the %s goes on in the master", ch->method);
	else if (f->exit_code == CLI_TIMEOUT)
		failure_set(f, CLI_TIMEOUT, "time is up; the %s goes on in the master", ch->method);
	else if (f->lost)
		failure_set(f, CLI_NO_MASTER,
		    "the connection to the master ended in the middle of the %s; how it went is "
		    "not known",
		    ch->method);
	cli_fail_with(cli, f);
	if (interrupt_pending() || f->exit_code == CLI_TIMEOUT)
		cli_hint(cli, "`brood events%s -f` follows it, `brood status%s` shows where it is",
		    with, with);
	else if (f->exit_code == CLI_NO_MASTER)
		cli_hint(cli, "`brood ls` tells whether the master is still there");
	else if (f->exit_code == CLI_FAILED && ch->waits && (suspect || ch->app)) {
		const char *who = suspect ? suspect : ch->app;
		cli_hint(cli, "`brood why%s %s` explains it, `brood logs%s %s` shows its output",
		    with, who, with, who);
	}
	return f->exit_code;
}

static void
print_result(struct cli *cli, const struct change *ch, const json_t *result)
{
	const char *message = json_string_value(json_object_get(result, "message"));

	if (cli->json)
		(void)cli_print_json(cli, result, false);
	else if (ch->waits && cli->no_wait)
		printf("%s accepted\n", ch->method);
	else if (ch->summary)
		print_summary(cli, ch->app);
	else if (message) {
		term_put(stdout, message);
		(void)putchar('\n');
	}
}

/* Does it all. The exit code. */
static int
perform(struct cli *cli, const struct change *ch)
{
	struct progress *p = progress_new(cli);
	struct failure f = {0};
	json_t *result;
	int code = CLI_OK;

	if (ch->app)
		(void)json_object_set_new(ch->params, "app", json_string(ch->app));
	if (ch->waits)
		(void)json_object_set_new(ch->params, "wait", json_boolean(!cli->no_wait));
	client_on_notification(cli->instance.client, on_progress, p);
	result = client_call(cli->instance.client, ch->method, ch->params,
	    cli_deadline_us(cli, ch->waits && !cli->no_wait ? 0 : QUERY_MS), &f);
	if (result)
		print_result(cli, ch, result);
	else
		code = explain_failure(cli, ch, &f, progress_suspect(p));
	json_decref(result);
	progress_free(p);
	failure_done(&f);
	return code;
}

static const char *
arg_or_null(const struct cli *cli, size_t i)
{
	return i < cli->args_len ? cli->args[i] : NULL;
}

static int
refresh_environment(struct cli *cli, const char *app)
{
	struct failure f = {0};
	int code = CLI_OK;
	const char *config;

	if (instance_get_status(&cli->instance, 0, &f) < 0)
		goto fail;
	config = json_string_value(json_object_get(cli->instance.status, "config"));
	if (!json_is_true(json_object_get(client_hello(cli->instance.client), "adhoc"))) {
		failure_set(&f, CLI_FAILED,
		    "--update-env is for instances made by `brood start -- COMMAND`: %s runs from "
		    "%s, and "
		    "that says what the environment is",
		    cli->instance.name, config ? config : "a configuration file");
		goto fail;
	}
	if (recipe_update_env(cli->run_dir, cli->instance.name, app, &f) == 0)
		return CLI_OK;
fail:
	code = cli_fail_with(cli, &f);
	failure_done(&f);
	return code;
}

int
cmd_reload(struct cli *cli)
{
	struct change ch = {
	    .method = "reload", .app = arg_or_null(cli, 0), .waits = true, .summary = true};

	if (cli->update_env) {
		int code = refresh_environment(cli, ch.app);
		if (code != CLI_OK)
			return code;
	}
	ch.params = json_pack("{s:b}", "update_env", cli->update_env);
	return perform(cli, &ch);
}

int
cmd_restart(struct cli *cli)
{
	struct change ch = {.method = "restart",
	    .app = arg_or_null(cli, 0),
	    .params = json_object(),
	    .waits = true,
	    .summary = true};

	if (!ch.app)
		(void)json_object_set_new(ch.params, "all", json_true());
	return perform(cli, &ch);
}

int
cmd_start_app(struct cli *cli)
{
	return perform(cli, &(struct change){.method = "start",
	                        .app = cli->args[0],
	                        .params = json_object(),
	                        .waits = true,
	                        .summary = true});
}

int
cmd_stop(struct cli *cli)
{
	const json_t *hello = client_hello(cli->instance.client);

	if (cli->args_len > 0)
		return perform(cli, &(struct change){.method = "stop",
		                        .app = cli->args[0],
		                        .params = json_object(),
		                        .waits = true});
	if (json_is_true(json_object_get(hello, "adhoc")))
		return cmd_shutdown(cli);
	cli_fail(cli, CLI_USAGE, "stop which app?");
	cli_hint(cli,
	    "`brood stop APP` stops an app, `brood shutdown -i %s` the master with all of them",
	    cli->instance.name);
	return CLI_USAGE;
}

/* Until the process is gone its lock and its sockets may be there: `brood shutdown && brood
 * start` shall work. Where its pid cannot be seen the closed connection has to do. */
static void
wait_for_end(const struct cli *cli, int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	struct failure f = {0};

	(void)client_follow(cli->instance.client, clock_now_us() + 5000000, &f);
	failure_done(&f);
	if (pidfd >= 0)
		(void)poll(&p, 1, 5000);
}

int
cmd_shutdown(struct cli *cli)
{
	struct change ch = {.method = "shutdown", .params = json_object(), .waits = true};
	struct client *client = cli->instance.client;
	struct progress *p = progress_new(cli);
	struct failure f = {0};
	pid_t pid = client_peer_pid(client);
	int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	int code = CLI_OK;
	json_t *result;

	(void)json_object_set_new(ch.params, "wait", json_boolean(!cli->no_wait));
	client_on_notification(client, on_progress, p);
	result = client_call(client, "shutdown", ch.params, cli_deadline_us(cli, 0), &f);
	/* A master that ends before its answer is written has done what was asked. */
	if (!result && f.lost)
		result = json_pack("{s:s}", "message", "has ended");
	if (!result)
		code = explain_failure(cli, &ch, &f, NULL);
	else if (!cli->no_wait)
		wait_for_end(cli, pidfd);
	if (result && cli->json)
		(void)cli_print_json(cli, result, false);
	else if (result)
		printf("%s: %s\n", cli->instance.name,
		    cli->no_wait ? "shutdown accepted" : "has ended");
	fd_close(&pidfd);
	json_decref(result);
	progress_free(p);
	failure_done(&f);
	return code;
}

static bool
is_scale(const char *text)
{
	uint64_t n;

	return units_parse_uint(text + (*text == '+' || *text == '-'), 1000000, &n) == 0;
}

int
cmd_scale(struct cli *cli)
{
	const char *count = cli->args[cli->args_len - 1];
	struct change ch = {.method = "scale", .waits = true, .summary = true};
	struct failure f = {0};
	const json_t *only;

	if (!is_scale(count))
		return cli_fail(cli, CLI_USAGE, "scale to N, +N or -N, not \"%s\"", count);
	ch.app = cli->args[0];
	if (cli->args_len == 1) {
		if (instance_get_status(&cli->instance, 0, &f) < 0) {
			int code = cli_fail_with(cli, &f);
			failure_done(&f);
			return code;
		}
		only = target_only_app(cli->instance.status);
		ch.app = json_string_value(json_object_get(only, "name"));
		if (!ch.app)
			return cli_fail(
			    cli, CLI_USAGE, "scale which app? `brood scale APP %s`", count);
	}
	/* print_summary() replaces the status that the name is part of. */
	char *app = strdup(ch.app);
	ch.app = app;
	ch.params = json_pack("{s:s}", "workers", count);
	int code = perform(cli, &ch);
	free(app);
	return code;
}

/* Splits args[0] into app and slot, asking the master where the text alone does not tell. */
char *
cli_take_target(struct cli *cli, int *ret_slot)
{
	struct failure f = {0};

	if (target_may_be_slot(cli->args[0]) && instance_get_status(&cli->instance, 0, &f) < 0)
		failure_done(&f);
	return target_split(cli->instance.status, cli->args[0], ret_slot);
}

/* A slot, or without one all of an app. */
static int
send_away(struct cli *cli, const char *method)
{
	struct change ch = {.method = method, .params = json_object(), .waits = true};
	int slot = TARGET_ALL_SLOTS, code;
	char *app = cli_take_target(cli, &slot);

	ch.app = app ? app : "";
	if (slot != TARGET_ALL_SLOTS)
		(void)json_object_set_new(ch.params, "slot", json_integer(slot));
	code = perform(cli, &ch);
	free(app);
	return code;
}

int
cmd_drain(struct cli *cli)
{
	return send_away(cli, "drain");
}

int
cmd_resume(struct cli *cli)
{
	return send_away(cli, "resume");
}

int
cmd_kill(struct cli *cli)
{
	struct change ch = {.method = "kill"};
	char name[16];
	int slot, code, sig = 0;
	char *app;

	if (cli->args_len > 1 && (sig = signal_from_string(cli->args[1])) < 0)
		return cli_fail(cli, CLI_USAGE, "\"%s\" is not a signal", cli->args[1]);
	app = cli_take_target(cli, &slot);
	if (!app || slot == TARGET_ALL_SLOTS) {
		free(app);
		cli_fail(cli, CLI_USAGE, "kill wants one worker: APP.SLOT");
		cli_hint(
		    cli, "`brood signal %s SIGNAL` sends a signal to all of them", cli->args[0]);
		return CLI_USAGE;
	}
	ch.app = app;
	ch.params = json_pack(
	    "{s:i, s:s}", "slot", slot, "signal", sig > 0 ? signal_to_string(sig, name) : "TERM");
	code = perform(cli, &ch);
	free(app);
	return code;
}

int
cmd_signal(struct cli *cli)
{
	char name[16];
	int sig = signal_from_string(cli->args[1]);

	if (sig <= 0)
		return cli_fail(cli, CLI_USAGE, "\"%s\" is not a signal", cli->args[1]);
	return perform(
	    cli, &(struct change){.method = "signal",
	             .app = cli->args[0],
	             .params = json_pack("{s:s}", "signal", signal_to_string(sig, name))});
}

int
cmd_send(struct cli *cli)
{
	struct failure f = {0};
	json_error_t error;
	json_t *data = json_loads(cli->args[1], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error),
	       *result;
	int slot, code = CLI_OK;
	char *app;

	if (!data) {
		cli_fail(cli, CLI_USAGE, "not JSON (column %d): %s", error.column, error.text);
		cli_hint(cli, "a string wants its quotes: brood send %s '\"text\"'", cli->args[0]);
		return CLI_USAGE;
	}
	app = cli_take_target(cli, &slot);
	json_t *params = json_pack("{s:s, s:o}", "app", app ? app : "", "data", data);
	if (slot != TARGET_ALL_SLOTS)
		(void)json_object_set_new(params, "slot", json_integer(slot));
	free(app);
	result =
	    client_call(cli->instance.client, "send", params, cli_deadline_us(cli, QUERY_MS), &f);
	if (!result)
		code = cli_fail_with(cli, &f);
	else if (cli->json)
		(void)cli_print_json(cli, result, false);
	else {
		json_int_t n = json_integer_value(json_object_get(result, "delivered"));
		printf("delivered to %lld worker%s\n", (long long)n, n == 1 ? "" : "s");
		if (n == 0)
			cli_hint(cli, "only workers that speak on their channel get messages: "
			              "brood-protocol(7)");
	}
	json_decref(result);
	failure_done(&f);
	return code;
}

int
cmd_reopen(struct cli *cli)
{
	return perform(cli, &(struct change){.method = "reopen", .params = json_object()});
}
