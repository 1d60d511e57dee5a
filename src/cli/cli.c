/*
 * cli: the command line becomes a struct cli; failures become text. It follows the tables in
 * verb.c and knows no verb by name.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "sys/rundir.h"

static int
usage(int *ret_exit)
{
	*ret_exit = CLI_USAGE;
	return -1;
}

static int
list_add(struct string_list *l, const char *item)
{
	const char **items = realloc(l->items, (l->len + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	l->items = items;
	items[l->len++] = item;
	return 0;
}

static int
set_color(struct cli *cli, const char *value)
{
	static const char *const modes[] = {"auto", "always", "never"};

	for (int i = 0; i < 3; i++)
		if (strcmp(value, modes[i]) == 0) {
			term_init(&cli->term, (enum term_color_mode)i);
			return 0;
		}
	return cli_fail(cli, -1, "--color is auto, always or never, not \"%s\"", value);
}

static int
set_run_dir(struct cli *cli, const char *value)
{
	free(cli->run_dir);
	cli->run_dir = strdup(value);
	cli->run_dir_given = true;
	return cli->run_dir ? 0 : -1;
}

static int
set_timeout(struct cli *cli, const char *value)
{
	if (units_parse_duration_ms(value, &cli->timeout_ms) < 0 || cli->timeout_ms == 0)
		return cli_fail(
		    cli, -1, "--timeout is a duration like 30s or 5m, not \"%s\"", value);
	return 0;
}

static int
set_lines(struct cli *cli, const char *value)
{
	if (units_parse_uint(value, 1000000, &cli->lines) < 0)
		return cli_fail(cli, -1, "--lines is a number up to 1000000, not \"%s\"", value);
	return 0;
}

/* value is NULL for flags without one. 0, or -1 after saying why. */
static int
set_flag(struct cli *cli, enum flag_id id, const char *value)
{
	switch (id) {
	case FLAG_INSTANCE:
		cli->instance_name = value;
		return 0;
	case FLAG_RUN_DIR:
		return set_run_dir(cli, value);
	case FLAG_JSON:
		cli->json = true;
		return 0;
	case FLAG_COLOR:
		return set_color(cli, value);
	case FLAG_HELP:
	case FLAG_VERSION:
		cli->help = true;
		return 0;
	case FLAG_TIMEOUT:
		return set_timeout(cli, value);
	case FLAG_NO_WAIT:
		cli->no_wait = true;
		return 0;
	case FLAG_CONFIG:
		cli->config = value;
		return 0;
	case FLAG_WORKERS:
		cli->workers = value;
		return 0;
	case FLAG_LISTEN:
		return list_add(&cli->listen, value);
	case FLAG_APP:
		cli->app = value;
		return 0;
	case FLAG_SET:
		return list_add(&cli->set, value);
	case FLAG_UPDATE_ENV:
		cli->update_env = true;
		return 0;
	case FLAG_FOLLOW:
		cli->follow = true;
		return 0;
	case FLAG_LINES:
		return set_lines(cli, value);
	case FLAG_NAMES:
		cli->names = true;
		return 0;
	case FLAG_OUTPUT:
		cli->output = value;
		return 0;
	case FLAG_FORCE:
		cli->force = true;
		return 0;
	case FLAG_ENV:
		cli->environment = value;
		return 0;
	case FLAG_MAX:
		break;
	}
	return -1;
}

static void
complain_flag(const struct cli *cli, const char *word)
{
	const char *name = word + strspn(word, "-");
	char bare[64];
	const char *near;

	(void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "="), name);
	near = word[1] == '-' ? flag_nearest(cli->verb, bare) : NULL;
	cli_fail(cli, 0, "%s%sunknown option %s", cli->verb ? cli->verb->name : "",
	    cli->verb ? ": " : "", word);
	if (near)
		cli_hint(cli, "did you mean --%s?", near);
	else if (cli->verb)
		cli_hint(cli, "`brood help %s` lists its options", cli->verb->name);
	else
		cli_hint(cli, "`brood help` lists what there is");
}

