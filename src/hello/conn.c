/*
 * conn: see conn.h.
 */
#include "hello/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "hello/answer.h"
#include "hello/http.h"
#include "hello/route.h"
#include "hello/server.h"

#define BLOCKED_MS     30000
#define LINGER_MS      2000
#define FRESH_GRACE_MS 2000 /* it connected to ask something, so it is given longer */
#define GRACE_MAX_MS   5000
#define GRACE_ROUNDS   15 /* round trips: enough for a request lost twice */
#define RECHECK_MS     50

enum conn_state {
	CONN_FRESH,
	CONN_INSIDE,
	CONN_IDLE,
	CONN_WAITING,
	CONN_BLOCKED,
	CONN_LINGERING,
	CONN_CLOSING,
	CONN_STATE_MAX
};

/* The next request is welcome. */
#define READING (1u << CONN_FRESH | 1u << CONN_INSIDE | 1u << CONN_IDLE)
#define ENDING  (1u << CONN_LINGERING | 1u << CONN_CLOSING)

static const unsigned successors[CONN_STATE_MAX] = {
    [CONN_FRESH] = READING | 1u << CONN_WAITING | 1u << CONN_BLOCKED | ENDING,
    [CONN_INSIDE] = READING | 1u << CONN_WAITING | 1u << CONN_BLOCKED | ENDING,
    [CONN_IDLE] = READING | 1u << CONN_WAITING | 1u << CONN_BLOCKED | ENDING,
    [CONN_WAITING] = READING | 1u << CONN_BLOCKED | ENDING,
    [CONN_BLOCKED] = READING | 1u << CONN_WAITING | ENDING,
    [CONN_LINGERING] = 1u << CONN_CLOSING,
};

/* What to do once the answers so far are in the socket. */
enum conn_end {
	END_NOT, /* go on */
	END_CLOSE, /* the peer asked for the end and sends no more */
	END_LINGER, /* we end it, the peer may not know yet */
};

struct conn {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	uv_timer_t timer;
	uv_write_t write;
	struct server *server;
	struct conn *next, **prev_next;
	const char *listener;
	enum conn_state state;
	enum conn_end end;
	int fd;
	unsigned handles_open;
	bool is_tcp;
	bool has_answered; /* in this turn, so that the timer starts afresh */
	bool wants_wait; /* the request that is complete is an /io */
	unsigned wait_ms;
	char *out; /* what the socket did not take; owned */
	char *rest; /* bytes read behind a request that is being answered; owned */
	size_t rest_len;
	struct http http;
};

static void on_timer(uv_timer_t *timer);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void consume(struct conn *c, const char *data, size_t len);

static struct tcp_info
tcp_facts(const struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof info;

	memset(&info, 0, sizeof info);
	if (c->is_tcp)
		(void)getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return info;
}

static uint64_t
drain_grace_ms(const struct conn *c, uint64_t base_ms)
{
	uint64_t rounds = (uint64_t)tcp_facts(c).tcpi_rtt * GRACE_ROUNDS / 1000;

	if (rounds > GRACE_MAX_MS)
		rounds = GRACE_MAX_MS;
	return rounds > base_ms ? rounds : base_ms;
}

static uint64_t
state_timeout_ms(const struct conn *c)
{
	const struct server *s = c->server;
	bool draining = server_is_draining(s);

	switch (c->state) {
	case CONN_FRESH:
		return draining ? drain_grace_ms(c, FRESH_GRACE_MS) : s->header_ms;
	case CONN_INSIDE:
		return s->header_ms;
	case CONN_IDLE:
		return draining ? drain_grace_ms(c, s->idle_ms) : s->keep_alive_ms;
	case CONN_WAITING:
		return c->wait_ms;
	case CONN_BLOCKED:
		return BLOCKED_MS;
	case CONN_LINGERING:
		return LINGER_MS;
	case CONN_CLOSING:
	case CONN_STATE_MAX:
		break;
	}
	return 0;
}

/* The only line that writes the state; reading and the timer follow from it. */
static void
set_state(struct conn *c, enum conn_state to)
{
	bool was_reading = c->state != CONN_WAITING && c->state != CONN_BLOCKED;
	bool is_reading = to != CONN_WAITING && to != CONN_BLOCKED;

	if ((successors[c->state] & 1u << to) == 0)
		abort();
	c->state = to;
	if (to == CONN_CLOSING)
		return;
	if (was_reading && !is_reading)
		(void)uv_read_stop(&c->io.stream);
	else if (!was_reading && is_reading)
		(void)uv_read_start(&c->io.stream, on_alloc, on_read);
	(void)uv_timer_start(&c->timer, on_timer, state_timeout_ms(c), 0);
}

static void
on_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	if (--c->handles_open > 0)
		return;
	server_forget(c->server);
	free(c->out);
	free(c->rest);
	free(c);
}

