/*
 * runtime_support: a loop for each test, made before it and freed after it.
 */
#ifndef BROOD_TESTS_UNIT_RUNTIME_SUPPORT_H
#define BROOD_TESTS_UNIT_RUNTIME_SUPPORT_H

#include <check.h>
#include <stddef.h>

#include "run_suite.h"
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

#endif
