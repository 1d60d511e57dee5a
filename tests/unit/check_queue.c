/*
 * Tests of sys/queue.c, on real sockets. Where a setting of the network matters, in a network of
 * the test's own.
 */
#include "sys_support.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

#include "net_support.h"
#include "sys/unixsock.h"

#define MEMBERS 8

static void
steer_to(int fd, uint16_t index, unsigned sockets)
{
	const uint16_t target = index;
	const struct steer_spec spec = {.targets = &target, .targets_len = 1, .sockets = sockets};

	must_attach(fd, &spec);
}

static void
queue_at(int fd, uint16_t port, int *conns, unsigned n)
{
	unsigned before = queued(fd);

	for (unsigned i = 0; i < n; i++) {
		conns[i] = connect_to(NULL, "127.0.0.1", port);
		ck_assert_int_eq(send(conns[i], &i, 1, MSG_NOSIGNAL), 1);
	}
	wait_until(queued(fd) == before + n);
}

/* Takes everything from a queue; each client gets back the byte that it sent. */
static unsigned
serve_all(int fd)
{
	unsigned n = 0;

	for (;;) {
		int conn = accept(fd, NULL, NULL);
		char byte;

		if (conn < 0)
			return n;
		n++;
		ck_assert_int_eq(recv(conn, &byte, 1, 0), 1);
		ck_assert_int_eq(send(conn, &byte, 1, MSG_NOSIGNAL), 1);
		(void)close(conn);
	}
}

static void
expect_answers(int *conns, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned char byte = 77;

		wait_until(recv(conns[i], &byte, 1, 0) == 1 || errno != EAGAIN);
		ck_assert_uint_eq(byte, i & 0xff);
	}
	close_fds(conns, n);
}

/* --- length -------------------------------------------------------------------------------- */

/* What does not fit waits in its client, who tries again. */
START_TEST(r27_a_full_queue_is_seen_as_one)
{
	const struct listen_spec spec = {
	    .type = LISTEN_TYPE_TCP, .host = "127.0.0.1", .backlog = 5, .nonblocking = true};
	int fd, conns[8], taken;
	unsigned len = 99, limit = 99;
	uint16_t port;

	ck_assert_int_eq(listen_open(&spec, 1, &fd, &port, NULL), 0);
	ck_assert_int_eq(queue_length(fd, &len, &limit), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(limit, 5);
	for (int i = 0; i < 6; i++)
		conns[i] = connect_to(NULL, "127.0.0.1", port);
	wait_until(queued(fd) == 6); /* one more than the limit */
	for (int i = 6; i < 8; i++)
		conns[i] = begin_connect(NULL, "127.0.0.1", port);
	(void)poll(NULL, 0, 50);
	ck_assert_int_eq(queue_length(fd, &len, &limit), 0);
	ck_assert_uint_eq(len, 6);
	ck_assert_uint_eq(limit, 5);
	ck_assert(!is_connected(conns[6]) && !is_connected(conns[7]));
	for (int i = 0; i < 6; i++) {
		taken = accept(fd, NULL, NULL);
		ck_assert_int_ge(taken, 0);
		(void)close(taken);
	}
	wait_until(is_connected(conns[6]) && is_connected(conns[7]));
	wait_until(queued(fd) == 2);
	close_fds(conns, 8);
	fd_close(&fd);
}
END_TEST

START_TEST(r27_the_limit_is_what_the_machine_allows)
{
	unsigned len, limit;
	int fds[2];

	(void)open_group("127.0.0.1", 2, fds);
	ck_assert_int_eq(queue_length(fds[1], &len, &limit), 0);
	ck_assert_uint_eq(limit, strtoul(read_file("/proc/sys/net/core/somaxconn"), NULL, 10));
	close_fds(fds, 2);
}
END_TEST

START_TEST(only_what_listens_has_a_queue)
{
	unsigned len = 99, limit = 99;
	struct sockaddr_un a;
	int fds[2], file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)open_group("127.0.0.1", 2, fds);
	ck_assert_int_eq(shutdown(fds[0], SHUT_RD), 0);
	ck_assert_int_eq(queue_length(fds[0], &len, &limit), -EINVAL);
	ck_assert_int_eq(unixsock_address(in_dir("x"), &a), 0);
	ck_assert_int_eq(bind(file, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(file, 5), 0);
	ck_assert_int_lt(queue_length(file, &len, &limit), 0);
	ck_assert_int_eq(queue_length(999, &len, &limit), -EBADF);
	ck_assert_uint_eq(len, 99);
	close_fds(fds, 2);
	fd_close(&file);
}
END_TEST

/* --- flush --------------------------------------------------------------------------------- */

START_TEST(r4_migration_is_asked_for_each_time)
{
	int before;

	if (!own_network())
		return;
	ck_assert(!queue_can_migrate());
	write_sysctl(MIGRATE_SYSCTL, "1");
	before = fd_count_open();
	if (!queue_can_migrate()) {
		(void)skip("this kernel does not heed SO_INCOMING_CPU");
		return;
	}
	ck_assert_int_eq(fd_count_open(), before);
	write_sysctl(MIGRATE_SYSCTL, "0");
	ck_assert(!queue_can_migrate());
	write_sysctl(MIGRATE_SYSCTL, "1");
	ck_assert(queue_can_migrate());
}
END_TEST

static bool
migrating_network(void)
{
	if (!own_network())
		return false;
	write_sysctl(MIGRATE_SYSCTL, "1");
	if (!queue_can_migrate())
		return !skip("this kernel does not migrate to whom we want");
	return true;
}

static int
incoming_cpu(int fd)
{
	int cpu = 99;
	socklen_t len = sizeof(cpu);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len), 0);
	return cpu;
}

