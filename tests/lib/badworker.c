/*
 * badworker: a worker that misbehaves as it is told, for the process tests.
 *
 * Without options it behaves well: it serves HTTP on the listeners of LISTEN_FDS (or descriptor 0,
 * or 127.0.0.1:PORT), says ready on NOTIFY_SOCKET, drains on TERM, INT, QUIT, on a drain frame (if
 * it spoke on the channel) and when the channel ends, and exits 0.
 *
 *	GET /		its pid, or --body		GET /io?ms=N	an answer after N ms
 *	GET /dump	what it inherited, as JSON	GET /cpu?ms=N	an answer after computing
 *	GET /crash	dies by --signal		GET /exit?code=N exits
 *	GET /hang	never answers			GET /say?TEXT	a line on stdout
 * Every answer carries X-Worker, X-Slot and X-Generation.
 *
 * badworker --help lists the modes; all can be combined, given as options or as words of the
 * variable BADWORKER. --only-slot, --from-generation, --if-file and --once say where and when it
 * misbehaves; elsewhere it is a good worker.
 *
 * Like bench workers it is one loop over poll(), without libraries, so that what a test sees is
 * the master's doing.
 */
#include "badworker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX     512
#define LISTENERS_MAX 32
#define REQUEST_MAX   2048
#define DRAIN_IDLE_MS 500
#define STOPPING      "{\"brood\":\"stopping\"}"

struct conn {
	int fd;
	bool must_close;
	uint64_t due; /* of an /io answer */
	size_t len;
	char buf[REQUEST_MAX];
};

long my_slot, my_generation;
int channel_fd = -1;
static int speak_fd = -1;

static int listeners[LISTENERS_MAX], n_listeners;
static struct conn *conns[CONNS_MAX];
static int n_conns;
static long n_requests;
static volatile sig_atomic_t stop_asked;
static uint64_t stop_since;
static sigset_t waiting_mask; /* while the loop sleeps; else the stop signals are blocked */

uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
on_stop_signal(int signo)
{
	(void)signo;
	stop_asked = 1;
}

static long
env_number(const char *name)
{
	const char *s = getenv(name);

	return s != NULL && *s >= '0' && *s <= '9' ? atol(s) : -1;
}

static void
drop(int i)
{
	close(conns[i]->fd);
	free(conns[i]);
	conns[i] = conns[--n_conns];
}

