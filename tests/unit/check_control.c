/*
 * control, client, request and follow together, over a real socket and a real loop; what the
 * requests mean is faked: ctl_dispatch() makes a plan out of the method's name alone.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "core/cluster.h"
#include "ipc/lines.h"
#include "ipc/msg.h"
#include "loop/channel.h"
#include "loop/client.h"
#include "loop/control.h"
#include "loop/loop.h"
#include "loop/output.h"
#include "loop/probe.h"

static char dir[] = "/tmp/check_control.XXXXXX";
static char socket_path[64];
static struct loop loop;
static struct conf conf;
static struct conf_app conf_apps[2] = {{.name = "web"}, {.name = "api"}};
static struct conf_app *conf_list[2] = {&conf_apps[0], &conf_apps[1]};
static struct core core;
static struct app web = {.name = "web"};
static struct event last_event;
static unsigned steps, reconfigured, reopened;
static int reconfigure_error;
static unsigned probes, cancelled;
static int probe_error;
static probe_fn probe_answer;
static void *probe_arg;
static struct line_ring *ring;
static output_watch_fn watch;
static void *watch_arg;

/* ---- what the rest of the master would do */

void
ctl_dispatch(
    const struct ctl_context *ctx, enum ctl_role role, const json_t *request, struct ctl_plan *ret)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	char big[1000];

	(void)ctx;
	*ret = (struct ctl_plan){.outcome = CTL_REFUSE, .slot = -1, .wait = true, .lines = 100};
	ret->code = RPC_METHOD_NOT_FOUND;
	ck_assert_int_eq(role, CTL_ROLE_ADMIN);
	if (!method) {
		ret->code = RPC_INVALID_REQUEST;
		(void)strcpy(ret->message, "no method");
	} else if (strcmp(method, "ping") == 0) {
		ret->outcome = CTL_ANSWER;
		ret->result = json_pack("{s:b}", "pong", 1);
	} else if (strcmp(method, "big") == 0) {
		memset(big, 'x', sizeof(big) - 1);
		big[sizeof(big) - 1] = '\0';
		ret->outcome = CTL_ANSWER;
		ret->result = json_pack("{s:s}", "text", big);
	} else if (strcmp(method, "start") == 0 || strcmp(method, "start-nowait") == 0) {
		ret->outcome = CTL_EVENT;
		ret->wait = strcmp(method, "start") == 0;
		(void)strcpy(ret->app, "web");
		ret->event = (struct event){.kind = EVENT_START, .app = ret->app};
	} else if (strcmp(method, "reload") == 0) {
		ret->outcome = CTL_RELOAD;
	} else if (strcmp(method, "restart") == 0) {
		ret->outcome = CTL_RESTART;
	} else if (strcmp(method, "logs") == 0 || strcmp(method, "events") == 0) {
		ret->outcome = strcmp(method, "logs") == 0 ? CTL_LOGS : CTL_EVENTS;
		ret->lines = 2;
		ret->follow = true;
	} else if (strcmp(method, "probe") == 0) {
		ret->outcome = CTL_PROBE;
		(void)strcpy(ret->app, "web");
		ret->slot = 2;
		ret->path = "/healthz";
		ret->timeout_ms = 700;
	} else if (strcmp(method, "reopen") == 0) {
		ret->outcome = CTL_REOPEN;
	}
}

void
ctl_plan_done(struct ctl_plan *plan)
{
	json_decref(plan->result);
}

request_id
loop_next_request(struct loop *l)
{
	return ++l->last_request;
}

void
loop_step(struct loop *l, const struct event *ev)
{
	(void)l;
	last_event = *ev;
	steps++;
}

int
loop_reconfigure(struct loop *l, const char *app, bool restart, request_id request, struct err *e)
{
	(void)l;
	(void)app;
	(void)restart;
	(void)request;
	reconfigured++;
	if (reconfigure_error < 0)
		return err_set(e, reconfigure_error, "brood.conf:3:1: unknown key");
	return 0;
}

int
loop_prepare_scale(struct loop *l, const char *app, unsigned workers, struct err *e)
{
	(void)l;
	(void)app;
	(void)workers;
	(void)e;
	return 0;
}

void
loop_reopen_logs(struct loop *l)
{
	(void)l;
	reopened++;
}

struct probe *
probe_start(struct loop *l, const char *app, unsigned slot, const char *path, uint64_t timeout_ms,
    probe_fn fn, void *arg, int *ret_error, const char **ret_text)
{
	(void)l;
	ck_assert_str_eq(app, "web");
	ck_assert_uint_eq(slot, 2);
	ck_assert_str_eq(path, "/healthz");
	ck_assert_uint_eq(timeout_ms, 700);
	if (probe_error < 0) {
		*ret_error = probe_error;
		*ret_text = "web.2 has no worker";
		return NULL;
	}
	probe_answer = fn;
	probe_arg = arg;
	probes++;
	return (struct probe *)&probes;
}

