/*
 * conn: see conn.h. The descriptor is polled and read and written by hand: one read, one write a
 * turn, out of and into buffers that all share. While a request is busy the poll is left as it is,
 * since most are answered before anything more comes in; only when something does, it is parked.
 */
#include "http/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/out.h"
#include "http/request.h"
#include "http/respond.h"
#include "http/server.h"

#define BLOCKED_MS     30000
#define LINGER_MS      2000
#define FRESH_GRACE_MS 2000 /* it connected to ask something, so it is given longer */
#define GRACE_MAX_MS   5000
#define GRACE_ROUNDS   15 /* round trips: enough for a request lost twice */
#define RECHECK_MS     50

/* The next request is welcome. */
#define READING (1u << CONN_FRESH | 1u << CONN_INSIDE | 1u << CONN_IDLE)
#define ANSWERS (1u << CONN_BUSY | 1u << CONN_BLOCKED)
#define ENDING  (1u << CONN_LINGERING | 1u << CONN_CLOSING)

static const unsigned successors[CONN_STATE_MAX] = {
    [CONN_FRESH] = READING | ANSWERS | ENDING,
    [CONN_INSIDE] = READING | ANSWERS | ENDING,
    [CONN_IDLE] = READING | ANSWERS | ENDING,
    [CONN_BUSY] = READING | ANSWERS | ENDING,
    [CONN_BLOCKED] = READING | ANSWERS | ENDING,
    [CONN_LINGERING] = 1u << CONN_CLOSING,
};

