/* worker: its life, and what it and the master tell each other. */
#include "worker_support.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "base/mem.h"
#include "runtime/loop.h"
#include "worker/control.h"

/* --- frames ---------------------------------------------------------------------------------- */

START_TEST(frame_is_understood_or_nothing)
{
	static const struct {
		const char *frame;
		enum control_kind kind;
		int64_t deadline_ms, id;
	} rows[] = {
	    {"{\"brood\":\"drain\",\"deadline_ms\":30000}", CONTROL_DRAIN, 30000, -1},
	    {" { \"deadline_ms\" : 5 , \"brood\" : \"drain\" } ", CONTROL_DRAIN, 5, -1},
	    {"{\"brood\":\"drain\"}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"drain\",\"deadline_ms\":-5}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"drain\",\"deadline_ms\":1.5}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"drain\",\"deadline_ms\":1e99}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"drain\",\"deadline_ms\":9223372036854775807}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"ping\",\"id\":7}", CONTROL_PING, -1, 7},
	    {"{\"brood\":\"hello\",\"version\":1}", CONTROL_HELLO, -1, -1},
	    {"{\"brood\":\"message\",\"data\":1}", CONTROL_MESSAGE, -1, -1},
	    {"{\"brood\":\"message\"}", CONTROL_NOTHING, -1, -1},
	    {"{\"brood\":\"future\"}", CONTROL_NOTHING, -1, -1},
	    {"{\"brood\":7}", CONTROL_NOTHING, -1, -1},
	    {"{\"data\":{\"brood\":\"drain\"}}", CONTROL_NOTHING, -1, -1},
	    {"{\"brood\":\"drain\",\"brood\":\"ping\"}", CONTROL_NOTHING, -1, -1},
	    {"{\"brood\":\"drain\"", CONTROL_NOTHING, -1, -1},
	    {"{\"brood\":\"drain\"}x", CONTROL_NOTHING, -1, -1},
	    {"\"drain\"", CONTROL_NOTHING, -1, -1},
	    {"", CONTROL_NOTHING, -1, -1},
	    {"{}", CONTROL_NOTHING, -1, -1},
	    {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", CONTROL_NOTHING, -1, -1},
	    {"{\"brood\":\"drain\",\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", CONTROL_NOTHING, -1,
	        -1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct control c;

		control_read(rows[i].frame, strlen(rows[i].frame), &c);
		ck_assert_msg(c.kind == rows[i].kind, "%s", rows[i].frame);
		ck_assert_int_eq(c.deadline_ms, rows[i].deadline_ms);
		ck_assert_int_eq(c.id, rows[i].id);
		control_done(&c);
	}
}
END_TEST

START_TEST(lists_of_a_ring_frame_are_read_item_by_item)
{
	static const char frame[] = "{\"brood\":\"ring\",\"more\":true,"
	                            "\"listeners\":[\"8080\",7,\"\\u0041\",[\"x\"],\"end\"],"
	                            "\"own\":[0,17,-1,1.5,\"2\"]}";
	static const char *const names[] = {"8080", "", "A", "", "end"};
	static const int64_t places[] = {0, 17, -1, -1, -1};
	struct control c;
	int64_t place;

	control_read(frame, sizeof frame - 1, &c);
	ck_assert_int_eq(c.kind, CONTROL_RING);
	ck_assert(c.has_more);
	ck_assert_uint_eq(control_listeners(&c), 5);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_str_eq(control_listener(&c, i), names[i]);
		ck_assert(control_own(&c, i, &place));
		ck_assert_int_eq(place, places[i]);
	}
	ck_assert(!control_own(&c, 5, &place));
	control_done(&c);
	control_read("{\"brood\":\"ring\",\"own\":{},\"more\":1}", 34, &c);
	ck_assert_int_eq(c.kind, CONTROL_RING);
	ck_assert(!c.has_more);
	ck_assert_uint_eq(control_listeners(&c), 0);
	ck_assert(!control_own(&c, 0, &place));
	control_done(&c);
}
END_TEST

/* --- life ------------------------------------------------------------------------------------ */

/* Without a wait set: what is tried here does not depend on who watches. */
static void
open_under_master(const struct brood_worker_options *o)
{
	int listener = new_listener();

	hand_over(0, listener);
	close(listener);
	hand_over_listeners(1, "web");
	make_channel();
	ck_assert_int_eq(setenv("BROOD_RING", "no", 1), 0);
	open_worker(o);
}

START_TEST(it_knows_who_it_is_and_is_ready_at_once)
{
	open_under_master(NULL);
	ck_assert(is_ready());
	ck_assert(!has_asked_ring());
	ck_assert_str_eq(brood_worker_app(t.w), "web");
	ck_assert_int_eq(brood_worker_slot(t.w), 2);
	ck_assert_int_eq(brood_worker_generation(t.w), 7);
	ck_assert_int_eq(brood_worker_port(t.w), port_of(3));
	ck_assert(!brood_worker_is_draining(t.w));
	ck_assert(!brood_worker_is_leader(t.w));
	free_all();
}
END_TEST

START_TEST(program_that_is_not_ready_gets_nothing)
{
	int client;

	open_under_master(&(struct brood_worker_options){.not_ready = true});
	client = client_of(3);
	run_a_moment();
	ck_assert(!is_ready());
	ck_assert_uint_eq(t.conns, 0);
	brood_worker_ready(t.w);
	ck_assert(is_ready());
	run_until(has_one);
	close(client);
	free_all();
}
END_TEST

START_TEST(drain_frame_ends_it_when_the_program_is_done)
{
	int client, late;

	open_under_master(NULL);
	client = client_of(3);
	run_until(has_one);
	late = dup(3);
	tell("{\"brood\":\"drain\",\"deadline_ms\":20000}\n");
	run_until(has_stopping);
	ck_assert_uint_eq(t.drains, 1);
	ck_assert_uint_eq(t.deadline_ms, 20000);
	/* The listener lives on, and is somebody else's matter. */
	close(client);
	client = client_of(late);
	tell("{\"brood\":\"drain\",\"deadline_ms\":20000}\n");
	run_until_read();
	ck_assert_uint_eq(t.drains, 1);
	ck_assert_uint_eq(t.conns, 1);
	ck_assert(is_queued(late));
	brood_worker_done(t.w);
	expect_end(0);
	close(client);
	close(late);
	free_all();
}
END_TEST

START_TEST(without_on_drain_it_ends_with_its_last_connection)
{
	struct brood_worker_handlers few = {.on_connection = on_connection};
	int one, two, listener;

	open_under_master(NULL);
	brood_worker_close(t.w);
	close(t.channel);
	listener = new_listener();
	hand_over(0, listener);
	close(listener);
	make_channel();
	t.w = brood_worker_open(t.loop, NULL, &few, &t);
	ck_assert_msg(t.w != NULL, "%s", strerror(errno));
	one = client_of(3);
	two = client_of(3);
	run_until(has_two);
	brood_worker_drain(t.w);
	let_go(0);
	run_a_moment();
	let_go(1);
	expect_end(0);
	close(one);
	close(two);
	free_all();
}
END_TEST

START_TEST(deadline_ends_it_whatever_is_open)
{
	int client;

	open_under_master(NULL);
	client = client_of(3);
	run_until(has_one);
	tell("{\"brood\":\"drain\",\"deadline_ms\":20000}\n");
	run_until_read();
	/* The earlier one stands. */
	tell("{\"brood\":\"drain\",\"deadline_ms\":30}\n"
	     "{\"brood\":\"drain\",\"deadline_ms\":20000}\n");
	expect_end(0);
	ck_assert_uint_eq(t.drains, 1);
	close(client);
	free_all();
}
END_TEST

static void
never(struct brood_loop *loop, void *arg)
{
	(void)loop;
	(void)arg;
	ck_abort_msg("it should have ended before");
}

START_TEST(deadline_ends_a_program_that_goes_on_when_it_is_done)
{
	open_under_master(NULL);
	t.drain_is_done_at_once = true;
	ck_assert_uint_ne(brood_set_timeout(t.loop, 600000, never, NULL), 0);
	tell("{\"brood\":\"drain\",\"deadline_ms\":30}\n");
	expect_end(0);
	ck_assert(has_stopping());
	free_all();
}
END_TEST

static void
count(struct brood_loop *loop, void *arg)
{
	(void)loop;
	++*(unsigned *)arg;
}

START_TEST(when_it_is_done_the_loop_ends_with_what_the_program_has)
{
	unsigned ran = 0;

	open_under_master(NULL);
	t.drain_is_done_at_once = true;
	ck_assert_uint_ne(brood_set_timeout(t.loop, 30, count, &ran), 0);
	brood_worker_drain(t.w);
	expect_end(0);
	ck_assert_uint_eq(ran, 1);
	free_all();
}
END_TEST

START_TEST(end_of_the_channel_makes_it_drain)
{
	open_under_master(NULL);
	t.drain_is_done_at_once = true;
	close(t.channel);
	t.channel = -1;
	expect_end(0);
	ck_assert_uint_eq(t.drains, 1);
	ck_assert_int_eq(brood_worker_send(t.w, "web", "1"), -ENOTCONN);
	ck_assert_int_eq(brood_worker_metric(t.w, BROOD_GAUGE, "a", 1, NULL), -ENOTCONN);
	free_all();
}
END_TEST

START_TEST(term_drains_and_a_second_interrupt_ends)
{
	open_under_master(NULL);
	ck_assert_int_eq(raise(SIGTERM), 0);
	run_until(has_stopping);
	ck_assert_uint_eq(t.drains, 1);
	ck_assert_int_eq(raise(SIGTERM), 0);
	ck_assert_int_eq(raise(SIGINT), 0);
	run_a_moment();
	ck_assert_uint_eq(t.drains, 1);
	ck_assert_int_eq(raise(SIGINT), 0);
	expect_end(130);
	free_all();
}
END_TEST

static void
drain_in_callback(struct brood_worker *w, int fd, const char *listener, void *data)
{
	on_connection(w, fd, listener, data);
	brood_worker_drain(w);
	brood_worker_done(w);
	brood_worker_drain(w);
}

START_TEST(a_callback_may_drain_and_be_done)
{
	struct brood_worker_handlers eager = {
	    .on_connection = drain_in_callback, .on_drain = on_drain};
	int client, listener = new_listener();

	t.loop = brood_loop_new();
	hand_over(0, listener);
	hand_over_listeners(1, "web");
	t.w = brood_worker_open(t.loop, NULL, &eager, &t);
	ck_assert_ptr_nonnull(t.w);
	client = client_of(listener);
	expect_end(0);
	ck_assert_uint_eq(t.conns, 1);
	close(client);
	close(listener);
	free_all();
}
END_TEST

static void
close_in_callback(
    struct brood_worker *w, const char *from, const char *json, size_t len, void *data)
{
	on_message(w, from, json, len, data);
	brood_worker_close(w);
	t.w = NULL;
}

START_TEST(a_callback_may_close_it)
{
	struct brood_worker_handlers rash = {.on_message = close_in_callback};
	static const char lines[] = "{\"brood\":\"message\",\"from\":\"web.1\",\"data\":1}\n"
	                            "{\"brood\":\"message\",\"from\":\"web.1\",\"data\":2}\n";

	t.loop = brood_loop_new();
	make_channel();
	t.w = brood_worker_open(t.loop, NULL, &rash, &t);
	ck_assert_ptr_nonnull(t.w);
	tell(lines);
	expect_end(0);
	ck_assert_uint_eq(t.messages, 1);
	free_all();
}
END_TEST

START_TEST(worker_without_connections_needs_no_listener)
{
	struct brood_worker_handlers none = {.on_drain = on_drain};

	t.loop = brood_loop_new();
	make_channel();
	t.w = brood_worker_open(t.loop, NULL, &none, &t);
	ck_assert_ptr_nonnull(t.w);
	ck_assert(is_ready());
	ck_assert_int_eq(brood_worker_port(t.w), -1);
	t.drain_is_done_at_once = true;
	tell("{\"brood\":\"drain\",\"deadline_ms\":20000}\n");
	expect_end(0);
	free_all();
}
END_TEST

START_TEST(there_is_one_worker_in_a_process)
{
	struct brood_worker *first;

	open_under_master(NULL);
	first = t.w;
	ck_assert_ptr_null(try_open(NULL));
	ck_assert_int_eq(errno, EBUSY);
	t.w = first;
	free_all();
}
END_TEST

/* --- messages -------------------------------------------------------------------------------- */

START_TEST(messages_come_and_go)
{
	open_under_master(NULL);
	tell("{\"brood\":\"message\",\"from\":\"web.1\",\"data\":{\"a\":[1,\"\\u00e9\"], "
	     "\"b\":null}}\n");
	run_until_read();
	ck_assert_uint_eq(t.messages, 1);
	ck_assert_str_eq(t.from, "web.1");
	ck_assert_str_eq(t.message, "{\"a\":[1,\"\xc3\xa9\"],\"b\":null}");
	forget_said();
	ck_assert_int_eq(brood_worker_send(t.w, "web.*", "{\"x\":\n 1}"), 0);
	ck_assert_int_eq(brood_worker_send(t.w, "leader", "\"\\n\""), 0);
	hear();
	ck_assert_str_eq(t.said, "{\"brood\":\"send\",\"to\":\"web.*\",\"data\":{\"x\":1}}\n"
	                         "{\"brood\":\"send\",\"to\":\"leader\",\"data\":\"\\n\"}\n");
	free_all();
}
END_TEST

START_TEST(what_the_master_would_take_for_a_fault_is_refused)
{
	char umlauts[2001], deep[64] = "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", *large = malloc(70003);
	char to[65];

	open_under_master(NULL);
	forget_said();
	memset(large, 'x', 70002);
	large[0] = large[70001] = '"';
	large[70002] = '\0';
	memset(to, 'w', 64);
	to[64] = '\0';
	ck_assert_int_eq(brood_worker_send(t.w, "web", "{"), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "web", "1 2"), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "web", ""), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "web", "{\"a\":1,\"a\":2}"), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "web", "\"\xff\""), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "web", deep), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "", "1"), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, to, "1"), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "\xff", "1"), -EINVAL);
	ck_assert_int_eq(brood_worker_send(t.w, "web", large), -EMSGSIZE);
	ck_assert_int_eq(brood_worker_status(t.w, "\xff"), -EINVAL);
	hear();
	ck_assert_uint_eq(t.said_len, 0);
	ck_assert_int_eq(brood_worker_status(t.w, "a \"b\"\nc"), 0);
	brood_worker_replace(t.w, "too old");
	brood_worker_replace(t.w, NULL);
	hear();
	ck_assert_str_eq(t.said, "{\"brood\":\"status\",\"text\":\"a \\\"b\\\"\\nc\"}\n"
	                         "{\"brood\":\"replace\",\"reason\":\"too old\"}\n"
	                         "{\"brood\":\"replace\",\"reason\":\"\"}\n");
	/* Cut between characters. */
	forget_said();
	for (int i = 0; i < 2000; i += 2)
		memcpy(umlauts + i + 1, "\xc3\xa4", 2);
	umlauts[0] = 'x';
	umlauts[1999] = '\0';
	ck_assert_int_eq(brood_worker_status(t.w, umlauts), 0);
	hear();
	ck_assert_uint_gt(t.said_len, 1000);
	free(large);
	free_all();
}
END_TEST

