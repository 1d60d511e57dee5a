/*
 * unixsock: see unixsock.h. The mode comes from the umask at bind(), so there is no instant in
 * which the file is wider than it should be, and no chmod() that a swapped path could misdirect.
 */
#include "sys/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

int
unixsock_address(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, len + 1);
	return 0;
}

/* A directory that everybody may write without the sticky bit lets anybody put another socket in
 * the place of ours. */
static int
check_parent(const char *path, struct err *e)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *dir;
	struct stat st;

	memcpy(copy, path, strlen(path) + 1);
	dir = dirname(copy);
	if (stat(dir, &st) < 0) {
		int error = errno;

		return err_set(e, -error, "%s: %s: make the directory first", dir, strerror(error));
	}
	if ((st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
		return err_set(
		    e, -EPERM, "%s: everybody may write this directory: chmod o-w it", dir);
	return 0;
}

/* Whether somebody holds the socket at this address. Anything but a plain refusal counts as
 * life: what we may not look at we do not remove. */
static bool
is_live(const struct sockaddr_un *address, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool live;

	if (fd < 0)
		return true;
	live = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       (errno != ECONNREFUSED && errno != ENOENT);
	fd_close(&fd);
	return live;
}

static int
remove_stale(const struct unixsock_spec *spec, const struct sockaddr_un *address, struct err *e)
{
	struct stat st;

	if (lstat(spec->path, &st) < 0)
		return errno == ENOENT ? 0
		                       : err_set(e, -errno, "%s: %s", spec->path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, S_ISLNK(st.st_mode) ? -ELOOP : -EEXIST,
		    "%s: is %s, not a socket: remove it or choose another path", spec->path,
		    S_ISLNK(st.st_mode)   ? "a symbolic link"
		    : S_ISDIR(st.st_mode) ? "a directory"
		                          : "a file");
	if (st.st_uid != geteuid() && (spec->uid == (uid_t)-1 || st.st_uid != spec->uid))
		return err_set(e, -EPERM,
		    "%s: a socket of uid %u is there: remove it or choose another path", spec->path,
		    (unsigned)st.st_uid);
	if (spec->test_live && is_live(address, spec->type & (SOCK_STREAM | SOCK_DGRAM)))
		return err_set(e, -EADDRINUSE,
		    "%s: a running process listens there: stop it or choose another path",
		    spec->path);
	if (unlink(spec->path) < 0 && errno != ENOENT)
		return err_set(
		    e, -errno, "%s: cannot remove the old socket: %s", spec->path, strerror(errno));
	return 0;
}

static int
bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t old = umask(0777 & ~mode);
	int error = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	(void)umask(old);
	return error;
}

int
unixsock_bind(const struct unixsock_spec *spec, struct err *e)
{
	struct sockaddr_un address;
	int fd, error;

	error = unixsock_address(spec->path, &address);
	if (error < 0)
		return err_set(e, error, "%s: the path of a socket has at most %zu bytes%s%s",
		    spec->path, sizeof(address.sun_path) - 1, spec->long_hint ? ": " : "",
		    spec->long_hint ? spec->long_hint : "");
	error = check_parent(spec->path, e);
	if (error == 0)
		error = remove_stale(spec, &address, e);
	if (error < 0)
		return error;
	fd = socket(AF_UNIX, spec->type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", spec->path, strerror(errno));
	error = bind_with_mode(fd, &address, spec->mode);
	if (error < 0) {
		fd_close(&fd);
		return err_set(e, error, "%s: %s", spec->path, strerror(-error));
	}
	if ((spec->uid != (uid_t)-1 || spec->gid != (gid_t)-1) &&
	    lchown(spec->path, spec->uid, spec->gid) < 0) {
		error = -errno;
		(void)unlink(spec->path);
		fd_close(&fd);
		return err_set(e, error, "%s: cannot give the socket to uid %d, gid %d: %s",
		    spec->path, (int)spec->uid, (int)spec->gid, strerror(-error));
	}
	return fd;
}
