/*
 * launch: see the header.
 */
#include "loop/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"
#include "base/words.h"
#include "core/cluster.h"
#include "launcher/filesystem.h"
#include "launcher/follow.h"
#include "launcher/nodewords.h"
#include "loop/binder.h"
#include "loop/libexec.h"
#include "loop/loop.h"
#include "loop/output.h"
#include "loop/prepared.h"

static char *const embedded_argv[] = {PKGLIBEXECDIR "/brood-hello", NULL};

int
launch_init(struct loop *l, struct err *e)
{
	struct launch_table *t = mem_calloc(1, sizeof(*t));
	struct err inherited = {0};
	struct str cache = {0};
	unsigned bad;

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	t->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (t->null_fd < 0) {
		mem_free(t);
		return err_set(e, -errno, "/dev/null: %s", strerror(errno));
	}
	str_addf(&cache, "%s/.steer", l->options.run_dir);
	/* Without it the kernel is asked at each start. */
	t->steer_cache = str_failed(&cache) ? NULL : cache.data;
	t->listeners.steer_cache = t->steer_cache;
	l->launches = t;
	bad = listeners_adopt(&t->listeners, 3, l->options.inherited_fds, &inherited);
	if (bad > 0)
		log_warn("descriptor_refused", NULL, "%s (%u in all)", inherited.text, bad);
	return 0;
}

int
launch_null_fd(const struct loop *l)
{
	return l->launches->null_fd;
}

int
launch_exit_code(const struct loop *l)
{
	return l->launches && l->launches->exit_code ? l->launches->exit_code : 71;
}

void
launch_settle(struct loop *l)
{
	unsigned n = listeners_close_unused(&l->launches->listeners);

	if (n > 0)
		log_warn("descriptor_unused", NULL,
		    "%u sockets of the service manager match no "
		    "\"listen\" and were closed",
		    n);
}

static void
free_parts(struct launch *la)
{
	for (size_t i = 0; i < la->files_len; i++)
		mem_free(la->files[i].path);
	mem_free(la->files);
	while (la->listeners_len > la->app->listen_len)
		conf_listen_free((struct conf_listen *)la->listen[--la->listeners_len]);
	mem_free(la->listeners);
	mem_free(la->listen);
	environment_done(&la->env);
	if (la->change_user)
		cred_user_free(&la->user);
	free(la->program);
	free(la->directory);
	conf_unref(la->conf);
	mem_free(la);
}

static int
find_user(struct launch *la, struct err *e)
{
	const struct conf_app *app = la->app;
	char own[24];
	const char *user = app->user;
	int r;

	if (!app->user && !app->group)
		return 0;
	if (!user) {
		snprintf(own, sizeof(own), "%u", (unsigned)geteuid());
		user = own;
	}
	r = cred_lookup(user, app->group, &la->user);
	if (r == -ESRCH)
		return err_set(e, r, "group = %s: no such group", app->group);
	if (r < 0)
		return err_set(
		    e, r, "user = %s: %s", user, r == -ENOENT ? "no such user" : strerror(-r));
	if (geteuid() != 0 && la->user.uid != geteuid()) {
		cred_user_free(&la->user);
		return err_set(
		    e, -EPERM, "user = %s: only root can run workers as another user", user);
	}
	la->change_user = true;
	return 0;
}

static int
find_directory(struct launch *la, struct err *e)
{
	const char *name = la->app->directory ? la->app->directory : ".";
	struct stat st;

	la->directory = realpath(name, NULL);
	if (!la->directory || stat(la->directory, &st) != 0)
		return err_set(e, -errno, "directory = %s: %s", name, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "directory = %s: not a directory", name);
	return 0;
}

/* X4: what root executes must not be changeable by anybody. In a sticky directory others may add
 * files but not replace ours. */
static int
check_owners(const struct launch *la, struct err *e)
{
	char *parent = mem_strdup(la->program);
	const char *const paths[] = {la->program, parent, la->directory};
	int r = 0;

	if (!parent)
		return err_set(e, -ENOMEM, "out of memory");
	if (strrchr(parent, '/') > parent)
		*strrchr(parent, '/') = '\0';
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths) && r == 0; i++) {
		struct stat st;

		if (stat(paths[i], &st) != 0 || !(st.st_mode & S_IWOTH))
			continue;
		if (S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))
			continue;
		r = err_set(e, -EPERM,
		    "%s may be written by anybody: refused for root; chmod o-w it", paths[i]);
	}
	mem_free(parent);
	return r;
}

