/*
 * einhorn: where a worker written for Einhorn says that it is up (compat = einhorn): a socket of its
 * own at EINHORN_SOCK_PATH, so that a command's origin is the socket it came by and never what it
 * says, and the channel, which is its EINHORN_SOCK_FD.
 */
#ifndef BROOD_LOOP_EINHORN_H
#define BROOD_LOOP_EINHORN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proc;
struct einhorn;

/* Listens at path (malloc'ed, taken over in any case) for the worker of p, which runs as uid:gid (-1
 * = as we do). 0 or a negative errno. */
int einhorn_open(struct proc *p, char *path, uid_t uid, gid_t gid, struct einhorn **ret);
const char *einhorn_path(const struct einhorn *e); /* NULL for NULL */
/* Reads what a dead worker has left. */
void einhorn_drain(struct einhorn *e);
void einhorn_close(struct einhorn *e); /* NULL is fine */

/* A line of the worker's. False: it is none for Einhorn, or none of such a worker. */
bool einhorn_take(struct proc *p, const char *line, size_t len);

#endif
