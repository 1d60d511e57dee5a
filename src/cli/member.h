/*
 * member: members of the master's answers, read without surprise: what is missing or of another
 * type is an empty text or zero, so that an answer of another version is shown as far as it goes.
 */
#ifndef BROOD_CLI_MEMBER_H
#define BROOD_CLI_MEMBER_H

#include <jansson.h>
#include <stdint.h>

#include "base/units.h"

static inline const char *
text_of(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static inline json_int_t
number_of(const json_t *v, const char *key)
{
	return json_integer_value(json_object_get(v, key));
}

/* "1.4s"; a negative age counts as none. */
static inline const char *
age_text(json_int_t ms, char buf[32])
{
	units_format_age_ms(ms > 0 ? (uint64_t)ms : 0, buf, 32);
	return buf;
}

#endif