static void
reply(struct conn *c, const char *body, size_t len)
{
	char head[256];
	int n = snprintf(head, sizeof head,
	    "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nX-Slot: %ld\r\nX-Generation: %ld\r\n"
	    "Content-Length: %zu\r\n%s\r\n",
	    (int)getpid(), my_slot, my_generation, len,
	    c->must_close ? "Connection: close\r\n" : "");
	struct iovec iov[2] = {{head, (size_t)n}, {(char *)body, len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

	c->due = 0;
	/* Answers are small; a client that does not take them is not worth a buffer. */
	if (sendmsg(c->fd, &m, MSG_NOSIGNAL) != n + (ssize_t)len)
		c->must_close = true;
}

static void
reply_default(struct conn *c)
{
	char pid[16];

	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (opt.body != NULL)
		reply(c, opt.body, strlen(opt.body));
	else
		reply(c, pid, strlen(pid));
}

static void
burn(long ms)
{
	uint64_t end = now_ms() + (uint64_t)ms;

	while (now_ms() < end)
		;
}

static void
handle(struct conn *c, const char *path)
{
	static char text[262144];

	if (++n_requests == opt.crash_at_request)
		crash_now();
	if (strncmp(path, "/io?ms=", 7) == 0) {
		c->due = now_ms() + (uint64_t)atol(path + 7) + 1;
		return;
	}
	if (strncmp(path, "/hang", 5) == 0) {
		c->due = UINT64_MAX;
		return;
	}
	if (strncmp(path, "/crash", 6) == 0)
		crash_now();
	if (strncmp(path, "/exit?code=", 11) == 0)
		exit(atoi(path + 11));
	if (strncmp(path, "/cpu?ms=", 8) == 0)
		burn(atol(path + 8));
	if (strncmp(path, "/say?", 5) == 0)
		dprintf(1, "%.*s\n", (int)strcspn(path + 5, " "), path + 5);
	if (strncmp(path, "/dump", 5) == 0)
		reply(c, text, dump_to_text(text, sizeof text));
	else
		reply_default(c);
}

/* One request, if it is whole. The rest stays for the next. */
static bool
take_request(struct conn *c)
{
	char *end = strstr(c->buf, "\r\n\r\n");
	size_t used;

	if (end == NULL || c->due > 0)
		return false;
	used = (size_t)(end + 4 - c->buf);
	*end = '\0';
	if (stop_since > 0 || strcasestr(c->buf, "\nConnection: close") != NULL)
		c->must_close = true;
	handle(c, strncmp(c->buf, "GET ", 4) == 0 ? c->buf + 4 : "/");
	c->len -= used;
	memmove(c->buf, c->buf + used, c->len + 1);
	return true;
}

static void
read_conn(int i)
{
	struct conn *c = conns[i];
	ssize_t n = recv(c->fd, c->buf + c->len, REQUEST_MAX - 1 - c->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(i);
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	while (!c->must_close && take_request(c))
		;
	if ((c->must_close && c->due == 0) || c->len >= REQUEST_MAX - 1)
		drop(i);
}

static void
accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (n_conns == CONNS_MAX || (conns[n_conns] = calloc(1, sizeof **conns)) == NULL) {
		close(fd);
		return;
	}
	conns[n_conns++]->fd = fd;
}

static void
find_listeners(void)
{
	long n = env_number("LISTEN_FDS"), pid = env_number("LISTEN_PID");

	if (opt.no_listen)
		return;
	if (opt.use_stdin)
		listeners[n_listeners++] = 0;
	else if (n > 0 && (pid < 0 || pid == getpid()))
		for (int i = 0; i < n && i < LISTENERS_MAX; i++)
			listeners[n_listeners++] = 3 + i;
	else if (opt.port != NULL) {
		struct sockaddr_in a = {.sin_family = AF_INET,
		    .sin_port = htons((uint16_t)atoi(opt.port)),
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1024) < 0) {
			perror("badworker: bind");
			exit(1);
		}
		listeners[n_listeners++] = fd;
	}
	/* The listener is shared: between poll and accept a sibling may be quicker. */
	for (int i = 0; i < n_listeners; i++)
		(void)fcntl(listeners[i], F_SETFL, O_NONBLOCK | fcntl(listeners[i], F_GETFL));
}

static void
begin_stop(void)
{
	stop_since = now_ms();
	if (opt.dump_at_stop != NULL)
		dump_to_file(opt.dump_at_stop);
	if (opt.ready_while_stopping)
		say_ready();
}

static void
note_line(const char *line, size_t len)
{
	char back[4096];

	if (opt.messages != NULL) {
		char path[4096];
		int fd;

		expand_path(opt.messages, path, sizeof path);
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		if (fd >= 0) {
			dprintf(fd, "%.*s\n", (int)len, line);
			close(fd);
		}
	}
	if (memmem(line, len, "\"brood\":\"drain\"", 15) != NULL && !opt.ignore_drain) {
		stop_asked = 1;
		if (opt.agree)
			send_frame(STOPPING, strlen(STOPPING));
	}
	if (opt.echo && len < sizeof back - 16 &&
	    memmem(line, len, "\"brood\":\"message\"", 17) != NULL) {
		int n = snprintf(back, sizeof back, "{\"echo\":%.*s}", (int)len, line);

		send_frame(back, (size_t)n);
	}
}

static void
read_channel(void)
{
	static char buf[131072];
	static size_t len;
	ssize_t n = recv(channel_fd, buf + len, sizeof buf - len, MSG_DONTWAIT);
	char *end, *start = buf;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* The master is gone or has closed it: nobody would restart us, so leave. */
		close(channel_fd);
		channel_fd = -1;
		stop_asked = 1;
		return;
	}
	len += (size_t)n;
	while ((end = memchr(start, '\n', len)) != NULL) {
		note_line(start, (size_t)(end - start));
		len -= (size_t)(end + 1 - start);
		start = end + 1;
	}
	memmove(buf, start, len);
	if (len == sizeof buf)
		len = 0;
}

