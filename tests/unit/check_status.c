/* status: what the core holds is shown in the documented shape, quickly, at any size. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "fakecluster.h"
#include "ipc/msg.h"

static struct fake_cluster f;

static void
setup(void)
{
	fake_cluster_init(&f);
}

static void
teardown(void)
{
	fake_cluster_done(&f);
}

/* A text of a tree, found by a path of keys and indices: "apps.0.slots.1.state". */
static const json_t *
at(const json_t *v, const char *path)
{
	char key[64];

	while (*path != '\0') {
		size_t n = strcspn(path, ".");

		(void)snprintf(key, sizeof(key), "%.*s", (int)n, path);
		v = json_is_array(v) ? json_array_get(v, (size_t)atoi(key))
		                     : json_object_get(v, key);
		path += n + (path[n] == '.');
	}
	return v;
}

static void
assert_text(const json_t *root, const char *path, const char *text)
{
	const char *found = json_string_value(at(root, path));

	ck_assert_msg(found != NULL && strcmp(found, text) == 0, "%s is %s, not %s", path,
	    found != NULL ? found : "(none)", text);
}

static void
assert_number(const json_t *root, const char *path, json_int_t n)
{
	ck_assert_msg(json_is_integer(at(root, path)) && json_integer_value(at(root, path)) == n,
	    "%s is %lld, not %lld", path, (long long)json_integer_value(at(root, path)),
	    (long long)n);
}

static void
assert_app_state(const char *state)
{
	json_t *o = ctl_status_json(&f.ctx);

	assert_text(o, "apps.0.state", state);
	json_decref(o);
}

static void
send_event(enum event_kind kind, const char *app)
{
	struct event ev = {.kind = kind, .app = app};

	fake_cluster_step(&f, &ev);
}

START_TEST(a_ready_app_is_shown_whole)
{
	static const char *const members[] = {"name", "state", "generation", "workers", "ready",
	    "leaving", "starts", "deaths", "rollout", "balance", "steering", "leader", "listeners",
	    "slots", "spares"};
	static const char *const slot_members[] = {"slot", "state", "reason", "since_ms",
	    "restarts", "stalls", "drained", "next_ms", "tier", "seat", "queue", "taken_over",
	    "worker", "next", "leaving"};
	static const char *const worker_members[] = {"pid", "number", "generation", "state", "step",
	    "reason", "uptime_ms", "speaks", "leader", "status", "beat", "messages_in",
	    "messages_out", "messages_skipped", "messages_dropped", "log_lines", "log_bytes",
	    "log_dropped"};
	json_t *o;

	fake_cluster_add(&f, "web", 2);
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	snprintf(f.report.status, sizeof(f.report.status), "fine");
	f.report.has_beat = true;
	f.report.busy = 0.5;
	f.report.log_lines = 12;
	o = ctl_status_json(&f.ctx);
	assert_text(o, "name", "test");
	assert_text(o, "state", "running");
	assert_number(o, "pid", 4711);
	assert_number(o, "protocol", 1);
	assert_text(o, "apps.0.name", "web");
	assert_text(o, "apps.0.state", "ready");
	assert_number(o, "apps.0.workers", 2);
	assert_number(o, "apps.0.ready", 2);
	assert_number(o, "apps.0.generation", 1);
	assert_text(o, "apps.0.listeners.0.address", "tcp:127.0.0.1:8080");
	assert_text(o, "apps.0.slots.1.state", "serving");
	assert_text(o, "apps.0.slots.1.worker.state", "ready");
	assert_text(o, "apps.0.slots.1.worker.status", "fine");
	assert_number(o, "apps.0.slots.1.worker.log_lines", 12);
	ck_assert_double_eq(json_real_value(at(o, "apps.0.slots.0.worker.beat.busy")), 0.5);
	ck_assert(json_is_null(at(o, "apps.0.slots.0.next")));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		ck_assert_msg(
		    json_object_get(at(o, "apps.0"), members[i]) != NULL, "%s", members[i]);
	for (size_t i = 0; i < sizeof(slot_members) / sizeof(slot_members[0]); i++)
		ck_assert_msg(json_object_get(at(o, "apps.0.slots.0"), slot_members[i]) != NULL,
		    "%s", slot_members[i]);
	for (size_t i = 0; i < sizeof(worker_members) / sizeof(worker_members[0]); i++)
		ck_assert_msg(
		    json_object_get(at(o, "apps.0.slots.0.worker"), worker_members[i]) != NULL,
		    "%s", worker_members[i]);
	json_decref(o);
}
END_TEST