void
probe_cancel(struct probe *p)
{
	ck_assert_ptr_eq(p, &probes);
	cancelled++;
}

unsigned
channel_send_message(
    struct loop *l, const char *app, int slot, int not_slot, const char *from, const json_t *data)
{
	(void)l;
	(void)app;
	(void)slot;
	(void)not_slot;
	(void)from;
	(void)data;
	return 0;
}

struct line_ring *
output_ring(struct loop *l, const char *app)
{
	(void)l;
	return strcmp(app, "web") == 0 ? ring : NULL;
}

void
output_watch(struct loop *l, output_watch_fn fn, void *arg)
{
	(void)l;
	watch = fn;
	watch_arg = arg;
}

struct app *
core_find_app(const struct core *c, const char *name)
{
	(void)c;
	(void)name;
	return NULL;
}

const struct slot *
app_find_place(const struct app *a, unsigned n)
{
	(void)a;
	(void)n;
	return NULL;
}

void
conf_print(const struct conf *c, bool all, bool secrets, struct str *out)
{
	(void)c;
	(void)all;
	(void)secrets;
	(void)out;
}

/* ---- the stage */

static void
start(void)
{
	struct err e;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(socket_path, sizeof(socket_path), "%s/t.sock", dir);
	ck_assert_int_eq(uv_loop_init(&loop.uv), 0);
	loop.options.name = "t";
	loop.options.run_dir = dir;
	conf.apps = conf_list;
	conf.apps_len = 2;
	loop.conf = &conf;
	core.apps = &web;
	loop.core = &core;
	loop.journal = journal_new();
	loop.output = (struct output *)&loop;
	ring = line_ring_new(65536);
	ck_assert_msg(control_init(&loop, (gid_t)-1, &e) == 0, "%s", e.text);
}

