/*
 * verb: the one table of what brood can be asked. Parsing, --help, `brood help VERB`, the shell
 * completions and the drift test of brood(1) all follow from it; nothing else lists verbs.
 */
#ifndef BROOD_CLI_VERB_H
#define BROOD_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>

struct cli;

/* Exit codes of brood(1). Part of the interface: scripts test them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* refused or failed; `status`: degraded */
	CLI_NOT_RUNNING = 3, /* `status` only, as the LSB has it */
	CLI_USAGE = 64,
	CLI_NO_MASTER = 69,
	CLI_SYSTEM = 71,
	CLI_BUSY = 75,
	CLI_PERMISSION = 77,
	CLI_CONFIG = 78,
	CLI_TIMEOUT = 124,
};

struct exit_info {
	int code;
	const char *text;
};

enum flag_id {
	FLAG_INSTANCE,
	FLAG_RUN_DIR,
	FLAG_JSON,
	FLAG_COLOR,
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_TIMEOUT,
	FLAG_NO_WAIT,
	FLAG_CONFIG,
	FLAG_WORKERS,
	FLAG_LISTEN,
	FLAG_APP,
	FLAG_SET,
	FLAG_UPDATE_ENV,
	FLAG_FOLLOW,
	FLAG_LINES,
	FLAG_NAMES,
	FLAG_OUTPUT,
	FLAG_FORCE,
	FLAG_ENV,
	FLAG_MAX,
};
#define FLAG_BIT(id) (1u << (id))

struct flag {
	char letter; /* 0: long form only */
	const char *name;
	const char *value; /* NULL: takes none */
	const char *help;
};

/* What a verb needs before its handler runs. */
enum verb_need {
	NEED_NOTHING,
	NEED_MASTER, /* cli->instance is connected */
};

/* What its first argument is, for completions and for finding the instance by it. */
enum verb_target { TARGET_NONE, TARGET_APP, TARGET_SLOT, TARGET_COMMAND, TARGET_VERB, TARGET_IMPORT };

struct verb {
	const char *name;
	const char *const *aliases; /* NULL-terminated, or NULL */
	const char *arguments;
	const char *help; /* one line */
	const char *details; /* paragraph for `brood help VERB`, or NULL */
	int (*run)(struct cli *cli);
	enum verb_need need;
	enum verb_target target;
	unsigned flags; /* FLAG_BIT()s beyond FLAGS_COMMON */
	unsigned args_min, args_max;
	bool hidden;
};

/* Flags that each verb takes. */
#define FLAGS_COMMON                                                              \
	(FLAG_BIT(FLAG_INSTANCE) | FLAG_BIT(FLAG_RUN_DIR) | FLAG_BIT(FLAG_JSON) | \
	    FLAG_BIT(FLAG_COLOR) | FLAG_BIT(FLAG_HELP))

const struct verb *verb_table(size_t *ret_len);
/* By name or alias; NULL when there is none. */
const struct verb *verb_find(const char *name);
/* The nearest name, or NULL: for "did you mean". Hidden verbs are never offered. */
const char *verb_nearest(const char *name);
bool verb_takes(const struct verb *v, enum flag_id id);

const struct flag *flag_info(enum flag_id id);
/* -1 when the verb has no such flag. v NULL: flags that may stand before the verb. */
int flag_find(const struct verb *v, const char *name, size_t len);
int flag_find_letter(const struct verb *v, char letter);
const char *flag_nearest(const struct verb *v, const char *name);

const struct exit_info *exit_table(size_t *ret_len);

#endif
