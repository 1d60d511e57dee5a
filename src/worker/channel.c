/*
 * channel: see channel.h.
 */
#include "worker/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "worker/listeners.h"
#include "worker/worker.h"

#define READ_MAX 16384
#define OUT_KEPT 4096 /* memory that stays while nothing waits */

static void on_poll(uv_poll_t *poll, int status, int events);

static void
arm(struct channel *ch)
{
	if (ch->is_open)
		(void)uv_poll_start(
		    &ch->poll, UV_READABLE | (ch->out.len > 0 ? UV_WRITABLE : 0), on_poll);
}

/* --- out ------------------------------------------------------------------------------------- */

/* So that short lines do not lack memory later. */
static int
reserve_out(struct channel *ch)
{
	static const char blank[OUT_KEPT / 2];

	str_add_n(&ch->out, blank, sizeof blank);
	if (str_failed(&ch->out)) {
		ch->out.failed = false;
		return -ENOMEM;
	}
	str_reset(&ch->out);
	return 0;
}

static void
flush(struct channel *ch)
{
	ssize_t n;

	do {
		n = send(ch->fd, ch->out.data, ch->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	/* Errors are seen by reading. */
	if (n > 0)
		str_consume(&ch->out, (size_t)n);
	if (ch->out.len == 0 && ch->out.cap > OUT_KEPT) {
		str_free(&ch->out);
		(void)reserve_out(ch);
	}
}

int
channel_say(struct channel *ch, const char *line, size_t len, bool must)
{
	bool was_idle = ch->out.len == 0;

	if (!ch->is_open)
		return -ENOTCONN;
	if (len > CHANNEL_OUT_MAX + 1)
		return -EMSGSIZE;
	if (!must && ch->out.len + len > CHANNEL_QUEUE_MAX)
		return -EAGAIN;
	/* As a whole or not at all: half a line would spoil the next one. */
	str_add_n(&ch->out, line, len);
	if (str_failed(&ch->out)) {
		ch->out.failed = false;
		return -ENOMEM;
	}
	if (was_idle) {
		flush(ch);
		if (ch->out.len > 0)
			arm(ch);
	}
	return 0;
}

bool
channel_is_idle(const struct channel *ch)
{
	return ch->out.len == 0;
}

/* --- in -------------------------------------------------------------------------------------- */

static void
drop_fds(struct channel *ch)
{
	for (size_t i = 0; i < ch->n_fds; i++)
		fd_close(&ch->fds[i]);
	ch->n_fds = 0;
}

static bool
on_line(void *arg, enum frame_kind kind, const char *line, size_t len)
{
	struct channel *ch = arg;

	if (kind == FRAME_LINE)
		worker_on_frame(ch->worker, line, len, ch->fds, ch->n_fds);
	drop_fds(ch);
	return ch->is_open;
}

/* The kernel ends a read behind the piece that descriptors came with, and a piece begins a line:
 * so they belong to the last line that begins in what was read. */
static size_t
last_line(const char *data, size_t len)
{
	size_t at = len > 0 ? len - 1 : 0;

	while (at > 0 && data[at - 1] != '\n')
		at--;
	return at;
}

static void
take_fds(struct channel *ch, struct msghdr *m)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(m); head != NULL; head = CMSG_NXTHDR(m, head)) {
		size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		drop_fds(ch);
		ch->n_fds = n < CHANNEL_FDS_MAX ? n : CHANNEL_FDS_MAX;
		memcpy(ch->fds, CMSG_DATA(head), ch->n_fds * sizeof(int));
	}
}

static void
take_bytes(struct channel *ch, const char *data, size_t len)
{
	/* Without memory a line is lost: one more that the master never said. */
	if (ch->is_open)
		(void)frame_reader_feed(&ch->reader, data, len, on_line, ch);
}

static void
take_piece(struct channel *ch, const char *data, size_t len, struct msghdr *m)
{
	size_t begin = 0;

	if (m->msg_controllen > 0) {
		begin = last_line(data, len);
		take_bytes(ch, data, begin);
		take_fds(ch, m);
		if (!ch->is_open)
			drop_fds(ch);
	}
	take_bytes(ch, data + begin, len - begin);
}

static void
read_some(struct channel *ch)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	} control;
	char data[READ_MAX];
	struct iovec part = {data, sizeof data};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
	ssize_t n;

	m.msg_controllen = sizeof control;
	n = recvmsg(ch->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		take_piece(ch, data, (size_t)n, &m);
		return;
	}
	channel_close(ch);
	worker_on_gone(ch->worker);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel *ch = poll->data;
	struct brood_loop *loop = ch->worker->loop;

	brood_enter(loop);
	if (status >= 0 && (events & UV_WRITABLE) != 0) {
		flush(ch);
		arm(ch);
	}
	if (status < 0 || (events & UV_READABLE) != 0)
		read_some(ch);
	brood_leave(loop);
}

/* --- life ------------------------------------------------------------------------------------ */

/* A stream socket that is no listener. */
static int
check_fd(int fd)
{
	int type, listens;
	socklen_t len = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	len = sizeof listens;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -errno;
	return type == SOCK_STREAM && !listens ? 0 : -EPROTOTYPE;
}

int
channel_open(struct channel *ch, struct brood_worker *w)
{
	const char *text = getenv("BROOD_CHANNEL_FD");
	uint64_t fd;
	int r;

	ch->worker = w;
	ch->fd = -1;
	if (text == NULL || *text == '\0' || !listeners_are_ours())
		return 0;
	r = units_parse_uint(text, 1 << 20, &fd);
	if (r == 0)
		r = check_fd((int)fd);
	if (r == 0)
		r = reserve_out(ch);
	if (r == 0)
		r = uv_poll_init(brood_uv(w->loop), &ch->poll, (int)fd);
	if (r < 0) {
		str_free(&ch->out);
		return r;
	}
	(void)fd_set_cloexec((int)fd, true);
	frame_reader_init(&ch->reader, CHANNEL_IN_MAX);
	ch->fd = (int)fd;
	ch->poll.data = ch;
	ch->is_open = true;
	arm(ch);
	uv_unref((uv_handle_t *)&ch->poll);
	return 0;
}

void
channel_close(struct channel *ch)
{
	if (!ch->is_open)
		return;
	ch->is_open = false;
	worker_close_handle(ch->worker, (uv_handle_t *)&ch->poll);
	fd_close(&ch->fd);
	drop_fds(ch);
	str_free(&ch->out);
}

/* Not by channel_close(): that may be called for a line that the reader holds. */
void
channel_done(struct channel *ch)
{
	frame_reader_done(&ch->reader);
}
