/*
 * worker_support: a worker and its master in one process: what the master would hold is held here,
 * and a turn of the loop is followed by a look at what the worker said. A test of Check is a process
 * of its own, so its environment is, too.
 */
#ifndef BROOD_TESTS_UNIT_WORKER_SUPPORT_H
#define BROOD_TESTS_UNIT_WORKER_SUPPORT_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "brood.h"
#include "sendfds.h"

#define WAIT_MS   30000
#define PLACES    8 /* descriptors from 3 on that are the tests' to fill */
#define CONNS_MAX 4096

static struct {
	struct brood_loop *loop;
	struct brood_worker *w;
	int channel; /* the master's end */
	int set; /* the master's copy of the wait set */
	char *said; /* all that the worker said */
	size_t said_len;

	int fds[CONNS_MAX]; /* connections that the worker took */
	unsigned conns;
	char names[64]; /* listeners that they came from, first letters */
	uint64_t turns[CONNS_MAX];
	unsigned drains;
	uint64_t deadline_ms;
	bool drain_is_done_at_once;
	unsigned messages, leads;
	char from[64], message[256];

	bool (*until)(void);
	unsigned long waited_ms;
} t = {.channel = -1, .set = -1};

/* --- the worker's side ----------------------------------------------------------------------- */

static inline void
on_connection(struct brood_worker *w, int fd, const char *listener, void *data)
{
	struct brood_loop_stats stats;

	ck_assert_ptr_eq(data, &t);
	ck_assert_uint_lt(t.conns, CONNS_MAX);
	brood_loop_stats(t.loop, &stats);
	t.turns[t.conns] = stats.turns;
	if (t.conns < sizeof t.names - 1)
		t.names[t.conns] = *listener != '\0' ? *listener : '-';
	t.fds[t.conns++] = fd;
	(void)w;
}

static inline void
on_drain(struct brood_worker *w, uint64_t deadline_ms, void *data)
{
	(void)data;
	ck_assert(brood_worker_is_draining(w));
	t.drains++;
	t.deadline_ms = deadline_ms;
	if (t.drain_is_done_at_once)
		brood_worker_done(w);
}

static inline void
on_message(struct brood_worker *w, const char *from, const char *json, size_t len, void *data)
{
	(void)w;
	(void)data;
	ck_assert_uint_eq(strlen(json), len);
	t.messages++;
	snprintf(t.from, sizeof t.from, "%s", from);
	snprintf(t.message, sizeof t.message, "%s", json);
}

static inline void
on_leader(struct brood_worker *w, bool is_leader, void *data)
{
	(void)data;
	ck_assert(brood_worker_is_leader(w) == is_leader);
	t.leads = t.leads * 10 + (is_leader ? 1 : 2);
}

static const struct brood_worker_handlers handlers = {
    .on_connection = on_connection,
    .on_drain = on_drain,
    .on_message = on_message,
    .on_leader = on_leader,
};

/* --- the master's side ----------------------------------------------------------------------- */

/* Descriptors from 3 on are the tests' to fill: neither Check's own file nor a listener that is not
 * handed over yet may be there. */
static inline void
keep_places(void)
{
	for (int fd = 3; fd < 3 + PLACES; fd++) {
		int null = fcntl(fd, F_GETFD) < 0 ? open("/dev/null", O_RDWR) : fd;

		if (null != fd && (dup2(null, fd) < 0 || close(null) < 0))
			abort();
	}
}

static inline int
new_listener(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd;

	keep_places();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(listen(fd, 1000), 0);
	return fd;
}

/* Hands it over as descriptor 3 + n. */
static inline void
hand_over(unsigned n, int fd)
{
	ck_assert_uint_lt(n, PLACES);
	ck_assert_int_eq(dup2(fd, 3 + (int)n), 3 + (int)n);
}

static inline void
set_number(const char *name, long value)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", value);
	ck_assert_int_eq(setenv(name, text, 1), 0);
}

static inline void
make_channel(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	t.channel = pair[0];
	set_number("BROOD_CHANNEL_FD", pair[1]);
	ck_assert_int_eq(setenv("BROOD_APP", "web", 1), 0);
	set_number("BROOD_SLOT", 2);
	set_number("BROOD_GENERATION", 7);
}

static inline void
hand_over_listeners(unsigned n, const char *names)
{
	set_number("LISTEN_FDS", n);
	set_number("LISTEN_PID", getpid());
	ck_assert_int_eq(setenv("LISTEN_FDNAMES", names, 1), 0);
}

static inline void
hear(void)
{
	char data[65536];
	ssize_t n;

	while (t.channel >= 0 && (n = recv(t.channel, data, sizeof data, MSG_DONTWAIT)) > 0) {
		t.said = realloc(t.said, t.said_len + (size_t)n + 1);
		memcpy(t.said + t.said_len, data, (size_t)n);
		t.said_len += (size_t)n;
		t.said[t.said_len] = '\0';
	}
}

