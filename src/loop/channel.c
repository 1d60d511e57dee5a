/*
 * channel: see the header.
 *
 * One turn reads at most one portion; each frame draws tokens, long ones more, so that neither a
 * flood of small frames nor one of large ones holds the master up (W4). What the worker says is
 * copied into plain fields by ipc/msg and never kept as it came.
 *
 * Of a worker of Node's each frame is offered to node.c first; what is left is what its program
 * sent, and is taken as from any other.
 *
 * Descriptors leave with the first byte of their line, so that the worker knows whose they are.
 * What can be sent at once is sent from the caller's descriptors; only what has to wait is copied.
 */
#include "loop/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "core/cluster.h"
#include "ipc/frame.h"
#include "ipc/msg.h"
#include "ipc/node.h"
#include "ipc/outq.h"
#include "loop/dispatch.h"
#include "loop/einhorn.h"
#include "loop/loop.h"
#include "loop/node.h"
#include "loop/procs.h"
#include "loop/throttle.h"

#define CHANNEL_READ_BYTES   (16 * 1024)
#define CHANNEL_DRAIN_READS  32
#define CHANNEL_TOKEN_BYTES  4096 /* a frame costs one token, and one more for each of these */
#define CHANNEL_CONTROL_HEAD "{\"brood\""
#define CHANNEL_FDS_MAX      8192 /* descriptors that wait for one worker to read */
#define CHANNEL_RETRY_MS     20
#define CHANNEL_TAKE_FDS     16 /* descriptors of one read: what the kernel has beyond, it closes */

/* Descriptors on their way to the worker. */
struct parcel {
	unsigned *waiting; /* sum over all parcels of the channel */
	unsigned len;
	bool copied; /* ours to close */
	int fds[];
};

struct channel {
	struct throttle throttle;
	uv_poll_t poll;
	struct proc *proc;
	int fd;
	struct frame_reader reader;
	size_t message_max;
	struct outq queue;
	uv_timer_t retry; /* the system takes no more descriptors for the moment */
	unsigned waiting_fds;
	bool speaks;
	bool paused; /* out of tokens: not read */
	bool ended; /* the worker closed its end */
	bool closed;
	bool has_ring; /* descriptors were sent that are no connections */
	unsigned handles;
	unsigned cost; /* tokens for the frames of this read */
	uint64_t last_ping;
};

static void on_poll(uv_poll_t *h, int status, int events);

static void
on_closed(uv_handle_t *h)
{
	struct channel *c = h->data;

	if (--c->handles > 0)
		return;
	frame_reader_done(&c->reader);
	outq_done(&c->queue);
	mem_free(c);
}

/* Listens for what is wanted now. */
static void
arm(struct channel *c)
{
	int events = 0;

	if (c->closed || c->ended)
		return;
	if (!c->paused)
		events |= UV_READABLE;
	if (!outq_is_empty(&c->queue) && !uv_is_active((uv_handle_t *)&c->retry))
		events |= UV_WRITABLE;
	if (events)
		(void)uv_poll_start(&c->poll, events, on_poll); /* epoll_ctl is done later */
	else
		(void)uv_poll_stop(&c->poll);
}

static void
on_refilled(void *arg)
{
	struct channel *c = arg;

	c->paused = false;
	arm(c);
}

static ssize_t
send_parcel(int fd, const char *data, size_t len, const struct parcel *parcel)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_PARCEL_MAX)];
	} control;
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
	struct cmsghdr *head;

	memset(&control, 0, sizeof(control));
	m.msg_controllen = CMSG_SPACE(sizeof(int) * parcel->len);
	head = CMSG_FIRSTHDR(&m);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int) * parcel->len);
	memcpy(CMSG_DATA(head), parcel->fds, sizeof(int) * parcel->len);
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_retry(uv_timer_t *h);