static int
find_program(struct launch *la, bool run_as_root, struct err *e)
{
	const char *path_list = environment_get(&la->env, "PATH");
	int r = spawn_resolve(la->argv[0], la->directory, path_list, &la->program);

	if (r == -ENOENT)
		return err_set(e, r, "command = %s: not found (%s %s)", la->argv[0],
		    strchr(la->argv[0], '/') ? "directory" : "PATH",
		    strchr(la->argv[0], '/') ? la->directory : path_list);
	if (r < 0)
		return err_set(e, r, "command = %s: %s", la->argv[0], strerror(-r));
	return run_as_root ? check_owners(la, e) : 0;
}

/* A command that starts its app as a child of Node, with what to write instead. */
static int
refuse_launcher(const struct launch *la, const char *line, struct err *e)
{
	const char *name = path_base(la->argv[0]);
	struct str command = {0};

	for (size_t i = 0; la->argv[i]; i++) {
		str_add(&command, i > 0 ? " " : "");
		quote_add_word(&command, la->argv[i]);
	}
	err_set(e, -EINVAL,
	    "command = %s: %s is a Node program itself and would take the worker's place in the "
	    "cluster; write%s%s",
	    str_text(&command), nodewords_is_node(name) ? "what starts the app" : name,
	    *line ? ": command = " : " the command that it comes to",
	    *line ? line : ", or \"take = fds\" if that is not Node");
	str_free(&command);
	return -EINVAL;
}

/* What take = auto means for it. */
static int
resolve_take(struct launch *la, struct err *e)
{
	struct trail trail = {.files = &files_of_system, .directory = la->directory};
	struct str line = {0};
	enum follow command;
	int r = 0;

	la->take = la->app->take;
	/* Whatever runs it, it was written to inherit. */
	if (la->take == TAKE_AUTO &&
	    (la->app->compat == COMPAT_EINHORN || la->app->compat == COMPAT_SERVER_STARTER))
		la->take = TAKE_FDS;
	if (la->take != TAKE_AUTO && la->take != TAKE_NODE)
		return 0;
	command = follow(&trail, la->argv, la->program);
	if (la->take == TAKE_AUTO)
		la->take = command == FOLLOW_OTHER ? TAKE_FDS : TAKE_NODE;
	if (command == FOLLOW_LAUNCHER)
		follow_write_line(&trail, &line);
	if (trail_failed(&trail) || str_failed(&line))
		r = err_set(e, -ENOMEM, "out of memory");
	else if (command == FOLLOW_LAUNCHER)
		r = refuse_launcher(la, str_text(&line), e);
	trail_done(&trail);
	str_free(&line);
	return r;
}

static int
add_file(struct launch *la, char *path)
{
	struct launch_file *f = &la->files[la->files_len];
	struct stat st;

	if (!path)
		return -ENOMEM;
	if (stat(path, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
		mem_free(path);
		return 0;
	}
	*f = (struct launch_file){path, st.st_dev, st.st_ino, st.st_size, st.st_mtim};
	if (S_ISDIR(st.st_mode)) {
		/* The same directory, whatever was written into it meanwhile. */
		f->size = 0;
		f->mtime = (struct timespec){0};
	}
	la->files_len++;
	return 0;
}

/* Program, directory, and each word of the command that names a file. */
static int
remember_files(struct launch *la)
{
	size_t n = 2;
	int r;

	while (la->argv[n - 2])
		n++;
	la->files = mem_calloc(n, sizeof(*la->files));
	if (!la->files)
		return -ENOMEM;
	r = add_file(la, mem_strdup(la->program));
	if (r == 0)
		r = add_file(la, mem_strdup(la->directory));
	for (size_t i = 1; r == 0 && la->argv[i]; i++) {
		struct str path = {0};
		struct stat st;

		if (la->argv[i][0] != '/')
			str_addf(&path, "%s/", la->directory);
		str_add(&path, la->argv[i]);
		if (!str_failed(&path) && stat(str_text(&path), &st) == 0 && S_ISREG(st.st_mode))
			r = add_file(la, path.data);
		else
			str_free(&path);
	}
	return r;
}

static void
parse_cpus(const char *text, const cpu_set_t *allowed, cpu_set_t *ret)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	while (*text) {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (unsigned long i = from; i <= to && i < CPU_SETSIZE; i++)
			CPU_SET(i, &set);
		text = *end == ',' ? end + 1 : "";
	}
	CPU_AND(ret, &set, allowed);
}

