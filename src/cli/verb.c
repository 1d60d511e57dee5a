/*
 * verb: the tables of verbs, flags and exit codes. Data and look-ups; prints nothing.
 */
#include "cli/verb.h"

#include <string.h>

#include "base/str.h"
#include "cli/commands.h"

#define WITH(id)   FLAG_BIT(FLAG_##id)
#define WAITS      (WITH(TIMEOUT) | WITH(NO_WAIT))
#define PROGRAM    (WITH(CONFIG) | WITH(WORKERS) | WITH(LISTEN) | WITH(APP) | WITH(SET))
#define ANY_NUMBER (~0u)

static const struct flag flags[FLAG_MAX] = {
    [FLAG_INSTANCE] = {'i', "instance", "NAME", "the instance that is meant, or is to be started"},
    [FLAG_RUN_DIR] = {0, "run-dir", "DIR", "where the control sockets are (BROOD_RUN_DIR)"},
    [FLAG_JSON] = {0, "json", NULL, "print JSON for programs"},
    [FLAG_COLOR] = {0, "color", "WHEN", "auto, always or never"},
    [FLAG_HELP] = {'h', "help", NULL, "print help and exit"},
    [FLAG_VERSION] = {'V', "version", NULL, "print the version of brood and exit"},
    [FLAG_TIMEOUT] = {0, "timeout", "DURATION", "wait no longer than that (30s, 5m); exit 124"},
    [FLAG_NO_WAIT] = {0, "no-wait", NULL, "return as soon as the master has accepted it"},
    [FLAG_CONFIG] = {'c', "config", "FILE", "the configuration file"},
    [FLAG_WORKERS] = {'n', "workers", "N", "number of workers, or auto"},
    [FLAG_LISTEN] = {'l', "listen", "ADDRESS", "address to serve; may be repeated"},
    [FLAG_APP] = {'a', "app", "NAME", "name of the app (default: the command's base name)"},
    [FLAG_SET] = {0, "set", "KEY=VALUE", "a key of brood.conf(5); master.KEY for [master]"},
    [FLAG_UPDATE_ENV] = {0, "update-env", NULL, "take over the environment of this shell"},
    [FLAG_FOLLOW] = {'f', "follow", NULL, "go on with what comes, until Ctrl-C"},
    [FLAG_LINES] = {'n', "lines", "N", "begin with the last N (default 100)"},
    [FLAG_NAMES] = {0, "names", NULL, "the bare tables, for scripts"},
    [FLAG_OUTPUT] = {'o', "output", "FILE", "write there, not to standard output"},
    [FLAG_FORCE] = {0, "force", NULL, "replace a file that is there"},
    [FLAG_ENV] = {0, "env", "NAME", "of PM2: take the variables of env_NAME, too"},
};

static const char *const ps[] = {"ps", NULL};
static const char *const list[] = {"list", NULL};
static const char *const tail[] = {"tail", NULL};

