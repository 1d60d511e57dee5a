/*
 * start: the verbs that execute broodd: run, start, check, config.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/launch.h"
#include "cli/recipe.h"
#include "sys/rundir.h"

#define QUERY_MS 10000

extern char **environ;

/* What a recipe points to. */
struct program {
	struct recipe recipe;
	char *argv_hello[2];
	char app[64];
	char instance[64];
	char directory[PATH_MAX];
};

static bool
has_command(const struct cli *cli)
{
	return cli->args_len > 0;
}

static bool
has_program_flags(const struct cli *cli)
{
	return cli->workers || cli->listen.len || cli->set.len || cli->app;
}

static int
refuse_mixture(const struct cli *cli)
{
	cli_fail(cli, CLI_USAGE, "%s takes -c FILE or a command with its options, not both",
	    cli->verb->name);
	cli_hint(cli, "put the options into the file: brood.conf(5)");
	return CLI_USAGE;
}

/* Without a command it is brood-hello, also where a brood.conf lies about: say so rather than
 * guess. */
static void
mention_config(const struct cli *cli)
{
	if (!has_command(cli) && !has_program_flags(cli) && access("brood.conf", F_OK) == 0)
		cli_hint(cli, "(this is brood-hello; `brood %s -c brood.conf` runs the file here)",
		    cli->verb->name);
}

static int
pick_names(struct program *p, const struct cli *cli)
{
	const char *app = cli->app, *instance = cli->instance_name;

	if (app && !name_is_valid(app))
		return cli_fail(
		    cli, CLI_USAGE, "\"%s\" cannot be the name of an app: A-Z a-z 0-9 _ . -", app);
	if (instance && !name_is_valid(instance))
		return cli_fail(cli, CLI_USAGE,
		    "\"%s\" cannot be the name of an instance: A-Z a-z 0-9 _ . -", instance);
	if (app)
		(void)snprintf(p->app, sizeof(p->app), "%s", app);
	else
		recipe_name_from_command(p->recipe.argv[0], p->app, sizeof(p->app));
	(void)snprintf(p->instance, sizeof(p->instance), "%s", instance ? instance : p->app);
	return CLI_OK;
}

/* Fills p from the command line. An exit code. */
static int
prepare(struct program *p, struct cli *cli, const char *made_by)
{
	*p = (struct program){0};
	if (!getcwd(p->directory, sizeof(p->directory)))
		return cli_fail(cli, CLI_SYSTEM, "the current directory: %s", strerror(errno));
	if (has_command(cli) && !*cli->args[0])
		return cli_fail(cli, CLI_USAGE, "the command is empty");
	if (!has_command(cli)) {
		p->argv_hello[0] = launch_find_hello();
		if (!p->argv_hello[0])
			return cli_fail(cli, CLI_SYSTEM, "out of memory");
	}
	p->recipe = (struct recipe){
	    .made_by = made_by,
	    .instance = p->instance,
	    .app = p->app,
	    .run_dir = cli->run_dir_given ? cli->run_dir : NULL,
	    .directory = p->directory,
	    .argv = has_command(cli) ? cli->args : p->argv_hello,
	    .workers = cli->workers,
	    .listen = cli->listen.items,
	    .listen_len = cli->listen.len,
	    .set = cli->set.items,
	    .set_len = cli->set.len,
	};
	return pick_names(p, cli);
}

static void
program_done(struct program *p)
{
	free(p->argv_hello[0]);
}

static int
fail_with(const struct cli *cli, struct failure *f)
{
	int code = cli_fail_with(cli, f);

	failure_done(f);
	return code;
}

/* The configuration of `brood run` has no file: it lives in memory as long as the master does,
 * and cannot be changed. */
static int
make_memfd(const struct cli *cli, const char *instance, const struct str *text)
{
	char name[80];
	int fd, r;

	(void)snprintf(name, sizeof(name), "brood-%s.conf", instance);
	fd = memfd_create(name, MFD_ALLOW_SEALING);
	if (fd < 0) {
		cli_fail(cli, CLI_SYSTEM, "memfd_create: %s", strerror(errno));
		return -1;
	}
	/* broodd refuses a file that others may write, and a memfd is born 0777. */
	r = fchmod(fd, 0600) < 0 ? -errno : fd_write_all(fd, str_text(text), text->len);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0) {
		cli_fail(cli, CLI_SYSTEM, "writing the configuration: %s", strerror(-r));
		fd_close(&fd);
		return -1;
	}
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return fd;
}

/* A file that an earlier `brood start` of this name left behind would be taken for this master's
 * by `reload --update-env`, and it holds an environment that nobody needs any more. Whose lock is
 * held it belongs to. */
