/* hello: what its pure parts make of targets and Accept headers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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
	    {"/cpu-offload?ms=100", ROUTE_OFFLOAD, 100},
	    {"/cpu-offload?by=offload&ms=100", ROUTE_OFFLOAD, 100},
	    {"/cpu-offload?ms=100&by=thread", ROUTE_THREAD, 100},
	    {"/cpu-offload?ms=100&by=threads", ROUTE_BAD, 0},
	    {"/cpu-offload?ms=100&by=", ROUTE_BAD, 0},
	    {"/cpu-offload?ms=100&by=thread&by=thread", ROUTE_BAD, 0},
	    {"/cpu-offload?by=thread", ROUTE_BAD, 0},
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

int
main(void)
{
	Suite *suite = suite_create("hello");
	TCase *tc = tcase_create("hello");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, target_names_route_and_time);
	tcase_add_test(tc, page_only_for_who_prefers_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