static const struct verb verbs[] = {
    {"run", NULL, "[--] [COMMAND [ARG...]]", "run a program in the foreground, many times",
        "Keeps N workers of COMMAND behind one address until Ctrl-C. Without COMMAND it is\n"
        "brood-hello, without -l the address is 127.0.0.1:8080, or whatever a program of Node's\n"
        "listens on. With -c FILE it runs what the file describes. Workers get the environment and "
        "directory of the caller.",
        cmd_run, NEED_NOTHING, TARGET_COMMAND, PROGRAM, 0, ANY_NUMBER, false},
    {"start", NULL, "[APP | -- [COMMAND [ARG...]]]",
        "run a program in the background, or wake an app",
        "`start -- COMMAND` and `start -c FILE` return when the workers are ready, or say why "
        "they\n"
        "are not. `start APP` starts an app that rests in a running master.",
        cmd_start, NEED_NOTHING, TARGET_APP, PROGRAM | WAITS, 0, ANY_NUMBER, false},
    {"ls", list, "", "list the instances of this user", NULL, cmd_ls, NEED_NOTHING, TARGET_NONE, 0,
        0, 0, false},
    {"status", ps, "[APP]", "apps, slots and workers at a glance",
        "Exit code: 0 all ready, 1 degraded, 3 not running.", cmd_status, NEED_NOTHING, TARGET_APP,
        WITH(TIMEOUT), 0, 1, false},
    {"reload", NULL, "[APP]", "replace each worker by a new one, losing no connection",
        "Reads the configuration again and rolls out, also when nothing changed. If a new worker\n"
        "does not become ready the old ones go on serving, and the reason is said.",
        cmd_reload, NEED_MASTER, TARGET_APP, WAITS | WITH(UPDATE_ENV), 0, 1, false},
    {"restart", NULL, "[APP]", "stop the workers and start them again",
        "For programs that cannot run twice at a time. Without APP: every app. Connections wait\n"
        "in the queue meanwhile; to lose no time use reload.",
        cmd_restart, NEED_MASTER, TARGET_APP, WAITS, 0, 1, false},
    {"stop", NULL, "[APP]", "stop an app; the master stays",
        "Without APP, and only for an instance made by `brood run` or `brood start --`, the same\n"
        "as shutdown.",
        cmd_stop, NEED_MASTER, TARGET_APP, WAITS, 0, 1, false},
    {"shutdown", NULL, "", "stop all apps and the master", NULL, cmd_shutdown, NEED_MASTER,
        TARGET_NONE, WAITS, 0, 0, false},
    {"scale", NULL, "[APP] N|+N|-N", "change the number of workers",
        "APP may be left out when the instance has only one.", cmd_scale, NEED_MASTER, TARGET_APP,
        WAITS, 1, 2, false},
    {"drain", NULL, "APP[.SLOT]", "take workers away, keep their sockets",
        "The workers leave gracefully. New connections go to the other slots, or wait, until\n"
        "resume, or a reload, restart or start of the app.",
        cmd_drain, NEED_MASTER, TARGET_SLOT, WAITS, 1, 1, false},
    {"resume", NULL, "APP[.SLOT]", "bring back what drain took away", NULL, cmd_resume, NEED_MASTER,
        TARGET_SLOT, WAITS, 1, 1, false},
    {"probe", NULL, "APP.SLOT [PATH]", "send one worker a request, over its own socket",
        "GET PATH by HTTP, and how long it took to be accepted and answered. Without PATH what\n"
        "`probe` or `ready` of the app ask for, else /. Exit code: 0 for a status of 200 to 399.",
        cmd_probe, NEED_MASTER, TARGET_SLOT, WITH(TIMEOUT), 1, 2, false},
    {"kill", NULL, "APP.SLOT [SIGNAL]", "send a worker a signal, TERM unless given",
        "A worker that ends by it is replaced.", cmd_kill, NEED_MASTER, TARGET_SLOT, WITH(TIMEOUT),
        1, 2, false},
    {"signal", NULL, "APP SIGNAL", "send a signal to each worker of an app", NULL, cmd_signal,
        NEED_MASTER, TARGET_APP, WITH(TIMEOUT), 2, 2, false},
    {"logs", tail, "[APP[.SLOT]]", "what the workers wrote", NULL, cmd_logs, NEED_MASTER,
        TARGET_SLOT, WITH(FOLLOW) | WITH(LINES), 0, 1, false},
    {"events", NULL, "[APP]", "what happened: starts, deaths, rollouts", NULL, cmd_events,
        NEED_MASTER, TARGET_APP, WITH(FOLLOW) | WITH(LINES), 0, 1, false},
    {"why", NULL, "[APP[.SLOT]]", "explain the state of a slot, and its last deaths",
        "What happened, when, its cause, the last words of the worker, and what comes next.",
        cmd_why, NEED_MASTER, TARGET_SLOT, WITH(TIMEOUT), 0, 1, false},
    {"describe", NULL, "[APP]", "all about an app: configuration, workers, metrics, deaths", NULL,
        cmd_describe, NEED_MASTER, TARGET_APP, WITH(TIMEOUT), 0, 1, false},
    {"send", NULL, "APP[.SLOT] JSON", "send a message to workers over their channel", NULL,
        cmd_send, NEED_MASTER, TARGET_SLOT, WITH(TIMEOUT), 2, 2, false},
    {"env", NULL, "APP.SLOT", "environment of a running worker", NULL, cmd_env, NEED_MASTER,
        TARGET_SLOT, WITH(TIMEOUT), 1, 1, false},
    {"check", NULL, "", "check a configuration file (broodd -t)",
        "Without -c: ./brood.conf, then the system's file.", cmd_check, NEED_NOTHING, TARGET_NONE,
        WITH(CONFIG), 0, 0, false},
    {"config", NULL, "", "print the configuration in force, or a file as understood",
        "With -c FILE: what broodd -T understands of it. Without: what is in force in the running\n"
        "master, or, when none runs, the default file.",
        cmd_config, NEED_NOTHING, TARGET_NONE, WITH(CONFIG) | WITH(TIMEOUT), 0, 0, false},
    {"doctor", NULL, "", "what this machine allows, and what it costs where it does not",
        "Looks at the kernel, limits and privileges of the shell it is called from, at the\n"
        "configuration (-c, or the default file) and at a master that runs. Exit code: 0 when\n"
        "nothing essential is missing.",
        cmd_doctor, NEED_NOTHING, TARGET_NONE, WITH(CONFIG) | WITH(TIMEOUT), 0, 0, false},
    {"import", NULL, "pm2|Procfile|supervisord FILE",
        "make a brood.conf of another supervisor's file",
        "pm2 FILE: an ecosystem file (JSON; JavaScript and YAML by asking node). Procfile [FILE]:\n"
        "./Procfile unless given. supervisord FILE: its configuration. What has no counterpart is\n"
        "said on standard error, and in comments, with what to do instead.",
        cmd_import, NEED_NOTHING, TARGET_IMPORT,
        WITH(OUTPUT) | WITH(FORCE) | WITH(ENV) | WITH(TIMEOUT), 1, 2, false},
    {"ping", NULL, "", "ask whether the master answers", NULL, cmd_ping, NEED_MASTER, TARGET_NONE,
        WITH(TIMEOUT), 0, 0, false},
    {"version", NULL, "", "versions of brood and of the running master", NULL, cmd_version,
        NEED_NOTHING, TARGET_NONE, WITH(TIMEOUT), 0, 0, false},
    {"reopen", NULL, "", "open log files again, after they were moved away", NULL, cmd_reopen,
        NEED_MASTER, TARGET_NONE, WITH(TIMEOUT), 0, 0, false},
    {"help", NULL, "[VERB]", "this list, or all about a verb", NULL, cmd_help, NEED_NOTHING,
        TARGET_VERB, WITH(NAMES), 0, 1, false},
    {"__complete", NULL, "bash|zsh|fish|apps|slots|instances", "for shell completions", NULL,
        cmd_complete, NEED_NOTHING, TARGET_NONE, 0, 1, 1, true},
};
#define VERBS_LEN (sizeof(verbs) / sizeof(verbs[0]))