static unsigned
lines_said(const char *head)
{
	unsigned n = 0;

	hear();
	for (const char *at = t.said; at != NULL && (at = strstr(at, head)) != NULL; at++)
		n++;
	return n;
}

static unsigned sent;

DEFINE_UNTIL(all_has_come, lines_said("{\"brood\":\"send\"") == sent)

START_TEST(queue_to_a_master_that_does_not_read_is_bounded)
{
	char *text = malloc(10003);
	int r;

	open_under_master(NULL);
	memset(text, 'x', 10002);
	text[0] = text[10001] = '"';
	text[10002] = '\0';
	do {
		r = brood_worker_send(t.w, "web", text);
		sent += r == 0;
	} while (r == 0 && sent < 100000);
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_uint_gt(sent, 100);
	ck_assert_uint_lt(sent, 1000);
	/* What has to be said is said behind it. */
	brood_worker_drain(t.w);
	run_until(all_has_come);
	run_until(has_stopping);
	ck_assert_int_eq(brood_worker_send(t.w, "web", "1"), 0);
	free(text);
	free_all();
}
END_TEST

START_TEST(leader_is_told_once_each_time)
{
	open_under_master(NULL);
	tell("{\"brood\":\"hello\",\"version\":1,\"app\":\"web\",\"slot\":2,\"leader\":true}\n"
	     "{\"brood\":\"leader\",\"value\":true}\n");
	run_until_read();
	ck_assert(brood_worker_is_leader(t.w));
	tell("{\"brood\":\"leader\",\"value\":false}\n");
	tell("{\"brood\":\"leader\",\"value\":true}\n");
	run_until_read();
	ck_assert_uint_eq(t.leads, 121);
	free_all();
}
END_TEST

