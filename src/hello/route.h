/*
 * route: what a request target and an Accept header ask for. Pure text work, no I/O.
 */
#ifndef BROOD_HELLO_ROUTE_H
#define BROOD_HELLO_ROUTE_H

#include <stdbool.h>

#define ROUTE_IO_MAX_MS  600000
#define ROUTE_CPU_MAX_MS 60000

enum route_kind {
	ROUTE_FACTS, /* GET / */
	ROUTE_HEALTH, /* GET /healthz */
	ROUTE_IO, /* GET /io?ms=N */
	ROUTE_CPU, /* GET /cpu?ms=N */
	ROUTE_OFFLOAD, /* GET /cpu-offload?ms=N, or with by=offload */
	ROUTE_THREAD, /* GET /cpu-offload?ms=N&by=thread */
	ROUTE_CRASH, /* GET /crash */
	ROUTE_UNKNOWN, /* 404 */
	ROUTE_BAD, /* 400: ms is missing, given twice or out of range; by is neither */
	ROUTE_MAX
};

struct route {
	enum route_kind kind;
	unsigned ms;
};

/* target: as in the request line, "/io?ms=5" or "http://host/io?ms=5". */
struct route route_find(const char *target);

/* Whether a page is wanted rather than JSON: text/html has the higher quality in this Accept
 * header. A tie, no header or a header that names neither mean JSON, as for curl. */
bool route_wants_page(const char *accept);

#endif
