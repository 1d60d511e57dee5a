/*
 * Fuzz target: bytes of a connection to brood-hello, through llhttp and our limits, and what the
 * requests ask for. However the bytes are cut into reads, the requests must be the same, and
 * the refusal comes behind the same one; which of two faults it names may depend on the reads.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hello/http.h"
#include "hello/page.h"
#include "hello/route.h"

#define EVENTS_MAX 64

struct seen {
	enum http_event event;
	bool keep_alive, is_head, wants_page;
	struct route route;
	uint16_t target_len, accept_len;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool right, const char *what)
{
	if (!right) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static void
check_limits(const struct http *h)
{
	check(h->target_len <= HTTP_TARGET_MAX, "target within its array");
	check(h->target[h->target_len] == '\0', "target ends");
	check(h->accept_len <= HTTP_ACCEPT_MAX, "accept within its array");
	check(h->accept[h->accept_len] == '\0', "accept ends");
	check(h->field_len <= sizeof h->field, "field within its array");
}

static struct seen
look(const struct http *h, enum http_event event)
{
	struct seen s;

	memset(&s, 0, sizeof s);
	s.event = event;
	if (event != HTTP_COMPLETE)
		return s;
	s.keep_alive = h->keep_alive;
	s.is_head = h->is_head;
	s.route = route_find(h->target);
	s.wants_page = route_wants_page(h->accept);
	s.target_len = h->target_len;
	s.accept_len = h->accept_len;
	check(s.route.kind < ROUTE_MAX, "a known route");
	check(s.route.ms <= ROUTE_IO_MAX_MS, "a time in range");
	return s;
}

/* Feeds all in reads of the given size; returns how many requests were seen. */
static size_t
run(const char *data, size_t size, size_t read_size, struct seen seen[EVENTS_MAX])
{
	static struct http h;
	size_t n = 0, at = 0;

	http_init(&h);
	while (at < size && n < EVENTS_MAX) {
		size_t len = size - at < read_size ? size - at : read_size, used = 0;
		enum http_event event = http_feed(&h, data + at, len, &used);

		check(used <= len, "no more used than given");
		check(event != HTTP_MORE || used == len, "more means all");
		check_limits(&h);
		at += used;
		if (event != HTTP_MORE)
			seen[n++] = look(&h, event);
		if (event == HTTP_BAD) {
			check(h.status >= 400 && h.status < 600, "a refusal has a status");
			break;
		}
		check(event != HTTP_COMPLETE || !http_is_inside(&h), "complete is not inside");
	}
	return n;
}

static void
check_page(const uint8_t *data, size_t size)
{
	char name[256], buf[PAGE_MAX];
	struct facts f = {.app = name, .listener = name, .slot = (int)size, .generation = -1};
	size_t len = size < sizeof name - 1 ? size : sizeof name - 1;

	memcpy(name, data, len);
	name[len] = '\0';
	check(page_json(&f, buf) < PAGE_MAX, "JSON fits");
	check(page_html(&f, buf) < PAGE_MAX, "page fits");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t reads[] = {1, 7, 4096};
	static struct seen whole[EVENTS_MAX], parts[EVENTS_MAX];
	size_t n;

	/* Beyond it the limit on all bytes of a request depends on the reads, as it may. */
	if (size > 65536)
		size = 65536;
	n = run((const char *)data, size, size + 1, whole);
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		check(run((const char *)data, size, reads[i], parts) == n, "as many requests");
		check(memcmp(whole, parts, n * sizeof whole[0]) == 0, "the same requests");
	}
	check_page(data, size);
	return 0;
}
