/*
 * strays: see the header. Never by name, only by descent: a child of ours that is nobody's, in the
 * session of a dead worker or with the variables that only its worker gave it.
 */
#include "loop/strays.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "loop/tell.h"
#include "sys/proc.h"

#define CHILDREN_MAX 8192

void
strays_init(void)
{
	pid_t any;
	int n = proc_children(&any, 1);

	if (n < 0)
		log_warn("strays_unseen", NULL,
		    "/proc: %s: what workers leave behind in sessions of their own is not found",
		    strerror(-n));
}

static bool
is_zombie(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

/* The value of a variable that pid was started with, in an environment of NUL-separated bytes. */
static const char *
find_var(const char *bytes, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t at = 0; at < len; at += strnlen(bytes + at, len - at) + 1)
		if (len - at > name_len && memcmp(bytes + at, name, name_len) == 0 &&
		    bytes[at + name_len] == '=')
			return bytes + at + name_len + 1;
	return NULL;
}

/* A worker's environment goes down to all that it starts, and its LISTEN_PID tells which worker
 * that was. *ret_worker: its pid. */
static bool
is_of_a_worker(pid_t pid, pid_t *ret_worker)
{
	const char *worker = NULL;
	char *bytes = NULL;
	size_t len = 0;

	if (proc_environ(pid, &bytes, &len) != 0)
		return false;
	if (len > 0 && bytes[len - 1] == '\0' && find_var(bytes, len, "BROOD_CHANNEL_FD"))
		worker = find_var(bytes, len, "LISTEN_PID");
	if (worker)
		*ret_worker = (pid_t)strtol(worker, NULL, 10);
	free(bytes);
	return worker != NULL;
}

/* Whether a child of nobody's was left behind by a dead worker: it is in the session that one led,
 * or has its environment. What a living worker put into the background is left alone. */
static bool
was_left_behind(struct loop *l, pid_t pid, const pid_t *dead, unsigned dead_len, pid_t *ret_worker)
{
	pid_t session = getsid(pid);
	bool marked;

	for (unsigned i = 0; i < dead_len; i++) {
		if (dead[i] == session) {
			*ret_worker = session;
			return true;
		}
	}
	marked = is_of_a_worker(pid, ret_worker);
	for (unsigned i = 0; marked && i < dead_len; i++)
		if (dead[i] == *ret_worker)
			return true; /* it may be in the table still: a zombie */
	return marked && !procs_is_worker(l, *ret_worker);
}

unsigned
strays_sweep(struct loop *l, const pid_t *dead, unsigned dead_len)
{
	static pid_t children[CHILDREN_MAX]; /* one thread, never used across a return */
	int n = proc_children(children, CHILDREN_MAX);
	unsigned killed = 0;

	for (int i = 0; i < n && i < CHILDREN_MAX; i++) {
		pid_t pid = children[i], worker;
		const struct log_who who = {.slot = -1, .pid = pid};

		if (procs_is_worker(l, pid) || procs_is_helper(l, pid) || is_zombie(pid) ||
		    !was_left_behind(l, pid, dead, dead_len, &worker) || kill(pid, SIGKILL) != 0)
			continue;
		killed++;
		tell(l, LOG_LEVEL_WARN, "stray_killed", &who, "left behind by pid %d: killed",
		    (int)worker);
	}
	return killed;
}

/* As PID 1 there may be processes that are none of our business: only those that a worker
 * started are ended, which its environment tells. */
static bool
is_ours_to_kill(struct loop *l, pid_t pid)
{
	pid_t worker;

	if (procs_is_helper(l, pid))
		return false;
	return getpid() != 1 || procs_is_worker(l, pid) || is_of_a_worker(pid, &worker);
}

unsigned
strays_end_children(struct loop *l)
{
	static pid_t children[CHILDREN_MAX];
	int n = proc_children(children, CHILDREN_MAX);
	unsigned left = 0;

	for (int i = 0; i < n && i < CHILDREN_MAX; i++) {
		if (!is_ours_to_kill(l, children[i]))
			continue;
		if (waitpid(children[i], NULL, WNOHANG) != 0)
			continue;
		(void)kill(children[i], SIGKILL);
		left++;
	}
	return left;
}