static int
find_cpus(struct launch *la, struct err *e)
{
	const char *text = la->app->cpu_affinity;
	cpu_set_t allowed;

	if (!text)
		return 0;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return err_set(e, -errno, "cpu_affinity: %s", strerror(errno));
	if (strcmp(text, "auto") == 0)
		la->cpus = allowed;
	else
		parse_cpus(text, &allowed, &la->cpus);
	if (CPU_COUNT(&la->cpus) == 0)
		return err_set(
		    e, -EINVAL, "cpu_affinity = %s: none of these CPUs may be used here", text);
	return 0;
}

/* Exit code of broodd for what is wrong in the configuration or its world. */
static int
code_of(int r, int otherwise)
{
	return r == -ENOMEM ? 71 : otherwise;
}

/* Everything but listeners and sinks. *ret_code: exit code that goes with a failure. */
static int
prepare(struct conf *conf, const struct conf_app *app, char *const *environ_from, bool run_as_root,
    struct launch **ret, int *ret_code, struct err *e)
{
	struct launch *la = mem_calloc(1, sizeof(*la));
	int r;

	*ret_code = 71;
	if (!la)
		return err_set(e, -ENOMEM, "out of memory");
	la->conf = conf_ref(conf);
	la->app = app;
	la->argv = app->argv && app->argv[0] ? app->argv : embedded_argv;
	*ret_code = 78;
	r = find_user(la, e);
	if (r == 0)
		r = find_directory(la, e);
	if (r == 0)
		r = find_cpus(la, e);
	if (r == 0) {
		r = environment_make(
		    app, environ_from, la->change_user ? &la->user : NULL, &la->env);
		if (r < 0)
			err_set(e, r, "environment: %s", strerror(-r));
	}
	if (r == 0) {
		*ret_code = 78;
		r = find_program(la, run_as_root, e);
		if (r == -ENOENT)
			*ret_code = 127;
		else if (r == -EACCES || r == -EISDIR || r == -ENOEXEC)
			*ret_code = 126;
	}
	if (r == 0)
		r = resolve_take(la, e);
	if (r == 0 && la->take == TAKE_BIND)
		r = binder_check(la, e);
	if (r == 0 && (r = remember_files(la)) < 0)
		err_set(e, r, "out of memory");
	for (size_t i = 0; i < app->env_len; i++) {
		la->own_port |= strcmp(app->env[i].name, "PORT") == 0;
		la->own_instance |= strcmp(app->env[i].name, "NODE_APP_INSTANCE") == 0;
	}
	if (r < 0) {
		*ret_code = code_of(r, *ret_code);
		free_parts(la);
		return r;
	}
	*ret = la;
	return 0;
}

#define PLACE_LEN 256

/* Where in the configuration an app begins, for messages. */
static void
place_text(const struct conf *conf, const struct conf_app *app, char place[PLACE_LEN])
{
	if (conf->labelled)
		(void)snprintf(place, PLACE_LEN, "%s", conf->path);
	else
		(void)snprintf(place, PLACE_LEN, "%s:%d", conf->path, app->line);
}

static int
listener_exit_code(int r)
{
	if (r == -EACCES || r == -EPERM)
		return 77;
	if (r == -EINVAL || r == -ENOENT || r == -ESRCH)
		return 78;
	return code_of(r, 73);
}

/* Its workers start without it. */
static void
tell_of_preload(const struct launch *la)
{
	struct str path = {0};
	const char *file;

	if (la->take != TAKE_NODE || !la->app->node_preload)
		return;
	file = launch_libexec("node-preload.cjs", &path);
	if (access(file, R_OK) != 0)
		log_warn("preload_missing", NULL,
		    "app %s: node_preload = yes, but %s: %s; its keep-alive clients may lose a "
		    "request when a worker drains",
		    la->app->name, file, strerror(errno));
	str_free(&path);
}

