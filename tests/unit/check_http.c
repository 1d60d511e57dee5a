/* http: what comes in, what goes out: statuses, framing, pipelining. See check_http_life. */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "httpbed.h"

#define H "Host: t\r\n"

/* All of it, then the client's end, then all that comes back. cut: bytes a send; 0: at once. */
static struct text
exchange(struct bed *b, const char *request, size_t len, size_t cut)
{
	int fd = bed_connect(b);
	struct text t = {0};

	for (size_t at = 0; at < len; at += cut) {
		if (cut == 0 || cut > len - at)
			cut = len - at;
		bed_send(b, fd, request + at, cut);
		bed_turn(b);
	}
	(void)shutdown(fd, SHUT_WR);
	bed_read_to_end(b, fd, &t);
	ck_assert(!t.broken);
	(void)close(fd);
	return t;
}

static struct text
ask(struct bed *b, const char *request)
{
	return exchange(b, request, strlen(request), 0);
}

static char *
repeat(const char *begin, const char *part, size_t n, const char *end)
{
	char *s = malloc(strlen(begin) + n * strlen(part) + strlen(end) + 1);
	char *p = stpcpy(s, begin);

	while (n-- > 0)
		p = stpcpy(p, part);
	strcpy(p, end);
	return s;
}

static const struct row {
	const char *request;
	const char *statuses;
	unsigned heads;
} rows[] = {
    {"GET /hello HTTP/1.1\r\n" H "\r\n", "200 ", 0},
    {"GET /nothing HTTP/1.1\r\n" H "\r\n", "404 ", 0},
    {"\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n\r\n", "200 ", 0},
    {"GET http://t/hello HTTP/1.1\r\n" H "\r\n", "404 ", 0},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", "404 ", 0},
    {"DELETE /hello HTTP/1.1\r\n" H "\r\n", "200 ", 0},
    {"GET /hello HTTP/1.1\r\n" H "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n", "200 ", 0},
    /* a client that ends its side has its answers, all of them */
    {"GET /hello HTTP/1.1\r\n" H "\r\nGET /timer HTTP/1.1\r\n" H "\r\nGET /x HTTP/1.1\r\n" H "\r\n",
        "200 200 404 ", 0},
    /* HEAD */
    {"HEAD /hello HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n", "200 200 ", 1},
    {"HEAD /stream?3 HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n", "200 200 ", 1},
    {"GET /status?204 HTTP/1.1\r\n" H "\r\nGET /status?304 HTTP/1.1\r\n" H "\r\n", "204 304 ", 0},
    /* HTTP/1.0 and the end of connections */
    {"GET /hello HTTP/1.0\r\n\r\n", "200 ", 0},
    {"GET /hello HTTP/1.0\r\n\r\nGET /hello HTTP/1.0\r\n\r\n", "200 ", 0},
    {"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /x HTTP/1.0\r\n\r\n", "200 404 ", 0},
    {"GET /stream?2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /x HTTP/1.0\r\n\r\n", "200 ", 0},
    {"GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n", "200 ",
        0},
    /* bodies */
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET /x HTTP/1.1\r\n" H "\r\n",
        "200 404 ", 0},
    {"GET /hello HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
     "GET /x HTTP/1.1\r\n" H "\r\n",
        "200 404 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n"
     "0\r\nT: x\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n",
        "200 404 ", 0},
    /* no HTTP */
    {"hello there\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 ", 0},
    {"GET  HTTP/1.1\r\n" H "\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n" H " folded: x\r\nA\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n" H "Na me: x\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n" H "Name : x\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n" H ": x\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n" H "A: \x01\r\n\r\n", "400 ", 0},
    {"GET / HTTP/1.1\r\n" H "A: b\rC: d\r\n\r\n", "400 ", 0},
    {"GET /\x01 HTTP/1.1\r\n" H "\r\n", "400 ", 0},
    {"DESCRIBE / RTSP/1.0\r\n\r\n", "400 ", 0},
    {"SOURCE / ICE/1.0\r\n\r\n", "400 ", 0},
    /* two that could be read as one, or one as two */
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\n 2\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n", "400 ",
        0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "400 ",
        0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", "400 ",
        0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n",
        "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
        "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\nabc", "400 ", 0},
    {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\nabc", "501 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\nabc", "501 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chun\r\n ked\r\n\r\n0\r\n\r\n", "501 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501 ", 0},
    /* what we are not */
    {"CONNECT t:80 HTTP/1.1\r\n" H "\r\n", "501 ", 0},
    {"GET / HTTP/2.0\r\n" H "\r\n", "505 ", 0},
    {"GET / HTTP/0.9\r\n" H "\r\n", "505 ", 0},
    {"GET / HTTP/1.7\r\n" H "\r\n", "505 ", 0},
    {"GET /\r\n\r\n", "505 ", 0},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 ", 0},
    /* Expect */
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: the unexpected\r\n\r\nabc", "417 ",
        0},
    {"POST /echo HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", "200 ", 0},
    {"GET /hello HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n", "200 ", 0},
    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n", "413 ",
        0},
    /* a refusal comes behind the answers before it, and nothing behind it */
    {"GET /timer HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n",
        "200 400 ", 0},
    /* what is not whole has no answer */
    {"GET /hello HTTP/1.1\r\n" H, "", 0},
    {"GET /hello HTTP/1.1\r\n" H "\r\nGET /hel", "200 ", 0},
    {"", "", 0},
};

