/*
 * httpbed: see httpbed.h.
 */
#include "httpbed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static void
must(bool right, const char *what)
{
	if (!right) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

/* --- the handler ----------------------------------------------------------------------------- */

static size_t
number_in(const struct brood_request *r)
{
	const char *at = strchr(brood_request_target(r), '?');

	return at != NULL ? strtoul(at + 1, NULL, 10) : 0;
}

static bool
path_is(const struct brood_request *r, const char *path)
{
	const char *target = brood_request_target(r);
	size_t len = strcspn(target, "?");

	return strlen(path) == len && memcmp(target, path, len) == 0;
}

static int
answer_echo(struct brood_request *r)
{
	size_t body_len, n;
	const char *body = brood_request_body(r, &body_len);
	const char *method = brood_request_method(r), *target = brood_request_target(r);
	char *all = malloc(strlen(method) + strlen(target) + body_len + 3);
	int result;

	must(all != NULL, "memory of the test's own");
	n = (size_t)sprintf(all, "%s %s ", method, target);
	memcpy(all + n, body, body_len);
	result = brood_respond(r, 200, "text/plain", all, n + body_len);
	free(all);
	return result;
}

static void
on_timer(struct brood_loop *loop, void *arg)
{
	(void)loop;
	(void)brood_respond(arg, 200, "text/plain", "late\n", 5);
}

static void
answer_by_timer(struct brood_request *r)
{
	if (brood_set_timeout(brood_request_loop(r), 5, on_timer, r) == 0)
		(void)brood_respond(r, 503, NULL, NULL, 0);
}

static int
answer_stream(struct brood_request *r)
{
	char piece[32];

	if (brood_respond_begin(r, 200, "text/plain", NULL, NULL) == -EINVAL)
		abort();
	for (size_t i = 0; i < number_in(r); i++) {
		int n = sprintf(piece, "piece %zu\n", i);

		if (brood_respond_write(r, piece, (size_t)n) < 0)
			break;
	}
	return brood_respond_end(r);
}

struct flood {
	struct bed *bed;
	size_t left;
};

static void
flood_on(struct brood_request *r, void *arg)
{
	static char piece[FLOOD_PIECE];
	struct flood *f = arg;
	int result = 0;

	memset(piece, 'f', sizeof piece);
	while (f->left > 0 && result == 0) {
		size_t len = f->left < sizeof piece ? f->left : sizeof piece;

		result = brood_respond_write(r, piece, len);
		if (result == 0)
			f->left -= len;
	}
	if (result == -EAGAIN) {
		f->bed->n_refused++;
		return;
	}
	f->bed->last_result = brood_respond_end(r);
	free(f);
}

static void
answer_flood(struct bed *b, struct brood_request *r)
{
	struct flood *f = malloc(sizeof *f);

	must(f != NULL, "memory of the test's own");
	*f = (struct flood){b, number_in(r)};
	(void)brood_respond_begin(r, 200, NULL, flood_on, f);
	flood_on(r, f);
}

static int
answer_big(struct brood_request *r)
{
	size_t len = number_in(r);
	char *body = malloc(len + 1);
	int result;

	must(body != NULL, "memory of the test's own");
	memset(body, 'b', len);
	result = brood_respond(r, 200, NULL, body, len);
	free(body);
	return result;
}

static void
on_request(struct brood_request *r, void *data)
{
	struct bed *b = data;

	b->n_handled++;
	if (path_is(r, "/hello"))
		b->last_result = brood_respond(r, 200, "text/plain", "hello\n", 6);
	else if (path_is(r, "/echo"))
		b->last_result = answer_echo(r);
	else if (path_is(r, "/status"))
		b->last_result = brood_respond(r, (int)number_in(r), NULL, NULL, 0);
	else if (path_is(r, "/later") && b->later == NULL)
		b->later = r;
	else if (path_is(r, "/timer"))
		answer_by_timer(r);
	else if (path_is(r, "/stream"))
		b->last_result = answer_stream(r);
	else if (path_is(r, "/flood"))
		answer_flood(b, r);
	else if (path_is(r, "/big"))
		b->last_result = answer_big(r);
	else
		b->last_result = brood_respond(r, 404, "text/plain", "none\n", 5);
}

void
bed_answer_later(struct bed *b)
{
	struct brood_request *r = b->later;

	b->later = NULL;
	brood_enter(b->loop);
	b->last_result = brood_respond(r, 200, "text/plain", "later\n", 6);
	brood_leave(b->loop);
}

/* --- the server ------------------------------------------------------------------------------ */

static void
on_served(int n, void *data)
{
	((struct bed *)data)->n_served += (unsigned)n;
}

static void
on_closed(int n, void *data)
{
	((struct bed *)data)->n_closed += (unsigned)n;
}

static void
on_drained(void *data)
{
	((struct bed *)data)->n_drained++;
}

void
bed_open(struct bed *b, const struct brood_http_options *o)
{
	struct brood_http_options options = o != NULL ? *o : (struct brood_http_options){0};

	memset(b, 0, sizeof *b);
	if (options.on_request == NULL)
		options.on_request = on_request;
	options.on_served = on_served;
	options.on_closed = on_closed;
	options.on_drained = on_drained;
	options.data = b;
	b->loop = brood_loop_new();
	must(b->loop != NULL, "a loop");
	b->http = brood_http_new(b->loop, &options);
	must(b->http != NULL, "a server");
}

void
bed_close(struct bed *b)
{
	brood_http_free(b->http);
	if (b->later != NULL)
		bed_answer_later(b);
	brood_loop_free(b->loop);
}

int
bed_connect(struct bed *b)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0,
	    "a pair of sockets");
	brood_enter(b->loop);
	(void)brood_http_serve(b->http, fds[0]);
	brood_leave(b->loop);
	return fds[1];
}

