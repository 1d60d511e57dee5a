/*
 * spawn: fork and exec of a worker, with everything that happens in the child between the two.
 *
 * The parent prepares all strings and numbers; the child makes only async-signal-safe system
 * calls, in this order, and reports the stage at which one failed with its errno through a
 * close-on-exec pipe:
 *   signal dispositions 1..64 to default; new session; rlimits; oom_score_adj; nice; affinity;
 *   umask; PDEATHSIG; chroot-free directory change comes after the ids; setgroups, setgid,
 *   setuid, each verified; no_new_privs; PDEATHSIG again (setuid clears it) and the parent
 *   check; chdir; own pid into LISTEN_PID; descriptors 0..n-1 and nothing else; signal mask;
 *   execve.
 * Exit codes when exec did not happen: 127 not found, 126 not runnable, 125 anything before.
 * uv_spawn is not used: it drops groups, resets signals 1-31 only, leaks descriptors and falls
 * back to a shell.
 */
#ifndef BROOD_SYS_SPAWN_H
#define BROOD_SYS_SPAWN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum spawn_stage {
	SPAWN_STAGE_NONE,
	SPAWN_STAGE_FORK,
	SPAWN_STAGE_SIGNALS,
	SPAWN_STAGE_SESSION,
	SPAWN_STAGE_LIMITS,
	SPAWN_STAGE_OOM_SCORE,
	SPAWN_STAGE_NICE,
	SPAWN_STAGE_AFFINITY,
	SPAWN_STAGE_GROUPS,
	SPAWN_STAGE_USER,
	SPAWN_STAGE_PRIVILEGES,
	SPAWN_STAGE_PARENT,
	SPAWN_STAGE_DIRECTORY,
	SPAWN_STAGE_DESCRIPTORS,
	SPAWN_STAGE_EXEC,
	SPAWN_STAGE_MAX,
};

struct spawn_spec {
	const char *path;		/* program, absolute or with a slash */
	char *const *argv;
	char *const *envp;
	/* Each points into envp, behind "LISTEN_PID=" or "WATCHDOG_PID=", with 11 bytes of room: the
	 * child writes its own pid there. Or NULL. */
	char *listen_pid, *watchdog_pid;
	const char *directory;		/* NULL = stay */
	bool change_user;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	int groups_len;
	int umask;			/* -1 = inherited */
	uint64_t limit_nofile;		/* UINT64_MAX = nofile_soft of the master at its start */
	uint64_t limit_core;		/* UINT64_MAX = inherited, UINT64_MAX - 1 = unlimited */
	int nice;			/* INT_MIN = inherited */
	int oom_score_adj;		/* INT_MIN = inherited */
	bool set_affinity;
	cpu_set_t affinity;
	bool no_new_privs;
	int death_signal;		/* PR_SET_PDEATHSIG, 0 = none */
	const int *fds;			/* fds[i] becomes descriptor i of the child; no gaps */
	int fds_len;
};

struct spawn_result {
	pid_t pid;
	int status_fd;			/* read end, non-blocking, close-on-exec: EOF = exec done,
					 * else one struct spawn_failure */
};

struct spawn_failure {
	int stage;			/* enum spawn_stage */
	int error;			/* errno */
};

/* Raises the soft limit of descriptors to the hard one and remembers the old soft limit, which
 * workers get back. Call once, first thing. */
void spawn_raise_nofile(void);

/* 0 and *ret filled, or a negative errno of pipe2/fork (nothing left behind). Blocks all
 * signals across the fork; the child sees none of the parent's handlers run. */
int spawn_process(const struct spawn_spec *spec, struct spawn_result *ret);

/* Reads the status pipe once. 1: exec succeeded (EOF). 0: nothing yet. -1: *ret_failure has
 * stage and errno. Does not close. */
int spawn_read_status(int status_fd, struct spawn_failure *ret_failure);

/* "exec", "change to the directory", ... for "could not <stage>: No such file". */
const char *spawn_stage_to_string(int stage);
/* Exit code that goes with a failure: 125, 126 or 127. */
int spawn_failure_exit_code(const struct spawn_failure *f);
/* Failure that time may heal (EAGAIN, ENOMEM, EMFILE, ENFILE of fork, pipe and the like). */
bool spawn_errno_is_transient(int error);

/* Finds `command` as execvp would (PATH from envp, or the given default), without a shell
 * fallback: a regular file with an x bit for us. 0: *ret_path is the real path (malloc).
 * -ENOENT, -EACCES, -EISDIR, ... otherwise. directory: base for relative names, or NULL. */
int spawn_resolve(const char *command, const char *directory, const char *path_list, char **ret_path);

#endif