/* Worker 3, after those of two slots. */
static void
park_a_spare(void)
{
	struct event asked = {.kind = EVENT_ASKED, .worker = 3};

	fake_cluster_add(&f, "web", 2);
	f.conf[0].spares = 1;
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	fake_cluster_step(&f, &asked);
}

START_TEST(spares_are_shown_and_who_was_one)
{
	static const char *const members[] = {"slot", "state", "reason", "since_ms", "restarts",
	    "stalls", "drained", "next_ms", "worker", "leaving"};
	json_t *o;

	park_a_spare();
	o = ctl_status_json(&f.ctx);
	assert_text(o, "apps.0.state", "ready");
	assert_number(o, "apps.0.workers", 2);
	assert_number(o, "apps.0.ready", 2);
	assert_number(o, "apps.0.spares.0.slot", 2);
	assert_text(o, "apps.0.spares.0.state", "parked");
	assert_text(o, "apps.0.spares.0.worker.state", "parked");
	assert_number(o, "apps.0.spares.0.worker.number", 2);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		ck_assert_msg(json_object_get(at(o, "apps.0.spares.0"), members[i]) != NULL, "%s",
		    members[i]);
	json_decref(o);

	fake_cluster_exit(&f, "web", 1, 0, SIGKILL);
	o = ctl_status_json(&f.ctx);
	assert_number(o, "apps.0.slots.0.worker.number", 0);
	assert_number(o, "apps.0.slots.1.slot", 1);
	assert_number(o, "apps.0.slots.1.worker.number", 2);
	assert_text(o, "apps.0.spares.0.state", "resting");
	ck_assert(json_is_null(at(o, "apps.0.spares.0.worker")));
	json_decref(o);
	/* Both names find it. */
	o = ctl_why_json(&f.ctx, "web", 2);
	assert_number(o, "slots.0.slot", 1);
	json_decref(o);
	o = ctl_why_json(&f.ctx, "web", 1);
	assert_number(o, "slots.0.worker.number", 2);
	json_decref(o);
}
END_TEST

START_TEST(who_gets_what_is_shown)
{
	struct worker *w;
	json_t *o;

	fake_cluster_add(&f, "web", 2);
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	f.conf[0].balance = BALANCE_STICKY;
	o = ctl_status_json(&f.ctx);
	assert_text(o, "apps.0.balance", "sticky");
	assert_text(o, "apps.0.listeners.0.shape", "shared");
	assert_text(o, "apps.0.slots.0.tier", "T0");
	assert_number(o, "apps.0.slots.0.stalls", 0);
	assert_number(o, "apps.0.slots.0.taken_over", 0);
	ck_assert(json_is_false(at(o, "apps.0.slots.0.drained")));
	ck_assert(json_is_null(at(o, "apps.0.slots.0.queue")));
	json_decref(o);

	w = f.core->apps->slots[0]->current;
	w->on_ring = true;
	w->slot->stalls = 3;
	w->slot->seat = 1;
	w = f.core->apps->slots[1]->current;
	w->on_ring = true;
	w->neighbours = 3;
	f.core->apps->steer.mode = STEER_HOLD;
	f.report.has_beat = true;
	f.report.stolen = 5;
	f.queue = (struct slot_queue){.now = 2, .most = 40, .limit = 4096, .rescued = 7};
	o = ctl_status_json(&f.ctx);
	assert_text(o, "apps.0.steering", "hold");
	assert_text(o, "apps.0.slots.0.tier", "T2");
	assert_text(o, "apps.0.slots.1.tier", "T1");
	assert_number(o, "apps.0.slots.0.seat", 1);
	assert_number(o, "apps.0.slots.0.stalls", 3);
	assert_number(o, "apps.0.slots.0.queue.now", 2);
	assert_number(o, "apps.0.slots.0.queue.most", 40);
	assert_number(o, "apps.0.slots.0.queue.limit", 4096);
	assert_number(o, "apps.0.slots.0.queue.rescued", 7);
	assert_number(o, "apps.0.slots.0.worker.beat.stolen", 5);
	assert_number(o, "apps.0.slots.0.taken_over", 12);
	json_decref(o);
	f.ctx.queue = NULL;
	f.core->apps->steer.mode = STEER_SERVE;
	o = ctl_status_json(&f.ctx);
	assert_text(o, "apps.0.steering", "serve");
	ck_assert(json_is_null(at(o, "apps.0.slots.0.queue")));
	json_decref(o);
}
END_TEST