/* Eight members, of which two are read: nothing comes to rest at the others. */
START_TEST(r4_a_flush_loses_nothing_and_finds_the_readers)
{
	int fds[MEMBERS], conns[100], readers[2], before;
	cpu_set_t affinity, after;
	uint16_t port;

	if (!migrating_network())
		return;
	if (_i == 1)
		become_nobody();
	port = open_group("127.0.0.1", MEMBERS, fds);
	readers[0] = fds[6];
	readers[1] = fds[2];
	steer_to(fds[0], 3, MEMBERS);
	queue_at(fds[3], port, conns, 100);
	steer_to(fds[0], 2, MEMBERS);
	before = fd_count_open();
	ck_assert_int_eq(sched_getaffinity(0, sizeof(affinity), &affinity), 0);
	ck_assert_int_eq(queue_flush(fds[3], readers, 2, -1), 0);
	ck_assert_uint_eq(queued(fds[2]) + queued(fds[6]), 100);
	ck_assert_uint_gt(queued(fds[2]), 0);
	ck_assert_uint_gt(queued(fds[6]), 0);
	ck_assert_uint_eq(serve_all(fds[2]) + serve_all(fds[6]), 100);
	expect_answers(conns, 100);
	/* Everything is as it was. */
	ck_assert_int_eq(fd_count_open(), before - 100);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	ck_assert(CPU_EQUAL(&affinity, &after));
	ck_assert_int_eq(incoming_cpu(fds[2]), -1);
	ck_assert_int_eq(incoming_cpu(fds[6]), -1);
	close_fds(fds, MEMBERS);
}
END_TEST

/* Flushed again and again while others are busy; each connection gets its answer. */
static _Atomic bool over, all_asked;
static uint16_t load_port;
static _Atomic unsigned answered;

static void *
keep_asking(void *unused)
{
	while (!over) {
		char byte = 'x';
		int conn = connect_to(NULL, "127.0.0.1", load_port);

		ck_assert_int_eq(send(conn, "q", 1, MSG_NOSIGNAL), 1);
		wait_until(recv(conn, &byte, 1, 0) == 1 || errno != EAGAIN);
		ck_assert_int_eq(byte, 'q');
		(void)close(conn);
		answered++;
	}
	return unused;
}

