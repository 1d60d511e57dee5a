/* worker: where its connections come from: a wait set with real listeners in it, the loop's own
 * watching, addresses that it binds itself; and when it takes none. */
#include "worker_support.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <jansson.h>
#include <uv.h>

#include "base/mem.h"

static int listeners[300];
static int clients[1000];
static unsigned n_clients;

static void
make_listeners(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		listeners[i] = new_listener();
}

static void
ask(int listener)
{
	clients[n_clients++] = client_of(listener);
}

static void
end(void)
{
	free_all();
	for (unsigned i = 0; i < n_clients; i++)
		close(clients[i]);
	for (unsigned i = 0; i < 300; i++)
		fd_close(&listeners[i]);
}

static void
open_in_ring(void)
{
	hand_over(0, listeners[0]);
	hand_over_listeners(1, "own");
	make_channel();
	make_set();
	open_worker(NULL);
	ck_assert(has_asked_ring());
	ck_assert(!is_ready());
}

/* "own" is the slot's, "far" is a neighbour's. */
static void
give_ring(void)
{
	static const char line[] =
	    "{\"brood\":\"ring\",\"listeners\":[\"own\",\"far\"],\"own\":[0]}\n";
	const int fds[] = {t.set, listeners[0], listeners[1]};

	tell_with(line, sizeof line - 1, fds, 3);
}

/* As the master does when the worker is ready. */
static void
fill_set(void)
{
	add_to_set(listeners[0], 0);
	add_to_set(listeners[1], 1);
}

static void
open_in_whole_ring(void)
{
	make_listeners(2);
	open_in_ring();
	give_ring();
	run_until(is_ready);
	fill_set();
}

/* Registrations in the master's copy. */
static unsigned
members(void)
{
	char path[64], line[256];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", t.set);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f) != NULL)
		n += strncmp(line, "tfd:", 4) == 0;
	fclose(f);
	return n;
}

START_TEST(wait_set_is_slept_in_and_what_was_taken_over_is_counted)
{
	open_in_whole_ring();
	/* The inherited descriptor was given back: the set alone is watched. */
	ck_assert_int_eq(fcntl(3, F_GETFD), -1);
	ask(listeners[0]);
	run_until(has_one);
	ask(listeners[1]);
	run_until(has_two);
	ck_assert_str_eq(t.names, "of");
	brood_worker_served(t.w, 2);
	run_until(has_beat);
	ck_assert_ptr_nonnull(strstr(t.said, "\"conns\":2,\"requests\":2,\"stolen\":1}\n"));
	/* Cut off by the master, it accepts nothing. */
	ck_assert_int_eq(epoll_ctl(t.set, EPOLL_CTL_DEL, listeners[0], NULL), 0);
	ask(listeners[0]);
	run_a_moment();
	ck_assert_uint_eq(t.conns, 2);
	end();
}
END_TEST

START_TEST(one_connection_a_turn)
{
	open_in_whole_ring();
	for (int i = 0; i < 3; i++) {
		ask(listeners[0]);
		ask(listeners[1]);
	}
	run_until(has_three);
	for (unsigned i = 1; i < t.conns; i++)
		ck_assert_uint_gt(t.turns[i], t.turns[i - 1]);
	end();
}
END_TEST

START_TEST(one_connection_a_turn_without_a_wait_set)
{
	make_listeners(2);
	hand_over(0, listeners[0]);
	hand_over(1, listeners[1]);
	hand_over_listeners(2, "one:two");
	open_worker(NULL);
	for (int i = 0; i < 3; i++) {
		ask(listeners[0]);
		ask(listeners[1]);
	}
	run_until(has_three);
	for (unsigned i = 1; i < t.conns; i++)
		ck_assert_uint_gt(t.turns[i], t.turns[i - 1]);
	end();
}
END_TEST

static char order[64];

static void
note(struct brood_loop *loop, void *arg)
{
	(void)loop;
	strcat(order, arg);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	char byte;

	(void)status;
	(void)events;
	brood_enter(t.loop);
	strcat(order, "poll ");
	ck_assert_int_eq(read(*(int *)poll->data, &byte, 1), 1);
	brood_leave(t.loop);
}

static void
on_ordered_connection(struct brood_worker *w, int fd, const char *listener, void *data)
{
	on_connection(w, fd, listener, data);
	strcat(order, "accept ");
	ck_assert_uint_ne(brood_set_immediate(t.loop, note, "immediate "), 0);
	ck_assert_int_eq(brood_microtask(t.loop, note, "microtask "), 0);
	ck_assert_int_eq(brood_next_tick(t.loop, note, "tick "), 0);
}

