/*
 * server: see server.h. Listeners are polled and accepted by hand: uv_listen() would call
 * listen() again and so change the backlog of a socket that belongs to the master, and it
 * accepts all that is queued, while one connection a wake leaves the rest to idle siblings.
 */
#include "hello/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hello/conn.h"

#define CONNS_MAX      10000
#define FDS_RESERVED   32
#define PAUSE_MS       100
#define ACCEPT_ALL_MAX 65536

static void on_deadline(uv_timer_t *timer);
static void on_readable(uv_poll_t *poll, int status, int events);

static void
set_polling(struct server *s, bool on)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		struct listener *l = &s->listeners[i];

		if (!l->is_open)
			continue;
		if (on)
			(void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
		else
			(void)uv_poll_stop(&l->poll);
	}
}

/* A listener that stays readable while we cannot take anything from it would spin the loop, so
 * it is left alone for a moment; other workers take the connection meanwhile. */
void
server_pause(struct server *s)
{
	if (s->is_paused || server_is_draining(s))
		return;
	s->is_paused = true;
	set_polling(s, false);
	(void)uv_timer_start(&s->deadline, on_deadline, PAUSE_MS, 0);
}

static void
resume_accepting(struct server *s)
{
	if (!s->is_paused || server_is_draining(s) || s->n_conns >= s->max_conns)
		return;
	s->is_paused = false;
	(void)uv_timer_stop(&s->deadline);
	set_polling(s, true);
}

static bool
is_out_of_something(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM;
}

bool
server_accept(struct server *s, const struct listener_fd *source)
{
	int fd;

	if (s->n_conns >= s->max_conns) {
		server_pause(s);
		return false;
	}
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		(void)conn_open(s, fd, source->is_unix, source->name);
		s->on_accepted(s);
		return true;
	}
	if (is_out_of_something(errno))
		server_pause(s);
	/* The client of an aborted connection is gone, those behind it are not. EAGAIN: another
	 * worker was faster. EINVAL: it was shut down, and the master has it listen again. */
	return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

bool
server_is_open(const struct server *s)
{
	return !s->is_paused && !server_is_draining(s);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)events;
	if (status < 0)
		server_pause(l->server);
	else
		(void)server_accept(l->server, l->source);
}

static int
open_listener(struct server *s, const struct listener_fd *source)
{
	struct listener *l = &s->listeners[s->n_listeners];
	int r;

	r = uv_poll_init(s->loop, &l->poll, source->fd);
	if (r < 0)
		return r;
	l->server = s;
	l->source = source;
	l->poll.data = l;
	l->is_open = true;
	s->n_listeners++;
	return uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static unsigned
connection_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur > CONNS_MAX + FDS_RESERVED)
		return CONNS_MAX;
	return files.rlim_cur > FDS_RESERVED * 2 ? (unsigned)files.rlim_cur - FDS_RESERVED
	                                         : FDS_RESERVED;
}

void
server_start(struct server *s)
{
	s->started_ms = uv_now(s->loop);
	s->max_conns = connection_limit();
	(void)uv_timer_init(s->loop, &s->deadline);
	s->deadline.data = s;
}

void
server_reserve(struct server *s, size_t n)
{
	s->max_conns = s->max_conns > n + FDS_RESERVED ? s->max_conns - (unsigned)n : FDS_RESERVED;
}

int
server_watch(struct server *s, const struct listener_set *set)
{
	int r = 0;

	s->listeners = calloc(set->n, sizeof *s->listeners);
	if (s->listeners == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < set->n && r == 0; i++)
		r = open_listener(s, &set->at[i]);
	return r;
}

void
server_unwatch(struct server *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		struct listener *l = &s->listeners[i];

		if (!l->is_open || l->source->is_own)
			continue;
		l->is_open = false;
		uv_close((uv_handle_t *)&l->poll, NULL);
	}
}

bool
server_is_draining(const struct server *s)
{
	return s->drain_until_ms > 0;
}

/* Only what nobody else holds is emptied and closed. A path in the file system that we bound
 * goes with it. */
static void
let_go(struct listener *l)
{
	if (!l->is_open)
		return;
	if (l->source->is_own) {
		for (int i = 0; i < ACCEPT_ALL_MAX && server_accept(l->server, l->source); i++)
			;
	}
	l->is_open = false;
	uv_close((uv_handle_t *)&l->poll, NULL);
	if (!l->source->is_own)
		return;
	close(l->source->fd);
	if (strncmp(l->source->name, "unix:", 5) == 0)
		(void)unlink(l->source->name + 5);
}

static void
finish(struct server *s)
{
	if (s->is_done)
		return;
	s->is_done = true;
	uv_close((uv_handle_t *)&s->deadline, NULL);
	s->on_done(s);
}

void
server_drain(struct server *s, uint64_t deadline_ms)
{
	uint64_t until = uv_now(s->loop) + deadline_ms + 1;
	bool is_first = !server_is_draining(s);

	if (s->is_done || (!is_first && until >= s->drain_until_ms))
		return;
	s->drain_until_ms = until;
	(void)uv_timer_start(&s->deadline, on_deadline, deadline_ms, 0);
	if (!is_first)
		return;
	for (size_t i = 0; i < s->n_listeners; i++)
		let_go(&s->listeners[i]);
	for (struct conn *c = s->conns; c != NULL; c = conn_next(c))
		conn_drain(c);
	if (s->n_conns == 0)
		finish(s);
}

static void
on_deadline(uv_timer_t *timer)
{
	struct server *s = timer->data;

	if (!server_is_draining(s)) {
		resume_accepting(s);
		if (s->is_paused)
			(void)uv_timer_start(timer, on_deadline, PAUSE_MS, 0);
		return;
	}
	fprintf(stderr, "brood-hello: drain deadline passed, closing %u connections\n", s->n_conns);
	while (s->conns != NULL)
		conn_close(s->conns);
}

void
server_forget(struct server *s)
{
	s->n_conns--;
	resume_accepting(s);
	if (server_is_draining(s) && s->n_conns == 0)
		finish(s);
}
