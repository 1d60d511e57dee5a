/*
 * listeners: sockets outlive the generations that name them, groups grow and shrink, and what an
 * open address cannot change is refused. Steered groups: every seat is at the place that the map
 * says, whatever happened to the group, which is tried by connections to it.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "loop/listeners.h"
#include "sys/queue.h"

#define NOBODY 65534

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

	ck_assert_msg(listener_get(&table, &app, &address, app.nonblocking == TRI_YES, workers, &ls, &e) == 0, "%s", e.text);
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
	ck_assert_int_eq(listener_get(&table, &app, &address, app.nonblocking == TRI_YES, 2, &again, &e), -EINVAL);
	app.balance = BALANCE_SHARED;
	app.nonblocking = TRI_YES;
	ck_assert_int_eq(listener_get(&table, &app, &address, app.nonblocking == TRI_YES, 2, &again, &e), -EINVAL);
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

/* --- steered groups --- */

static struct listener *
get_steered(unsigned workers)
{
	struct listener *ls;

	app.balance = BALANCE_EVEN;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ls = get(workers);
	ck_assert_int_eq(ls->shape, LISTENER_STEERED);
	return ls;
}

static int
connect_to(const struct listener *ls)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(ls->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* Connections that were made come to the queues a moment later. */
static void
wait_for_queued(const struct listener *ls, unsigned sum)
{
	unsigned now = 0, len, limit;

	for (int tries = 0; tries < 5000 && now < sum; tries++) {
		now = 0;
		for (unsigned i = 0; i < ls->len; i++) {
			ck_assert_int_eq(queue_length(ls->fds[i], &len, &limit), 0);
			now += len;
		}
		if (now < sum)
			(void)poll(NULL, 0, 1);
	}
	ck_assert_uint_eq(now, sum);
}

static bool
waits(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static unsigned
queued(int fd)
{
	unsigned len, limit;

	ck_assert_int_eq(queue_length(fd, &len, &limit), 0);
	return len;
}

/* New connections go to the seats 0 of the first `workers` slots; the program knows all members. */
static void
steer_to_first(struct listener *ls, unsigned workers)
{
	uint16_t targets[64];

	for (unsigned i = 0; i < workers; i++)
		targets[i] = (uint16_t)listener_index(ls, i, 0);
	ck_assert_int_eq(listener_steer(ls, BALANCE_EVEN, targets, workers, targets, workers), 0);
}

/* A connection to the place of each seat comes to the socket of that seat. */
static void
every_seat_is_in_its_place(struct listener *ls)
{
	steer_to_first(ls, 1);
	for (unsigned i = 0; i < ls->len; i++) {
		unsigned slot, seat;
		int client, served;

		listener_seat_of(ls, i, &slot, &seat);
		ck_assert_int_eq(listener_fd(ls, slot, seat), ls->fds[i]);
		client = steer_connect(
		    ls->fds[0], STEER_RAW + listener_index(ls, slot, seat));
		ck_assert_int_ge(client, 0);
		ck_assert_msg(waits(ls->fds[i], 2000), "slot %u seat %u is not at %u", slot, seat,
		    listener_index(ls, slot, seat));
		served = accept(ls->fds[i], NULL, NULL);
		ck_assert_int_ge(served, 0);
		fd_close(&served);
		fd_close(&client);
	}
}

START_TEST(twins_lie_apart_and_later_slots_follow_in_pairs)
{
	struct listener *ls = get_steered(3);

	ck_assert_uint_eq(listener_slots(ls), 3);
	ck_assert_uint_eq(ls->len, 6);
	ck_assert_uint_eq(listener_index(ls, 2, 0), 2);
	ck_assert_uint_eq(listener_index(ls, 0, 1), 3);
	every_seat_is_in_its_place(ls);
	ck_assert_int_eq(listener_grow(ls, &address, 5, &e), 0);
	ck_assert_uint_eq(listener_slots(ls), 5);
	ck_assert_uint_eq(listener_index(ls, 3, 0), 6);
	ck_assert_uint_eq(listener_index(ls, 3, 1), 7);
	ck_assert_uint_eq(listener_index(ls, 4, 1), 9);
	every_seat_is_in_its_place(ls);
	for (unsigned i = 0; i < ls->len; i++)
		ck_assert_int_eq(fcntl(ls->fds[i], F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(twice_as_many_slots_as_cpus_are_there_from_the_start)
{
	struct listener *ls;

	table.cpus = 4;
	ls = get_steered(3);
	ck_assert_uint_eq(listener_slots(ls), 8);
	ck_assert_int_eq(listener_grow(ls, &address, 8, &e), 0);
	ck_assert_uint_eq(ls->len, 16);
}
END_TEST

START_TEST(it_begins_with_the_seats_0_of_the_wanted_slots)
{
	struct listener *ls;
	unsigned total = 0;
	int clients[40];

	table.cpus = 4;
	ls = get_steered(2);
	for (int i = 0; i < 40; i++)
		clients[i] = connect_to(ls);
	wait_for_queued(ls, 40);
	for (unsigned i = 0; i < ls->len; i++) {
		total += queued(ls->fds[i]);
		ck_assert(i < 2 ? queued(ls->fds[i]) > 0 : queued(ls->fds[i]) == 0);
	}
	ck_assert_uint_eq(total, 40);
	for (int i = 0; i < 40; i++)
		fd_close(&clients[i]);
}
END_TEST

/* A hundred descriptors stand for what a thousand workers hold. */
START_TEST(R12_a_worker_gets_no_socket_but_its_seats)
{
	struct listener *ls = get_steered(50);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char *const argv[] = {"ls", "/proc/self/fd", NULL};

		ck_assert_int_eq(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1), 1);
		for (unsigned i = 0; i < ls->len; i++)
			if (!(fcntl(ls->fds[i], F_GETFD) & FD_CLOEXEC))
				_exit(1);
		execvp(argv[0], argv);
		_exit(2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(R3_the_map_follows_whoever_hangs_up)
{
	static const unsigned leaving[] = {2, 7, 0, 5};
	struct listener *ls = get_steered(4);
	size_t n = sizeof(leaving) / sizeof(*leaving);

	/* One after the other has left before the first is back, in another order. */
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(shutdown(ls->fds[leaving[i]], SHUT_RDWR), 0);
		listener_left_group(ls, leaving[i]);
	}
	ck_assert_uint_eq(ls->members, 4);
	ck_assert_uint_eq(listener_index(ls, 2, 0), LISTENER_NOWHERE);
	for (size_t i = n; i-- > 0;) {
		ck_assert_int_eq(listen(ls->fds[leaving[i]], 100), 0);
		listener_joined_group(ls, leaving[i]);
	}
	every_seat_is_in_its_place(ls);
	ck_assert_int_eq(listener_grow(ls, &address, 6, &e), 0);
	every_seat_is_in_its_place(ls);
}
END_TEST

/* The group ends with its last member, and its program with it. */
START_TEST(R3_a_group_that_hung_up_as_a_whole_is_steered_again)
{
	struct listener *ls = get_steered(2);
	int client;

	for (unsigned i = 0; i < ls->len; i++) {
		ck_assert_int_eq(shutdown(ls->fds[i], SHUT_RDWR), 0);
		listener_left_group(ls, i);
	}
	for (unsigned i = ls->len; i-- > 0;) {
		ck_assert_int_eq(listen(ls->fds[i], 100), 0);
		listener_joined_group(ls, i);
	}
	every_seat_is_in_its_place(ls);
	for (int i = 0; i < 20; i++) {
		client = connect_to(ls);
		fd_close(&client);
	}
	wait_for_queued(ls, 20);
	ck_assert_uint_eq(queued(ls->fds[0]), 20);
}
END_TEST

static bool
is_refused_or_late(const struct listener *ls)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(ls->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	bool late;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), -1);
	ck_assert_int_eq(errno, EINPROGRESS);
	late = poll(&p, 1, 100) == 0;
	fd_close(&fd);
	return late;
}

START_TEST(the_plug_has_a_place_of_its_own)
{
	struct listener *ls = get_steered(2);

	ck_assert_int_eq(listener_open_plug(ls, (uint16_t)listener_index(ls, 1, 0)), 0);
	ck_assert_uint_eq(ls->plug_place, 4);
	ck_assert_int_eq(listener_open_plug(ls, 0), 0);
	ck_assert_uint_eq(ls->members, 5);
	ck_assert_int_eq(listener_steer(ls, BALANCE_EVEN, &ls->plug_place, 1, NULL, 0), 0);
	ck_assert(is_refused_or_late(ls));
	ck_assert_int_eq(listener_grow(ls, &address, 4, &e), 0);
	ck_assert_uint_eq(listener_index(ls, 2, 0), 5);
	every_seat_is_in_its_place(ls);
	/* Who left before it moves it; it moves where the last one was. */
	ck_assert_int_eq(shutdown(ls->fds[1], SHUT_RDWR), 0);
	listener_left_group(ls, 1);
	ck_assert_int_eq(listen(ls->fds[1], 100), 0);
	listener_joined_group(ls, 1);
	every_seat_is_in_its_place(ls);
	ck_assert_int_eq(listener_steer(ls, BALANCE_EVEN, &ls->plug_place, 1, NULL, 0), 0);
	ck_assert(is_refused_or_late(ls));
}
END_TEST

/* A worker that holds the socket of a seat and ends. */
static void
live_and_die(int fd)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* As an exec would: nothing but the seat. */
		for (int i = 3; i < 100; i++)
			if (i != fd)
				(void)close(i);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

/* Scaled down to one slot and up again, beyond what there was. */
static void
scale(struct listener *ls)
{
	unsigned before = ls->len;

	listener_shrink(ls, 1);
	ck_assert_uint_eq(ls->len, before);
	steer_to_first(ls, 1);
	ck_assert_int_eq(listener_grow(ls, &address, before, &e), 0);
	steer_to_first(ls, 1);
}

static void
answer(int fd)
{
	int served;
	char byte;

	ck_assert(waits(fd, 5000));
	served = accept(fd, NULL, NULL);
	ck_assert_int_ge(served, 0);
	ck_assert_int_eq(read(served, &byte, 1), 1);
	ck_assert_int_eq(write(served, "b", 1), 1);
	fd_close(&served);
}

START_TEST(R1_what_is_queued_survives_death_and_scaling)
{
	struct listener *ls = get_steered(4);
	uint16_t place = (uint16_t)listener_index(ls, 3, 0);
	int fd = listener_fd(ls, 3, 0), clients[20];
	char byte;

	ck_assert_int_eq(listener_steer(ls, BALANCE_EVEN, &place, 1, NULL, 0), 0);
	for (int i = 0; i < 20; i++) {
		clients[i] = connect_to(ls);
		ck_assert_int_eq(write(clients[i], "a", 1), 1);
	}
	wait_for_queued(ls, 20);
	ck_assert_uint_eq(queued(fd), 20);
	live_and_die(fd);
	scale(ls);
	ck_assert_uint_eq(queued(fd), 20);
	for (int i = 0; i < 20; i++)
		answer(fd);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(read(clients[i], &byte, 1), 1);
		fd_close(&clients[i]);
	}
}
END_TEST

static unsigned
state_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_state;
}

/* TCP_DEFER_ACCEPT keeps a handshake half-open at the listener until data comes. */
START_TEST(R2_what_is_half_open_survives_death_and_scaling)
{
	struct listener *ls = get_steered(4);
	uint16_t place = (uint16_t)listener_index(ls, 3, 1);
	int fd = listener_fd(ls, 3, 1), seconds = 30, clients[10];
	char byte;

	ck_assert_int_eq(
	    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	ck_assert_int_eq(listener_steer(ls, BALANCE_EVEN, &place, 1, NULL, 0), 0);
	for (int i = 0; i < 10; i++) {
		clients[i] = connect_to(ls);
		ck_assert_uint_eq(state_of(clients[i]), TCP_ESTABLISHED);
	}
	ck_assert_uint_eq(queued(fd), 0);
	live_and_die(fd);
	scale(ls);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(write(clients[i], "a", 1), 1);
	for (int i = 0; i < 10; i++)
		answer(fd);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(read(clients[i], &byte, 1), 1);
		fd_close(&clients[i]);
	}
}
END_TEST

START_TEST(R13_a_seat_blocks_again_for_its_next_worker)
{
	struct listener *ls = get_steered(2);
	int fd = listener_fd(ls, 1, 1);

	ck_assert_int_eq(fd_set_nonblocking(fd, true), 0);
	listener_assert_mode(ls, 1, 1);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fd_set_nonblocking(listener_fd(ls, 0, 1), true), 0);
	listener_assert_mode(ls, 1, 1);
	ck_assert_int_ne(fcntl(listener_fd(ls, 0, 1), F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(R27_every_queue_has_the_length_that_the_system_allows)
{
	struct listener *ls = get_steered(3);
	unsigned somaxconn = 0, len, limit;
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%u", &somaxconn), 1);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(listener_grow(ls, &address, 5, &e), 0);
	for (unsigned i = 0; i < ls->len; i++) {
		ck_assert_int_eq(queue_length(ls->fds[i], &len, &limit), 0);
		ck_assert_uint_eq(limit, somaxconn);
	}
}
END_TEST

START_TEST(R26_a_group_of_another_user_does_not_grow_and_says_so)
{
	struct listener *ls;

	if (geteuid() != 0)
		return;
	ls = get_steered(2);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(listener_grow(ls, &address, 4, &e), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(e.text, "another user than 65534"));
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_uint_eq(ls->len, 4);
	every_seat_is_in_its_place(ls);
}
END_TEST

START_TEST(a_half_grown_pair_is_undone)
{
	struct listener *ls = get_steered(2);
	struct rlimit limit;
	int fd, last[3] = {-1, -1, -1};

	/* Room for three more sockets. */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (unsigned i = 0; (fd = dup(0)) >= 0; i++)
		last[i % 3] = fd;
	for (unsigned i = 0; i < 3; i++)
		fd_close(&last[i]);
	ck_assert_int_eq(listener_grow(ls, &address, 8, &e), -EMFILE);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(ls->len, 6);
	every_seat_is_in_its_place(ls);
	ck_assert_int_eq(listener_grow(ls, &address, 8, &e), 0);
	every_seat_is_in_its_place(ls);
}
END_TEST

START_TEST(N1_a_stranger_who_shares_his_port_is_refused)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	struct listener *ls = NULL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	address.port = ntohs(sin.sin_port);
	app.balance = BALANCE_EVEN;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert_int_eq(listener_get(&table, &app, &address, app.nonblocking == TRI_YES, 4, &ls, &e), -EADDRINUSE);
	ck_assert_ptr_null(ls);
	ck_assert_ptr_null(table.by_key);
	fd_close(&fd);
}
END_TEST

START_TEST(steered_kinds_follow_each_other_and_nothing_else_does)
{
	struct listener *ls = get_steered(2), *again = NULL;

	app.balance = BALANCE_STICKY;
	ck_assert_ptr_eq(get(2), ls);
	app.balance = BALANCE_CPU;
	ck_assert_ptr_eq(get(2), ls);
	app.balance = BALANCE_EVEN;
	ck_assert_ptr_eq(get(3), ls);
	ck_assert_uint_eq(listener_slots(ls), 3);
	app.balance = BALANCE_SHARED;
	ck_assert_int_eq(listener_get(&table, &app, &address, app.nonblocking == TRI_YES, 2, &again, &e), -EINVAL);
	app.balance = BALANCE_KERNEL;
	ck_assert_int_eq(listener_get(&table, &app, &address, app.nonblocking == TRI_YES, 2, &again, &e), -EINVAL);
	ck_assert_ptr_null(again);
}
END_TEST

START_TEST(where_programs_cannot_be_swapped_there_is_one_socket)
{
	struct listener *ls;

	app.balance = BALANCE_EVEN;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "no", 1), 0);
	ls = get(4);
	ck_assert_int_eq(ls->shape, LISTENER_ONE);
	ck_assert_uint_eq(ls->len, 1);
	ck_assert_ptr_nonnull(table.why_shared);
	ck_assert_str_eq(listener_shape_to_string(ls->shape), "shared");
	/* It is what it was asked for: the next reload finds nothing changed. */
	ck_assert_ptr_eq(get(8), ls);
	app.balance = BALANCE_STICKY;
	ck_assert_ptr_eq(get(8), ls);
}
END_TEST

