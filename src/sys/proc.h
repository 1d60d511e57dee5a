/*
 * proc: what the kernel tells about processes and this machine. Each degrades where /proc or
 * cgroupfs is missing (X7): the caller gets an errno and goes on.
 */
#ifndef BROOD_SYS_PROC_H
#define BROOD_SYS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CPUs this process may use: min(affinity, ceil(cgroup v2 or v1 quota)), at least 1. */
unsigned proc_usable_cpus(void);
/* By what path to execute this program again, also after its file was replaced. */
const char *proc_self_path(void);
/* Becomes the reaper of orphaned descendants. */
int proc_become_subreaper(void);
/* Children of this process: at most max pids into pids; the count, or a negative errno. */
int proc_children(pid_t *pids, size_t max);
/* Living descendants of process pid, however deep: at most max into pids; the count, or a negative
 * errno. Those that were re-parented to somebody above it are not found. */
int proc_descendants(pid_t pid, pid_t *pids, size_t max);
/* Whether process pid is a zombie, or not there. */
bool proc_has_ended(pid_t pid);
/* Whether the environment that process pid was started with has exactly "name=value".
 * 1, 0, or a negative errno (gone, not ours, no /proc). */
int proc_environ_has(pid_t pid, const char *name, const char *value);
/* Resident set in bytes, or 0. */
uint64_t proc_rss_bytes(pid_t pid);
/* Current environment of pid as NUL-separated bytes (malloc). */
int proc_environ(pid_t pid, char **ret_bytes, size_t *ret_len);
/* Opens the file in which the kernel counts its OOM kills in our own cgroup (v2, or v1); -ENOENT
 * where there is none. Kept open, so that a worker's death costs one read. */
int proc_oom_open(void);
/* The counter now. 0 or a negative errno. */
int proc_oom_kills(int fd, uint64_t *ret);
/* Sets argv's visible title ("broodd: master web"); argv as given to main. */
void proc_title_init(int argc, char **argv);
void proc_set_title(const char *title);

#endif