static void
try_row(const struct row *row, size_t cut, bool in_tasks)
{
	char list[256];
	struct text t;
	struct bed b;

	bed_open(&b, &(struct brood_http_options){.in_tasks = in_tasks});
	t = exchange(&b, row->request, strlen(row->request), cut);
	answers_list(&t, row->heads, list, sizeof list);
	ck_assert_msg(strcmp(list, row->statuses) == 0, "%s: wanted %s, got %s (cut %zu): %s",
	    row->request, row->statuses, list, cut, t.data != NULL ? t.data : "");
	BED_UNTIL(&b, b.n_closed == 1);
	ck_assert_uint_eq(b.n_handled, b.n_served);
	text_free(&t);
	bed_close(&b);
}

START_TEST(each_request_has_its_status)
{
	try_row(&rows[_i], 0, false);
}
END_TEST

START_TEST(the_cuts_between_reads_change_nothing)
{
	for (size_t cut = 1; cut <= 7; cut += 2)
		try_row(&rows[_i], cut, false);
}
END_TEST

START_TEST(in_tasks_the_same)
{
	try_row(&rows[_i], 0, true);
}
END_TEST

/* --- limits ---------------------------------------------------------------------------------- */

START_TEST(each_limit_has_its_status)
{
	const struct brood_http_options o = {.header_max = 2000, .body_max = 5000};
	static const struct {
		const char *begin, *part;
		size_t n;
		const char *end;
		const char *statuses;
	} limits[] = {
	    {"GET /", "0123456789", 190, " HTTP/1.1\r\n" H "\r\n", "404 "},
	    {"GET /", "0123456789", 201, " HTTP/1.1\r\n" H "\r\n", "414 "},
	    {"GET /", "0123456789", 9000, "", "414 "},
	    {"GET / HTTP/1.1\r\n" H "A: ", "0123456789", 190, "\r\n\r\n", "404 "},
	    {"GET / HTTP/1.1\r\n" H "A: ", "0123456789", 201, "\r\n\r\n", "431 "},
	    {"GET / HTTP/1.1\r\n" H "A", "0123456789", 201, ": x\r\n\r\n", "431 "},
	    {"GET / HTTP/1.1\r\n" H, "A:\r\n", 390, "\r\n", "404 "},
	    {"GET / HTTP/1.1\r\n" H, "A:\r\n", 500, "\r\n", "431 "},
	    {"HEAD / HTTP/1.1\r\n" H, "A:\r\n", 500, "\r\n", "431 "},
	    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 5000\r\n\r\n", "01234", 1000, "", "200 "},
	    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 5001\r\n\r\n", "x", 1, "", "413 "},
	    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
	        "A\r\n0123456789\r\n", 500, "0\r\n\r\n", "200 "},
	    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
	        "A\r\n0123456789\r\n", 501, "0\r\n\r\n", "413 "},
	    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1388\r\n", "01234",
	        1000, "\r\n0\r\n\r\n", "200 "},
	    /* trailers count as headers */
	    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", 400,
	        "\r\n", "431 "},
	    /* what is no body, but comes in its place */
	    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;a=", "0123456789",
	        9000, "\r\nx\r\n0\r\n\r\n", "413 "},
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		char *request = repeat(limits[i].begin, limits[i].part, limits[i].n, limits[i].end);
		bool is_head = request[0] == 'H';
		char list[64];
		struct text t;
		struct bed b;

		bed_open(&b, &o);
		t = ask(&b, request);
		answers_list(&t, is_head, list, sizeof list);
		ck_assert_msg(strcmp(list, limits[i].statuses) == 0, "%zu: wanted %s, got %s", i,
		    limits[i].statuses, list);
		text_free(&t);
		free(request);
		bed_close(&b);
	}
}
END_TEST

