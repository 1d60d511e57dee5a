/*
 * guard and loop/steer on real sockets: a listener that somebody shut down listens again, and the
 * group's program says what the core's table says, through all that happens to the group. The core
 * and the log are faked.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/fd.h"
#include "core/cluster.h"
#include "loop/guard.h"
#include "loop/listeners.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/steer.h"
#include "loop/tell.h"
#include "sys/queue.h"

#define SLOTS 4

static struct loop loop;
static struct core core;
static struct app app;
static struct slot slots[SLOTS], *slot_list[SLOTS];
static struct worker workers[SLOTS];
static struct generation generations[2];
static struct steer_seat seats[SLOTS];
static struct launch launches[2];
static struct launch_table table;
static struct conf_app conf;
static struct conf_listen address;
static struct listener *both[2][1], *ls;
static char told[512], who_was_told[256]; /* the last line */
static unsigned lines;
static struct err e;

void
tell(struct loop *l, enum log_level level, const char *event, const struct log_who *who,
    const char *fmt, ...)
{
	size_t len;
	va_list ap;

	(void)l;
	(void)level;
	lines++;
	(void)snprintf(told, sizeof(told), "%s: ", event);
	len = strlen(told);
	va_start(ap, fmt);
	(void)vsnprintf(told + len, sizeof(told) - len, fmt, ap);
	va_end(ap);
	(void)snprintf(who_was_told, sizeof(who_was_told), "%s.%d pid %d", who->app, who->slot,
	    (int)who->pid);
}

/* No worker here is one of Node's. */
struct proc *
procs_find(struct loop *l, worker_id worker)
{
	(void)l;
	(void)worker;
	return NULL;
}

bool
node_serves(const struct node *n, const struct listener *listener)
{
	(void)n;
	(void)listener;
	return false;
}

static void
add_worker(unsigned i)
{
	slots[i] = (struct slot){
	    .app = &app, .index = i, .current = &workers[i], .generation = &generations[0]};
	workers[i] = (struct worker){
	    .slot = &slots[i], .generation = &generations[0], .pid = 100 + (pid_t)i};
	slot_list[i] = &slots[i];
	seats[i] = (struct steer_seat){.slot = (uint16_t)i};
}

static void
open_listener(enum conf_balance balance)
{
	conf.balance = balance;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert_msg(listener_get(&table.listeners, &conf, &address, false, SLOTS, &ls, &e) == 0, "%s",
	    e.text);
	both[0][0] = ls;
	launches[0].app = &conf;
	launches[0].listeners = both[0];
	launches[0].listeners_len = 1;
	DL_APPEND(table.all, &launches[0]);
	guard_add(&loop, ls);
}

static void
set_up(void)
{
	(void)snprintf(app.name, sizeof(app.name), "web");
	app.slots = slot_list;
	app.slots_len = app.target_len = SLOTS;
	app.generation = &generations[0];
	app.steer = (struct steer_table){.mode = STEER_SERVE, .seats = seats, .len = SLOTS};
	for (unsigned i = 0; i < SLOTS; i++)
		add_worker(i);
	for (unsigned i = 0; i < 2; i++)
		generations[i] = (struct generation){
		    .number = i + 1, .conf = &conf, .launch = &launches[i], .steered = true};
	conf = (struct conf_app){.name = app.name, .nonblocking = TRI_YES, .listen_len = 1};
	conf.listen = &address;
	address = (struct conf_listen){
	    .text = "here",
	    .key = "tcp:here",
	    .kind = LISTEN_TCP,
	    .host = "127.0.0.1",
	    .mode = -1,
	    .backlog = 100,
	    .name = "here",
	};
	core.apps = &app;
	ck_assert_int_eq(uv_loop_init(&loop.uv), 0);
	loop.uv.data = &loop;
	loop.core = &core;
	loop.launches = &table;
	ck_assert_int_eq(guard_init(&loop, &e), 0);
}

static void
tear_down(void)
{
	guard_done(&loop);
	for (int i = 0; i < 1000 && uv_loop_alive(&loop.uv); i++)
		(void)uv_run(&loop.uv, UV_RUN_ONCE);
	ck_assert_int_eq(uv_loop_close(&loop.uv), 0);
	listeners_done(&table.listeners);
}

