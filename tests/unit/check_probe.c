/*
 * probe: who is reached, what counts as accepted and as answered, and what a worker sees of it; on
 * real sockets, with the test as the worker.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fakeloop.h"
#include "loop/probe.h"
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
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		probe_end(&f.procs[i]);
	fake_loop_done(&f);
}

static bool
is_probed(struct fake_loop *x)
{
	return x->events > 0;
}

static void
probe_worker(unsigned slot, enum probe_kind kind)
{
	const struct action a = {
	    .kind = ACTION_PROBE, .worker = slot + 1, .app = "web", .probe = {.kind = kind}};

	f.events = 0;
	probe_begin(&f.l, &a);
}

static void
comes_out(unsigned slot, enum probe_kind kind, bool ok, const char *what)
{
	ck_assert(fake_loop_run(&f, is_probed, FAKE_LONG_MS));
	ck_assert_uint_eq(f.events, 1);
	ck_assert_int_eq(f.last.kind, EVENT_PROBED);
	ck_assert_uint_eq(f.last.worker, slot + 1);
	ck_assert_int_eq(f.last.probed.kind, kind);
	ck_assert_msg(f.last.probed.ok == ok, "%s", f.what);
	if (what)
		ck_assert_str_eq(f.what, what);
}

static int
try_accept(unsigned slot, unsigned seat)
{
	return accept4(fake_loop_fd(&f, slot, seat), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* Of the connection that the test has taken: what becomes of it on the other side. */
static int taken = -1;

static bool
takes_from_1(struct fake_loop *x)
{
	(void)x;
	if (taken < 0)
		taken = try_accept(1, f.workers[1].seat);
	return taken >= 0;
}

/* How: 0 = in order, else an errno. An error is told once. */
static int ended_by;

static bool
has_ended(struct fake_loop *x)
{
	char buf[1024];
	ssize_t n = 1;

	(void)x;
	while (n > 0)
		n = recv(taken, buf, sizeof(buf), MSG_DONTWAIT);
	ended_by = n == 0 ? 0 : errno;
	return ended_by != EAGAIN;
}

static void
ends_by(int error)
{
	ck_assert(fake_loop_run(&f, has_ended, FAKE_LONG_MS));
	ck_assert_int_eq(ended_by, error);
	ck_assert_int_eq(close(taken), 0);
}

/* --- accepted ------------------------------------------------------------------------------- */

START_TEST(accepted_is_what_has_left_the_queue)
{
	probe_worker(1, PROBE_ACCEPT);
	fake_loop_pass(&f, 100);
	ck_assert_uint_eq(f.events, 0);
	ck_assert_uint_eq(f.looks, 0);
	ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
	comes_out(1, PROBE_ACCEPT, true, "accepted");
	ck_assert_ptr_null(f.procs[1].probe);
	/* A program that reads sees an end, and no trouble. */
	ends_by(0);
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		ck_assert_int_lt(try_accept(i, 0), 0);
}
END_TEST

START_TEST(the_seat_is_that_of_the_worker)
{
	f.workers[1].seat = 1;
	f.workers[1].state = WORKER_STARTING;
	probe_worker(1, PROBE_ACCEPT);
	ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
	comes_out(1, PROBE_ACCEPT, true, NULL);
	ck_assert_int_eq(close(taken), 0);
}
END_TEST

START_TEST(a_stalled_worker_is_asked_until_it_takes_one)
{
	f.workers[1].state = WORKER_STALLED;
	fake_loop_steer(&f, 1, false);
	probe_worker(1, PROBE_ACCEPT);
	fake_loop_pass(&f, 100);
	ck_assert_uint_eq(f.events, 0);
	ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
	comes_out(1, PROBE_ACCEPT, true, NULL);
	ck_assert_int_eq(close(taken), 0);
}
END_TEST

/* Its queue is empty because others were given what was in it: that is no sign of life. */
START_TEST(R4_a_rescued_queue_is_no_acceptance)
{
	const struct action a = {.kind = ACTION_RESCUE, .app = "web", .slot = 1};
	unsigned len = 0, limit;

	fake_loop_done(&f);
	fake_loop_own_network(true);
	fake_loop_init(&f, "127.0.0.1");
	if (!queue_can_migrate())
		return; /* not our network, or an old kernel */
	f.workers[1].state = WORKER_STALLED;
	fake_loop_steer(&f, 1, false);
	probe_worker(1, PROBE_ACCEPT);
	fake_loop_pass(&f, 50);
	queues_rescue(&f.l, &a);
	ck_assert_uint_eq(queues_flushes(&f.l, "web", 1), 1);
	fake_loop_pass(&f, 200);
	ck_assert_uint_eq(f.events, 0);
	/* It is asked anew. */
	ck_assert_int_eq(queue_length(fake_loop_fd(&f, 1, 0), &len, &limit), 0);
	ck_assert_uint_eq(len, 1);
	ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
	comes_out(1, PROBE_ACCEPT, true, NULL);
	ck_assert_int_eq(close(taken), 0);
}
END_TEST

