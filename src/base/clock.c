/*
 * clock: reads the two clocks. Must not cache: a cached time is how timers go wrong after the
 * process was stopped.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t
clock_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* Can only fail for a bad clock id. */
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
clock_format_wall(uint64_t wall_ms, char buf[25])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t len;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900) {
		memcpy(buf, "9999-12-31T23:59:59.999Z", 25);
		return;
	}
	len = strftime(buf, 25, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + len, 25 - len, ".%03uZ", (unsigned)(wall_ms % 1000));
}