/* Writes what goes out without waiting. */
static void
flush(struct channel *c)
{
	const char *data;
	size_t len;

	while (!c->closed && (len = outq_peek(&c->queue, &data)) > 0) {
		const struct parcel *parcel = outq_rider(&c->queue);
		ssize_t n = parcel ? send_parcel(c->fd, data, len, parcel)
		                   : send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* Too many descriptors under way, or no memory: nothing tells when it is over. */
		if (n < 0 && (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM))
			(void)uv_timer_start(&c->retry, on_retry, CHANNEL_RETRY_MS, 0);
		if (n < 0)
			break; /* EAGAIN: poll tells; anything else: reading will find the end */
		outq_advance(&c->queue, (size_t)n);
	}
}

static void
on_retry(uv_timer_t *h)
{
	struct channel *c = h->data;

	flush(c);
	arm(c);
}

static bool
push(struct channel *c, struct str *line, bool droppable)
{
	int r = -ENOMEM;

	if (!str_failed(line) && !c->closed && !c->ended)
		r = outq_push(&c->queue, line->data, line->len, droppable);
	str_free(line);
	if (r < 0)
		return false;
	flush(c);
	arm(c);
	return true;
}

static void
release_parcel(void *arg)
{
	struct parcel *p = arg;

	*p->waiting -= p->len;
	for (unsigned i = 0; p->copied && i < p->len; i++)
		fd_close(&p->fds[i]);
	mem_free(p);
}

/* It has to wait: the caller's descriptors may be gone by then. */
static int
copy_parcel(struct parcel *p)
{
	for (unsigned i = 0; i < p->len; i++) {
		int fd = fcntl(p->fds[i], F_DUPFD_CLOEXEC, 3);
		int r = -errno;

		if (fd < 0) {
			while (i-- > 0)
				fd_close(&p->fds[i]);
			return r;
		}
		p->fds[i] = fd;
	}
	p->copied = true;
	return 0;
}

/* A control line with descriptors, which stay the caller's. now: it does not wait for a worker
 * that does not read, the caller has others. */
static int
push_parcel(struct channel *c, struct str *line, const int *fds, unsigned n, bool now)
{
	size_t size = sizeof(struct parcel) + n * sizeof(*fds);
	struct parcel *p, *left;
	int r = 0;

	if (!c || c->closed || c->ended)
		r = -ENOTCONN;
	else if (n > CHANNEL_PARCEL_MAX || c->waiting_fds + n > CHANNEL_FDS_MAX)
		r = -ENOBUFS;
	else if (now && !outq_is_empty(&c->queue))
		r = -EAGAIN;
	p = r == 0 && !str_failed(line) ? mem_calloc(1, size) : NULL;
	if (!p) {
		str_free(line);
		return r < 0 ? r : -ENOMEM;
	}
	p->waiting = &c->waiting_fds;
	c->waiting_fds += p->len = n;
	memcpy(p->fds, fds, n * sizeof(*fds));
	r = outq_push_rider(&c->queue, line->data, line->len, p, release_parcel);
	str_free(line);
	if (r < 0)
		return r;
	flush(c);
	left = outq_last_rider(&c->queue);
	if (left)
		r = now ? -EAGAIN : copy_parcel(left);
	if (r < 0)
		outq_take_back(&c->queue);
	arm(c);
	return r;
}

bool
channel_send_line(struct channel *c, struct str *line, bool droppable)
{
	if (c)
		return push(c, line, droppable);
	str_free(line);
	return false;
}

int
channel_send_handle(struct channel *c, const struct str *line, int fd)
{
	struct str copy = {0};

	str_add_n(&copy, line->data, line->len);
	return push_parcel(c, &copy, &fd, 1, false);
}

static void
step(struct channel *c, enum event_kind kind, const char *reason)
{
	struct event ev = {.kind = kind, .worker = c->proc->worker};

	if (reason)
		ev.text.reason = reason;
	loop_step(c->proc->loop, &ev);
}

static void
fault(struct channel *c, const char *why)
{
	struct proc *p = c->proc;

	p->report.faults++;
	p->channel = NULL;
	channel_close(c);
	if (p->node)
		node_end(p->node);
	/* The channel is closed; c itself lives until the loop has called back. */
	step(c, EVENT_PROTOCOL_FAULT, why);
}

