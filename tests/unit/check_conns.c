/*
 * Tests of sys/conns.c. The worker that is looked at is this process, or a child of it; clients
 * are here as well, but count for nothing, because their ports are others. A handshake is held
 * under way by a listener that waits for data (TCP_DEFER_ACCEPT).
 */
#include "sys_support.h"

#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "net_support.h"
#include "sys/conns.h"

/* --- handshakes ---------------------------------------------------------------------------- */

static uint16_t
open_deferring(const char *host, uint16_t port, int *fd)
{
	const struct listen_spec spec = {.type = LISTEN_TYPE_TCP,
	    .host = host,
	    .port = port,
	    .backlog = -1,
	    .nonblocking = true};
	int seconds = 30;
	struct err e;

	ck_assert_msg(listen_open(&spec, 1, fd, &port, &e) == 0, "%s", e.text);
	ck_assert_int_eq(
	    setsockopt(*fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
	return port;
}

static void
connect_many(const char *to, uint16_t port, int *conns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		conns[i] = connect_to(NULL, to, port);
}

static void
speak(const int *conns, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(send(conns[i], "x", 1, MSG_NOSIGNAL), 1);
}

/* When all has been read. */
static int
left(struct handshakes *h)
{
	int n;

	do {
		n = handshakes_left(h);
		ck_assert_msg(n >= 0, "%s", strerror(-n));
		ck_assert(n > 0 || !h->list);
	} while (h->list);
	return n;
}

static int
note(int fd, struct handshakes *h)
{
	int error = handshakes_note(fd, h);

	if (error == 0)
		(void)left(h);
	return error;
}

static const struct reach kinds[] = {
    {"127.0.0.1", "127.0.0.1"},
    {"0.0.0.0", "127.0.0.1"},
    {"*", "127.0.0.1"},
    {"*", "::1"},
    {"[::]", "::1"},
    {"[::1]", "::1"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

START_TEST(handshakes_are_seen_until_they_are_over)
{
	struct handshakes h = {0};
	int fd, conns[8], before;
	uint16_t port;

	if (!can_try(&kinds[_i]))
		return;
	port = open_deferring(kinds[_i].host, 0, &fd);
	before = fd_count_open();
	ck_assert_int_eq(note(fd, &h), 0);
	ck_assert_int_eq(left(&h), 0);
	connect_many(kinds[_i].client, port, conns, 6);
	ck_assert_int_eq(note(fd, &h), 0);
	ck_assert_uint_eq(h.len, 6);
	ck_assert_int_eq(left(&h), 6);
	/* Later ones are not of those. */
	connect_many(kinds[_i].client, port, conns + 6, 2);
	ck_assert_int_eq(left(&h), 6);
	speak(conns, 2);
	wait_until(left(&h) == 4);
	speak(conns + 6, 2);
	ck_assert_int_eq(left(&h), 4);
	/* One that the client gave up is over, too. */
	fd_close(&conns[2]);
	wait_until(left(&h) == 3);
	speak(conns + 3, 3);
	wait_until(left(&h) == 0);
	close_fds(conns, 8);
	handshakes_done(&h);
	ck_assert_int_eq(fd_count_open(), before);
	fd_close(&fd);
}
END_TEST

/* Same port, another address; same address, another port. */
START_TEST(handshakes_of_other_listeners_are_not_ours)
{
	struct handshakes h = {0};
	int fds[3], conns[3];
	uint16_t port = open_deferring("127.0.0.1", 0, &fds[0]), other;

	(void)open_deferring("127.0.0.2", port, &fds[1]);
	other = open_deferring("127.0.0.1", 0, &fds[2]);
	conns[0] = connect_to(NULL, "127.0.0.2", port);
	conns[1] = connect_to(NULL, "127.0.0.1", other);
	ck_assert_int_eq(note(fds[0], &h), 0);
	ck_assert_uint_eq(h.len, 0);
	conns[2] = connect_to(NULL, "127.0.0.1", port);
	ck_assert_int_eq(note(fds[0], &h), 0);
	ck_assert_uint_eq(h.len, 1);
	ck_assert_int_eq(note(fds[1], &h), 0);
	ck_assert_uint_eq(h.len, 1);
	close_fds(conns, 3);
	close_fds(fds, 3);
	handshakes_done(&h);
}
END_TEST

/* More than a call looks at, and more than one part of the kernel's answer. */
START_TEST(many_handshakes_are_followed_to_the_last)
{
	struct handshakes h = {0};
	int fd, conns[700];
	uint16_t port = open_deferring("127.0.0.1", 0, &fd);

	connect_many("127.0.0.1", port, conns, 700);
	ck_assert_int_eq(note(fd, &h), 0);
	ck_assert_uint_eq(h.len, 700);
	ck_assert_int_eq(left(&h), 700);
	speak(conns, 699);
	wait_until(left(&h) == 1);
	ck_assert_int_eq(left(&h), 1);
	speak(conns + 699, 1);
	wait_until(left(&h) == 0);
	close_fds(conns, 700);
	fd_close(&fd);
	handshakes_done(&h);
}
END_TEST

START_TEST(what_has_no_handshakes_says_so)
{
	struct handshakes h = {0};
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(handshakes_note(file, &h), -EOPNOTSUPP);
	ck_assert_int_eq(handshakes_note(999, &h), -EBADF);
	ck_assert_int_eq(conns_available(), 0);
	fd_close(&file);
}
END_TEST

/* As in a container whose filter knows no sock_diag, and where the kernel has none. */
START_TEST(no_inet_diag_is_an_errno)
{
	static const int errors[][2] = {{EPERM, -EPERM}, {EPROTONOSUPPORT, -EOPNOTSUPP},
	    {EAFNOSUPPORT, -EOPNOTSUPP}, {EACCES, -EACCES}};
	struct handshakes h = {0};
	struct quiet q = {0};
	uint64_t cost;
	uint16_t port;
	int fd;

	port = open_deferring("127.0.0.1", 0, &fd);
	forbid_call(SYS_pidfd_getfd, -1, EPERM);
	forbid_call(SYS_socket, AF_NETLINK, errors[_i][0]);
	ck_assert_int_eq(conns_available(), errors[_i][1]);
	ck_assert_int_eq(handshakes_note(fd, &h), errors[_i][1]);
	ck_assert_int_eq(quiet_look(&q, getpid(), &port, 1, &cost), errors[_i][1]);
	quiet_done(&q);
	fd_close(&fd);
}
END_TEST

/* --- the verdict --------------------------------------------------------------------------- */

/* Columns of the connection now; the one before; what comes out. Times are ages: less is later. */
static const struct {
	const char *what;
	struct quiet_conn now, before;
	bool first, inside;
} verdicts[] = {
    {"nothing was ever heard", {.spoke_ms = 8, .heard_ms = 8}, {0}, true, false},
    {"a greeting, no request", {.spoke_ms = 4, .heard_ms = 8, .sent = 9}, {0}, true, false},
    {"unread", {.unread = 1, .sent = 9, .received = 9, .spoke_ms = 0, .heard_ms = 9}, {0}, true,
        true},
    {"the rest of an answer", {.unsent = 1, .sent = 9, .received = 9, .heard_ms = 9}, {0}, true,
        true},
    /* Both ages count from the beginning: equal, and yet the first request. */
    {"the first request", {.received = 9, .spoke_ms = 4, .heard_ms = 4}, {0}, true, true},
    {"the first request, for long", {.received = 9, .spoke_ms = 999, .heard_ms = 999},
        {.received = 9}, false, true},
    {"answered", {.received = 9, .sent = 9, .spoke_ms = 4, .heard_ms = 8}, {0}, true, false},
    {"asked again", {.received = 9, .sent = 9, .spoke_ms = 8, .heard_ms = 4}, {0}, true, true},
    {"equal at first sight", {.received = 9, .sent = 9}, {0}, true, true},
    {"equal, as before, which was a guess", {.received = 9, .sent = 9},
        {.received = 9, .sent = 9, .inside = true, .guessed = true}, false, false},
    {"equal, as before, known to be inside", {.received = 9, .sent = 9},
        {.received = 9, .sent = 9, .inside = true}, false, true},
    {"equal, as before, known to be quiet", {.received = 9, .sent = 9}, {.received = 9, .sent = 9},
        false, false},
    {"equal, heard since", {.received = 9, .sent = 9}, {.received = 8, .sent = 9}, false, true},
    {"equal, answered since", {.received = 9, .sent = 9},
        {.received = 9, .sent = 8, .inside = true}, false, false},
    {"equal, heard and answered since", {.received = 9, .sent = 9},
        {.received = 8, .sent = 8, .inside = true}, false, false},
};

START_TEST(a_request_is_inside_when)
{
	struct quiet_conn now = verdicts[_i].now;

	quiet_judge(&now, verdicts[_i].first ? NULL : &verdicts[_i].before);
	ck_assert_msg(now.inside == verdicts[_i].inside, "%s", verdicts[_i].what);
}
END_TEST

/* --- looks --------------------------------------------------------------------------------- */

/* Each of these once by copies of the descriptors and once by the list, as where no copies can be
 * made. A list may take long on a machine where much is going on, so fewer are read. */
static int looks = 10;

static void
choose(bool by_list)
{
	if (!by_list)
		return;
	forbid_call(SYS_pidfd_getfd, -1, EPERM);
	looks = 3;
}

static struct quiet quiet;
static uint16_t port;
static int listener, client, server;

/* One whole look. */
static int
look_at(pid_t pid)
{
	uint64_t cost;
	int r;

	do
		r = quiet_look(&quiet, pid, &port, 1, &cost);
	while (r > 0 && quiet.look);
	return r;
}

static int
look(void)
{
	int r = look_at(getpid());

	ck_assert_msg(r >= 0, "%s", strerror(-r));
	return r;
}

static void
accept_one(const char *host, const char *to)
{
	port = open_group(host, 1, &listener);
	client = connect_to(NULL, to, port);
	wait_until((server = accept(listener, NULL, NULL)) >= 0);
}

static void
pass_on(int from, int to, const char *text)
{
	char buf[64];
	ssize_t len = (ssize_t)strlen(text);

	ck_assert_int_eq(send(from, text, (size_t)len, MSG_NOSIGNAL), len);
	if (to < 0)
		return;
	wait_until(recv(to, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK) == len);
	ck_assert_int_eq(recv(to, buf, sizeof(buf), MSG_DONTWAIT), len);
}

static void
end_looks(void)
{
	fd_close(&client);
	fd_close(&server);
	fd_close(&listener);
	quiet_done(&quiet);
}

/* Stays so, in spite of the time that passes. */
static void
stays(int expected)
{
	for (int i = 0; i < looks; i++) {
		ck_assert_int_eq(look(), expected);
		(void)poll(NULL, 0, 2);
	}
}

START_TEST(a_request_is_inside_from_its_first_byte_to_its_answer)
{
	int kind = _i < (int)KINDS ? _i : 2 * (_i - (int)KINDS);
	char text[8];

	choose(_i >= (int)KINDS);
	accept_one(kinds[kind].host, kinds[kind].client);
	stays(0);
	/* On a fresh connection. */
	pass_on(client, -1, "GET");
	stays(1);
	wait_until(recv(server, text, sizeof(text), MSG_DONTWAIT) == 3);
	stays(1);
	pass_on(server, client, "200");
	wait_until(look() == 0);
	stays(0);
	/* Kept alive; each request may fall into the 4 ms of the answer before. */
	for (int i = 0; i < looks; i++) {
		pass_on(client, server, "GET");
		stays(1);
		pass_on(server, client, "200");
		wait_until(look() == 0);
	}
	end_looks();
}
END_TEST

START_TEST(the_end_of_a_client_is_no_request)
{
	char byte;

	choose(_i >= 2);
	accept_one("127.0.0.1", "127.0.0.1");
	pass_on(client, server, "GET");
	if (_i % 2 == 0) {
		/* It closed its side after the request, and waits. */
		ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
		wait_until(recv(server, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0);
		stays(1);
	}
	pass_on(server, client, "200");
	if (_i % 2 == 1) {
		/* It went, and the worker does not care. */
		ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
		wait_until(recv(server, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0);
	}
	wait_until(look() == 0);
	stays(0);
	end_looks();
	/* Without a word in between. */
	accept_one("127.0.0.1", "127.0.0.1");
	ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
	wait_until(recv(server, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0);
	stays(0);
	end_looks();
}
END_TEST

/* Spoken last, and yet the network has not taken it all. */
START_TEST(a_long_answer_is_inside_until_it_is_out)
{
	static char block[1 << 16];
	ssize_t got;

	choose(_i == 1);
	accept_one("127.0.0.1", "127.0.0.1");
	ck_assert_int_eq(fd_set_nonblocking(server, true), 0);
	pass_on(client, server, "GET");
	while (send(server, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
	stays(1);
	wait_until((got = recv(client, block, sizeof(block), MSG_DONTWAIT)) < 0 && look() == 0);
	stays(0);
	end_looks();
}
END_TEST

START_TEST(only_what_came_in_by_the_ports_counts)
{
	uint16_t ports[3];
	uint64_t cost;
	int r;

	choose(_i == 1);
	accept_one("127.0.0.1", "127.0.0.1");
	pass_on(client, server, "GET");
	ck_assert_int_eq(look(), 1);
	quiet_done(&quiet);
	ports[0] = port;
	ports[1] = 1;
	ports[2] = 2;
	port = 1;
	ck_assert_int_eq(look(), 0);
	quiet_done(&quiet);
	ck_assert_int_eq(quiet_look(&quiet, getpid(), ports, 0, &cost), 0);
	do
		r = quiet_look(&quiet, getpid(), ports, 3, &cost);
	while (r > 0 && quiet.look);
	ck_assert_int_eq(r, 1);
	end_looks();
}
END_TEST

/* The connection is held by a child's child alone. */
START_TEST(descendants_count)
{
	pid_t worker, other;
	int told[2], status;

	if (_i >= 2 && geteuid() == 0) /* who can see less of what has ended */
		become_nobody();
	choose(_i % 2 == 1);
	accept_one("127.0.0.1", "127.0.0.1");
	pass_on(client, server, "GET");
	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	worker = fork();
	if (worker == 0) {
		pid_t child = fork();

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (child != 0) {
			fd_close(&server);
			ck_assert_int_eq(write(told[1], &child, sizeof(child)), sizeof(child));
		}
		for (;;)
			(void)pause();
	}
	fd_close(&server);
	ck_assert_int_eq(read(told[0], &other, sizeof(other)), sizeof(other));
	ck_assert_int_eq(look_at(worker), 1);
	ck_assert_int_eq(look_at(other), 1);
	ck_assert_int_eq(look_at(getpid()), 1);
	(void)kill(other, SIGKILL);
	wait_until(look_at(worker) == 0); /* a zombie holds nothing */
	(void)kill(worker, SIGKILL);
	ck_assert_int_eq(waitpid(worker, &status, 0), worker);
	ck_assert_int_eq(look_at(worker), -ESRCH);
	end_looks();
}
END_TEST

START_TEST(what_may_not_be_seen_is_an_errno)
{
	uint64_t cost;
	pid_t parent = getpid(), child;
	int status;

	if (geteuid() != 0)
		return;
	accept_one("127.0.0.1", "127.0.0.1");
	child = fork();
	if (child == 0) {
		if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(2);
		_exit(quiet_look(&quiet, parent, &port, 1, &cost) == -EACCES ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	end_looks();
}
END_TEST

/* Many connections, of which one is asked; also: what a look that is not finished holds is given
 * back. */
START_TEST(many_connections_are_looked_at_in_slices)
{
	enum { MANY = 1500 };
	static int clients[MANY], servers[MANY];
	uint64_t cost = 0, before;
	int fds_before, r;

	choose(_i == 1);
	port = open_group("127.0.0.1", 1, &listener);
	for (int i = 0; i < MANY; i++) {
		clients[i] = connect_to(NULL, "127.0.0.1", port);
		wait_until((servers[i] = accept(listener, NULL, NULL)) >= 0);
	}
	fds_before = fd_count_open();
	ck_assert_int_eq(look(), 0);
	pass_on(clients[700], servers[700], "GET");
	stays(1);
	pass_on(clients[3], servers[3], "GET");
	ck_assert_int_eq(look(), 2);
	pass_on(servers[700], clients[700], "200");
	wait_until(look() == 1);
	pass_on(servers[3], clients[3], "200");
	wait_until(look() == 0);
	ck_assert_int_eq(fd_count_open(), fds_before);
	before = 0;
	do {
		r = quiet_look(&quiet, getpid(), &port, 1, &cost);
		before += cost;
	} while (r > 0 && quiet.look);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_gt(before, 0);
	r = quiet_look(&quiet, getpid(), &port, 1, &cost);
	if (quiet.look)
		ck_assert_int_ge(r, 1);
	quiet_done(&quiet);
	ck_assert_int_eq(fd_count_open(), fds_before);
	close_fds(clients, MANY);
	close_fds(servers, MANY);
	fd_close(&listener);
}
END_TEST

/* Each allocation of a look fails once: an errno, nothing lost, and the next look is right. */
START_TEST(f6_no_memory_is_an_errno)
{
	struct handshakes h = {0};
	unsigned failures = 0;
	int r;

	choose(true);
	accept_one("127.0.0.1", "127.0.0.1");
	pass_on(client, server, "GET");
	for (unsigned long n = 1;; n++) {
		mem_fail_at(n, 1);
		r = look_at(getpid());
		mem_fail_at(0, 0);
		if (r >= 0)
			break;
		ck_assert_int_eq(r, -ENOMEM);
		ck_assert_ptr_null(quiet.look);
		failures++;
	}
	ck_assert_uint_ge(failures, 3);
	ck_assert_int_eq(look(), 1);
	end_looks();
	port = open_deferring("127.0.0.1", 0, &listener);
	client = connect_to(NULL, "127.0.0.1", port);
	mem_fail_at(1, 1);
	ck_assert_int_eq(handshakes_note(listener, &h), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_int_eq(note(listener, &h), 0);
	ck_assert_uint_eq(h.len, 1);
	handshakes_done(&h);
	end_looks();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("conns");

	server = client = listener = -1;
	tcase_add_loop_test(t, handshakes_are_seen_until_they_are_over, 0, (int)KINDS);
	tcase_add_test(t, handshakes_of_other_listeners_are_not_ours);
	tcase_add_test(t, many_handshakes_are_followed_to_the_last);
	tcase_add_test(t, what_has_no_handshakes_says_so);
	tcase_add_loop_test(t, no_inet_diag_is_an_errno, 0, 4);
	tcase_add_loop_test(
	    t, a_request_is_inside_when, 0, (int)(sizeof(verdicts) / sizeof(verdicts[0])));
	tcase_add_loop_test(
	    t, a_request_is_inside_from_its_first_byte_to_its_answer, 0, (int)KINDS + 2);
	tcase_add_loop_test(t, the_end_of_a_client_is_no_request, 0, 4);
	tcase_add_loop_test(t, a_long_answer_is_inside_until_it_is_out, 0, 2);
	tcase_add_loop_test(t, only_what_came_in_by_the_ports_counts, 0, 2);
	tcase_add_loop_test(t, descendants_count, 0, 4);
	tcase_add_test(t, what_may_not_be_seen_is_an_errno);
	tcase_add_loop_test(t, many_connections_are_looked_at_in_slices, 0, 2);
	tcase_add_test(t, f6_no_memory_is_an_errno);
	return support_main("conns", t);
}