/* --name, --name=value, --name value. Returns how many of argv were taken, or -1. */
static int
parse_long(struct cli *cli, char **argv, int left)
{
	const char *name = argv[0] + 2, *eq = strchr(name, '=');
	int id = flag_find(cli->verb, name, eq ? (size_t)(eq - name) : strlen(name));
	const struct flag *flag;

	if (id < 0) {
		complain_flag(cli, argv[0]);
		return -1;
	}
	flag = flag_info((enum flag_id)id);
	if (!flag->value && eq)
		return cli_fail(cli, -1, "--%s takes no value", flag->name);
	if (!flag->value || eq)
		return set_flag(cli, (enum flag_id)id, flag->value ? eq + 1 : NULL) < 0 ? -1 : 1;
	if (left < 2)
		return cli_fail(
		    cli, -1, "--%s wants a value: --%s %s", flag->name, flag->name, flag->value);
	return set_flag(cli, (enum flag_id)id, argv[1]) < 0 ? -1 : 2;
}

/* -f, -fn10, -n 10. */
static int
parse_short(struct cli *cli, char **argv, int left)
{
	for (const char *p = argv[0] + 1; *p; p++) {
		int id = flag_find_letter(cli->verb, *p);
		const struct flag *flag;

		if (id < 0) {
			complain_flag(cli, argv[0]);
			return -1;
		}
		flag = flag_info((enum flag_id)id);
		if (!flag->value) {
			if (set_flag(cli, (enum flag_id)id, NULL) < 0)
				return -1;
			continue;
		}
		if (p[1])
			return set_flag(cli, (enum flag_id)id, p + 1) < 0 ? -1 : 1;
		if (left < 2)
			return cli_fail(cli, -1, "-%c wants a value: -%c %s", *p, *p, flag->value);
		return set_flag(cli, (enum flag_id)id, argv[1]) < 0 ? -1 : 2;
	}
	return 1;
}

static bool
is_option(const char *word)
{
	/* "-2" is no option but what `scale` takes: no option is a digit. */
	return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9');
}

/* Options and arguments after the verb, in any order up to "--"; for a verb that takes a command
 * up to its first word. */
static int
parse_rest(struct cli *cli, int argc, char **argv)
{
	for (int i = 0; i < argc;) {
		int n = 1;

		if (strcmp(argv[i], "--") == 0) {
			cli->dashes = true;
			cli->command_at = cli->args_len;
			for (i++; i < argc; i++)
				cli->args[cli->args_len++] = argv[i];
			return 0;
		}
		if (is_option(argv[i]))
			n = argv[i][1] == '-' ? parse_long(cli, argv + i, argc - i)
			                      : parse_short(cli, argv + i, argc - i);
		else if (cli->verb->target == TARGET_COMMAND) {
			for (; i < argc; i++)
				cli->args[cli->args_len++] = argv[i];
			return 0;
		} else
			cli->args[cli->args_len++] = argv[i];
		if (n < 0)
			return -1;
		i += n;
	}
	cli->command_at = cli->args_len;
	return 0;
}

static int
find_verb(struct cli *cli, const char *word)
{
	const char *near;

	cli->verb = verb_find(word);
	if (cli->verb)
		return 0;
	near = verb_nearest(word);
	cli_fail(cli, 0, "there is no `brood %s`", word);
	if (near)
		cli_hint(cli, "did you mean `brood %s`?", near);
	else
		cli_hint(cli,
		    "`brood help` lists what there is; a program is started by `brood run -- %s`",
		    word);
	return -1;
}

static int
check_count(const struct cli *cli)
{
	const struct verb *v = cli->verb;

	if (cli->args_len >= v->args_min && cli->args_len <= v->args_max)
		return 0;
	if (cli->args_len < v->args_min)
		cli_fail(cli, 0, "%s wants %s", v->name, v->arguments);
	else
		cli_fail(
		    cli, 0, "%s: \"%s\" is one argument too many", v->name, cli->args[v->args_max]);
	cli_hint(cli, "usage: brood %s [OPTION...] %s", v->name, v->arguments);
	return -1;
}

static int
init(struct cli *cli)
{
	const char *dir = getenv("BROOD_RUN_DIR");

	*cli = (struct cli){.lines = 100, .started_us = clock_now_us()};
	term_init(&cli->term, TERM_COLOR_AUTO);
	return dir && *dir ? set_run_dir(cli, dir) : 0;
}

