/*
 * block: requests that keep a whole worker busy, for workers of the bench.
 */
#ifndef BROOD_TESTS_BLOCK_H
#define BROOD_TESTS_BLOCK_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline int64_t
block_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* GET /block?ms=N sleeps as a call that blocks does, GET /cpu?ms=N computes. */
static inline void
block_if_asked(const char *head)
{
	if (strncmp(head, "GET /block?ms=", 14) == 0) {
		long ms = strtol(head + 14, NULL, 10);
		struct timespec left = {ms / 1000, ms % 1000 * 1000000};

		while (ms > 0 && nanosleep(&left, &left) < 0 && errno == EINTR)
			;
	} else if (strncmp(head, "GET /cpu?ms=", 12) == 0) {
		int64_t end = block_now_us() + strtol(head + 12, NULL, 10) * 1000;

		while (block_now_us() < end)
			;
	}
}

#endif
