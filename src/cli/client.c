/*
 * client: one connection to a master's control socket. It must not print: what went wrong is a
 * struct failure, and the caller knows for which command that is.
 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/interrupt.h"
#include "cli/verb.h"
#include "ipc/frame.h"
#include "ipc/msg.h"

/* The master is trusted more than a worker, but a wrong program behind the socket is not. */
#define ANSWER_MAX (64u * 1024 * 1024)

struct client {
	int fd;
	int watch_fd;
	struct frame_reader reader;
	json_int_t last_id;
	json_t *answer; /* to last_id */
	json_t *hello;
	client_notify_fn notify;
	void *notify_arg;
	bool garbage; /* a line that is not JSON-RPC came */
	bool stopped; /* the callback said so */
};

void
failure_done(struct failure *f)
{
	str_free(&f->text);
	str_free(&f->last_words);
	*f = (struct failure){0};
}

int
failure_set(struct failure *f, int exit_code, const char *fmt, ...)
{
	va_list ap;

	failure_done(f);
	f->exit_code = exit_code;
	va_start(ap, fmt);
	str_vaddf(&f->text, fmt, ap);
	va_end(ap);
	return -1;
}

static bool
on_frame(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	struct client *c = arg;
	json_t *v = kind == FRAME_LINE ? json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *method;

	if (!json_is_object(v)) {
		json_decref(v);
		c->garbage = true;
		return false;
	}
	method = json_string_value(json_object_get(v, "method"));
	if (method) {
		if (c->notify && !c->stopped &&
		    !c->notify(c->notify_arg, method, json_object_get(v, "params")))
			c->stopped = true;
		json_decref(v);
		return true;
	}
	/* An answer with the id null is to a request that could not be read: ours. */
	if (!c->answer && (json_is_null(json_object_get(v, "id")) ||
	                      json_integer_value(json_object_get(v, "id")) == c->last_id))
		c->answer = v;
	else
		json_decref(v);
	return true;
}

/* Milliseconds for poll(): -1 for ever, rounded up so that it does not spin at the end. */
static int
poll_timeout(uint64_t deadline_us)
{
	uint64_t now = clock_now_us();

	if (!deadline_us)
		return -1;
	if (now >= deadline_us)
		return 0;
	uint64_t ms = (deadline_us - now + 999) / 1000;
	return ms > 3600000 ? 3600000 : (int)ms;
}

/* Waits for events on the socket. 0: there is something; -ETIMEDOUT, -EINTR (a signal that asks
 * us to end), -ECANCELED (the watched reader has gone), or another errno. */
