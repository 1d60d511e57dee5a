/*
 * fd: checked helpers for descriptors. Must not know what a descriptor is for.
 */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* Linux releases the descriptor whatever it returns. */
	*fd = -1;
	errno = saved;
}

int
fd_set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL), wanted;

	if (flags == -1)
		return -errno;
	wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	if (wanted != flags && fcntl(fd, F_SETFL, wanted) == -1)
		return -errno;
	return 0;
}

int
fd_set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD), wanted;

	if (flags == -1)
		return -errno;
	wanted = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
	if (wanted != flags && fcntl(fd, F_SETFD, wanted) == -1)
		return -errno;
	return 0;
}

int
fd_ensure_standard(void)
{
	int fd;

	for (;;) {
		fd = open("/dev/null", O_RDWR);
		if (fd == -1)
			return -errno;
		if (fd > 2)
			break;
	}
	(void)close(fd);
	return 0;
}

int
fd_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, at, len);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int
fd_count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			n++;
	}
	(void)closedir(dir);
	return n - 1; /* Less the one that was reading. */
}
