/*
 * listeners: sockets outlive the generations that name them, groups grow and shrink, and what an
 * open address cannot change is refused.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/listeners.h"

static struct listener_table table;
static struct conf_app app;
static struct conf_listen address;
static struct err e;

static void
set_up(void)
{
	app = (struct conf_app){.name = "web", .nonblocking = TRI_AUTO};
	address = (struct conf_listen){
	    .text = "127.0.0.1:0",
	    .key = "tcp:127.0.0.1:0",
	    .kind = LISTEN_TCP,
	    .host = "127.0.0.1",
	    .mode = -1,
	    .backlog = -1,
	    .name = "0",
	};
}

static void
tear_down(void)
{
	listeners_done(&table);
}

static struct listener *
get(unsigned workers)
{
	struct listener *ls = NULL;

	ck_assert_msg(listener_get(&table, &app, &address, workers, &ls, &e) == 0, "%s", e.text);
	return ls;
}

static bool
connects(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ok = connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
	ck_assert_int_eq(close(fd), 0);
	return ok;
}

START_TEST(a_socket_lives_as_long_as_anybody_names_it)
{
	struct listener *first = get(4), *second = get(8);
	uint16_t port = first->port;

	ck_assert_ptr_eq(first, second);
	ck_assert_uint_eq(first->len, 1);
	ck_assert_uint_ne(port, 0);
	listener_put(&table, first);
	ck_assert(connects(port));
	listener_put(&table, second);
	ck_assert(!connects(port));
}
END_TEST

START_TEST(a_group_grows_from_one_and_shrinks_again)
{
	struct listener *ls;

	app.balance = BALANCE_KERNEL;
	ls = get(1);
	ck_assert_uint_eq(ls->len, 1);
	ck_assert_int_eq(listener_grow(ls, &address, 3, &e), 0);
	ck_assert_uint_eq(ls->len, 3);
	ck_assert_int_ne(listener_fd(ls, 0, 0), listener_fd(ls, 2, 0));
	listener_shrink(ls, 2);
	ck_assert_uint_eq(ls->len, 2);
	listener_shrink(ls, 0);
	ck_assert_uint_eq(ls->len, 1); /* the address itself stays taken */
	ck_assert(connects(ls->port));
}
END_TEST

START_TEST(shared_ones_have_one_socket_for_all_slots)
{
	struct listener *ls = get(4);

	ck_assert_int_eq(listener_grow(ls, &address, 9, &e), 0);
	ck_assert_int_eq(listener_fd(ls, 0, 0), listener_fd(ls, 8, 0));
}
END_TEST

START_TEST(another_balance_or_blocking_mode_is_refused_while_open)
{
	struct listener *ls = get(2), *again = NULL;

	app.balance = BALANCE_KERNEL;
	ck_assert_int_eq(listener_get(&table, &app, &address, 2, &again, &e), -EINVAL);
	app.balance = BALANCE_SHARED;
	app.nonblocking = TRI_YES;
	ck_assert_int_eq(listener_get(&table, &app, &address, 2, &again, &e), -EINVAL);
	ck_assert_ptr_null(again);
	ck_assert_uint_eq(ls->refs, 1);
}
END_TEST

START_TEST(N5_junk_of_the_service_manager_is_refused_and_closed)
{
	int pipe_fds[2];

	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_uint_eq(listeners_adopt(&table, pipe_fds[0], 1, &e), 1);
	ck_assert_int_eq(close(pipe_fds[0]), -1);
	ck_assert_int_eq(close(pipe_fds[1]), 0);
}
END_TEST

START_TEST(N5_an_inherited_socket_is_used_for_its_address)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char key[64];
	struct listener *ls;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	ck_assert_uint_eq(listeners_adopt(&table, fd, 1, &e), 0);
	snprintf(key, sizeof(key), "tcp:127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
	address.key = key;
	ls = get(4);
	ck_assert_int_eq(listener_fd(ls, 3, 0), fd);
	ck_assert_uint_eq(ls->port, ntohs(sin.sin_port));
	ck_assert_uint_eq(listeners_close_unused(&table), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("listeners");
	TCase *tcase = tcase_create("listeners");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_socket_lives_as_long_as_anybody_names_it);
	tcase_add_test(tcase, a_group_grows_from_one_and_shrinks_again);
	tcase_add_test(tcase, shared_ones_have_one_socket_for_all_slots);
	tcase_add_test(tcase, another_balance_or_blocking_mode_is_refused_while_open);
	tcase_add_test(tcase, N5_junk_of_the_service_manager_is_refused_and_closed);
	tcase_add_test(tcase, N5_an_inherited_socket_is_used_for_its_address);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
