/*
 * broodd: the master. This file reads the command line, prepares the process (descriptors,
 * signals, run directory, lock) and hands over to the loop; it is the only caller of exit.
 * Before the first worker an error is one clear line and an exit code of sysexits(3).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/conf.h"
#include "loop/launch.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "sys/listen.h"
#include "sys/logwriter.h"
#include "sys/notify.h"
#include "sys/proc.h"
#include "sys/rundir.h"
#include "sys/spawn.h"

#define SYSTEM_CONF SYSCONFDIR "/brood/brood.conf"
#define LOCAL_CONF  "./brood.conf"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_USAGE = 64,
	EXIT_SYSTEM = 71,
	EXIT_CANNOT_CREATE = 73,
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78,
};

enum task { TASK_RUN, TASK_TEST, TASK_DUMP };

struct arguments {
	enum task task;
	const char *config, *instance, *log_writer;
	bool adhoc, background;
	int ready_fd;
	int exit_code; /* -1 = go on */
};

enum long_option {
	OPTION_ADHOC = 256,
	OPTION_BACKGROUND,
	OPTION_READY_FD,
	OPTION_LOG_WRITER,
	OPTION_LIST_SIGNALS
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"instance", required_argument, NULL, 'i'},
    {"test", no_argument, NULL, 't'},
    {"dump", no_argument, NULL, 'T'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"adhoc", no_argument, NULL, OPTION_ADHOC},
    {"background", no_argument, NULL, OPTION_BACKGROUND},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {"log-writer", required_argument, NULL, OPTION_LOG_WRITER},
    {"list-signals", no_argument, NULL, OPTION_LIST_SIGNALS},
    {NULL, 0, NULL, 0},
};

static void
print_help(FILE *out)
{
	fprintf(out,
	    "usage: broodd [-c FILE] [-i NAME] [-t | -T]\n"
	    "The master of a cluster of worker processes, in the foreground.\n"
	    "  -c, --config FILE    configuration (default: " LOCAL_CONF ", then\n"
	    "                       " SYSTEM_CONF ")\n"
	    "  -i, --instance NAME  name of this instance (default: [master] name, then the\n"
	    "                       base name of FILE)\n"
	    "  -t, --test           check the configuration, list all errors, and end\n"
	    "  -T, --dump           print what was understood, and end\n"
	    "  -h, --help           this text\n"
	    "  -V, --version        the version\n"
	    "Signals:\n");
	signals_print(out);
	fprintf(out, "See broodd(8). To run a command without a configuration: brood run.\n");
}

static void
parse_ready_fd(struct arguments *a, const char *text)
{
	uint64_t fd;

	if (units_parse_uint(text, 1 << 20, &fd) != 0 || fcntl((int)fd, F_GETFD) < 0) {
		fprintf(stderr, "broodd: --ready-fd %s: no open descriptor\n", text);
		a->exit_code = EXIT_USAGE;
		return;
	}
	a->ready_fd = (int)fd;
	(void)fd_set_cloexec(a->ready_fd, true); /* it is open, so this works */
}

static void
take_option(struct arguments *a, int option)
{
	switch (option) {
	case 'c':
		a->config = optarg;
		break;
	case 'i':
		a->instance = optarg;
		break;
	case 't':
		a->task = TASK_TEST;
		break;
	case 'T':
		a->task = TASK_DUMP;
		break;
	case 'h':
		print_help(stdout);
		a->exit_code = EXIT_DONE;
		break;
	case 'V':
		printf("broodd %s\n", PACKAGE_VERSION);
		a->exit_code = EXIT_DONE;
		break;
	case OPTION_ADHOC:
		a->adhoc = true;
		break;
	case OPTION_BACKGROUND:
		a->background = true;
		break;
	case OPTION_READY_FD:
		parse_ready_fd(a, optarg);
		break;
	case OPTION_LOG_WRITER:
		a->log_writer = optarg;
		break;
	case OPTION_LIST_SIGNALS:
		signals_print(stdout);
		a->exit_code = EXIT_DONE;
		break;
	default:
		fprintf(stderr, "broodd: try \"broodd --help\"\n");
		a->exit_code = EXIT_USAGE;
		break;
	}
}