static void
forget_old_recipe(const struct cli *cli, const char *name)
{
	struct str lock = {0}, conf = {0};
	int fd;

	str_addf(&lock, "%s/%s.lock", cli->run_dir ? cli->run_dir : "", name);
	str_addf(&conf, "%s/%s.conf", cli->run_dir ? cli->run_dir : "", name);
	fd = open(str_text(&lock), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0)
		(void)unlink(str_text(&conf));
	fd_close(&fd);
	str_free(&lock);
	str_free(&conf);
}

static int
run_program(struct cli *cli)
{
	struct program p;
	struct str text = {0};
	struct failure f = {0};
	char path[32];
	int fd, code = prepare(&p, cli, "brood run");

	if (code == CLI_OK) {
		p.recipe.inherit_env = true;
		if (recipe_add(&text, &p.recipe, &f) < 0)
			code = fail_with(cli, &f);
	}
	if (code == CLI_OK) {
		mention_config(cli);
		forget_old_recipe(cli, p.instance);
		fd = make_memfd(cli, p.instance, &text);
		(void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
		const char *args[] = {"--adhoc", "-i", p.instance, "-c", path, NULL};
		code = fd < 0 ? CLI_SYSTEM : launch_exec_broodd(cli, args);
	}
	str_free(&text);
	program_done(&p);
	return code;
}

int
cmd_run(struct cli *cli)
{
	const char *args[] = {"-c", cli->config, NULL, NULL, NULL};

	if (!cli->config)
		return run_program(cli);
	if (has_command(cli) || has_program_flags(cli))
		return refuse_mixture(cli);
	if (cli->instance_name) {
		args[2] = "-i";
		args[3] = cli->instance_name;
	}
	return launch_exec_broodd(cli, args);
}

static int
background(struct cli *cli, const char *const *args)
{
	char *argv[16] = {launch_find_broodd(), (char *)"--background"};
	size_t n = 2;
	int code;

	if (!argv[0])
		return cli_fail(cli, CLI_SYSTEM, "out of memory");
	for (; *args && n < 12; args++)
		argv[n++] = (char *)*args;
	code = launch_background(cli, argv);
	free(argv[0]);
	return code;
}

static int
explain_running(const struct cli *cli, const char *name, int fd)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	cli_fail(cli, CLI_FAILED, "an instance named %s runs already%s%s%s", name,
	    *pid ? " (pid " : "", pid, *pid ? ")" : "");
	cli_hint(cli,
	    "`brood status -i %s` shows it, `brood shutdown -i %s` ends it, -i gives another name",
	    name, name);
	return CLI_FAILED;
}

/* Two starts of one name must not write one file. The master's lock is flock() on NAME.lock; this
 * one, which lasts while `brood start` does, is a record lock on the same file: the two kinds do
 * not see each other. 0: *ret_fd holds it; else an exit code. */