/* What is accepted in a turn comes behind its timers and before what the poll finds. */
START_TEST(accepting_has_its_place_in_the_turn)
{
	struct brood_worker_handlers ordered = {.on_connection = on_ordered_connection};
	uv_poll_t poll;
	int pair[2];

	make_listeners(2);
	hand_over(0, listeners[0]);
	hand_over_listeners(1, "own");
	make_channel();
	make_set();
	t.loop = brood_loop_new();
	t.w = brood_worker_open(t.loop, NULL, &ordered, &t);
	ck_assert_ptr_nonnull(t.w);
	give_ring();
	run_until(is_ready);
	fill_set();
	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_eq(uv_poll_init(brood_uv(t.loop), &poll, pair[0]), 0);
	poll.data = &pair[0];
	ck_assert_int_eq(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
	run_until(NULL);
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	ask(listeners[0]);
	run_until(has_one);
	run_until(NULL);
	ck_assert_msg(strcmp(order, "accept tick microtask poll immediate ") == 0 ||
	                  strcmp(order, "poll accept tick microtask immediate ") == 0,
	    "%s", order);
	uv_close((uv_handle_t *)&poll, NULL);
	end();
	close(pair[0]);
	close(pair[1]);
}
END_TEST

static void
compute(struct brood_loop *loop, void *arg)
{
	(void)loop;
	(void)arg;
}

/* A loop that never sleeps takes connections, too. */
START_TEST(busy_loop_accepts)
{
	brood_id id;

	open_in_whole_ring();
	id = brood_set_interval(t.loop, 1, compute, NULL);
	for (int i = 0; i < 3; i++)
		ask(listeners[1]);
	run_until(has_three);
	brood_clear(t.loop, id);
	end();
}
END_TEST

START_TEST(idle_in_the_wait_set_it_does_not_wake)
{
	struct brood_loop_stats before, after;
	int i;

	open_in_whole_ring();
	ask(listeners[0]);
	run_until(has_one);
	run_until(has_beat);
	brood_loop_stats(t.loop, &before);
	for (i = 0; i < 3; i++) {
		brood_id id = brood_set_timeout(t.loop, 500, note, "");

		ck_assert_uint_ne(id, 0);
	}
	ck_assert_int_eq(brood_next_tick(t.loop, note, ""), 0);
	ck_assert_uint_ne(brood_set_timeout(t.loop, 600, (brood_fn *)look, NULL), 0);
	t.until = NULL;
	ck_assert_int_eq(brood_run(t.loop), 77);
	brood_loop_stats(t.loop, &after);
	ck_assert_uint_le(after.turns - before.turns, 6);
	end();
}
END_TEST

START_TEST(wait_set_may_come_late)
{
	make_listeners(2);
	open_in_ring();
	run_until(is_ready); /* without */
	ask(listeners[0]);
	run_until(has_one);
	give_ring();
	run_until_read();
	ck_assert_int_eq(fcntl(3, F_GETFD), -1);
	fill_set();
	ask(listeners[1]);
	run_until(has_two);
	ask(listeners[0]);
	run_until(has_three);
	ck_assert_str_eq(t.names, "ofo");
	end();
}
END_TEST

START_TEST(wait_set_may_come_in_parts_and_grow)
{
	static const char first[] =
	    "{\"brood\":\"ring\",\"listeners\":[\"own\"],\"own\":[0],\"more\":true}\n";
	static const char next[] = "{\"brood\":\"ring\",\"listeners\":[\"far\"],\"own\":[]}\n";
	static const char third[] = "{\"brood\":\"ring\",\"listeners\":[\"new\"]}\n";

	make_listeners(3);
	open_in_ring();
	tell_with(first, 20, (const int[]){t.set, listeners[0]}, 2);
	run_until(NULL);
	tell(first + 20);
	run_until_read();
	ck_assert(!is_ready());
	tell_with(next, sizeof next - 1, &listeners[1], 1);
	run_until(is_ready);
	fill_set();
	ask(listeners[1]);
	run_until(has_one);
	tell_with(third, sizeof third - 1, &listeners[2], 1);
	add_to_set(listeners[2], 2);
	ask(listeners[2]);
	run_until(has_two);
	ask(listeners[0]);
	run_until(has_three);
	ck_assert_str_eq(t.names, "fno");
	end();
}
END_TEST

/* A set that lacks a listener, is no set, or names what is no listener: then without. */
START_TEST(wait_set_that_is_broken_is_left)
{
	static const char line[] =
	    "{\"brood\":\"ring\",\"listeners\":[\"own\",\"far\"],\"own\":[0,7,-1]}\n";
	const struct {
		int fds[3];
		size_t n;
	} rows[] = {{{0, 3, 3}, 3}, {{-1, 3}, 2}, {{0}, 0}};
	int before;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int fds[3];

		make_listeners(2);
		open_in_ring();
		before = fd_count_open();
		memcpy(fds, rows[i].fds, sizeof fds);
		fds[0] = fds[0] < 0 ? t.set : fds[0];
		tell_with(line, sizeof line - 1, fds, rows[i].n);
		run_until(is_ready);
		ck_assert_int_eq(fd_count_open(), before);
		ask(3);
		run_until(has_one);
		ck_assert_uint_eq(members(), 0);
		/* A second try is not taken. */
		give_ring();
		run_until_read();
		ck_assert_int_eq(fd_count_open(), before + 2);
		end();
		n_clients = 0;
	}
}
END_TEST

