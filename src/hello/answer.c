/*
 * answer: see answer.h.
 */
#include "hello/answer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hello/http.h"
#include "hello/page.h"
#include "hello/route.h"
#include "hello/server.h"

static const char *
connection_header(const struct answer_to *to)
{
	if (to->is_last)
		return "Connection: close\r\n";
	return to->is_http10 ? "Connection: keep-alive\r\n" : "";
}

static const char *
further_headers(int status)
{
	if (status == 405)
		return "Allow: GET, HEAD\r\n";
	return status == 200 ? "Cache-Control: no-store\r\nVary: Accept\r\n" : "";
}

static void
gather(const struct answer_to *to, int status, const char *type, const char *body, size_t len)
{
	struct server *s = to->server;
	int n;

	n = snprintf(s->out + s->out_len, SERVER_OUT_MAX - s->out_len,
	    "HTTP/1.1 %d %s\r\nX-Worker: %d\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\n%s%s\r\n",
	    status, http_status_text(status), (int)getpid(), type, len, further_headers(status),
	    connection_header(to));
	s->out_len += (size_t)n;
	if (to->is_head)
		return;
	memcpy(s->out + s->out_len, body, len);
	s->out_len += len;
}

void
answer_facts(struct answer_to to)
{
	const struct server *s = to.server;
	struct facts f = {
	    .app = s->app,
	    .listener = *to.listener != '\0' ? to.listener : NULL,
	    .slot = s->slot,
	    .generation = s->generation,
	    .pid = getpid(),
	    .uptime_ms = uv_now(s->loop) - s->started_ms,
	    .requests = s->requests,
	    .connections = s->n_conns,
	    .draining = server_is_draining(s),
	};
	char body[PAGE_MAX];

	if (route_wants_page(to.accept))
		gather(&to, 200, "text/html; charset=utf-8", body, page_html(&f, body));
	else
		gather(&to, 200, "application/json", body, page_json(&f, body));
}

void
answer_text(struct answer_to to, const char *text)
{
	gather(&to, 200, "text/plain", text, strlen(text));
}

void
answer_time(struct answer_to to, const char *what, unsigned ms)
{
	char body[96];

	snprintf(body, sizeof body, "{\"%s_ms\":%u,\"pid\":%d}\n", what, ms, (int)getpid());
	gather(&to, 200, "application/json", body, strlen(body));
}

void
answer_error(struct answer_to to, int status)
{
	char body[128];

	snprintf(body, sizeof body, "{\"status\":%d,\"error\":\"%s\"}\n", status,
	    http_status_text(status));
	gather(&to, status, "application/json", body, strlen(body));
}
