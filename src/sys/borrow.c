/*
 * borrow: see the header.
 */
#include "sys/borrow.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

int
borrow_fd(pid_t pid, int number, ino_t inode, int *ret_fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd, r = 0;
	struct stat st;

	if (pidfd < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0)
		r = errno == EBADF ? -ENOENT : -errno;
	else if (fstat(fd, &st) != 0)
		r = -errno;
	else if (st.st_ino != inode)
		r = -ENOENT;
	fd_close(&pidfd);
	if (r < 0)
		fd_close(&fd);
	else
		*ret_fd = fd;
	return r;
}