static struct arguments
parse_arguments(int argc, char **argv)
{
	struct arguments a = {.ready_fd = -1, .exit_code = -1};
	int option;

	while (
	    a.exit_code < 0 && (option = getopt_long(argc, argv, "c:i:tThV", options, NULL)) != -1)
		take_option(&a, option);
	if (a.exit_code < 0 && optind < argc) {
		fprintf(stderr,
		    "broodd: unexpected argument \"%s\"; to run a command use "
		    "\"brood run -- %s\"\n",
		    argv[optind], argv[optind]);
		a.exit_code = EXIT_USAGE;
	}
	if (a.exit_code < 0 && a.instance && !name_is_valid(a.instance)) {
		fprintf(stderr, "broodd: --instance: a name is 1 to 48 of A-Z a-z 0-9 _ . -\n");
		a.exit_code = EXIT_USAGE;
	}
	if (a.exit_code < 0 && !a.config) {
		a.config = access(LOCAL_CONF, F_OK) == 0 ? LOCAL_CONF : SYSTEM_CONF;
		if (!a.log_writer && access(a.config, F_OK) != 0) {
			fprintf(stderr, "broodd: no configuration: neither " LOCAL_CONF
			                " nor " SYSTEM_CONF " is there; name one with -c FILE\n");
			a.exit_code = EXIT_CONFIG;
		}
	}
	return a;
}

/* --- configuration ------------------------------------------------------------------------- */

static void
print_errors(const struct conf_errors *errs)
{
	for (size_t i = 0; i < errs->len; i++)
		fprintf(stderr, "%s\n", errs->text[i]);
	if (errs->dropped > 0)
		fprintf(stderr, "and %zu more\n", errs->dropped);
}

/* The world behind the configuration: users, programs, directories. All errors are listed. */
static int
check_apps(const struct conf *conf)
{
	int code = EXIT_DONE;

	for (size_t i = 0; i < conf->apps_len; i++) {
		struct err e;

		err_clear(&e);
		if (launch_check(conf, conf->apps[i], geteuid() == 0, &e) == 0)
			continue;
		fprintf(stderr, "%s\n", e.text);
		code = EXIT_CONFIG;
	}
	return code;
}

static int
test_config(const struct conf *conf)
{
	int code = check_apps(conf);

	if (code == EXIT_DONE)
		printf("%s: ok, %zu app%s\n", conf->path, conf->apps_len,
		    conf->apps_len == 1 ? "" : "s");
	return code;
}

static int
dump_config(const struct conf *conf)
{
	struct str text = {0};
	int code = EXIT_SYSTEM;

	conf_print(conf, true, false, &text);
	if (!str_failed(&text) && fputs(str_text(&text), stdout) != EOF && fflush(stdout) == 0)
		code = EXIT_DONE;
	str_free(&text);
	return code;
}

/* --- the instance -------------------------------------------------------------------------- */

/* -i, else [master] name, else the file's base name without .conf. */
static int
instance_name(const struct arguments *a, const struct conf *conf, char name[49], struct err *e)
{
	const char *base = strrchr(a->config, '/');
	size_t len;

	if (a->instance || conf->master.name) {
		snprintf(name, 49, "%s", a->instance ? a->instance : conf->master.name);
		return 0;
	}
	base = base ? base + 1 : a->config;
	len = strlen(base);
	if (len > 5 && strcmp(base + len - 5, ".conf") == 0)
		len -= 5;
	if (len < 49) {
		snprintf(name, 49, "%.*s", (int)len, base);
		if (name_is_valid(name))
			return 0;
	}
	return err_set(e, -EINVAL,
	    "%s: the file's name makes no name for the instance; "
	    "set [master] name or use -i NAME",
	    a->config);
}

static int
make_run_dir(const char *dir, const char *name, struct err *e)
{
	char sub[4096];
	int lock, r;

	/* Others may pass through, since workers of other users have sockets below, not look. */
	r = rundir_make(dir, 0711, e);
	if (r < 0)
		return r;
	if ((size_t)snprintf(sub, sizeof(sub), "%s/n", dir) >= sizeof(sub))
		return err_set(e, -ENAMETOOLONG, "%s: too long", dir);
	r = rundir_make(sub, 0711, e);
	if (r < 0)
		return r;
	lock = rundir_lock(dir, name, e);
	if (lock == -EAGAIN) {
		struct err why = *e;

		return err_set(e, lock,
		    "%.400s; see: brood -i %s status; to start another one give "
		    "it a name with -i",
		    why.text, name);
	}
	if (lock < 0)
		return lock;
	rundir_clean(dir, name);
	return lock;
}

