/* http: time, room, the end: slow clients, back-pressure, drain, who goes, no memory, tasks. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"
#include "http/wheel.h"
#include "httpbed.h"

#define H           "Host: t\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" H "\r\n"

static void
expect_answers(struct bed *b, int fd, struct text *t, const char *statuses)
{
	char list[256] = "";

	BED_UNTIL(b, strcmp(list, statuses) == 0)
	{
		bed_read(fd, t);
		answers_list(t, 0, list, sizeof list);
	}
}

static void
expect_end(struct bed *b, int fd, const char *statuses)
{
	struct text t = {0};
	char list[256];

	bed_read_to_end(b, fd, &t);
	answers_list(&t, 0, list, sizeof list);
	ck_assert_str_eq(list, statuses);
	ck_assert(!t.broken);
	text_free(&t);
	(void)close(fd);
}

/* The connection ends although the other end stays; the answer to its last request says so. */
static void
expect_last(struct bed *b, int fd, struct text *t)
{
	struct answer a = {0};
	size_t at = 0;

	bed_read_to_end(b, fd, t);
	while (answer_take(t, &at, false, &a)) {
		ck_assert_msg(a.closes == (at == t->len), "only the last says close");
		free(a.body);
	}
	ck_assert_uint_eq(at, t->len);
	ck_assert(a.closes);
	text_free(t);
	(void)close(fd);
}

static void
turn_for(struct bed *b, double seconds)
{
	double end = bed_seconds() + seconds;

	while (bed_seconds() < end)
		bed_turn(b);
}

/* --- slow clients ---------------------------------------------------------------------------- */

