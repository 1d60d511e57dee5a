/* hello: what its pure parts make of targets, Accept headers and control frames. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hello/control.h"
#include "hello/route.h"

START_TEST(target_names_route_and_time)
{
	static const struct {
		const char *target;
		enum route_kind kind;
		unsigned ms;
	} rows[] = {
	    {"/", ROUTE_FACTS, 0},
	    {"/?a=b", ROUTE_FACTS, 0},
	    {"http://host/", ROUTE_FACTS, 0},
	    {"HTTP://host", ROUTE_FACTS, 0},
	    {"http://host?x", ROUTE_FACTS, 0},
	    {"/healthz", ROUTE_HEALTH, 0},
	    {"/crash", ROUTE_CRASH, 0},
	    {"/io?ms=0", ROUTE_IO, 0},
	    {"/io?ms=600000", ROUTE_IO, 600000},
	    {"/io?a&ms=7&b", ROUTE_IO, 7},
	    {"/cpu?ms=60000", ROUTE_CPU, 60000},
	    {"/io?ms=600001", ROUTE_BAD, 0},
	    {"/cpu?ms=60001", ROUTE_BAD, 0},
	    {"/io?ms=-1", ROUTE_BAD, 0},
	    {"/io?ms=", ROUTE_BAD, 0},
	    {"/io?ms=1&ms=1", ROUTE_BAD, 0},
	    {"/io?ms=99999999999999999999", ROUTE_BAD, 0},
	    {"/io", ROUTE_BAD, 0},
	    {"/iox?ms=1", ROUTE_UNKNOWN, 0},
	    {"", ROUTE_UNKNOWN, 0},
	    {"*", ROUTE_UNKNOWN, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct route r = route_find(rows[i].target);

		ck_assert_msg(r.kind == rows[i].kind, "%s: %d", rows[i].target, (int)r.kind);
		if (r.kind != ROUTE_BAD)
			ck_assert_uint_eq(r.ms, rows[i].ms);
	}
}
END_TEST

START_TEST(page_only_for_who_prefers_it)
{
	static const struct {
		const char *accept;
		bool page;
	} rows[] = {
	    {"", false},
	    {"*/*", false},
	    {"text/html", true},
	    {"TEXT/HTML", true},
	    {"text/*", true},
	    {"application/json", false},
	    {"text/html, application/json", false},
	    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
	    {"text/html;q=0.2, */*;q=0.1", true},
	    {"text/html;q=0.1, */*;q=0.2", false},
	    {"text/html;level=1;q=0.7, application/json;q=0.6", true},
	    {"text/html;q=0, */*", false},
	    {"*/*;q=0.5, application/json;q=0", true},
	    {"text/htmlx", false},
	    {",,;q=,", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ck_assert_msg(
		    route_wants_page(rows[i].accept) == rows[i].page, "%s", rows[i].accept);
}
END_TEST

START_TEST(control_frame_is_understood_or_nothing)
{
	static const struct {
		const char *frame;
		enum control_kind kind;
		long deadline_ms, id;
	} rows[] = {
	    {"{\"brood\":\"drain\",\"deadline_ms\":30000}", CONTROL_DRAIN, 30000, -1},
	    {" { \"deadline_ms\" : 5 , \"brood\" : \"drain\" } ", CONTROL_DRAIN, 5, -1},
	    {"{\"brood\":\"drain\"}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"drain\",\"deadline_ms\":-5}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"drain\",\"deadline_ms\":1.5}", CONTROL_DRAIN, -1, -1},
	    {"{\"brood\":\"ping\",\"id\":7}", CONTROL_PING, -1, 7},
	    {"{\"brood\":\"hello\",\"version\":1}", CONTROL_OTHER, -1, -1},
	    {"{\"data\":{\"brood\":\"drain\"}}", CONTROL_OTHER, -1, -1},
	    {"{\"data\":[\"brood\",\"drain\"]}", CONTROL_OTHER, -1, -1},
	    {"{\"brood\":\"message\",\"data\":\"\\\"brood\\\":\\\"drain\\\"\"}", CONTROL_OTHER, -1,
	        -1},
	    {"{\"brood\":\"drain\"", CONTROL_OTHER, -1, -1},
	    {"{\"brood\":\"drain\"}x", CONTROL_OTHER, -1, -1},
	    {"{\"brood\":\"drain\",}", CONTROL_OTHER, -1, -1},
	    {"\"drain\"", CONTROL_OTHER, -1, -1},
	    {"", CONTROL_OTHER, -1, -1},
	    {"{}", CONTROL_OTHER, -1, -1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct control k = control_scan(rows[i].frame, strlen(rows[i].frame));

		ck_assert_msg(k.kind == rows[i].kind, "%s", rows[i].frame);
		ck_assert_int_eq(k.deadline_ms, rows[i].deadline_ms);
		ck_assert_int_eq(k.id, rows[i].id);
	}
}
END_TEST

START_TEST(deep_control_frame_ends_at_the_bound)
{
	char frame[4096] = "{\"brood\":\"drain\",\"x\":";
	size_t n = strlen(frame);

	memset(frame + n, '[', 2000);
	ck_assert_int_eq(control_scan(frame, n + 2000).kind, CONTROL_OTHER);
}
END_TEST

START_TEST(lists_of_a_ring_frame_are_read_item_by_item)
{
	static const char frame[] =
	    "{\"brood\":\"ring\",\"more\":true,"
	    "\"listeners\":[\"8080\", \"a name that is longer\",7,\"\\u0041\",[\"x\"],\"end\"],"
	    "\"own\":[0,17,-1,1.5,\"2\",99999999999999999999]}";
	static const char *const names[] = {"8080", "a name ", "", "", "", "end"};
	static const long places[] = {0, 17, -1, -1, -1, -1};
	struct control k = control_scan(frame, sizeof frame - 1);
	char name[8];
	long place;

	ck_assert_int_eq(k.kind, CONTROL_RING);
	ck_assert(k.more);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ck_assert(control_next_name(&k.listeners, name, sizeof name));
		ck_assert_str_eq(name, names[i]);
	}
	ck_assert(!control_next_name(&k.listeners, name, sizeof name));
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		ck_assert(control_next_place(&k.own, &place));
		ck_assert_int_eq(place, places[i]);
	}
	ck_assert(!control_next_place(&k.own, &place));
	k = control_scan("{\"brood\":\"ring\",\"own\":{},\"more\":1}", 34);
	ck_assert_int_eq(k.kind, CONTROL_RING);
	ck_assert(!k.more);
	ck_assert(!control_next_name(&k.listeners, name, sizeof name));
	ck_assert(!control_next_place(&k.own, &place));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hello");
	TCase *tc = tcase_create("hello");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, target_names_route_and_time);
	tcase_add_test(tc, page_only_for_who_prefers_it);
	tcase_add_test(tc, control_frame_is_understood_or_nothing);
	tcase_add_test(tc, lists_of_a_ring_frame_are_read_item_by_item);
	tcase_add_test(tc, deep_control_frame_ends_at_the_bound);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