void
conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	set_state(c, CONN_CLOSING);
	*c->prev_next = c->next;
	if (c->next != NULL)
		c->next->prev_next = c->prev_next;
	uv_close((uv_handle_t *)&c->timer, on_closed);
	uv_close(&c->io.handle, on_closed);
}

struct conn *
conn_next(struct conn *c)
{
	return c->next;
}

static void
linger(struct conn *c)
{
	/* Not a listener but an accepted connection: nobody else holds it. */
	if (shutdown(c->fd, SHUT_WR) < 0)
		conn_close(c);
	else
		set_state(c, CONN_LINGERING);
}

/* The answers so far are in the socket: end the connection, wait for what /io asked, or go on
 * with what has been read already, or with reading. */
static void
settle(struct conn *c)
{
	char *rest = c->rest;
	enum conn_state to = c->state;

	if (c->end != END_NOT) {
		if (c->end == END_CLOSE)
			conn_close(c);
		else
			linger(c);
		return;
	}
	if (c->wants_wait) {
		set_state(c, CONN_WAITING);
		return;
	}
	if (http_is_inside(&c->http))
		to = CONN_INSIDE;
	else if (c->http.complete)
		to = CONN_IDLE;
	/* A request gets its time once, however many reads it comes in. */
	if (to != c->state || c->has_answered)
		set_state(c, to);
	c->has_answered = false;
	if (rest != NULL) {
		c->rest = NULL;
		consume(c, rest, c->rest_len);
		free(rest);
	}
}

static void
on_written(uv_write_t *write, int status)
{
	struct conn *c = write->data;

	free(c->out);
	c->out = NULL;
	if (c->state == CONN_CLOSING)
		return;
	if (status < 0)
		conn_close(c);
	else
		settle(c);
}

/* Writes what the server has gathered for this connection. False when the socket took only a
 * part: then the state is blocked (or closing) and on_written goes on. */
static bool
flush(struct conn *c)
{
	struct server *s = c->server;
	uv_buf_t buf = uv_buf_init(s->out, (unsigned)s->out_len);
	int n = s->out_len > 0 ? uv_try_write(&c->io.stream, &buf, 1) : 0;
	size_t left;

	left = s->out_len - (n > 0 ? (size_t)n : 0);
	s->out_len = 0;
	if (left == 0)
		return true;
	c->out = n >= 0 || n == UV_EAGAIN ? malloc(left) : NULL;
	if (c->out == NULL) {
		conn_close(c);
		return false;
	}
	memcpy(c->out, s->out + (n > 0 ? n : 0), left);
	buf = uv_buf_init(c->out, (unsigned)left);
	c->write.data = c;
	if (uv_write(&c->write, &c->io.stream, &buf, 1, on_written) < 0)
		conn_close(c);
	else
		set_state(c, CONN_BLOCKED);
	return false;
}

/* How the answer that is due now goes out. */
static struct answer_to
answer_to(const struct conn *c)
{
	return (struct answer_to){
	    .server = c->server,
	    .listener = c->listener,
	    .accept = c->http.accept,
	    .is_head = c->http.is_head,
	    .is_http10 = c->http.is_http10,
	    .is_last = c->end != END_NOT,
	};
}

/* Deliberately on the loop: a worker that computes is what others are to be protected from. */
static void
burn_cpu(uv_loop_t *loop, unsigned ms)
{
	uint64_t end = uv_hrtime() + ms * UINT64_C(1000000);
	volatile unsigned sink = 0;

	while (uv_hrtime() < end) {
		for (unsigned i = 0; i < 1000; i++)
			sink = sink + i;
	}
	uv_update_time(loop);
}

/* Decides how the connection goes on after the request that is complete. has_more: bytes of a
 * further request were read already; it shall have its answer too, so it will be the last. */
static void
choose_end(struct conn *c, bool has_more)
{
	if (!c->http.keep_alive)
		c->end = END_CLOSE;
	else if (server_is_draining(c->server) && !has_more)
		c->end = END_LINGER;
}

static void
answer_route(struct conn *c, struct route r)
{
	switch (r.kind) {
	case ROUTE_FACTS:
		answer_facts(answer_to(c));
		return;
	case ROUTE_HEALTH:
		answer_text(answer_to(c), "ok\n");
		return;
	case ROUTE_CPU:
		burn_cpu(c->server->loop, r.ms);
		answer_time(answer_to(c), "computed", r.ms);
		return;
	case ROUTE_CRASH:
		abort();
	case ROUTE_BAD:
		answer_error(answer_to(c), 400);
		return;
	case ROUTE_UNKNOWN:
		answer_error(answer_to(c), 404);
		return;
	case ROUTE_IO:
	case ROUTE_MAX:
		break;
	}
}