void
bed_turn(struct bed *b)
{
	uv_loop_t *uv = brood_uv(b->loop);
	struct pollfd p = {.fd = uv_backend_fd(uv), .events = POLLIN};

	(void)poll(&p, 1, uv_backend_timeout(uv) == 0 ? 0 : 1);
	(void)uv_run(uv, UV_RUN_NOWAIT);
}

double
bed_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool
bed_hope(double end, const char *what)
{
	if (bed_seconds() > end) {
		fprintf(stderr, "did not come: %s\n", what);
		abort();
	}
	return true;
}

/* --- the client ------------------------------------------------------------------------------ */

void
bed_send(struct bed *b, int fd, const char *data, size_t len)
{
	double end = bed_seconds() + BED_PATIENCE_S;

	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return; /* the server has had enough */
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		if (n < 0)
			bed_turn(b);
		(void)bed_hope(end, "the server reads");
	}
}

void
bed_say(struct bed *b, int fd, const char *text)
{
	bed_send(b, fd, text, strlen(text));
}

void
bed_read(int fd, struct text *t)
{
	char buf[16384];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
		if (t->len + (size_t)n + 1 > t->cap) {
			t->cap = 2 * (t->len + sizeof buf);
			t->data = realloc(t->data, t->cap);
			must(t->data != NULL, "memory of the test's own");
		}
		memcpy(t->data + t->len, buf, (size_t)n);
		t->len += (size_t)n;
		t->data[t->len] = '\0';
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		t->ended = true;
	if (n < 0 && errno == ECONNRESET)
		t->broken = true;
}

void
bed_read_to_end(struct bed *b, int fd, struct text *t)
{
	BED_UNTIL(b, (bed_read(fd, t), t->ended));
}

void
text_free(struct text *t)
{
	free(t->data);
	memset(t, 0, sizeof *t);
}

/* --- answers --------------------------------------------------------------------------------- */

bool
answer_has(const struct answer *a, const char *line)
{
	char wanted[512];

	snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
	return memmem(a->head, a->head_len, wanted, strlen(wanted)) != NULL;
}

static bool
take_chunks(const struct text *t, size_t at, struct answer *a, size_t *ret_end)
{
	for (;;) {
		char *end;
		size_t len;

		if (at >= t->len || memmem(t->data + at, t->len - at, "\r\n", 2) == NULL)
			return false;
		len = strtoul(t->data + at, &end, 16);
		must(end > t->data + at && memcmp(end, "\r\n", 2) == 0, "a chunk's size");
		at = (size_t)(end - t->data) + 2;
		if (t->len - at < len + 2)
			return false;
		must(memcmp(t->data + at + len, "\r\n", 2) == 0, "a chunk's end");
		memcpy(a->body + a->body_len, t->data + at, len);
		a->body_len += len;
		at += len + 2;
		*ret_end = at;
		if (len == 0)
			return true;
	}
}

static bool
take_body(const struct text *t, size_t at, struct answer *a, size_t *ret_end)
{
	static const char length[] = "\r\nContent-Length: ";
	const char *found = memmem(a->head, a->head_len, length, sizeof length - 1);

	a->body = malloc(t->len - at + 1);
	must(a->body != NULL, "memory of the test's own");
	if (answer_has(a, "Transfer-Encoding: chunked"))
		return take_chunks(t, at, a, ret_end);
	a->body_len = t->len - at;
	if (found != NULL)
		a->body_len = strtoul(found + sizeof length - 1, NULL, 10);
	else if (!t->ended)
		return false;
	if (a->body_len > t->len - at)
		return false;
	memcpy(a->body, t->data + at, a->body_len);
	*ret_end = at + a->body_len;
	return true;
}

bool
answer_take(const struct text *t, size_t *at, bool is_head, struct answer *ret)
{
	const char *begin = t->data + *at, *end;
	struct answer a = {.head = begin};
	bool has_body;

	if (t->len == *at)
		return false;
	end = memmem(begin, t->len - *at, "\r\n\r\n", 4);
	if (end == NULL)
		return false;
	must(memcmp(begin, "HTTP/1.1 ", 9) == 0, "a status line");
	a.head_len = (size_t)(end - begin) + 2;
	a.status = atoi(begin + 9);
	a.closes = answer_has(&a, "Connection: close");
	has_body = !is_head && a.status != 204 && a.status != 304 && a.status >= 200;
	*ret = a;
	if (has_body && !take_body(t, *at + a.head_len + 2, ret, at)) {
		free(ret->body);
		return false;
	}
	if (!has_body)
		*at += a.head_len + 2;
	return true;
}

void
answers_list(const struct text *t, unsigned heads, char *buf, size_t size)
{
	struct answer a;
	size_t at = 0, n = 0;
	unsigned i = 0;

	buf[0] = '\0';
	while (n + 8 < size && answer_take(t, &at, heads >> i & 1, &a)) {
		n += (size_t)snprintf(buf + n, size - n, "%d ", a.status);
		i += a.status >= 200 && i < 31;
		free(a.body);
	}
	if (at < t->len)
		(void)snprintf(buf + n, size - n, "?");
}
