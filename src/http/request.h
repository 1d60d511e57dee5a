/*
 * request: one request and what is known of its answer. It belongs to a connection while it is
 * read; handed out, it lives until it is answered, whatever becomes of the connection.
 */
#ifndef BROOD_HTTP_REQUEST_H
#define BROOD_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "brood.h"
#include "http/parse.h"

struct conn;

struct brood_request {
	struct parse parse;
	struct brood_http *http;
	struct conn *conn;
	struct brood_request *next; /* spare */
	char *extra; /* header lines of the answer, whole */
	size_t extra_len, extra_cap;
	brood_request_fn *on_room;
	void *arg;
	struct brood_task *waiting; /* for room */
	bool is_handed; /* to the handler */
	bool has_begun; /* the answer */
	bool is_chunked;
	bool has_body; /* bytes of a body belong into the answer */
	bool may_write; /* its status allows a body */
	bool wants_room; /* a write was refused */
};

/* A request to read into, from the server's spares where there are some. NULL: no memory. */
struct brood_request *request_take(struct brood_http *http);
/* Back to the spares, or freed. */
void request_put(struct brood_request *r);
void request_free(struct brood_request *r);

#endif
