/*
 * dial: see the header.
 *
 * How a connection ends decides who keeps its port for a minute (TIME_WAIT: whoever closes first)
 * and what the worker sees:
 *   not established      just closed; nobody has seen anything
 *   nothing was asked    closed in order: a program that gets a connection and reads its end is
 *                        not disturbed, one that reads a reset writes traces into its log. The
 *                        port that lingers is one of 127.98/16, which nobody else uses
 *   an answer came       the worker was told to close, so it is given 100 ms to close first: then
 *                        nothing lingers here. What it still sends is thrown away unread; after
 *                        that time, reset
 *   no answer came       reset: whoever is late need not answer any more
 * By port (groups that IPv4 does not reach) there is one source for each worker, which must be free
 * for the next connection: steer_connect() has set that closing always resets.
 */
#include "loop/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/listeners.h"
#include "sys/steer.h"

#define LAST_WORDS_MS    100
#define THROWN_AWAY_ONCE 65536
#define THROWN_AWAY_MAX  (16 * THROWN_AWAY_ONCE)

struct dial {
	int fd;
	uv_poll_t poll;
	uv_timer_t timer; /* the time for an answer, then for the last words */
	unsigned handles;
	dial_fn fn; /* NULL: nobody listens any more */
	void *arg;
	bool connected, answered, over;
	char *path; /* NULL: nothing is asked */
	char *request; /* until it is sent */
	size_t sent;
	char line[DIAL_LINE_MAX];
	size_t len;
	size_t thrown_away;
};

/* --- the end ------------------------------------------------------------------------------- */

static void
on_closed(uv_handle_t *h)
{
	struct dial *d = h->data;

	if (--d->handles > 0)
		return;
	mem_free(d->path);
	mem_free(d->request);
	mem_free(d);
}

static void
end(struct dial *d, bool reset)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	uv_close((uv_handle_t *)&d->poll, on_closed);
	uv_close((uv_handle_t *)&d->timer, on_closed);
	if (reset)
		(void)setsockopt(d->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* see above */
	fd_close(&d->fd);
}

/* What the worker still sends is thrown away until its end comes. */
static void
on_last_words(uv_poll_t *h, int status, int events)
{
	struct dial *d = h->data;
	ssize_t n = 1;

	(void)events;
	while (status >= 0 && n > 0 && d->thrown_away < THROWN_AWAY_MAX) {
		n = recv(d->fd, NULL, THROWN_AWAY_ONCE, MSG_TRUNC | MSG_DONTWAIT);
		if (n > 0)
			d->thrown_away += (size_t)n;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end(d, n != 0);
}

static void
on_last_words_over(uv_timer_t *timer)
{
	end(timer->data, true);
}

void
dial_close(struct dial *d)
{
	if (!d)
		return;
	d->fn = NULL;
	if (!d->connected) {
		end(d, false);
	} else if (!d->path) {
		end(d, false);
	} else if (!d->answered) {
		end(d, true);
	} else {
		uv_update_time(d->timer.loop);
		(void)uv_timer_start(&d->timer, on_last_words_over, LAST_WORDS_MS, 0);
		if (uv_poll_start(&d->poll, UV_READABLE, on_last_words) != 0)
			end(d, true);
	}
}

/* --- the way there ------------------------------------------------------------------------- */

/* The owner closes us from in here, or later. */
static void
tell(struct dial *d, enum dial_step step, int error)
{
	if (step != DIAL_CONNECTED) {
		d->over = true;
		d->answered = step == DIAL_ANSWERED;
		(void)uv_poll_stop(&d->poll);
		(void)uv_timer_stop(&d->timer);
	}
	d->fn(d->arg, step, d->line, step == DIAL_ANSWERED ? d->len : 0, error);
}

static int
socket_error(const struct dial *d)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return -errno;
	return -error;
}

/* True: the answer's first line is there, or as much of it as anybody needs. */
static bool
has_line(struct dial *d)
{
	const char *end = memchr(d->line, '\n', d->len);

	if (end)
		d->len = (size_t)(end - d->line);
	return end || d->len == sizeof(d->line) || !d->path;
}

static void
read_answer(struct dial *d)
{
	ssize_t n = recv(d->fd, d->line + d->len, sizeof(d->line) - d->len, MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			tell(d, DIAL_FAILED, -errno);
		return;
	}
	d->len += (size_t)n;
	if (n == 0 || has_line(d))
		tell(d, DIAL_ANSWERED, 0);
}

