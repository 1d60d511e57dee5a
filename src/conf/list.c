/*
 * list: the types whose values are lists of numbers and ranges, "0-3,8": exit codes and CPUs.
 * Must not look at the system: which CPUs there are is found out when a generation is prepared.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/internal.h"

#define CPUS_MAX 1024

/* One of "3" and "3-7" out of a list; both ends are set. */
static int
parse_range(const char *text, uint64_t max, uint64_t *ret_from, uint64_t *ret_to)
{
	const char *dash = strchr(text, '-');
	char from[8];

	if (!dash) {
		if (units_parse_uint(text, max, ret_from))
			return -EINVAL;
		*ret_to = *ret_from;
		return 0;
	}
	if ((size_t)(dash - text) >= sizeof(from))
		return -EINVAL;
	memcpy(from, text, (size_t)(dash - text));
	from[dash - text] = '\0';
	if (units_parse_uint(from, max, ret_from) || units_parse_uint(dash + 1, max, ret_to))
		return -EINVAL;
	return *ret_from <= *ret_to ? 0 : -EINVAL;
}

/* Calls take for each element of a list such as "0-3, 8". 0, -EINVAL or -ENOMEM. */
static int
each_range(const char *text, uint64_t max, void (*take)(void *, uint64_t, uint64_t), void *arg)
{
	char *copy = mem_strdup(text), *rest = copy, *item;
	uint64_t from, to;
	size_t len;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (item = strsep(&rest, ","))) {
		item += strspn(item, " \t");
		len = strlen(item);
		while (len > 0 && (item[len - 1] == ' ' || item[len - 1] == '\t'))
			item[--len] = '\0';
		r = parse_range(item, max, &from, &to);
		if (r == 0)
			take(arg, from, to);
	}
	mem_free(copy);
	return r;
}

static void
take_codes(void *arg, uint64_t from, uint64_t to)
{
	uint8_t *codes = arg;

	for (; from <= to; from++)
		codes[from] = 1;
}

static int
parse_codes(const struct value *v)
{
	struct conf_app *app = v->base;
	uint8_t codes[256] = {0};
	int r = 0;

	if (strcmp(v->text, "none") != 0)
		r = each_range(v->text, 255, take_codes, codes);
	if (r == -EINVAL)
		return value_error(
		    v, "write none, or exit codes such as 0,3,64-78; they go from 0 to 255");
	if (r == 0)
		memcpy(app->no_restart_codes, codes, sizeof(codes));
	return r;
}

static void
print_codes(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;
	const char *separator = "";
	unsigned to;

	(void)key;
	for (unsigned i = 0; i < 256; i = to + 1) {
		to = i;
		if (!app->no_restart_codes[i])
			continue;
		while (to < 255 && app->no_restart_codes[to + 1])
			to++;
		str_addf(out, to > i ? "%s%u-%u" : "%s%u", separator, i, to);
		separator = ",";
	}
	if (*separator == '\0')
		str_add(out, "none");
}

static void
take_nothing(void *arg, uint64_t from, uint64_t to)
{
	(void)arg;
	(void)from;
	(void)to;
}

static int
parse_affinity(const struct value *v)
{
	struct conf_app *app = v->base;
	int r = 0;

	if (strcmp(v->text, "auto") != 0)
		r = each_range(v->text, CPUS_MAX - 1, take_nothing, NULL);
	if (r == -EINVAL)
		return value_error(v, "write auto, or CPUs such as 0-3,8");
	return r ? r : set_text(&app->cpu_affinity, v->text);
}

static void
print_affinity(const struct key *key, const void *base, struct str *out)
{
	const struct conf_app *app = base;

	(void)key;
	if (app->cpu_affinity)
		str_add(out, app->cpu_affinity);
}

const struct key_type type_codes = {"exit-codes", parse_codes, print_codes};
const struct key_type type_affinity = {"cpus", parse_affinity, print_affinity};