START_TEST(given_up_it_says_nothing)
{
	probe_worker(1, PROBE_ACCEPT);
	fake_loop_pass(&f, 20);
	probe_worker(1, PROBE_NONE);
	ck_assert_ptr_null(f.procs[1].probe);
	ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
	fake_loop_pass(&f, 50);
	ck_assert_uint_eq(f.events, 0);
	ends_by(0);
}
END_TEST

START_TEST(a_shared_socket_cannot_be_addressed)
{
	f.ls->shape = LISTENER_ONE;
	for (enum probe_kind kind = PROBE_ACCEPT; kind < PROBE_KIND_MAX; kind++) {
		probe_worker(1, kind);
		comes_out(1, kind, false, "cannot be addressed");
		ck_assert(f.last.probed.unknown);
	}
	fake_loop_pass(&f, 20);
	ck_assert_uint_eq(f.events, 1);
	f.ls->shape = LISTENER_STEERED;
}
END_TEST

/* --- answered ------------------------------------------------------------------------------- */

/* The test as a server on seat 0 of slot 1. */
static const char *answers[4];
static unsigned served;
static char asked[512];
static bool keeps; /* it leaves the connection open */

static void
serve(void)
{
	static int fd = -1;
	const char *answer = answers[served < 4 ? served : 3];
	struct pollfd p;
	ssize_t n;

	if (fd < 0)
		fd = try_accept(1, 0);
	p = (struct pollfd){.fd = fd, .events = POLLIN};
	if (fd < 0 || poll(&p, 1, 0) != 1)
		return;
	served++;
	n = recv(fd, asked, sizeof(asked) - 1, 0);
	ck_assert_int_gt(n, 0);
	asked[n] = '\0';
	if (answer)
		ck_assert_int_eq(
		    send(fd, answer, strlen(answer), MSG_NOSIGNAL), (ssize_t)strlen(answer));
	if (keeps)
		taken = fd;
	else
		ck_assert_int_eq(close(fd), 0);
	fd = -1;
}

static bool
serves(struct fake_loop *x)
{
	serve();
	return is_probed(x);
}

/* The server is polled by the loop that it serves. */
static void
is_served(unsigned slot, enum probe_kind kind, bool ok, const char *what)
{
	for (int i = 0; i < FAKE_LONG_MS / 5 && f.events == 0; i++)
		(void)fake_loop_run(&f, serves, 5);
	comes_out(slot, kind, ok, what);
}

START_TEST(health_is_asked_once)
{
	char host[64];

	answers[0] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	f.conf.probe_path = (char *)"/healthz?full=1";
	probe_worker(1, PROBE_HEALTH);
	is_served(1, PROBE_HEALTH, true, "200 OK");
	ck_assert_ptr_eq(strstr(asked, "GET /healthz?full=1 HTTP/1.1\r\n"), asked);
	(void)snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", (unsigned)f.ls->port);
	ck_assert_ptr_nonnull(strstr(asked, host));
	ck_assert_ptr_nonnull(strstr(asked, "\r\nConnection: close\r\n"));
	answers[1] = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
	probe_worker(1, PROBE_HEALTH);
	is_served(1, PROBE_HEALTH, false, "503 Service Unavailable");
	ck_assert_uint_eq(served, 2);
}
END_TEST

static const struct {
	const char *answer, *what;
	bool ok;
} lines[] = {
    {"HTTP/1.1 204 No Content\r\n\r\n", "204 No Content", true},
    {"HTTP/1.0 399\r\n\r\n", "399", true},
    {"HTTP/1.1 301 \r\nLocation: /\r\n\r\n", "301 ", true},
    {"HTTP/1.1 400 Bad Request\n", "400 Bad Request", false},
    {"HTTP/1.1 199 x\r\n", "199 x", false},
    {"HTTP/1.1 200 \033[2Jred\r\n", "200 \\x1B[2Jred", true},
    {"HTTP/1.1 2000 OK\r\n", "it did not answer in HTTP", false},
    {"HTTP/1.1 020 OK\r\n", "it did not answer in HTTP", false},
    {"HTTP/1.1 20\r\n", "it did not answer in HTTP", false},
    {"HTTP/1.1\r\n", "it did not answer in HTTP", false},
    {"SSH-2.0-OpenSSH_9\r\n", "it did not answer in HTTP", false},
    {"\r\n", "it did not answer in HTTP", false},
    {"", "closed without an answer", false},
};

