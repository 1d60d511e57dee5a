/*
 * task_support: what the tests of tasks share: a loop, a trace of what happened, and whether a
 * sanitizer or valgrind makes everything slower and bigger.
 */
#ifndef BROOD_TESTS_TASK_SUPPORT_H
#define BROOD_TESTS_TASK_SUPPORT_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/loop.h"
#include "runtime/task.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(CONTEXT_ASAN) || defined(CONTEXT_TSAN)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

static struct brood_loop *loop;
static char trace[512];
static unsigned n_raised;
static int raised;

static inline void
say(const char *word)
{
	size_t n = strlen(trace);

	(void)snprintf(trace + n, sizeof trace - n, "%s%s", n > 0 ? " " : "", word);
}

static inline void
say_fn(struct brood_loop *l, void *arg)
{
	(void)l;
	say(arg);
}

static inline void
on_raised(struct brood_loop *l, int error, const char *what, void *arg)
{
	(void)l;
	(void)arg;
	n_raised++;
	raised = error;
	ck_assert_ptr_nonnull(what);
}

static inline void
open_loop(void)
{
	loop = brood_loop_new();
	ck_assert_ptr_nonnull(loop);
	brood_on_error(loop, on_raised, NULL);
	trace[0] = '\0';
	n_raised = 0;
}

static inline void
close_loop(void)
{
	brood_loop_free(loop);
	loop = NULL;
}

/* Of memory that is there, as the kernel counts it. */
static inline size_t
resident_bytes(void)
{
	unsigned long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu %lu", &all, &resident), 2);
	(void)fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