static void
answer_request(struct conn *c, bool has_more)
{
	struct route r = route_find(c->http.target);

	c->server->requests++;
	c->has_answered = true;
	if (c->http.is_allowed && r.kind == ROUTE_IO) {
		c->wants_wait = true;
		c->wait_ms = r.ms;
		return;
	}
	choose_end(c, has_more);
	if (c->http.is_allowed)
		answer_route(c, r);
	else
		answer_error(answer_to(c), 405);
}

/* Keeps what was read behind a request that cannot be answered at once. */
static void
keep_rest(struct conn *c, const char *data, size_t len)
{
	c->rest_len = len;
	c->rest = len > 0 ? malloc(len) : NULL;
	if (c->rest == NULL && len > 0)
		conn_close(c);
	else if (len > 0)
		memcpy(c->rest, data, len);
}

static void
refuse(struct conn *c, int status)
{
	c->end = END_LINGER;
	c->http.is_head = false;
	answer_error(answer_to(c), status);
}

/* Answers each request that these bytes complete, until one has to wait. */
static void
consume(struct conn *c, const char *data, size_t len)
{
	size_t used;

	while (len > 0 && c->end == END_NOT && !c->wants_wait) {
		enum http_event event = http_feed(&c->http, data, len, &used);

		data += used;
		len -= used;
		if (event == HTTP_MORE)
			break;
		if (event == HTTP_BAD)
			refuse(c, c->http.status);
		else
			answer_request(c, len > 0);
		if (c->server->out_len > SERVER_OUT_MAX - ANSWER_MAX && !flush(c))
			break;
	}
	if (c->state == CONN_CLOSING)
		return;
	if (c->end == END_NOT)
		keep_rest(c, data, len);
	if (c->state != CONN_CLOSING && c->state != CONN_BLOCKED && flush(c))
		settle(c);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->server->in, SERVER_IN_MAX);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	if (n < 0)
		conn_close(c);
	else if (n > 0 && c->state != CONN_LINGERING)
		consume(c, buf->base, (size_t)n);
}

/* Nothing has come in that we have not read, and the peer has all that we sent. */
static bool
is_quiet(const struct conn *c)
{
	char byte;

	if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return false;
	return !server_is_draining(c->server) || tcp_facts(c).tcpi_unacked == 0;
}

static void
finish_wait(struct conn *c)
{
	c->wants_wait = false;
	choose_end(c, c->rest != NULL);
	answer_time(answer_to(c), "waited", c->wait_ms);
	if (flush(c))
		settle(c);
}

static void
on_timer(uv_timer_t *timer)
{
	struct conn *c = timer->data;

	switch (c->state) {
	case CONN_FRESH:
	case CONN_IDLE:
		if (is_quiet(c))
			conn_close(c);
		else
			(void)uv_timer_start(timer, on_timer, RECHECK_MS, 0);
		return;
	case CONN_INSIDE:
		refuse(c, 408);
		if (flush(c))
			settle(c);
		return;
	case CONN_WAITING:
		finish_wait(c);
		return;
	case CONN_BLOCKED:
	case CONN_LINGERING:
		conn_close(c);
		return;
	case CONN_CLOSING:
	case CONN_STATE_MAX:
		return;
	}
}

void
conn_drain(struct conn *c)
{
	if (c->state == CONN_FRESH || c->state == CONN_IDLE)
		(void)uv_timer_start(&c->timer, on_timer, state_timeout_ms(c), 0);
}

static int
open_stream(struct conn *c, bool is_unix)
{
	int r;

	if (is_unix) {
		(void)uv_pipe_init(c->server->loop, &c->io.pipe, 0);
		r = uv_pipe_open(&c->io.pipe, c->fd);
	} else {
		(void)uv_tcp_init(c->server->loop, &c->io.tcp);
		r = uv_tcp_open(&c->io.tcp, c->fd);
		if (r == 0)
			(void)uv_tcp_nodelay(&c->io.tcp, 1);
	}
	/* libuv closes only what it has taken over. */
	if (r < 0)
		close(c->fd);
	return r;
}

int
conn_open(struct server *s, int fd, bool is_unix, const char *listener_name)
{
	struct conn *c = calloc(1, sizeof *c);
	int r;

	if (c == NULL) {
		close(fd);
		return -ENOMEM;
	}
	c->server = s;
	c->fd = fd;
	c->is_tcp = !is_unix;
	c->listener = listener_name;
	c->handles_open = 2;
	http_init(&c->http);
	c->next = s->conns;
	c->prev_next = &s->conns;
	if (c->next != NULL)
		c->next->prev_next = &c->next;
	s->conns = c;
	s->n_conns++;
	(void)uv_timer_init(s->loop, &c->timer);
	r = open_stream(c, is_unix);
	c->io.handle.data = c->timer.data = c;
	if (r == 0)
		r = uv_read_start(&c->io.stream, on_alloc, on_read);
	if (r == 0)
		r = uv_timer_start(&c->timer, on_timer, state_timeout_ms(c), 0);
	if (r < 0)
		conn_close(c);
	return r;
}