START_TEST(status_lines_are_read_strictly)
{
	answers[0] = lines[_i].answer;
	probe_worker(1, PROBE_HEALTH);
	is_served(1, PROBE_HEALTH, lines[_i].ok, lines[_i].what);
}
END_TEST

START_TEST(no_more_than_the_line_is_read)
{
	static char answer[70000];

	memset(answer, 'a', sizeof(answer) - 1);
	memcpy(answer, "HTTP/1.1 200 ", 13);
	answers[0] = answer;
	probe_worker(1, PROBE_HEALTH);
	is_served(1, PROBE_HEALTH, true, NULL);
	ck_assert_uint_lt(strlen(f.what), 256);
	ck_assert_ptr_eq(strstr(f.what, "200 aaa"), f.what);
}
END_TEST

START_TEST(readiness_is_asked_until_it_is_well)
{
	f.workers[1].state = WORKER_STARTING;
	f.conf.ready_path = (char *)"/ready";
	answers[0] = "HTTP/1.1 503 Starting\r\n\r\n";
	answers[1] = "HTTP/1.1 503 Starting\r\n\r\n";
	answers[2] = "";
	answers[3] = "HTTP/1.1 200 OK\r\n\r\n";
	probe_worker(1, PROBE_HTTP);
	is_served(1, PROBE_HTTP, true, "200 OK");
	ck_assert_uint_eq(served, 4);
	ck_assert_ptr_eq(strstr(asked, "GET /ready HTTP/1.1\r\n"), asked);
	/* Each other answer is told, and only once. */
	ck_assert_str_eq(f.told, "probe_again: not ready yet: 503 Starting"
	                         "probe_again: not ready yet: closed without an answer");
}
END_TEST

START_TEST(who_does_not_answer_is_late)
{
	f.conf.probe_timeout_ms = 100;
	probe_worker(1, PROBE_HEALTH);
	ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
	comes_out(1, PROBE_HEALTH, false, "no answer within 100ms");
	/* It need not answer any more. */
	ends_by(ECONNRESET);
}
END_TEST

/* Connections in TIME_WAIT that have one of our source addresses on our side. */
static unsigned
lingering(void)
{
	FILE *file = fopen("/proc/net/tcp", "re");
	char line[512], remote[16];
	unsigned n = 0;

	ck_assert_ptr_nonnull(file);
	(void)snprintf(remote, sizeof(remote), ":%04X 06 ", (unsigned)f.ls->port);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "627F:") && strstr(line, remote);
	ck_assert_int_eq(fclose(file), 0);
	return n;
}

START_TEST(the_worker_closes_first)
{
	answers[0] = "HTTP/1.1 200 OK\r\n\r\n";
	probe_worker(1, PROBE_HEALTH);
	is_served(1, PROBE_HEALTH, true, NULL);
	fake_loop_pass(&f, 200);
	ck_assert_uint_eq(lingering(), 0);
}
END_TEST

START_TEST(who_keeps_the_connection_is_cut_off_soon)
{
	answers[0] = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\nwhat follows is not read";
	keeps = true;
	probe_worker(1, PROBE_HEALTH);
	is_served(1, PROBE_HEALTH, true, NULL);
	ends_by(ECONNRESET);
	ck_assert_uint_eq(lingering(), 0);
}
END_TEST

/* --- addresses ------------------------------------------------------------------------------ */

static const char *const hosts[] = {"0.0.0.0", "*", "::1", "::"};

/* Twice: where there is one port a worker, it must be free again. */
START_TEST(every_address_has_a_way)
{
	fake_loop_done(&f);
	if (access("/proc/net/if_inet6", F_OK) != 0 && strchr(hosts[_i], ':'))
		exit(0); /* no IPv6 here */
	fake_loop_init(&f, hosts[_i]);
	for (int i = 0; i < 2; i++) {
		served = 0;
		answers[0] = "HTTP/1.1 200 OK\r\n\r\n";
		probe_worker(1, PROBE_HEALTH);
		is_served(1, PROBE_HEALTH, true, "200 OK");
		taken = -1;
		probe_worker(1, PROBE_ACCEPT);
		ck_assert(fake_loop_run(&f, takes_from_1, FAKE_LONG_MS));
		comes_out(1, PROBE_ACCEPT, true, NULL);
		ck_assert_int_eq(close(taken), 0);
	}
}
END_TEST

/* --- for operators -------------------------------------------------------------------------- */

static struct probe_result result;
static unsigned results;

