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

#include "hello/control.h"

/* A master that does not read must not make us grow. */
#define QUEUE_MAX 65536

struct pending_write {
	uv_write_t req;
	char data[];
};

static void
on_write(uv_write_t *req, int status)
{
	(void)status;
	free(req->data);
}

static void
channel_send(struct channel *ch, const char *line)
{
	uv_buf_t buf = uv_buf_init((char *)line, (unsigned)strlen(line));
	struct pending_write *w;
	int n;

	if (!ch->is_open)
		return;
	n = uv_try_write((uv_stream_t *)&ch->pipe, &buf, 1);
	if (n == (int)buf.len || (n < 0 && n != UV_EAGAIN))
		return;
	n = n < 0 ? 0 : n;
	if (ch->pipe.write_queue_size > QUEUE_MAX)
		return;
	w = malloc(sizeof *w + buf.len);
	if (w == NULL)
		return;
	memcpy(w->data, line + n, buf.len - (size_t)n);
	buf = uv_buf_init(w->data, (unsigned)(buf.len - (size_t)n));
	w->req.data = w;
	if (uv_write(&w->req, (uv_stream_t *)&ch->pipe, &buf, 1, on_write) < 0)
		free(w);
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
handle_line(struct channel *ch)
{
	struct control k = control_scan(ch->line, ch->len);

	if (k.kind == CONTROL_PING)
		answer_ping(ch, k.id);
	else if (k.kind == CONTROL_DRAIN)
		ch->on_drain(ch->arg, k.deadline_ms);
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
		ch->len = 0;
		ch->is_skipping = false;
		data += n + 1;
		len -= n + 1;
	}
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char bytes[CHANNEL_LINE_MAX];

	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(bytes, sizeof bytes);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct channel *ch = stream->data;

	if (n >= 0) {
		take_bytes(ch, buf->base, (size_t)n);
		return;
	}
	channel_close(ch);
	ch->on_gone(ch->arg);
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
	int fd, r;

	if (text == NULL || *text == '\0')
		return 0;
	if (!parse_fd(text, &fd))
		return -EINVAL;
	(void)uv_pipe_init(loop, &ch->pipe, 0);
	ch->pipe.data = ch;
	ch->is_open = true;
	r = uv_pipe_open(&ch->pipe, fd);
	if (r == 0)
		r = uv_read_start((uv_stream_t *)&ch->pipe, on_alloc, on_read);
	if (r < 0)
		channel_close(ch);
	return r;
}

void
channel_close(struct channel *ch)
{
	if (!ch->is_open)
		return;
	ch->is_open = false;
	uv_close((uv_handle_t *)&ch->pipe, NULL);
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
