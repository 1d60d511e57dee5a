/* metrics: summed over workers, bounded, and sound whatever a worker reports. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/metrics.h"

static struct metrics *m;

static void
setup(void)
{
	m = metrics_new();
}

static void
teardown(void)
{
	metrics_free(m);
}

static bool
counter(worker_id worker, const char *name, const char *labels, double value)
{
	return metrics_report(m, "web", worker, name, "counter", labels, value);
}

static bool
gauge(worker_id worker, const char *name, double value)
{
	return metrics_report(m, "web", worker, name, "gauge", "", value);
}

static double
value_of(const char *name, const char *labels)
{
	json_t *list = metrics_to_json(m, "web"), *o;
	double value = NAN;
	size_t i;

	json_array_foreach(list, i, o)
	{
		if (strcmp(json_string_value(json_object_get(o, "name")), name) == 0 &&
		    strcmp(json_string_value(json_object_get(o, "labels")), labels) == 0)
			value = json_number_value(json_object_get(o, "value"));
	}
	json_decref(list);
	return value;
}

START_TEST(counters_add_up_and_outlive_their_worker)
{
	ck_assert(counter(1, "jobs_total", "", 2));
	ck_assert(counter(2, "jobs_total", "", 3));
	ck_assert(counter(2, "jobs_total", "kind=\"a\"", 10));
	metrics_worker_gone(m, "web", 1);
	ck_assert_double_eq(value_of("jobs_total", ""), 5);
	ck_assert_double_eq(value_of("jobs_total", "kind=\"a\""), 10);
}
END_TEST

START_TEST(a_gauge_is_the_sum_over_living_workers)
{
	ck_assert(gauge(5, "queue", 2));
	ck_assert(gauge(3, "queue", 4));
	ck_assert(gauge(4, "queue", 0.5));
	ck_assert(gauge(3, "queue", 1));
	ck_assert_double_eq(value_of("queue", ""), 3.5);
	metrics_worker_gone(m, "web", 5);
	metrics_worker_gone(m, "web", 99);
	ck_assert_double_eq(value_of("queue", ""), 1.5);
	metrics_worker_gone(m, "web", 3);
	metrics_worker_gone(m, "web", 4);
	ck_assert_double_eq(value_of("queue", ""), 0);
}
END_TEST

START_TEST(w6_bad_reports_are_dropped)
{
	ck_assert(!counter(1, "a", "", -1));
	ck_assert(!counter(1, "a", "", NAN));
	ck_assert(!counter(1, "a", "", INFINITY));
	ck_assert(!gauge(1, "a", INFINITY));
	ck_assert(!counter(1, "", "", 1));
	ck_assert(!counter(1, "1a", "", 1));
	ck_assert(!counter(1, "a-b", "", 1));
	ck_assert(!counter(1, "a b", "", 1));
	ck_assert(!metrics_report(m, "web", 1, "a", "histogram", "", 1));
	ck_assert(counter(1, "_:a9", "", 1));
	ck_assert(counter(1, "big", "", 1e308));
	ck_assert(!counter(1, "big", "", 1e308));
	ck_assert_double_eq(value_of("big", ""), 1e308);
	ck_assert(gauge(1, "wide", 1e308));
	ck_assert(gauge(2, "wide", 1e308));
	ck_assert(isfinite(value_of("wide", "")));
}
END_TEST

START_TEST(a_name_keeps_its_type_whatever_the_labels)
{
	ck_assert(counter(1, "a", "", 1));
	ck_assert(!gauge(1, "a", 1));
	ck_assert(!metrics_report(m, "web", 1, "a", "gauge", "k=\"v\"", 1));
	ck_assert(metrics_report(m, "web", 1, "b", "gauge", "k=\"v\"", 1));
	ck_assert(!counter(1, "b", "", 1));
	ck_assert(!counter(1, "b", "z=\"v\"", 1));
}
END_TEST

START_TEST(series_are_bounded_per_app)
{
	unsigned kept = 0;
	json_t *list;

	for (unsigned i = 0; i < 1000; i++) {
		char labels[32];

		(void)snprintf(labels, sizeof(labels), "id=\"%u\"", i * 7919 % 1000);
		kept += counter(1, "a", labels, 1);
	}
	ck_assert_uint_eq(kept, METRICS_SERIES_MAX);
	list = metrics_to_json(m, "web");
	ck_assert_uint_eq(json_array_size(list), METRICS_SERIES_MAX);
	json_decref(list);
	ck_assert(metrics_report(m, "api", 1, "a", "counter", "", 1));
}
END_TEST

START_TEST(the_list_is_sorted_by_name_and_labels)
{
	json_t *list, *o;
	const char *names[] = {"a", "a", "b", "c"};
	const char *labels[] = {"", "x=\"1\"", "", ""};
	size_t i;

	counter(1, "c", "", 1);
	counter(1, "a", "x=\"1\"", 1);
	gauge(1, "b", 1);
	counter(1, "a", "", 1);
	list = metrics_to_json(m, "web");
	ck_assert_uint_eq(json_array_size(list), 4);
	json_array_foreach(list, i, o)
	{
		ck_assert_str_eq(json_string_value(json_object_get(o, "name")), names[i]);
		ck_assert_str_eq(json_string_value(json_object_get(o, "labels")), labels[i]);
		ck_assert(json_is_integer(json_object_get(o, "value")));
	}
	json_decref(list);
}
END_TEST

START_TEST(an_app_that_goes_is_forgotten)
{
	json_t *list;

	counter(1, "a", "", 1);
	metrics_forget_app(m, "web");
	metrics_forget_app(m, "web");
	metrics_worker_gone(m, "web", 1);
	list = metrics_to_json(m, "web");
	ck_assert_uint_eq(json_array_size(list), 0);
	json_decref(list);
}
END_TEST

START_TEST(f6_without_memory_a_report_is_dropped)
{
	for (unsigned long n = 1; n <= 4; n++) {
		mem_fail_at(n, 1);
		(void)gauge(1, "a", 1);
		mem_fail_at(0, 0);
	}
	ck_assert(gauge(1, "a", 3));
	ck_assert_double_eq(value_of("a", ""), 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("metrics");
	TCase *tc = tcase_create("metrics");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, counters_add_up_and_outlive_their_worker);
	tcase_add_test(tc, a_gauge_is_the_sum_over_living_workers);
	tcase_add_test(tc, w6_bad_reports_are_dropped);
	tcase_add_test(tc, a_name_keeps_its_type_whatever_the_labels);
	tcase_add_test(tc, series_are_bounded_per_app);
	tcase_add_test(tc, the_list_is_sorted_by_name_and_labels);
	tcase_add_test(tc, an_app_that_goes_is_forgotten);
	tcase_add_test(tc, f6_without_memory_a_report_is_dropped);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
