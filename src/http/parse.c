/*
 * parse: see parse.h. llhttp pauses at the end of each request (the callback returns HPE_PAUSED),
 * so that pipelined requests are answered one at a time and in order.
 */
#include "http/parse.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define TEXT_FIRST    1024
#define HEADERS_FIRST 16
#define BODY_FIRST    4096
/* What a request may leave behind for the next one. */
#define TEXT_KEPT    8192
#define HEADERS_KEPT 64
#define BODY_KEPT    16384
#define HEADER_EXTRA 4 /* ": " and the line end: many empty headers have their price as well */

static struct parse *
parse_of(llhttp_t *parser)
{
	return parser->data;
}

/* Any non-zero value stops llhttp; the status says why. */
static int
refuse(struct parse *p, int status)
{
	if (p->status == 0)
		p->status = status;
	return -1;
}

bool
parse_reserve(char **data, size_t *cap, size_t len, size_t more, size_t first)
{
	size_t wanted = *cap > 0 ? *cap : first;
	char *grown;

	if (len + more <= *cap)
		return true;
	while (wanted < len + more)
		wanted *= 2;
	grown = mem_realloc(*data, wanted);
	if (grown == NULL)
		return false;
	*data = grown;
	*cap = wanted;
	return true;
}

static int
add_text(struct parse *p, const char *at, size_t len)
{
	if (!parse_reserve(&p->text, &p->text_cap, p->text_len, len, TEXT_FIRST))
		return refuse(p, 503);
	memcpy(p->text + p->text_len, at, len);
	p->text_len += len;
	return 0;
}

static int
count_head(struct parse *p, size_t len, int status)
{
	p->head_bytes += len;
	return p->head_bytes > p->limits->header_max ? refuse(p, status) : 0;
}

static int
on_message_begin(llhttp_t *parser)
{
	parse_of(parser)->begun = true;
	return 0;
}

static int
on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *p = parse_of(parser);

	if (count_head(p, len, 414) != 0)
		return -1;
	return add_text(p, at, len);
}

static int
on_url_complete(llhttp_t *parser)
{
	return add_text(parse_of(parser), "", 1);
}

/* --- headers --------------------------------------------------------------------------------- */

static struct parse_header *
last_header(struct parse *p)
{
	return &p->headers[p->n_headers - 1];
}

static int
add_header(struct parse *p)
{
	size_t cap = p->headers_cap > 0 ? p->headers_cap * 2 : HEADERS_FIRST;
	struct parse_header *grown;

	if (p->n_headers == p->headers_cap) {
		grown = mem_realloc(p->headers, cap * sizeof *grown);
		if (grown == NULL)
			return refuse(p, 503);
		p->headers = grown;
		p->headers_cap = cap;
	}
	p->headers[p->n_headers++] = (struct parse_header){.name = (uint32_t)p->text_len};
	return 0;
}

/* The name of a header comes in as many parts as there were reads; value 0 marks it unfinished. */
static int
on_header_field(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *p = parse_of(parser);

	if (count_head(p, len, 431) != 0)
		return -1;
	if (p->in_trailer)
		return 0;
	if ((p->n_headers == 0 || last_header(p)->value != 0) && add_header(p) != 0)
		return -1;
	return add_text(p, at, len);
}

static bool
name_is(const struct parse *p, const struct parse_header *h, const char *name, size_t len)
{
	return h->name_len == len && strncasecmp(p->text + h->name, name, len) == 0;
}

static int
on_header_field_complete(llhttp_t *parser)
{
	struct parse *p = parse_of(parser);
	struct parse_header *h;

	if (p->in_trailer)
		return 0;
	if (p->n_headers == 0 || last_header(p)->value != 0)
		return refuse(p, 400); /* no name at all */
	h = last_header(p);
	h->name_len = (uint32_t)(p->text_len - h->name);
	if (!parse_is_token(p->text + h->name, h->name_len))
		return refuse(p, 400);
	if (add_text(p, "", 1) != 0)
		return -1;
	h->value = (uint32_t)p->text_len;
	if (name_is(p, h, "host", 4) && p->hosts < 2)
		p->hosts++;
	if (name_is(p, h, "transfer-encoding", 17) && p->codings < 2)
		p->codings++;
	return 0;
}

static int
on_header_value(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *p = parse_of(parser);

	if (count_head(p, len, 431) != 0)
		return -1;
	return p->in_trailer ? 0 : add_text(p, at, len);
}

static int
on_header_value_complete(llhttp_t *parser)
{
	struct parse *p = parse_of(parser);

	if (count_head(p, HEADER_EXTRA, 431) != 0)
		return -1;
	if (p->in_trailer)
		return 0;
	while (
	    p->text_len > last_header(p)->value && strchr(" \t", p->text[p->text_len - 1]) != NULL)
		p->text_len--;
	return add_text(p, "", 1);
}

/* --- the head is whole ----------------------------------------------------------------------- */

/* "chunked" alone is what we know. A coding besides it would leave us with a body that we cannot
 * read; HTTP/1.0 has no codings, so there two servers would differ about the end of the body. */
static int
check_coding(struct parse *p)
{
	const char *value = parse_header(p, "transfer-encoding");

	if (p->codings == 0)
		return 0;
	if (p->is_http10 || p->codings > 1 || *value == '\0')
		return refuse(p, 400);
	return strcasecmp(value, "chunked") == 0 ? 0 : refuse(p, 501);
}

/* Whoever expects something waits for our word, but not who has nothing to send and not HTTP/1.0,
 * which does not know the word. */