/* The set reports what was never named: others are asked for a moment, and nothing spins. */
START_TEST(place_that_is_not_known_does_not_spin)
{
	struct brood_loop_stats before, after;

	open_in_whole_ring();
	listeners[2] = new_listener();
	add_to_set(listeners[2], 7);
	listeners[3] = new_listener();
	add_to_set(listeners[3], UINT64_MAX - 1);
	ask(listeners[2]);
	ask(listeners[3]);
	brood_loop_stats(t.loop, &before);
	for (int i = 0; i < 5; i++)
		run_a_moment();
	brood_loop_stats(t.loop, &after);
	ck_assert_uint_le(after.turns - before.turns, 1000);
	ask(listeners[0]);
	run_until(has_one);
	end();
}
END_TEST

START_TEST(drain_takes_what_it_was_woken_for_and_leaves_the_set_as_it_was)
{
	open_in_whole_ring();
	run_until(NULL);
	ask(listeners[0]);
	ask(listeners[1]);
	ask(listeners[1]);
	ck_assert_uint_eq(members(), 3);
	t.drain_is_done_at_once = true;
	brood_worker_drain(t.w);
	/* One of each. */
	ck_assert_uint_eq(t.conns, 2);
	ck_assert_uint_eq(members(), 2);
	ck_assert(is_queued(listeners[1]));
	expect_end(0);
	end();
}
END_TEST

START_TEST(drain_while_the_wait_set_is_on_its_way)
{
	make_listeners(2);
	open_in_ring();
	t.drain_is_done_at_once = true;
	tell("{\"brood\":\"drain\",\"deadline_ms\":20000}\n");
	give_ring();
	expect_end(0);
	ck_assert(has_stopping());
	ck_assert(!is_ready());
	ck_assert_uint_eq(members(), 0);
	end();
}
END_TEST

START_TEST(listeners_are_chosen_by_name)
{
	const char *const names[] = {"two", NULL};

	make_listeners(2);
	hand_over(0, listeners[0]);
	hand_over(1, listeners[1]);
	hand_over_listeners(2, "one:two");
	make_channel();
	open_worker(&(struct brood_worker_options){.names = names});
	/* A wait set has them all. */
	ck_assert(!has_asked_ring());
	ck_assert(is_ready());
	ck_assert_int_eq(brood_worker_port(t.w), port_of(listeners[1]));
	ask(listeners[0]);
	ask(listeners[1]);
	run_until(has_one);
	run_a_moment();
	ck_assert_str_eq(t.names, "t");
	ck_assert(is_queued(listeners[0]));
	/* The other is the program's. */
	ck_assert_int_ne(fcntl(3, F_GETFD), -1);
	end();
}
END_TEST

