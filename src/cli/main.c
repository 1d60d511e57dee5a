/*
 * main of brood(1): parse, find the instance, call the handler, end with its code. The only
 * place of the program that ends it.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/interrupt.h"

/* What the instance is found by when there is no -i. */
static const char *
target_of(const struct cli *cli)
{
	bool names_app = cli->verb->target == TARGET_APP || cli->verb->target == TARGET_SLOT;

	/* `scale 4`: a lone number is no app. */
	if (cli->args_len < cli->verb->args_min || cli->args_len == 0 || !names_app)
		return NULL;
	return cli->verb->args_min == 1 && cli->verb->args_max == 2 &&
	               cli->verb->target == TARGET_APP && cli->args_len == 1
	           ? NULL
	           : cli->args[0];
}

static int
run(struct cli *cli)
{
	struct failure f = {0};
	int code;

	if (cli->help)
		return cmd_help(cli);
	if (cli->verb->need == NEED_MASTER &&
	    instance_pick(cli, target_of(cli), &cli->instance, &f) < 0) {
		code = cli_fail_with(cli, &f);
		failure_done(&f);
		return code;
	}
	return cli->verb->run(cli);
}

/* A shell, and whoever else started us, shall see that it was the signal that ended us. */
static void
die_by_signal(int sig)
{
	interrupt_done();
	(void)raise(sig);
}

int
main(int argc, char **argv)
{
	struct cli cli;
	int code;

	(void)fd_ensure_standard();
	(void)setlocale(LC_CTYPE, ""); /* widths of characters in tables; nothing else is local */
	interrupt_init();
	if (cli_parse(&cli, argc, argv, &code) == 0)
		code = cli_finish_output(&cli, run(&cli));
	if (interrupt_pending() && !cli.follow)
		die_by_signal(interrupt_signal());
	cli_done(&cli);
	return code;
}