static int
lock_start(const struct cli *cli, const char *name, int *ret_fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct str path = {0};
	int fd, code = CLI_OK;

	str_addf(&path, "%s/%s.lock", cli->run_dir, name);
	fd = open(str_text(&path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		code = cli_fail(cli, errno == EACCES ? CLI_PERMISSION : CLI_SYSTEM, "%s: %s",
		    str_text(&path), strerror(errno));
	else if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		code = cli_fail(cli, CLI_BUSY, "another `brood start` of %s is under way", name);
	else if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		code = explain_running(cli, name, fd);
	else
		(void)flock(fd, LOCK_UN);
	str_free(&path);
	if (code != CLI_OK)
		fd_close(&fd);
	*ret_fd = fd;
	return code;
}

static int
make_run_dir(const struct cli *cli)
{
	struct err e;
	int r;

	err_clear(&e);
	if (!cli->run_dir)
		return cli_fail(
		    cli, CLI_SYSTEM, "no run directory: set XDG_RUNTIME_DIR or BROOD_RUN_DIR");
	r = rundir_make(cli->run_dir, 0711, &e);
	if (r < 0)
		return cli_fail(
		    cli, r == -EACCES || r == -EPERM ? CLI_PERMISSION : CLI_SYSTEM, "%s", e.text);
	return CLI_OK;
}

static void
mention_skipped(const struct cli *cli, const char *app)
{
	struct str s = {0};
	size_t n = recipe_add_env(&s, app, environ);

	str_free(&s);
	if (n > 0)
		cli_hint(cli,
		    "(%zu variable%s of the environment could not be passed on: odd name or over "
		    "64 KiB)",
		    n, n == 1 ? "" : "s");
}

static int
start_prepared(struct cli *cli, struct program *p, const struct str *text)
{
	struct failure f = {0};
	struct str path = {0};
	int lock_fd = -1, code = lock_start(cli, p->instance, &lock_fd);

	if (code != CLI_OK)
		return code;
	if (recipe_write(cli->run_dir, p->instance, text, &f) < 0)
		code = fail_with(cli, &f);
	str_addf(&path, "%s/%s.conf", cli->run_dir, p->instance);
	if (code == CLI_OK) {
		const char *args[] = {"--adhoc", "-i", p->instance, "-c", str_text(&path), NULL};
		code = background(cli, args);
	}
	if (code != CLI_OK && code != CLI_TIMEOUT)
		forget_old_recipe(cli, p->instance);
	str_free(&path);
	fd_close(&lock_fd);
	return code;
}

static int
start_program(struct cli *cli)
{
	struct program p;
	struct str text = {0};
	struct failure f = {0};
	int code = prepare(&p, cli, "brood start; `brood reload --update-env` rewrites [env:]");

	if (code == CLI_OK) {
		/* All of it is in the file: with inherit_env a variable could never be taken away. */
		p.recipe.environ = environ;
		if (recipe_add(&text, &p.recipe, &f) < 0)
			code = fail_with(cli, &f);
	}
	if (code == CLI_OK)
		code = make_run_dir(cli);
	if (code == CLI_OK) {
		mention_config(cli);
		mention_skipped(cli, p.app);
		code = start_prepared(cli, &p, &text);
	}
	str_free(&text);
	program_done(&p);
	return code;
}

static int
wake_app(struct cli *cli)
{
	struct failure f = {0};

	if (cli->config || has_program_flags(cli) || cli->dashes || cli->args_len > 1) {
		cli_fail(cli, CLI_USAGE,
		    "\"%s\" is an app to wake; a program is started by `brood start %s-- "
		    "COMMAND`",
		    cli->args[0], has_program_flags(cli) ? "OPTIONS " : "");
		return CLI_USAGE;
	}
	if (instance_pick(cli, cli->args[0], &cli->instance, &f) < 0) {
		int code = fail_with(cli, &f);
		cli_hint(cli, "to start a program: brood start -- %s", cli->args[0]);
		return code;
	}
	return cmd_start_app(cli);
}

int
cmd_start(struct cli *cli)
{
	const char *args[] = {"-c", cli->config, NULL, NULL, NULL};

	if (cli->command_at > 0)
		return wake_app(cli);
	if (!cli->config)
		return start_program(cli);
	if (has_command(cli) || has_program_flags(cli))
		return refuse_mixture(cli);
	if (cli->instance_name) {
		args[2] = "-i";
		args[3] = cli->instance_name;
	}
	return background(cli, args);
}

static json_t *
lines_to_json(const char *text)
{
	json_t *lines = json_array();

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct str safe = {0};
		str_add_escaped(&safe, text, len);
		(void)json_array_append_new(lines, json_string(str_text(&safe)));
		str_free(&safe);
		text += len;
		text += *text == '\n';
	}
	return lines;
}

/* `broodd -t` or `-T` on a file. */
static int
ask_broodd(const struct cli *cli, const char *option)
{
	const char *args[] = {option, "-c", cli->config, NULL};
	struct str text = {0};
	int code;
	json_t *v;

	if (!cli->config)
		args[1] = NULL;
	if (!cli->json)
		return launch_exec_broodd(cli, args);
	code = launch_capture_broodd(cli, args, &text);
	if (strcmp(option, "-T") == 0 && code == CLI_OK)
		v = json_pack("{s:s}", "text", str_text(&text));
	else
		v = json_pack("{s:b, s:i, s:o}", "ok", code == CLI_OK, "exit", code, "messages",
		    lines_to_json(str_text(&text)));
	(void)cli_print_json(cli, v, false);
	json_decref(v);
	str_free(&text);
	return code;
}

int
cmd_check(struct cli *cli)
{
	return ask_broodd(cli, "-t");
}

int
cmd_config(struct cli *cli)
{
	struct failure f = {0};
	const char *text;
	json_t *result;

	if (cli->config)
		return ask_broodd(cli, "-T");
	if (instance_pick(cli, NULL, &cli->instance, &f) < 0) {
		if (f.exit_code != CLI_NO_MASTER || cli->instance_name)
			return fail_with(cli, &f);
		failure_done(&f);
		return ask_broodd(cli, "-T");
	}
	result = client_call(
	    cli->instance.client, "config", json_object(), cli_deadline_us(cli, QUERY_MS), &f);
	if (!result)
		return fail_with(cli, &f);
	text = json_string_value(json_object_get(result, "text"));
	if (cli->json)
		(void)cli_print_json(cli, result, false);
	else
		term_put_lines(stdout, "", text ? text : "");
	json_decref(result);
	return CLI_OK;
}
