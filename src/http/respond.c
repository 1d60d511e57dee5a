/*
 * respond: see respond.h. Heads are put together by hand where they are gathered: it is the one
 * text that each request pays for.
 */
#include "http/respond.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "brood.h"
#include "http/conn.h"
#include "http/request.h"
#include "http/server.h"
#include "http/status.h"
#include "runtime/task.h"

#define EXTRA_MAX   16384
#define EXTRA_FIRST 256
#define TYPE_MAX    1024
/* Status line, Date, Content-Length or Transfer-Encoding, Connection, the names of headers. */
#define HEAD_MAX 512

_Static_assert(HEAD_MAX + TYPE_MAX + EXTRA_MAX <= HTTP_OUT_MAX, "a head fits");

/* How the client sees where the body ends. */
enum framing {
	FRAMED_BY_LENGTH,
	FRAMED_BY_CHUNKS,
	FRAMED_BY_CLOSE,
	FRAMED_NOT, /* there is none */
};

struct head {
	int status;
	const char *type; /* may be NULL */
	enum framing framing;
	size_t len;
	const char *extra;
	size_t extra_len;
	bool is_last, is_http10;
};

/* --- the head -------------------------------------------------------------------------------- */

static char *
put_n(char *p, const char *s, size_t len)
{
	if (len > 0)
		memcpy(p, s, len);
	return p + len;
}

static char *
put(char *p, const char *s)
{
	return put_n(p, s, strlen(s));
}

static char *
put_number(char *p, size_t n, unsigned base)
{
	char digits[24];
	size_t at = sizeof digits;

	do {
		digits[--at] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0);
	return put_n(p, digits + at, sizeof digits - at);
}

static char *
put_framing(char *p, const struct head *h)
{
	if (h->framing == FRAMED_BY_LENGTH) {
		p = put(p, "Content-Length: ");
		p = put_number(p, h->len, 10);
		return put(p, "\r\n");
	}
	return h->framing == FRAMED_BY_CHUNKS ? put(p, "Transfer-Encoding: chunked\r\n") : p;
}

static char *
put_connection(char *p, const struct head *h)
{
	if (h->is_last)
		return put(p, "Connection: close\r\n");
	return h->is_http10 ? put(p, "Connection: keep-alive\r\n") : p;
}

static int
put_head(struct conn *c, const struct head *h)
{
	size_t type_len = h->type != NULL ? strlen(h->type) : 0;
	char *begin = conn_room(c, HEAD_MAX + type_len + h->extra_len), *p = begin;

	if (begin == NULL)
		return -EPIPE;
	p = put(p, "HTTP/1.1 ");
	p = put_number(p, (size_t)h->status, 10);
	p = put(p, " ");
	p = put(p, status_text(h->status));
	p = put(p, "\r\nDate: ");
	p = put_n(p, server_date(c->http), HTTP_DATE_LEN);
	p = put(p, "\r\n");
	if (h->type != NULL) {
		p = put(p, "Content-Type: ");
		p = put_n(p, h->type, type_len);
		p = put(p, "\r\n");
	}
	p = put_framing(p, h);
	p = put_n(p, h->extra, h->extra_len);
	p = put_connection(p, h);
	p = put(p, "\r\n");
	c->http->out_len += (size_t)(p - begin);
	return 0;
}

static int
put_answer_head(
    struct brood_request *r, int status, const char *type, enum framing framing, size_t len)
{
	conn_choose_end(r->conn);
	return put_head(r->conn, &(struct head){
	                             .status = status,
	                             .type = type,
	                             .framing = framing,
	                             .len = len,
	                             .extra = r->extra,
	                             .extra_len = r->extra_len,
	                             .is_last = r->conn->end != END_NOT,
	                             .is_http10 = r->parse.is_http10,
	                         });
}

/* --- the room's own -------------------------------------------------------------------------- */

int
respond_refusal(struct conn *c, int status, bool is_head)
{
	const char *text = status_text(status);
	size_t len = strlen(text);
	int r;

	r = put_head(c, &(struct head){
	                    .status = status,
	                    .type = "text/plain",
	                    .framing = FRAMED_BY_LENGTH,
	                    .len = len + 1,
	                    .is_last = true,
	                });
	if (r < 0 || is_head)
		return r;
	r = conn_write(c, text, len);
	return r < 0 ? r : conn_write(c, "\n", 1);
}

int
respond_continue(struct conn *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	return conn_write(c, line, sizeof line - 1);
}

/* --- headers --------------------------------------------------------------------------------- */

/* Those that say how the connection goes on are ours. */
static bool
is_ours(const char *name)
{
	return strcasecmp(name, "connection") == 0 || strcasecmp(name, "content-length") == 0 ||
	       strcasecmp(name, "date") == 0 || strcasecmp(name, "transfer-encoding") == 0;
}

int
brood_respond_header(struct brood_request *r, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	char *p;

	if (r->has_begun || !parse_is_token(name, name_len) || is_ours(name) ||
	    !parse_is_field_value(value, value_len))
		return -EINVAL;
	if (name_len > EXTRA_MAX || value_len > EXTRA_MAX ||
	    r->extra_len + name_len + value_len + 4 > EXTRA_MAX)
		return -ENOSPC;
	if (!parse_reserve(
	        &r->extra, &r->extra_cap, r->extra_len, name_len + value_len + 4, EXTRA_FIRST))
		return -ENOMEM;
	p = put_n(r->extra + r->extra_len, name, name_len);
	p = put(p, ": ");
	p = put_n(p, value, value_len);
	p = put(p, "\r\n");
	r->extra_len = (size_t)(p - r->extra);
	return 0;
}