/* A close with unread bytes would reset the connection, and the answer would be lost with it. */
START_TEST(the_answer_to_a_refused_upload_arrives)
{
	struct sockaddr_in addr = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	char *request = repeat("POST /echo HTTP/1.1\r\n" H "Content-Length: 2000000\r\n\r\n",
	    "0123456789", 200000, "");
	socklen_t len = sizeof addr;
	struct text t = {0};
	char list[64];
	struct bed b;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	bed_open(&b, NULL);
	brood_enter(b.loop);
	ck_assert_int_eq(brood_http_serve(b.http, accept(listener, NULL, NULL)), 0);
	brood_leave(b.loop);
	bed_say(&b, fd, request);
	bed_read_to_end(&b, fd, &t);
	ck_assert(!t.broken);
	answers_list(&t, 0, list, sizeof list);
	ck_assert_str_eq(list, "413 ");
	(void)close(fd);
	(void)close(listener);
	free(request);
	text_free(&t);
	bed_close(&b);
}
END_TEST

/* --- what the handler sees ------------------------------------------------------------------- */

START_TEST(a_body_is_put_together)
{
	static const char by_length[] =
	    "POST /echo?a=b HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\none\r\n\0two";
	static const char by_chunks[] =
	    "POST /echo?a=b HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	    "1\r\no\r\n0004;x=\"y\"\r\nne\r\n\r\n4\r\n\0two\r\n0\r\nTrailer: dropped\r\n\r\n";
	static const struct {
		const char *request;
		size_t len;
	} both[] = {{by_length, sizeof by_length - 1}, {by_chunks, sizeof by_chunks - 1}};

	for (size_t i = 0; i < 24; i++) {
		struct answer a;
		struct text t;
		struct bed b;
		size_t at = 0;

		bed_open(&b, NULL);
		t = exchange(&b, both[i % 2].request, both[i % 2].len, i / 2);
		ck_assert(answer_take(&t, &at, false, &a));
		ck_assert_uint_eq(a.body_len, 24);
		ck_assert_int_eq(memcmp(a.body, "POST /echo?a=b one\r\n\0two", 24), 0);
		free(a.body);
		text_free(&t);
		bed_close(&b);
	}
}
END_TEST

