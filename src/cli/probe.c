/*
 * probe: one request to one worker over its real socket, as a client of that worker would send
 * it. The master sends it, since it alone can address a worker.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/member.h"
#include "cli/target.h"

#define PROBE_MAX_MS  (3600 * 1000)
#define QUERY_MORE_MS 2000 /* for the master to say that the worker did not */

static bool
is_well(const json_t *result)
{
	json_int_t status = number_of(result, "status");

	return status >= 200 && status <= 399;
}

/* "web.2 /healthz: HTTP/1.1 200 OK (accepted after 0.05 ms, answered after 0.31 ms)" */
static void
print_probe(const struct cli *cli, const json_t *result)
{
	const struct term *t = &cli->term;
	bool answered = json_is_true(json_object_get(result, "ok"));
	json_int_t connect_us = number_of(result, "connect_us");

	printf("%s", term_on(t->color, TINT_BOLD));
	term_put(stdout, text_of(result, "app"));
	printf(".%lld%s ", (long long)number_of(result, "slot"), term_off(t->color));
	term_put(stdout, text_of(result, "path"));
	printf(": %s", term_on(t->color, is_well(result) ? TINT_GOOD : TINT_BAD));
	term_put(stdout, text_of(result, "line"));
	printf("%s", term_off(t->color));
	if (connect_us > 0)
		printf(" (connected after %.2f ms", (double)connect_us / 1000);
	if (connect_us > 0 && answered)
		printf(", answered after %.2f ms", (double)number_of(result, "answer_us") / 1000);
	printf("%s\n", connect_us > 0 ? ")" : "");
}

/* The master refuses it as well, but JSON could not even carry some of what a shell can. */
static bool
is_path(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] < 0x7f)
		n++;
	return text[0] == '/' && text[n] == '\0';
}

static json_t *
make_params(const struct cli *cli, const char *app, int slot)
{
	json_t *params = json_pack("{s:s, s:i}", "app", app, "slot", slot);
	uint64_t timeout_ms = cli->timeout_ms < PROBE_MAX_MS ? cli->timeout_ms : PROBE_MAX_MS;

	if (cli->args_len > 1)
		(void)json_object_set_new(params, "path", json_string(cli->args[1]));
	if (cli->timeout_ms)
		(void)json_object_set_new(
		    params, "timeout_ms", json_integer((json_int_t)timeout_ms));
	return params;
}

int
cmd_probe(struct cli *cli)
{
	struct failure f = {0};
	uint64_t deadline_us = 0;
	int slot, code;
	char *app;
	json_t *result;

	if (cli->args_len > 1 && !is_path(cli->args[1]))
		return cli_fail(cli, CLI_USAGE,
		    "\"%s\" is no path: it begins with a slash, and blanks and the like are "
		    "written "
		    "as %%XX",
		    cli->args[1]);
	app = cli_take_target(cli, &slot);
	if (!app || slot == TARGET_ALL_SLOTS) {
		free(app);
		return cli_fail(cli, CLI_USAGE, "probe wants one worker: APP.SLOT");
	}
	/* Without --timeout the app's own probe_timeout bounds it, in the master. */
	if (cli->timeout_ms)
		deadline_us = clock_now_us() + (cli->timeout_ms + QUERY_MORE_MS) * 1000;
	result = client_call(
	    cli->instance.client, "probe", make_params(cli, app, slot), deadline_us, &f);
	free(app);
	if (!result) {
		code = cli_fail_with(cli, &f);
		failure_done(&f);
		return code;
	}
	code = is_well(result) ? CLI_OK : CLI_FAILED;
	if (cli->json)
		(void)cli_print_json(cli, result, false);
	else
		print_probe(cli, result);
	json_decref(result);
	return code;
}