/* The first control message: from now on the worker may be talked to. */
static void
first_word(struct channel *c)
{
	struct proc *p = c->proc;
	const struct worker *w = core_find_worker(p->loop->core, p->worker);
	struct str line = {0};

	c->speaks = true;
	msg_add_hello(&line, p->app, p->slot, p->generation, w && w->leads);
	(void)push(c, &line, false); /* without memory it stays without a greeting */
	step(c, EVENT_SPOKE, NULL);
}

static void
take_ready(struct channel *c)
{
	struct proc *p = c->proc;
	const struct event ev = {
	    .kind = EVENT_READY,
	    .worker = p->worker,
	    .ready = {.by = READY_BY_CHANNEL},
	};

	loop_step(p->loop, &ev);
}

static void
take_ring(struct proc *p, const struct msg *m)
{
	const struct event ev = {
	    .kind = EVENT_RING,
	    .worker = p->worker,
	    .ring = {.neighbours = m->neighbours},
	};

	loop_step(p->loop, &ev);
}

static void
take_beat(struct worker_report *r, const struct msg *m)
{
	r->has_beat = true;
	r->beat_us = clock_now_us();
	if (m->has_lag)
		r->lag_us = m->lag_us;
	if (m->has_busy)
		r->busy = m->busy;
	if (m->has_conns)
		r->conns = m->conns;
	if (m->has_requests)
		r->requests = m->requests;
	if (m->has_stolen)
		r->stolen = m->stolen;
}

/* "web.2", "web.*", "web", "leader": only inside the sender's own app, since app names are no
 * secret and another app's workers may run as another user. slot -1: all but not_slot. */
static bool
find_target(const struct proc *p, const char *to, int *ret_slot, int *ret_not_slot)
{
	const struct app *a = core_find_app(p->loop->core, p->app);
	size_t len = strlen(p->app);
	uint64_t slot;

	*ret_slot = *ret_not_slot = -1;
	if (strcmp(to, "leader") == 0) {
		if (a && a->leader)
			*ret_slot = (int)a->leader->number;
		return *ret_slot >= 0;
	}
	if (strncmp(to, p->app, len) != 0)
		return false;
	if (to[len] == '\0' || strcmp(to + len, ".*") == 0) {
		*ret_not_slot = (int)p->slot;
		return true;
	}
	if (to[len] != '.' || units_parse_uint(to + len + 1, CONF_WORKERS_MAX, &slot) != 0)
		return false;
	*ret_slot = (int)slot;
	return true;
}

static void
take_send(struct proc *p, const struct msg *m)
{
	int slot, not_slot;
	char from[64];

	snprintf(from, sizeof(from), "%s.%u", p->app, p->slot);
	if (!find_target(p, m->to, &slot, &not_slot))
		return;
	if (!p->node || node_send_fd(p->node, slot, not_slot, from, m->data) < 0)
		(void)channel_send_message(p->loop, p->app, slot, not_slot, from, m->data);
}

static void
take(struct channel *c, const struct msg *m)
{
	struct proc *p = c->proc;

	switch (m->kind) {
	case MSG_APPLICATION:
		p->report.messages_skipped++;
		break;
	case MSG_READY:
	case MSG_READY_BARE:
		take_ready(c);
		break;
	case MSG_BEAT:
		take_beat(&p->report, m);
		break;
	case MSG_STATUS:
		snprintf(p->report.status, sizeof(p->report.status), "%s", m->text);
		break;
	case MSG_METRIC:
		if (!metrics_report(p->loop->metrics, p->app, p->worker, m->metric_name,
		        m->metric_type, m->metric_labels, m->metric_value))
			p->report.messages_skipped++;
		break;
	case MSG_SEND:
		take_send(p, m);
		break;
	case MSG_REPLACE:
		step(c, EVENT_REPLACE, m->text);
		break;
	case MSG_STOPPING:
		step(c, EVENT_STOPPING, NULL);
		break;
	case MSG_PONG:
		dispatch_awake(p->loop, p);
		step(c, EVENT_ALIVE, NULL);
		break;
	case MSG_RING:
		take_ring(p, m);
		break;
	case MSG_TAKE:
		/* One for each connection is not talkative. */
		if (dispatch_take(p->loop, p))
			c->cost--;
		else
			p->report.messages_skipped++;
		break;
	case MSG_UNKNOWN:
		p->report.messages_skipped++;
		break;
	case MSG_FAULT:
		fault(c, m->text);
		break;
	case MSG_KIND_MAX:
		break;
	}
}

