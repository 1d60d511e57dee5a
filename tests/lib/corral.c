/*
 * corral: runs a program and lets nothing it started outlive it.
 *
 * It is a child subreaper: whatever loses its parent below it becomes its child. So a test can
 * ask for all that is left of it (the descendants of BROOD_CORRAL), and when the program ends,
 * what still runs is named on stderr and killed. The exit code is the program's, or 1 if it was 0
 * and something was left.
 *
 * It must not be clever: no timeout, no output of its own but the names of what was left.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t program;

static void
pass_on(int signo)
{
	int saved = errno;

	if (program > 0)
		(void)kill(program, signo);
	errno = saved;
}

static void
catch_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	struct sigaction sa = {.sa_handler = pass_on};
	size_t i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &sa, NULL);
}

static int
code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
wait_for_program(void)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno != EINTR)
			return 71;
		if (pid == program)
			return code_of(status);
	}
}

static void
name_process(pid_t pid)
{
	char path[64], line[256];
	size_t i, n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return;
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	for (i = 0; i + 1 < n; i++)
		if (line[i] == '\0')
			line[i] = ' ';
	line[n] = '\0';
	fprintf(stderr, "corral: left behind: %ld %s\n", (long)pid, line);
}

/* Kills the children of this moment; theirs become ours and are met in the next round. */
static int
kill_children(void)
{
	char path[64];
	long pid;
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (fscanf(f, "%ld", &pid) == 1) {
		name_process((pid_t)pid);
		(void)kill((pid_t)pid, SIGKILL);
		n++;
	}
	fclose(f);
	return n;
}

static void
reap_dead(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* What has just lost its parent may be about to leave by itself: it gets half a second. */
static int
sweep(void)
{
	int left = 0, i;

	for (i = 0; i < 50; i++) {
		reap_dead();
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return 0;
		usleep(10000);
	}
	while (kill_children() > 0) {
		left = 1;
		while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
			;
		reap_dead();
	}
	return left;
}

int
main(int argc, char **argv)
{
	char pid[32];
	int code;

	if (argc < 2) {
		fprintf(stderr, "usage: corral PROGRAM [ARG...]\n");
		return 64;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	setenv("BROOD_CORRAL", pid, 1);
	catch_signals();
	program = fork();
	if (program < 0)
		return 71;
	if (program == 0) {
		execvp(argv[1], argv + 1);
		fprintf(stderr, "corral: %s: %s\n", argv[1], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	code = wait_for_program();
	return sweep() && code == 0 ? 1 : code;
}