static void
finish(void)
{
	control_done(&loop);
	ck_assert_int_eq(uv_run(&loop.uv, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(&loop.uv), 0);
	journal_free(loop.journal);
	line_ring_free(ring);
	(void)unlink(socket_path);
	(void)rmdir(dir);
}

static void
turn(void)
{
	uv_run(&loop.uv, UV_RUN_NOWAIT);
}

#define turn_until(cond)                                                   \
	do {                                                               \
		for (int turns_ = 0; !(cond); turns_++) {                  \
			ck_assert_msg(turns_ < 10000, "never: %s", #cond); \
			turn();                                            \
			usleep(1000);                                      \
		}                                                          \
	} while (0)

static int
dial(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, socket_path, strlen(socket_path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What fd got, or "EOF". */
static const char *
hear(int fd)
{
	static char buf[65536];
	ssize_t n = -1;

	for (int i = 0; i < 2000 && n < 0; i++) {
		turn();
		n = read(fd, buf, sizeof(buf) - 1);
		if (n < 0)
			usleep(1000);
	}
	if (n == 0)
		return "EOF";
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void
reply(request_id request, enum reply_code code, const char *text)
{
	struct action a = {.kind = ACTION_REPLY, .slot = -1};

	a.reply.request = request;
	a.reply.code = code;
	(void)snprintf(a.text, sizeof(a.text), "%s", text);
	control_on_reply(&loop, &a);
}

static void
happen(const char *text)
{
	struct journal_event e = {
	    .event = "worker_ready", .level = 'i', .app = "web", .slot = 1, .text = text};

	journal_add_event(loop.journal, &e);
	control_on_event(&loop, &e);
}

static void
write_line(const char *text)
{
	struct line_record rec = {
	    .slot = 1, .pid = 7, .generation = 1, .text = text, .len = (uint32_t)strlen(text)};

	ck_assert_int_eq(line_ring_push(ring, &rec), 0);
	rec.seq = line_ring_last_seq(ring);
	if (watch)
		watch(watch_arg, "web", &rec);
}

static bool
has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* ---- tests */

static const char ask[] = "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"probe\"}\n";

START_TEST(a_probe_is_answered_when_the_worker_has)
{
	const struct probe_result r = {true, 503, "HTTP/1.1 503 \xff", 120, 450};
	const char *got;
	int fd;

	start();
	fd = dial();
	say(fd, ask);
	turn_until(probes == 1);
	probe_answer(probe_arg, &r);
	got = hear(fd);
	ck_assert(has(got, "\"id\":9") && has(got, "\"app\":\"web\"") && has(got, "\"slot\":2"));
	ck_assert(has(got, "\"path\":\"/healthz\"") && has(got, "\"ok\":true"));
	ck_assert(has(got, "\"status\":503") && has(got, "\"line\":\"HTTP/1.1 503 "));
	ck_assert(has(got, "\"connect_us\":120") && has(got, "\"answer_us\":450"));
	(void)close(fd);
	finish();
	ck_assert_uint_eq(cancelled, 0);
}
END_TEST

START_TEST(a_probe_that_cannot_be_sent_is_an_error)
{
	const char *got;
	int fd;

	probe_error = -ESRCH;
	start();
	fd = dial();
	say(fd, ask);
	got = hear(fd);
	ck_assert(has(got, "\"error\"") && has(got, "web.2 has no worker") && has(got, "-32001"));
	(void)close(fd);
	finish();
}
END_TEST

START_TEST(probes_under_way_end_with_their_client)
{
	int fd;

	start();
	fd = dial();
	say(fd, ask);
	say(fd, ask);
	turn_until(probes == 2);
	/* One that only says no more still waits for its answers. */
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert_uint_eq(cancelled, 0);
	(void)close(fd);
	finish();
	ck_assert_uint_eq(cancelled, 2);
}
END_TEST

START_TEST(requests_are_answered_however_they_are_cut)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n"
	                           "{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"ping\"}\n";
	int fd;
	const char *got;

	start();
	fd = dial();
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		ck_assert_int_eq(write(fd, text + i, 1), 1);
		turn();
	}
	got = hear(fd);
	ck_assert(has(got, "\"id\":1") && has(got, "\"pong\":true"));
	if (!has(got, "\"id\":\"b\""))
		ck_assert(has(hear(fd), "\"id\":\"b\""));
	finish();
}
END_TEST

START_TEST(an_operation_is_answered_when_it_is_over)
{
	int fd;
	const char *got;

	start();
	fd = dial();
	say(fd, "{\"id\":7,\"method\":\"start\"}\n{\"id\":8,\"method\":\"start\"}\n");
	turn_until(steps == 2);
	ck_assert_int_eq(last_event.kind, EVENT_START);
	happen("slot 1 is ready");
	got = hear(fd);
	ck_assert(has(got, "\"progress\"") && has(got, "\"id\":7") && has(got, "slot 1 is ready"));
	reply(2, REPLY_BUSY, "not now");
	got = hear(fd);
	ck_assert(has(got, "\"id\":8") && has(got, "-32075") && has(got, "not now"));
	reply(1, REPLY_DONE, "started");
	got = hear(fd);
	ck_assert(has(got, "\"id\":7") && has(got, "{\"message\":\"started\"}"));
	say(fd, "{\"id\":9,\"method\":\"start-nowait\"}\n");
	ck_assert(has(hear(fd), "\"accepted\":true"));
	ck_assert_uint_eq(last_event.request, 0);
	finish();
}
END_TEST

START_TEST(a_failure_brings_last_words)
{
	struct obituary o = {.app = "web", .slot = 1, .pid = 5, .cause = CAUSE_EXIT, .code = 3};
	int fd;
	const char *got;

	start();
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"start\"}\n");
	turn_until(steps == 1);
	o.wall_ms = clock_wall_ms();
	o.last_words = mem_strdup("no such module\n");
	journal_add_obituary(loop.journal, &o);
	reply(1, REPLY_FAILED, "web.1 failed");
	got = hear(fd);
	ck_assert(has(got, "-32001") && has(got, "web.1 failed") && has(got, "no such module"));
	finish();
}
END_TEST

START_TEST(a_wrong_configuration_is_refused_at_once)
{
	int fd;

	start();
	fd = dial();
	reconfigure_error = -EINVAL;
	say(fd, "{\"id\":1,\"method\":\"reload\"}\n");
	ck_assert(has(hear(fd), "-32078"));
	say(fd, "{\"id\":2,\"method\":\"restart\"}\n");
	ck_assert(has(hear(fd), "unknown key"));
	finish();
}
END_TEST

START_TEST(restart_of_all_is_one_answer)
{
	int fd;
	const char *got;

	start();
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"restart\"}\n");
	turn_until(reconfigured == 2);
	reply(1, REPLY_DONE, "web restarted");
	reply(2, REPLY_FAILED, "api failed");
	got = hear(fd);
	ck_assert(has(got, "-32001") && has(got, "api failed"));
	finish();
}
END_TEST

START_TEST(K2_at_most_64_clients)
{
	int fds[70];

	start();
	for (int i = 0; i < 70; i++) {
		fds[i] = dial();
		turn();
		turn();
		if (i == 0) { /* has said something lately: not the oldest idle one */
			say(fds[0], "{\"id\":1,\"method\":\"ping\"}\n");
			ck_assert(has(hear(fds[0]), "pong"));
		}
	}
	ck_assert_uint_eq(loop.control->clients_len, CLIENTS_MAX);
	ck_assert_str_eq(hear(fds[1]), "EOF");
	say(fds[69], "{\"id\":1,\"method\":\"ping\"}\n");
	ck_assert(has(hear(fds[69]), "pong"));
	finish();
}
END_TEST

START_TEST(K2_a_request_must_end)
{
	uint64_t begun = clock_now_us();
	int fd;
	const char *got;

	start();
	fd = dial();
	got = "";
	for (int i = 0; i < 100 && !has(got, "not finished"); i++) {
		(void)send(fd, "x", 1, MSG_NOSIGNAL);
		usleep(100000);
		turn();
		if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) > 0)
			got = hear(fd);
	}
	ck_assert(has(got, "not finished"));
	ck_assert_str_eq(hear(fd), "EOF");
	ck_assert_uint_lt(clock_now_us() - begun, 7000000);
	finish();
}
END_TEST