/* What is there to do now. */
static void
turn(void)
{
	for (int i = 0; i < 3; i++)
		(void)uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static bool
is_woken(int ms)
{
	struct pollfd p = {.fd = uv_backend_fd(&loop.uv), .events = POLLIN};

	turn();
	return poll(&p, 1, ms) == 1;
}

static bool
listens(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len), 0);
	return on;
}

static int
begin_connection(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(ls->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

static bool
is_through(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, ms) == 1 && p.revents == POLLOUT;
}

static unsigned
queued(unsigned slot, unsigned seat)
{
	unsigned len, limit;

	ck_assert_int_eq(queue_length(listener_fd(ls, slot, seat), &len, &limit), 0);
	return len;
}

static unsigned
queued_in_all(void)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		sum += queued(i, 0) + queued(i, 1);
	return sum;
}

/* A client may be through before its last word has come to the queue. */
static void
wait_for_queued(unsigned sum)
{
	for (int i = 0; i < 5000 && queued_in_all() < sum; i++)
		(void)poll(NULL, 0, 1);
	ck_assert_uint_eq(queued_in_all(), sum);
}

/* Forty connections come to the seats of the table alone, and to each of them. */
static void
goes_where_the_table_says(void)
{
	unsigned before[SLOTS][2], came[SLOTS][2] = {0}, sum = queued_in_all();

	for (unsigned i = 0; i < SLOTS; i++)
		for (unsigned k = 0; k < 2; k++)
			before[i][k] = queued(i, k);
	for (int i = 0; i < 40; i++) {
		int fd = begin_connection();

		ck_assert(is_through(fd, 5000));
		fd_close(&fd);
	}
	wait_for_queued(sum + 40);
	for (unsigned i = 0; i < SLOTS; i++)
		for (unsigned k = 0; k < 2; k++)
			came[i][k] = queued(i, k) - before[i][k];
	for (unsigned i = 0; i < app.steer.len; i++) {
		ck_assert_uint_gt(came[seats[i].slot][seats[i].seat], 0);
		came[seats[i].slot][seats[i].seat] = 0;
	}
	for (unsigned i = 0; i < SLOTS; i++)
		ck_assert_uint_eq(came[i][0] + came[i][1], 0);
}

/* A connection to the place of each seat comes to its socket. */
static void
every_seat_is_in_its_place(void)
{
	for (unsigned i = 0; i < SLOTS; i++)
		for (unsigned k = 0; k < 2; k++) {
			unsigned before = queued(i, k), sum = queued_in_all();
			int fd = steer_connect(
			    ls->fds[0], STEER_RAW + listener_index(ls, i, k));

			ck_assert_int_ge(fd, 0);
			ck_assert(is_through(fd, 5000));
			wait_for_queued(sum + 1);
			ck_assert_uint_eq(queued(i, k), before + 1);
			fd_close(&fd);
		}
}

static void
apply(void)
{
	struct action a = {.kind = ACTION_STEER};

	(void)snprintf(a.app, sizeof(a.app), "web");
	steer_apply(&loop, &a);
}

/* --- guard --- */

START_TEST(R8_who_was_shut_down_listens_again_and_is_named)
{
	open_listener(BALANCE_EVEN);
	workers[2].seat = seats[2].seat = 1;
	apply();
	ck_assert_int_eq(shutdown(listener_fd(ls, 2, 1), SHUT_RDWR), 0);
	ck_assert(!listens(listener_fd(ls, 2, 1)));
	turn();
	ck_assert(listens(listener_fd(ls, 2, 1)));
	ck_assert_uint_eq(ls->hangups, 1);
	ck_assert_ptr_nonnull(strstr(told, "listener_shut: tcp:here: a worker shut it down"));
	ck_assert_str_eq(who_was_told, "web.2 pid 102");
	goes_where_the_table_says();
	every_seat_is_in_its_place();
}
END_TEST

START_TEST(R8_one_for_all_listens_again)
{
	int fd;

	open_listener(BALANCE_SHARED);
	ck_assert_int_eq(shutdown(ls->fds[0], SHUT_RD), 0);
	turn();
	ck_assert_str_eq(who_was_told, "web.-1 pid 0");
	fd = begin_connection();
	ck_assert(is_through(fd, 5000));
	fd_close(&fd);
}
END_TEST