static int served_fds[2];

static void *
keep_serving(void *unused)
{
	while (!all_asked) {
		if (serve_all(served_fds[0]) + serve_all(served_fds[1]) == 0)
			(void)poll(NULL, 0, 1);
	}
	return unused;
}

START_TEST(r4_flushes_under_load_lose_nothing)
{
	int fds[MEMBERS], conns[20];
	pthread_t client, server;
	const uint16_t readers[] = {1, 2};
	const struct steer_spec spec = {.targets = readers, .targets_len = 2, .sockets = MEMBERS};
	unsigned place = 3;

	if (!migrating_network())
		return;
	load_port = open_group("127.0.0.1", MEMBERS, fds);
	must_attach(fds[0], &spec);
	served_fds[0] = fds[1];
	served_fds[1] = fds[2];
	ck_assert_int_eq(pthread_create(&client, NULL, keep_asking, NULL), 0);
	ck_assert_int_eq(pthread_create(&server, NULL, keep_serving, NULL), 0);
	for (int round = 0; round < 100; round++) {
		for (unsigned i = 0; i < 20; i++) {
			conns[i] = steer_connect(fds[0], STEER_RAW + place);
			ck_assert_int_ge(conns[i], 0);
			wait_until(is_connected(conns[i]));
			ck_assert_int_eq(send(conns[i], &i, 1, MSG_NOSIGNAL), 1);
		}
		wait_until(queued(fds[3]) == 20);
		ck_assert_int_eq(queue_flush(fds[3], served_fds, 2, -1), 0);
		place = MEMBERS - 1;
		expect_answers(conns, 20);
		ck_assert_uint_eq(queued(fds[3]), 0);
	}
	wait_until(answered > 100);
	over = true;
	ck_assert_int_eq(pthread_join(client, NULL), 0);
	all_asked = true;
	ck_assert_int_eq(pthread_join(server, NULL), 0);
	for (int i = 0; i < MEMBERS; i++)
		ck_assert_uint_eq(queued(fds[i]), 0);
	close_fds(fds, MEMBERS);
}
END_TEST

/* As the header says: fd is the last then, and the last is in its place. */
START_TEST(r3_a_flush_swaps_two_places)
{
	int fds[MEMBERS], place[MEMBERS];
	uint16_t all[MEMBERS];
	const struct steer_spec spec = {.targets = all, .targets_len = MEMBERS, .sockets = MEMBERS};

	if (!migrating_network())
		return;
	for (uint16_t i = 0; i < MEMBERS; i++)
		all[i] = i, place[i] = i;
	(void)open_group("127.0.0.1", MEMBERS, fds);
	must_attach(fds[0], &spec);
	for (int round = 0; round < 5; round++) {
		int flushed = (3 * round) % MEMBERS, last = 0;

		for (int i = 0; i < MEMBERS; i++)
			if (place[i] == MEMBERS - 1)
				last = i;
		ck_assert_int_eq(
		    queue_flush(fds[flushed], &fds[(flushed + 1) % MEMBERS], 1, -1), 0);
		place[last] = place[flushed];
		place[flushed] = MEMBERS - 1;
		for (int i = 0; i < MEMBERS; i++)
			ck_assert_int_eq(hit_name(STEER_RAW + (unsigned)place[i], fds, MEMBERS), i);
	}
	close_fds(fds, MEMBERS);
}
END_TEST