/* Bytes that were read and wait for their turn; in the server's list while that may come. */
struct rest {
	struct rest *next, **prev_next;
	struct conn *conn;
	size_t at, len;
	char data[];
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void consume(struct conn *c, const char *data, size_t len, struct rest *from);

/* --- time ------------------------------------------------------------------------------------ */

static struct tcp_info
tcp_facts(const struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof info;

	/* Other kinds of sockets refuse to tell. */
	memset(&info, 0, sizeof info);
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
	const struct brood_http_options *o = &c->http->options;
	bool draining = c->http->is_draining;

	switch ((enum conn_state)c->state) {
	case CONN_FRESH:
		return draining ? drain_grace_ms(c, FRESH_GRACE_MS) : o->header_ms;
	case CONN_INSIDE:
		return o->header_ms;
	case CONN_IDLE:
		return draining ? drain_grace_ms(c, o->drain_idle_ms) : o->idle_ms;
	case CONN_BUSY:
		return c->out != NULL ? BLOCKED_MS : WHEEL_NEVER;
	case CONN_BLOCKED:
		return BLOCKED_MS;
	case CONN_LINGERING:
		return LINGER_MS;
	case CONN_CLOSING:
	case CONN_STATE_MAX:
		break;
	}
	return WHEEL_NEVER;
}

static void
set_due(struct conn *c, uint64_t ms)
{
	uint64_t now_ms = brood_now(c->http->loop);

	wheel_set(&c->http->wheel, &c->node, ms == WHEEL_NEVER ? WHEEL_NEVER : now_ms + ms);
}

/* The only line that writes the state; its time begins anew. */
static void
set_state(struct conn *c, enum conn_state to)
{
	if ((successors[c->state] & 1u << to) == 0)
		abort();
	c->state = (uint8_t)to;
	c->is_late = false;
	if (to != CONN_CLOSING)
		set_due(c, state_timeout_ms(c));
}

/* What is polled for follows from the state. */
static void
set_poll(struct conn *c)
{
	int mask = c->mask;

	if (c->out != NULL)
		mask = UV_WRITABLE;
	else if (c->state == CONN_BUSY)
		mask = c->is_parked ? 0 : mask & UV_READABLE;
	else
		mask = UV_READABLE;
	if (mask == c->mask)
		return;
	c->mask = (uint8_t)mask;
	if (mask == 0)
		(void)uv_poll_stop(&c->poll);
	else
		(void)uv_poll_start(&c->poll, mask, on_poll);
}

/* --- the end --------------------------------------------------------------------------------- */

static void
unpin(struct conn *c)
{
	struct brood_http *http = c->http;

	if (--c->pins > 0)
		return;
	mem_free(c);
	server_unpin(http);
}

static void
on_closed(uv_handle_t *handle)
{
	unpin(handle->data);
}

static void
unlink_rest(struct rest *rest)
{
	if (rest->prev_next == NULL)
		return;
	*rest->prev_next = rest->next;
	if (rest->next != NULL)
		rest->next->prev_next = rest->prev_next;
	rest->prev_next = NULL;
}

static void
drop_what_it_holds(struct conn *c)
{
	struct brood_http *http = c->http;

	if (http->gatherer == c) {
		http->gatherer = NULL;
		http->out_len = 0;
	}
	if (c->rest != NULL)
		unlink_rest(c->rest);
	mem_free(c->rest);
	mem_free(c->out);
	c->rest = NULL;
	c->out = NULL;
	if (c->request != NULL && !c->request->is_handed) {
		request_put(c->request);
		c->request = NULL;
	}
}

void
conn_close(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	set_state(c, CONN_CLOSING);
	wheel_remove(&c->node);
	*c->prev_next = c->next;
	if (c->next != NULL)
		c->next->prev_next = c->prev_next;
	drop_what_it_holds(c);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	(void)close(c->fd);
	c->fd = -1;
	/* Who waits for room learns that there will be none; last, since it may free the request. */
	server_forget(c->http);
	if (c->request != NULL)
		respond_room(c->request);
}

static void
linger(struct conn *c)
{
	/* Not a listener but an accepted connection: nobody else holds it. */
	if (shutdown(c->fd, SHUT_WR) < 0) {
		conn_close(c);
		return;
	}
	set_state(c, CONN_LINGERING);
	set_poll(c);
}

/* --- going on -------------------------------------------------------------------------------- */

static bool
is_busy(const struct conn *c)
{
	return c->request != NULL && c->request->is_handed;
}

static void
queue_rest(struct conn *c)
{
	struct brood_http *http = c->http;
	struct rest *rest = c->rest;

	if (rest->prev_next != NULL)
		return;
	if (http->rests == NULL)
		(void)uv_idle_start(&http->resume, http->resume.idle_cb);
	rest->next = http->rests;
	rest->prev_next = &http->rests;
	if (rest->next != NULL)
		rest->next->prev_next = &rest->next;
	http->rests = rest;
}

static enum conn_state
state_now(const struct conn *c)
{
	if (is_busy(c))
		return CONN_BUSY;
	if (c->out != NULL)
		return CONN_BLOCKED;
	if (c->request != NULL && parse_is_inside(&c->request->parse))
		return CONN_INSIDE;
	return c->was_asked ? CONN_IDLE : CONN_FRESH;
}

/* What could be written is: end the connection, or go on with the handler, with what has been read
 * already, or with reading. A request gets its time once, however many reads it comes in. */
static void
settle(struct conn *c)
{
	enum conn_state to = state_now(c);

	if (c->state >= CONN_LINGERING)
		return;
	if (c->end != END_NOT && to != CONN_BUSY && to != CONN_BLOCKED) {
		if (c->end == END_CLOSE)
			conn_close(c);
		else
			linger(c);
		return;
	}
	if (to != c->state || c->has_answered || c->out != NULL)
		set_state(c, to);
	c->has_answered = false;
	if (c->rest != NULL && to != CONN_BUSY && to != CONN_BLOCKED)
		queue_rest(c);
	set_poll(c);
}

/* --- writing --------------------------------------------------------------------------------- */

static int
fail(struct conn *c, int error)
{
	conn_close(c);
	return error;
}

static ssize_t
send_all(int fd, struct iovec *all, int n)
{
	struct msghdr m = {.msg_iov = all, .msg_iovlen = (size_t)n};
	ssize_t sent;

	do {
		sent = n == 1 ? send(fd, all->iov_base, all->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
		              : sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent;
}

/* Writes what is gathered, then parts. */
static int
send_parts(struct conn *c, struct iovec *parts, int n)
{
	struct brood_http *http = c->http;
	struct iovec all[4] = {{.iov_base = http->out, .iov_len = http->out_len}};
	ssize_t sent = 0;

	if (n > 0)
		memcpy(all + 1, parts, (size_t)n * sizeof *parts);
	http->out_len = 0;
	http->gatherer = NULL;
	if (c->out == NULL) {
		sent = send_all(c->fd, all, n + 1);
		if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
			return fail(c, -EPIPE);
	}
	if (!out_keep(&c->out, all, n + 1, sent > 0 ? (size_t)sent : 0))
		return fail(c, -ENOMEM);
	return 0;
}

static int
flush(struct conn *c)
{
	if (c->http->gatherer != c || c->http->out_len == 0)
		return c->state == CONN_CLOSING ? -EPIPE : 0;
	return send_parts(c, NULL, 0);
}

/* From here on it is this connection's bytes that are gathered. */
static int
gather(struct conn *c)
{
	struct brood_http *http = c->http;

	if (c->state == CONN_CLOSING)
		return -EPIPE;
	if (http->gatherer != NULL && http->gatherer != c)
		(void)flush(http->gatherer);
	http->gatherer = c;
	return 0;
}

int
conn_writev(struct conn *c, struct iovec *parts, int n)
{
	struct brood_http *http = c->http;
	size_t len = 0;
	int r = gather(c);

	if (r < 0)
		return r;
	for (int i = 0; i < n; i++)
		len += parts[i].iov_len;
	if (len > HTTP_OUT_MAX - http->out_len)
		return send_parts(c, parts, n);
	for (int i = 0; i < n; i++) {
		memcpy(http->out + http->out_len, parts[i].iov_base, parts[i].iov_len);
		http->out_len += parts[i].iov_len;
	}
	return 0;
}

int
conn_write(struct conn *c, const void *data, size_t len)
{
	struct iovec part = {.iov_base = (void *)data, .iov_len = len};

	return conn_writev(c, &part, 1);
}

char *
conn_room(struct conn *c, size_t len)
{
	struct brood_http *http = c->http;

	if (gather(c) < 0)
		return NULL;
	if (len > HTTP_OUT_MAX - http->out_len) {
		if (flush(c) < 0)
			return NULL;
		http->gatherer = c;
	}
	return http->out + http->out_len;
}

bool
conn_is_full(const struct conn *c)
{
	return c->out != NULL;
}

int
conn_push(struct conn *c)
{
	int r;

	if (c->is_consuming)
		return c->state == CONN_CLOSING ? -EPIPE : 0;
	r = flush(c);
	if (r == 0)
		settle(c);
	return r;
}

/* The socket has room again. A handler that was refused may go on. */
static void
write_rest(struct conn *c)
{
	ssize_t n;

	do {
		n = out_send(c->out, c->fd);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		conn_close(c);
		return;
	}
	if (out_is_empty(c->out)) {
		mem_free(c->out);
		c->out = NULL;
	}
	if (c->out != NULL && n <= 0)
		return;
	settle(c);
	if (c->state == CONN_BUSY && c->out == NULL)
		respond_room(c->request);
}

/* --- answers --------------------------------------------------------------------------------- */

bool
conn_is_closing(const struct conn *c)
{
	return c->state == CONN_CLOSING;
}

static bool
has_unread(const struct conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Bytes of a further request are there: it shall have its answer too. */
static bool
has_more(const struct conn *c)
{
	if (c->is_consuming)
		return c->has_more;
	return c->rest != NULL || has_unread(c);
}

void
conn_choose_end(struct conn *c)
{
	if (c->end != END_NOT)
		return;
	if (!c->request->parse.keep_alive)
		c->end = has_more(c) ? END_LINGER : END_CLOSE;
	else if (c->http->is_draining && !has_more(c))
		c->end = END_LINGER;
}

/* Asked of the kernel, since nothing is polled for while the handler works. */
bool
conn_is_gone(struct conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

	if (c->state != CONN_CLOSING && !c->has_ended)
		c->has_ended = poll(&p, 1, 0) > 0;
	return c->state == CONN_CLOSING || c->has_ended;
}

void
conn_answered(struct conn *c)
{
	struct brood_http *http = c->http;
	bool is_open = c->state != CONN_CLOSING;

	request_put(c->request);
	c->request = NULL;
	c->has_answered = true;
	c->is_parked = false;
	if (is_open && http->options.on_served != NULL)
		http->options.on_served(1, http->options.data);
	if (is_open && !c->is_consuming && flush(c) == 0)
		settle(c);
	unpin(c);
}

static void
refuse(struct conn *c, int status)
{
	bool is_head = c->request != NULL && parse_asks_head(&c->request->parse);

	c->end = END_LINGER;
	if (c->request != NULL)
		request_put(c->request);
	c->request = NULL;
	(void)respond_refusal(c, status, is_head);
}

/* --- requests -------------------------------------------------------------------------------- */

static int
run_in_task(void *arg)
{
	struct brood_request *r = arg;
	const struct brood_http_options *o = &r->http->options;

	o->on_request(r, o->data);
	return 0;
}

static void
hand_out(struct conn *c)
{
	struct brood_request *r = c->request;
	const struct brood_http_options *o = &c->http->options;
	struct brood_task *task;

	c->was_asked = true;
	c->pins++;
	r->conn = c;
	r->is_handed = true;
	if (!o->in_tasks) {
		o->on_request(r, o->data);
		return;
	}
	task = brood_go(c->http->loop, 0, run_in_task, r);
	if (task != NULL) {
		brood_detach(task);
		return;
	}
	r->is_handed = false;
	c->pins--;
	refuse(c, 503);
}

/* Keeps what was read behind a request that cannot be answered at once: in from where it comes out
 * of one. */
static void
keep_rest(struct conn *c, const char *data, size_t len, struct rest *from)
{
	struct rest *rest = from;

	if (rest == NULL) {
		rest = mem_alloc(sizeof *rest + len);
		if (rest == NULL) {
			conn_close(c);
			return;
		}
		rest->prev_next = NULL;
		rest->conn = c;
		rest->at = 0;
		rest->len = len;
		memcpy(rest->data, data, len);
	} else {
		rest->at = (size_t)(data - rest->data);
	}
	c->rest = rest;
}

static void
take_bytes(struct conn *c, const char **data, size_t *len)
{
	enum parse_event event;
	size_t used;

	if (c->request == NULL)
		c->request = request_take(c->http);
	if (c->request == NULL) {
		refuse(c, 503);
		return;
	}
	event = parse_feed(&c->request->parse, *data, *len, &used);
	*data += used;
	*len -= used;
	c->has_more = *len > 0;
	if (event == PARSE_COMPLETE) {
		hand_out(c);
	} else if (event == PARSE_BAD) {
		refuse(c, c->request->parse.status);
	} else if (c->request->parse.wants_continue) {
		c->request->parse.wants_continue = false;
		(void)respond_continue(c);
	} else if (!c->request->parse.begun) {
		/* Line ends between requests: idle it shall cost nothing. */
		request_put(c->request);
		c->request = NULL;
	}
}

/* Hands out each request that these bytes complete, until one has to wait. from: what data is in,
 * or NULL; it is freed, or kept again. */
static void
consume(struct conn *c, const char *data, size_t len, struct rest *from)
{
	c->is_consuming = true;
	while (len > 0 && c->state != CONN_CLOSING && c->end == END_NOT && !is_busy(c) &&
	       c->out == NULL)
		take_bytes(c, &data, &len);
	c->is_consuming = false;
	if (c->state != CONN_CLOSING && len > 0 && c->end == END_NOT)
		keep_rest(c, data, len, from);
	if (c->rest != from || from == NULL)
		mem_free(from);
	if (c->state != CONN_CLOSING && flush(c) == 0)
		settle(c);
}

static void
consume_rest(struct conn *c)
{
	struct rest *rest = c->rest;

	unlink_rest(rest);
	c->rest = NULL;
	consume(c, rest->data + rest->at, rest->len - rest->at, rest);
}

void
conn_resume(struct brood_http *http)
{
	struct rest *todo = http->rests;

	/* Those that come in meanwhile are for the next turn. */
	http->rests = NULL;
	if (todo != NULL)
		todo->prev_next = &todo;
	while (todo != NULL)
		consume_rest(todo->conn);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Something came while the handler works: not our matter yet, but for the end of all. */
static void
look_while_busy(struct conn *c)
{
	struct pollfd p = {.fd = c->fd};
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && poll(&p, 1, 0) > 0)) {
		conn_close(c);
		return;
	}
	c->has_ended = n == 0;
	c->is_parked = true;
	set_poll(c);
}

static void
read_some(struct conn *c)
{
	struct brood_http *http = c->http;
	ssize_t n;

	if (http->is_reading)
		return; /* served from within a handler: the loop comes back to it */
	n = recv(c->fd, http->in, HTTP_IN_MAX, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
	} else if (c->state != CONN_LINGERING) {
		http->is_reading = true;
		consume(c, http->in, (size_t)n, NULL);
		http->is_reading = false;
	}
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;
	struct brood_loop *loop = c->http->loop;

	brood_enter(loop);
	if (status < 0)
		conn_close(c);
	else if (c->out != NULL)
		write_rest(c);
	else if ((events & UV_READABLE) == 0)
		set_poll(c);
	else if (c->state == CONN_BUSY)
		look_while_busy(c);
	else if (c->rest != NULL)
		consume_rest(c);
	else
		read_some(c);
	brood_leave(loop);
}

/* --- deadlines ------------------------------------------------------------------------------- */

/* Nothing has come in that we have not read, and the peer has all that we sent. */
static bool
is_quiet(const struct conn *c)
{
	if (c->rest != NULL || has_unread(c))
		return false;
	return !c->http->is_draining || tcp_facts(c).tcpi_unacked == 0;
}

/* The loop may have been held up itself, and timers come first in a turn: what has come meanwhile
 * is looked at before a peer is called slow. */
static bool
is_given_a_turn(struct conn *c)
{
	if (c->is_late)
		return false;
	c->is_late = true;
	set_due(c, RECHECK_MS);
	return true;
}

static void
end_late(struct conn *c)
{
	if (c->state != CONN_INSIDE) {
		conn_close(c);
		return;
	}
	refuse(c, 408);
	if (c->state != CONN_CLOSING && flush(c) == 0)
		settle(c);
}

void
conn_on_due(struct wheel_node *node)
{
	struct conn *c = (struct conn *)((char *)node - offsetof(struct conn, node));

	switch ((enum conn_state)c->state) {
	case CONN_FRESH:
	case CONN_IDLE:
		if (is_quiet(c))
			conn_close(c);
		else
			set_due(c, RECHECK_MS);
		return;
	case CONN_BUSY:
		if (c->out == NULL)
			return;
		/* fall through */
	case CONN_INSIDE:
	case CONN_BLOCKED:
	case CONN_LINGERING:
		if (!is_given_a_turn(c))
			end_late(c);
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
		set_due(c, state_timeout_ms(c));
}

/* --- the beginning --------------------------------------------------------------------------- */

int
conn_open(struct brood_http *http, int fd)
{
	struct conn *c = mem_calloc(1, sizeof *c);
	int r = c != NULL ? uv_poll_init(brood_uv(http->loop), &c->poll, fd) : -ENOMEM;
	int on = 1;

	if (r < 0) {
		mem_free(c);
		(void)close(fd);
		return r;
	}
	c->poll.data = c;
	c->http = http;
	c->fd = fd;
	c->pins = 1;
	/* Answers leave whole; of another kind of socket it is refused. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	server_add(http, c);
	set_due(c, state_timeout_ms(c));
	set_poll(c);
	/* Often the request is there already. */
	read_some(c);
	return 0;
}
