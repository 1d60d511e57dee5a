/*
 * runtime_support: a loop for each test, made before it and freed after it, and the suite of them.
 */
#ifndef BROOD_TESTS_UNIT_RUNTIME_SUPPORT_H
#define BROOD_TESTS_UNIT_RUNTIME_SUPPORT_H

#include <check.h>
#include <stddef.h>

#include "runtime/loop.h"

static struct brood_loop *loop;

static inline void
setup(void)
{
	loop = brood_loop_new();
	ck_assert_ptr_nonnull(loop);
}

static inline void
teardown(void)
{
	brood_loop_free(loop);
	loop = NULL;
}

static inline int
run_suite(const char *name, void (*add_tests)(TCase *tc))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	add_tests(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}

#endif
