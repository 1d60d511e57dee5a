/*
 * http: bytes of one connection become requests, by llhttp, within limits.
 *
 * It holds what an answer needs (method, target, Accept) and nothing that grows: a request that
 * wants more room than the arrays below is refused with the status that says so. It must not
 * read, write or know the time.
 */
#ifndef BROOD_HELLO_HTTP_H
#define BROOD_HELLO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#define HTTP_TARGET_MAX 1024
#define HTTP_ACCEPT_MAX 255
#define HTTP_HEAD_MAX   8192 /* request line and headers, trailers included */
#define HTTP_BODY_MAX   65536

enum http_event {
	HTTP_MORE, /* all bytes were taken, the request goes on */
	HTTP_COMPLETE, /* one request is complete; bytes after it were left alone */
	HTTP_BAD, /* answer h->status and close: the stream cannot be followed any more */
};

struct http {
	llhttp_t parser;
	int status; /* of HTTP_BAD: 400, 405, 413, 414, 431 or 505 */
	uint32_t head_bytes;
	uint32_t body_bytes;
	uint32_t raw_bytes; /* of this request, framing included */
	uint16_t target_len;
	uint16_t accept_len;
	uint8_t field_len;
	uint8_t hosts;
	bool begun; /* at least one byte of the request in progress was seen */
	bool complete; /* HTTP_COMPLETE was reported, the next feed starts afresh */
	bool keep_alive; /* of the complete request */
	bool is_head;
	bool is_allowed; /* GET or HEAD */
	bool is_http10;
	char field[16];
	char target[HTTP_TARGET_MAX + 1];
	char accept[HTTP_ACCEPT_MAX + 1];
};

void http_init(struct http *h);

/* Takes up to len bytes; *ret_used says how many. After HTTP_COMPLETE call again with the rest;
 * after HTTP_BAD never again. */
enum http_event http_feed(struct http *h, const char *data, size_t len, size_t *ret_used);

/* Whether a request has begun and is not complete. */
bool http_is_inside(const struct http *h);

/* "Not Found" for 404; "Unknown" for what this program never says. */
const char *http_status_text(int status);

#endif