static void
look_at_headers(struct brood_request *r, void *data)
{
	char buf[16];

	(void)data;
	ck_assert_str_eq(brood_request_method(r), "M-SEARCH");
	ck_assert_str_eq(brood_request_target(r),
	    "/p?q=a%20b+c&empty=&alone&q=2&%71x=%zz&long=0123456789abcdefg");
	ck_assert_str_eq(brood_request_header(r, "HOST"), "t");
	ck_assert_str_eq(brood_request_header(r, "x-spaces"), "in the  middle");
	ck_assert_str_eq(brood_request_header(r, "X-Empty"), "");
	ck_assert_str_eq(brood_request_header(r, "X-Twice"), "first");
	ck_assert_ptr_null(brood_request_header(r, "X"));
	ck_assert_ptr_null(brood_request_header(r, "X-Trailer"));
	ck_assert_int_eq(brood_request_query(r, "q", buf, sizeof buf), 5);
	ck_assert_str_eq(buf, "a b c");
	ck_assert_int_eq(brood_request_query(r, "q", buf, 6), 5);
	ck_assert_int_eq(brood_request_query(r, "q", buf, 5), -ENOSPC);
	ck_assert_int_eq(brood_request_query(r, "empty", buf, sizeof buf), 0);
	ck_assert_int_eq(brood_request_query(r, "alone", buf, sizeof buf), 0);
	ck_assert_int_eq(brood_request_query(r, "alone", buf, 0), -ENOSPC);
	ck_assert_int_eq(brood_request_query(r, "qx", buf, sizeof buf), 3);
	ck_assert_str_eq(buf, "%zz");
	ck_assert_int_eq(brood_request_query(r, "long", buf, sizeof buf), -ENOSPC);
	ck_assert_int_eq(brood_request_query(r, "lon", buf, sizeof buf), -ENOENT);
	ck_assert_int_eq(brood_request_query(r, "", buf, sizeof buf), -ENOENT);
	ck_assert(!brood_request_is_gone(r));
	(void)brood_respond(r, 200, NULL, NULL, 0);
}

START_TEST(the_handler_sees_the_request)
{
	static const char request[] =
	    "M-SEARCH /p?q=a%20b+c&empty=&alone&q=2&%71x=%zz&long=0123456789abcdefg HTTP/1.1\r\n" H
	    "X-Spaces: \t in the  middle \t\r\nX-Empty:\r\nX-Twice: first\r\nX-twice: second\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: t\r\n\r\n";

	for (size_t cut = 0; cut < 5; cut++) {
		struct text t;
		struct bed b;

		bed_open(&b, &(struct brood_http_options){.on_request = look_at_headers});
		t = exchange(&b, request, sizeof request - 1, cut);
		ck_assert_uint_eq(b.n_served, 1);
		text_free(&t);
		bed_close(&b);
	}
}
END_TEST

/* --- answers --------------------------------------------------------------------------------- */

