/*
 * json: see the header. Keys are literals of this room, so jansson need not look at them again;
 * values are looked at, since some of them were cut.
 */
#include "ctl/json.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"

void
json_put(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new_nocheck(object, key, value);
}

void
json_put_text(json_t *object, const char *key, const char *text)
{
	json_put(object, key, json_shown(text));
}

void
json_put_count(json_t *object, const char *key, uint64_t n)
{
	json_put(object, key, json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

json_t *
json_shown(const char *text)
{
	json_t *v = json_string(text);
	struct str s = {0};

	if (v != NULL)
		return v;
	str_add_escaped(&s, text, strlen(text));
	v = json_string(str_text(&s));
	str_free(&s);
	return v;
}

json_t *
json_wall_time(uint64_t wall_ms)
{
	char buf[25];

	clock_format_wall(wall_ms, buf);
	return json_string_nocheck(buf);
}

json_t *
json_plain_number(double value)
{
	const double exact = 9007199254740992.0;

	if (value >= -exact && value <= exact && value == (double)(json_int_t)value)
		return json_integer((json_int_t)value);
	return json_real(value);
}
