/*
 * worker.c: a small web server written for Server::Starter. It serves the sockets that
 * SERVER_STARTER_PORT names; at TERM it finishes what it has and ends.
 *
 *	cc -O2 -o worker worker.c
 *	start_server --port=8080 -- ./worker
 *
 *	/		who answers
 *	/io?ms=N	the same after N ms, as if it waited for a database; others go on
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LISTENERS_MAX 16
#define GRACE_MS      500 /* for the next request of an idle client, once it was told to end */

/* One connection. A listener is one that is never read. */
struct conn {
	struct conn *next, **link;
	int fd;
	int listens;
	int last; /* its answer says so */
	uint64_t due_ms; /* when the answer is due; 0 = there is no request */
	size_t len;
	char buf[2048];
};

static volatile sig_atomic_t told_to_end;
static struct conn listeners[LISTENERS_MAX];
static struct conn *conns;
static int poll_fd;

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static void
watch(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
		perror("epoll_ctl");
		exit(1);
	}
}

/* "127.0.0.1:8080=3;/run/web.sock=4": a number behind the last = of each piece. */
static int
open_listeners(void)
{
	const char *given = getenv("SERVER_STARTER_PORT");
	char *list = given ? strdup(given) : NULL, *rest = NULL;
	int n = 0;

	for (char *at = list ? strtok_r(list, ";", &rest) : NULL; at && n < LISTENERS_MAX;
	     at = strtok_r(NULL, ";", &rest)) {
		struct conn *l = &listeners[n];
		const char *number = strrchr(at, '=');

		if (!number)
			continue;
		l->fd = atoi(number + 1);
		l->listens = 1;
		fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
		watch(l);
		n++;
	}
	free(list);
	return n;
}

static void
hang_up(struct conn *c)
{
	close(c->fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	free(c);
}

static void
take_connection(struct conn *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		if (fd >= 0)
			close(fd);
		return; /* another worker was faster */
	}
	c->fd = fd;
	c->next = conns;
	c->link = &conns;
	if (conns)
		conns->link = &c->next;
	conns = c;
	watch(c);
}

/* Small enough for any socket's buffer. Whether the connection goes on. */
static int
answer(struct conn *c)
{
	char body[32], text[256];
	int len, body_len = snprintf(body, sizeof(body), "pid %d\n", (int)getpid());

	c->last |= told_to_end;
	c->due_ms = 0;
	len = snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s",
	    (int)getpid(), body_len, c->last ? "close" : "keep-alive", body);
	if (send(c->fd, text, (size_t)len, MSG_NOSIGNAL) == len && !c->last)
		return 1;
	hang_up(c);
	return 0;
}

/* Takes one request out of what has come; it is answered when it is due. */
static void
take_request(struct conn *c)
{
	char *end = memmem(c->buf, c->len, "\r\n\r\n", 4);
	size_t head_len = end ? (size_t)(end - c->buf) + 4 : 0;
	unsigned wait_ms = 0;

	if (!end && c->len == sizeof(c->buf) - 1)
		hang_up(c);
	if (!end)
		return;
	*end = '\0';
	c->last = !strstr(c->buf, " HTTP/1.1\r\n") || strcasestr(c->buf, "\r\nconnection: close");
	sscanf(c->buf, "GET /io?ms=%5u", &wait_ms);
	c->len -= head_len;
	memmove(c->buf, c->buf + head_len, c->len);
	c->due_ms = now_ms() + wait_ms;
}

static void
read_from(struct conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->len += (size_t)n;
	if (c->due_ms == 0)
		take_request(c);
}

/* When c is to be looked at again; UINT64_MAX = not before something comes, or never. */
static uint64_t
next_ms(struct conn *c, uint64_t now, uint64_t idle_until_ms)
{
	while (c->due_ms != 0 && c->due_ms <= now) {
		if (!answer(c))
			return UINT64_MAX;
		take_request(c); /* clients may send the next one early */
	}
	if (c->due_ms != 0)
		return c->due_ms;
	if (idle_until_ms == 0 || idle_until_ms > now)
		return idle_until_ms == 0 ? UINT64_MAX : idle_until_ms;
	hang_up(c);
	return UINT64_MAX;
}

/* Answers what is due. Returns for how many ms nothing will be; -1 = for ever. */
static int
answer_due(uint64_t idle_until_ms)
{
	uint64_t now = now_ms(), first = UINT64_MAX;
	struct conn *c, *following;

	for (c = conns; c; c = following) {
		uint64_t next;

		following = c->next;
		next = next_ms(c, now, idle_until_ms);
		first = next < first ? next : first;
	}
	return first == UINT64_MAX ? -1 : (int)(first - now);
}

static void
close_listeners(int n)
{
	for (int i = 0; i < n; i++) {
		epoll_ctl(poll_fd, EPOLL_CTL_DEL, listeners[i].fd, NULL);
		close(listeners[i].fd);
	}
}

int
main(void)
{
	struct sigaction action = {.sa_handler = on_term};
	uint64_t idle_until_ms = 0;
	sigset_t term, none;
	int listening;

	/* TERM is only taken while waiting, so that none comes between looking and waiting. */
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	sigaction(SIGTERM, &action, NULL);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	listening = open_listeners();
	if (listening == 0) {
		fprintf(stderr, "worker: SERVER_STARTER_PORT names no socket\n");
		return 1;
	}
	while (listening > 0 || conns) {
		struct epoll_event event;
		int wait_ms = answer_due(idle_until_ms);
		int n =
		    listening > 0 || conns ? epoll_pwait(poll_fd, &event, 1, wait_ms, &none) : 0;
		struct conn *c = n > 0 ? event.data.ptr : NULL;

		if (c && c->listens)
			take_connection(c);
		else if (c)
			read_from(c);
		if (told_to_end && listening > 0) {
			close_listeners(listening);
			listening = 0;
			idle_until_ms = now_ms() + GRACE_MS;
		}
	}
	return 0;
}