/* Opened for both directions, so that it never ends and opening does not wait. */
static void
open_speak(void)
{
	char path[4096];

	if (opt.speak == NULL)
		return;
	expand_path(opt.speak, path, sizeof path);
	speak_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static void
read_speak(void)
{
	char buf[4096];
	ssize_t n = read(speak_fd, buf, sizeof buf);

	if (n > 0 && channel_fd >= 0)
		send_bytes(buf, (size_t)n);
}

static void
leave_if_done(void)
{
	uint64_t since = now_ms() - stop_since;

	if (opt.slow_drain > 0 && since < (uint64_t)opt.slow_drain)
		return;
	for (int i = n_conns - 1; i >= 0; i--) {
		if (conns[i]->due == UINT64_MAX || (conns[i]->due == 0 && since >= DRAIN_IDLE_MS))
			drop(i);
	}
	if (n_conns == 0)
		exit(opt.drain_exit > 0 ? (int)opt.drain_exit : 0);
}

static int
answer_due(int wait)
{
	uint64_t now = now_ms();

	for (int i = n_conns - 1; i >= 0; i--) {
		struct conn *c = conns[i];

		if (c->due == 0 || c->due == UINT64_MAX)
			continue;
		if (c->due > now) {
			wait = c->due - now < (uint64_t)wait ? (int)(c->due - now) : wait;
			continue;
		}
		c->must_close = c->must_close || stop_since > 0;
		reply_default(c);
		if (c->must_close)
			drop(i);
	}
	return wait;
}

static void
serve_turn(int wait)
{
	struct pollfd p[LISTENERS_MAX + 2 + CONNS_MAX];
	struct timespec t = {wait / 1000, wait % 1000 * 1000000L};
	int n = 0, first, known = n_conns, polled_listeners = stop_since > 0 ? 0 : n_listeners;

	for (int i = 0; i < polled_listeners; i++)
		p[n++] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
	p[n++] = (struct pollfd){.fd = opt.deaf ? -1 : channel_fd, .events = POLLIN};
	/* What leaves lets its successor hear what the test says. */
	p[n++] = (struct pollfd){.fd = stop_since > 0 ? -1 : speak_fd, .events = POLLIN};
	first = n;
	for (int i = 0; i < known; i++)
		p[n++] =
		    (struct pollfd){.fd = conns[i]->due > 0 ? -1 : conns[i]->fd, .events = POLLIN};
	if (ppoll(p, (nfds_t)n, &t, &waiting_mask) <= 0)
		return;
	/* Backwards, since drop() fills a gap with the last. */
	for (int i = known - 1; i >= 0; i--) {
		if (p[first + i].revents != 0)
			read_conn(i);
	}
	if (p[polled_listeners].revents != 0)
		read_channel();
	if (p[polled_listeners + 1].revents != 0)
		read_speak();
	for (int i = 0; i < polled_listeners; i++) {
		if (p[i].revents != 0)
			accept_one(listeners[i]);
	}
}

static void
serve(void)
{
	uint64_t ready_due = now_ms() + (opt.ready_delay > 0 ? (uint64_t)opt.ready_delay : 0);
	bool is_ready = false;

	for (;;) {
		uint64_t now = now_ms();
		int wait;

		if (!is_ready && now >= ready_due) {
			is_ready = true;
			say_ready();
			modes_after_ready();
			open_speak();
		}
		wait = answer_due(modes_in_turn());
		if (stop_asked && stop_since == 0)
			begin_stop();
		if (stop_since > 0) {
			leave_if_done();
			wait = wait < 10 ? wait : 10;
		}
		if (!is_ready && ready_due - now < (uint64_t)wait)
			wait = (int)(ready_due - now);
		serve_turn(wait);
	}
}

/* Blocked but in the sleep of the loop, so that none comes between a look and the sleep. */
static void
catch_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGQUIT};
	struct sigaction old, new = {.sa_handler = on_stop_signal};
	sigset_t set;

	sigemptyset(&set);
	for (int i = 0; i < 3; i++) {
		sigaddset(&set, signals[i]);
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &new, NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &set, &waiting_mask);
}

int
main(int argc, char **argv)
{
	struct rlimit no_core = {0, 0};

	my_slot = env_number("BROOD_SLOT");
	my_generation = env_number("BROOD_GENERATION");
	options_read(argc, argv);
	if (opt.dump != NULL)
		dump_to_file(opt.dump);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)signal(SIGPIPE, SIG_IGN);
	channel_fd = (int)env_number("BROOD_CHANNEL_FD");
	/* First, since LISTEN_PID names this process, not the child of one that daemonises. */
	find_listeners();
	modes_at_start();
	catch_signals();
	serve();
}