START_TEST(where_descriptors_are_short_there_is_one_socket)
{
	struct rlimit limit;
	struct listener *ls;

	app.balance = BALANCE_EVEN;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ls = get(20);
	ck_assert_int_eq(ls->shape, LISTENER_ONE);
	ck_assert_ptr_nonnull(strstr(table.why_shared, "descriptors"));
}
END_TEST

START_TEST(an_app_is_steered_with_all_addresses_or_none)
{
	struct conf_listen both[2] = {address, address};
	struct listener *inherited, *other = NULL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	char key[64];

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	ck_assert_uint_eq(listeners_adopt(&table, fd, 1, &e), 0);
	snprintf(key, sizeof(key), "tcp:127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
	both[1].key = key;
	app.listen = both;
	app.listen_len = 2;
	app.balance = BALANCE_EVEN;
	ck_assert_int_eq(setenv("BROOD_STEER_SWAP", "yes", 1), 0);
	ck_assert_int_eq(listener_get(&table, &app, &both[0], app.nonblocking == TRI_YES, 4, &other, &e), 0);
	ck_assert_int_eq(other->shape, LISTENER_ONE);
	ck_assert_int_eq(listener_get(&table, &app, &both[1], app.nonblocking == TRI_YES, 4, &inherited, &e), 0);
	ck_assert_int_eq(inherited->shape, LISTENER_ONE);
	ck_assert_ptr_null(table.why_shared);
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
	tcase_add_test(tcase, twins_lie_apart_and_later_slots_follow_in_pairs);
	tcase_add_test(tcase, twice_as_many_slots_as_cpus_are_there_from_the_start);
	tcase_add_test(tcase, it_begins_with_the_seats_0_of_the_wanted_slots);
	tcase_add_test(tcase, R12_a_worker_gets_no_socket_but_its_seats);
	tcase_add_test(tcase, R3_the_map_follows_whoever_hangs_up);
	tcase_add_test(tcase, R3_a_group_that_hung_up_as_a_whole_is_steered_again);
	tcase_add_test(tcase, the_plug_has_a_place_of_its_own);
	tcase_add_test(tcase, R1_what_is_queued_survives_death_and_scaling);
	tcase_add_test(tcase, R2_what_is_half_open_survives_death_and_scaling);
	tcase_add_test(tcase, R13_a_seat_blocks_again_for_its_next_worker);
	tcase_add_test(tcase, R27_every_queue_has_the_length_that_the_system_allows);
	tcase_add_test(tcase, R26_a_group_of_another_user_does_not_grow_and_says_so);
	tcase_add_test(tcase, a_half_grown_pair_is_undone);
	tcase_add_test(tcase, N1_a_stranger_who_shares_his_port_is_refused);
	tcase_add_test(tcase, steered_kinds_follow_each_other_and_nothing_else_does);
	tcase_add_test(tcase, where_programs_cannot_be_swapped_there_is_one_socket);
	tcase_add_test(tcase, where_descriptors_are_short_there_is_one_socket);
	tcase_add_test(tcase, an_app_is_steered_with_all_addresses_or_none);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
