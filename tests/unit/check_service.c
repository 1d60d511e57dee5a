/* service: brood_serve(), from its start to its exit code. The client is in the same loop. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "brood.h"

static struct {
	struct brood_worker *worker;
	int client;
	char answer[4096];
	size_t len;
	unsigned requests;
	bool answers_never;
	struct brood_request *kept; /* never answered, so it lives for ever */
} t;

static int
connect_to(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_port = htons((uint16_t)port);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void
on_request(struct brood_request *r, void *data)
{
	ck_assert_ptr_eq(data, &t);
	t.requests++;
	if (brood_self() != NULL)
		ck_assert_int_eq(brood_sleep(1), 0);
	if (t.answers_never)
		t.kept = r;
	else
		ck_assert_int_eq(brood_respond(r, 200, "text/plain", "hello\n", 6), 0);
}

/* When the answer is there the worker is told to end, and the connection is asked once more. */
static void
look(struct brood_loop *loop, void *arg)
{
	ssize_t n = recv(t.client, t.answer + t.len, sizeof t.answer - 1 - t.len, MSG_DONTWAIT);

	(void)arg;
	(void)loop;
	if (n <= 0)
		return;
	t.len += (size_t)n;
	if (t.requests == 1 && strstr(t.answer, "hello\n") != NULL) {
		t.len = 0;
		brood_worker_drain(t.worker);
		ck_assert_int_eq(send(t.client, "GET / HTTP/1.1\r\nHost: t\r\n\r\n", 27, 0), 27);
	}
}

static int
begin(struct brood_loop *loop, struct brood_worker *w, struct brood_http *http, void *data)
{
	brood_id id = brood_set_interval(loop, 1, look, NULL);

	ck_assert_ptr_eq(data, &t);
	ck_assert_ptr_nonnull(http);
	t.worker = w;
	t.client = connect_to(brood_worker_port(w));
	ck_assert_int_eq(send(t.client, "GET / HTTP/1.1\r\nHost: t\r\n\r\n", 27, 0), 27);
	ck_assert_uint_ne(id, 0);
	brood_unref(loop, id);
	return 0;
}

static void
serve_and_drain(bool in_tasks)
{
	const struct brood_service s = {
	    .on_request = on_request, .data = &t, .on_start = begin, .in_tasks = in_tasks};

	ck_assert_int_eq(brood_serve(&s), 0);
	ck_assert_uint_eq(t.requests, 2);
	while (recv(t.client, t.answer + t.len, 1, MSG_DONTWAIT) == 1)
		t.len++;
	t.answer[t.len] = '\0';
	ck_assert_ptr_nonnull(strstr(t.answer, "Connection: close\r\n"));
	close(t.client);
}

START_TEST(it_serves_and_drains_without_losing_a_request)
{
	serve_and_drain(false);
}
END_TEST

START_TEST(the_same_in_tasks)
{
	serve_and_drain(true);
}
END_TEST

static void
stop_now(struct brood_loop *loop, void *arg)
{
	(void)arg;
	brood_stop(loop, 7);
}

static int
begin_without_answer(
    struct brood_loop *loop, struct brood_worker *w, struct brood_http *http, void *data)
{
	brood_id id = brood_set_timeout(loop, 50, stop_now, NULL);

	t.answers_never = true;
	ck_assert_uint_ne(id, 0);
	return begin(loop, w, http, data);
}

/* Requests that nobody answered are the program's; what is open is closed all the same. */
START_TEST(program_may_stop_it_with_what_is_open)
{
	const struct brood_service s = {
	    .on_request = on_request, .data = &t, .on_start = begin_without_answer};
	char byte;

	ck_assert_int_eq(brood_serve(&s), 7);
	ck_assert_int_le(recv(t.client, &byte, 1, 0), 0);
	close(t.client);
}
END_TEST

static int
refuse(struct brood_loop *loop, struct brood_worker *w, struct brood_http *http, void *data)
{
	(void)loop;
	(void)w;
	(void)http;
	(void)data;
	return 42;
}

START_TEST(start_may_refuse)
{
	const struct brood_service s = {.on_request = on_request, .data = &t, .on_start = refuse};

	ck_assert_int_eq(brood_serve(&s), 42);
	/* It is all gone: once more. */
	ck_assert_int_eq(brood_serve(&s), 42);
}
END_TEST

START_TEST(address_that_cannot_be_is_an_exit_code)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct brood_service s = {.on_request = on_request, .host = "nowhere", .port = 80};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof a;

	ck_assert_int_eq(brood_serve(&s), EX_USAGE);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	s.host = NULL;
	s.port = ntohs(a.sin_port);
	ck_assert_int_eq(brood_serve(&s), EX_OSERR);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("service");
	TCase *tc = tcase_create("service");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, it_serves_and_drains_without_losing_a_request);
	tcase_add_test(tc, the_same_in_tasks);
	tcase_add_test(tc, program_may_stop_it_with_what_is_open);
	tcase_add_test(tc, start_may_refuse);
	tcase_add_test(tc, address_that_cannot_be_is_an_exit_code);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
