/*
 * borrow: a descriptor of another process, for a moment. For what a worker that does not run can't
 * give back by itself.
 */
#ifndef BROOD_SYS_BORROW_H
#define BROOD_SYS_BORROW_H

#include <stdint.h>
#include <sys/types.h>

/* A close-on-exec copy of descriptor `number` of process pid, if it is the file with that inode;
 * the process may have put another one there. pid must be a child that is not reaped, so that it
 * is nobody else's. -ENOENT: it is another file; -EPERM, -ENOSYS where that is not allowed. */
int borrow_fd(pid_t pid, int number, ino_t inode, int *ret_fd);

#endif