static bool
owns_terminal(const struct arguments *a)
{
	if (!a->adhoc || a->background)
		return false;
	for (int fd = 0; fd <= 2; fd++)
		if (isatty(fd) && tcgetpgrp(fd) == getpgrp())
			return true;
	return false;
}

/* A descriptor that only the configuration is read from must not reach workers. */
static void
keep_config_private(const char *path)
{
	uint64_t fd;

	if (strncmp(path, "/dev/fd/", 8) == 0 && units_parse_uint(path + 8, 1 << 20, &fd) == 0)
		(void)fd_set_cloexec((int)fd, true); /* a bad one shows when it is read */
}

/* Who started us waits on ready_fd and has a terminal of its own. */
static void
leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	fd_close(&null);
}

static int
run(const struct arguments *a, struct loop_options *o, struct conf *conf)
{
	char name[49], title[80];
	char *run_dir = NULL;
	struct err e = {0};
	int r, code;

	r = instance_name(a, conf, name, &e);
	if (r < 0) {
		fprintf(stderr, "%s\n", e.text);
		conf_unref(conf);
		return EXIT_CONFIG;
	}
	run_dir = conf->master.run_dir ? mem_strdup(conf->master.run_dir) : rundir_default();
	if (run_dir)
		r = o->lock_fd = make_run_dir(run_dir, name, &e);
	else
		r = err_set(&e, -ENOMEM, "out of memory");
	if (r < 0) {
		fprintf(stderr, "broodd: %s\n", e.text);
		free(run_dir);
		conf_unref(conf);
		return r == -EACCES || r == -EPERM ? EXIT_PERMISSION : EXIT_CANNOT_CREATE;
	}
	o->name = name;
	o->run_dir = run_dir;
	if (getpid() != 1 && proc_become_subreaper() < 0)
		fprintf(
		    stderr, "broodd: cannot become a subreaper: orphans of workers may escape\n");
	snprintf(title, sizeof(title), "broodd: master %s", name);
	proc_set_title(title);
	if (a->background)
		leave_terminal();
	code = loop_main(o, conf);
	rundir_clean(run_dir, name);
	free(run_dir);
	return code;
}

/* Reads the configuration and does what was asked for. */
static int
work(const struct arguments *a, struct loop_options *o)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	int code, r;

	o->source = (struct conf_source){
	    .path = a->config,
	    .label = a->adhoc ? "command line" : NULL,
	    .environ = environ,
	    .check_owner = geteuid() == 0 && !a->adhoc,
	};
	keep_config_private(a->config);
	r = conf_load(&o->source, &conf, &errs);
	print_errors(&errs);
	conf_errors_free(&errs);
	if (r == -ENOMEM)
		fprintf(stderr, "broodd: out of memory\n");
	if (r < 0)
		return r == -ENOMEM ? EXIT_SYSTEM : EXIT_CONFIG;
	if (a->task == TASK_RUN)
		return run(a, o, conf);
	code = a->task == TASK_TEST ? test_config(conf) : dump_config(conf);
	conf_unref(conf);
	return code;
}

int
main(int argc, char **argv)
{
	static char *no_argv[] = {"broodd", NULL};
	struct loop_options o = {.lock_fd = -1};
	struct arguments a;

	/* Before anything is opened, or a socket may land where a terminal was expected (X6). */
	if (fd_ensure_standard() < 0)
		return EXIT_SYSTEM;
	if (argc < 1) {
		argc = 1;
		argv = no_argv;
	} else {
		proc_title_init(argc, argv);
	}
	a = parse_arguments(argc, argv);
	if (a.exit_code >= 0)
		return a.exit_code;
	if (a.log_writer)
		return logwriter_main(a.log_writer);
	/* What a large answer, a storm or a start of many took goes back to the system, from the
	 * top of the heap or as a mapping of its own, and leaves no holes between small things. */
	(void)mallopt(M_MMAP_THRESHOLD, 32 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	(void)mallopt(M_TOP_PAD, 16 * 1024);
	o.umask = umask(027);
	signals_set_own();
	spawn_raise_nofile();
	json_object_seed(0);
	o.watchdog_us = notify_manager_init();
	o.inherited_fds = listen_inherited();
	if (o.inherited_fds < 0)
		o.inherited_fds = 0; /* they were meant for somebody else */
	o.environ = environ;
	o.adhoc = a.adhoc;
	o.background = a.background;
	o.ready_fd = a.ready_fd;
	o.owns_terminal = owns_terminal(&a);
	return work(&a, &o);
}