START_TEST(what_is_no_listener_is_left_alone)
{
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	make_listeners(1);
	hand_over(0, udp);
	hand_over(1, listeners[0]);
	hand_over_listeners(2, "udp:tcp");
	open_worker(NULL);
	ask(listeners[0]);
	run_until(has_one);
	ck_assert_str_eq(t.names, "t");
	ck_assert_int_ne(fcntl(3, F_GETFD), -1);
	end();
	/* None at all is an error: the program would serve nothing. */
	hand_over(0, udp);
	hand_over_listeners(1, "udp");
	ck_assert_ptr_null(try_open(NULL));
	ck_assert_int_eq(errno, ENOTSOCK);
	ck_assert_int_eq(setenv("LISTEN_FDS", "many", 1), 0);
	ck_assert_ptr_null(try_open(NULL));
	ck_assert_int_eq(errno, EINVAL);
	free_all();
	close(udp);
}
END_TEST

/* --- alone ----------------------------------------------------------------------------------- */

START_TEST(alone_it_binds_and_empties_its_queue_when_it_leaves)
{
	int one = 0, port;
	socklen_t len = sizeof one;

	open_worker(NULL);
	port = brood_worker_port(t.w);
	ck_assert_int_gt(port, 0);
	ck_assert_ptr_null(brood_worker_app(t.w));
	clients[n_clients++] = connect_port(port);
	run_until(has_one);
	ck_assert_int_eq(fcntl(t.fds[0], F_GETFD), FD_CLOEXEC);
	ck_assert(fcntl(t.fds[0], F_GETFL) & O_NONBLOCK);
	ck_assert_int_eq(getsockopt(t.fds[0], IPPROTO_TCP, TCP_NODELAY, &one, &len), 0);
	ck_assert_int_eq(one, 1);
	for (int i = 0; i < 10; i++)
		clients[n_clients++] = connect_port(port);
	t.drain_is_done_at_once = true;
	brood_worker_drain(t.w);
	ck_assert_uint_eq(t.conns, 11);
	ck_assert_int_eq(connect_port(port), -1);
	expect_end(0);
	end();
}
END_TEST

START_TEST(addresses_that_are_none_or_taken)
{
	char taken[64];
	struct {
		const char *address;
		int error;
	} rows[] = {
	    {taken, EADDRINUSE},
	    {"example.org:80", EINVAL},
	    {"127.0.0.1", EINVAL},
	    {"127.0.0.1:65536", EINVAL},
	    {"[::1:80", EINVAL},
	    {"", EINVAL},
	    {"unix:", ENAMETOOLONG},
	};
	int before;

	make_listeners(1);
	open_worker(NULL);
	brood_worker_close(t.w);
	ck_assert_int_eq(brood_run(t.loop), 0);
	before = fd_count_open();
	snprintf(taken, sizeof taken, "127.0.0.1:%d", port_of(listeners[0]));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *const addresses[] = {"127.0.0.1:0", rows[i].address, NULL};

		ck_assert_ptr_null(
		    try_open(&(struct brood_worker_options){.addresses = addresses}));
		ck_assert_msg(errno == rows[i].error, "%s: %s", rows[i].address, strerror(errno));
		ck_assert_int_eq(brood_run(t.loop), 0);
		ck_assert_msg(fd_count_open() == before, "%s", rows[i].address);
	}
	ck_assert_ptr_null(try_open(&(struct brood_worker_options){.host = "nowhere"}));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(try_open(&(struct brood_worker_options){.port = 65536}));
	ck_assert_int_eq(errno, EINVAL);
	open_worker(&(struct brood_worker_options){.host = "localhost"});
	ck_assert_int_gt(brood_worker_port(t.w), 0);
	end();
}
END_TEST

