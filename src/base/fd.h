/*
 * fd: small checked helpers for descriptors. All return 0 or a negative errno.
 */
#ifndef BROOD_BASE_FD_H
#define BROOD_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Closes *fd unless it is negative and sets it to -1; errno is kept. */
void fd_close(int *fd);
int fd_set_nonblocking(int fd, bool on);
int fd_set_cloexec(int fd, bool on);
/* Opens /dev/null on each of 0, 1, 2 that is closed, so that no later descriptor lands there
 * and receives what was meant for a terminal (X6). */
int fd_ensure_standard(void);
/* write() until all is out or an error comes; EINTR is retried. For blocking descriptors. */
int fd_write_all(int fd, const void *data, size_t len);
/* Number of open descriptors of this process, or a negative errno where /proc is missing. */
int fd_count_open(void);

#endif
