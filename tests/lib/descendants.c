/*
 * descendants: all processes below a process, but itself; one line each.
 *
 *	descendants ROOT			pids
 *	descendants -l SHELL ROOT [PID...]	of those that run, other than the PIDs and other than
 *						subshells of SHELL, that is, of the test that asks: PID
 *						and command
 *
 * Every test asks this at its beginning and at its end; in the shell it was most of what a short test
 * costs. The exit code is 0 also when there is none.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *shell; /* NULL: all of them */
static char **known;

static size_t
read_proc(const char *pid, const char *name, char *text, size_t size)
{
	char path[300];
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, size - 1, f);
		(void)fclose(f);
	}
	text[n] = '\0';
	return n;
}

static bool
read_exe(const char *pid, char *text, size_t size)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	n = readlink(path, text, size - 1);
	text[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* A zombie has ended; only its parent has not looked yet. */
static bool
has_ended(const char *pid)
{
	char text[1024], *state;

	(void)read_proc(pid, "stat", text, sizeof(text));
	state = strrchr(text, ')');
	return !state || !state[1] || state[2] == 'Z';
}

/* Spaces between its arguments. */
static void
command_of(const char *pid, char *text, size_t size)
{
	size_t n = read_proc(pid, "cmdline", text, size);

	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
}

/* What a shell starts for a moment, and what is about to end, is nothing that a test left. */
static bool
is_passing(const char *pid)
{
	static const char *const tools[] = {"tr\n", "cat\n", "sed\n", "grep\n", "readlink\n", ""};
	char comm[64];

	(void)read_proc(pid, "comm", comm, sizeof(comm));
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (strcmp(comm, tools[i]) == 0)
			return true;
	return false;
}

static void
tell(const char *pid)
{
	char exe[4096], own[4096], command[4096];

	if (!shell) {
		(void)puts(pid);
		return;
	}
	for (char **k = known; *k; k++)
		if (strcmp(*k, pid) == 0)
			return;
	if (has_ended(pid) || !read_exe(pid, exe, sizeof(exe)) || is_passing(pid))
		return;
	command_of(pid, command, sizeof(command));
	if (read_exe(shell, own, sizeof(own)) && strcmp(exe, own) == 0 &&
	    strstr(command, "bats-exec-test"))
		return;
	(void)printf("%s %s\n", pid, command);
}

static void descend(const char *pid);

/* Of one thread. */
static void
descend_from(const char *children)
{
	char pid[32];
	FILE *f = fopen(children, "re");

	while (f && fscanf(f, "%31s", pid) == 1) {
		if (strtol(pid, NULL, 10) == getpid())
			continue;
		tell(pid);
		descend(pid);
	}
	if (f)
		(void)fclose(f);
}

static void
descend(const char *pid)
{
	char path[400];
	const struct dirent *thread;
	DIR *threads;

	(void)snprintf(path, sizeof(path), "/proc/%s/task", pid);
	threads = opendir(path);
	while (threads && (thread = readdir(threads))) {
		if (thread->d_name[0] == '.')
			continue;
		(void)snprintf(
		    path, sizeof(path), "/proc/%s/task/%s/children", pid, thread->d_name);
		descend_from(path);
	}
	if (threads)
		(void)closedir(threads);
}

int
main(int argc, char **argv)
{
	int i = 1;

	if (argc > 2 && strcmp(argv[1], "-l") == 0) {
		shell = argv[2];
		i = 3;
	}
	if (i >= argc) {
		(void)fprintf(stderr, "usage: descendants [-l SHELL] ROOT [PID...]\n");
		return 64;
	}
	known = argv + i + 1;
	descend(argv[i]);
	return 0;
}
