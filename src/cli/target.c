/*
 * target: apps and slots by name.
 */
#include "cli/target.h"

#include <string.h>

#include "base/units.h"

static const json_t *
find_exact(const json_t *status, const char *name, size_t len)
{
	size_t i;
	const json_t *app;

	json_array_foreach(json_object_get(status, "apps"), i, app)
	{
		const char *s = json_string_value(json_object_get(app, "name"));
		if (s && strlen(s) == len && memcmp(s, name, len) == 0)
			return app;
	}
	return NULL;
}

const json_t *
target_find_app(const json_t *status, const char *text, int *ret_slot)
{
	const json_t *app = find_exact(status, text, strlen(text));
	const char *dot = strrchr(text, '.');
	uint64_t slot;

	if (ret_slot)
		*ret_slot = TARGET_ALL_SLOTS;
	if (app || !dot || units_parse_uint(dot + 1, 1000000, &slot) < 0)
		return app;
	app = find_exact(status, text, (size_t)(dot - text));
	if (app && ret_slot)
		*ret_slot = (int)slot;
	return app;
}

bool
target_may_be_slot(const char *text)
{
	const char *dot = strrchr(text, '.');
	uint64_t slot;

	return dot && units_parse_uint(dot + 1, 1000000, &slot) == 0;
}

char *
target_split(const json_t *status, const char *text, int *ret_slot)
{
	uint64_t slot = 0;
	const char *dot;

	*ret_slot = TARGET_ALL_SLOTS;
	if (!target_may_be_slot(text))
		return strdup(text);
	if (status && target_find_app(status, text, ret_slot) && *ret_slot == TARGET_ALL_SLOTS)
		return strdup(text);
	dot = strrchr(text, '.');
	(void)units_parse_uint(dot + 1, 1000000, &slot);
	*ret_slot = (int)slot;
	return strndup(text, (size_t)(dot - text));
}

const json_t *
target_only_app(const json_t *status)
{
	const json_t *apps = json_object_get(status, "apps");

	return json_array_size(apps) == 1 ? json_array_get(apps, 0) : NULL;
}