START_TEST(who_is_too_slow_is_told_so)
{
	static const struct {
		const char *request, *statuses;
	} rows[] = {
	    {"GET /hello HTTP/1.1\r\nHost: slow", "408 "},
	    {"G", "408 "},
	    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab", "408 "},
	    {"POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "408 "},
	    {GET("/hello") "GET", "200 408 "},
	    {"POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
	        "100 408 "},
	    /* who never says a word gets none either */
	    {"", ""},
	    {"\r\n\r\n", ""},
	    {GET("/hello"), "200 "},
	};
	int fds[sizeof rows / sizeof rows[0]];
	struct bed b;

	bed_open(&b, &(struct brood_http_options){.header_ms = 150, .idle_ms = 150});
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fds[i] = bed_connect(&b);
		bed_say(&b, fds[i], rows[i].request);
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect_end(&b, fds[i], rows[i].statuses);
	bed_close(&b);
}
END_TEST

START_TEST(a_request_gets_its_time_once_however_it_comes)
{
	struct text t = {0};
	struct bed b;
	int fd;

	bed_open(&b, &(struct brood_http_options){.header_ms = 200});
	fd = bed_connect(&b);
	bed_say(&b, fd, "GET /hello HTTP/1.1\r\n");
	BED_UNTIL(&b, (bed_read(fd, &t), t.len > 0))
	{
		bed_say(&b, fd, "A: b\r\n");
		turn_for(&b, 0.02);
	}
	ck_assert_int_eq(memcmp(t.data, "HTTP/1.1 408 ", 13), 0);
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

START_TEST(nobody_is_called_slow_while_the_loop_was_held_up)
{
	struct text t[2] = {{0}, {0}};
	struct bed b;
	int fds[2];

	bed_open(&b, &(struct brood_http_options){.header_ms = 1900});
	fds[0] = bed_connect(&b);
	fds[1] = bed_connect(&b);
	bed_say(&b, fds[0], "GET /hello HTTP/1.1\r\n");
	/* refused: the server waits for the end of what comes, for two seconds */
	bed_say(&b, fds[1], "bad\r\n\r\n");
	expect_answers(&b, fds[1], &t[1], "400 ");
	bed_turn(&b);
	ck_assert_int_eq(send(fds[0], H "\r\n", sizeof(H "\r\n") - 1, 0), sizeof(H "\r\n") - 1);
	ck_assert_int_eq(send(fds[1], "more", 4, 0), 4);
	(void)usleep(2100000);
	expect_answers(&b, fds[0], &t[0], "200 ");
	bed_read_to_end(&b, fds[1], &t[1]);
	ck_assert(!t[1].broken);
	for (int i = 0; i < 2; i++) {
		(void)close(fds[i]);
		text_free(&t[i]);
	}
	bed_close(&b);
}
END_TEST

START_TEST(each_request_puts_the_end_of_an_idle_connection_off)
{
	struct bed b;
	int fd;

	bed_open(&b, &(struct brood_http_options){.idle_ms = 400});
	fd = bed_connect(&b);
	for (unsigned i = 1; i <= 8; i++) {
		struct text t = {0};
		double end = bed_seconds() + 0.1;

		bed_say(&b, fd, GET("/hello"));
		BED_UNTIL(&b, b.n_served == i || b.n_closed > 0);
		while (bed_seconds() < end)
			bed_turn(&b);
		bed_read(fd, &t);
		text_free(&t);
		/* a machine may sleep through 400 ms; what it may not is answer fewer than it read */
		if (b.n_closed > 0)
			break;
	}
	BED_UNTIL(&b, b.n_closed == 1);
	(void)close(fd);
	bed_close(&b);
}
END_TEST

/* --- back-pressure --------------------------------------------------------------------------- */

START_TEST(who_writes_faster_than_the_client_reads_is_held_up)
{
	const size_t size = 3000000;
	struct text t = {0};
	struct answer a;
	struct bed b;
	size_t at = 0;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd, "GET /flood?3000000 HTTP/1.1\r\n" H "\r\n" GET("/hello"));
	BED_UNTIL(&b, b.n_refused == 1);
	turn_for(&b, 0.05);
	ck_assert_uint_eq(b.n_refused, 1);
	ck_assert_uint_eq(b.n_handled, 1);
	BED_UNTIL(&b, (bed_read(fd, &t), b.n_served == 2));
	ck_assert_uint_gt(b.n_refused, 1);
	bed_read(fd, &t);
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert_uint_eq(a.body_len, size);
	free(a.body);
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert_uint_eq(a.body_len, 6);
	free(a.body);
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

START_TEST(an_answer_of_any_size_arrives)
{
	struct text t = {0};
	struct answer a;
	struct bed b;
	size_t at = 0;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/hello") GET("/big?5000000") GET("/big?40000") GET("/hello"));
	/* nothing is begun behind what the client does not read */
	turn_for(&b, 0.05);
	ck_assert_uint_eq(b.n_handled, 2);
	(void)shutdown(fd, SHUT_WR);
	bed_read_to_end(&b, fd, &t);
	for (size_t i = 0; i < 4; i++) {
		static const size_t sizes[] = {6, 5000000, 40000, 6};

		ck_assert(answer_take(&t, &at, false, &a));
		ck_assert_uint_eq(a.body_len, sizes[i]);
		free(a.body);
	}
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

START_TEST(who_waits_for_room_hears_of_the_end)
{
	struct bed b;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/flood?9000000"));
	BED_UNTIL(&b, b.n_refused == 1);
	(void)close(fd);
	BED_UNTIL(&b, b.n_closed == 1);
	ck_assert_int_eq(b.last_result, -EPIPE);
	ck_assert_uint_eq(b.n_served, 0);
	/* and when the server is freed */
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/flood?9000000"));
	BED_UNTIL(&b, b.n_refused == 2);
	b.last_result = 0;
	bed_close(&b);
	ck_assert_int_eq(b.last_result, -EPIPE);
	ck_assert_uint_eq(b.n_closed, 2);
	(void)close(fd);
}
END_TEST

/* --- the client goes ------------------------------------------------------------------------- */

START_TEST(a_request_outlives_its_connection)
{
	struct bed b;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd, "POST /later HTTP/1.1\r\n" H "A: b\r\nContent-Length: 3\r\n\r\nabc");
	BED_UNTIL(&b, b.later != NULL);
	ck_assert(!brood_request_is_gone(b.later));
	(void)close(fd);
	BED_UNTIL(&b, b.n_closed == 1);
	ck_assert(brood_request_is_gone(b.later));
	ck_assert_str_eq(brood_request_target(b.later), "/later");
	ck_assert_str_eq(brood_request_header(b.later, "a"), "b");
	ck_assert_str_eq(brood_request_body(b.later, NULL), "abc");
	ck_assert_int_eq(brood_respond_header(b.later, "A", "b"), 0);
	bed_answer_later(&b);
	ck_assert_int_eq(b.last_result, -EPIPE);
	ck_assert_uint_eq(b.n_served, 0);
	bed_close(&b);
}
END_TEST

START_TEST(a_client_that_ended_its_side_is_called_gone_and_answered)
{
	struct bed b;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/later"));
	BED_UNTIL(&b, b.later != NULL);
	(void)shutdown(fd, SHUT_WR);
	ck_assert(brood_request_is_gone(b.later));
	turn_for(&b, 0.02);
	ck_assert_uint_eq(b.n_closed, 0);
	bed_answer_later(&b);
	ck_assert_int_eq(b.last_result, 0);
	expect_end(&b, fd, "200 ");
	bed_close(&b);
}
END_TEST

START_TEST(a_request_outlives_its_server)
{
	struct brood_http_options o = {.drain_idle_ms = 50};
	struct bed b;
	int fd;

	bed_open(&b, &o);
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/later"));
	BED_UNTIL(&b, b.later != NULL);
	/* answers what is there after the server was freed */
	bed_close(&b);
	ck_assert_int_eq(b.last_result, -EPIPE);
	ck_assert_uint_eq(b.n_closed, 1);
	ck_assert_uint_eq(b.n_drained, 0);
	(void)close(fd);
}
END_TEST

START_TEST(a_descriptor_is_taken_also_when_it_cannot_be_served)
{
	struct bed b;
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC), file = open("/proc/self/exe", O_RDONLY);

	bed_open(&b, NULL);
	ck_assert_int_lt(brood_http_serve(b.http, file), 0);
	ck_assert_int_eq(fcntl(file, F_GETFD), -1);
	ck_assert_uint_eq(b.n_closed, 1);
	mem_fail_at(1, 1);
	ck_assert_int_eq(brood_http_serve(b.http, fd), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_uint_eq(b.n_closed, 2);
	bed_close(&b);
}
END_TEST

/* --- drain ----------------------------------------------------------------------------------- */

START_TEST(a_drain_without_connections_is_done_at_once)
{
	struct bed b;

	bed_open(&b, NULL);
	brood_http_drain(b.http);
	brood_http_drain(b.http);
	ck_assert_uint_eq(b.n_drained, 1);
	bed_close(&b);
}
END_TEST

START_TEST(a_drain_finishes_what_is_there)
{
	enum { INSIDE, BUSY, BLOCKED, PIPELINED, LINGERING, N };
	struct text t[N] = {{0}};
	struct bed b;
	int fds[N];

	bed_open(&b, &(struct brood_http_options){.drain_idle_ms = 20000});
	for (int i = 0; i < N; i++)
		fds[i] = bed_connect(&b);
	bed_say(&b, fds[INSIDE], GET("/hello") "GET /hello HTT");
	bed_say(&b, fds[BUSY], GET("/hello") GET("/later"));
	bed_say(&b, fds[BLOCKED], GET("/big?2000000"));
	bed_say(&b, fds[PIPELINED], GET("/hello") GET("/big?2000000") GET("/hello"));
	bed_say(&b, fds[LINGERING], "bad\r\n\r\n");
	BED_UNTIL(&b, b.later != NULL && b.n_handled == 6);
	expect_answers(&b, fds[LINGERING], &t[LINGERING], "400 ");
	brood_http_drain(b.http);
	ck_assert_uint_eq(b.n_closed, 0);
	bed_say(&b, fds[INSIDE], "P/1.1\r\n" H "\r\n");
	expect_last(&b, fds[INSIDE], &t[INSIDE]);
	bed_answer_later(&b);
	expect_last(&b, fds[BUSY], &t[BUSY]);
	/* what was answered before the drain has not said so: its next request does */
	expect_answers(&b, fds[BLOCKED], &t[BLOCKED], "200 ");
	bed_say(&b, fds[BLOCKED], GET("/hello"));
	expect_last(&b, fds[BLOCKED], &t[BLOCKED]);
	expect_last(&b, fds[PIPELINED], &t[PIPELINED]);
	ck_assert_uint_eq(b.n_drained, 0);
	(void)close(fds[LINGERING]);
	BED_UNTIL(&b, b.n_drained == 1);
	ck_assert_uint_eq(b.n_closed, N);
	text_free(&t[LINGERING]);
	bed_close(&b);
}
END_TEST

START_TEST(a_drain_closes_idle_connections_last)
{
	struct text t = {0};
	struct bed b;
	int idle, used;

	bed_open(&b, &(struct brood_http_options){.drain_idle_ms = 300});
	idle = bed_connect(&b);
	used = bed_connect(&b);
	bed_say(&b, idle, GET("/hello"));
	bed_say(&b, used, GET("/hello"));
	BED_UNTIL(&b, b.n_served == 2);
	brood_http_drain(b.http);
	ck_assert_uint_eq(b.n_closed, 0);
	bed_say(&b, used, GET("/hello") GET("/hello"));
	expect_last(&b, used, &t);
	expect_end(&b, idle, "200 ");
	BED_UNTIL(&b, b.n_drained == 1);
	bed_close(&b);
}
END_TEST

START_TEST(a_connection_that_comes_while_draining_is_served_once)
{
	struct text t = {0};
	struct bed b;
	int fd;

	bed_open(&b, NULL);
	fd = bed_connect(&b);
	brood_http_drain(b.http);
	bed_say(&b, fd, GET("/stream?3"));
	expect_last(&b, fd, &t);
	BED_UNTIL(&b, b.n_drained == 1);
	bed_close(&b);
}
END_TEST

static void
free_server(void *data)
{
	struct bed *b = data;

	b->n_drained++;
	brood_http_free(b->http);
	b->http = NULL;
}

static void
answer_and_free(struct brood_request *r, void *data)
{
	(void)brood_respond(r, 200, NULL, "x", 1);
	free_server(data);
}

START_TEST(a_server_may_be_freed_by_what_it_calls)
{
	struct text t = {0};
	struct bed b;
	int fd;

	bed_open(&b, &(struct brood_http_options){.on_request = answer_and_free});
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/") GET("/"));
	bed_read_to_end(&b, fd, &t);
	ck_assert_uint_eq(b.n_drained, 1);
	ck_assert_uint_eq(b.n_closed, 1);
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

static void
serve_another(struct brood_request *r, void *data)
{
	struct bed *b = data;

	if (strcmp(brood_request_target(r), "/first") == 0)
		b->last_result = bed_connect(b);
	if (strcmp(brood_request_target(r), "/first") == 0)
		bed_say(b, b->last_result, GET("/other"));
	(void)brood_respond(r, 200, NULL, "x", 1);
}

START_TEST(a_handler_may_serve_another_connection)
{
	struct bed b;
	int fd;

	bed_open(&b, &(struct brood_http_options){.on_request = serve_another});
	fd = bed_connect(&b);
	bed_say(&b, fd, GET("/first") GET("/second") GET("/third"));
	(void)shutdown(fd, SHUT_WR);
	expect_end(&b, fd, "200 200 200 ");
	(void)shutdown(b.last_result, SHUT_WR);
	expect_end(&b, b.last_result, "200 ");
	bed_close(&b);
}
END_TEST

/* --- no memory ------------------------------------------------------------------------------- */

static const char everything[] =
    GET("/hello") "POST /echo HTTP/1.1\r\n" H
                  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET("/stream?2")
                      GET("/timer") GET("/hello");

/* With the n-th allocation failing: whatever comes back are whole answers, and the server goes on. */
static bool
try_without_memory(unsigned long n, bool in_tasks)
{
	char list[256];
	struct text t = {0};
	struct bed b;
	bool came_to_it;
	int fd;

	bed_open(&b, &(struct brood_http_options){.in_tasks = in_tasks});
	mem_fail_at(n, 1);
	fd = bed_connect(&b);
	bed_send(&b, fd, everything, 40);
	bed_turn(&b);
	bed_send(&b, fd, everything + 40, sizeof everything - 41);
	(void)shutdown(fd, SHUT_WR);
	bed_read_to_end(&b, fd, &t);
	came_to_it = mem_calls() >= n;
	mem_fail_at(0, 0);
	answers_list(&t, 0, list, sizeof list);
	ck_assert_ptr_null(strchr(list, '?'));
	if (!came_to_it)
		ck_assert_str_eq(list, "200 200 200 200 200 ");
	(void)close(fd);
	text_free(&t);
	fd = bed_connect(&b);
	bed_say(&b, fd, everything);
	(void)shutdown(fd, SHUT_WR);
	expect_end(&b, fd, "200 200 200 200 200 ");
	bed_close(&b);
	return came_to_it;
}

START_TEST(without_memory_one_connection_suffers)
{
	unsigned long n = 1;

	while (try_without_memory(n, _i == 1)) {
		n++;
		ck_assert_uint_lt(n, 500);
	}
	ck_assert_uint_gt(n, 5);
}
END_TEST

START_TEST(no_server_without_memory_or_handler)
{
	struct brood_http_options o = {0};
	struct brood_loop *loop = brood_loop_new();

	errno = 0;
	ck_assert_ptr_null(brood_http_new(loop, &o));
	ck_assert_int_eq(errno, EINVAL);
	o.on_request = answer_and_free;
	mem_fail_at(1, 1);
	ck_assert_ptr_null(brood_http_new(loop, &o));
	ck_assert_int_eq(errno, ENOMEM);
	mem_fail_at(0, 0);
	brood_http_free(NULL);
	brood_loop_free(loop);
}
END_TEST

/* --- in tasks -------------------------------------------------------------------------------- */

static void
sleep_and_answer(struct brood_request *r, void *data)
{
	(void)data;
	ck_assert_ptr_nonnull(brood_self());
	(void)brood_sleep(5);
	(void)brood_respond(r, 200, NULL, "slept", 5);
}

START_TEST(handlers_sleep_side_by_side)
{
	enum { N = 50 };
	struct bed b;
	int fds[N];

	bed_open(
	    &b, &(struct brood_http_options){.on_request = sleep_and_answer, .in_tasks = true});
	for (int i = 0; i < N; i++) {
		fds[i] = bed_connect(&b);
		bed_say(&b, fds[i], GET("/1") GET("/2"));
		(void)shutdown(fds[i], SHUT_WR);
	}
	for (int i = 0; i < N; i++)
		expect_end(&b, fds[i], "200 200 ");
	ck_assert_uint_eq(b.n_served, 2 * N);
	bed_close(&b);
}
END_TEST

static struct brood_task *writer;

static void
write_much(struct brood_request *r, void *data)
{
	static char piece[FLOOD_PIECE];
	struct bed *b = data;
	int result = brood_respond_begin(r, 200, NULL, NULL, NULL);

	writer = brood_self();
	for (int i = 0; i < 300 && result == 0; i++)
		result = brood_respond_write(r, piece, sizeof piece);
	b->last_result = result;
	writer = NULL;
	(void)brood_respond_end(r);
}

START_TEST(in_a_task_a_write_waits_for_room)
{
	struct text t = {0};
	struct answer a;
	struct bed b;
	size_t at = 0;
	int fd;

	bed_open(&b, &(struct brood_http_options){.on_request = write_much, .in_tasks = true});
	fd = bed_connect(&b);
	b.last_result = 1;
	bed_say(&b, fd, GET("/"));
	turn_for(&b, 0.03);
	ck_assert_uint_eq(b.n_served, 0);
	ck_assert_int_eq(b.last_result, 1);
	(void)shutdown(fd, SHUT_WR);
	bed_read_to_end(&b, fd, &t);
	ck_assert_int_eq(b.last_result, 0);
	ck_assert(answer_take(&t, &at, false, &a));
	ck_assert_uint_eq(a.body_len, 300 * FLOOD_PIECE);
	free(a.body);
	(void)close(fd);
	text_free(&t);
	bed_close(&b);
}
END_TEST

START_TEST(a_task_that_waits_for_room_can_be_ended)
{
	static const int results[] = {-EPIPE, -ECANCELED, -EPIPE};

	for (int i = 0; i < 3; i++) {
		struct bed b;
		int fd;

		bed_open(
		    &b, &(struct brood_http_options){.on_request = write_much, .in_tasks = true});
		fd = bed_connect(&b);
		b.last_result = 1;
		bed_say(&b, fd, GET("/"));
		BED_UNTIL(&b, writer != NULL);
		turn_for(&b, 0.02);
		brood_enter(b.loop);
		if (i == 0)
			(void)close(fd);
		if (i > 0)
			brood_cancel(writer);
		if (i == 2) { /* both at once: the server goes before the task has heard */
			brood_http_free(b.http);
			b.http = NULL;
		}
		brood_leave(b.loop);
		BED_UNTIL(&b, b.last_result != 1);
		if (i < 2)
			ck_assert_int_eq(b.last_result, results[i]);
		ck_assert_int_lt(b.last_result, 0);
		bed_close(&b);
		if (i > 0)
			(void)close(fd);
	}
}
END_TEST

/* --- the wheel ------------------------------------------------------------------------------- */

enum { NODES = 300 };

static struct {
	struct wheel_node node;
	uint64_t asked_ms, came_ms;
	bool is_removed;
} nodes[NODES];
static struct brood_loop *wheel_loop;
static unsigned n_came;

static void
on_due(struct wheel_node *node)
{
	size_t i = (size_t)((char *)node - (char *)nodes) / sizeof nodes[0];

	nodes[i].came_ms = brood_now(wheel_loop);
	n_came++;
}

START_TEST(deadlines_pass_never_early_and_each_once)
{
	unsigned n_wanted = 0;
	struct wheel w;
	struct bed b;

	bed_open(&b, NULL);
	wheel_loop = b.loop;
	ck_assert_int_eq(wheel_open(&w, b.loop, on_due), 0);
	uv_ref((uv_handle_t *)&w.timer); /* there is nothing else that would keep the loop going */
	srand(1);
	for (unsigned i = 0; i < NODES; i++) {
		/* some are put off, some brought forward, some taken out, some further than the wheel */
		uint64_t first = brood_now(b.loop) + (uint64_t)(rand() % 600);

		wheel_set(&w, &nodes[i].node, i % 5 == 0 ? first + 200000 : first);
		nodes[i].asked_ms = i % 3 == 0 ? first + 150 : i % 3 == 1 ? first / 2 : first;
		wheel_set(&w, &nodes[i].node, i % 7 == 0 ? WHEEL_NEVER : nodes[i].asked_ms);
		nodes[i].is_removed = i % 7 == 0 || i % 11 == 0;
		if (i % 11 == 0)
			wheel_remove(&nodes[i].node);
		n_wanted += !nodes[i].is_removed;
	}
	BED_UNTIL(&b, n_came == n_wanted);
	turn_for(&b, 0.2);
	ck_assert_uint_eq(n_came, n_wanted);
	for (unsigned i = 0; i < NODES; i++) {
		ck_assert(nodes[i].is_removed == (nodes[i].came_ms == 0));
		ck_assert(nodes[i].is_removed || nodes[i].came_ms >= nodes[i].asked_ms);
		wheel_remove(&nodes[i].node);
	}
	wheel_close(&w, NULL);
	bed_close(&b);
}
END_TEST

START_TEST(a_wheel_with_nothing_near_rests)
{
	struct wheel w;
	struct bed b;

	bed_open(&b, NULL);
	wheel_loop = b.loop;
	ck_assert_int_eq(wheel_open(&w, b.loop, on_due), 0);
	ck_assert(!uv_is_active((uv_handle_t *)&w.timer));
	wheel_set(&w, &nodes[0].node, brood_now(b.loop) + 40000);
	ck_assert(uv_is_active((uv_handle_t *)&w.timer));
	ck_assert_int_eq(uv_has_ref((uv_handle_t *)&w.timer), 0);
	ck_assert_uint_ge(uv_timer_get_due_in(&w.timer), 40000);
	wheel_remove(&nodes[0].node);
	wheel_close(&w, NULL);
	bed_close(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http_life");
	TCase *tc = tcase_create("http_life");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, who_is_too_slow_is_told_so);
	tcase_add_test(tc, a_request_gets_its_time_once_however_it_comes);
	tcase_add_test(tc, nobody_is_called_slow_while_the_loop_was_held_up);
	tcase_add_test(tc, each_request_puts_the_end_of_an_idle_connection_off);
	tcase_add_test(tc, who_writes_faster_than_the_client_reads_is_held_up);
	tcase_add_test(tc, an_answer_of_any_size_arrives);
	tcase_add_test(tc, who_waits_for_room_hears_of_the_end);
	tcase_add_test(tc, a_request_outlives_its_connection);
	tcase_add_test(tc, a_client_that_ended_its_side_is_called_gone_and_answered);
	tcase_add_test(tc, a_request_outlives_its_server);
	tcase_add_test(tc, a_descriptor_is_taken_also_when_it_cannot_be_served);
	tcase_add_test(tc, a_drain_without_connections_is_done_at_once);
	tcase_add_test(tc, a_drain_finishes_what_is_there);
	tcase_add_test(tc, a_drain_closes_idle_connections_last);
	tcase_add_test(tc, a_connection_that_comes_while_draining_is_served_once);
	tcase_add_test(tc, a_server_may_be_freed_by_what_it_calls);
	tcase_add_test(tc, a_handler_may_serve_another_connection);
	tcase_add_loop_test(tc, without_memory_one_connection_suffers, 0, 2);
	tcase_add_test(tc, no_server_without_memory_or_handler);
	tcase_add_test(tc, handlers_sleep_side_by_side);
	tcase_add_test(tc, in_a_task_a_write_waits_for_room);
	tcase_add_test(tc, a_task_that_waits_for_room_can_be_ended);
	tcase_add_test(tc, deadlines_pass_never_early_and_each_once);
	tcase_add_test(tc, a_wheel_with_nothing_near_rests);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