START_TEST(the_state_of_an_app_is_one_word)
{
	fake_cluster_add(&f, "web", 2);
	fake_cluster_start(&f);
	assert_app_state("starting");
	fake_cluster_ready(&f);
	assert_app_state("ready");
	send_event(EVENT_STOP, "web");
	assert_app_state("stopping");
	fake_cluster_done(&f);

	fake_cluster_init(&f);
	fake_cluster_add(&f, "web", 0);
	fake_cluster_start(&f);
	assert_app_state("resting");
}
END_TEST

START_TEST(a_slot_in_trouble_makes_the_app_degraded_then_failed)
{
	fake_cluster_add(&f, "web", 2);
	fake_cluster_start(&f);
	fake_cluster_exit(&f, "web", 0, 3, 0);
	fake_cluster_ready(&f);
	assert_app_state("degraded");
	f.conf[0].crash_burst = 0;
	for (int i = 0; i < 10 && f.core->apps->slots[1]->current != NULL; i++)
		fake_cluster_exit(&f, "web", 1, 3, 0);
	assert_app_state("failed");
}
END_TEST

START_TEST(one_app_can_be_asked_for)
{
	json_t *o;

	fake_cluster_add(&f, "web", 1);
	fake_cluster_add(&f, "api", 1);
	fake_cluster_start(&f);
	o = ctl_status_json_of(&f.ctx, "api");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "apps")), 1);
	assert_text(o, "apps.0.name", "api");
	json_decref(o);
}
END_TEST

START_TEST(a_description_has_settings_metrics_and_deaths)
{
	json_t *o;

	fake_cluster_add(&f, "web", 1);
	fake_cluster_start(&f);
	for (int i = 0; i < 9; i++) {
		struct obituary d = {.wall_ms = (uint64_t)i,
		    .cause = CAUSE_EXIT,
		    .code = i,
		    .app = "web",
		    .expected = i == 8};

		journal_add_obituary(f.journal, &d);
	}
	metrics_report(f.metrics, "web", 1, "jobs_total", "counter", "", 2);
	o = ctl_describe_json(&f.ctx, "web");
	assert_text(o, "config.command", "worker");
	assert_text(o, "config.stop_timeout", "30s");
	assert_text(o, "metrics.0.name", "jobs_total");
	ck_assert_uint_eq(json_array_size(at(o, "last_deaths")), 3);
	assert_number(o, "last_deaths.0.code", 7);
	json_decref(o);
	ck_assert_ptr_null(ctl_describe_json(&f.ctx, "nobody"));
}
END_TEST