static inline bool
was_said(const char *text)
{
	hear();
	return t.said != NULL && strstr(t.said, text) != NULL;
}

static inline void
forget_said(void)
{
	hear();
	t.said_len = 0;
	if (t.said != NULL)
		t.said[0] = '\0';
}

static inline void
tell_with(const char *line, size_t len, const int *fds, size_t n)
{
	ck_assert_int_eq(send_fds(t.channel, line, len, fds, n, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void
tell(const char *line)
{
	tell_with(line, strlen(line), NULL, 0);
}

static inline void
make_set(void)
{
	t.set = epoll_create1(EPOLL_CLOEXEC);
	ck_assert_int_ge(t.set, 0);
}

static inline void
add_to_set(int listener, uint64_t place)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = place};

	ck_assert_msg(epoll_ctl(t.set, EPOLL_CTL_ADD, listener, &ev) == 0,
	    "%s: set %d, listener %d", strerror(errno), t.set, listener);
}

/* --- clients --------------------------------------------------------------------------------- */

static inline int
port_of(int listener)
{
	struct sockaddr_in a;
	socklen_t len = sizeof a;

	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin_port);
}

static inline int
connect_port(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_port = htons((uint16_t)port);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline int
client_of(int listener)
{
	int fd = connect_port(port_of(listener));

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline bool
is_queued(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* --- the loop -------------------------------------------------------------------------------- */

static inline void
look(struct brood_loop *loop, void *arg)
{
	(void)arg;
	hear();
	t.waited_ms++;
	if (t.until == NULL || t.until() || t.waited_ms > WAIT_MS)
		brood_stop(loop, 77);
}

/* Runs the loop until that is so. */
static inline void
run_until(bool (*until)(void))
{
	brood_id id = brood_set_interval(t.loop, 1, look, NULL);

	/* One allocation may be made to fail, and it may be this one. */
	if (id == 0)
		id = brood_set_interval(t.loop, 1, look, NULL);
	ck_assert_uint_ne(id, 0);
	t.until = until;
	t.waited_ms = 0;
	brood_unref(t.loop, id);
	ck_assert_msg(
	    brood_run(t.loop) == 77 && t.waited_ms <= WAIT_MS, "it ended or waits for ever");
	brood_clear(t.loop, id);
}

static inline bool
is_past(void)
{
	return t.waited_ms >= 50;
}

/* Runs the loop for a moment, in which nothing should happen. */
static inline void
run_a_moment(void)
{
	run_until(is_past);
}

#define DEFINE_UNTIL(name, condition) \
	static inline bool name(void) \
	{                             \
		return condition;     \
	}

DEFINE_UNTIL(is_ready, was_said("{\"brood\":\"ready\"}\n"))
DEFINE_UNTIL(has_asked_ring, was_said("{\"brood\":\"ring\"}\n"))
DEFINE_UNTIL(has_stopping, was_said("{\"brood\":\"stopping\"}\n"))
DEFINE_UNTIL(has_beat, was_said("{\"brood\":\"beat\""))
DEFINE_UNTIL(has_one, t.conns >= 1)
DEFINE_UNTIL(has_two, t.conns >= 2)
DEFINE_UNTIL(has_three, t.conns >= 3)

/* A ping has come back: all that was told before is read. */
static inline bool
has_pong(void)
{
	return was_said("{\"brood\":\"pong\",\"id\":4711}\n");
}

static inline void
run_until_read(void)
{
	forget_said();
	tell("{\"brood\":\"ping\",\"id\":4711}\n");
	run_until(has_pong);
}

static inline struct brood_worker *
try_open(const struct brood_worker_options *o)
{
	if (t.loop == NULL)
		t.loop = brood_loop_new();
	ck_assert_ptr_nonnull(t.loop);
	t.w = brood_worker_open(t.loop, o, &handlers, &t);
	return t.w;
}

static inline void
open_worker(const struct brood_worker_options *o)
{
	ck_assert_msg(try_open(o) != NULL, "%s", strerror(errno));
}

/* Runs it to its own end and frees all. */
static inline void
expect_end(int code)
{
	ck_assert_int_eq(brood_run(t.loop), code);
	hear();
}

static inline void
free_all(void)
{
	brood_worker_close(t.w);
	brood_loop_free(t.loop);
	for (unsigned i = 0; i < t.conns; i++)
		close(t.fds[i]);
	if (t.channel >= 0)
		close(t.channel);
	if (t.set >= 0)
		close(t.set);
	free(t.said);
	memset(&t, 0, sizeof t);
	t.channel = t.set = -1;
}

static inline void
let_go(unsigned i)
{
	close(t.fds[i]);
	t.fds[i] = -1;
	brood_worker_closed(t.w, 1);
}

#endif
