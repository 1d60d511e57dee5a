/*
 * resolve: the part of spawn.h that finds the program before anything is forked, so that "not
 * found" is said once, by name, and a rollout knows which file it runs.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/spawn.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* dir may be empty or relative; both count from base. */
static int
resolve_one(const char *base, const char *dir, size_t dir_len, const char *name, char **ret_path)
{
	char path[PATH_MAX], *real;
	struct stat st;
	const char *prefix = base && dir[0] != '/' ? base : "";
	int len;

	len = snprintf(path, sizeof(path), "%s%s%.*s%s%s", prefix, prefix[0] ? "/" : "",
	    (int)dir_len, dir, dir_len ? "/" : "", name);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	/* By the real ids, which are the effective ones here: the other way to ask is a newer system
	 * call, which filters of containers refuse (X7). */
	if (access(path, X_OK) < 0)
		return -errno;
	real = realpath(path, NULL);
	if (!real)
		return -errno;
	*ret_path = real;
	return 0;
}

int
spawn_resolve(const char *command, const char *directory, const char *path_list, char **ret_path)
{
	int worst = -ENOENT;

	if (command[0] == '\0')
		return -ENOENT;
	if (strchr(command, '/'))
		return resolve_one(command[0] == '/' ? NULL : directory, "", 0, command, ret_path);
	if (!path_list)
		path_list = DEFAULT_PATH;
	for (const char *dir = path_list;; dir++) {
		size_t len = strcspn(dir, ":");
		int error = resolve_one(directory, dir, len, command, ret_path);

		if (error == 0)
			return 0;
		if (error != -ENOENT && error != -ENOTDIR)
			worst = error;
		dir += len;
		if (*dir == '\0')
			return worst;
	}
}