static int
connect_unix(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

START_TEST(unix_socket_of_its_own_goes_with_it)
{
	char address[80], *path = address + strlen("unix:");
	const char *const addresses[] = {address, "*:0", NULL};
	struct stat st;

	snprintf(address, sizeof address, "unix:/tmp/check_worker_%d.sock", (int)getpid());
	for (int i = 0; i < 2; i++) {
		open_worker(&(struct brood_worker_options){.addresses = addresses});
		ck_assert_int_gt(brood_worker_port(t.w), 0);
		ck_assert_int_eq(stat(path, &st), 0);
		clients[n_clients++] = connect_unix(path);
		run_until(has_one);
		ck_assert_str_eq(t.names, "u");
		t.drain_is_done_at_once = true;
		brood_worker_drain(t.w);
		expect_end(0);
		ck_assert_int_eq(stat(path, &st), -1);
		end();
	}
}
END_TEST

/* --- limits ---------------------------------------------------------------------------------- */

static void
limit_files(rlim_t n)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

DEFINE_UNTIL(has_32, t.conns >= 32)
DEFINE_UNTIL(has_33, t.conns >= 33)

START_TEST(when_it_is_full_the_others_take_them)
{
	struct brood_loop_stats before, after;
	brood_id id;

	/* As it begins it finds that 32 is the most. */
	limit_files(60);
	open_in_whole_ring();
	limit_files(400);
	for (int i = 0; i < 34; i++)
		ask(listeners[i % 2]);
	run_until(has_32);
	run_a_moment();
	ck_assert_uint_eq(t.conns, 32);
	/* It waits for a close, and for nothing else. */
	id = brood_set_timeout(t.loop, 300, note, "");
	brood_loop_stats(t.loop, &before);
	run_until(NULL);
	brood_loop_stats(t.loop, &after);
	ck_assert_uint_le(after.turns - before.turns, 20);
	brood_clear(t.loop, id);
	let_go(5);
	run_until(has_33);
	run_a_moment();
	ck_assert_uint_eq(t.conns, 33);
	end();
}
END_TEST

START_TEST(without_descriptors_it_waits_a_moment)
{
	int taken[400], n = 0;

	open_in_whole_ring();
	ask(listeners[0]);
	ask(listeners[1]);
	limit_files(400);
	while (n < 400 && (taken[n] = dup(0)) >= 0)
		n++;
	ck_assert_int_lt(n, 400);
	for (int i = 0; i < 5; i++)
		run_a_moment();
	ck_assert_uint_eq(t.conns, 0);
	while (n-- > 0)
		close(taken[n]);
	run_until(has_two);
	end();
}
END_TEST

/* --- without memory -------------------------------------------------------------------------- */

static void
live_once(unsigned long fail_at)
{
	make_listeners(2);
	hand_over(0, listeners[0]);
	hand_over_listeners(1, "own");
	make_channel();
	make_set();
	mem_fail_at(fail_at, 1);
	t.loop = brood_loop_new();
	t.drain_is_done_at_once = true;
	t.w = t.loop != NULL ? brood_worker_open(t.loop, NULL, &handlers, &t) : NULL;
	if (t.w == NULL) {
		(void)close(atoi(getenv("BROOD_CHANNEL_FD")));
	} else {
		give_ring();
		tell("{\"brood\":\"message\",\"from\":\"web.1\",\"data\":1}\n{\"brood\":");
		run_until(is_ready);
		ck_assert(mem_calls() > 0);
		fill_set();
		ask(listeners[0]);
		run_until(has_one);
		brood_worker_drain(t.w);
		ck_assert_int_eq(brood_run(t.loop), 0);
	}
	end();
	n_clients = 0;
	keep_places();
}

/* --- connections that the master accepted ---------------------------------------------------- */

#define TAKE "{\"brood\":\"take\"}\n"

static unsigned
asked(void)
{
	unsigned n = 0;

	hear();
	for (const char *at = t.said; at != NULL && (at = strstr(at, TAKE)) != NULL; at++)
		n++;
	return n;
}

DEFINE_UNTIL(has_asked, asked() == 1)
DEFINE_UNTIL(has_asked_again, asked() == 2)

static void
open_dispatched(void)
{
	hand_over_listeners(0, "");
	make_channel();
	ck_assert_int_eq(setenv("BROOD_DISPATCH", "1", 1), 0);
	ck_assert_int_eq(setenv("PORT", "8080", 1), 0);
	open_worker(NULL);
	run_until(has_asked);
}

/* One end of a connection is given to it; the other is the client's. */
static int
dispatch(const char *line)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	tell_with(line, strlen(line), &pair[1], 1);
	close(pair[1]);
	return pair[0];
}

START_TEST(connections_are_asked_for_one_at_a_time)
{
	int peers[2];

	open_dispatched();
	ck_assert(is_ready());
	ck_assert(!has_asked_ring());
	ck_assert_int_eq(brood_worker_port(t.w), 8080);
	run_a_moment();
	ck_assert_uint_eq(asked(), 1);
	peers[0] = dispatch("{\"brood\":\"connection\",\"listener\":\"web\"}\n");
	run_until(has_one);
	run_until(has_asked_again);
	peers[1] = dispatch("{\"brood\":\"connection\",\"listener\":\"admin\"}\n");
	run_until(has_two);
	ck_assert_str_eq(t.names, "wa");
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(fcntl(t.fds[i], F_GETFL) & O_NONBLOCK);
		ck_assert(fcntl(t.fds[i], F_GETFD) & FD_CLOEXEC);
		close(peers[i]);
	}
	end();
}
END_TEST

