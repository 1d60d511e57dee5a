/*
 * channel: see channel.h.
 */
#include "hello/channel.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A master that does not read must not make us grow. */
#define QUEUE_MAX 65536
#define READ_MAX  16384

static void on_poll(uv_poll_t *poll, int status, int events);

static void
arm(struct channel *ch)
{
	(void)uv_poll_start(&ch->poll, UV_READABLE | (ch->out_len > 0 ? UV_WRITABLE : 0), on_poll);
}

/* Returns how much of it the socket took. Errors are seen by reading. */
static size_t
send_some(struct channel *ch, const char *data, size_t len)
{
	ssize_t n;

	do {
		n = send(ch->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? (size_t)n : 0;
}

static void
flush(struct channel *ch)
{
	size_t n = send_some(ch, ch->out, ch->out_len);

	ch->out_len -= n;
	memmove(ch->out, ch->out + n, ch->out_len);
	arm(ch);
}

static void
channel_send(struct channel *ch, const char *line)
{
	size_t len = strlen(line), n = 0;
	char *out;

	if (!ch->is_open || ch->out_len + len > QUEUE_MAX)
		return;
	if (ch->out_len == 0)
		n = send_some(ch, line, len);
	if (n == len)
		return;
	out = realloc(ch->out, ch->out_len + len - n);
	if (out == NULL)
		return;
	memcpy(out + ch->out_len, line + n, len - n);
	ch->out = out;
	ch->out_len += len - n;
	arm(ch);
}

static void
answer_ping(struct channel *ch, long long id)
{
	char line[64];

	if (id < 0)
		return;
	snprintf(line, sizeof line, "{\"brood\":\"pong\",\"id\":%lld}\n", id);
	channel_send(ch, line);
}

static void
drop_fds(struct channel *ch)
{
	for (size_t i = 0; i < ch->n_fds; i++) {
		if (ch->fds[i] >= 0)
			close(ch->fds[i]);
	}
	ch->n_fds = 0;
}

static void
handle_line(struct channel *ch)
{
	struct control k = control_scan(ch->line, ch->len);

	switch (k.kind) {
	case CONTROL_PING:
		answer_ping(ch, k.id);
		break;
	case CONTROL_DRAIN:
		ch->on_drain(ch->arg, k.deadline_ms);
		break;
	case CONTROL_RING:
		ch->on_ring(ch->arg, &k, ch->fds, ch->n_fds);
		break;
	case CONTROL_OTHER:
		break;
	}
}

static void
take_bytes(struct channel *ch, const char *data, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline != NULL ? (size_t)(newline - data) : len;

		if (ch->len + n > sizeof ch->line)
			ch->is_skipping = true;
		if (!ch->is_skipping) {
			memcpy(ch->line + ch->len, data, n);
			ch->len += n;
		}
		if (newline == NULL)
			return;
		if (!ch->is_skipping)
			handle_line(ch);
		drop_fds(ch);
		if (!ch->is_open)
			return;
		ch->len = 0;
		ch->is_skipping = false;
		data += n + 1;
		len -= n + 1;
	}
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

static ssize_t
receive(int fd, char *data, struct msghdr *m)
{
	static union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
	} control;
	static struct iovec part;
	ssize_t n;

	do {
		part = (struct iovec){data, READ_MAX};
		*m = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
		m->msg_controllen = sizeof control;
		n = recvmsg(fd, m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	return n;
}

static void
read_some(struct channel *ch)
{
	static char data[READ_MAX];
	struct msghdr m;
	ssize_t n = receive(ch->fd, data, &m);
	size_t begin = 0;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		channel_close(ch);
		ch->on_gone(ch->arg);
		return;
	}
	if (m.msg_controllen > 0) {
		begin = last_line(data, (size_t)n);
		take_bytes(ch, data, begin);
		take_fds(ch, &m);
	}
	take_bytes(ch, data + begin, (size_t)n - begin);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel *ch = poll->data;

	if (status >= 0 && (events & UV_WRITABLE) != 0)
		flush(ch);
	if (status < 0 || (events & UV_READABLE) != 0)
		read_some(ch);
}

static bool
parse_fd(const char *text, int *ret_fd)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (end == text || *end != '\0' || fd < 0 || fd > 1 << 20)
		return false;
	*ret_fd = (int)fd;
	return true;
}

int
channel_open(struct channel *ch, uv_loop_t *loop)
{
	const char *text = getenv("BROOD_CHANNEL_FD");
	int fd, r, type;
	socklen_t len = sizeof type;

	if (text == NULL || *text == '\0')
		return 0;
	if (!parse_fd(text, &fd))
		return -EINVAL;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != SOCK_STREAM)
		return -EPROTOTYPE;
	r = uv_poll_init(loop, &ch->poll, fd);
	if (r < 0)
		return r;
	ch->fd = fd;
	ch->poll.data = ch;
	ch->is_open = true;
	arm(ch);
	return 0;
}

void
channel_close(struct channel *ch)
{
	if (!ch->is_open)
		return;
	ch->is_open = false;
	uv_close((uv_handle_t *)&ch->poll, NULL);
	close(ch->fd);
	drop_fds(ch);
	free(ch->out);
	ch->out = NULL;
	ch->out_len = 0;
}

/* Not waited for: a manager that does not read its socket must not hold up a worker. */
static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len > sizeof to.sun_path)
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void
channel_say_ready(struct channel *ch)
{
	if (ch->is_open)
		channel_send(ch, "{\"brood\":\"ready\"}\n");
	else
		notify("READY=1");
}

void
channel_say_stopping(struct channel *ch)
{
	if (ch->is_open)
		channel_send(ch, "{\"brood\":\"stopping\"}\n");
	else
		notify("STOPPING=1");
}

void
channel_ask_ring(struct channel *ch)
{
	channel_send(ch, "{\"brood\":\"ring\"}\n");
}

void
channel_say_beat(struct channel *ch, const struct channel_beat *beat)
{
	char line[256], lag[48] = "";

	if (beat->has_lag)
		snprintf(lag, sizeof lag, "\"lag_us\":%llu,", (unsigned long long)beat->lag_us);
	snprintf(line, sizeof line,
	    "{\"brood\":\"beat\",%s\"conns\":%u,\"requests\":%llu,\"stolen\":%llu}\n", lag,
	    beat->conns, (unsigned long long)beat->requests, (unsigned long long)beat->stolen);
	channel_send(ch, line);
}
