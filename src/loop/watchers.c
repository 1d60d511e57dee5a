/*
 * watchers: see the header. The table is the only thing that libuv ever asks realloc() for as we
 * use it; whoever asks first gets the place, anybody else realloc(). A page of it costs memory
 * only when it is touched.
 */
#include "loop/watchers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* A pointer for each descriptor and two more, rounded up to a power of two by libuv: enough for
 * 65,534 descriptors. Beyond, memory may end as anywhere. */
#define TABLE_BYTES (65536 * sizeof(void *))

static union {
	char bytes[TABLE_BYTES];
	max_align_t align;
} table;

static bool taken;

static void *
grow(void *p, size_t size)
{
	void *larger;

	if (size <= TABLE_BYTES && (p == &table || (!p && !taken))) {
		taken = true;
		return &table;
	}
	if (p != &table)
		return realloc(p, size);
	larger = malloc(size);
	if (larger) {
		memcpy(larger, &table, TABLE_BYTES);
		taken = false;
	}
	return larger;
}

static void
release(void *p)
{
	if (p == &table)
		taken = false;
	else
		free(p);
}

void
watchers_init(void)
{
	(void)uv_replace_allocator(malloc, grow, calloc, release); /* fails only for NULL */
}
