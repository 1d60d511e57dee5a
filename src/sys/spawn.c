/*
 * spawn: see spawn.h for the order of steps and why it is that one.
 *
 * Everything named child_* runs between fork and exec: system calls and plain memory, no malloc,
 * no stdio, no locks. A child_ function returns 0 or an errno (positive); child_run() turns that
 * into the record the parent reads. Nothing here knows what a worker is.
 */
#include "sys/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define SIGNAL_LAST 64

/* What the parent works out for the child beyond the specification itself. */
struct plan {
	const struct spawn_spec *spec;
	int *sources; /* scratch copy of spec->fds that the child may change */
	int status_fd;
	pid_t parent;
	char oom_score[16];
};

static rlim_t nofile_soft;
static bool nofile_raised;

void
spawn_raise_nofile(void)
{
	struct rlimit limit;

	if (nofile_raised || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	nofile_soft = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	nofile_raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* The raw call, because glibc's sigaction() refuses 32 and 33, which a launcher may have left
 * ignored as well. A kernel sigaction of zeros is SIG_DFL on every architecture. */
static int
child_reset_signals(void)
{
	unsigned long zeros[16] = {0};

	for (int sig = 1; sig <= SIGNAL_LAST; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		if (syscall(SYS_rt_sigaction, sig, zeros, NULL, (size_t)SIGNAL_LAST / 8) < 0)
			return errno;
	}
	return 0;
}

/* The final limit of descriptors comes only once they are in place (child_lower_nofile): the
 * master may hold more of them than the worker may have. What needs privilege, raising the hard
 * limit, is done here, while there is some. */
static int
child_set_limits(const struct spawn_spec *spec)
{
	struct rlimit limit;

	if (spec->limit_core != UINT64_MAX) {
		limit.rlim_cur = limit.rlim_max =
		    spec->limit_core == UINT64_MAX - 1 ? RLIM_INFINITY : (rlim_t)spec->limit_core;
		if (setrlimit(RLIMIT_CORE, &limit) < 0)
			return errno;
	}
	if (spec->limit_nofile == UINT64_MAX)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return errno;
	if ((rlim_t)spec->limit_nofile <= limit.rlim_max)
		return 0;
	limit.rlim_cur = limit.rlim_max = (rlim_t)spec->limit_nofile;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno : 0;
}

static int
child_lower_nofile(const struct spawn_spec *spec)
{
	struct rlimit limit;

	if (spec->limit_nofile != UINT64_MAX) {
		limit.rlim_cur = limit.rlim_max = (rlim_t)spec->limit_nofile;
	} else if (nofile_raised) {
		if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
			return errno;
		limit.rlim_cur = nofile_soft;
	} else {
		return 0;
	}
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno : 0;
}

static int
child_set_oom_score(const char *text)
{
	int fd, error = 0;

	if (text[0] == '\0')
		return 0;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	(void)close(fd);
	return error;
}

static int
child_set_groups(const struct spawn_spec *spec)
{
	gid_t real, effective, saved;

	if (setgroups((size_t)spec->groups_len, spec->groups) < 0)
		return errno;
	if (getgroups(0, NULL) != spec->groups_len)
		return EPERM;
	if (setresgid(spec->gid, spec->gid, spec->gid) < 0)
		return errno;
	if (getresgid(&real, &effective, &saved) < 0)
		return errno;
	return real == spec->gid && effective == spec->gid && saved == spec->gid ? 0 : EPERM;
}

/* A setuid() that reports success and leaves a way back is the classic hole (X3), so the way
 * back is tried. */
static int
child_set_user(const struct spawn_spec *spec)
{
	uid_t real, effective, saved;

	if (setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return errno;
	if (getresuid(&real, &effective, &saved) < 0)
		return errno;
	if (real != spec->uid || effective != spec->uid || saved != spec->uid)
		return EPERM;
	if (spec->uid != 0 && setuid(0) == 0)
		return EPERM;
	return 0;
}

/* A parent that died before the prctl took effect sends nothing (M3), so look again after. With
 * pid 1 as the parent of a namespace the comparison holds too: it cannot be replaced. */
static int
child_watch_parent(const struct plan *plan)
{
	int sig = plan->spec->death_signal;

	if (sig == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)sig, 0UL, 0UL, 0UL) < 0)
		return errno;
	return getppid() == plan->parent ? 0 : ESRCH;
}

/* No stdio between fork and exec. */
static void
child_write_pid(char *at)
{
	char digits[12];
	pid_t pid = getpid();
	int n = 0;

	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
}

/* Marks everything from first on in /proc/self/fd close-on-exec. Marking, not closing, leaves
 * the directory that is being read in peace. Returns 0 or an errno. */
static int
child_mark_listed(unsigned first)
{
	union {
		struct dirent64 entry;
		char bytes[4096];
	} buf;
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	if (dir < 0)
		return errno;
	while ((got = syscall(SYS_getdents64, dir, &buf, sizeof(buf))) > 0) {
		for (long at = 0; at < got;) {
			struct dirent64 *entry = (void *)(buf.bytes + at);
			const char *digit = entry->d_name;
			unsigned fd = 0;

			for (; *digit >= '0' && *digit <= '9'; digit++)
				fd = fd * 10 + (unsigned)(*digit - '0');
			if (*digit == '\0' && fd >= first)
				(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
			at += entry->d_reclen;
		}
	}
	(void)close(dir);
	return got < 0 ? EIO : 0;
}

/* Old kernels have no close_range and seccomp filters refuse what they do not know (X7). */
static int
child_close_from(unsigned first)
{
	struct rlimit limit;

	if (syscall(SYS_close_range, first, ~0U, 0U) == 0)
		return 0;
	if (child_mark_listed(first) == 0)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return errno;
	for (rlim_t fd = first; fd < limit.rlim_cur; fd++)
		(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* Sources may lie where targets will be, so those are first moved out of the way. The status
 * pipe ends up right behind the last target, and everything above it goes. O_NONBLOCK is left
 * alone throughout: it belongs to the description that the master shares. */
static int
child_place_descriptors(struct plan *plan)
{
	int n = plan->spec->fds_len, *sources = plan->sources;

	if (plan->status_fd < n) {
		plan->status_fd = fcntl(plan->status_fd, F_DUPFD_CLOEXEC, n);
		if (plan->status_fd < 0)
			return errno;
	}
	for (int i = 0; i < n; i++) {
		if (sources[i] < 0 || sources[i] >= n)
			continue;
		sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, n);
		if (sources[i] < 0)
			return errno;
	}
	for (int i = 0; i < n; i++) {
		if (sources[i] < 0)
			(void)close(i);
		else if (dup2(sources[i], i) < 0)
			return errno;
	}
	if (plan->status_fd != n) {
		if (dup3(plan->status_fd, n, O_CLOEXEC) < 0)
			return errno;
		plan->status_fd = n;
	}
	return child_close_from((unsigned)n + 1);
}

/* Session, limits and scheduling: what is best done while the master's rights are still there. */
static int
child_prepare(struct plan *plan, int *stage)
{
	const struct spawn_spec *spec = plan->spec;
	int error;

	*stage = SPAWN_STAGE_SIGNALS;
	if ((error = child_reset_signals()) != 0)
		return error;
	*stage = SPAWN_STAGE_SESSION;
	if (setsid() < 0)
		return errno;
	*stage = SPAWN_STAGE_LIMITS;
	if ((error = child_set_limits(spec)) != 0)
		return error;
	*stage = SPAWN_STAGE_OOM_SCORE;
	if ((error = child_set_oom_score(plan->oom_score)) != 0)
		return error;
	*stage = SPAWN_STAGE_NICE;
	if (spec->nice != INT_MIN && setpriority(PRIO_PROCESS, 0, spec->nice) < 0)
		return errno;
	*stage = SPAWN_STAGE_AFFINITY;
	if (spec->set_affinity && sched_setaffinity(0, sizeof(cpu_set_t), &spec->affinity) < 0)
		return errno;
	if (spec->umask >= 0)
		(void)umask((mode_t)spec->umask);
	*stage = SPAWN_STAGE_PARENT;
	return child_watch_parent(plan);
}

/* Rights away, and then what must be done with the worker's rights only. */
static int
child_drop(struct plan *plan, int *stage)
{
	const struct spawn_spec *spec = plan->spec;
	int error;

	if (spec->change_user) {
		*stage = SPAWN_STAGE_GROUPS;
		if ((error = child_set_groups(spec)) != 0)
			return error;
		*stage = SPAWN_STAGE_USER;
		if ((error = child_set_user(spec)) != 0)
			return error;
	}
	*stage = SPAWN_STAGE_PRIVILEGES;
	if (spec->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
		return errno;
	*stage = SPAWN_STAGE_PARENT;
	if ((error = child_watch_parent(plan)) != 0)
		return error;
	*stage = SPAWN_STAGE_DIRECTORY;
	if (spec->directory && chdir(spec->directory) < 0)
		return errno;
	*stage = SPAWN_STAGE_DESCRIPTORS;
	if ((error = child_place_descriptors(plan)) != 0)
		return error;
	*stage = SPAWN_STAGE_LIMITS;
	return child_lower_nofile(spec);
}

static int
child_exec(const struct spawn_spec *spec, int *stage)
{
	sigset_t none;

	if (spec->listen_pid)
		child_write_pid(spec->listen_pid);
	if (spec->watchdog_pid)
		child_write_pid(spec->watchdog_pid);
	*stage = SPAWN_STAGE_SIGNALS;
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return errno;
	*stage = SPAWN_STAGE_EXEC;
	(void)execve(spec->path, spec->argv, spec->envp);
	return errno;
}

static void __attribute__((noreturn)) child_run(struct plan *plan)
{
	struct spawn_failure failure = {.stage = SPAWN_STAGE_NONE};

	failure.error = child_prepare(plan, &failure.stage);
	if (failure.error == 0)
		failure.error = child_drop(plan, &failure.stage);
	if (failure.error == 0)
		failure.error = child_exec(plan->spec, &failure.stage);
	/* Shorter than PIPE_BUF, so the parent sees all of it or nothing. Nobody is there to tell
	 * when it fails. */
	if (write(plan->status_fd, &failure, sizeof(failure)) < 0)
		_exit(125);
	_exit(spawn_failure_exit_code(&failure));
}

static int
plan_init(struct plan *plan, const struct spawn_spec *spec)
{
	*plan = (struct plan){.spec = spec, .parent = getpid(), .status_fd = -1};
	if (spec->oom_score_adj != INT_MIN)
		(void)snprintf(plan->oom_score, sizeof(plan->oom_score), "%d", spec->oom_score_adj);
	if (spec->fds_len == 0)
		return 0;
	plan->sources = mem_alloc((size_t)spec->fds_len * sizeof(int));
	if (!plan->sources)
		return -ENOMEM;
	memcpy(plan->sources, spec->fds, (size_t)spec->fds_len * sizeof(int));
	return 0;
}

/* With all signals blocked no handler of the parent can run in the child on the descriptors that
 * both share (S1). */
static pid_t
fork_blocked(struct plan *plan)
{
	sigset_t all, old;
	pid_t pid;
	int error;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		child_run(plan);
	error = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? -error : pid;
}

int
spawn_process(const struct spawn_spec *spec, struct spawn_result *ret)
{
	struct plan plan;
	int status[2], error;
	pid_t pid;

	error = plan_init(&plan, spec);
	if (error < 0)
		return error;
	if (pipe2(status, O_CLOEXEC) < 0) {
		error = -errno;
		mem_free(plan.sources);
		return error;
	}
	plan.status_fd = status[1];
	error = fd_set_nonblocking(status[0], true);
	pid = error < 0 ? error : fork_blocked(&plan);
	fd_close(&status[1]);
	mem_free(plan.sources);
	if (pid < 0) {
		fd_close(&status[0]);
		return pid;
	}
	ret->pid = pid;
	ret->status_fd = status[0];
	return 0;
}

int
spawn_read_status(int status_fd, struct spawn_failure *ret_failure)
{
	struct spawn_failure failure;
	ssize_t got = read(status_fd, &failure, sizeof(failure));

	if (got == 0)
		return 1;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got == (ssize_t)sizeof(failure))
		*ret_failure = failure;
	else
		*ret_failure = (struct spawn_failure){SPAWN_STAGE_NONE, got < 0 ? errno : EIO};
	return -1;
}

const char *
spawn_stage_to_string(int stage)
{
	static const char *const names[SPAWN_STAGE_MAX] = {
	    [SPAWN_STAGE_NONE] = "start a process",
	    [SPAWN_STAGE_FORK] = "fork",
	    [SPAWN_STAGE_SIGNALS] = "reset signals",
	    [SPAWN_STAGE_SESSION] = "start a session",
	    [SPAWN_STAGE_LIMITS] = "set resource limits",
	    [SPAWN_STAGE_OOM_SCORE] = "set oom_score_adj",
	    [SPAWN_STAGE_NICE] = "set the nice value",
	    [SPAWN_STAGE_AFFINITY] = "set the CPU affinity",
	    [SPAWN_STAGE_GROUPS] = "change the group",
	    [SPAWN_STAGE_USER] = "change the user",
	    [SPAWN_STAGE_PRIVILEGES] = "give up privileges",
	    [SPAWN_STAGE_PARENT] = "watch the parent",
	    [SPAWN_STAGE_DIRECTORY] = "change to the directory",
	    [SPAWN_STAGE_DESCRIPTORS] = "place the descriptors",
	    [SPAWN_STAGE_EXEC] = "exec",
	};

	return stage < 0 || stage >= SPAWN_STAGE_MAX ? "start a process" : names[stage];
}

int
spawn_failure_exit_code(const struct spawn_failure *f)
{
	if (f->stage != SPAWN_STAGE_EXEC)
		return 125;
	return f->error == ENOENT ? 127 : 126;
}

bool
spawn_errno_is_transient(int error)
{
	switch (error < 0 ? -error : error) {
	case EAGAIN:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return true;
	default:
		return false;
	}
}
