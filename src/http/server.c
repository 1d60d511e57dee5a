/*
 * server: see server.h.
 */
#include "http/server.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/conn.h"
#include "http/request.h"

#define HEADER_MAX_DEFAULT    16384
#define BODY_MAX_DEFAULT      (1u << 20)
#define HEADER_MS_DEFAULT     10000
#define IDLE_MS_DEFAULT       60000
#define DRAIN_IDLE_MS_DEFAULT 5000
#define HEADER_MAX_MOST       (1u << 30) /* places in it are 32 bits */

/* --- made and freed -------------------------------------------------------------------------- */

static void
on_resume(uv_idle_t *idle)
{
	struct brood_http *http = idle->data;

	brood_enter(http->loop);
	conn_resume(http);
	if (http->rests == NULL)
		(void)uv_idle_stop(idle);
	brood_leave(http->loop);
}

static void
set_options(struct brood_http *http, const struct brood_http_options *o)
{
	struct brood_http_options *own = &http->options;

	*own = *o;
	own->header_max = o->header_max > 0 ? o->header_max : HEADER_MAX_DEFAULT;
	if (own->header_max > HEADER_MAX_MOST)
		own->header_max = HEADER_MAX_MOST;
	own->body_max = o->body_max > 0 ? o->body_max : BODY_MAX_DEFAULT;
	own->header_ms = o->header_ms > 0 ? o->header_ms : HEADER_MS_DEFAULT;
	own->idle_ms = o->idle_ms > 0 ? o->idle_ms : IDLE_MS_DEFAULT;
	own->drain_idle_ms = o->drain_idle_ms > 0 ? o->drain_idle_ms : DRAIN_IDLE_MS_DEFAULT;
	http->limits = (struct parse_limits){own->header_max, own->body_max};
}

struct brood_http *
brood_http_new(struct brood_loop *loop, const struct brood_http_options *o)
{
	struct brood_http *http;

	if (o->on_request == NULL) {
		errno = EINVAL;
		return NULL;
	}
	http = mem_calloc(1, sizeof *http);
	if (http == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	http->loop = loop;
	set_options(http, o);
	/* Neither can fail. */
	(void)wheel_open(&http->wheel, loop, conn_on_due);
	(void)uv_idle_init(brood_uv(loop), &http->resume);
	http->resume.data = http;
	http->resume.idle_cb = on_resume;
	http->pins = 3;
	return http;
}

void
server_unpin(struct brood_http *http)
{
	if (--http->pins == 0)
		mem_free(http);
}

static void
on_wheel_closed(uv_handle_t *handle)
{
	struct wheel *w = handle->data;

	server_unpin((struct brood_http *)((char *)w - offsetof(struct brood_http, wheel)));
}

static void
on_resume_closed(uv_handle_t *handle)
{
	server_unpin(handle->data);
}

void
brood_http_free(struct brood_http *http)
{
	struct brood_request *r;

	if (http == NULL)
		return;
	http->is_freed = true;
	while (http->conns != NULL)
		conn_close(http->conns);
	while ((r = http->spares) != NULL) {
		http->spares = r->next;
		request_free(r);
	}
	wheel_close(&http->wheel, on_wheel_closed);
	uv_close((uv_handle_t *)&http->resume, on_resume_closed);
	server_unpin(http);
}

/* --- connections ----------------------------------------------------------------------------- */

void
server_add(struct brood_http *http, struct conn *c)
{
	c->next = http->conns;
	c->prev_next = &http->conns;
	if (c->next != NULL)
		c->next->prev_next = &c->next;
	http->conns = c;
	http->n_conns++;
	http->pins++;
}

static void
tell_closed(struct brood_http *http)
{
	if (http->options.on_closed != NULL)
		http->options.on_closed(1, http->options.data);
}

static void
tell_drained(struct brood_http *http)
{
	if (!http->is_draining || http->is_drained || http->is_freed || http->n_conns > 0)
		return;
	http->is_drained = true;
	if (http->options.on_drained != NULL)
		http->options.on_drained(http->options.data);
}

void
server_forget(struct brood_http *http)
{
	http->n_conns--;
	tell_closed(http);
	tell_drained(http);
}

int
brood_http_serve(struct brood_http *http, int fd)
{
	int r = conn_open(http, fd);

	if (r < 0)
		tell_closed(http);
	return r;
}

void
brood_http_drain(struct brood_http *http)
{
	if (http->is_draining)
		return;
	http->is_draining = true;
	for (struct conn *c = http->conns; c != NULL; c = c->next)
		conn_drain(c);
	tell_drained(http);
}

/* --- Date ------------------------------------------------------------------------------------ */

static void
put_two(char *at, int n)
{
	at[0] = (char)('0' + n / 10 % 10);
	at[1] = (char)('0' + n % 10);
}

/* By hand: strftime() would write the days in the program's language. */
static void
write_date(char *date, const struct tm *t)
{
	memcpy(date, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN + 1);
	memcpy(date, &"SunMonTueWedThuFriSat"[t->tm_wday * 3], 3);
	put_two(date + 5, t->tm_mday);
	memcpy(date + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[t->tm_mon * 3], 3);
	put_two(date + 12, (t->tm_year + 1900) / 100);
	put_two(date + 14, t->tm_year % 100);
	put_two(date + 17, t->tm_hour);
	put_two(date + 20, t->tm_min);
	put_two(date + 23, t->tm_sec);
}

const char *
server_date(struct brood_http *http)
{
	time_t now_s = time(NULL);
	struct tm t;

	if (now_s != http->date_s) {
		http->date_s = now_s;
		(void)gmtime_r(&now_s, &t);
		write_date(http->date, &t);
	}
	return http->date;
}