START_TEST(R3_the_order_in_which_they_hang_up_is_kept)
{
	static const struct steer_seat orders[][3] = {
	    {{3, 1}, {0, 0}, {2, 0}},
	    {{0, 0}, {2, 0}, {3, 1}},
	    {{1, 1}, {1, 0}, {0, 1}},
	};

	open_listener(BALANCE_EVEN);
	apply();
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		for (unsigned k = 0; k < 3; k++)
			ck_assert_int_eq(
			    shutdown(listener_fd(ls, orders[i][k].slot, orders[i][k].seat),
			        SHUT_RDWR),
			    0);
		turn();
		every_seat_is_in_its_place();
		goes_where_the_table_says();
	}
	ck_assert_uint_eq(ls->hangups, 9);
}
END_TEST

/* More than one look takes. */
START_TEST(R3_a_whole_group_hangs_up_at_once)
{
	open_listener(BALANCE_EVEN);
	ck_assert_int_eq(listener_grow(ls, &address, 60, &e), 0);
	guard_add(&loop, ls);
	steer_listener(&loop, ls);
	for (unsigned i = ls->len; i-- > 0;)
		ck_assert_int_eq(shutdown(ls->fds[i], SHUT_RDWR), 0);
	turn();
	for (unsigned i = 0; i < ls->len; i++)
		ck_assert(listens(ls->fds[i]));
	ck_assert_uint_eq(ls->hangups, 120);
	ck_assert_uint_le(lines, 16); /* two seconds' */
	every_seat_is_in_its_place();
	goes_where_the_table_says();
}
END_TEST

START_TEST(R8_nobody_is_woken_by_connections)
{
	int fds[20];

	open_listener(BALANCE_EVEN);
	apply();
	ck_assert(!is_woken(0));
	for (int i = 0; i < 20; i++) {
		fds[i] = begin_connection();
		ck_assert(is_through(fds[i], 5000));
	}
	ck_assert(!is_woken(100));
	for (int i = 0; i < 20; i++)
		fd_close(&fds[i]);
	ck_assert(!is_woken(100));
}
END_TEST

START_TEST(a_flush_of_ours_is_no_workers_doing)
{
	int reader;

	open_listener(BALANCE_EVEN);
	app.steer.len = 3;
	apply();
	reader = listener_fd(ls, 0, 0);
	ck_assert_int_eq(guard_flush(&loop, ls, 3, &reader, 1), 0);
	turn();
	ck_assert_str_eq(told, "");
	ck_assert_uint_eq(ls->hangups, 0);
	ck_assert_uint_eq(listener_index(ls, 3, 0), 7);
	every_seat_is_in_its_place();
	goes_where_the_table_says();
}
END_TEST

START_TEST(R12_what_is_closed_here_is_not_watched_any_more)
{
	int held;

	open_listener(BALANCE_EVEN);
	held = dup(listener_fd(ls, 1, 0)); /* a worker has it still */
	guard_remove(&loop, ls);
	listener_put(&table.listeners, ls);
	ck_assert_int_eq(shutdown(held, SHUT_RDWR), 0);
	ck_assert(!is_woken(100));
	ck_assert_str_eq(told, "");
	fd_close(&held);
}
END_TEST

