/*
 * when: times of the protocol for people.
 */
#include "cli/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"

int
when_parse(const char *text, uint64_t *ret_ms)
{
	struct tm tm = {0};
	unsigned ms = 0;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t t;

	if (!rest || (*rest != 'Z' && sscanf(rest, ".%3uZ", &ms) != 1))
		return -EINVAL;
	t = timegm(&tm);
	if (t < 0)
		return -EINVAL;
	*ret_ms = (uint64_t)t * 1000 + ms;
	return 0;
}

void
when_format(const char *text, char *buf, size_t size)
{
	uint64_t ms;
	time_t now = (time_t)(clock_wall_ms() / 1000), t;
	struct tm then, today;

	if (when_parse(text, &ms) < 0) {
		(void)snprintf(buf, size, "?");
		return;
	}
	t = (time_t)(ms / 1000);
	if (!localtime_r(&t, &then) || !localtime_r(&now, &today) ||
	    strftime(buf, size,
	        then.tm_yday == today.tm_yday && then.tm_year == today.tm_year
	            ? "%H:%M:%S"
	            : "%Y-%m-%d %H:%M:%S",
	        &then) == 0)
		(void)snprintf(buf, size, "?");
}

void
when_format_ago(const char *text, char *buf, size_t size)
{
	uint64_t ms, now = clock_wall_ms();
	char age[32];

	if (when_parse(text, &ms) < 0) {
		(void)snprintf(buf, size, "?");
		return;
	}
	units_format_age_ms(now > ms ? now - ms : 0, age, sizeof(age));
	(void)snprintf(buf, size, "%s ago", age);
}
