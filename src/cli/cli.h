/*
 * cli: what a handler gets: the parsed command line, the terminal, the master it talks to; and
 * how it reports a failure.
 */
#ifndef BROOD_CLI_CLI_H
#define BROOD_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "cli/instance.h"
#include "cli/term.h"
#include "cli/verb.h"

struct string_list {
	const char **items;
	size_t len;
};

struct cli {
	const struct verb *verb;
	char *run_dir; /* owned; NULL: not to be had */
	bool run_dir_given; /* by --run-dir or BROOD_RUN_DIR */
	/* options */
	const char *instance_name;
	const char *config;
	const char *workers;
	const char *app;
	struct string_list listen, set;
	uint64_t timeout_ms; /* 0: none */
	uint64_t lines;
	const char *output, *environment; /* of import: --output, --env */
	bool json, no_wait, update_env, follow, help, names, force;
	bool dashes; /* "--": what follows is a command */
	/* arguments after the verb */
	char **args;
	size_t args_len;
	size_t command_at; /* index in args of what followed "--" */
	struct term term;
	struct instance instance; /* of verbs with NEED_MASTER */
	uint64_t started_us;
};

/* Parses argv into cli. 0, or an exit code >= 0 that was already explained on stderr, as *ret_exit
 * with -1 returned. */
int cli_parse(struct cli *cli, int argc, char **argv, int *ret_exit);
void cli_done(struct cli *cli);

/* When an operation that begins now has to be over (monotonic microseconds; 0: never). */
uint64_t cli_deadline_us(const struct cli *cli, uint64_t default_ms);

/* Splits args[0] ("web", "web.2") into app (malloc) and slot (TARGET_ALL_SLOTS), asking the master
 * where the text alone does not tell. NULL without memory. */
char *cli_take_target(struct cli *cli, int *ret_slot);

/* "web: 4/4 ready, generation 8 (312 ms)", from an app object of a status result. */
void cli_print_app(const struct cli *cli, const json_t *app);

/* Four cells of a slot of a status result: tier, queue, taken over, stalls. */
void cli_add_ways(struct table *tb, const json_t *slot);
/* Whether the worker knows itself by another number: it took the slot over as a spare. Its output is
 * labelled by that number, so people need to see both: "2 (as 5)". */
bool cli_has_other_number(const json_t *slot, const json_t *worker);
void cli_add_slot_number(
    struct table *tb, const json_t *slot, const json_t *worker, const char *mark);

/* "brood: text" on stderr, escaped; returns code, so that "return cli_fail(...)" reads well.
 * With --json also {"error":...} on stdout. */
int cli_fail(const struct cli *cli, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A line under it: what to do about it. */
void cli_hint(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for what the client or the master said; last words go below. */
int cli_fail_with(const struct cli *cli, const struct failure *f);

/* Prints v as one document (or, compact, as one line). */
int cli_print_json(const struct cli *cli, const json_t *v, bool compact);
/* Flushes stdout. code, or CLI_SYSTEM when what was printed is lost; a reader that went away
 * (| head) is no failure. */
int cli_finish_output(const struct cli *cli, int code);

#endif