START_TEST(why_tells_history_and_obituaries)
{
	struct obituary d = {.cause = CAUSE_EXIT, .code = 3, .app = "web", .slot = 1};
	json_t *o;

	fake_cluster_add(&f, "web", 3);
	fake_cluster_start(&f);
	fake_cluster_exit(&f, "web", 1, 3, 0);
	journal_add_obituary(f.journal, &d);
	o = ctl_why_json(&f.ctx, "web", 1);
	assert_text(o, "app", "web");
	ck_assert_uint_eq(json_array_size(at(o, "slots")), 1);
	assert_number(o, "slots.0.slot", 1);
	assert_text(o, "slots.0.state", "backoff");
	ck_assert(json_is_integer(at(o, "slots.0.next_ms")));
	ck_assert_uint_gt(json_array_size(at(o, "slots.0.history")), 3);
	assert_text(o, "slots.0.obituaries.0.text", "exit 3");
	assert_number(o, "omitted", 0);
	json_decref(o);
	ck_assert_ptr_null(ctl_why_json(&f.ctx, "nobody", -1));
}
END_TEST

START_TEST(why_of_a_large_app_shows_trouble_first_and_counts_the_rest)
{
	json_t *o;

	fake_cluster_add(&f, "web", 200);
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	fake_cluster_exit(&f, "web", 150, 3, 0);
	o = ctl_why_json(&f.ctx, "web", -1);
	assert_number(o, "slots.0.slot", 150);
	ck_assert_uint_eq(json_array_size(at(o, "slots")), 32);
	assert_number(o, "omitted", 168);
	json_decref(o);
}
END_TEST

START_TEST(the_status_line_is_short)
{
	char buf[128];

	ctl_status_line(f.core, buf, sizeof(buf));
	ck_assert_str_eq(buf, "no apps");
	fake_cluster_add(&f, "web", 4);
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	ctl_status_line(f.core, buf, sizeof(buf));
	ck_assert_str_eq(buf, "4/4 ready, generation 1");
	fake_cluster_done(&f);

	fake_cluster_init(&f);
	fake_cluster_add(&f, "web", 4);
	fake_cluster_add(&f, "api", 2);
	fake_cluster_start(&f);
	ctl_status_line(f.core, buf, sizeof(buf));
	ck_assert_str_eq(buf, "web 0/4 ready, api 0/2 ready");
	ctl_status_line(f.core, buf, 8);
	ck_assert_str_eq(buf, "web 0/4");
}
END_TEST

START_TEST(a_thousand_slots_take_little_time)
{
	clock_t best = CLOCKS_PER_SEC;
	struct str text = {0};

	fake_cluster_add(&f, "web", 1000);
	fake_cluster_start(&f);
	fake_cluster_ready(&f);
	for (int i = 0; i < 5; i++) {
		clock_t from = clock();

		str_reset(&text);
		rpc_add_result(&text, NULL, ctl_status_json(&f.ctx));
		if (clock() - from < best)
			best = clock() - from;
	}
	ck_assert_uint_gt(text.len, 400000);
	str_free(&text);
	/* About 7 ms; sanitizers and slow machines count, too. */
	ck_assert_int_lt(best, CLOCKS_PER_SEC / 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("status");
	TCase *tc = tcase_create("status");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_ready_app_is_shown_whole);
	tcase_add_test(tc, spares_are_shown_and_who_was_one);
	tcase_add_test(tc, who_gets_what_is_shown);
	tcase_add_test(tc, the_state_of_an_app_is_one_word);
	tcase_add_test(tc, a_slot_in_trouble_makes_the_app_degraded_then_failed);
	tcase_add_test(tc, one_app_can_be_asked_for);
	tcase_add_test(tc, a_description_has_settings_metrics_and_deaths);
	tcase_add_test(tc, why_tells_history_and_obituaries);
	tcase_add_test(tc, why_of_a_large_app_shows_trouble_first_and_counts_the_rest);
	tcase_add_test(tc, the_status_line_is_short);
	tcase_add_test(tc, a_thousand_slots_take_little_time);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
