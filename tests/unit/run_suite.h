/*
 * run_suite: main of a program whose tests have one fixture: its exit code says whether all passed.
 */
#ifndef BROOD_TESTS_UNIT_RUN_SUITE_H
#define BROOD_TESTS_UNIT_RUN_SUITE_H

#include <check.h>
#include <stdlib.h>

static inline int
run_suite(const char *name, void (*set_up)(void), void (*tear_down)(void),
    void (*add_tests)(TCase *tc))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	add_tests(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
