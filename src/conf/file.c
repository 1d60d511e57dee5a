/*
 * file: one regular file read into memory in one go, so that what is parsed is one version of
 * it. Must not block (a FIFO, a terminal) and must not trust what others may write to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "conf/internal.h"

/* Number of the descriptor that path stands for, or -1. */
static int
path_to_fd(const char *path)
{
	static const char *const prefixes[] = {"/dev/fd/", "/proc/self/fd/"};
	uint64_t number;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) == 0 &&
		    units_parse_uint(path + len, 1 << 20, &number) == 0)
			return (int)number;
	}
	return -1;
}

static const char *
kind_to_string(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "no regular file";
	}
}

static int
check_kind(const struct stat *st, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL,
		    "is %s; name a regular file", kind_to_string(st->st_mode));
	if (st->st_size > FILE_SIZE_MAX)
		return err_set(e, -EFBIG, "is larger than 1 MiB; that is no configuration");
	return 0;
}

static int
check_directory(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char *dir = mem_strdup(path);
	struct stat st;
	int r = 0;

	if (!dir)
		return -ENOMEM;
	if (!slash)
		strcpy(dir, "."); /* path is never empty: it was opened. */
	else
		dir[slash == path ? 1 : slash - path] = '\0';
	if (stat(dir, &st) == -1)
		r = err_set(e, -errno, "its directory can't be looked at: %s", strerror(errno));
	else if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
		r = err_set(e, -EPERM, "others may write to its directory; chmod go-w %s", dir);
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		r = err_set(
		    e, -EPERM, "its directory belongs to user %ju; chown it", (uintmax_t)st.st_uid);
	mem_free(dir);
	return r;
}

/* Whoever can write the file decides what runs with our rights (X4). */
static int
check_trust(const char *path, const struct stat *st, struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, -EPERM,
		    "belongs to user %ju; chown it to root or to the user "
		    "that brood runs as",
		    (uintmax_t)st->st_uid);
	if (st->st_mode & 022)
		return err_set(e, -EPERM, "may be written by others (mode %04o); chmod go-w %s",
		    (unsigned)st->st_mode & 07777, path);
	return check_directory(path, e);
}

static int
open_path(const char *path, int *ret_fd, struct err *e)
{
	int number = path_to_fd(path), fd;

	/* A descriptor is read where it is, with pread(): the same memory file can be read again
	 * at the next reload, also where /proc is missing. */
	if (number >= 0)
		fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return err_set(e, -errno, "can't be read: %s", strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int
read_whole(int fd, const struct stat *before, char *data, struct err *e)
{
	size_t size = (size_t)before->st_size, len = 0;
	struct stat after;
	ssize_t n;

	for (;;) {
		/* One byte more than there should be, to see the end. */
		n = pread(fd, data + len, size + 1 - len, (off_t)len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_set(e, -errno, "can't be read: %s", strerror(errno));
		len += (size_t)n;
		if (n == 0 || len > size)
			break;
	}
	if (len != size || fstat(fd, &after) == -1 || after.st_size != before->st_size ||
	    after.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	    after.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
		return err_set(e, -EAGAIN, "was changed while it was read; try again");
	data[len] = '\0';
	return 0;
}

int
file_read(const char *path, bool check_owner, char **ret_data, size_t *ret_len, dev_t *ret_dev,
    ino_t *ret_ino, struct err *e)
{
	char *data = NULL;
	struct stat st;
	int fd = -1, r;

	r = open_path(path, &fd, e);
	if (r)
		return r;
	r = fstat(fd, &st) == -1 ? err_set(e, -errno, "can't be read: %s", strerror(errno))
	                         : check_kind(&st, e);
	/* A memory file has no name and mode 0777: only who has the descriptor can write it. */
	if (r == 0 && check_owner && st.st_nlink > 0)
		r = check_trust(path, &st, e);
	if (r == 0) {
		data = mem_alloc((size_t)st.st_size + 1);
		r = data ? read_whole(fd, &st, data, e) : -ENOMEM;
	}
	fd_close(&fd);
	if (r) {
		mem_free(data);
		return r;
	}
	*ret_data = data;
	*ret_len = (size_t)st.st_size;
	if (ret_dev)
		*ret_dev = st.st_dev;
	if (ret_ino)
		*ret_ino = st.st_ino;
	return 0;
}
