/*
 * undead: keeps a process from ending. As its tracer it holds PID in the last stop before the end
 * (PTRACE_EVENT_EXIT), where KILL has no more effect: to its parent it looks like one that hangs
 * in the kernel (state D). TERM lets it go.
 *
 *	undead PID
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* A stop for another reason than the end: what was held up goes on. */
static void
pass_on(pid_t pid, int status)
{
	int signo = WSTOPSIG(status);

	/* In a group stop it stays stopped; an event is no signal. */
	if (status >> 16 == PTRACE_EVENT_STOP && signo != SIGTRAP)
		(void)ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	else
		(void)ptrace(PTRACE_CONT, pid, NULL, status >> 16 ? NULL : (void *)(long)signo);
}

int
main(int argc, char **argv)
{
	pid_t pid = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	int status;

	if (pid <= 0) {
		fputs("usage: undead PID\n", stderr);
		return 64;
	}
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACEEXIT) != 0) {
		fprintf(stderr, "undead: %ld: %s\n", (long)pid, strerror(errno));
		return 71;
	}
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXIT << 8)))
			for (;;)
				(void)pause();
		pass_on(pid, status);
	}
	return 0;
}
