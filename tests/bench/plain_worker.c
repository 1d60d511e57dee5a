/*
 * plain_worker: the least program that is a good worker, to measure what a master adds.
 *
 * One epoll loop, no libraries, no timers but those of a drain: what it costs to start and to
 * answer is the floor for any worker. It serves the listeners of LISTEN_FDS, of LISTEN_FD=n (one
 * descriptor, for bench/floor), or binds 127.0.0.1:$PORT; says READY=1 on NOTIFY_SOCKET; answers
 * every GET with its pid and X-Worker; GET /block?ms=N sleeps first and GET /cpu?ms=N computes, so
 * that the whole worker stands still; on TERM it stops accepting, answers each connection once
 * more with Connection: close, closes the idle after 500 ms and exits 0.
 *
 * LINES=n in the environment: it writes n lines on stdout before it says ready.
 * DRAIN_MS=n: how long idle connections are kept in a drain, if not 500 ms.
 * CRASH_IN_SLOT=n: with that BROOD_SLOT it aborts at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "block.h"

#define REQUEST_MAX   2048
#define LISTENERS_MAX 32
#define DRAIN_MS      500

struct conn {
	struct conn *next, **prev_next;
	int fd;
	bool is_listener;
	size_t len;
	char buf[REQUEST_MAX];
};

static struct conn *conns;
static struct conn listeners[LISTENERS_MAX];
static int n_listeners, epoll_fd;
static bool is_own;
static volatile sig_atomic_t stop;
static uint64_t stop_at_ms;

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
on_term(int signo)
{
	(void)signo;
	stop = 1;
}

static void
drop(struct conn *c)
{
	*c->prev_next = c->next;
	if (c->next != NULL)
		c->next->prev_next = c->prev_next;
	close(c->fd);
	free(c);
}

static bool
accept_one(int listener)
{
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

	if (fd >= 0 && c == NULL)
		close(fd);
	if (c == NULL)
		return false;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->fd = fd;
	c->next = conns;
	c->prev_next = &conns;
	if (conns != NULL)
		conns->prev_next = &c->next;
	conns = c;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
	return true;
}

static void
answer(struct conn *c, bool is_last)
{
	static char text[256], body[16];
	int n = snprintf(body, sizeof body, "%d\n", (int)getpid());

	n = snprintf(text, sizeof text,
	    "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: %d\r\n%s\r\n%s", (int)getpid(), n,
	    is_last ? "Connection: close\r\n" : "", body);
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n || is_last)
		drop(c);
}

static void
on_readable(struct conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, REQUEST_MAX - 1 - c->len, 0);
	bool is_last;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->len + (size_t)n == REQUEST_MAX - 1) {
		drop(c);
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	if (strstr(c->buf, "\r\n\r\n") == NULL)
		return;
	is_last = stop || strcasestr(c->buf, "\nConnection: close") != NULL;
	c->len = 0;
	block_if_asked(c->buf);
	answer(c, is_last);
}

static void
notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = path != NULL ? strlen(path) : 0;
	int fd;

	if (len == 0 || len > sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static int
bind_own(void)
{
	const char *port = getenv("PORT");
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)(port != NULL ? atoi(port) : 8080)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	is_own = true;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4096) < 0) {
		perror("plain_worker");
		exit(71);
	}
	return fd;
}

static void
find_listeners(void)
{
	const char *fds = getenv("LISTEN_FDS"), *one = getenv("LISTEN_FD");
	const char *pid = getenv("LISTEN_PID");
	int n = fds != NULL && (pid == NULL || atoi(pid) == getpid()) ? atoi(fds) : 0;

	for (int i = 0; i < n && i < LISTENERS_MAX; i++)
		listeners[n_listeners++].fd = 3 + i;
	if (n_listeners == 0)
		listeners[n_listeners++].fd = one != NULL ? atoi(one) : bind_own();
	for (int i = 0; i < n_listeners; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &listeners[i]};

		listeners[i].is_listener = true;
		(void)fcntl(listeners[i].fd, F_SETFL, O_NONBLOCK | fcntl(listeners[i].fd, F_GETFL));
		e.events |= is_own ? 0 : EPOLLEXCLUSIVE;
		(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listeners[i].fd, &e);
	}
}

/* What is queued on a listener of our own would be lost with it. */
static void
begin_stop(void)
{
	const char *grace = getenv("DRAIN_MS");

	stop_at_ms = now_ms() + (uint64_t)(grace != NULL ? atoi(grace) : DRAIN_MS);
	for (int i = 0; i < n_listeners; i++) {
		while (is_own && accept_one(listeners[i].fd))
			;
		(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, listeners[i].fd, NULL);
		close(listeners[i].fd);
	}
}

static void
serve(void)
{
	struct epoll_event events[64];
	sigset_t blocked, waiting;

	/* TERM comes only in the sleep, so that none is missed between a look and the sleep. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigdelset(&waiting, SIGTERM);
	for (;;) {
		int n = epoll_pwait(epoll_fd, events, 64, stop ? 10 : -1, &waiting);

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (!c->is_listener)
				on_readable(c);
			else if (stop_at_ms == 0)
				(void)accept_one(c->fd);
		}
		if (stop && stop_at_ms == 0)
			begin_stop();
		while (stop && conns != NULL && now_ms() >= stop_at_ms)
			drop(conns);
		if (stop && conns == NULL)
			exit(0);
	}
}

int
main(void)
{
	const char *lines = getenv("LINES"), *slot = getenv("BROOD_SLOT");
	const char *crash = getenv("CRASH_IN_SLOT");
	struct sigaction term = {.sa_handler = on_term};
	struct rlimit no_core = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (crash != NULL && slot != NULL && strcmp(crash, slot) == 0)
		abort();
	(void)sigaction(SIGTERM, &term, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	find_listeners();
	for (int i = 0; lines != NULL && i < atoi(lines); i++)
		dprintf(1, "line %d of worker %d, as long as a usual line of a log is\n", i,
		    (int)getpid());
	notify_ready();
	serve();
}