DEFINE_UNTIL(has_gauge, was_said("\"name\":\"temperature\""))
DEFINE_UNTIL(has_metrics, lines_said("\"type\":\"counter\"") >= 200)

START_TEST(counters_are_summed_and_gauges_are_the_last)
{
	open_under_master(NULL);
	forget_said();
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(brood_worker_metric(
		                     t.w, BROOD_COUNTER, "jobs_total", 0.5, "{\"kind\": \"mail\"}"),
		    0);
		ck_assert_int_eq(brood_worker_metric(t.w, BROOD_GAUGE, "temperature", i, NULL), 0);
	}
	run_until(has_gauge);
	ck_assert_ptr_nonnull(strstr(t.said, "{\"brood\":\"metric\",\"name\":\"jobs_total\","
	                                     "\"type\":\"counter\",\"value\":500.0,"
	                                     "\"labels\":{\"kind\":\"mail\"}}\n"));
	ck_assert_ptr_nonnull(strstr(t.said, "{\"brood\":\"metric\",\"name\":\"temperature\","
	                                     "\"type\":\"gauge\",\"value\":999.0}\n"));
	/* What was told is not told again. */
	forget_said();
	ck_assert_int_eq(
	    brood_worker_metric(t.w, BROOD_COUNTER, "jobs_total", 0, "{\"kind\": \"mail\"}"), 0);
	for (int i = 0; i < 5; i++)
		run_a_moment();
	ck_assert_uint_eq(t.said_len, 0);
	/* What is not told yet is told at the end. */
	ck_assert_int_eq(
	    brood_worker_metric(t.w, BROOD_COUNTER, "jobs_total", 3, "{\"kind\": \"mail\"}"), 0);
	t.drain_is_done_at_once = true;
	brood_worker_drain(t.w);
	ck_assert(was_said("\"value\":3.0"));
	free_all();
}
END_TEST

