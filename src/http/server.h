/*
 * server: what the connections of one brood_http share: limits, buffers of a turn, requests that
 * are kept for the next one, deadlines. The public functions brood_http_*() are here.
 */
#ifndef BROOD_HTTP_SERVER_H
#define BROOD_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <uv.h>

#include "brood.h"
#include "http/parse.h"
#include "http/wheel.h"

#define HTTP_IN_MAX   16384 /* one read */
#define HTTP_OUT_MAX  32768 /* what is gathered before it is written */
#define HTTP_DATE_LEN 29

struct conn;
struct rest;

struct brood_http {
	struct brood_loop *loop;
	struct brood_http_options options; /* the defaults filled in */
	struct parse_limits limits;
	struct wheel wheel;
	uv_idle_t resume; /* runs while there are rests */
	struct rest *rests; /* bytes whose turn has come again */
	struct conn *conns;
	unsigned n_conns;
	struct brood_request *spares;
	unsigned n_spares;
	unsigned pins; /* the owner's, two handles', each connection's */
	bool is_draining, is_drained, is_freed;
	time_t date_s;
	char date[HTTP_DATE_LEN + 1];
	bool is_reading; /* in is in use */
	struct conn *gatherer; /* whose bytes are in out; NULL: none are */
	size_t out_len;
	char out[HTTP_OUT_MAX];
	char in[HTTP_IN_MAX];
};

/* For conn: one connection more, one less; one's memory is free. */
void server_add(struct brood_http *http, struct conn *c);
void server_forget(struct brood_http *http);
void server_unpin(struct brood_http *http);

/* "Thu, 01 Jan 1970 00:00:00 GMT" of now. */
const char *server_date(struct brood_http *http);

#endif
