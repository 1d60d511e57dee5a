/*
 * route: see route.h.
 */
#include "hello/route.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *path;
	enum route_kind kind;
	unsigned max_ms; /* 0: takes no ms */
} paths[] = {
    {"/", ROUTE_FACTS, 0},
    {"/healthz", ROUTE_HEALTH, 0},
    {"/io", ROUTE_IO, ROUTE_IO_MAX_MS},
    {"/cpu", ROUTE_CPU, ROUTE_CPU_MAX_MS},
    {"/cpu-offload", ROUTE_OFFLOAD, ROUTE_CPU_MAX_MS},
    {"/crash", ROUTE_CRASH, 0},
};

/* Proxies send the absolute form; the origin server has to understand it. */
static const char *
skip_authority(const char *target)
{
	if (strncasecmp(target, "http://", 7) != 0)
		return target;
	target += 7 + strcspn(target + 7, "/?");
	return *target == '/' ? target : "/";
}

static bool
parse_ms(const char *s, size_t len, unsigned max, unsigned *ret_ms)
{
	unsigned value = 0;

	if (len == 0 || len > 9)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = value * 10 + (unsigned)(s[i] - '0');
	}
	if (value > max)
		return false;
	*ret_ms = value;
	return true;
}

static bool
is_text(const char *s, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(s, text, len) == 0;
}

/* How many members of the query begin with that; the value is the last one's. */
static unsigned
find_members(const char *query, const char *begin, const char **ret_value, size_t *ret_len)
{
	size_t begin_len = strlen(begin);
	unsigned found = 0;

	while (*query != '\0') {
		size_t len = strcspn(query, "&");

		if (len >= begin_len && memcmp(query, begin, begin_len) == 0) {
			found++;
			*ret_value = query + begin_len;
			*ret_len = len - begin_len;
		}
		query += len;
		query += *query == '&';
	}
	return found;
}

/* Exactly one. */
static bool
query_ms(const char *query, unsigned max, unsigned *ret_ms)
{
	const char *value;
	size_t len;

	return find_members(query, "ms=", &value, &len) == 1 && parse_ms(value, len, max, ret_ms);
}

/* At most one. */
static enum route_kind
query_by(const char *query)
{
	const char *value;
	size_t len;
	unsigned found = find_members(query, "by=", &value, &len);

	if (found == 0 || (found == 1 && is_text(value, len, "offload")))
		return ROUTE_OFFLOAD;
	return found == 1 && is_text(value, len, "thread") ? ROUTE_THREAD : ROUTE_BAD;
}

struct route
route_find(const char *target)
{
	struct route r = {ROUTE_UNKNOWN, 0};
	const char *query;
	size_t len;

	target = skip_authority(target);
	len = strcspn(target, "?#");
	query = target + len + (target[len] == '?');
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		if (!is_text(target, len, paths[i].path))
			continue;
		r.kind = paths[i].kind;
		if (r.kind == ROUTE_OFFLOAD)
			r.kind = query_by(query);
		if (paths[i].max_ms > 0 && !query_ms(query, paths[i].max_ms, &r.ms))
			r.kind = ROUTE_BAD;
		break;
	}
	return r;
}

/* "q=0.75" in thousandths; what is no number counts as 1. */
static unsigned
quality(const char *s, size_t len)
{
	unsigned value = 0, scale = 1000;

	if (len == 0 || (s[0] != '0' && s[0] != '1'))
		return 1000;
	for (size_t i = 0; i < len && i < 5; i++) {
		if (s[i] == '.' && i == 1)
			continue;
		if (s[i] < '0' || s[i] > '9')
			break;
		value += (unsigned)(s[i] - '0') * scale;
		scale /= 10;
	}
	return value > 1000 ? 1000 : value;
}

static unsigned
range_quality(const char *params, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if ((params[i] == 'q' || params[i] == 'Q') && params[i + 1] == '=' &&
		    (i == 0 || strchr("; \t", params[i - 1]) != NULL)) {
			size_t n = strcspn(params + i + 2, ";, \t");

			return quality(params + i + 2, n < len - i - 2 ? n : len - i - 2);
		}
	}
	return 1000;
}

/* The most specific range that covers the type decides (RFC 9110, 12.5.1). */
static unsigned
accept_quality(const char *accept, const char *type, const char *any_subtype)
{
	unsigned best = 0, best_rank = 0;

	while (*accept != '\0') {
		size_t len = strcspn(accept, ","), skip = strspn(accept, " \t");
		const char *range = accept + (skip < len ? skip : len);
		size_t range_len = strcspn(range, ";, \t"), rank = 0;

		if (range_len == strlen(type) && strncasecmp(range, type, range_len) == 0)
			rank = 3;
		else if (range_len == strlen(any_subtype) &&
		         strncasecmp(range, any_subtype, range_len) == 0)
			rank = 2;
		else if (range_len == 3 && memcmp(range, "*/*", 3) == 0)
			rank = 1;
		if (rank > best_rank) {
			const char *params = range + range_len;

			best_rank = (unsigned)rank;
			best = range_quality(params, (size_t)(accept + len - params));
		}
		accept += len;
		accept += *accept == ',';
	}
	return best;
}

bool
route_wants_page(const char *accept)
{
	return accept_quality(accept, "text/html", "text/*") >
	       accept_quality(accept, "application/json", "application/*");
}