static int
wait_for(struct client *c, short events, uint64_t deadline_us)
{
	struct pollfd fds[2] = {{.fd = c->fd, .events = events}, {.fd = c->watch_fd}};

	for (;;) {
		int n = poll(fds, 2, poll_timeout(deadline_us));
		if (interrupt_pending())
			return -EINTR;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			return 0;
		if (n > 0 && fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			return -ECANCELED;
		if (deadline_us && clock_now_us() >= deadline_us)
			return -ETIMEDOUT;
	}
}

static int
send_all(struct client *c, const char *data, size_t len, uint64_t deadline_us)
{
	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			int r = wait_for(c, POLLOUT, deadline_us);
			if (r < 0)
				return r;
			continue;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Reads what is there, waiting for it. 0, -ECONNRESET when the master has closed, or as
 * wait_for(); -EPROTO for garbage. */
static int
read_some(struct client *c, uint64_t deadline_us)
{
	char buf[65536];
	int r = wait_for(c, POLLIN, deadline_us);
	ssize_t n;

	if (r < 0)
		return r;
	n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	r = frame_reader_feed(&c->reader, buf, (size_t)n, on_frame, c);
	if (c->garbage)
		return -EPROTO;
	return r;
}

/* Tells what a negative result of the above means for a call of method. */
static void
explain(struct failure *f, int r, const char *method)
{
	switch (r) {
	case -ETIMEDOUT:
		failure_set(f, CLI_TIMEOUT, "time is up");
		break;
	case -EINTR:
		failure_set(f, CLI_FAILED, "interrupted");
		break;
	case -ECANCELED:
		failure_set(f, CLI_OK, "nobody reads the output");
		break;
	case -EPROTO:
		failure_set(f, CLI_NO_MASTER,
		    "what answers on the control socket does not speak brood's protocol");
		break;
	case -ECONNRESET:
	case -EPIPE:
		failure_set(f, CLI_NO_MASTER,
		    "the master closed the connection before it answered %s", method);
		f->lost = true;
		break;
	default:
		failure_set(f, CLI_SYSTEM, "talking to the master: %s", strerror(-r));
	}
}

static int
exit_code_of(int rpc_code)
{
	if (rpc_code <= -32001 && rpc_code >= -32127)
		return -32000 - rpc_code;
	return rpc_code == RPC_INVALID_PARAMS ? CLI_USAGE : CLI_FAILED;
}

static void
take_error(struct failure *f, const json_t *error, const char *method)
{
	int code = (int)json_integer_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *words =
	    json_string_value(json_object_get(json_object_get(error, "data"), "last_words"));

	if (code == RPC_METHOD_NOT_FOUND)
		failure_set(f, exit_code_of(code),
		    "the running master does not know %s; it may be older than this brood: `brood "
		    "version`",
		    method);
	else
		failure_set(
		    f, exit_code_of(code), "%s", message ? message : "the master gave no reason");
	f->rpc_code = code;
	if (words)
		str_add(&f->last_words, words);
}

json_t *
client_call(
    struct client *c, const char *method, json_t *params, uint64_t deadline_us, struct failure *f)
{
	struct str line = {0};
	json_t *result = NULL, *error;
	int r;

	rpc_add_request(&line, ++c->last_id, method, params);
	if (str_failed(&line)) {
		str_free(&line);
		failure_set(f, CLI_SYSTEM, "out of memory");
		return NULL;
	}
	if (line.len > RPC_REQUEST_MAX) {
		failure_set(f, CLI_USAGE, "a request has at most %d bytes", RPC_REQUEST_MAX);
		str_free(&line);
		return NULL;
	}
	r = send_all(c, line.data, line.len, deadline_us);
	str_free(&line);
	/* A master that refuses us says why and closes: the answer may be there to be read though
	 * the request could not be sent. */
	if (r == -EPIPE || r == -ECONNRESET)
		r = 0;
	while (r == 0 && !c->answer && !c->stopped)
		r = read_some(c, deadline_us);
	if (!c->answer) {
		explain(f, c->stopped ? -EINTR : r, method);
		return NULL;
	}
	error = json_object_get(c->answer, "error");
	if (json_is_object(error))
		take_error(f, error, method);
	else
		result = json_incref(json_object_get(c->answer, "result"));
	if (!error && !result)
		explain(f, -EPROTO, method);
	json_decref(c->answer);
	c->answer = NULL;
	return result;
}

int
client_follow(struct client *c, uint64_t deadline_us, struct failure *f)
{
	int r = 0;

	while (r == 0 && !c->stopped)
		r = read_some(c, deadline_us);
	if (r == 0 || r == -EINTR || r == -ECANCELED || r == -ECONNRESET || r == -ETIMEDOUT)
		return 0;
	explain(f, r, "further");
	return -1;
}

/* K8: neither side guesses what the other means. */
static int
compare_versions(const json_t *hello, struct failure *f)
{
	const char *version = json_string_value(json_object_get(hello, "version"));
	json_int_t protocol = json_integer_value(json_object_get(hello, "protocol"));

	if (protocol == RPC_PROTOCOL_VERSION)
		return 0;
	if (protocol <= 0)
		return failure_set(f, CLI_NO_MASTER,
		    "what answers on the control socket does not speak brood's protocol");
	return failure_set(f, CLI_FAILED,
	    "the master (brood %s) speaks control protocol %lld, this brood (%s) speaks %d: %s",
	    version ? version : "?", (long long)protocol, PACKAGE_VERSION, RPC_PROTOCOL_VERSION,
	    protocol > RPC_PROTOCOL_VERSION
	        ? "use the brood that was installed with the master"
	        : "use the older brood, or restart the master with the new broodd");
}

static int
connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, r = 0;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* On a UNIX socket connect() waits only while the queue of a master is full; a hung master
	 * must not hang us, so it has the send timeout, which Linux honours here. */
	struct timeval tv = {.tv_sec = 5};
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	while (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		if (errno == EINTR && !interrupt_pending())
			continue;
		r = -errno;
		break;
	}
	if (r < 0)
		fd_close(&fd);
	*ret_fd = fd;
	return r;
}

int
client_open(const char *path, uint64_t deadline_us, struct client **ret_client, int *err_connect,
    struct failure *f)
{
	struct client *c = calloc(1, sizeof(*c));
	int r;

	*err_connect = 0;
	if (!c)
		return failure_set(f, CLI_SYSTEM, "out of memory");
	c->fd = c->watch_fd = -1;
	frame_reader_init(&c->reader, ANSWER_MAX);
	r = connect_to(path, &c->fd);
	if (r < 0) {
		*err_connect = -r;
		failure_set(f, r == -EACCES ? CLI_PERMISSION : CLI_NO_MASTER, "%s: %s", path,
		    r == -EAGAIN ? "the master does not answer" : strerror(-r));
		client_close(c);
		return -1;
	}
	c->hello = client_call(c, "hello",
	    json_pack(
	        "{s:i, s:s}", "version", RPC_PROTOCOL_VERSION, "client", "brood " PACKAGE_VERSION),
	    deadline_us, f);
	if (!c->hello && f->exit_code == CLI_TIMEOUT)
		failure_set(f, CLI_NO_MASTER, "%s: the master does not answer", path);
	if (!c->hello || compare_versions(c->hello, f) < 0) {
		client_close(c);
		return -1;
	}
	*ret_client = c;
	return 0;
}

void
client_close(struct client *c)
{
	if (!c)
		return;
	fd_close(&c->fd);
	frame_reader_done(&c->reader);
	json_decref(c->answer);
	json_decref(c->hello);
	free(c);
}

const json_t *
client_hello(const struct client *c)
{
	return c->hello;
}

pid_t
client_peer_pid(const struct client *c)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return 0;
	return cred.pid;
}

void
client_on_notification(struct client *c, client_notify_fn fn, void *arg)
{
	c->notify = fn;
	c->notify_arg = arg;
}

void
client_watch(struct client *c, int fd)
{
	c->watch_fd = fd;
}