static unsigned asked_before;

/* After the immediates of the turn in which the connection came. */
static void
on_check(uv_check_t *check)
{
	if (t.conns == 0)
		return;
	asked_before = asked();
	uv_check_stop(check);
}

START_TEST(the_next_is_asked_for_after_a_whole_turn)
{
	uv_check_t check;
	int client;

	open_dispatched();
	uv_check_init(brood_uv(t.loop), &check);
	uv_check_start(&check, on_check);
	uv_unref((uv_handle_t *)&check);
	client = dispatch("{\"brood\":\"connection\",\"listener\":\"web\"}\n");
	run_until(has_asked_again);
	/* The poll that reads the request was still to come. */
	ck_assert_uint_eq(asked_before, 1);
	close(client);
	end();
}
END_TEST

START_TEST(a_dispatched_worker_that_drains_serves_what_was_on_its_way)
{
	int client;

	open_dispatched();
	client = dispatch("{\"brood\":\"drain\",\"deadline_ms\":20000}\n"
	                  "{\"brood\":\"connection\",\"listener\":\"web\"}\n");
	run_until(has_one);
	run_a_moment();
	ck_assert_uint_eq(asked(), 1);
	ck_assert_uint_eq(t.drains, 1);
	close(client);
	end();
}
END_TEST

START_TEST(connections_that_nobody_asked_for_are_refused)
{
	char byte;
	int client;

	make_listeners(2);
	open_in_ring();
	client = dispatch("{\"brood\":\"connection\",\"listener\":\"web\"}\n");
	run_until_read();
	ck_assert_uint_eq(t.conns, 0);
	ck_assert_int_eq(read(client, &byte, 1), 0);
	close(client);
	end();
}
END_TEST

START_TEST(wait_set_without_memory)
{
	unsigned long n = 0;
	int before;

	json_set_alloc_funcs(mem_alloc, mem_free);
	live_once(0);
	before = fd_count_open();
	do {
		live_once(++n);
		ck_assert_msg(fd_count_open() == before, "allocation %lu: %d descriptors, not %d",
		    n, fd_count_open(), before);
	} while (mem_calls() >= n && n < 200);
	mem_fail_at(0, 0);
	ck_assert_uint_gt(n, 10);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("worker_accept");
	TCase *tc = tcase_create("worker_accept");
	SRunner *runner;
	int failed;

	keep_places();
	for (unsigned i = 0; i < 300; i++)
		listeners[i] = -1;
	tcase_add_test(tc, wait_set_is_slept_in_and_what_was_taken_over_is_counted);
	tcase_add_test(tc, one_connection_a_turn);
	tcase_add_test(tc, one_connection_a_turn_without_a_wait_set);
	tcase_add_test(tc, accepting_has_its_place_in_the_turn);
	tcase_add_test(tc, busy_loop_accepts);
	tcase_add_test(tc, idle_in_the_wait_set_it_does_not_wake);
	tcase_add_test(tc, wait_set_may_come_late);
	tcase_add_test(tc, wait_set_may_come_in_parts_and_grow);
	tcase_add_test(tc, wait_set_that_is_broken_is_left);
	tcase_add_test(tc, place_that_is_not_known_does_not_spin);
	tcase_add_test(tc, drain_takes_what_it_was_woken_for_and_leaves_the_set_as_it_was);
	tcase_add_test(tc, drain_while_the_wait_set_is_on_its_way);
	tcase_add_test(tc, listeners_are_chosen_by_name);
	tcase_add_test(tc, what_is_no_listener_is_left_alone);
	tcase_add_test(tc, alone_it_binds_and_empties_its_queue_when_it_leaves);
	tcase_add_test(tc, addresses_that_are_none_or_taken);
	tcase_add_test(tc, unix_socket_of_its_own_goes_with_it);
	tcase_add_test(tc, when_it_is_full_the_others_take_them);
	tcase_add_test(tc, without_descriptors_it_waits_a_moment);
	tcase_add_test(tc, connections_are_asked_for_one_at_a_time);
	tcase_add_test(tc, the_next_is_asked_for_after_a_whole_turn);
	tcase_add_test(tc, a_dispatched_worker_that_drains_serves_what_was_on_its_way);
	tcase_add_test(tc, connections_that_nobody_asked_for_are_refused);
	tcase_add_test(tc, wait_set_without_memory);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
