/*
 * einhorn: see the header. As Einhorn does, a connection is closed after its command, whatever that
 * was: what operators would say there is said to brood. A worker that connects without an end draws
 * on a bucket of tokens, as with its other sockets.
 */
#include "loop/einhorn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/fd.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "ipc/einhorn.h"
#include "loop/loop.h"
#include "loop/procs.h"
#include "loop/throttle.h"
#include "sys/unixsock.h"

#define CONNECTIONS_MAX 8
#define BACKLOG         16
#define CONNECTION_COST 10 /* tokens: a command is rare */

struct connection {
	struct einhorn *owner;
	uv_poll_t poll;
	int fd;
	size_t len;
	char line[EINHORN_LINE_MAX];
	struct connection *prev, *next;
};

struct einhorn {
	struct throttle throttle;
	uv_poll_t poll;
	struct proc *proc;
	char *path;
	int fd;
	bool closed;
	bool paused; /* until the bucket is full again */
	struct connection *connections;
	unsigned connections_len;
	unsigned handles;
};

bool
einhorn_take(struct proc *p, const char *line, size_t len)
{
	const struct worker *w = core_find_worker(p->loop->core, p->worker);
	struct event ev = {.worker = p->worker};

	if (!w || w->generation->conf->compat != COMPAT_EINHORN)
		return false;
	switch (einhorn_decode(line, len)) {
	case EINHORN_ACK:
		ev.kind = EVENT_READY;
		ev.ready.by = READY_BY_CHANNEL;
		break;
	case EINHORN_PING:
		ev.kind = EVENT_ALIVE;
		break;
	case EINHORN_OTHER:
		return false;
	}
	loop_step(p->loop, &ev);
	return true;
}

/* --- one connection ------------------------------------------------------------------------ */

static void on_client(uv_poll_t *h, int status, int events);
static void watch(struct einhorn *e);

static void
release(struct einhorn *e)
{
	if (--e->handles == 0)
		mem_free(e);
}

static void
on_connection_closed(uv_handle_t *h)
{
	struct connection *c = h->data;
	struct einhorn *e = c->owner;

	mem_free(c);
	release(e);
}

static void
hang_up(struct connection *c)
{
	struct einhorn *e = c->owner;

	DL_DELETE(e->connections, c);
	e->connections_len--;
	uv_close((uv_handle_t *)&c->poll, on_connection_closed);
	fd_close(&c->fd);
	watch(e);
}

/* False: there is nothing more to read, now or ever. */
static bool
read_command(struct connection *c)
{
	struct proc *p = c->owner->proc;
	ssize_t n;
	char *end;

	do {
		n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	end = n > 0 ? memchr(c->line + c->len, '\n', (size_t)n) : NULL;
	c->len += n > 0 ? (size_t)n : 0;
	if (n > 0 && !end && c->len < sizeof(c->line))
		return true;
	p->report.messages_in += c->len > 0;
	if (c->len > 0 && (!end || !einhorn_take(p, c->line, (size_t)(end - c->line))))
		p->report.messages_skipped++;
	hang_up(c);
	return false;
}

static void
on_client(uv_poll_t *h, int status, int events)
{
	struct connection *c = h->data;

	(void)events;
	if (status < 0)
		hang_up(c);
	else
		(void)read_command(c);
}

static struct connection *
connection_new(struct einhorn *e, int fd)
{
	struct connection *c = mem_calloc(1, sizeof(*c));

	if (!c || uv_poll_init(&e->proc->loop->uv, &c->poll, fd) < 0) {
		mem_free(c);
		fd_close(&fd);
		return NULL;
	}
	c->owner = e;
	c->fd = fd;
	c->poll.data = c;
	e->handles++;
	e->connections_len++;
	DL_APPEND(e->connections, c);
	(void)uv_poll_start(&c->poll, UV_READABLE, on_client); /* else its end tells nobody */
	return c;
}

/* --- all of them --------------------------------------------------------------------------- */

/* False: nobody waits, or there is no room. */
static bool
accept_one(struct einhorn *e, bool *ret_trouble)
{
	struct connection *c;
	int fd;

	if (e->connections_len >= CONNECTIONS_MAX)
		return false;
	do {
		fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	*ret_trouble = fd < 0 && errno != EAGAIN;
	c = fd >= 0 ? connection_new(e, fd) : NULL;
	if (!c)
		return false;
	/* Most have written by now. */
	while (read_command(c))
		;
	return true;
}

static void on_listener(uv_poll_t *h, int status, int events);

/* Listens while there is room and it may. */
static void
watch(struct einhorn *e)
{
	if (e->closed)
		return;
	if (e->connections_len < CONNECTIONS_MAX && !e->paused)
		(void)uv_poll_start(&e->poll, UV_READABLE, on_listener);
	else
		(void)uv_poll_stop(&e->poll);
}

static void
on_listener(uv_poll_t *h, int status, int events)
{
	struct einhorn *e = h->data;
	bool trouble = status < 0;

	(void)events;
	if (!trouble)
		(void)accept_one(e, &trouble);
	/* Out of descriptors or memory, it would be readable for ever. */
	if (!e->closed &&
	    !throttle_take(&e->throttle, trouble ? 2 * THROTTLE_BURST : CONNECTION_COST))
		e->paused = true;
	watch(e);
}

static void
on_refilled(void *arg)
{
	struct einhorn *e = arg;

	e->paused = false;
	watch(e);
}

static void
on_closed(uv_handle_t *h)
{
	release(h->data);
}

int
einhorn_open(struct proc *p, char *path, uid_t uid, gid_t gid, struct einhorn **ret)
{
	const struct unixsock_spec spec = {.path = path,
	    .type = SOCK_STREAM | SOCK_NONBLOCK,
	    .mode = 0600,
	    .uid = uid,
	    .gid = gid};
	struct einhorn *e = mem_calloc(1, sizeof(*e));
	int r = e ? unixsock_bind(&spec, NULL) : -ENOMEM;

	if (r < 0) {
		free(path);
		mem_free(e);
		return r;
	}
	e->fd = r;
	r = listen(e->fd, BACKLOG) < 0 ? -errno : uv_poll_init(&p->loop->uv, &e->poll, e->fd);
	if (r < 0) {
		fd_close(&e->fd);
		(void)unlink(path); /* gone already is fine */
		free(path);
		mem_free(e);
		return r;
	}
	e->proc = p;
	e->path = path;
	(void)throttle_init(&e->throttle, &p->loop->uv, on_refilled, e); /* cannot fail */
	e->poll.data = e->throttle.timer.data = e;
	e->handles = 2;
	watch(e);
	*ret = e;
	return 0;
}

const char *
einhorn_path(const struct einhorn *e)
{
	return e ? e->path : NULL;
}

void
einhorn_drain(struct einhorn *e)
{
	struct connection *c, *next;
	bool trouble;

	if (!e || e->closed)
		return;
	DL_FOREACH_SAFE (e->connections, c, next) {
		while (read_command(c))
			;
	}
	for (int i = 0; i < BACKLOG && accept_one(e, &trouble); i++)
		;
}

void
einhorn_close(struct einhorn *e)
{
	struct connection *c, *next;

	if (!e || e->closed)
		return;
	e->closed = true;
	DL_FOREACH_SAFE (e->connections, c, next)
		hang_up(c);
	uv_close((uv_handle_t *)&e->poll, on_closed);
	throttle_close(&e->throttle, on_closed);
	fd_close(&e->fd);
	(void)unlink(e->path); /* gone already is fine */
	free(e->path);
	e->path = NULL;
}
