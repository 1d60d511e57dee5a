/*
 * starter: see the header. The lines are JSON objects: {"event":{...}} any number of times, then
 * one with "ready" or "failed".
 */
#include "loop/starter.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "ipc/outq.h"
#include "loop/loop.h"

#define STARTER_QUEUE_BYTES (64 * 1024)

struct starter {
	uv_poll_t poll;
	struct outq queue;
	int fd;
	bool finished; /* the result is queued */
	bool closing;
};

static void
on_closed(uv_handle_t *h)
{
	struct starter *s = h->data;

	outq_done(&s->queue);
	mem_free(s);
}

static void
starter_close(struct loop *l)
{
	struct starter *s = l->starter;

	l->starter = NULL;
	s->closing = true;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	fd_close(&s->fd);
}

/* Writes what goes out without waiting. False: nobody is there any more. */
static bool
flush(struct starter *s)
{
	const char *data;
	size_t len;

	while ((len = outq_peek(&s->queue, &data)) > 0) {
		ssize_t n = write(s->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		outq_advance(&s->queue, (size_t)n);
	}
	return true;
}

static void on_writable(uv_poll_t *h, int status, int events);

static void
go_on(struct loop *l)
{
	struct starter *s = l->starter;

	if (!flush(s) || (outq_is_empty(&s->queue) && s->finished))
		starter_close(l);
	else if (outq_is_empty(&s->queue))
		(void)uv_poll_stop(&s->poll);
	else if (uv_poll_start(&s->poll, UV_WRITABLE, on_writable) != 0)
		starter_close(l);
}

static void
on_writable(uv_poll_t *h, int status, int events)
{
	(void)events;
	if (status < 0)
		starter_close(h->loop->data);
	else
		go_on(h->loop->data);
}

int
starter_init(struct loop *l, int fd)
{
	struct starter *s;
	int r;

	if (fd < 0)
		return 0;
	s = mem_calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	r = fd_set_nonblocking(fd, true);
	if (r == 0)
		r = uv_poll_init(&l->uv, &s->poll, fd);
	if (r < 0) {
		mem_free(s);
		return r;
	}
	s->poll.data = s;
	s->fd = fd;
	outq_init(&s->queue, STARTER_QUEUE_BYTES);
	l->starter = s;
	return 0;
}

/* Steals object. */
static void
put(struct loop *l, json_t *object, bool droppable)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	struct str line = {0};

	json_decref(object);
	if (!text)
		return;
	str_addf(&line, "%s\n", text);
	free(text);
	if (!str_failed(&line))
		(void)outq_push(
		    &l->starter->queue, line.data, line.len, droppable); /* lost = lost */
	str_free(&line);
	go_on(l);
}

static json_t *
failure_to_json(int code, const char *message, const char *last_words)
{
	json_t *o = json_pack("{s:i, s:s}", "failed", code, "message", message);

	if (o && last_words)
		(void)json_object_set_new(o, "last_words", json_string(last_words));
	return o;
}

void
starter_on_event(struct loop *l, const struct journal_event *e)
{
	if (l->starter && !l->starter->finished)
		put(l, json_pack("{s:o}", "event", journal_event_to_json(e)), true);
}

void
starter_on_ready(struct loop *l)
{
	if (!l->starter || l->starter->finished)
		return;
	l->starter->finished = true;
	put(l,
	    json_pack("{s:b, s:i, s:s}", "ready", 1, "pid", (int)getpid(), "name", l->options.name),
	    false);
}

void
starter_on_failed(struct loop *l, int code, const char *message, const char *last_words)
{
	if (!l->starter || l->starter->finished)
		return;
	l->starter->finished = true;
	put(l, failure_to_json(code, message, last_words), false);
}

void
starter_done(struct loop *l)
{
	if (!l->starter)
		return;
	/* What is still queued is the result: the reader is there and waits for nothing else, so
	 * that a blocking write is short. */
	if (fd_set_nonblocking(l->starter->fd, false) == 0 && l->starter->finished)
		(void)flush(l->starter);
	starter_close(l);
}
