/*
 * help: the tables of verb.c printed for people, for scripts, and for shells.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/target.h"

static void
print_flags(const struct verb *v)
{
	for (int i = 0; i < FLAG_MAX; i++) {
		const struct flag *f = flag_info((enum flag_id)i);
		char left[64];

		if (!verb_takes(v, (enum flag_id)i))
			continue;
		(void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s", f->letter ? '-' : ' ',
		    f->letter ? f->letter : ' ', f->letter ? "," : " ", f->name,
		    f->value ? " " : "", f->value ? f->value : "");
		printf("  %-26s %s\n", left, f->help);
	}
}

static void
print_verb(const struct verb *v)
{
	printf("usage: brood %s [OPTION...]%s%s\n\n%s.\n", v->name, *v->arguments ? " " : "",
	    v->arguments, v->help);
	if (v->details)
		printf("%s\n", v->details);
	if (v->aliases) {
		printf("\nalso called:");
		for (const char *const *a = v->aliases; *a; a++)
			printf(" %s", *a);
		printf("\n");
	}
	printf("\noptions:\n");
	print_flags(v);
}

static void
print_overview(void)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	printf("usage: brood VERB [OPTION...] [ARGUMENT...]\n\n"
	       "Keeps many workers of a program behind one address, through crashes and reloads.\n"
	       "Try: brood run -n 4 -l 127.0.0.1:8080 -- ./server\n\n");
	for (size_t i = 0; i < n; i++) {
		char left[80];

		if (v[i].hidden)
			continue;
		(void)snprintf(left, sizeof(left), "%s %s", v[i].name, v[i].arguments);
		printf("  %-36s %s\n", left, v[i].help);
	}
	printf("\noptions of every verb:\n");
	print_flags(NULL);
	printf("\n`brood help VERB` tells all about one; the manual is brood(1).\n");
}

/* One fact a line, words separated by tabs: what the drift test and scripts read. */
static void
print_names(void)
{
	size_t n, exits_len;
	const struct verb *v = verb_table(&n);
	const struct exit_info *exits = exit_table(&exits_len);

	for (size_t i = 0; i < n; i++) {
		if (v[i].hidden)
			continue;
		printf("verb\t%s\t%s\t%s\n", v[i].name, v[i].arguments, v[i].help);
		for (const char *const *a = v[i].aliases; a && *a; a++)
			printf("alias\t%s\t%s\n", *a, v[i].name);
		for (int f = 0; f < FLAG_MAX; f++)
			if (verb_takes(&v[i], (enum flag_id)f))
				printf("flag\t%s\t--%s\n", v[i].name,
				    flag_info((enum flag_id)f)->name);
	}
	for (int f = 0; f < FLAG_MAX; f++) {
		const struct flag *flag = flag_info((enum flag_id)f);
		printf("option\t--%s\t%c\t%s\t%s\n", flag->name, flag->letter ? flag->letter : ' ',
		    flag->value ? flag->value : "", flag->help);
	}
	for (size_t i = 0; i < exits_len; i++)
		printf("exit\t%d\t%s\n", exits[i].code, exits[i].text);
}

static json_t *
verb_to_json(const struct verb *v)
{
	json_t *aliases = json_array(), *options = json_array();

	for (const char *const *a = v->aliases; a && *a; a++)
		(void)json_array_append_new(aliases, json_string(*a));
	for (int f = 0; f < FLAG_MAX; f++)
		if (verb_takes(v, (enum flag_id)f))
			(void)json_array_append_new(
			    options, json_string(flag_info((enum flag_id)f)->name));
	return json_pack("{s:s, s:o, s:s, s:s, s:o}", "name", v->name, "aliases", aliases,
	    "arguments", v->arguments, "help", v->help, "options", options);
}

static int
print_json(const struct cli *cli)
{
	size_t n;
	const struct verb *v = verb_table(&n);
	json_t *verbs = json_array(), *all;

	for (size_t i = 0; i < n; i++)
		if (!v[i].hidden)
			(void)json_array_append_new(verbs, verb_to_json(&v[i]));
	all = json_pack("{s:s, s:o}", "version", PACKAGE_VERSION, "verbs", verbs);
	(void)cli_print_json(cli, all, false);
	json_decref(all);
	return CLI_OK;
}

int
cmd_help(struct cli *cli)
{
	/* "brood VERB --help" comes here, too. */
	const struct verb *v = strcmp(cli->verb->name, "help") != 0 ? cli->verb : NULL;

	if (!v && cli->args_len > 0) {
		v = verb_find(cli->args[0]);
		if (!v) {
			const char *near = verb_nearest(cli->args[0]);
			cli_fail(cli, CLI_USAGE, "there is no `brood %s`", cli->args[0]);
			if (near)
				cli_hint(cli, "did you mean `brood help %s`?", near);
			return CLI_USAGE;
		}
	}
	if (cli->names)
		print_names();
	else if (cli->json)
		return print_json(cli);
	else if (v)
		print_verb(v);
	else
		print_overview();
	return CLI_OK;
}

static void
print_slots(const json_t *app)
{
	const char *name = json_string_value(json_object_get(app, "name"));
	size_t i;
	const json_t *slot;

	json_array_foreach(json_object_get(app, "slots"), i, slot)
	{
		term_put(stdout, name ? name : "");
		printf(".%lld\n", (long long)json_integer_value(json_object_get(slot, "slot")));
	}
}

/* Names for the shell. It must be silent when something is wrong: the user is typing. */
static void
print_running(const struct cli *cli, const char *what)
{
	struct instance_list l;
	struct failure f = {0};
	size_t k;
	const json_t *app;

	if (instance_list_scan(cli->run_dir, &l, &f) < 0) {
		failure_done(&f);
		return;
	}
	for (size_t i = 0; i < l.len; i++) {
		struct instance *in = &l.items[i];
		if (in->state != INSTANCE_RUNNING ||
		    (cli->instance_name && strcmp(in->name, cli->instance_name) != 0))
			continue;
		if (strcmp(what, "instances") == 0) {
			puts(in->name);
			continue;
		}
		if (instance_get_status(in, 0, &f) < 0)
			continue;
		json_array_foreach(json_object_get(in->status, "apps"), k, app)
		{
			const char *name = json_string_value(json_object_get(app, "name"));
			term_put(stdout, name ? name : "");
			(void)putchar('\n');
			if (strcmp(what, "slots") == 0)
				print_slots(app);
		}
	}
	failure_done(&f);
	instance_list_done(&l);
}

int
cmd_complete(struct cli *cli)
{
	const char *what = cli->args[0];

	if (strcmp(what, "apps") == 0 || strcmp(what, "slots") == 0 ||
	    strcmp(what, "instances") == 0)
		print_running(cli, what);
	else if (completion_print(what, stdout) < 0)
		return cli_fail(cli, CLI_USAGE, "completions are made for bash, zsh and fish");
	return CLI_OK;
}
