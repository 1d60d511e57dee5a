/*
 * binder: see the header. All of it is about files, so what is wrong is said before the first worker
 * starts, and not by a loader that warns into the worker's stderr and goes on without us.
 */
#include "loop/binder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "loop/environment.h"
#include "loop/libexec.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/tell.h"
#include "sys/elf.h"
#include "sys/script.h"
#include "sys/spawn.h"

#define SCRIPTS_MAX 4 /* a script whose interpreter is a script ...: as the kernel has it */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int
read_head(const char *path, struct elf *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = elf_read(fd, ret);
	fd_close(&fd);
	return r;
}

/* --- one program ---------------------------------------------------------------------------- */

/* For these the loader trusts no variable. What has the worker's own rights already is none. */
static bool
has_other_rights(const struct launch *la, const char *path)
{
	uid_t uid = la->change_user ? la->user.uid : geteuid();
	gid_t gid = la->change_user ? la->user.gid : getegid();
	struct stat st;

	if (la->app->no_new_privs || stat(path, &st) != 0)
		return false;
	if (((st.st_mode & S_ISUID) && st.st_uid != uid) ||
	    ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != gid))
		return true;
	return uid != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static int
check_loaded(const struct launch *la, const char *path, const struct elf *elf, struct err *e)
{
	struct elf own;
	bool known = read_head("/proc/self/exe", &own) == 1;

	if (elf->is_foreign || (known && elf->machine != own.machine))
		return err_set(e, -ENOEXEC,
		    "%s is for another machine than broodd, so that take = bind cannot be loaded "
		    "into it; use take = fds",
		    path);
	if (elf->is_go)
		return err_set(e, -ENOEXEC,
		    "%s is a Go program, which calls the system without libc, so that take = bind "
		    "cannot reach its bind(); use take = fds and net.FileListener()",
		    path);
	if (!elf->is_dynamic)
		return err_set(e, -ENOEXEC,
		    "%s is statically linked, so that take = bind cannot reach its bind(); use "
		    "take "
		    "= fds, or one that is linked dynamically",
		    path);
	if (known && own.is_dynamic && strcmp(base_name(elf->loader), base_name(own.loader)) != 0)
		return err_set(e, -ENOEXEC,
		    "%s is for another C library (%s), so that take = bind cannot be loaded into "
		    "it; use take = fds",
		    path, elf->loader);
	if (has_other_rights(la, path))
		return err_set(e, -EPERM,
		    "%s is set-user-id, set-group-id or has capabilities, so that nothing can be "
		    "loaded into it; take these away (the master opens the port), or set "
		    "no_new_privs = yes",
		    path);
	return 0;
}

/* --- scripts -------------------------------------------------------------------------------- */

static int
check_program(const struct launch *la, struct err *e)
{
	char *path = strdup(la->program);
	struct script script;
	struct elf elf;
	int r = path ? 0 : -ENOMEM;

	for (int i = 0; r == 0 && path && i < SCRIPTS_MAX; i++) {
		char *next = NULL;

		r = read_head(path, &elf);
		if (r == 1) {
			r = check_loaded(la, path, &elf, e);
			free(path);
			return r;
		}
		if (r == 0)
			r = script_read(path, &script);
		if (r == 1)
			r = spawn_resolve(script.interpreter, la->directory,
			    environment_get(&la->env, "PATH"), &next);
		free(path);
		path = next;
	}
	free(path);
	/* What is no program and names none fails when it is executed, and says so. */
	return r < 0 ? err_set(e, r, "take = bind: it can't be looked at: %s", strerror(-r)) : 0;
}

/* --- the module ----------------------------------------------------------------------------- */

static int
check_module(const struct launch *la, struct err *e)
{
	struct str path = {0};
	const char *name = launch_libexec("brood-bind.so", &path);
	struct stat st;
	int r = 0;

	if (str_failed(&path))
		r = err_set(e, -ENOMEM, "out of memory");
	else if (stat(name, &st) != 0)
		r = err_set(
		    e, -errno, "take = bind: %s: %s; install brood again", name, strerror(errno));
	else if (strpbrk(name, ": "))
		r = err_set(e, -EINVAL,
		    "take = bind: %s: the loader takes no path with a blank or a colon; install "
		    "brood "
		    "elsewhere",
		    name);
	else if (la->change_user && la->user.uid != 0 && st.st_uid != la->user.uid &&
	         !(st.st_mode & S_IROTH))
		r = err_set(e, -EACCES,
		    "take = bind: %s cannot be read by the worker's user; chmod o+r it", name);
	str_free(&path);
	return r;
}

/* --- who should have asked for it ----------------------------------------------------------- */

/* What the app's workers are started from now. */
static struct launch *
newest_launch(struct loop *l, const char *app)
{
	struct launch *la, *newest = NULL;

	DL_FOREACH (l->launches->all, la)
		if (strcmp(la->app->name, app) == 0)
			newest = la;
	return newest;
}

void
binder_hint(struct loop *l, const char *app, const char *last_words)
{
	struct launch *la = newest_launch(l, app);
	struct log_who who = {.app = app, .slot = -1};

	if (!la || la->take != TAKE_FDS || la->listeners_len == 0 || la->told_bind ||
	    (!strstr(last_words, "ddress already in use") && !strstr(last_words, "EADDRINUSE")))
		return;
	la->told_bind = true;
	tell(l, LOG_LEVEL_WARN, "binds_itself", &who,
	    "the program binds its address itself, which the master has open for it: write take = "
	    "bind, or let it take the socket from descriptor 3 (LISTEN_FDS)");
}

/* -------------------------------------------------------------------------------------------- */

int
binder_check(const struct launch *la, struct err *e)
{
	int r = check_program(la, e);

	if (r < 0)
		return err_wrap(e, r, "command = %s", la->argv[0]);
	return check_module(la, e);
}