START_TEST(K3_what_is_no_request_ends_the_connection)
{
	static const char *const lines[] = {
	    "hello\n",
	    "{\"id\":1,\n",
	    "{\"a\":1,\"a\":2}\n",
	    "\"ping\"\n",
	    "{\"id\":\"\xff\"}\n",
	    "{\"id\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}\n",
	    "{} {}\n",
	};

	start();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int fd = dial();

		say(fd, lines[i]);
		ck_assert_msg(has(hear(fd), "\"error\""), "%s", lines[i]);
		ck_assert_str_eq(hear(fd), "EOF");
		close(fd);
	}
	finish();
}
END_TEST

START_TEST(K3_an_endless_line_is_bounded)
{
	char piece[4096];
	int fd;
	const char *got;

	start();
	fd = dial();
	memset(piece, '{', sizeof(piece));
	for (int i = 0; i < 100; i++) {
		(void)send(fd, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
		turn();
	}
	got = hear(fd);
	ck_assert(has(got, "longer than 64 KiB"));
	finish();
}
END_TEST

START_TEST(K3_an_unknown_method_is_only_an_error)
{
	int fd;

	start();
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"nonsense\"}\n[]\n");
	ck_assert(has(hear(fd), "-32601"));
	finish();
}
END_TEST

START_TEST(K4_who_never_reads_is_closed)
{
	int fd;
	ssize_t n = 0;

	start();
	fd = dial();
	for (int i = 0; i < 100000 && n >= 0; i++) {
		n = send(fd, "{\"id\":1,\"method\":\"big\"}\n", 24, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			n = 0;
		turn();
	}
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_uint_eq(loop.control->clients_len, 0);
	finish();
}
END_TEST

START_TEST(K4_half_closed_still_gets_its_answer)
{
	int fd;

	start();
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"start\"}\n");
	(void)shutdown(fd, SHUT_WR);
	turn_until(steps == 1);
	for (int i = 0; i < 10; i++)
		turn();
	ck_assert_int_eq(
	    poll(&(struct pollfd){.fd = uv_backend_fd(&loop.uv), .events = POLLIN}, 1, 20), 0);
	reply(1, REPLY_DONE, "started");
	ck_assert(has(hear(fd), "started"));
	ck_assert_str_eq(hear(fd), "EOF");
	finish();
}
END_TEST

START_TEST(K5_the_operation_outlives_its_client)
{
	int fd;

	start();
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"start\"}\n");
	turn_until(steps == 1);
	close(fd);
	for (int i = 0; i < 10; i++)
		turn();
	happen("something");
	reply(1, REPLY_DONE, "started");
	turn_until(loop.control->clients_len == 0);
	finish();
}
END_TEST

START_TEST(K7_a_lost_socket_is_made_anew)
{
	int fd;

	start();
	ck_assert_int_eq(unlink(socket_path), 0);
	control_check_socket(&loop);
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"ping\"}\n");
	ck_assert(has(hear(fd), "pong"));
	control_check_socket(&loop);
	say(fd, "{\"id\":2,\"method\":\"ping\"}\n");
	ck_assert(has(hear(fd), "pong"));
	finish();
}
END_TEST