static const struct exit_info exits[] = {
    {CLI_OK, "done; status: all ready"},
    {CLI_FAILED, "refused or failed; status: degraded"},
    {CLI_NOT_RUNNING, "status: not running"},
    {CLI_USAGE, "wrong use of the command line"},
    {CLI_NO_MASTER, "no master runs, or it does not answer"},
    {CLI_SYSTEM, "the system refused something"},
    {CLI_BUSY, "busy, try again"},
    {CLI_PERMISSION, "permission denied"},
    {CLI_CONFIG, "the configuration is wrong"},
    {CLI_TIMEOUT, "--timeout passed"},
};

const struct verb *
verb_table(size_t *ret_len)
{
	*ret_len = VERBS_LEN;
	return verbs;
}

const struct exit_info *
exit_table(size_t *ret_len)
{
	*ret_len = sizeof(exits) / sizeof(exits[0]);
	return exits;
}

const struct verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < VERBS_LEN; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
		for (const char *const *a = verbs[i].aliases; a && *a; a++)
			if (strcmp(*a, name) == 0)
				return &verbs[i];
	}
	return NULL;
}

const char *
verb_nearest(const char *name)
{
	const char *names[VERBS_LEN * 2];
	size_t n = 0;

	for (size_t i = 0; i < VERBS_LEN; i++) {
		if (verbs[i].hidden)
			continue;
		names[n++] = verbs[i].name;
		if (verbs[i].aliases)
			names[n++] = verbs[i].aliases[0];
	}
	return str_nearest(name, names, n);
}

bool
verb_takes(const struct verb *v, enum flag_id id)
{
	unsigned mask = FLAGS_COMMON | (v ? v->flags : FLAG_BIT(FLAG_VERSION));

	return mask & FLAG_BIT(id);
}

const struct flag *
flag_info(enum flag_id id)
{
	return &flags[id];
}

int
flag_find(const struct verb *v, const char *name, size_t len)
{
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(v, i) && strlen(flags[i].name) == len &&
		    memcmp(flags[i].name, name, len) == 0)
			return i;
	return -1;
}

int
flag_find_letter(const struct verb *v, char letter)
{
	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(v, i) && flags[i].letter == letter)
			return i;
	return -1;
}

const char *
flag_nearest(const struct verb *v, const char *name)
{
	const char *names[FLAG_MAX];
	size_t n = 0;

	for (int i = 0; i < FLAG_MAX; i++)
		if (verb_takes(v, i))
			names[n++] = flags[i].name;
	return str_nearest(name, names, n);
}