/* Were we the ones who are late, the answer is there. */
static void
on_late(uv_timer_t *timer)
{
	struct dial *d = timer->data;

	if (d->connected && !d->request)
		read_answer(d);
	if (!d->over)
		tell(d, DIAL_FAILED, -ETIMEDOUT);
}

/* True when all of it is out. */
static bool
send_request(struct dial *d)
{
	size_t len = strlen(d->request);
	ssize_t n = send(d->fd, d->request + d->sent, len - d->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			tell(d, DIAL_FAILED, -errno);
		return false;
	}
	d->sent += (size_t)n;
	return d->sent == len;
}

static void on_ready(uv_poll_t *h, int status, int events);

static void
listen_for(struct dial *d, int events)
{
	int r = uv_poll_start(&d->poll, events, on_ready);

	if (r != 0)
		tell(d, DIAL_FAILED, r);
}

static int
connect_to(const struct listener *ls, unsigned slot, unsigned seat)
{
	unsigned index;

	if (ls->shape != LISTENER_STEERED)
		return -EOPNOTSUPP;
	index = listener_index(ls, slot, seat);
	if (index == LISTENER_NOWHERE)
		return -EAGAIN;
	return steer_connect(listener_fd(ls, slot, seat), STEER_RAW + index);
}

/* Who it is connected to, as a Host header has it. */
static void
peer_text(int fd, char *out, size_t size)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&ss;
	char text[INET6_ADDRSTRLEN] = "";

	if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0)
		ss.ss_family = AF_INET; /* gone already: sending will say so */
	if (ss.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)); /* cannot fail */
		snprintf(out, size, "[%s]:%u", text, (unsigned)ntohs(v6->sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)); /* as above */
		snprintf(out, size, "%s:%u", text, (unsigned)ntohs(v4->sin_port));
	}
}

static char *
make_request(const struct dial *d)
{
	char host[INET6_ADDRSTRLEN + 16];
	struct str s = {0};

	peer_text(d->fd, host, sizeof(host));
	str_addf(&s,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: brood\r\nConnection: close\r\n\r\n",
	    d->path, host);
	if (!str_failed(&s))
		return s.data;
	str_free(&s);
	return NULL;
}

static void
go_on(struct dial *d)
{
	if (!d->connected) {
		d->connected = true;
		d->request = d->path ? make_request(d) : NULL;
		tell(d, DIAL_CONNECTED, 0);
		if (!d->fn)
			return;
		if (d->path && !d->request) {
			tell(d, DIAL_FAILED, -ENOMEM);
			return;
		}
		/* A program that serves one at a time would wait for what we say, and nobody else be
		 * served until we are gone. With the end at once it is done with us. */
		if (!d->path)
			(void)shutdown(d->fd, SHUT_WR);
		listen_for(d, d->request ? UV_WRITABLE : UV_READABLE);
	} else if (d->request) {
		if (!send_request(d))
			return;
		mem_free(d->request);
		d->request = NULL;
		listen_for(d, UV_READABLE);
	} else {
		read_answer(d);
	}
}

static void
on_ready(uv_poll_t *h, int status, int events)
{
	struct dial *d = h->data;
	int error = status < 0 || !d->connected ? socket_error(d) : 0;

	(void)events;
	if (error != 0)
		tell(d, DIAL_FAILED, error);
	else if (status < 0 && status != UV_EBADF) /* EBADF: libuv's word for an error above */
		tell(d, DIAL_FAILED, status);
	else
		go_on(d);
}

int
dial_open(uv_loop_t *uv, const struct listener *ls, unsigned slot, unsigned seat, const char *path,
    uint64_t timeout_ms, dial_fn fn, void *arg, struct dial **ret)
{
	struct dial *d = mem_calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->fn = fn;
	d->arg = arg;
	d->path = path ? mem_strdup(path) : NULL;
	d->fd = path && !d->path ? -ENOMEM : connect_to(ls, slot, seat);
	r = d->fd < 0 ? d->fd : uv_poll_init(uv, &d->poll, d->fd);
	if (r < 0) {
		if (d->fd >= 0)
			fd_close(&d->fd);
		mem_free(d->path);
		mem_free(d);
		return r;
	}
	(void)uv_timer_init(uv, &d->timer); /* cannot fail */
	d->handles = 2;
	d->poll.data = d->timer.data = d;
	r = uv_poll_start(&d->poll, UV_WRITABLE, on_ready);
	if (r < 0) {
		end(d, false);
		return r;
	}
	if (timeout_ms > 0) {
		uv_update_time(uv); /* timers count from the loop's cached time */
		(void)uv_timer_start(&d->timer, on_late, timeout_ms, 0);
	}
	*ret = d;
	return 0;
}