/* --- the whole answer ------------------------------------------------------------------------ */

static bool
can_begin(const struct brood_request *r, int status, const char *type)
{
	size_t len = type != NULL ? strlen(type) : 0;

	return !r->has_begun && status_is_final(status) && len <= TYPE_MAX &&
	       (type == NULL || parse_is_field_value(type, len));
}

/* What the handler asked for cannot be said. Its request goes all the same: with a 500, or, where an
 * answer has begun that would have no end, with the connection. */
static int
give_up(struct brood_request *r)
{
	struct conn *c = r->conn;

	if (r->has_begun) {
		conn_close(c);
	} else if (!conn_is_closing(c)) {
		r->extra_len = 0;
		(void)put_answer_head(r, 500, NULL, FRAMED_BY_LENGTH, 0);
	}
	conn_answered(c);
	return -EINVAL;
}

int
brood_respond(struct brood_request *r, int status, const char *type, const void *body, size_t len)
{
	struct conn *c = r->conn;
	bool has_body = status_has_body(status);
	int result;

	if (!can_begin(r, status, type) || (!has_body && len > 0))
		return give_up(r);
	r->has_begun = true;
	result = conn_is_closing(c) ? -EPIPE : 0;
	if (result == 0)
		result =
		    put_answer_head(r, status, type, has_body ? FRAMED_BY_LENGTH : FRAMED_NOT, len);
	if (result == 0 && len > 0 && !r->parse.is_head)
		result = conn_write(c, body, len);
	conn_answered(c);
	return result;
}

/* --- piece by piece -------------------------------------------------------------------------- */

int
brood_respond_begin(
    struct brood_request *r, int status, const char *type, brood_request_fn *on_room, void *arg)
{
	enum framing framing = FRAMED_BY_CHUNKS;
	struct conn *c = r->conn;
	int result;

	if (!can_begin(r, status, type))
		return -EINVAL;
	r->has_begun = true;
	r->may_write = status_has_body(status);
	r->has_body = r->may_write && !r->parse.is_head;
	r->is_chunked = !r->parse.is_http10;
	r->on_room = on_room;
	r->arg = arg;
	if (conn_is_closing(c))
		return -EPIPE;
	if (!r->may_write) {
		framing = FRAMED_NOT;
	} else if (!r->is_chunked) {
		framing = FRAMED_BY_CLOSE;
		c->end = END_LINGER;
	}
	result = put_answer_head(r, status, type, framing, 0);
	return result == 0 ? conn_push(c) : result;
}

/* Nothing else has to be undone: see respond_room(). */
static bool
stop_waiting(struct brood_task *t)
{
	(void)t;
	return true;
}

/* Only a task can wait here; -EAGAIN for all others, and for who wants to be called. */
static int
wait_for_room(struct brood_request *r)
{
	struct brood_task *t;
	int result = r->on_room == NULL ? task_begin_wait(&t) : -EPERM;

	if (result == -EPERM) {
		r->wants_room = true;
		return -EAGAIN;
	}
	if (result < 0)
		return result;
	r->waiting = t;
	result = task_wait(t, stop_waiting);
	r->waiting = NULL;
	return result;
}

void
respond_room(struct brood_request *r)
{
	struct brood_task *t = r->waiting;

	r->waiting = NULL;
	/* Not if it was interrupted meanwhile. */
	if (t != NULL && t->state == TASK_WAITING)
		task_wake(t, 0);
	if (!r->wants_room)
		return;
	r->wants_room = false;
	if (r->on_room != NULL)
		r->on_room(r, r->arg);
}

static int
write_piece(struct brood_request *r, const void *data, size_t len)
{
	char size[24], *p = put(put_number(size, len, 16), "\r\n");
	struct iovec parts[3] = {
	    {.iov_base = size, .iov_len = (size_t)(p - size)},
	    {.iov_base = (void *)data, .iov_len = len},
	    {.iov_base = "\r\n", .iov_len = 2},
	};
	int result;

	if (r->is_chunked)
		result = conn_writev(r->conn, parts, 3);
	else
		result = conn_writev(r->conn, parts + 1, 1);
	return result == 0 ? conn_push(r->conn) : result;
}

int
brood_respond_write(struct brood_request *r, const void *data, size_t len)
{
	struct conn *c = r->conn;

	if (!r->has_begun || (!r->may_write && len > 0))
		return -EINVAL;
	while (!conn_is_closing(c) && conn_is_full(c)) {
		int result = wait_for_room(r);

		if (result < 0)
			return result;
	}
	if (conn_is_closing(c))
		return -EPIPE;
	if (len == 0 || !r->has_body)
		return 0;
	return write_piece(r, data, len);
}

int
brood_respond_end(struct brood_request *r)
{
	struct conn *c = r->conn;
	int result;

	if (!r->has_begun)
		return give_up(r);
	result = conn_is_closing(c) ? -EPIPE : 0;
	if (result == 0 && r->has_body && r->is_chunked)
		result = conn_write(c, "0\r\n\r\n", 5);
	conn_answered(c);
	return result;
}
