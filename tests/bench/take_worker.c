/*
 * take_worker: the least worker for balance = dispatch, to measure what that costs.
 *
 * No loop: it asks the master for a connection, serves one request on it, closes it and asks for
 * the next. While it is inside a request it gets nothing. GET / is answered with its pid and
 * X-Worker, GET /block?ms=N after a sleep, GET /cpu?ms=N after computing for so long. It says ready
 * on the channel, and ends when it is told to drain or the channel ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "block.h"

#define REQUEST_MAX 2048
#define LINES_MAX   65536

static int channel;

static void
say(const char *line)
{
	if (send(channel, line, strlen(line), MSG_NOSIGNAL) < 0)
		exit(0);
}

static void
serve(int fd)
{
	struct timeval patience = {.tv_sec = 5};
	char buf[REQUEST_MAX] = "", body[16], text[160];
	size_t len = 0;
	ssize_t n;
	int size;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	do {
		n = recv(fd, buf + len, sizeof buf - 1 - len, 0);
		/* With a timeout set, a stop and a continue are enough for that. */
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			close(fd);
			return;
		}
		len += (size_t)n;
		buf[len] = '\0';
	} while (strstr(buf, "\r\n\r\n") == NULL && len < sizeof buf - 1);
	block_if_asked(buf);
	size = snprintf(body, sizeof body, "%d\n", (int)getpid());
	size = snprintf(text, sizeof text,
	    "HTTP/1.1 200 OK\r\nX-Worker: %d\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
	    (int)getpid(), size, body);
	(void)send(fd, text, (size_t)size, MSG_NOSIGNAL);
	close(fd);
}

/* Reads what is there; the descriptor that comes with a line, or -1. */
static int
read_channel(char *to, size_t room, ssize_t *ret_len)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = to, .iov_len = room};
	struct msghdr m = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control};
	struct cmsghdr *c;
	int fd = -1;

	*ret_len = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
	c = *ret_len > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* One connection is on its way at most, so its line and its descriptor need no matching. */
int
main(void)
{
	static char lines[LINES_MAX];
	const char *number = getenv("BROOD_CHANNEL_FD");
	size_t len = 0;
	ssize_t n;

	if (number == NULL) {
		fputs("take_worker: needs a master\n", stderr);
		return 64;
	}
	channel = atoi(number);
	say("{\"brood\":\"ready\"}\n{\"brood\":\"take\"}\n");
	for (;;) {
		int fd = read_channel(lines + len, sizeof lines - 1 - len, &n);
		char *end;

		if (n <= 0)
			return 0;
		len += (size_t)n;
		lines[len] = '\0';
		if (fd >= 0) {
			serve(fd);
			say("{\"brood\":\"take\"}\n");
		}
		if (strstr(lines, "{\"brood\":\"drain\"") != NULL) {
			say("{\"brood\":\"stopping\"}\n");
			return 0;
		}
		end = strrchr(lines, '\n');
		if (end != NULL) {
			len -= (size_t)(end + 1 - lines);
			memmove(lines, end + 1, len);
		}
	}
}
