/*
 * queues: who wakes the loop, what the core is told, and what becomes of a queue that nobody takes
 * from, on real sockets.
 */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/command.h"
#include "fakeloop.h"
#include "loop/queues.h"
#include "run_suite.h"
#include "sys/queue.h"

static struct fake_loop f;

static void
set_up(void)
{
	fake_loop_init(&f, "127.0.0.1");
}

static void
tear_down(void)
{
	fake_loop_done(&f);
}

static bool
is_asleep(struct fake_loop *x)
{
	return fake_loop_is_asleep(x);
}

/* Set by a test: what it waits to be told. */
static unsigned at_slot, at_seat;
static int at_len;

static bool
is_told(struct fake_loop *x)
{
	return fake_loop_told_len(x, at_slot, at_seat) == at_len;
}

static bool
comes_to(unsigned slot, unsigned seat, int len)
{
	at_slot = slot;
	at_seat = seat;
	at_len = len;
	return fake_loop_run(&f, is_told, FAKE_LONG_MS);
}

static void
fall_asleep(void)
{
	/* The first turn settles what is stale. */
	fake_loop_pass(&f, 1);
	ck_assert(fake_loop_run(&f, is_asleep, FAKE_LONG_MS));
}

static unsigned
length(unsigned slot, unsigned seat)
{
	unsigned len = 0, limit;

	ck_assert_int_eq(queue_length(fake_loop_fd(&f, slot, seat), &len, &limit), 0);
	return len;
}

static void
be(unsigned slot, enum worker_state state)
{
	f.workers[slot].state = state;
	queues_settle(&f.l, "web");
}

START_TEST(an_idle_app_wakes_nobody)
{
	fall_asleep();
	fake_loop_pass(&f, 50);
	ck_assert(fake_loop_is_asleep(&f));
	ck_assert_uint_eq(f.looks, 0);
	ck_assert_uint_eq(f.events, 0);
}
END_TEST

START_TEST(what_waits_is_told_until_it_is_gone)
{
	int client, taken;

	fall_asleep();
	client = fake_loop_connect(&f, 1, 0);
	ck_assert(comes_to(1, 0, 1));
	/* Both seats of every slot, with the limit that the address was given. */
	ck_assert_uint_eq(f.samples_len, 2 * FAKE_SLOTS);
	ck_assert_uint_eq(f.samples[0].limit, 100);
	ck_assert_int_eq(fake_loop_told_len(&f, 2, 0), 0);
	taken = fake_loop_accept(&f, 1, 0);
	ck_assert(comes_to(1, 0, 0));
	fall_asleep();
	ck_assert_int_eq(close(client), 0);
	ck_assert_int_eq(close(taken), 0);
}
END_TEST

START_TEST(a_twin_that_nobody_holds_is_watched)
{
	int client;

	fall_asleep();
	client = fake_loop_connect(&f, 3, 1);
	ck_assert(comes_to(3, 1, 1));
	ck_assert_int_eq(close(client), 0);
}
END_TEST

