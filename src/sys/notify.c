/*
 * notify: see notify.h. The protocol is sd_notify(3): lines of NAME=VALUE in one datagram.
 * Nothing here waits: a service manager that does not read costs us one message, no more.
 */
#include "sys/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/units.h"
#include "sys/unixsock.h"

/* systemd takes no longer ones either. */
#define DATAGRAM_MAX 4096

static struct sockaddr_un manager;
static socklen_t manager_len; /* 0 = no service manager */

/* "/path" or "@abstract"; vsock and what else may come is not for us. */
static void
take_address(const char *text)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(manager.sun_path))
		return;
	memset(&manager, 0, sizeof(manager));
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, text, len);
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (text[0] == '@')
		manager.sun_path[0] = '\0';
	else
		manager_len++;
}

uint64_t
notify_manager_init(void)
{
	const char *address = getenv("NOTIFY_SOCKET");
	const char *interval = getenv("WATCHDOG_USEC"), *owner = getenv("WATCHDOG_PID");
	uint64_t watchdog_us = 0, pid;

	manager_len = 0;
	if (address)
		take_address(address);
	if (interval && units_parse_uint(interval, UINT64_MAX, &watchdog_us) < 0)
		watchdog_us = 0;
	if (owner && (units_parse_uint(owner, UINT32_MAX, &pid) < 0 || pid != (uint64_t)getpid()))
		watchdog_us = 0;
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	return notify_manager_present() ? watchdog_us : 0;
}

bool
notify_manager_present(void)
{
	return manager_len > 0;
}

int
notify_manager_send(const char *text)
{
	int fd, error = 0;

	if (!notify_manager_present())
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&manager, manager_len) <
	    0)
		error = -errno;
	fd_close(&fd);
	return error;
}

int
notify_manager_reloading(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_us());
	return notify_manager_send(text);
}

int
notify_worker_open(const char *path, uid_t uid, gid_t gid)
{
	const struct unixsock_spec spec = {
	    .path = path,
	    .type = SOCK_DGRAM | SOCK_NONBLOCK,
	    .mode = 0600,
	    .uid = uid,
	    .gid = gid,
	};

	return unixsock_bind(&spec, NULL);
}

/* The worker's words, made harmless, cut to what fits between two characters. */
static void
take_status(const char *bytes, size_t len, char *ret, size_t size)
{
	struct str escaped = {0};
	size_t fit = 0, step;

	str_add_escaped(&escaped, bytes, len);
	while (fit < escaped.len) {
		step = utf8_sequence(escaped.data + fit, escaped.len - fit);
		if (step == 0)
			step = 1;
		if (fit + step >= size)
			break;
		fit += step;
	}
	if (fit > 0)
		memcpy(ret, escaped.data, fit);
	ret[fit] = '\0';
	str_free(&escaped);
}

static bool
line_is(const char *line, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(line, text, len) == 0;
}

static const char *
line_value(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len >= n && memcmp(line, name, n) == 0 ? line + n : NULL;
}

/* False: it is no number. */
static bool
take_number(const char *value, size_t len, uint64_t *ret)
{
	char digits[24];

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, value, len);
	digits[len] = '\0';
	return units_parse_uint(digits, UINT64_MAX, ret) == 0;
}

static void
take_line(const char *line, size_t len, struct notify_message *ret)
{
	const char *value;

	if (line_is(line, len, "READY=1"))
		ret->ready = true;
	else if (line_is(line, len, "STOPPING=1"))
		ret->stopping = true;
	else if (line_is(line, len, "RELOADING=1"))
		ret->reloading = true;
	else if (line_is(line, len, "WATCHDOG=1"))
		ret->watchdog = true;
	else if (line_is(line, len, "WATCHDOG=trigger"))
		ret->watchdog_trigger = true;
	else if ((value = line_value(line, len, "STATUS=")))
		take_status(value, (size_t)(line + len - value), ret->status, sizeof(ret->status));
	else if ((value = line_value(line, len, "EXTEND_TIMEOUT_USEC=")))
		(void)take_number(value, (size_t)(line + len - value), &ret->extend_us);
	else if ((value = line_value(line, len, "WATCHDOG_USEC=")))
		ret->has_interval |=
		    take_number(value, (size_t)(line + len - value), &ret->interval_us);
}

/* There is no room for control data on purpose: descriptors that a worker sends along are then
 * dropped by the kernel and never enter our table, not even for a moment in which it is full.
 * MSG_CTRUNC says that this happened and is no fault of the text. */
int
notify_worker_read(int fd, struct notify_message *ret)
{
	char bytes[DATAGRAM_MAX];
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t got;
	size_t len;

	got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	memset(ret, 0, sizeof(*ret));
	len = header.msg_flags & MSG_TRUNC ? 0 : (size_t)got;
	for (size_t at = 0; at < len;) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;

		take_line(bytes + at, n, ret);
		at += n + 1;
	}
	return 1;
}