START_TEST(r4_nobody_to_give_it_to)
{
	int fds[2], conn;
	uint16_t port = open_group("127.0.0.1", 2, fds);

	steer_to(fds[0], 0, 2);
	conn = connect_to(NULL, "127.0.0.1", port);
	wait_until(queued(fds[0]) == 1);
	ck_assert_int_eq(queue_flush(fds[0], &fds[1], 0, -1), -EINVAL);
	ck_assert_uint_eq(queued(fds[0]), 1);
	ck_assert_int_eq(queue_flush(999, &fds[1], 1, -1), -EBADF);
	fd_close(&conn);
	close_fds(fds, 2);
}
END_TEST

/* --- plug ---------------------------------------------------------------------------------- */

static const struct reach kinds[] = {
    {"127.0.0.1", "127.0.0.1"},
    {"*", "127.0.0.1"},
    {"*", "::1"},
    {"[::]", "::1"},
    {"[::1]", "::1"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int
state_of(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_state;
}

static bool
are_connected(const int *conns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!is_connected(conns[i]))
			return false;
	return true;
}

/* Held off without a word; let in later; refused when everything closes. */
START_TEST(r24_the_plug_holds_clients_off)
{
	const uint16_t all[] = {0, 1}, plug_at = 2;
	struct steer_spec serve = {.targets = all,
	    .targets_len = 2,
	    .sockets = 2,
	    .v6only = is_v6only(&kinds[_i % (int)KINDS])};
	struct steer_spec hold = {.targets = &plug_at,
	    .targets_len = 1,
	    .sockets = 3,
	    .slots = all,
	    .slots_len = 2,
	    .v6only = serve.v6only};
	const char *to = kinds[_i % (int)KINDS].client;
	int fds[2], plug[2], conns[20];
	uint16_t port;
	unsigned len, limit;

	if (!can_try(&kinds[_i % (int)KINDS]))
		return;
	if (_i >= (int)KINDS) {
		if (geteuid() != 0)
			return;
		become_nobody();
	}
	port = open_group(kinds[_i % (int)KINDS].host, 2, fds);
	must_attach(fds[0], &serve);
	ck_assert_int_eq(queue_plug(fds[0], &serve, plug), 0);
	ck_assert_int_eq(fcntl(plug[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(plug[1], F_GETFD), FD_CLOEXEC);
	/* One connection fills it: ours. */
	ck_assert_int_eq(queue_length(plug[0], &len, &limit), 0);
	ck_assert_uint_eq(len, 1);
	ck_assert_uint_eq(limit, 0);
	ck_assert_int_eq(state_of(plug[1]), TCP_ESTABLISHED);
	ck_assert_uint_eq(queued(fds[0]) + queued(fds[1]), 0);

	must_attach(fds[0], &hold);
	for (int i = 0; i < 20; i++)
		conns[i] = begin_connect(NULL, to, port);
	(void)poll(NULL, 0, 100);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(state_of(conns[i]), TCP_SYN_SENT);
	ck_assert_uint_eq(queued(plug[0]), 1);
	/* One worker can still be reached. */
	ck_assert_int_eq(hit_name(1, fds, 2), 1);

	serve.sockets = 3;
	must_attach(fds[0], &serve);
	wait_until(are_connected(conns, 20)); /* by their next try, after a second */
	wait_until(queued(fds[0]) + queued(fds[1]) == 20);
	close_fds(conns, 20);
	must_attach(fds[0], &hold);
	conns[0] = begin_connect(NULL, to, port);
	ck_assert_int_eq(state_of(conns[0]), TCP_SYN_SENT);
	close_fds(plug, 2);
	close_fds(fds, 2);
	wait_until(state_of(conns[0]) == TCP_CLOSE);
	fd_close(&conns[0]);
}
END_TEST

static void *
keep_connecting(void *unused)
{
	while (!over) {
		int conn = connect_to(NULL, "127.0.0.1", load_port);

		(void)close(conn);
		answered++;
	}
	return unused;
}

/* Opened and closed again and again while clients come: not one of them ends in it. */
START_TEST(r24_the_plug_is_filled_by_us_alone)
{
	const uint16_t all[] = {0, 1};
	const struct steer_spec serve = {.targets = all, .targets_len = 2, .sockets = 2};
	unsigned accepted = 0, fds_before;
	struct sockaddr_in ours, peer;
	pthread_t client;
	int fds[2], conn;

	load_port = open_group("127.0.0.1", 2, fds);
	must_attach(fds[0], &serve);
	fds_before = (unsigned)fd_count_open();
	ck_assert_int_eq(pthread_create(&client, NULL, keep_connecting, NULL), 0);
	for (int round = 0; round < 100 || answered < 300; round++) {
		socklen_t len = sizeof(ours);
		int plug[2];

		ck_assert_int_eq(queue_plug(fds[0], &serve, plug), 0);
		ck_assert_int_eq(getsockname(plug[1], (struct sockaddr *)&ours, &len), 0);
		for (int i = 0; i < 2; i++) {
			while ((conn = accept(fds[i], NULL, NULL)) >= 0) {
				(void)close(conn);
				accepted++;
			}
		}
		ck_assert_uint_eq(queued(plug[0]), 1);
		conn = accept4(plug[0], (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
		ck_assert_int_ge(conn, 0);
		ck_assert_uint_eq(peer.sin_port, ours.sin_port);
		ck_assert_uint_eq(peer.sin_addr.s_addr, htonl(STEER_NET | (STEER_RAW + 2)));
		(void)close(conn);
		close_fds(plug, 2);
		must_attach(fds[0], &serve);
	}
	over = true;
	ck_assert_int_eq(pthread_join(client, NULL), 0);
	for (int i = 0; i < 2; i++) {
		while ((conn = accept(fds[i], NULL, NULL)) >= 0) {
			(void)close(conn);
			accepted++;
		}
	}
	ck_assert_uint_eq(accepted, answered);
	ck_assert_int_eq(fd_count_open(), (int)fds_before);
	close_fds(fds, 2);
}
END_TEST

START_TEST(a_plug_that_fails_leaves_nothing)
{
	const uint16_t first = 0;
	struct steer_spec spec = {.targets = &first, .targets_len = 1, .sockets = 2};
	int fds[2], plug[2] = {-5, -5}, before, one;

	(void)open_group("127.0.0.1", 2, fds);
	(void)open_group("127.0.0.1", 1, &one); /* shares its port with nobody */
	before = fd_count_open();
	ck_assert_int_eq(queue_plug(one, &spec, plug), -EADDRINUSE);
	ck_assert_int_eq(queue_plug(999, &spec, plug), -EBADF);
	/* The program counts wrong, so that the connection goes elsewhere. */
	spec.sockets = 1;
	must_attach(fds[0], &spec);
	ck_assert_int_eq(queue_plug(fds[0], &spec, plug), -EAGAIN);
	ck_assert_int_eq(fd_count_open(), before);
	ck_assert_int_eq(plug[0], -5);
	ck_assert_int_eq(plug[1], -5);
	fd_close(&one);
	close_fds(fds, 2);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("queue");

	tcase_add_test(t, r27_a_full_queue_is_seen_as_one);
	tcase_add_test(t, r27_the_limit_is_what_the_machine_allows);
	tcase_add_test(t, only_what_listens_has_a_queue);
	tcase_add_test(t, r4_migration_is_asked_for_each_time);
	tcase_add_loop_test(t, r4_a_flush_loses_nothing_and_finds_the_readers, 0, 2);
	tcase_add_test(t, r4_flushes_under_load_lose_nothing);
	tcase_add_test(t, r3_a_flush_swaps_two_places);
	tcase_add_test(t, r4_nobody_to_give_it_to);
	tcase_add_loop_test(t, r24_the_plug_holds_clients_off, 0, 2 * (int)KINDS);
	tcase_add_test(t, r24_the_plug_is_filled_by_us_alone);
	tcase_add_test(t, a_plug_that_fails_leaves_nothing);
	return support_main("queue", t);
}
