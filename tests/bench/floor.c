/*
 * floor: what this machine can do at best, and exact one-shot timings. One line of JSON each.
 *
 *   floor limits WORKER N	medians of N: fork and exit; fork, exec on an inherited listener and
 *				first answer; kill, wait, fork, exec and next answer; one request
 *   floor crowd WORKER N	ms until N such workers have said READY=1, and until half of them
 *				have been killed, replaced and ready again, with no more than that
 *   floor first PORT [PID]	waits for the first 200; prints CLOCK_MONOTONIC in ms
 *   floor now			prints CLOCK_MONOTONIC in ms
 *   floor restart PORT PID	kills PID, then ms until another pid answers
 *   floor exec COMMAND...	prints CLOCK_MONOTONIC in ms to stderr, then execs
 *
 * WORKER is bench/plain_worker, or what takes LISTEN_FD and NOTIFY_SOCKET as that does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX  1000
#define CROWD_MAX 4000

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
nap_us(long us)
{
	struct timespec t = {0, us * 1000};

	(void)nanosleep(&t, NULL);
}

/* One GET on a connection of its own: the pid that X-Worker names, 0 for a 200 without it, -1 for
 * anything else. An answer that takes longer than max_ms is none. */
static long
ask(int port, long max_ms)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: floor\r\nConnection: close\r\n\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval most = {max_ms / 1000, max_ms % 1000 * 1000};
	char text[4096], *at;
	size_t len = 0;
	ssize_t n = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
	    send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0) {
		while ((n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0)
			len += (size_t)n;
	}
	close(fd);
	text[len] = '\0';
	if (strncmp(text, "HTTP/1.1 200 ", 13) != 0)
		return -1;
	at = strcasestr(text, "\nX-Worker:");
	return at != NULL ? strtol(at + 10, NULL, 10) : 0;
}

static int
open_listener(int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
		perror("floor");
		exit(71);
	}
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static pid_t
start_worker(const char *worker, int listener)
{
	char number[16];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(number, sizeof number, "%d", listener);
	(void)setenv("LISTEN_FD", number, 1);
	(void)fcntl(listener, F_SETFD, 0);
	execl(worker, worker, (char *)NULL);
	perror(worker);
	_exit(127);
}

static void
end_worker(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, compare);
	return v[n / 2];
}

static void
measure_limits(const char *worker, int n)
{
	static double forks[RUNS_MAX], execs[RUNS_MAX], restarts[RUNS_MAX], asks[RUNS_MAX];
	int port, listener = open_listener(&port);

	for (int i = 0; i < n; i++) {
		double t = now_ms();
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		(void)waitpid(pid, NULL, 0);
		forks[i] = now_ms() - t;
	}
	for (int i = 0; i < n; i++) {
		double t = now_ms();
		pid_t pid = start_worker(worker, listener);

		if (ask(port, 5000) != pid)
			fprintf(stderr, "floor: %s does not answer\n", worker);
		execs[i] = now_ms() - t;
		t = now_ms();
		(void)ask(port, 5000);
		asks[i] = now_ms() - t;
		t = now_ms();
		end_worker(pid);
		pid = start_worker(worker, listener);
		(void)ask(port, 5000);
		restarts[i] = now_ms() - t;
		end_worker(pid);
	}
	printf("{\"fork_ms\":%.3f,\"exec_ms\":%.3f,\"restart_ms\":%.3f,\"ask_ms\":%.3f}\n",
	    median(forks, n), median(execs, n), median(restarts, n), median(asks, n));
}

/* A socket for READY=1 at an address that the kernel chooses, named in the environment. */
static int
open_notify(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len = sizeof a;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[64];

	if (bind(fd, (struct sockaddr *)&a, sizeof(sa_family_t)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
		perror("floor");
		exit(71);
	}
	snprintf(name, sizeof name, "@%.*s",
	    (int)(len - offsetof(struct sockaddr_un, sun_path) - 1), a.sun_path + 1);
	(void)setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void
wait_ready(int notify, int n)
{
	char text[64];

	for (; n > 0; n--)
		(void)recv(notify, text, sizeof text, 0);
}

static void
measure_crowd(const char *worker, int n)
{
	static pid_t pids[CROWD_MAX];
	int port, listener = open_listener(&port), notify = open_notify();
	double start = now_ms(), up, back;

	for (int i = 0; i < n; i++)
		pids[i] = start_worker(worker, listener);
	wait_ready(notify, n);
	up = now_ms() - start;
	start = now_ms();
	for (int i = 0; i < n / 2; i++)
		(void)kill(pids[i], SIGKILL);
	for (int i = 0; i < n / 2; i++) {
		(void)waitpid(pids[i], NULL, 0);
		pids[i] = start_worker(worker, listener);
	}
	wait_ready(notify, n / 2);
	back = now_ms() - start;
	for (int i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
	for (int i = 0; i < n; i++)
		(void)waitpid(pids[i], NULL, 0);
	printf("{\"up_ms\":%.1f,\"back_ms\":%.1f}\n", up, back);
}

static int
wait_first(int port)
{
	double end = now_ms() + 60000;

	while (now_ms() < end) {
		if (ask(port, 5000) >= 0) {
			printf("%.3f\n", now_ms());
			return 0;
		}
		nap_us(100);
	}
	return 1;
}

/* Each try waits 100 ms at most, so that one that the dead worker took with it hides nothing. */
static int
measure_restart(int port, pid_t pid)
{
	double start = now_ms(), end = start + 30000;
	long answered;

	if (kill(pid, SIGKILL) < 0) {
		perror("floor: kill");
		return 1;
	}
	while (now_ms() < end) {
		answered = ask(port, 100);
		if (answered >= 0 && answered != pid) {
			printf("%.3f\n", now_ms() - start);
			return 0;
		}
		nap_us(50);
	}
	return 1;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 3 ? atoi(argv[3]) : 0;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)setpriority(PRIO_PROCESS, 0, -10);
	if (strcmp(what, "limits") == 0 && n > 0 && n <= RUNS_MAX)
		measure_limits(argv[2], n);
	else if (strcmp(what, "crowd") == 0 && n > 0 && n <= CROWD_MAX)
		measure_crowd(argv[2], n);
	else if (strcmp(what, "first") == 0 && argc > 2)
		return wait_first(atoi(argv[2]));
	else if (strcmp(what, "restart") == 0 && argc > 3)
		return measure_restart(atoi(argv[2]), (pid_t)n);
	else if (strcmp(what, "now") == 0)
		printf("%.3f\n", now_ms());
	else if (strcmp(what, "exec") == 0 && argc > 2) {
		(void)setpriority(PRIO_PROCESS, 0, 0);
		fprintf(stderr, "%.3f\n", now_ms());
		execvp(argv[2], argv + 2);
		return 127;
	} else {
		fputs("floor: the manual is at the head of floor.c\n", stderr);
		return 64;
	}
	return 0;
}