static bool
is_control(const struct msg *m)
{
	return m->kind != MSG_APPLICATION && m->kind != MSG_READY_BARE && m->kind != MSG_FAULT;
}

static bool
send_copy(struct channel *c, const char *data, size_t len)
{
	struct str copy = {0};

	str_add_n(&copy, data, len);
	return push(c, &copy, true);
}

/* To whom messages can be sent without its having asked for any: it speaks brood, or it is one of
 * Node's, which has an event for them. */
static bool
takes_messages(const struct proc *p)
{
	return p && p->channel && !p->channel->ended && (p->channel->speaks || p->node);
}

/* relay = all: to all others of the app, also to those that drain, whose clients are still there. What
 * is not JSON would end a Node process. False: it is not for them. */
static bool
relay(struct proc *p, const char *data, size_t len)
{
	const struct worker *w, *next, *from = core_find_worker(p->loop->core, p->worker);
	struct str line = {0};
	struct node_msg m;

	if (!from || from->generation->conf->relay != RELAY_ALL)
		return false;
	node_decode(data, len, false, &m);
	if (m.kind != NODE_USER || !m.well_formed)
		return false;
	node_add_user(&line, data, len);
	HASH_ITER (by_id, p->loop->core->workers, w, next) {
		struct proc *to = w->app == from->app && w != from ? procs_find(p->loop, w->id)
		                                                   : NULL;

		if (takes_messages(to) && !str_failed(&line) &&
		    send_copy(to->channel, line.data, line.len))
			to->report.messages_out++;
	}
	str_free(&line);
	return true;
}

static void
take_frame(struct channel *c, enum frame_kind kind, const char *data, size_t len)
{
	struct msg m;

	if (kind == FRAME_TOO_LONG || len > c->message_max) {
		if (len >= strlen(CHANNEL_CONTROL_HEAD) &&
		    memcmp(data, CHANNEL_CONTROL_HEAD, strlen(CHANNEL_CONTROL_HEAD)) == 0)
			fault(c, "control message longer than message_max");
		else
			c->proc->report.messages_skipped++;
		return;
	}
	msg_decode(data, len, &m);
	if (is_control(&m) && !c->speaks)
		first_word(c);
	if (!c->closed && !(m.kind == MSG_APPLICATION &&
	                      (einhorn_take(c->proc, data, len) || relay(c->proc, data, len))))
		take(c, &m);
	msg_done(&m);
}

static bool
on_frame(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	struct channel *c = arg;
	struct node *node = c->proc->node;
	unsigned cost = 1 + (unsigned)(len / CHANNEL_TOKEN_BYTES);

	c->proc->report.messages_in++;
	if (!node || !node_take(node, kind, &data, &len, &cost))
		take_frame(c, kind, data, len);
	if (node)
		node_drop_fd(node);
	c->cost += cost;
	return !c->closed;
}

/* The worker closed its end. A frame that was not finished is no fault of its own: a worker that
 * is being killed leaves one, too, and its end is on the way. The core gives it a grace. */
static void
take_end(struct channel *c)
{
	bool cut = c->reader.len > 0;

	c->ended = true;
	(void)uv_poll_stop(&c->poll);
	if (cut)
		c->proc->report.faults++;
	if (c->proc->node)
		node_end(c->proc->node);
	if (c->speaks || c->proc->node)
		step(c, EVENT_CHANNEL_CLOSED, NULL);
}