int
cli_parse(struct cli *cli, int argc, char **argv, int *ret_exit)
{
	int i = 1;
	int rest;

	if (init(cli) < 0)
		return usage(ret_exit);
	while (i < argc && is_option(argv[i]) && strcmp(argv[i], "--") != 0) {
		bool is_long = argv[i][1] == '-';
		int n = is_long ? parse_long(cli, argv + i, argc - i)
		                : parse_short(cli, argv + i, argc - i);
		if (n < 0)
			return usage(ret_exit);
		if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
			printf("brood %s\n", PACKAGE_VERSION);
			*ret_exit = cli_finish_output(cli, CLI_OK);
			return -1;
		}
		i += n;
	}
	if (i == argc && !cli->help) {
		cli_fail(cli, 0, "say what to do: `brood run -- COMMAND`, `brood status`, ...");
		cli_hint(cli, "`brood help` lists what there is");
		return usage(ret_exit);
	}
	if (find_verb(cli, i < argc && !cli->help ? argv[i] : "help") < 0)
		return usage(ret_exit);
	/* "brood --help VERB" is "brood help VERB". */
	rest = cli->help || i == argc ? i : i + 1;
	cli->args = calloc((size_t)argc + 1, sizeof(*cli->args));
	if (!cli->args || parse_rest(cli, argc - rest, argv + rest) < 0)
		return usage(ret_exit);
	if (!cli->help && check_count(cli) < 0)
		return usage(ret_exit);
	if (!cli->run_dir)
		cli->run_dir = rundir_default();
	return 0;
}

void
cli_done(struct cli *cli)
{
	instance_done(&cli->instance);
	free(cli->args);
	free(cli->run_dir);
	free(cli->listen.items);
	free(cli->set.items);
}

uint64_t
cli_deadline_us(const struct cli *cli, uint64_t default_ms)
{
	if (cli->timeout_ms)
		return cli->started_us + cli->timeout_ms * 1000;
	return default_ms ? clock_now_us() + default_ms * 1000 : 0;
}

/* What was printed before belongs above what comes now. */
static void
err_line(const struct cli *cli, enum tint tint, const char *label, const char *text)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s%s%s", term_on(cli->term.color_err, tint), label,
	    term_off(cli->term.color_err));
	/* A list of errors has a line for each; no other control character gets through. */
	while (*text) {
		size_t len = strcspn(text, "\n");
		term_put_n(stderr, text, len);
		(void)putc('\n', stderr);
		text += len;
		text += *text == '\n';
	}
}

static void
json_error(const struct cli *cli, int code, int rpc_code, const char *text, const char *words)
{
	struct str safe = {0};
	json_t *e;

	if (!cli->json)
		return;
	if (code <= 0) /* from the parser, which ends with it */
		code = CLI_USAGE;
	/* What was typed need not be UTF-8, JSON must. */
	str_add_escaped(&safe, text, strlen(text));
	e = json_pack("{s:{s:i, s:s, s:i, s:s*}}", "error", "exit", code, "message",
	    str_text(&safe), "code", rpc_code, "last_words", words && *words ? words : NULL);
	(void)cli_print_json(cli, e, false);
	json_decref(e);
	str_free(&safe);
}

int
cli_fail(const struct cli *cli, int code, const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	err_line(cli, TINT_BAD, "brood: ", str_text(&s));
	json_error(cli, code, 0, str_text(&s), NULL);
	str_free(&s);
	return code;
}

void
cli_hint(const struct cli *cli, const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	err_line(cli, TINT_DIM, "       ", str_text(&s));
	str_free(&s);
}

int
cli_fail_with(const struct cli *cli, const struct failure *f)
{
	const char *text = f->text.len ? str_text(&f->text) : "out of memory";
	int code = f->exit_code ? f->exit_code : CLI_FAILED;

	err_line(cli, TINT_BAD, "brood: ", text);
	if (f->last_words.len) {
		cli_hint(cli, "last words:");
		term_put_lines(stderr, "       | ", str_text(&f->last_words));
	}
	json_error(cli, code, f->rpc_code, text, str_text(&f->last_words));
	return code;
}

int
cli_print_json(const struct cli *cli, const json_t *v, bool compact)
{
	size_t flags = compact ? JSON_COMPACT : JSON_INDENT(2);
	char *text;

	/* On a terminal nothing beyond ASCII is printed raw: JSON's own escapes do not cover what
	 * could reorder or move the text. */
	text = json_dumps(v, flags | (cli->term.live ? JSON_ENSURE_ASCII : 0) | JSON_ENCODE_ANY);
	if (!text)
		return CLI_SYSTEM;
	puts(text);
	free(text);
	return CLI_OK;
}

int
cli_finish_output(const struct cli *cli, int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return code;
	return cli_fail(cli, CLI_SYSTEM, "cannot write the output: %s", strerror(errno));
}
