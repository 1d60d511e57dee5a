/*
 * request: see request.h, and the public functions that look at one.
 */
#include "http/request.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "http/conn.h"
#include "http/server.h"

#define SPARES_MAX 64
#define EXTRA_KEPT 2048

struct brood_request *
request_take(struct brood_http *http)
{
	struct brood_request *r = http->spares;

	if (r != NULL) {
		http->spares = r->next;
		http->n_spares--;
	} else {
		r = mem_calloc(1, sizeof *r);
		if (r == NULL)
			return NULL;
		r->http = http;
	}
	parse_start(&r->parse, &http->limits);
	r->conn = NULL;
	r->extra_len = 0;
	r->on_room = NULL;
	r->arg = NULL;
	r->waiting = NULL;
	r->is_handed = r->has_begun = r->is_chunked = r->has_body = r->may_write = false;
	r->wants_room = false;
	return r;
}

void
request_free(struct brood_request *r)
{
	parse_done(&r->parse);
	mem_free(r->extra);
	mem_free(r);
}

void
request_put(struct brood_request *r)
{
	struct brood_http *http = r->http;

	if (http->is_freed || http->n_spares == SPARES_MAX) {
		request_free(r);
		return;
	}
	parse_trim(&r->parse);
	if (r->extra_cap > EXTRA_KEPT) {
		mem_free(r->extra);
		r->extra = NULL;
		r->extra_cap = 0;
	}
	r->next = http->spares;
	http->spares = r;
	http->n_spares++;
}

/* --- looking at it --------------------------------------------------------------------------- */

const char *
brood_request_method(const struct brood_request *r)
{
	return parse_method(&r->parse);
}

const char *
brood_request_target(const struct brood_request *r)
{
	return parse_target(&r->parse);
}

const char *
brood_request_header(const struct brood_request *r, const char *name)
{
	return parse_header(&r->parse, name);
}

const char *
brood_request_body(const struct brood_request *r, size_t *ret_len)
{
	if (ret_len != NULL)
		*ret_len = r->parse.body_len;
	return r->parse.body_len > 0 ? r->parse.body : "";
}

struct brood_loop *
brood_request_loop(const struct brood_request *r)
{
	return r->http->loop;
}

bool
brood_request_is_gone(const struct brood_request *r)
{
	return conn_is_gone(r->conn);
}

/* --- the query ------------------------------------------------------------------------------- */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of a query's name or value. A '%' that is no escape stands for itself. */
static char
decode(const char **at, const char *end)
{
	const char *s = *at;

	*at = s + 1;
	if (*s == '+')
		return ' ';
	if (*s != '%' || end - s < 3 || hex(s[1]) < 0 || hex(s[2]) < 0)
		return *s;
	*at = s + 3;
	return (char)(hex(s[1]) << 4 | hex(s[2]));
}

static bool
is_named(const char *at, const char *end, const char *name)
{
	while (at < end && *name != '\0') {
		if (decode(&at, end) != *name++)
			return false;
	}
	return at == end && *name == '\0';
}

static int
copy_decoded(const char *at, const char *end, char *buf, size_t size)
{
	size_t n = 0;

	while (at < end) {
		if (n + 1 >= size)
			return -ENOSPC;
		buf[n++] = decode(&at, end);
	}
	if (size == 0)
		return -ENOSPC;
	buf[n] = '\0';
	return (int)n;
}

int
brood_request_query(const struct brood_request *r, const char *name, char *buf, size_t size)
{
	const char *at = strchr(parse_target(&r->parse), '?');
	const char *last = at != NULL ? at + strcspn(at, "#") : NULL;

	while (at != NULL && at < last) {
		const char *begin = at + 1, *end = begin, *equals;

		while (end < last && *end != '&')
			end++;
		equals = memchr(begin, '=', (size_t)(end - begin));
		if (begin < end && is_named(begin, equals != NULL ? equals : end, name))
			return copy_decoded(equals != NULL ? equals + 1 : end, end, buf, size);
		at = end;
	}
	return -ENOENT;
}