START_TEST(metrics_that_cannot_be_are_refused_and_their_number_is_bounded)
{
	static const struct {
		const char *name, *labels;
		double value;
	} rows[] = {
	    {"", NULL, 1},
	    {"1a", NULL, 1},
	    {"a-b", NULL, 1},
	    {"a", "[]", 1},
	    {"a", "{\"k\":1}", 1},
	    {"a", "{\"k\":\"v\"", 1},
	    {"a", "{\"k-\":\"v\"}", 1},
	    {"a", "{\"k\":\"v\",\"k\":\"v\"}", 1},
	    {"a", NULL, -1},
	    {"a", NULL, 1.0 / 0.0},
	    {"a", NULL, 0.0 / 0.0},
	};
	char name[129], labels[300];

	open_under_master(NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ck_assert_int_eq(brood_worker_metric(t.w, BROOD_COUNTER, rows[i].name,
		                     rows[i].value, rows[i].labels),
		    -EINVAL);
	memset(name, 'a', 128);
	name[128] = '\0';
	ck_assert_int_eq(brood_worker_metric(t.w, BROOD_COUNTER, name, 1, NULL), -EINVAL);
	snprintf(labels, sizeof labels, "{\"k\":\"%0260d\"}", 0);
	ck_assert_int_eq(brood_worker_metric(t.w, BROOD_COUNTER, "a", 1, labels), -EINVAL);
	for (int i = 0; i < 256; i++) {
		snprintf(name, sizeof name, "n%d", i);
		ck_assert_int_eq(brood_worker_metric(t.w, BROOD_COUNTER, name, 1, NULL), 0);
	}
	ck_assert_int_eq(brood_worker_metric(t.w, BROOD_COUNTER, "more", 1, NULL), -ENOSPC);
	ck_assert_int_eq(brood_worker_metric(t.w, BROOD_COUNTER, "n0", 1, NULL), 0);
	run_until(has_metrics);
	free_all();
}
END_TEST

START_TEST(beat_tells_what_happened)
{
	int one, two;

	open_under_master(NULL);
	one = client_of(3);
	two = client_of(3);
	run_until(has_two);
	brood_worker_served(t.w, 3);
	let_go(0);
	run_until(has_beat);
	ck_assert_ptr_nonnull(strstr(t.said, "\"conns\":1,\"requests\":3,\"stolen\":0}\n"));
	ck_assert_ptr_nonnull(strstr(t.said, "{\"brood\":\"beat\",\"lag_us\":"));
	/* Requests on connections that are there are no news. */
	forget_said();
	brood_worker_served(t.w, 3);
	run_a_moment();
	ck_assert_uint_eq(t.said_len, 0);
	close(one);
	close(two);
	free_all();
}
END_TEST

static int
computes(void *arg)
{
	(void)arg;
	return 0;
}

static void
has_computed(struct brood_loop *loop, int result, void *arg)
{
	(void)loop;
	(void)result;
	(void)arg;
}

DEFINE_UNTIL(
    has_pool_size, was_said("\"name\":\"offload_pool_size\",\"type\":\"gauge\",\"value\":"))

START_TEST(beat_tells_what_the_loop_counts)
{
	int client;

	open_under_master(NULL);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ne(brood_offload(t.loop, computes, has_computed, NULL), 0);
	t.loop->stats.starved = 2;
	client = client_of(3);
	run_until(has_pool_size);
	ck_assert(was_said("\"name\":\"offloads_total\",\"type\":\"counter\",\"value\":3.0"));
	ck_assert(was_said("\"name\":\"loop_starved_total\",\"type\":\"counter\",\"value\":2.0"));
	close(client);
	free_all();
}
END_TEST

static void
stop_loop(struct brood_loop *loop, void *arg)
{
	(void)arg;
	brood_stop(loop, 5);
}

START_TEST(idle_it_does_not_wake)
{
	struct brood_loop_stats before, after;

	open_under_master(NULL);
	run_until_read();
	brood_loop_stats(t.loop, &before);
	ck_assert_uint_ne(brood_set_timeout(t.loop, 1500, stop_loop, NULL), 0);
	expect_end(5);
	brood_loop_stats(t.loop, &after);
	ck_assert_uint_le(after.turns - before.turns, 3);
	free_all();
}
END_TEST

/* --- a master that errs ---------------------------------------------------------------------- */

static void
tell_overlong(void)
{
	size_t len = 18 * 1048576;
	char *line = malloc(len + 1);
	size_t at = 0;

	memset(line, 'x', len);
	memcpy(line, "{\"brood\":\"drain\",\"x\":\"", 22);
	line[len] = '\n';
	while (at <= len) {
		ssize_t n = send(t.channel, line + at, len + 1 - at, MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		else
			run_until(NULL);
	}
	free(line);
}

START_TEST(foreign_frames_do_nothing)
{
	static const char *const lines[] = {
	    "\n\n\n",
	    "drain\n",
	    "\"drain\"\n",
	    "{\"brood\":\"drain\"\n",
	    "{\"brood\":\"drain\"}}\n",
	    "{\"brood\":{\"brood\":\"drain\"}}\n",
	    "{\"brood\":\"message\"}\n",
	    "{\"brood\":\"ring\"}\n",
	    "{\"brood\":\"ring\",\"listeners\":[\"a\"],\"own\":[0]}\n",
	    "{\"brood\":\"ping\"}\n",
	    "{\"brood\":\"ping\",\"id\":\"x\"}\n",
	    "{\"brood\":\"leader\",\"value\":1}\n",
	    "{\"brood\":\"\xff\"}\n",
	    "\xff\xfe\n",
	    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
	};
	static const char nul[] = "{\"brood\":\"drain\"\0}\n";
	int before, three[] = {0, 1, 2};

	open_under_master(NULL);
	before = fd_count_open();
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		tell(lines[i]);
	tell_with(nul, sizeof nul - 1, NULL, 0);
	tell_with("{\"brood\":\"future\"}\n", 19, three, 3);
	tell_with("{\"brood\":\"ring\",\"listeners\":[\"a\",\"b\"]}\n", 39, three, 3);
	tell_with("no newline", 10, three, 3);
	tell_with(" nor here", 9, three, 3);
	tell("\n");
	tell_overlong();
	run_until_read();
	ck_assert_uint_eq(t.drains, 0);
	ck_assert_uint_eq(t.messages, 0);
	ck_assert_uint_eq(t.leads, 0);
	ck_assert_int_eq(fd_count_open(), before);
	free_all();
}
END_TEST

START_TEST(frames_may_come_in_pieces)
{
	static const char lines[] = "{\"brood\":\"message\",\"from\":\"web.1\",\"data\":[1,2]}\n"
	                            "{\"brood\":\"leader\",\"value\":true}\n";

	open_under_master(NULL);
	for (size_t i = 0; i < sizeof lines - 1; i++) {
		tell_with(lines + i, 1, NULL, 0);
		if (i % 3 == 0)
			run_until(NULL);
	}
	run_until_read();
	ck_assert_str_eq(t.message, "[1,2]");
	ck_assert_uint_eq(t.leads, 1);
	free_all();
}
END_TEST

START_TEST(channel_that_is_none_is_refused)
{
	static const char *const rows[] = {
	    "x", "-1", "999999", "99999999999", "2147483648", "1048577"};
	int file = open("/dev/null", O_RDWR);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(setenv("BROOD_CHANNEL_FD", rows[i], 1), 0);
		ck_assert_ptr_null(try_open(NULL));
	}
	set_number("BROOD_CHANNEL_FD", file);
	ck_assert_ptr_null(try_open(NULL));
	ck_assert_int_eq(errno, ENOTSOCK);
	/* That of our parent is not ours. */
	set_number("LISTEN_PID", 1);
	open_worker(NULL);
	close(file);
	free_all();
}
END_TEST

/* --- without memory -------------------------------------------------------------------------- */

/* One life: whatever is lost for lack of memory, it neither hangs nor leaks, and it ends. */
static bool
live_once(void)
{
	int listener, client, r;

	listener = new_listener();
	hand_over(0, listener);
	hand_over_listeners(1, "web");
	make_channel();
	t.loop = brood_loop_new();
	t.drain_is_done_at_once = true;
	if (t.loop == NULL || try_open(NULL) == NULL) {
		ck_assert_int_eq(errno, ENOMEM);
		/* What it did not take is ours still. */
		(void)close(atoi(getenv("BROOD_CHANNEL_FD")));
		r = -1;
	} else {
		client = client_of(listener);
		tell("{\"brood\":\"message\",\"from\":\"web.1\",\"data\":1}\n{\"brood\":");
		(void)brood_worker_send(t.w, "web", "1");
		(void)brood_worker_status(t.w, "x");
		(void)brood_worker_metric(t.w, BROOD_COUNTER, "a", 1, "{\"k\":\"v\"}");
		brood_worker_drain(t.w);
		r = brood_run(t.loop);
		close(client);
	}
	close(listener);
	free_all();
	keep_places();
	return r >= 0;
}

START_TEST(without_memory_it_says_so_or_goes_on)
{
	unsigned long n;
	int before;

	ck_assert_int_eq(setenv("BROOD_RING", "no", 1), 0);
	json_set_alloc_funcs(mem_alloc, mem_free);
	ck_assert(live_once());
	before = fd_count_open();
	for (n = 1; n < 1000; n++) {
		mem_fail_at(n, 1);
		(void)live_once();
		if (mem_calls() < n)
			break;
		mem_fail_at(0, 0);
		ck_assert_msg(fd_count_open() == before, "allocation %lu: %d descriptors, not %d",
		    n, fd_count_open(), before);
	}
	mem_fail_at(0, 0);
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_lt(n, 1000);
}
END_TEST

/* --- NOTIFY_SOCKET --------------------------------------------------------------------------- */

static int
new_notify_socket(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path + 1, name + 1, len - 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void
expect_notified(int fd, const char *text)
{
	char got[256] = "";

	ck_assert_int_ge(recv(fd, got, sizeof got - 1, 0), 0);
	ck_assert_str_eq(got, text);
}

START_TEST(a_service_manager_is_told_by_its_socket)
{
	char name[64];
	int listener = new_listener(), notified, client;

	snprintf(name, sizeof name, "@brood-check-%d", (int)getpid());
	notified = new_notify_socket(name);
	hand_over(0, listener);
	hand_over_listeners(1, "http");
	open_worker(NULL);
	expect_notified(notified, "READY=1");
	ck_assert_ptr_null(brood_worker_app(t.w));
	ck_assert_int_eq(brood_worker_slot(t.w), -1);
	ck_assert_int_eq(brood_worker_status(t.w, "all well\nREADY=0"), 0);
	expect_notified(notified, "STATUS=all well");
	client = client_of(listener);
	run_until(has_one);
	ck_assert_str_eq(t.names, "h");
	t.drain_is_done_at_once = true;
	ck_assert_int_eq(raise(SIGTERM), 0);
	expect_end(0);
	expect_notified(notified, "STOPPING=1");
	close(notified);
	close(client);
	close(listener);
	free_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tc = tcase_create("worker");
	SRunner *runner;
	int failed;

	keep_places();
	tcase_add_test(tc, frame_is_understood_or_nothing);
	tcase_add_test(tc, lists_of_a_ring_frame_are_read_item_by_item);
	tcase_add_test(tc, it_knows_who_it_is_and_is_ready_at_once);
	tcase_add_test(tc, program_that_is_not_ready_gets_nothing);
	tcase_add_test(tc, drain_frame_ends_it_when_the_program_is_done);
	tcase_add_test(tc, without_on_drain_it_ends_with_its_last_connection);
	tcase_add_test(tc, deadline_ends_it_whatever_is_open);
	tcase_add_test(tc, deadline_ends_a_program_that_goes_on_when_it_is_done);
	tcase_add_test(tc, when_it_is_done_the_loop_ends_with_what_the_program_has);
	tcase_add_test(tc, end_of_the_channel_makes_it_drain);
	tcase_add_test(tc, term_drains_and_a_second_interrupt_ends);
	tcase_add_test(tc, a_callback_may_drain_and_be_done);
	tcase_add_test(tc, a_callback_may_close_it);
	tcase_add_test(tc, worker_without_connections_needs_no_listener);
	tcase_add_test(tc, there_is_one_worker_in_a_process);
	tcase_add_test(tc, messages_come_and_go);
	tcase_add_test(tc, what_the_master_would_take_for_a_fault_is_refused);
	tcase_add_test(tc, queue_to_a_master_that_does_not_read_is_bounded);
	tcase_add_test(tc, leader_is_told_once_each_time);
	tcase_add_test(tc, counters_are_summed_and_gauges_are_the_last);
	tcase_add_test(tc, metrics_that_cannot_be_are_refused_and_their_number_is_bounded);
	tcase_add_test(tc, beat_tells_what_happened);
	tcase_add_test(tc, beat_tells_what_the_loop_counts);
	tcase_add_test(tc, idle_it_does_not_wake);
	tcase_add_test(tc, foreign_frames_do_nothing);
	tcase_add_test(tc, frames_may_come_in_pieces);
	tcase_add_test(tc, channel_that_is_none_is_refused);
	tcase_add_test(tc, without_memory_it_says_so_or_goes_on);
	tcase_add_test(tc, a_service_manager_is_told_by_its_socket);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