/* Somebody took the port in the moment in which nobody listened. */
START_TEST(a_listener_that_is_lost_is_tried_again_without_spinning)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int thief = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, fd;

	open_listener(BALANCE_SHARED);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons(ls->port);
	ck_assert_int_eq(shutdown(ls->fds[0], SHUT_RDWR), 0);
	ck_assert_int_eq(setsockopt(thief, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	ck_assert_int_eq(bind(thief, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(thief, 5), 0);
	turn();
	ck_assert_ptr_nonnull(strstr(told, "listener_lost: tcp:here: "));
	ck_assert_ptr_nonnull(strstr(told, strerror(EADDRINUSE)));
	ck_assert(!is_woken(100));
	fd_close(&thief);
	for (int i = 0; i < 100 && !listens(ls->fds[0]); i++)
		(void)uv_run(&loop.uv, UV_RUN_ONCE); /* the timer */
	ck_assert(listens(ls->fds[0]));
	/* and is watched as before */
	ck_assert_int_eq(shutdown(ls->fds[0], SHUT_RDWR), 0);
	turn();
	fd = begin_connection();
	ck_assert(is_through(fd, 5000));
	fd_close(&fd);
}
END_TEST

/* --- steer --- */

START_TEST(the_table_is_what_the_program_says)
{
	open_listener(BALANCE_EVEN);
	apply();
	goes_where_the_table_says();
	seats[0] = (struct steer_seat){1, 1};
	seats[1] = (struct steer_seat){3, 0};
	workers[1].seat = slots[1].seat = 1;
	app.steer.len = 2;
	apply();
	goes_where_the_table_says();
	every_seat_is_in_its_place();
}
END_TEST

START_TEST(who_is_held_off_tries_again_and_gets_in)
{
	int fd;

	open_listener(BALANCE_EVEN);
	apply();
	app.steer.mode = STEER_HOLD;
	apply();
	fd = begin_connection();
	ck_assert(!is_through(fd, 200));
	every_seat_is_in_its_place();
	app.steer.mode = STEER_SERVE;
	apply();
	ck_assert(is_through(fd, 10000)); /* SYN goes out again after a second */
	fd_close(&fd);
	/* a second time, through the same plug */
	app.steer.mode = STEER_HOLD;
	apply();
	fd = begin_connection();
	ck_assert(!is_through(fd, 200));
	fd_close(&fd);
	ck_assert_str_eq(told, "");
}
END_TEST

/* A reload brings the address in: those that run do not have it. */
START_TEST(only_seats_with_a_reader_get_connections)
{
	struct conf_app without = {.name = app.name, .balance = BALANCE_EVEN};
	int fd;

	open_listener(BALANCE_EVEN);
	launches[1].app = &without;
	launches[1].listeners = both[1];
	DL_PREPEND(table.all, &launches[1]);
	for (unsigned i = 0; i < SLOTS; i++)
		workers[i].generation = slots[i].generation = &generations[1];
	apply();
	ck_assert(ls->partial);
	fd = begin_connection();
	ck_assert(!is_through(fd, 200));
	/* Slot 2 is the first that has it, and then slot 0. */
	workers[2].generation = slots[2].generation = &generations[0];
	workers[0].generation = slots[0].generation = &generations[0];
	steer_on_transition(&loop, "web");
	ck_assert(is_through(fd, 10000));
	fd_close(&fd);
	seats[1] = (struct steer_seat){2, 0};
	app.steer.len = 2;
	goes_where_the_table_says();
	/* The table is the same when all have it, and nobody else would say so. */
	ck_assert(ls->partial);
	app.steer.len = 2;
	steer_on_transition(&loop, "web");
	ck_assert(!ls->partial);
	goes_where_the_table_says();
}
END_TEST

START_TEST(before_the_core_says_anything_it_stays_as_it_was_opened)
{
	open_listener(BALANCE_EVEN);
	app.steer.mode = STEER_NONE;
	steer_listener(&loop, ls);
	ck_assert_uint_eq(ls->members, 2 * SLOTS);
	goes_where_the_table_says();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, R8_who_was_shut_down_listens_again_and_is_named);
	tcase_add_test(tcase, R8_one_for_all_listens_again);
	tcase_add_test(tcase, R3_the_order_in_which_they_hang_up_is_kept);
	tcase_add_test(tcase, R3_a_whole_group_hangs_up_at_once);
	tcase_add_test(tcase, R8_nobody_is_woken_by_connections);
	tcase_add_test(tcase, a_flush_of_ours_is_no_workers_doing);
	tcase_add_test(tcase, R12_what_is_closed_here_is_not_watched_any_more);
	tcase_add_test(tcase, a_listener_that_is_lost_is_tried_again_without_spinning);
	tcase_add_test(tcase, the_table_is_what_the_program_says);
	tcase_add_test(tcase, who_is_held_off_tries_again_and_gets_in);
	tcase_add_test(tcase, only_seats_with_a_reader_get_connections);
	tcase_add_test(tcase, before_the_core_says_anything_it_stays_as_it_was_opened);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