/* Descriptors come with messages of Node's alone; of others they are not even looked at. */
static ssize_t
receive(struct channel *c, char *buf, size_t size)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_TAKE_FDS)];
	} control;
	struct iovec part = {.iov_base = buf, .iov_len = size};
	struct msghdr m = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	ssize_t n;

	if (!c->proc->node)
		return recv(c->fd, buf, size, MSG_DONTWAIT);
	n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	for (struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL; h; h = CMSG_NXTHDR(&m, h)) {
		size_t len = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; h->cmsg_type == SCM_RIGHTS && i < len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			node_add_fd(c->proc->node, fd);
		}
	}
	return n;
}

/* Reads one portion. False: nothing is there, or nothing will come. */
static bool
read_once(struct channel *c)
{
	static char buf[CHANNEL_READ_BYTES]; /* one thread, never used across a return */
	ssize_t n;

	do {
		n = receive(c, buf, sizeof(buf));
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n <= 0) {
		take_end(c);
		return false;
	}
	c->cost = 0;
	(void)frame_reader_feed(
	    &c->reader, buf, (size_t)n, on_frame, c); /* -ENOMEM: one line lost */
	return !c->closed;
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct channel *c = h->data;

	if (status < 0) {
		take_end(c);
		return;
	}
	if (events & UV_WRITABLE)
		flush(c);
	if ((events & UV_READABLE) && read_once(c) && !throttle_take(&c->throttle, c->cost))
		c->paused = true;
	arm(c);
}

struct channel *
channel_open(struct proc *p, int fd, size_t message_max)
{
	struct channel *c = mem_calloc(1, sizeof(*c));

	if (!c || uv_poll_init(&p->loop->uv, &c->poll, fd) < 0) {
		mem_free(c);
		fd_close(&fd);
		return NULL;
	}
	c->proc = p;
	c->fd = fd;
	c->message_max = message_max;
	frame_reader_init(
	    &c->reader, p->node && message_max < NODE_LINE_MAX ? NODE_LINE_MAX : message_max);
	outq_init(&c->queue, CHANNEL_QUEUE_BYTES + (message_max > CHANNEL_QUEUE_BYTES ? message_max : 0));
	(void)throttle_init(&c->throttle, &p->loop->uv, on_refilled, c); /* cannot fail */
	(void)uv_timer_init(&p->loop->uv, &c->retry); /* cannot fail */
	c->poll.data = c->throttle.timer.data = c->retry.data = c;
	c->handles = 3;
	arm(c);
	return c;
}

void
channel_drain(struct channel *c)
{
	if (!c || c->ended)
		return;
	for (int i = 0; i < CHANNEL_DRAIN_READS && !c->closed; i++)
		if (!read_once(c))
			break;
}

void
channel_close(struct channel *c)
{
	if (!c || c->closed)
		return;
	c->closed = true;
	uv_close((uv_handle_t *)&c->poll, on_closed);
	throttle_close(&c->throttle, on_closed);
	uv_close((uv_handle_t *)&c->retry, on_closed);
	fd_close(&c->fd);
}

void
channel_send_drain(struct channel *c, uint64_t deadline_ms)
{
	struct str line = {0};

	if (c && c->speaks) {
		msg_add_drain(&line, deadline_ms);
		(void)push(c, &line, false); /* lost without memory: the core's deadline goes on */
	}
	if (c && c->proc->node)
		node_drain(c->proc->node);
}

void
channel_send_leader(struct channel *c, bool leads)
{
	struct str line = {0};

	if (!c || !c->speaks)
		return;
	msg_add_leader(&line, leads);
	(void)push(c, &line, false);
}

void
channel_send_ping(struct channel *c)
{
	struct str line = {0};

	if (!c || !c->speaks)
		return;
	msg_add_ping(&line, ++c->last_ping);
	(void)push(c, &line, false); /* without memory it looks as if it had not answered */
}

int
channel_send_ring(struct channel *c, const struct channel_ring *ring)
{
	struct str line = {0};

	if (!c || !c->speaks)
		return -ENOTCONN;
	c->has_ring = true;
	msg_add_ring(&line, ring->names, ring->names_len, ring->own, ring->own_len, ring->more);
	return push_parcel(c, &line, ring->fds, ring->fds_len, false);
}

