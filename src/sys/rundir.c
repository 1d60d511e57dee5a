/*
 * rundir: see rundir.h. The order at start is: directory, lock, then everything else. Nothing is
 * removed by anyone who does not hold the lock.
 */
#include "sys/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "sys/unixsock.h"

#ifndef RUNSTATEDIR
#define RUNSTATEDIR "/run"
#endif
#ifndef LOCALSTATEDIR
#define LOCALSTATEDIR "/var"
#endif

static char *
join(const char *dir, const char *rest)
{
	struct str s = {0};

	str_add(&s, dir);
	str_add(&s, rest);
	if (str_failed(&s)) {
		str_free(&s);
		return NULL;
	}
	return s.data;
}

/* Variables with relative paths are to be ignored (XDG Base Directory Specification). */
static const char *
absolute_variable(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

char *
rundir_default(void)
{
	const char *runtime = absolute_variable("XDG_RUNTIME_DIR");
	const char *chosen = absolute_variable("BROOD_RUN_DIR");
	char fallback[64];

	if (chosen)
		return mem_strdup(chosen);
	if (geteuid() == 0)
		return mem_strdup(RUNSTATEDIR "/brood");
	if (runtime)
		return join(runtime, "/brood");
	(void)snprintf(fallback, sizeof(fallback), "/tmp/brood-%u", (unsigned)geteuid());
	return mem_strdup(fallback);
}

char *
rundir_state_default(void)
{
	const char *state = absolute_variable("XDG_STATE_HOME"), *home = absolute_variable("HOME");

	if (geteuid() == 0)
		return mem_strdup(LOCALSTATEDIR "/lib/brood");
	if (state)
		return join(state, "/brood");
	return home ? join(home, "/.local/state/brood") : rundir_default();
}

/* Makes what is missing above dir. Parents may be links (/var/run is one); what counts is dir
 * itself and who may write the directory that it is in. */
static int
make_parents(const char *dir, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (strlen(dir) >= sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%s: %s", dir, strerror(ENAMETOOLONG));
	memcpy(path, dir, strlen(dir) + 1);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash[1] == '/' || slash[1] == '\0')
			continue;
		*slash = '\0';
		if (stat(path, &st) < 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_set(e, -errno, "%s: %s", path, strerror(errno));
		*slash = '/';
	}
	return 0;
}

/* Whether dir lies in a place like /tmp, where everybody makes entries. */
static int
parent_is_shared(const char *dir, bool *ret, struct err *e)
{
	char parent[PATH_MAX];
	size_t len = strlen(dir);
	struct stat st;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	while (len > 0 && dir[len - 1] != '/')
		len--;
	(void)snprintf(parent, sizeof(parent), "%.*s", len ? (int)len : 1, len ? dir : ".");
	if (stat(parent, &st) < 0)
		return err_set(e, -errno, "%s: %s", parent, strerror(errno));
	if ((st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
		return err_set(
		    e, -EPERM, "%s: everybody may write this directory: chmod o-w it", parent);
	*ret = st.st_mode & S_IWOTH;
	return 0;
}

/* made: we have just made it, so the mode is ours to set, whatever the umask was. One that was
 * there may let others look: each socket in it is 0600 from the start. */
static int
check_directory(int fd, const char *dir, mode_t mode, bool made, bool shared, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	if (st.st_uid != geteuid() && (shared || st.st_uid != 0))
		return err_set(e, -EPERM, "%s: belongs to uid %u: remove it or set another run_dir",
		    dir, (unsigned)st.st_uid);
	if (made) {
		if (fchmod(fd, mode) < 0)
			return err_set(e, -errno, "%s: %s", dir, strerror(errno));
		return 0;
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(
		    e, -EPERM, "%s: others may write this directory: chmod go-w it", dir);
	return 0;
}

int
rundir_make(const char *dir, mode_t mode, struct err *e)
{
	bool made, shared = false;
	int fd, error;

	error = make_parents(dir, e);
	if (error == 0)
		error = parent_is_shared(dir, &shared, e);
	if (error < 0)
		return error;
	made = mkdir(dir, mode) == 0;
	if (!made && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		if (error == -ELOOP || error == -ENOTDIR)
			return err_set(
			    e, error, "%s: is not a directory (links are not followed)", dir);
		return err_set(e, error, "%s: %s", dir, strerror(-error));
	}
	error = check_directory(fd, dir, mode, made, shared, e);
	fd_close(&fd);
	return error;
}

/* The number in the lock file is for people only; nobody ever signals it (X2). */
static int
lock_held(int fd, const char *name, struct err *e)
{
	char text[16] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	text[got > 0 ? strspn(text, "0123456789") : 0] = '\0';
	return err_set(e, -EAGAIN, "%s is running already%s%s%s", name, text[0] ? " (pid " : "",
	    text, text[0] ? ")" : "");
}

static int
lock_take(int fd, const char *path, const char *name, struct err *e)
{
	struct stat st;
	char text[16];
	int len;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid())
		return err_set(e, -EPERM, "%s: is not a plain file of ours: remove it", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? lock_held(fd, name, e)
		                            : err_set(e, -errno, "%s: %s", path, strerror(errno));
	len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	/* A full disk takes the number away, not the lock. */
	(void)!ftruncate(fd, 0);
	(void)!pwrite(fd, text, (size_t)len, 0);
	return 0;
}

int
rundir_lock(const char *dir, const char *name, struct err *e)
{
	char path[PATH_MAX];
	int fd, error;

	if (!name_is_valid(name))
		return err_set(
		    e, -EINVAL, "not a name for an instance: use letters, digits, . _ -");
	if ((size_t)snprintf(path, sizeof(path), "%s/%s.lock", dir, name) >= sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%s: %s", dir, strerror(ENAMETOOLONG));
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0) {
		error = errno;
		return err_set(e, -error, "%s: %s", path,
		    error == ELOOP ? "is a symbolic link: remove it" : strerror(error));
	}
	error = lock_take(fd, path, name, e);
	if (error < 0)
		fd_close(&fd);
	return error < 0 ? error : fd;
}

int
rundir_control_socket(const char *path, gid_t gid, struct err *e)
{
	const struct unixsock_spec spec = {
	    .path = path,
	    .type = SOCK_STREAM | SOCK_NONBLOCK,
	    .mode = gid == (gid_t)-1 ? 0600 : 0660,
	    .uid = (uid_t)-1,
	    .gid = gid,
	    .test_live = true,
	    .long_hint = "set run_dir to a shorter path",
	};
	int fd = unixsock_bind(&spec, e), error;

	if (fd < 0)
		return fd;
	if (listen(fd, SOMAXCONN) < 0) {
		error = -errno;
		(void)unlink(path);
		fd_close(&fd);
		return err_set(e, error, "%s: %s", path, strerror(-error));
	}
	return fd;
}

/* Names may hold dots, so "web.1.app.0.7" may be of instance web or of web.1. It is left alone
 * while an instance of such a longer name holds its lock. */
static bool
belongs_to_other(const char *dir, const char *file, size_t name_len)
{
	char path[PATH_MAX];

	for (const char *dot = strchr(file + name_len + 1, '.'); dot; dot = strchr(dot + 1, '.')) {
		bool held;
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%.*s.lock", dir, (int)(dot - file), file);
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		held = flock(fd, LOCK_SH | LOCK_NB) < 0;
		fd_close(&fd);
		if (held)
			return true;
	}
	return false;
}

static void
remove_socket(int dir_fd, const char *file)
{
	struct stat st;

	if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		(void)unlinkat(dir_fd, file, 0);
}

static void
clean_notify_sockets(const char *dir, const char *name)
{
	size_t len = strlen(name);
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *sockets;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/n", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	sockets = fdopendir(fd);
	if (!sockets) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(sockets)))
		if (strncmp(entry->d_name, name, len) == 0 && entry->d_name[len] == '.' &&
		    !belongs_to_other(dir, entry->d_name, len))
			remove_socket(dirfd(sockets), entry->d_name);
	(void)closedir(sockets);
}

void
rundir_clean(const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (!name_is_valid(name))
		return;
	(void)snprintf(path, sizeof(path), "%s/%s.sock", dir, name);
	remove_socket(AT_FDCWD, path);
	clean_notify_sockets(dir, name);
}