static void
on_result(void *arg, const struct probe_result *r)
{
	ck_assert_ptr_eq(arg, &results);
	result = *r;
	results++;
}

static bool
has_result(struct fake_loop *x)
{
	(void)x;
	serve();
	return results > 0;
}

static struct probe *
ask(unsigned slot, const char *path, uint64_t timeout_ms)
{
	const char *text = NULL;
	int error = 0;
	struct probe *p =
	    probe_start(&f.l, "web", slot, path, timeout_ms, on_result, &results, &error, &text);

	ck_assert_msg(p, "%s", text);
	return p;
}

START_TEST(an_operator_asks_one_worker)
{
	answers[0] = "HTTP/1.1 404 Not Found\r\n\r\n";
	(void)ask(1, "/x", 5000);
	for (int i = 0; i < FAKE_LONG_MS / 5 && results == 0; i++)
		(void)fake_loop_run(&f, has_result, 5);
	ck_assert_uint_eq(results, 1);
	ck_assert(result.ok);
	ck_assert_int_eq(result.status, 404);
	ck_assert_str_eq(result.line, "HTTP/1.1 404 Not Found");
	ck_assert_uint_gt(result.connect_us, 0);
	ck_assert_uint_ge(result.answer_us, result.connect_us);
	ck_assert_ptr_eq(strstr(asked, "GET /x HTTP/1.1\r\n"), asked);
	ck_assert_uint_eq(f.events, 0);
}
END_TEST

START_TEST(an_operator_gets_no_answer)
{
	f.conf.probe_timeout_ms = 50;
	(void)ask(1, NULL, 0);
	for (int i = 0; i < FAKE_LONG_MS / 5 && results == 0; i++)
		fake_loop_pass(&f, 5);
	ck_assert_uint_eq(results, 1);
	ck_assert(!result.ok);
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.line, "no answer within 50ms");
	ck_assert_uint_eq(result.answer_us, 0);
}
END_TEST

START_TEST(an_operator_goes_away)
{
	struct probe *p = ask(1, "/", 5000);

	fake_loop_pass(&f, 20);
	probe_cancel(p);
	fake_loop_pass(&f, 50);
	ck_assert_uint_eq(results, 0);
}
END_TEST

START_TEST(what_cannot_be_asked_is_refused)
{
	const char *text = NULL;
	int error = 0;

	ck_assert_ptr_null(
	    probe_start(&f.l, "web", FAKE_SLOTS, "/", 1, on_result, &results, &error, &text));
	ck_assert_int_eq(error, -ENOENT);
	f.slots[1].current = NULL;
	ck_assert_ptr_null(probe_start(&f.l, "web", 1, "/", 1, on_result, &results, &error, &text));
	ck_assert_int_eq(error, -ESRCH);
	f.slots[1].current = &f.workers[1];
	f.ls->shape = LISTENER_ONE;
	ck_assert_ptr_null(probe_start(&f.l, "web", 1, "/", 1, on_result, &results, &error, &text));
	ck_assert_int_eq(error, -EOPNOTSUPP);
	f.ls->shape = LISTENER_STEERED;
}
END_TEST

static void
add_tests(TCase *tcase)
{
	tcase_add_test(tcase, accepted_is_what_has_left_the_queue);
	tcase_add_test(tcase, the_seat_is_that_of_the_worker);
	tcase_add_test(tcase, a_stalled_worker_is_asked_until_it_takes_one);
	tcase_add_test(tcase, R4_a_rescued_queue_is_no_acceptance);
	tcase_add_test(tcase, given_up_it_says_nothing);
	tcase_add_test(tcase, a_shared_socket_cannot_be_addressed);
	tcase_add_test(tcase, health_is_asked_once);
	tcase_add_loop_test(
	    tcase, status_lines_are_read_strictly, 0, (int)(sizeof(lines) / sizeof(*lines)));
	tcase_add_test(tcase, no_more_than_the_line_is_read);
	tcase_add_test(tcase, readiness_is_asked_until_it_is_well);
	tcase_add_test(tcase, who_does_not_answer_is_late);
	tcase_add_test(tcase, the_worker_closes_first);
	tcase_add_test(tcase, who_keeps_the_connection_is_cut_off_soon);
	tcase_add_loop_test(
	    tcase, every_address_has_a_way, 0, (int)(sizeof(hosts) / sizeof(*hosts)));
	tcase_add_test(tcase, an_operator_asks_one_worker);
	tcase_add_test(tcase, an_operator_gets_no_answer);
	tcase_add_test(tcase, an_operator_goes_away);
	tcase_add_test(tcase, what_cannot_be_asked_is_refused);
}

int
main(void)
{
	return run_suite("probe", set_up, tear_down, add_tests);
}
