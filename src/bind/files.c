/*
 * files: the file of a UNIX listener is the master's, and stays when the program clears its path
 * before it binds, and when it ends. Mode and owner are the configuration's: what the program sets
 * succeeds and does nothing, as its own socket would have had them and ours has others for a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/bind.h"

int shim_unlink(const char *path) SHIM(unlink);
int shim_unlinkat(int at, const char *path, int flags) SHIM(unlinkat);
int shim_remove(const char *path) SHIM(remove);
int shim_chmod(const char *path, mode_t mode) SHIM(chmod);
int shim_fchmodat(int at, const char *path, mode_t mode, int flags) SHIM(fchmodat);
int shim_chown(const char *path, uid_t uid, gid_t gid) SHIM(chown);
int shim_lchown(const char *path, uid_t uid, gid_t gid) SHIM(lchown);
int shim_fchownat(int at, const char *path, uid_t uid, gid_t gid, int flags) SHIM(fchownat);

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool
is_same_file(int at, const char *path, const char *other)
{
	struct stat a, b;

	return fstatat(at, path, &a, 0) == 0 && stat(other, &b) == 0 && S_ISSOCK(a.st_mode) &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static bool
is_same_text(int at, const char *path, const char *other)
{
	char cwd[BIND_PATH_MAX], plain[BIND_PATH_MAX];

	if (path[0] != '/' && (at != AT_FDCWD || !getcwd(cwd, sizeof(cwd))))
		return false;
	return bind_plain_path(path, cwd, plain) && strcmp(plain, other) == 0;
}

/* Names first: most paths that a program touches are not it. A symbolic link to the file itself
 * under another name is not found. */
struct bind_listener *
files_listener(int at, const char *path)
{
	const char *name = shim.has_unix && path ? base_name(path) : "";
	int saved = errno;

	for (size_t i = 0; name[0] != '\0' && i < shim.len; i++) {
		struct bind_listener *l = &shim.l[i];

		if (l->at.kind != BIND_UNIX || strcmp(base_name(l->at.path), name) != 0)
			continue;
		if (is_same_text(at, path, l->at.path) || is_same_file(at, path, l->at.path)) {
			errno = saved;
			return l;
		}
	}
	errno = saved;
	return NULL;
}

int
shim_unlink(const char *path)
{
	return files_listener(AT_FDCWD, path) ? 0 : real()->unlink(path);
}

int
shim_unlinkat(int at, const char *path, int flags)
{
	return files_listener(at, path) ? 0 : real()->unlinkat(at, path, flags);
}

int
shim_remove(const char *path)
{
	return files_listener(AT_FDCWD, path) ? 0 : real()->remove(path);
}

int
shim_chmod(const char *path, mode_t mode)
{
	return files_listener(AT_FDCWD, path) ? 0 : real()->chmod(path, mode);
}

int
shim_fchmodat(int at, const char *path, mode_t mode, int flags)
{
	return files_listener(at, path) ? 0 : real()->fchmodat(at, path, mode, flags);
}

int
shim_chown(const char *path, uid_t uid, gid_t gid)
{
	return files_listener(AT_FDCWD, path) ? 0 : real()->chown(path, uid, gid);
}

int
shim_lchown(const char *path, uid_t uid, gid_t gid)
{
	return files_listener(AT_FDCWD, path) ? 0 : real()->lchown(path, uid, gid);
}

int
shim_fchownat(int at, const char *path, uid_t uid, gid_t gid, int flags)
{
	return files_listener(at, path) ? 0 : real()->fchownat(at, path, uid, gid, flags);
}