/* Its queue may stay full for hours: that is looked at now and then, and hides nobody else's. */
START_TEST(a_stalled_queue_ticks_slowly_and_hides_no_other)
{
	int clients[2];
	unsigned looks;

	be(2, WORKER_STALLED);
	fake_loop_steer(&f, 2, false);
	clients[0] = fake_loop_connect(&f, 2, 0);
	ck_assert(comes_to(2, 0, 1));
	looks = f.looks;
	fake_loop_pass(&f, 300);
	/* 16 in a hurry, then one each 20 ms; at full speed it would be 300 */
	ck_assert_uint_le(f.looks - looks, 40);
	clients[1] = fake_loop_connect(&f, 0, 0);
	ck_assert(comes_to(0, 0, 1));
	ck_assert_int_eq(fake_loop_told_len(&f, 2, 0), 1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(close(clients[i]), 0);
}
END_TEST

START_TEST(on_the_ring_the_tick_is_slow)
{
	unsigned looks;
	int client;

	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		f.workers[i].on_ring = true;
	queues_settle(&f.l, "web");
	fall_asleep();
	client = fake_loop_connect(&f, 1, 0);
	ck_assert(comes_to(1, 0, 1));
	looks = f.looks;
	fake_loop_pass(&f, 200);
	ck_assert_uint_ge(f.looks, looks);
	ck_assert_uint_le(f.looks - looks, 11);
	ck_assert_int_eq(close(client), 0);
}
END_TEST

START_TEST(a_parked_slot_is_told_of_while_it_holds_something)
{
	int client, taken;

	f.app.slots_len = FAKE_SLOTS - 1;
	fake_loop_steer(&f, FAKE_SLOTS - 1, false);
	fall_asleep();
	client = fake_loop_connect(&f, FAKE_SLOTS - 1, 0);
	ck_assert(comes_to(FAKE_SLOTS - 1, 0, 1));
	ck_assert_uint_eq(f.samples_len, 2 * (FAKE_SLOTS - 1) + 1);
	taken = fake_loop_accept(&f, FAKE_SLOTS - 1, 0);
	ck_assert(comes_to(FAKE_SLOTS - 1, 0, 0));
	ck_assert_int_eq(close(client), 0);
	ck_assert_int_eq(close(taken), 0);
	client = fake_loop_connect(&f, 0, 0);
	ck_assert(comes_to(0, 0, 1));
	ck_assert_int_eq(fake_loop_told_len(&f, FAKE_SLOTS - 1, 0), -1);
	ck_assert_int_eq(close(client), 0);
}
END_TEST

START_TEST(the_core_does_not_hear_of_our_own_connections)
{
	int ours, clients;

	fall_asleep();
	queues_own(&f.l, "web", 1, 0, 1);
	ours = fake_loop_connect(&f, 1, 0);
	fake_loop_pass(&f, 50);
	ck_assert_uint_eq(f.looks, 0);
	clients = fake_loop_connect(&f, 1, 0);
	ck_assert(comes_to(1, 0, 1));
	queues_own(&f.l, "web", 1, 0, -1);
	ck_assert(comes_to(1, 0, 2));
	ck_assert_int_eq(close(ours), 0);
	ck_assert_int_eq(close(clients), 0);
}
END_TEST

START_TEST(status_has_now_most_and_limit)
{
	struct slot_queue q;
	int clients[3];

	fall_asleep();
	for (int i = 0; i < 3; i++)
		clients[i] = fake_loop_connect(&f, 1, i == 2);
	ck_assert(queues_report(&f.l, "web", 1, &q));
	ck_assert_uint_eq(q.now, 3);
	ck_assert_uint_eq(q.most, 3);
	ck_assert_uint_eq(q.limit, 100);
	ck_assert_int_eq(close(fake_loop_accept(&f, 1, 1)), 0);
	ck_assert(queues_report(&f.l, "web", 1, &q));
	ck_assert_uint_eq(q.now, 2);
	ck_assert_uint_eq(q.most, 3);
	ck_assert(queues_report(&f.l, "web", 2, &q));
	ck_assert_uint_eq(q.most, 0);
	ck_assert(!queues_report(&f.l, "web", FAKE_SLOTS, &q));
	ck_assert(!queues_report(&f.l, "api", 0, &q));
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(close(clients[i]), 0);
}
END_TEST

/* R8: until the guard has told it to listen again, it is silent, and then it is watched again. */
START_TEST(R8_a_listener_that_was_shut_down_does_not_spin)
{
	int client;

	fall_asleep();
	ck_assert_int_eq(shutdown(fake_loop_fd(&f, 1, 0), SHUT_RD), 0);
	listener_left_group(f.ls, 1);
	fake_loop_pass(&f, 20);
	ck_assert(fake_loop_run(&f, is_asleep, FAKE_LONG_MS));
	ck_assert_int_eq(listen(fake_loop_fd(&f, 1, 0), 100), 0);
	listener_joined_group(f.ls, 1);
	fake_loop_steer(&f, 1, true);
	fall_asleep();
	client = fake_loop_connect(&f, 1, 0);
	ck_assert(comes_to(1, 0, 1));
	ck_assert_int_eq(close(client), 0);
}
END_TEST

/* A shared socket, or one that the kernel spreads over, is nobody's own. */
START_TEST(unsteered_apps_are_watched_while_nobody_serves)
{
	struct slot_queue q;
	int client;

	f.ls->shape = LISTENER_ONE;
	queues_reopen(&f.l, "web");
	fall_asleep();
	f.ls->shape = LISTENER_STEERED;
	client = fake_loop_connect(&f, 0, 0);
	f.ls->shape = LISTENER_ONE;
	fake_loop_pass(&f, 30);
	ck_assert_uint_eq(f.looks, 0);
	ck_assert(!queues_report(&f.l, "web", 0, &q));
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		be(i, WORKER_STARTING);
	ck_assert(comes_to(0, 0, 1));
	ck_assert_int_eq(fake_loop_told_len(&f, 0, 1), -1);
	f.ls->shape = LISTENER_STEERED;
	ck_assert_int_eq(close(client), 0);
}
END_TEST

START_TEST(an_app_may_go_while_its_queue_is_full)
{
	int client = fake_loop_connect(&f, 1, 0);

	ck_assert(comes_to(1, 0, 1));
	queues_forget(&f.l, "web");
	f.core.apps = NULL;
	queues_settle(&f.l, "web");
	fake_loop_pass(&f, 10);
	ck_assert(fake_loop_is_asleep(&f));
	f.core.apps = &f.app;
	ck_assert_int_eq(close(client), 0);
}
END_TEST

static const struct action rescue_2 = {.kind = ACTION_RESCUE, .app = "web", .slot = 2};

static void
stall_with(int clients[], unsigned n)
{
	be(2, WORKER_STALLED);
	f.workers[2].told = true;
	fake_loop_steer(&f, 2, false);
	for (unsigned i = 0; i < n; i++)
		clients[i] = fake_loop_connect(&f, 2, 0);
	ck_assert(comes_to(2, 0, (int)n));
	ck_assert_uint_eq(queues_flushes(&f.l, "web", 2), 0);
}

START_TEST(R4_a_rescued_queue_goes_to_workers_that_are_ready)
{
	unsigned others = 0;
	struct slot_queue q;
	int clients[8];

	fake_loop_done(&f);
	fake_loop_own_network(true);
	fake_loop_init(&f, "127.0.0.1");
	if (!queue_can_migrate())
		return; /* not our network, or an old kernel */
	stall_with(clients, 8);
	queues_rescue(&f.l, &rescue_2);
	ck_assert_uint_eq(length(2, 0), 0);
	for (unsigned i = 0; i < FAKE_SLOTS; i++) {
		others += length(i, 0);
		ck_assert_uint_eq(length(i, 1), 0);
	}
	ck_assert_uint_eq(others, 8);
	ck_assert(queues_report(&f.l, "web", 2, &q));
	ck_assert_uint_eq(q.rescued, 8);
	ck_assert_uint_eq(queues_flushes(&f.l, "web", 2), 1);
	ck_assert_ptr_nonnull(strstr(f.told, "queue_rescued: 8 connections"));
	/* Nothing is there any more: nothing is done or said. */
	f.told[0] = '\0';
	queues_rescue(&f.l, &rescue_2);
	ck_assert_uint_eq(queues_flushes(&f.l, "web", 2), 1);
	ck_assert_str_eq(f.told, "");
	/* The order of the group is another one, and known: a seat is still found. */
	clients[0] = fake_loop_connect(&f, 2, 0);
	ck_assert_uint_eq(length(2, 0), 1);
}
END_TEST

START_TEST(R4_a_queue_that_cannot_be_given_away_stays)
{
	struct slot_queue q;
	int clients[2];

	fake_loop_done(&f);
	fake_loop_own_network(false);
	fake_loop_init(&f, "127.0.0.1");
	if (queue_can_migrate())
		return; /* not our network */
	stall_with(clients, 2);
	queues_rescue(&f.l, &rescue_2);
	ck_assert_uint_eq(length(2, 0), 2);
	ck_assert(queues_report(&f.l, "web", 2, &q));
	ck_assert_uint_eq(q.rescued, 0);
	ck_assert_uint_eq(queues_flushes(&f.l, "web", 2), 0);
	ck_assert_ptr_nonnull(strstr(f.told, "queue_stuck"));
	f.told[0] = '\0';
	queues_rescue(&f.l, &rescue_2);
	ck_assert_str_eq(f.told, ""); /* once a stall */
	f.slots[2].stalls++;
	f.workers[2].told = false;
	queues_rescue(&f.l, &rescue_2);
	ck_assert_str_eq(f.told, ""); /* and not if the stall itself is not told of */
	f.workers[2].told = true;
	queues_rescue(&f.l, &rescue_2);
	ck_assert_ptr_nonnull(strstr(f.told, "queue_stuck"));
}
END_TEST

static void
add_tests(TCase *tcase)
{
	tcase_add_test(tcase, an_idle_app_wakes_nobody);
	tcase_add_test(tcase, what_waits_is_told_until_it_is_gone);
	tcase_add_test(tcase, a_twin_that_nobody_holds_is_watched);
	tcase_add_test(tcase, a_stalled_queue_ticks_slowly_and_hides_no_other);
	tcase_add_test(tcase, on_the_ring_the_tick_is_slow);
	tcase_add_test(tcase, a_parked_slot_is_told_of_while_it_holds_something);
	tcase_add_test(tcase, the_core_does_not_hear_of_our_own_connections);
	tcase_add_test(tcase, status_has_now_most_and_limit);
	tcase_add_test(tcase, R8_a_listener_that_was_shut_down_does_not_spin);
	tcase_add_test(tcase, unsteered_apps_are_watched_while_nobody_serves);
	tcase_add_test(tcase, an_app_may_go_while_its_queue_is_full);
	tcase_add_test(tcase, R4_a_rescued_queue_goes_to_workers_that_are_ready);
	tcase_add_test(tcase, R4_a_queue_that_cannot_be_given_away_stays);
}

int
main(void)
{
	return run_suite("queues", set_up, tear_down, add_tests);
}