static int
check_expectation(struct parse *p, bool has_body)
{
	const char *value = p->is_http10 ? NULL : parse_header(p, "expect");

	if (value == NULL)
		return 0;
	if (strcasecmp(value, "100-continue") != 0)
		return refuse(p, 417);
	p->wants_continue = has_body;
	return 0;
}

static bool
is_http_method(const llhttp_t *parser)
{
	/* llhttp knows the methods of RTSP and Icecast as well. */
	return parser->method < HTTP_SOURCE;
}

static int
on_headers_complete(llhttp_t *parser)
{
	struct parse *p = parse_of(parser);
	bool has_body = parser->content_length > 0 || (parser->flags & F_CHUNKED) != 0;

	/* We speak no other protocol: whoever asks for an upgrade gets an ordinary answer. */
	parser->upgrade = 0;
	p->in_trailer = true;
	p->is_head = parser->method == HTTP_HEAD;
	p->is_http10 = parser->http_minor == 0;
	if (parser->http_major != 1)
		return refuse(p, 505);
	if (!is_http_method(parser) || p->hosts > 1 || (p->hosts == 0 && !p->is_http10))
		return refuse(p, 400);
	/* Not a proxy; and what follows a CONNECT would be no HTTP. */
	if (parser->method == HTTP_CONNECT)
		return refuse(p, 501);
	if (check_coding(p) != 0)
		return -1;
	/* Said now and not after the body: the client may wait for a 100 or send megabytes. */
	if ((parser->flags & F_CONTENT_LENGTH) && parser->content_length > p->limits->body_max)
		return refuse(p, 413);
	return check_expectation(p, has_body);
}

static int
on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct parse *p = parse_of(parser);

	/* It did not wait for our word. */
	p->wants_continue = false;
	if (len > p->limits->body_max - p->body_len)
		return refuse(p, 413);
	if (!parse_reserve(&p->body, &p->body_cap, p->body_len, len + 1, BODY_FIRST))
		return refuse(p, 503);
	memcpy(p->body + p->body_len, at, len);
	p->body_len += len;
	p->body[p->body_len] = '\0';
	return 0;
}

static int
on_message_complete(llhttp_t *parser)
{
	struct parse *p = parse_of(parser);

	p->complete = true;
	p->wants_continue = false;
	p->keep_alive = llhttp_should_keep_alive(parser) != 0;
	return HPE_PAUSED;
}

/* --- feeding --------------------------------------------------------------------------------- */

/* The same for everybody, and several threads may have a server: so it is not filled in later. */
static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void
parse_start(struct parse *p, const struct parse_limits *limits)
{
	llhttp_init(&p->parser, HTTP_REQUEST, &settings);
	p->parser.data = p;
	p->limits = limits;
	p->text_len = p->body_len = p->n_headers = 0;
	p->head_bytes = 0;
	p->raw_bytes = 0;
	p->status = 0;
	p->hosts = p->codings = 0;
	p->begun = p->complete = p->in_trailer = p->keep_alive = false;
	p->is_head = p->is_http10 = p->wants_continue = false;
}

void
parse_trim(struct parse *p)
{
	if (p->text_cap > TEXT_KEPT) {
		mem_free(p->text);
		p->text = NULL;
		p->text_cap = 0;
	}
	if (p->headers_cap > HEADERS_KEPT) {
		mem_free(p->headers);
		p->headers = NULL;
		p->headers_cap = 0;
	}
	if (p->body_cap > BODY_KEPT) {
		mem_free(p->body);
		p->body = NULL;
		p->body_cap = 0;
	}
}

void
parse_done(struct parse *p)
{
	mem_free(p->text);
	mem_free(p->headers);
	mem_free(p->body);
	memset(p, 0, sizeof *p);
}

static int
status_of_error(llhttp_errno_t e)
{
	return e == HPE_INVALID_VERSION || e == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

enum parse_event
parse_feed(struct parse *p, const char *data, size_t len, size_t *ret_used)
{
	llhttp_errno_t e = llhttp_execute(&p->parser, data, len);

	*ret_used = e == HPE_OK ? len : (size_t)(llhttp_get_error_pos(&p->parser) - data);
	if (e == HPE_PAUSED && p->complete)
		return PARSE_COMPLETE;
	if (e != HPE_OK) {
		(void)refuse(p, status_of_error(e));
		return PARSE_BAD;
	}
	/* Chunk sizes and extensions reach no callback, so they are bounded here. */
	p->raw_bytes += p->begun ? len : 0;
	if (p->raw_bytes / 2 > p->limits->header_max + p->limits->body_max) {
		(void)refuse(p, 413);
		return PARSE_BAD;
	}
	return PARSE_MORE;
}

bool
parse_is_inside(const struct parse *p)
{
	return p->begun && !p->complete;
}

bool
parse_asks_head(const struct parse *p)
{
	return p->begun && p->parser.method == HTTP_HEAD;
}

/* --- looking at it --------------------------------------------------------------------------- */

const char *
parse_method(const struct parse *p)
{
	return llhttp_method_name((llhttp_method_t)p->parser.method);
}

const char *
parse_target(const struct parse *p)
{
	return p->text;
}

const char *
parse_header(const struct parse *p, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < p->n_headers; i++) {
		if (name_is(p, &p->headers[i], name, len))
			return p->text + p->headers[i].value;
	}
	return NULL;
}

static bool
is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool
parse_is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_token_char((unsigned char)s[i]))
			return false;
	}
	return len > 0;
}

bool
parse_is_field_value(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}
