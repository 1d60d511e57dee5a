/*
 * parse: bytes of one connection become requests, by llhttp, within limits.
 *
 * A request is assembled here, text and body, in memory that is kept from one request to the next
 * and given back by parse_trim(). One that wants more than the limits is refused with the status
 * that says so; what two servers could read as different requests (two lengths, a length beside a
 * coding, a coding that is not ours, a header name that is none) is refused as well. It must not
 * read, write or know the time.
 */
#ifndef BROOD_HTTP_PARSE_H
#define BROOD_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

struct parse_limits {
	size_t header_max; /* request line and headers, trailers included */
	size_t body_max;
};

enum parse_event {
	PARSE_MORE, /* all bytes were taken, the request goes on */
	PARSE_COMPLETE, /* one request is complete; bytes after it were left alone */
	PARSE_BAD, /* answer p->status and close: the stream cannot be followed any more */
};

/* Offsets into text, each string with a zero behind it. */
struct parse_header {
	uint32_t name, value;
	uint32_t name_len;
};

struct parse {
	llhttp_t parser;
	const struct parse_limits *limits;
	char *text; /* the target, then names and values */
	struct parse_header *headers;
	char *body; /* with a zero behind body_len */
	size_t text_len, text_cap;
	size_t body_len, body_cap;
	size_t n_headers, headers_cap;
	size_t head_bytes;
	uint64_t raw_bytes; /* of this request, framing included */
	int status; /* of PARSE_BAD: 400, 413, 414, 417, 431, 501, 503 (no memory) or 505 */
	uint8_t hosts, codings;
	bool begun; /* at least one byte of the request was seen */
	bool complete;
	bool in_trailer; /* headers from here on belong to nobody */
	bool keep_alive; /* of the complete request */
	bool is_head;
	bool is_http10;
	bool wants_continue; /* "100 Continue" is due; who has said it turns this off */
};

/* All zero is a parse that holds no memory: then parse_start() for each request. */
void parse_start(struct parse *p, const struct parse_limits *limits);
/* Gives memory back that an ordinary request does not need. */
void parse_trim(struct parse *p);
void parse_done(struct parse *p);

/* Takes up to len bytes; *ret_used says how many. After anything but PARSE_MORE never again. */
enum parse_event parse_feed(struct parse *p, const char *data, size_t len, size_t *ret_used);

/* Whether a request has begun and is not complete. */
bool parse_is_inside(const struct parse *p);

/* Whether the answer has no body: known before the request is complete. */
bool parse_asks_head(const struct parse *p);

/* Of a complete request. */
const char *parse_method(const struct parse *p);
const char *parse_target(const struct parse *p);
/* The first of that name, whatever its case, or NULL. */
const char *parse_header(const struct parse *p, const char *name);

/* Makes room for more bytes at *data, of which len are in use: at first for first of them, then for
 * twice as many. False: no memory. */
bool parse_reserve(char **data, size_t *cap, size_t len, size_t more, size_t first);

/* A header that somebody may send: its name is a token, its value has no control character. */
bool parse_is_token(const char *s, size_t len);
bool parse_is_field_value(const char *s, size_t len);

#endif