int
channel_send_connection(struct channel *c, const char *listener, int fd)
{
	struct str line = {0};

	if (!c || !c->speaks)
		return -ENOTCONN;
	msg_add_connection(&line, listener);
	return push_parcel(c, &line, &fd, 1, true);
}

bool
channel_has_unread(const struct channel *c)
{
	int n = 0;

	return ioctl(c->fd, SIOCOUTQ, &n) == 0 && n > 0;
}

/* One piece of what the worker has not read. A descriptor comes with the end of a piece. */
static bool
read_back(int worker_end, char *to, size_t room, size_t *len, int *ret_fd)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = to + *len, .iov_len = room - *len};
	struct msghdr m = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(worker_end, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (n <= 0)
		return false;
	*len += (size_t)n;
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(head), sizeof(*ret_fd));
	return *len < room;
}

/* Removes the line that the descriptor came with. The beginning may be the rest of a line that the
 * worker has begun to read. */
static size_t
cut_connection(char *text, size_t len)
{
	static const char head[] = "{\"brood\":\"connection\"";
	char *line = text, *end;

	while ((end = memchr(line, '\n', len - (size_t)(line - text)))) {
		size_t size = (size_t)(++end - line);

		if ((size >= sizeof(head) && memcmp(line, head, sizeof(head) - 1) == 0) ||
		    node_is_connection(line, size)) {
			memmove(line, end, len - (size_t)(end - text));
			return len - size;
		}
		line = end;
	}
	return len;
}

/* Nobody but us writes to the worker, and nothing is written between reading and writing back: the
 * worker, should it wake up meanwhile, finds all in its order. */
int
channel_recall(struct channel *c, int worker_end)
{
	int unread = 0, fd = -1;
	size_t len = 0;
	char *text;

	if (!outq_is_empty(&c->queue) || c->has_ring || ioctl(worker_end, SIOCINQ, &unread) != 0)
		return -EBUSY;
	if (c->proc->node && !node_may_recall(c->proc->node)) {
		node_recall_waiting(c->proc->node);
		return -EBUSY;
	}
	if (unread <= 0)
		return -ENOENT;
	text = mem_alloc((size_t)unread);
	if (!text)
		return -ENOMEM;
	while (read_back(worker_end, text, (size_t)unread, &len, &fd))
		;
	if (fd >= 0)
		len = cut_connection(text, len);
	/* Without memory the worker misses messages; the connection is worth more. */
	(void)outq_push(&c->queue, text, len, false);
	mem_free(text);
	flush(c);
	if (fd >= 0 && c->proc->node)
		node_recalled(c->proc->node);
	else if (fd >= 0)
		channel_send_ping(c);
	arm(c);
	return fd >= 0 ? fd : -ENOENT;
}

bool
channel_is_addressed(const struct worker *w, int slot, int not_slot)
{
	if (slot >= 0)
		return w && app_find_number(w->app, (unsigned)slot) == w;
	return w && (int)w->number != not_slot;
}

static bool
send_to_worker(struct loop *l, const struct worker *w, const struct str *line)
{
	struct proc *p = procs_find(l, w->id);

	if (!takes_messages(p) || !send_copy(p->channel, line->data, line->len))
		return false;
	p->report.messages_out++;
	return true;
}

unsigned
channel_send_message(
    struct loop *l, const char *app, int slot, int not_slot, const char *from, const json_t *data)
{
	const struct app *a = core_find_app(l->core, app);
	struct str line = {0};
	unsigned sent = 0;

	if (!a)
		return 0;
	msg_add_message(&line, from, data);
	for (unsigned i = 0; i < a->slots_len && !str_failed(&line); i++) {
		const struct worker *w = a->slots[i]->current;

		if (channel_is_addressed(w, slot, not_slot))
			sent += send_to_worker(l, w, &line);
	}
	str_free(&line);
	return sent;
}

uint64_t
channel_dropped(const struct channel *c)
{
	return c ? c->queue.dropped : 0;
}
