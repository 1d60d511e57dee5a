/* journal: bounded, in order, and every end explained in a few words. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/journal.h"

static struct journal *j;

static void
setup(void)
{
	j = journal_new();
	ck_assert_ptr_nonnull(j);
}

static void
teardown(void)
{
	journal_free(j);
}

static void
add_event(const char *app, const char *text)
{
	struct journal_event e = {
	    .wall_ms = 1000, .level = 'w', .slot = 2, .pid = 7, .generation = 3, .text = text};

	(void)snprintf(e.event, sizeof(e.event), "worker_exit");
	(void)snprintf(e.app, sizeof(e.app), "%s", app);
	journal_add_event(j, &e);
}

struct seen {
	uint64_t first, last;
	unsigned count, stop_after;
	size_t bytes;
};

static bool
see(void *arg, const struct journal_event *e)
{
	struct seen *s = arg;

	if (s->count == 0)
		s->first = e->seq;
	else
		ck_assert_uint_eq(e->seq, s->last + 1);
	ck_assert_str_eq(e->event, "worker_exit");
	ck_assert_str_eq(e->app, "web");
	ck_assert_int_eq(e->slot, 2);
	s->last = e->seq;
	s->count++;
	s->bytes += strlen(e->text);
	return s->count != s->stop_after;
}

START_TEST(events_are_bounded_in_number)
{
	struct seen s = {0}, late = {0}, two = {.stop_after = 2};

	for (int i = 0; i < 5000; i++)
		add_event("web", "x");
	journal_walk_events(j, 0, see, &s);
	ck_assert_uint_eq(s.count, JOURNAL_EVENTS_MAX);
	ck_assert_uint_eq(s.last, 5000);
	ck_assert_uint_eq(journal_last_seq(j), 5000);
	journal_walk_events(j, 4990, see, &late);
	ck_assert_uint_eq(late.first, 4990);
	ck_assert_uint_eq(late.count, 11);
	journal_walk_events(j, 0, see, &two);
	ck_assert_uint_eq(two.count, 2);
}
END_TEST

START_TEST(events_are_bounded_in_bytes)
{
	char text[10000];
	struct seen s = {0};

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		add_event("web", text);
	journal_walk_events(j, 0, see, &s);
	ck_assert_uint_eq(s.last, 100);
	ck_assert_uint_le(s.bytes, JOURNAL_EVENT_BYTES);
	ck_assert_uint_gt(s.bytes, JOURNAL_EVENT_BYTES / 2);
}
END_TEST

START_TEST(an_event_as_json_leaves_out_what_it_is_not_about)
{
	struct journal_event e = {
	    .seq = 5, .wall_ms = 0, .level = 'e', .slot = -1, .text = "t\xff"};
	json_t *o;

	(void)snprintf(e.event, sizeof(e.event), "shutdown");
	o = journal_event_to_json(&e);
	ck_assert_str_eq(json_string_value(json_object_get(o, "level")), "error");
	ck_assert_str_eq(json_string_value(json_object_get(o, "time")), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(json_string_value(json_object_get(o, "text")), "t\\xFF");
	ck_assert_ptr_null(json_object_get(o, "app"));
	ck_assert_ptr_null(json_object_get(o, "slot"));
	ck_assert_ptr_null(json_object_get(o, "pid"));
	json_decref(o);
}
END_TEST

START_TEST(f6_events_lost_for_memory_leave_a_gap)
{
	struct seen s = {0};

	add_event("web", "x");
	mem_fail_at(1, 1);
	add_event("web", "x");
	mem_fail_at(0, 0);
	ck_assert_uint_eq(journal_last_seq(j), 2);
	journal_walk_events(j, 2, see, &s);
	ck_assert_uint_eq(s.count, 0);
}
END_TEST

static void
add_obituary(const char *app, unsigned slot, pid_t pid, bool expected, const char *words)
{
	struct obituary o = {
	    .slot = slot, .pid = pid, .cause = CAUSE_EXIT, .code = 3, .expected = expected};

	(void)snprintf(o.app, sizeof(o.app), "%s", app);
	o.last_words = words != NULL ? mem_strdup(words) : NULL;
	journal_add_obituary(j, &o);
	ck_assert_ptr_null(o.last_words);
}

START_TEST(each_slot_keeps_its_last_obituaries_newest_first)
{
	for (pid_t pid = 1; pid <= 6; pid++)
		add_obituary("web", 3, pid, false, "w");
	add_obituary("web", 0, 9, false, NULL);
	for (unsigned i = 0; i < JOURNAL_OBITUARIES; i++)
		ck_assert_int_eq(journal_obituary(j, "web", 3, i)->pid, 6 - (pid_t)i);
	ck_assert_ptr_null(journal_obituary(j, "web", 3, JOURNAL_OBITUARIES));
	ck_assert_int_eq(journal_obituary(j, "web", 0, 0)->pid, 9);
	ck_assert_ptr_null(journal_obituary(j, "web", 1, 0));
	ck_assert_ptr_null(journal_obituary(j, "web", 4, 0));
	ck_assert_ptr_null(journal_obituary(j, "api", 0, 0));
}
END_TEST

START_TEST(the_last_death_is_the_newest_that_nobody_asked_for)
{
	ck_assert_ptr_null(journal_last_death(j, "web"));
	add_obituary("web", 1, 10, false, NULL);
	add_obituary("web", 0, 11, false, NULL);
	add_obituary("web", 2, 12, true, NULL);
	ck_assert_int_eq(journal_last_death(j, "web")->pid, 11);
}
END_TEST

START_TEST(last_words_are_cut_to_their_end)
{
	char words[20000];
	const char *kept;

	for (size_t i = 0; i < sizeof(words); i++)
		words[i] = i % 10 == 9 ? '\n' : 'x';
	words[sizeof(words) - 1] = '\0';
	add_obituary("web", 0, 1, false, words);
	kept = journal_obituary(j, "web", 0, 0)->last_words;
	ck_assert_uint_lt(strlen(kept), 4096);
	ck_assert_uint_gt(strlen(kept), 4000);
	ck_assert_int_eq(memcmp(kept, "xxxxxxxxx\n", 10), 0);
	ck_assert_str_eq(kept, words + strlen(words) - strlen(kept));
}
END_TEST

START_TEST(all_last_words_together_are_bounded)
{
	char words[4000];
	size_t bytes = 0;

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	for (unsigned slot = 0; slot < 1000; slot++)
		add_obituary("web", slot, 1, false, words);
	for (unsigned slot = 0; slot < 1000; slot++) {
		const struct obituary *o = journal_obituary(j, "web", slot, 0);

		ck_assert_ptr_nonnull(o);
		bytes += o->last_words != NULL ? strlen(o->last_words) : 0;
	}
	ck_assert_uint_le(bytes, 512 * 1024);
	ck_assert_uint_gt(bytes, 256 * 1024);
	ck_assert_ptr_nonnull(journal_obituary(j, "web", 999, 0)->last_words);
	ck_assert_ptr_null(journal_obituary(j, "web", 0, 0)->last_words);
}
END_TEST

START_TEST(an_app_that_goes_is_forgotten)
{
	add_obituary("web", 0, 1, false, "w");
	add_obituary("api", 0, 2, false, "a");
	journal_forget_app(j, "web");
	journal_forget_app(j, "nobody");
	ck_assert_ptr_null(journal_obituary(j, "web", 0, 0));
	ck_assert_int_eq(journal_obituary(j, "api", 0, 0)->pid, 2);
}
END_TEST

START_TEST(f6_an_obituary_without_memory_leaks_nothing)
{
	for (unsigned long n = 1; n <= 4; n++) {
		struct obituary o = {.last_words = mem_strdup("w")};

		(void)snprintf(o.app, sizeof(o.app), "web");
		mem_fail_at(n, 1);
		journal_add_obituary(j, &o);
		mem_fail_at(0, 0);
		ck_assert_ptr_null(o.last_words);
	}
}
END_TEST

START_TEST(an_end_is_told_in_a_few_words)
{
	static const struct {
		struct obituary o;
		const char *text;
	} rows[] = {
	    {{.cause = CAUSE_EXIT, .code = 3}, "exit 3"},
	    {{.cause = CAUSE_SIGNAL, .code = -1, .signal = SIGSEGV, .core_dumped = true},
	        "SIGSEGV (core dumped)"},
	    {{.cause = CAUSE_SIGNAL, .code = -1, .signal = SIGKILL}, "SIGKILL"},
	    {{.cause = CAUSE_OOM, .code = -1, .signal = SIGKILL}, "oom"},
	    {{.cause = CAUSE_EXEC, .code = 127, .reason = "No such file"},
	        "exec failed: No such file"},
	    {{.cause = CAUSE_READY_TIMEOUT, .code = -1, .signal = SIGTERM},
	        "not ready in time: SIGTERM"},
	    {{.cause = CAUSE_RELOAD, .code = 0}, "reload: exit 0"},
	    {{.cause = CAUSE_SPAWN, .code = -1}, "fork failed"},
	    {{.cause = CAUSE_NONE, .code = -1}, "none"},
	};
	char buf[240];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		obituary_cause_text(&rows[i].o, buf, sizeof(buf));
		ck_assert_str_eq(buf, rows[i].text);
	}
}
END_TEST

START_TEST(an_obituary_as_json_has_code_or_signal)
{
	struct obituary o = {.cause = CAUSE_EXIT, .code = 3, .uptime_us = 2500, .app = "web"};
	json_t *v = obituary_to_json(&o);

	ck_assert_int_eq(json_integer_value(json_object_get(v, "code")), 3);
	ck_assert(json_is_null(json_object_get(v, "signal")));
	ck_assert_int_eq(json_integer_value(json_object_get(v, "uptime_ms")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(v, "last_words")), "");
	json_decref(v);
	o.code = -1;
	o.signal = SIGABRT;
	v = obituary_to_json(&o);
	ck_assert(json_is_null(json_object_get(v, "code")));
	ck_assert_str_eq(json_string_value(json_object_get(v, "signal")), "ABRT");
	json_decref(v);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, events_are_bounded_in_number);
	tcase_add_test(tc, events_are_bounded_in_bytes);
	tcase_add_test(tc, an_event_as_json_leaves_out_what_it_is_not_about);
	tcase_add_test(tc, f6_events_lost_for_memory_leave_a_gap);
	tcase_add_test(tc, each_slot_keeps_its_last_obituaries_newest_first);
	tcase_add_test(tc, the_last_death_is_the_newest_that_nobody_asked_for);
	tcase_add_test(tc, last_words_are_cut_to_their_end);
	tcase_add_test(tc, all_last_words_together_are_bounded);
	tcase_add_test(tc, an_app_that_goes_is_forgotten);
	tcase_add_test(tc, f6_an_obituary_without_memory_leaks_nothing);
	tcase_add_test(tc, an_end_is_told_in_a_few_words);
	tcase_add_test(tc, an_obituary_as_json_has_code_or_signal);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