int
launch_prepare(struct loop *l, struct conf *conf, const struct conf_app *app, unsigned workers,
    struct launch **ret, struct err *e)
{
	struct launch *la = NULL;
	char place[PLACE_LEN];
	int code, r;

	r = prepare(conf, app, l->options.environ, geteuid() == 0, &la, &code, e);
	if (r == 0) {
		code = 73;
		r = output_app_prepare(l, app, e);
		if (r == 0) {
			r = launch_get_listeners(l, la, workers, e);
			code = listener_exit_code(r);
		}
		if (r < 0)
			free_parts(la);
	}
	if (r < 0) {
		l->launches->exit_code = code;
		place_text(conf, app, place);
		return err_wrap(e, r, "%s: app %s", place, app->name);
	}
	DL_APPEND(l->launches->all, la);
	launch_settle_listeners(l, la);
	tell_of_preload(la);
	*ret = la;
	return 0;
}

/* Adds what was wrong in part, as a line of its own, to e. */
static int
gather(const struct launch *la, int r, const struct err *part, struct err *e, int so_far)
{
	size_t len = strlen(e->text);
	char place[PLACE_LEN];

	if (r == 0)
		return so_far;
	place_text(la->conf, la->app, place);
	snprintf(e->text + len, sizeof(e->text) - len, "%s%s: app %s: %s", len > 0 ? "\n" : "",
	    place, la->app->name, part->text);
	return r;
}

int
launch_check(const struct conf *conf, const struct conf_app *app, bool run_as_root, struct err *e)
{
	struct launch *la = mem_calloc(1, sizeof(*la));
	int (*const checks[])(struct launch *, struct err *) = {
	    find_user,
	    find_directory,
	    find_cpus,
	};
	struct err part;
	int r = 0;

	if (!la)
		return err_set(e, -ENOMEM, "out of memory");
	err_clear(e);
	/* The reference is taken and dropped again: the configuration itself stays as it is. */
	la->conf = conf_ref((struct conf *)conf);
	la->app = app;
	la->argv = app->argv && app->argv[0] ? app->argv : embedded_argv;
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		err_clear(&part);
		r = gather(la, checks[i](la, &part), &part, e, r);
	}
	err_clear(&part);
	if (environment_make(app, environ, la->change_user ? &la->user : NULL, &la->env) < 0)
		r = gather(la, -ENOMEM, &part, e, r);
	else if (la->directory)
		r = gather(la, find_program(la, run_as_root, &part), &part, e, r);
	err_clear(&part);
	if (la->program)
		r = gather(la, resolve_take(la, &part), &part, e, r);
	err_clear(&part);
	if (la->program && app->take == TAKE_BIND)
		r = gather(la, binder_check(la, &part), &part, e, r);
	free_parts(la);
	return r;
}

void
launch_free(struct loop *l, struct launch *la)
{
	if (!la)
		return;
	launch_put_listeners(l, la);
	DL_DELETE(l->launches->all, la);
	free_parts(la);
}

const struct conf_app *
launch_conf(const struct launch *la)
{
	return la->app;
}

bool
launch_user(const struct launch *la, uid_t *ret_uid, gid_t *ret_gid)
{
	if (la->change_user) {
		*ret_uid = la->user.uid;
		*ret_gid = la->user.gid;
	}
	return la->change_user;
}

int
launch_verify(const struct launch *la, const char **ret_what)
{
	for (size_t i = 0; i < la->files_len; i++) {
		const struct launch_file *f = &la->files[i];
		struct stat st;
		bool same = stat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;

		if (same && S_ISREG(st.st_mode))
			same = st.st_size == f->size && st.st_mtim.tv_sec == f->mtime.tv_sec &&
			       st.st_mtim.tv_nsec == f->mtime.tv_nsec;
		if (same)
			continue;
		*ret_what = f->path;
		return 0;
	}
	return 1;
}

void
launch_done(struct loop *l)
{
	struct launch_table *t = l->launches;

	if (!t)
		return;
	while (t->all)
		launch_free(l, t->all);
	listeners_done(&t->listeners);
	scratch_reset(&t->scratch);
	dialect_numbers_done(&t->numbers);
	fd_close(&t->null_fd);
	mem_free(t->steer_cache);
	mem_free(t);
	l->launches = NULL;
}
