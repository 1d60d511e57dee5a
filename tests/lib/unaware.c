/*
 * unaware: a worker that knows nothing of who started it, for the tests of what brood can do for
 * such a program.
 *
 * It serves HTTP with keep-alive on descriptor 3 (LISTEN_FDS tells how many there are), says
 * nothing to anybody, and has no signal handler: TERM ends it at once, whatever is inside. Each
 * answer takes SERVICE_MS (5), in which the loop goes on. It leaves its listener's flags as they
 * came: where that does not block, it is content with EAGAIN.
 *
 * BLOCKING=1: an accept loop of the simplest kind instead. One connection at a time, one request
 * each, a sleep of SERVICE_MS, the answer, close. Nothing else happens meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_LISTENER 3
#define LISTENERS_MAX  32
#define REQUEST_MAX    2048

struct conn {
	int fd;
	bool is_listener;
	bool is_last; /* its client wants no further answer */
	uint64_t due_us; /* of the answer under way, 0 = none */
	struct conn *earlier, *later; /* answers under way, in the order in which they are due */
	size_t len;
	char buf[REQUEST_MAX];
};

static struct conn listeners[LISTENERS_MAX];
static struct conn due = {.earlier = &due, .later = &due};
static uint64_t service_us = 5000;
static int epoll_fd;

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
send_answer(int fd, bool is_last)
{
	char text[160];
	int n = snprintf(text, sizeof text,
	    "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: 3\r\n%s\r\nok\n", (int)getpid(),
	    is_last ? "Connection: close\r\n" : "");

	return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool
wants_close(const char *head)
{
	return strcasestr(head, "\nConnection: close") != NULL;
}

/* ---- the loop */

static void
forget_answer(struct conn *c)
{
	if (c->due_us == 0)
		return;
	c->earlier->later = c->later;
	c->later->earlier = c->earlier;
	c->due_us = 0;
}

static void
drop(struct conn *c)
{
	forget_answer(c);
	close(c->fd);
	free(c);
}

static void
accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

	if (c == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	c->fd = fd;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* All answers take the same time, so the newest is due last. */
static void
begin_answer(struct conn *c)
{
	c->is_last = wants_close(c->buf);
	c->len = 0;
	c->due_us = now_us() + service_us;
	c->earlier = due.earlier;
	c->later = &due;
	c->earlier->later = c;
	due.earlier = c;
}

static void
on_readable(struct conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, REQUEST_MAX - 1 - c->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->len + (size_t)n == REQUEST_MAX - 1) {
		drop(c);
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	if (strstr(c->buf, "\r\n\r\n") != NULL && c->due_us == 0)
		begin_answer(c);
}

static void
answer_due(void)
{
	uint64_t now = now_us();

	while (due.later != &due && due.later->due_us <= now) {
		struct conn *c = due.later;

		forget_answer(c);
		if (!send_answer(c->fd, c->is_last) || c->is_last)
			drop(c);
	}
}

static int
wait_ms(void)
{
	uint64_t now = now_us();

	if (due.later == &due)
		return -1;
	return due.later->due_us > now ? (int)((due.later->due_us - now + 999) / 1000) : 0;
}

static void
serve_all(int n_listeners)
{
	struct epoll_event events[64];

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < n_listeners; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &listeners[i]};

		listeners[i].fd = FIRST_LISTENER + i;
		listeners[i].is_listener = true;
		(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listeners[i].fd, &e);
	}
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, wait_ms());

		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (c->is_listener)
				accept_one(c->fd);
			else
				on_readable(c);
		}
		answer_due();
	}
}

/* ---- one at a time */

static void
serve_one(int fd)
{
	struct timespec t = {(time_t)(service_us / 1000000), (long)(service_us % 1000000) * 1000};
	char buf[REQUEST_MAX];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, buf + len, sizeof buf - 1 - len, 0)) > 0) {
		len += (size_t)n;
		buf[len] = '\0';
		if (strstr(buf, "\r\n\r\n") != NULL) {
			(void)nanosleep(&t, NULL);
			(void)send_answer(fd, true);
			break;
		}
		if (len == sizeof buf - 1)
			break;
	}
	close(fd);
}

static void
serve_one_by_one(void)
{
	for (;;) {
		struct pollfd p = {.fd = FIRST_LISTENER, .events = POLLIN};
		int fd = accept(FIRST_LISTENER, NULL, NULL);

		if (fd >= 0)
			serve_one(fd);
		else if (errno == EAGAIN)
			(void)poll(&p, 1, -1);
	}
}

int
main(void)
{
	const char *fds = getenv("LISTEN_FDS"), *ms = getenv("SERVICE_MS");
	const char *blocking = getenv("BLOCKING");
	int n = fds != NULL ? atoi(fds) : 1;

	if (ms != NULL)
		service_us = (uint64_t)(atof(ms) * 1000);
	if (blocking != NULL && strcmp(blocking, "1") == 0)
		serve_one_by_one();
	serve_all(n < LISTENERS_MAX ? n : LISTENERS_MAX);
}
