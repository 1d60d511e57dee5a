/*
 * client: see client.h. A client is foreign: it may send anything, one byte at a time, and may
 * never read. It is bounded in memory (K3, K4) and in time (K2), and it can't hold the loop up.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "ipc/msg.h"
#include "loop/client.h"
#include "loop/loop.h"

#define OUT_KEEP_BYTES 4096 /* an idle client keeps no more memory than this */

static void on_ready(uv_poll_t *poll, int status, int events);

bool
client_is_idle(const struct client *c)
{
	return !c->waiters && !c->asks && !c->logs.on && !c->events.on;
}

/* Before the loop sleeps: all that this turn appended goes out in one piece. */
static void
on_flush(uv_prepare_t *prepare)
{
	(void)uv_prepare_stop(prepare);
	clients_flush(prepare->data);
}

void
client_touch(struct client *c)
{
	c->touched = true;
	(void)uv_prepare_start(&c->control->flush, on_flush);
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	struct control *ctl = c->control;

	if (--c->handles == 0)
		mem_free(c);
	control_handle_closed(ctl);
}

void
client_close(struct client *c)
{
	struct control *ctl = c->control;

	if (c->fd < 0)
		return;
	DL_DELETE(ctl->clients, c);
	ctl->clients_len--;
	waiters_free(c);
	asks_free(c);
	c->logs.on = c->events.on = false;
	follow_update_watch(ctl);
	frame_reader_done(&c->reader);
	str_free(&c->out);
	uv_close((uv_handle_t *)&c->poll, on_handle_closed);
	uv_close((uv_handle_t *)&c->deadline, on_handle_closed);
	fd_close(&c->fd);
}

/* Nobody may take longer than this over a request, or over reading why it is closed. */
static void
on_deadline(uv_timer_t *timer)
{
	struct client *c = timer->data;

	if (c->ending) {
		client_close(c);
		return;
	}
	rpc_add_error(
	    &c->out, json_null(), RPC_INVALID_REQUEST, "the request was not finished in 5 s", NULL);
	c->ending = true;
	client_touch(c);
}

/* Says what is wrong with the stream itself; after that there is nothing to talk about. */
static void
client_end_with(struct client *c, int code, const char *message)
{
	rpc_add_error(&c->out, json_null(), code, message, NULL);
	c->ending = true;
}

static bool
on_frame(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	struct client *c = arg;
	json_t *request;

	c->active_us = clock_now_us();
	if (kind == FRAME_TOO_LONG) {
		client_end_with(c, RPC_INVALID_REQUEST, "the request is longer than 64 KiB");
		return false;
	}
	if (len == 0 || (len == 1 && data[0] == '\r'))
		return true;
	if (frame_json_depth(data, len, MSG_DEPTH_MAX) > MSG_DEPTH_MAX) {
		client_end_with(c, RPC_INVALID_REQUEST, "the request is nested too deeply");
		return false;
	}
	request = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	if (!request) {
		client_end_with(c, RPC_PARSE_ERROR, "the line is no JSON object");
		return false;
	}
	request_handle(c, request);
	json_decref(request);
	return !c->ending && c->out.len <= CLIENT_OUT_BYTES;
}

/* A request that was begun has to be finished in time; the clock starts with its first byte. */
static void
client_watch_deadline(struct client *c, bool was_open, uint64_t active_before_us)
{
	bool is_open = c->reader.len > 0 || c->reader.skipping;

	if (!is_open)
		(void)uv_timer_stop(&c->deadline);
	else if (!was_open || c->active_us != active_before_us)
		(void)uv_timer_start(&c->deadline, on_deadline, CLIENT_DEADLINE_MS, 0);
}

/* A client that hangs up without waiting for anything is gone; one that only stopped talking
 * gets what it waits for. To follow, it has to stay. */
static void
client_on_eof(struct client *c)
{
	c->eof = true;
	(void)uv_timer_stop(&c->deadline);
	if (c->logs.on || c->events.on)
		client_close(c);
	else
		client_touch(c);
}

static void
client_read(struct client *c)
{
	bool was_open = c->reader.len > 0 || c->reader.skipping;
	uint64_t active_us = c->active_us;
	char *chunk = c->control->chunk;
	ssize_t n;
	int err;

	do {
		n = recv(c->fd, chunk, CLIENT_CHUNK_BYTES, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		client_close(c);
	else if (n == 0)
		client_on_eof(c);
	if (n <= 0)
		return;
	err = frame_reader_feed(&c->reader, chunk, (size_t)n, on_frame, c);
	if (err == -ENOMEM)
		client_end_with(c, RPC_INTERNAL, "out of memory");
	client_watch_deadline(c, was_open, active_us);
	client_touch(c);
}

static void
client_update_poll(struct client *c)
{
	int events = 0;

	if (!c->eof && !c->ending)
		events |= UV_READABLE;
	if (c->out.len > 0)
		events |= UV_WRITABLE;
	if (events != 0)
		(void)uv_poll_start(&c->poll, events, on_ready);
	else
		(void)uv_poll_stop(&c->poll);
}

/* False: the client is gone. */
static bool
client_write(struct client *c)
{
	size_t written = 0;
	ssize_t n;

	while (written < c->out.len) {
		n = send(c->fd, c->out.data + written, c->out.len - written,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		written += (size_t)n;
	}
	if (written > 0)
		str_consume(&c->out, written);
	if (c->out.len == 0 && c->out.cap > OUT_KEEP_BYTES) {
		/* A large answer was a tree of small pieces, which left holes all over the heap. */
		str_free(&c->out);
		(void)malloc_trim(0);
	}
	return true;
}

static void
client_flush(struct client *c)
{
	c->touched = false;
	/* An answer that memory was short for can't be left out: requests would never end. */
	if (str_failed(&c->out) || !client_write(c) || c->out.len > CLIENT_OUT_BYTES) {
		client_close(c);
		return;
	}
	if (c->out.len == 0 && (c->ending || (c->eof && client_is_idle(c)))) {
		client_close(c);
		return;
	}
	follow_tell_lost(c);
	if (c->ending && !uv_is_active((uv_handle_t *)&c->deadline))
		(void)uv_timer_start(&c->deadline, on_deadline, CLIENT_DEADLINE_MS, 0);
	client_update_poll(c);
}

void
clients_flush(struct control *ctl)
{
	struct client *c, *next;

	DL_FOREACH_SAFE(ctl->clients, c, next)
	if (c->touched)
		client_flush(c);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;

	if (events & UV_WRITABLE)
		client_touch(c);
	if (status < 0 || (events & UV_READABLE))
		client_read(c);
	if (status < 0)
		client_close(c);
}

void
client_open(struct control *ctl, int fd, enum ctl_role role)
{
	struct client *c = mem_calloc(1, sizeof(*c));

	if (!c || uv_poll_init(&ctl->loop->uv, &c->poll, fd) < 0) {
		mem_free(c);
		fd_close(&fd);
		return;
	}
	(void)uv_timer_init(&ctl->loop->uv, &c->deadline);
	c->control = ctl;
	c->poll.data = c->deadline.data = c;
	c->handles = 2;
	ctl->handles += 2;
	c->fd = fd;
	c->role = role;
	c->active_us = clock_now_us();
	frame_reader_init(&c->reader, RPC_REQUEST_MAX);
	DL_APPEND(ctl->clients, c);
	ctl->clients_len++;
	client_update_poll(c);
}
