/*
 * mem: counts allocations so that a test can make the n-th one fail. Must not do anything else:
 * no pools, no abort; callers see NULL as they would from libc.
 */
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A thread each: tests fail the allocations of the thread that asks for it. */
static _Thread_local struct {
	unsigned long calls;
	unsigned long fail_at; /* 0 = never */
	unsigned long fail_times;
} mem;

static bool
should_fail(void)
{
	mem.calls++;
	return mem.fail_at != 0 && mem.calls >= mem.fail_at &&
	       mem.calls - mem.fail_at < mem.fail_times;
}

void *
mem_alloc(size_t size)
{
	return should_fail() ? NULL : malloc(size);
}

void *
mem_calloc(size_t n, size_t size)
{
	return should_fail() ? NULL : calloc(n, size);
}

void *
mem_realloc(void *p, size_t size)
{
	return should_fail() ? NULL : realloc(p, size);
}

char *
mem_strdup(const char *s)
{
	return should_fail() ? NULL : strdup(s);
}

char *
mem_strndup(const char *s, size_t n)
{
	char *copy = mem_alloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

void
mem_free(void *p)
{
	free(p);
}

void
mem_fail_at(unsigned long n, unsigned long times)
{
	mem.calls = 0;
	mem.fail_at = n;
	mem.fail_times = times;
}

unsigned long
mem_calls(void)
{
	return mem.calls;
}
