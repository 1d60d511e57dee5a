/*
 * http: see http.h. llhttp pauses at the end of each request (the callback returns HPE_PAUSED),
 * so that pipelined requests are answered one at a time and in order.
 */
#include "hello/http.h"

#include <string.h>
#include <strings.h>

static struct http *
http_of(llhttp_t *p)
{
	return p->data;
}

/* Any non-zero value stops llhttp; the status says why. */
static int
refuse(struct http *h, int status)
{
	h->status = status;
	return -1;
}

static int
count_head(struct http *h, size_t len)
{
	h->head_bytes += (uint32_t)len;
	return h->head_bytes > HTTP_HEAD_MAX ? refuse(h, 431) : 0;
}

static int
on_message_begin(llhttp_t *p)
{
	http_of(p)->begun = true;
	return 0;
}

static int
on_url(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = http_of(p);

	if (h->target_len + len > HTTP_TARGET_MAX)
		return refuse(h, 414);
	memcpy(h->target + h->target_len, at, len);
	h->target_len += (uint16_t)len;
	h->target[h->target_len] = '\0';
	return count_head(h, len);
}

/* A name that is longer than the array cannot be one that we look for: it keeps the full length
 * of the array, which no known name has. */
static int
on_header_field(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = http_of(p);
	size_t room = sizeof h->field - h->field_len;

	memcpy(h->field + h->field_len, at, len < room ? len : room);
	h->field_len += (uint8_t)(len < room ? len : room);
	return count_head(h, len);
}

static bool
field_is(const struct http *h, const char *name)
{
	return h->field_len == strlen(name) && strncasecmp(h->field, name, h->field_len) == 0;
}

static int
on_header_field_complete(llhttp_t *p)
{
	struct http *h = http_of(p);

	if (field_is(h, "host") && h->hosts < 2)
		h->hosts++;
	/* Repeated Accept headers are one list. */
	if (field_is(h, "accept") && h->accept_len > 0 && h->accept_len < HTTP_ACCEPT_MAX) {
		h->accept[h->accept_len++] = ',';
		h->accept[h->accept_len] = '\0';
	}
	return 0;
}

/* An Accept that is too long is cut: only the choice between JSON and a page hangs on it. */
static int
on_header_value(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = http_of(p);
	size_t room = HTTP_ACCEPT_MAX - h->accept_len, n = len < room ? len : room;

	if (field_is(h, "accept")) {
		memcpy(h->accept + h->accept_len, at, n);
		h->accept_len += (uint16_t)n;
		h->accept[h->accept_len] = '\0';
	}
	return count_head(h, len);
}

static int
on_header_value_complete(llhttp_t *p)
{
	struct http *h = http_of(p);

	h->field_len = 0;
	/* ": " and the line end, so that many empty headers have their price as well. */
	return count_head(h, 4);
}

static int
on_headers_complete(llhttp_t *p)
{
	struct http *h = http_of(p);
	bool has_body = p->content_length > 0 || (p->flags & F_CHUNKED) != 0;

	/* We speak no other protocol: whoever asks for an upgrade gets an ordinary answer. */
	p->upgrade = 0;
	h->is_head = p->method == HTTP_HEAD;
	h->is_allowed = p->method == HTTP_GET || p->method == HTTP_HEAD;
	h->is_http10 = p->http_major == 1 && p->http_minor == 0;
	if (p->http_major != 1)
		return refuse(h, 505);
	if (h->hosts > 1 || (h->hosts == 0 && !h->is_http10))
		return refuse(h, 400);
	/* Said now and not after the body: the client may wait for a 100 or send megabytes. */
	if (!h->is_allowed && (has_body || p->method == HTTP_CONNECT))
		return refuse(h, 405);
	if ((p->flags & F_CONTENT_LENGTH) && p->content_length > HTTP_BODY_MAX)
		return refuse(h, 413);
	return 0;
}

static int
on_body(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = http_of(p);

	(void)at;
	h->body_bytes += (uint32_t)len;
	return h->body_bytes > HTTP_BODY_MAX ? refuse(h, 413) : 0;
}

static int
on_message_complete(llhttp_t *p)
{
	struct http *h = http_of(p);

	h->complete = true;
	h->keep_alive = llhttp_should_keep_alive(p) != 0;
	return HPE_PAUSED;
}

static const llhttp_settings_t *
http_settings(void)
{
	static llhttp_settings_t settings;

	if (settings.on_message_begin == NULL) {
		llhttp_settings_init(&settings);
		settings.on_message_begin = on_message_begin;
		settings.on_url = on_url;
		settings.on_header_field = on_header_field;
		settings.on_header_field_complete = on_header_field_complete;
		settings.on_header_value = on_header_value;
		settings.on_header_value_complete = on_header_value_complete;
		settings.on_headers_complete = on_headers_complete;
		settings.on_body = on_body;
		settings.on_message_complete = on_message_complete;
	}
	return &settings;
}

void
http_init(struct http *h)
{
	memset(h, 0, offsetof(struct http, target));
	h->target[0] = h->accept[0] = '\0';
	llhttp_init(&h->parser, HTTP_REQUEST, http_settings());
	h->parser.data = h;
}

static void
start_afresh(struct http *h)
{
	h->head_bytes = h->body_bytes = h->raw_bytes = 0;
	h->target_len = h->accept_len = 0;
	h->field_len = h->hosts = 0;
	h->begun = h->complete = false;
	h->target[0] = h->accept[0] = '\0';
	llhttp_resume(&h->parser);
}

static int
status_of_error(llhttp_errno_t e)
{
	return e == HPE_INVALID_VERSION || e == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

enum http_event
http_feed(struct http *h, const char *data, size_t len, size_t *ret_used)
{
	llhttp_errno_t e;

	if (h->complete)
		start_afresh(h);
	e = llhttp_execute(&h->parser, data, len);
	*ret_used = e == HPE_OK ? len : (size_t)(llhttp_get_error_pos(&h->parser) - data);
	if (e == HPE_PAUSED && h->complete)
		return HTTP_COMPLETE;
	if (e != HPE_OK) {
		if (h->status == 0)
			h->status = status_of_error(e);
		return HTTP_BAD;
	}
	/* Chunk sizes and extensions reach no callback, so they are bounded here. */
	h->raw_bytes += h->begun ? (uint32_t)len : 0;
	if (h->raw_bytes > 2 * (HTTP_HEAD_MAX + HTTP_BODY_MAX)) {
		h->status = 413;
		return HTTP_BAD;
	}
	return HTTP_MORE;
}

bool
http_is_inside(const struct http *h)
{
	return h->begun && !h->complete;
}

const char *
http_status_text(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 505:
		return "HTTP Version Not Supported";
	}
	return "Unknown";
}
