/*
 * Fuzz target: what a worker makes of what its master says. The input is the stream of the channel;
 * its first byte says how many descriptors come with the beginning (a wait set, then listeners) and
 * in what pieces it comes. Whatever it was, the worker answers a ping behind it, and when it is
 * closed no descriptor is left.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/fd.h"
#include "brood.h"
#include "sendfds.h"
#include "worker/worker.h"

#define TURNS_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int master = -1;
static unsigned leads;

static void
check(bool right, const char *what)
{
	if (!right) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static void
on_connection(struct brood_worker *w, int fd, const char *listener, void *data)
{
	(void)data;
	check(strlen(listener) < LISTENERS_NAME_MAX, "a name is cut");
	close(fd);
	brood_worker_closed(w, 1);
}

static void
on_message(struct brood_worker *w, const char *from, const char *json, size_t len, void *data)
{
	(void)w;
	(void)data;
	check(from != NULL && strlen(json) == len, "a message is text");
	check(memchr(json, '\n', len) == NULL, "it is one line");
}

static void
on_leader(struct brood_worker *w, bool is_leader, void *data)
{
	(void)data;
	check(brood_worker_is_leader(w) == is_leader && is_leader == (leads++ % 2 == 0),
	    "leadership begins and ends by turns");
}

static void
on_idle(uv_idle_t *idle)
{
	(void)idle;
}

static int
new_listener(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 10) == 0, "a listener");
	return fd;
}

/* A turn as brood_run() would have it, also when nothing keeps the loop any more. */
static void
turn(struct brood_loop *loop)
{
	(void)uv_run(brood_uv(loop), UV_RUN_NOWAIT);
}

static void
tell(struct brood_loop *loop, const uint8_t *data, size_t len, size_t piece, const int *fds,
    size_t n)
{
	for (size_t at = 0, turns = 0; at < len; turns++) {
		ssize_t sent = send_fds(master, data + at, piece < len - at ? piece : len - at, fds,
		    n, MSG_DONTWAIT | MSG_NOSIGNAL);

		check(turns < len + TURNS_MAX, "the worker reads on");
		if (sent > 0) {
			at += (size_t)sent;
			n = 0;
		}
		if (sent <= 0 || at % 3 == 0)
			turn(loop);
	}
}

static void
expect_pong(struct brood_loop *loop)
{
	static const char ping[] = "\n{\"brood\":\"ping\",\"id\":4711}\n",
	                  pong[] = "\"id\":4711}\n";
	char said[131072];
	size_t len = 0;

	tell(loop, (const uint8_t *)ping, sizeof ping - 1, sizeof ping, NULL, 0);
	for (int turns = 0; turns < TURNS_MAX; turns++) {
		ssize_t n = recv(master, said + len, sizeof said - 1 - len, MSG_DONTWAIT);

		len += n > 0 ? (size_t)n : 0;
		said[len] = '\0';
		if (strstr(said, pong) != NULL)
			return;
		if (len > sizeof said / 2)
			len = 0;
		turn(loop);
	}
	check(false, "a ping is answered");
}

static void
live(struct brood_loop *loop, struct brood_worker *w, const uint8_t *data, size_t size)
{
	int fds[3] = {epoll_create1(EPOLL_CLOEXEC), new_listener(), new_listener()};
	uv_idle_t idle;

	(void)uv_idle_init(brood_uv(loop), &idle);
	(void)uv_idle_start(&idle, on_idle);
	w->has_asked_ring = true;
	if (size > 0)
		tell(loop, data + 1, size - 1, (size_t)(data[0] >> 2) + 1, fds, data[0] & 3);
	expect_pong(loop);
	check(w->conns == 0 && w->state < WORKER_STATE_MAX, "the worker is in order");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	uv_close((uv_handle_t *)&idle, NULL);
	turn(loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct brood_worker_handlers handlers = {
	    .on_connection = on_connection, .on_message = on_message, .on_leader = on_leader};
	struct brood_loop *loop;
	struct brood_worker *w;
	int pair[2], before;
	char text[16];

	before = fd_count_open();
	leads = 0;
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "a channel");
	master = pair[0];
	snprintf(text, sizeof text, "%d", pair[1]);
	(void)setenv("BROOD_CHANNEL_FD", text, 1);
	loop = brood_loop_new();
	w = loop != NULL ? brood_worker_open(loop, NULL, &handlers, NULL) : NULL;
	check(w != NULL, "a worker");
	live(loop, w, data, size);
	brood_worker_close(w);
	brood_loop_free(loop);
	close(master);
	/* libuv keeps those of its signals, once it has them. */
	check(fd_count_open() <= before + 2, "no descriptor is left");
	return 0;
}
