/*
 * watch: a leaving worker is told of when nothing waits at its seat, and when no request is inside;
 * on real sockets, with the test as the worker.
 */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "fakeloop.h"
#include "loop/watch.h"
#include "run_suite.h"

static struct fake_loop f;

static void
set_up(void)
{
	fake_loop_init(&f, "127.0.0.1");
	f.workers[1].state = WORKER_DRAINING;
	fake_loop_steer(&f, 1, false);
}

static void
tear_down(void)
{
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		watch_end(&f.procs[i]);
	fake_loop_done(&f);
}

static bool
is_told(struct fake_loop *x)
{
	return x->events > 0;
}

static void
watch_worker(unsigned slot, enum watch_kind kind)
{
	const struct action a = {
	    .kind = ACTION_WATCH, .worker = slot + 1, .app = "web", .watch = {.kind = kind}};

	f.events = 0;
	watch_begin(&f.l, &a);
}

static void
comes_out(unsigned slot, enum event_kind kind)
{
	ck_assert(fake_loop_run(&f, is_told, FAKE_LONG_MS));
	ck_assert_uint_eq(f.events, 1);
	ck_assert_int_eq(f.last.kind, kind);
	ck_assert_uint_eq(f.last.worker, slot + 1);
	ck_assert_ptr_null(f.procs[slot].watch);
}

START_TEST(an_empty_seat_is_empty_for_a_while)
{
	uint64_t began_us = clock_now_us();

	watch_worker(1, WATCH_EMPTY);
	comes_out(1, EVENT_EMPTIED);
	ck_assert_uint_ge(clock_now_us() - began_us, 10 * 1000);
}
END_TEST

START_TEST(what_waits_at_its_seat_holds_it)
{
	int client = fake_loop_connect_client(&f, 1, 0), taken;

	watch_worker(1, WATCH_EMPTY);
	fake_loop_pass(&f, 100);
	ck_assert_uint_eq(f.events, 0);
	taken = fake_loop_accept(&f, 1, 0);
	comes_out(1, EVENT_EMPTIED);
	ck_assert_int_eq(close(taken), 0);
	ck_assert_int_eq(close(client), 0);
}
END_TEST

START_TEST(those_at_its_twin_do_not)
{
	int clients[2];

	clients[0] = fake_loop_connect_client(&f, 1, 1);
	clients[1] = fake_loop_connect_client(&f, 2, 0);
	watch_worker(1, WATCH_EMPTY);
	comes_out(1, EVENT_EMPTIED);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(close(clients[i]), 0);
}
END_TEST

/* A worker that stands still takes those that try it to its end with it. */
START_TEST(our_own_connections_do_not)
{
	int ours = fake_loop_connect(&f, 1, 0);

	watch_worker(1, WATCH_EMPTY);
	comes_out(1, EVENT_EMPTIED);
	ck_assert_int_eq(close(ours), 0);
}
END_TEST

START_TEST(no_more_is_no_more)
{
	watch_worker(1, WATCH_EMPTY);
	watch_worker(1, WATCH_NONE);
	fake_loop_pass(&f, 50);
	ck_assert_uint_eq(f.events, 0);
	ck_assert_ptr_null(f.procs[1].watch);
}
END_TEST

START_TEST(a_shared_socket_is_not_waited_for)
{
	int client = fake_loop_connect(&f, 1, 0);

	f.ls->shape = LISTENER_ONE;
	watch_worker(1, WATCH_EMPTY);
	comes_out(1, EVENT_EMPTIED);
	f.ls->shape = LISTENER_STEERED;
	ck_assert_int_eq(close(client), 0);
}
END_TEST

/* What it was connected for may be on its way still. */
START_TEST(a_fresh_connection_holds_it_for_a_while)
{
	uint64_t began_us = clock_now_us();
	int client = fake_loop_connect(&f, 1, 0), taken = fake_loop_accept(&f, 1, 0);

	watch_worker(1, WATCH_QUIET);
	comes_out(1, EVENT_QUIET);
	ck_assert(!f.last.quiet.unknown);
	/* Twice the least time after which the kernel sends again, but for its 4 ms steps. */
	ck_assert_uint_ge(clock_now_us() - began_us, (2 * 200 - 10) * 1000);
	ck_assert_int_eq(close(client), 0);
	ck_assert_int_eq(close(taken), 0);
}
END_TEST

START_TEST(a_request_inside_holds_it)
{
	int client = fake_loop_connect(&f, 1, 0), taken = fake_loop_accept(&f, 1, 0);
	struct pollfd p = {.fd = client, .events = POLLIN};
	char buf[16];

	watch_worker(1, WATCH_QUIET);
	comes_out(1, EVENT_QUIET);
	ck_assert(!f.last.quiet.unknown);
	ck_assert_int_eq(send(client, "GET", 3, 0), 3);
	watch_worker(1, WATCH_QUIET);
	fake_loop_pass(&f, 60);
	ck_assert_uint_eq(f.events, 0);
	ck_assert_int_eq(recv(taken, buf, sizeof(buf), 0), 3);
	fake_loop_pass(&f, 60);
	ck_assert_uint_eq(f.events, 0);
	ck_assert_int_eq(send(taken, "200", 3, 0), 3);
	ck_assert_int_eq(poll(&p, 1, FAKE_LONG_MS), 1);
	comes_out(1, EVENT_QUIET);
	ck_assert(!f.last.quiet.unknown);
	ck_assert_int_eq(close(client), 0);
	ck_assert_int_eq(close(taken), 0);
}
END_TEST

START_TEST(who_is_gone_can_not_be_asked)
{
	f.workers[1].pid = 0x3fffffff; /* beyond what the kernel gives out */
	watch_worker(1, WATCH_QUIET);
	comes_out(1, EVENT_QUIET);
	ck_assert(f.last.quiet.unknown);
}
END_TEST

static void
add_tests(TCase *tcase)
{
	tcase_add_test(tcase, an_empty_seat_is_empty_for_a_while);
	tcase_add_test(tcase, what_waits_at_its_seat_holds_it);
	tcase_add_test(tcase, those_at_its_twin_do_not);
	tcase_add_test(tcase, our_own_connections_do_not);
	tcase_add_test(tcase, no_more_is_no_more);
	tcase_add_test(tcase, a_shared_socket_is_not_waited_for);
	tcase_add_test(tcase, a_fresh_connection_holds_it_for_a_while);
	tcase_add_test(tcase, a_request_inside_holds_it);
	tcase_add_test(tcase, who_is_gone_can_not_be_asked);
}

int
main(void)
{
	return run_suite("watch", set_up, tear_down, add_tests);
}