START_TEST(a_head_says_what_it_has_to)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	struct answer a;
	struct text t;
	struct bed b;
	size_t at = 0;
	char *date;

	bed_open(&b, NULL);
	t = ask(&b, "GET /hello HTTP/1.1\r\n" H "\r\nHEAD /hello HTTP/1.0\r\n"
	            "Connection: keep-alive\r\n\r\nGET /status?204 HTTP/1.1\r\n" H
	            "Connection: close\r\n\r\n");
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert(strncmp(a.head, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
	date = strndup(a.head + 23, 29);
	ck_assert_msg(strcmp(date + 25, " GMT") == 0 && date[3] == ',', "%s", date);
	date[3] = '\0';
	ck_assert_ptr_nonnull(strstr(days, date));
	ck_assert(answer_has(&a, "Content-Type: text/plain"));
	ck_assert(answer_has(&a, "Content-Length: 6"));
	ck_assert(!a.closes);
	free(date);
	free(a.body);
	ck_assert(answer_take(&t, &at, true, &a));
	ck_assert(answer_has(&a, "Content-Length: 6"));
	ck_assert(answer_has(&a, "Connection: keep-alive"));
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert(strncmp(a.head, "HTTP/1.1 204 No Content\r\n", 25) == 0);
	ck_assert_ptr_null(memmem(a.head, a.head_len, "Content-", 8));
	ck_assert(a.closes);
	text_free(&t);
	bed_close(&b);
}
END_TEST

static void
answer_with_headers(struct brood_request *r, void *data)
{
	static const struct {
		const char *name, *value;
		int result;
	} headers[] = {
	    {"Set-Cookie", "a=b", 0},
	    {"Set-Cookie", "c=d", 0},
	    {"X-Empty", "", 0},
	    {"X-Tab", "a\tb \xc3\xa4", 0},
	    {"", "x", -EINVAL},
	    {"A b", "x", -EINVAL},
	    {"A:", "x", -EINVAL},
	    {"A\r\nB", "x", -EINVAL},
	    {"A", "x\r\nSet-Cookie: evil", -EINVAL},
	    {"A", "x\n", -EINVAL},
	    {"A", "\r", -EINVAL},
	    {"A", "\x7f", -EINVAL},
	    {"content-length", "0", -EINVAL},
	    {"Transfer-Encoding", "chunked", -EINVAL},
	    {"Connection", "close", -EINVAL},
	    {"Date", "today", -EINVAL},
	};
	char *long_value = repeat("", "0123456789", 2000, "");

	(void)data;
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		ck_assert_int_eq(
		    brood_respond_header(r, headers[i].name, headers[i].value), headers[i].result);
	ck_assert_int_eq(brood_respond_header(r, "X-Long", long_value), -ENOSPC);
	free(long_value);
	ck_assert_int_eq(brood_respond_write(r, "x", 1), -EINVAL);
	ck_assert_int_eq(brood_respond_begin(r, 200, "a\nb", NULL, NULL), -EINVAL);
	ck_assert_int_eq(brood_respond_begin(r, 100, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(brood_respond_begin(r, 206, "a/b", NULL, NULL), 0);
	ck_assert_int_eq(brood_respond_begin(r, 200, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(brood_respond_header(r, "Late", "x"), -EINVAL);
	ck_assert_int_eq(brood_respond_write(r, "x", 1), 0);
	ck_assert_int_eq(brood_respond_write(r, "", 0), 0);
	ck_assert_int_eq(brood_respond_end(r), 0);
}

START_TEST(nothing_is_smuggled_into_an_answer)
{
	struct answer a;
	struct text t;
	struct bed b;
	size_t at = 0;

	bed_open(&b, &(struct brood_http_options){.on_request = answer_with_headers});
	t = ask(&b, "GET / HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n");
	for (int i = 0; i < 2; i++) {
		ck_assert(answer_take(&t, &at, false, &a));
		ck_assert_int_eq(a.status, 206);
		ck_assert(answer_has(&a, "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Empty: \r\n"
		                         "X-Tab: a\tb \xc3\xa4"));
		ck_assert_ptr_null(memmem(a.head, a.head_len, "evil", 4));
		ck_assert_uint_eq(a.body_len, 1);
		free(a.body);
	}
	ck_assert_uint_eq(at, t.len);
	text_free(&t);
	bed_close(&b);
}
END_TEST

static void
answer_wrongly(struct brood_request *r, void *data)
{
	struct bed *b = data;
	int result = 0;

	b->n_handled++;
	(void)brood_respond_header(r, "X-Evil", "no");
	switch (atoi(brood_request_target(r) + 1)) {
	case 0:
		result = brood_respond(r, 199, NULL, NULL, 0);
		break;
	case 1:
		result = brood_respond(r, 600, NULL, NULL, 0);
		break;
	case 2:
		result = brood_respond(r, 204, NULL, "x", 1);
		break;
	case 3:
		result = brood_respond(r, 200, "text/plain\r\nX-Evil: y", "x", 1);
		break;
	case 4:
		result = brood_respond_end(r);
		break;
	case 5:
		ck_assert_int_eq(brood_respond_begin(r, 204, NULL, NULL, NULL), 0);
		ck_assert_int_eq(brood_respond_write(r, "x", 1), -EINVAL);
		ck_assert_int_eq(brood_respond_end(r), 0);
		return;
	case 6:
		ck_assert_int_eq(brood_respond_begin(r, 200, NULL, NULL, NULL), 0);
		result = brood_respond(r, 200, NULL, NULL, 0);
		break;
	}
	ck_assert_int_eq(result, -EINVAL);
}

START_TEST(what_cannot_be_said_becomes_500)
{
	char list[64];
	struct text t;
	struct bed b;

	bed_open(&b, &(struct brood_http_options){.on_request = answer_wrongly});
	t = ask(&b, "GET /0 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H
	            "\r\nGET /3 HTTP/1.1\r\n" H "\r\nGET /4 HTTP/1.1\r\n" H
	            "\r\nGET /5 HTTP/1.1\r\n" H "\r\n");
	answers_list(&t, 0, list, sizeof list);
	ck_assert_str_eq(list, "500 500 500 500 500 204 ");
	text_free(&t);
	/* an answer that has begun ends with the connection, and nothing behind it is answered */
	t = ask(&b, "GET /6 HTTP/1.1\r\n" H "\r\nGET /1 HTTP/1.1\r\n" H "\r\n");
	ck_assert_uint_eq(t.len, 0);
	ck_assert_uint_eq(b.n_handled, 7);
	ck_assert_uint_eq(b.n_closed, 2);
	bed_close(&b);
}
END_TEST

START_TEST(pieces_are_chunks_or_end_with_the_connection)
{
	struct answer a;
	struct text t;
	struct bed b;
	size_t at = 0;

	bed_open(&b, NULL);
	t = ask(&b, "GET /stream?3 HTTP/1.1\r\n" H "\r\nGET /stream?0 HTTP/1.1\r\n" H "\r\n"
	            "GET /stream?2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert(answer_has(&a, "Transfer-Encoding: chunked"));
	ck_assert_uint_eq(a.body_len, 24);
	ck_assert_int_eq(memcmp(a.body, "piece 0\npiece 1\npiece 2\n", 24), 0);
	free(a.body);
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert_uint_eq(a.body_len, 0);
	free(a.body);
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert(!answer_has(&a, "Transfer-Encoding: chunked"));
	ck_assert(a.closes);
	ck_assert_uint_eq(a.body_len, 16);
	free(a.body);
	text_free(&t);
	bed_close(&b);
}
END_TEST

START_TEST(continue_is_said_when_the_body_is_wanted)
{
	int fd;
	struct text t = {0};
	char list[64];
	struct bed b;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd,
	    "GET /hello HTTP/1.1\r\n" H "\r\nPOST /echo HTTP/1.1\r\n" H
	    "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
	BED_UNTIL(&b, (bed_read(fd, &t), answers_list(&t, 0, list, sizeof list),
	                  strcmp(list, "200 100 ") == 0));
	bed_say(&b, fd, "a");
	bed_turn(&b);
	bed_say(&b, fd,
	    "bcPOST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
	    "Expect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	BED_UNTIL(&b, (bed_read(fd, &t), answers_list(&t, 0, list, sizeof list),
	                  strcmp(list, "200 100 200 200 ") == 0));
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

/* --- pipelining ------------------------------------------------------------------------------ */

START_TEST(answers_come_in_the_order_of_requests)
{
	static const char *const bodies[] = {"hello\n", "later\n", "late\n", "none\n", "hello\n"};
	int fd;
	struct text t = {0};
	struct answer a;
	struct bed b;
	size_t at = 0;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd,
	    "GET /hello HTTP/1.1\r\n" H "\r\nGET /later HTTP/1.1\r\n" H "\r\n"
	    "GET /timer HTTP/1.1\r\n" H "\r\nGET /x HTTP/1.1\r\n" H "\r\nGET /hel");
	BED_UNTIL(&b, b.later != NULL);
	for (int i = 0; i < 20; i++)
		bed_turn(&b);
	ck_assert_uint_eq(b.n_handled, 2);
	bed_say(&b, fd, "lo HTTP/1.1\r\n" H "\r\n");
	bed_turn(&b);
	bed_answer_later(&b);
	(void)shutdown(fd, SHUT_WR);
	bed_read_to_end(&b, fd, &t);
	for (size_t i = 0; i < 5; i++) {
		ck_assert(answer_take(&t, &at, false, &a));
		ck_assert_uint_eq(a.body_len, strlen(bodies[i]));
		ck_assert_int_eq(memcmp(a.body, bodies[i], a.body_len), 0);
		free(a.body);
	}
	ck_assert_uint_eq(at, t.len);
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

START_TEST(many_pipelined_requests_are_all_answered)
{
	static const char *const kinds[] = {"GET /hello HTTP/1.1\r\n" H "\r\n",
	    "GET /big?5000 HTTP/1.1\r\n" H "\r\n", "GET /timer HTTP/1.1\r\n" H "\r\n"};
	static const size_t counts[] = {3000, 1000, 50};

	for (size_t i = 0; i < 3; i++) {
		char *requests = repeat("", kinds[i], counts[i], "");
		struct text t;
		struct bed b;

		bed_open(&b, NULL);
		t = ask(&b, requests);
		ck_assert_uint_eq(b.n_served, counts[i]);
		for (size_t n = 0, at = 0; n < counts[i]; n++) {
			struct answer a;

			ck_assert(answer_take(&t, &at, false, &a));
			ck_assert_int_eq(a.status, 200);
			free(a.body);
		}
		free(requests);
		text_free(&t);
		bed_close(&b);
	}
}
END_TEST

/* A handler that answers a request of another connection than its own. */
static void
swap_answers(struct brood_request *r, void *data)
{
	struct bed *b = data;

	if (b->later != NULL)
		bed_answer_later(b);
	if (strcmp(brood_request_target(r), "/later") == 0)
		b->later = r;
	else
		(void)brood_respond(r, 200, NULL, "own", 3);
}

START_TEST(answers_of_two_connections_do_not_mix)
{
	int fds[2];
	struct text t[2] = {{0}, {0}};
	char list[2][64];
	struct bed b;

	bed_open(&b, &(struct brood_http_options){.on_request = swap_answers});
	fds[0] = bed_connect(&b);
	fds[1] = bed_connect(&b);
	bed_say(&b, fds[0], "GET /later HTTP/1.1\r\n" H "\r\nGET /x HTTP/1.1\r\n" H "\r\n");
	BED_UNTIL(&b, b.later != NULL);
	bed_say(&b, fds[1], "GET /a HTTP/1.1\r\n" H "\r\nGET /b HTTP/1.1\r\n" H "\r\n");
	for (int i = 0; i < 2; i++) {
		(void)shutdown(fds[i], SHUT_WR);
		bed_read_to_end(&b, fds[i], &t[i]);
		answers_list(&t[i], 0, list[i], sizeof list[i]);
		ck_assert_str_eq(list[i], "200 200 ");
		(void)close(fds[i]);
	}
	ck_assert_ptr_nonnull(strstr(t[0].data, "\r\n\r\nlater\nHTTP"));
	ck_assert_ptr_null(strstr(t[1].data, "later"));
	text_free(&t[0]);
	text_free(&t[1]);
	bed_close(&b);
}
END_TEST

/* --- what it costs --------------------------------------------------------------------------- */

START_TEST(a_kept_connection_allocates_nothing)
{
	char *requests =
	    repeat("", "POST /hello HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 16, "");
	struct text t = {0};
	struct bed b;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd, requests);
	BED_UNTIL(&b, b.n_served == 16);
	mem_fail_at(0, 0);
	for (unsigned i = 2; i <= 20; i++) {
		bed_say(&b, fd, requests);
		BED_UNTIL(&b, b.n_served == i * 16);
		bed_read(fd, &t);
	}
	ck_assert_uint_eq(mem_calls(), 0);
	(void)close(fd);
	free(requests);
	text_free(&t);
	bed_close(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("http");
	SRunner *sr = srunner_create(s);
	int n_rows = (int)(sizeof rows / sizeof rows[0]), failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, each_request_has_its_status, 0, n_rows);
	tcase_add_loop_test(tc, the_cuts_between_reads_change_nothing, 0, n_rows);
	tcase_add_loop_test(tc, in_tasks_the_same, 0, n_rows);
	tcase_add_test(tc, each_limit_has_its_status);
	tcase_add_test(tc, the_answer_to_a_refused_upload_arrives);
	tcase_add_test(tc, a_body_is_put_together);
	tcase_add_test(tc, the_handler_sees_the_request);
	tcase_add_test(tc, a_head_says_what_it_has_to);
	tcase_add_test(tc, nothing_is_smuggled_into_an_answer);
	tcase_add_test(tc, what_cannot_be_said_becomes_500);
	tcase_add_test(tc, pieces_are_chunks_or_end_with_the_connection);
	tcase_add_test(tc, continue_is_said_when_the_body_is_wanted);
	tcase_add_test(tc, answers_come_in_the_order_of_requests);
	tcase_add_test(tc, many_pipelined_requests_are_all_answered);
	tcase_add_test(tc, answers_of_two_connections_do_not_mix);
	tcase_add_test(tc, a_kept_connection_allocates_nothing);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