START_TEST(F3_no_descriptor_turns_clients_away)
{
	struct rlimit limit;
	int fd, waiting;

	start();
	fd = dial();
	waiting = dial();
	say(fd, "{\"id\":1,\"method\":\"ping\"}\n");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)waiting + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_str_eq(hear(fd), "EOF");
	ck_assert_str_eq(hear(waiting), "EOF");
	turn();
	ck_assert_int_eq(
	    poll(&(struct pollfd){.fd = uv_backend_fd(&loop.uv), .events = POLLIN}, 1, 20), 0);
	close(fd);
	fd = dial();
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	say(fd, "{\"id\":1,\"method\":\"ping\"}\n");
	ck_assert(has(hear(fd), "pong"));
	finish();
}
END_TEST

START_TEST(logs_give_history_and_follow)
{
	int fd;
	const char *got;

	start();
	write_line("zero");
	write_line("one");
	write_line("two\033[31m");
	ck_assert_ptr_null(watch);
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"logs\"}\n");
	got = hear(fd);
	ck_assert(!has(got, "zero") && has(got, "\"line\":\"one\"") && has(got, "two\\\\x1B[31m"));
	ck_assert(has(got, "{\"lines\":2}"));
	write_line("three");
	ck_assert(has(hear(fd), "\"line\":\"three\""));
	close(fd);
	turn_until(watch == NULL);
	finish();
}
END_TEST

START_TEST(a_slow_follower_loses_lines_and_is_told)
{
	static char buf[2 * 1024 * 1024];
	size_t len = 0;
	char line[1001];
	int fd;

	start();
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"logs\"}\n");
	turn_until(watch != NULL);
	for (int i = 0; i < 5000; i++) {
		write_line(line);
		if (i % 100 == 0)
			turn();
	}
	ck_assert_uint_eq(loop.control->clients_len, 1);
	ck_assert_uint_lt(loop.control->clients->out.len, CLIENT_OUT_BYTES);
	for (int i = 0; i < 3000; i++) {
		ssize_t n = read(fd, buf + len, sizeof(buf) - 1 - len);

		len += n > 0 ? (size_t)n : 0;
		turn();
	}
	buf[len] = '\0';
	ck_assert(has(buf, "\"method\":\"lost\""));
	write_line("after");
	ck_assert(has(hear(fd), "after"));
	finish();
}
END_TEST

START_TEST(events_give_history_and_follow)
{
	int fd;
	const char *got;

	start();
	happen("first");
	happen("second");
	happen("third");
	fd = dial();
	say(fd, "{\"id\":1,\"method\":\"events\"}\n");
	got = hear(fd);
	ck_assert(!has(got, "first") && has(got, "second") && has(got, "third"));
	happen("fourth");
	ck_assert(has(hear(fd), "fourth"));
	finish();
}
END_TEST

START_TEST(notifications_are_done_and_not_answered)
{
	int fd;

	start();
	fd = dial();
	say(fd, "{\"method\":\"reopen\"}\n{\"id\":1,\"method\":\"ping\"}\n");
	ck_assert(!has(hear(fd), "reopened"));
	ck_assert_uint_eq(reopened, 1);
	finish();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("control");
	TCase *tc = tcase_create("control");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, requests_are_answered_however_they_are_cut);
	tcase_add_test(tc, an_operation_is_answered_when_it_is_over);
	tcase_add_test(tc, a_failure_brings_last_words);
	tcase_add_test(tc, a_wrong_configuration_is_refused_at_once);
	tcase_add_test(tc, restart_of_all_is_one_answer);
	tcase_add_test(tc, K2_at_most_64_clients);
	tcase_add_test(tc, K2_a_request_must_end);
	tcase_add_test(tc, K3_what_is_no_request_ends_the_connection);
	tcase_add_test(tc, K3_an_endless_line_is_bounded);
	tcase_add_test(tc, K3_an_unknown_method_is_only_an_error);
	tcase_add_test(tc, K4_who_never_reads_is_closed);
	tcase_add_test(tc, K4_half_closed_still_gets_its_answer);
	tcase_add_test(tc, K5_the_operation_outlives_its_client);
	tcase_add_test(tc, K7_a_lost_socket_is_made_anew);
	tcase_add_test(tc, F3_no_descriptor_turns_clients_away);
	tcase_add_test(tc, logs_give_history_and_follow);
	tcase_add_test(tc, a_slow_follower_loses_lines_and_is_told);
	tcase_add_test(tc, events_give_history_and_follow);
	tcase_add_test(tc, a_probe_is_answered_when_the_worker_has);
	tcase_add_test(tc, a_probe_that_cannot_be_sent_is_an_error);
	tcase_add_test(tc, probes_under_way_end_with_their_client);
	tcase_add_test(tc, notifications_are_done_and_not_answered);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
