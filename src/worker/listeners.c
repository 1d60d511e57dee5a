/*
 * listeners: see listeners.h.
 */
#include "worker/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"

#define FIRST_FD 3
#define BACKLOG  4096

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static int
socket_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* The i-th of the names that colons separate; empty when there are fewer. */
static void
copy_name(const char *names, size_t i, char buf[LISTENERS_NAME_MAX])
{
	size_t len;

	for (; names != NULL && i > 0; i--) {
		names = strchr(names, ':');
		names = names != NULL ? names + 1 : NULL;
	}
	len = names != NULL ? strcspn(names, ":") : 0;
	if (len >= LISTENERS_NAME_MAX)
		len = LISTENERS_NAME_MAX - 1;
	if (len > 0)
		memcpy(buf, names, len);
	buf[len] = '\0';
}

static bool
is_wanted(const char *const *names, const char *name)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return names == NULL;
}

/* Another pid means that they were meant for our parent, who forgot to take them away. */
bool
listeners_are_ours(void)
{
	const char *text = getenv("LISTEN_PID");
	uint64_t pid;

	return text == NULL ||
	       (units_parse_uint(text, 1 << 30, &pid) == 0 && pid == (uint64_t)getpid());
}

int
listeners_take(struct listener_set *set, const char *const *names)
{
	const char *count = getenv("LISTEN_FDS"), *all = getenv("LISTEN_FDNAMES");
	int found = 0;
	uint64_t n;

	if (count == NULL || !listeners_are_ours())
		return 0;
	if (units_parse_uint(count, LISTENERS_MAX, &n) < 0)
		return -EINVAL;
	for (uint64_t i = 0; i < n; i++) {
		struct listener *l = &set->at[set->n];
		int fd = FIRST_FD + (int)i;

		if (socket_option(fd, SO_ACCEPTCONN) != 1)
			continue;
		found++;
		*l = (struct listener){.fd = fd, .is_unix = listener_fd_is_unix(fd)};
		copy_name(all, i, l->name);
		if (!is_wanted(names, l->name))
			continue;
		/* What the program starts is no worker. */
		(void)fd_set_cloexec(fd, true);
		set->n++;
	}
	return n > 0 && found == 0 ? -ENOTSOCK : found;
}

void
listener_close(struct listener *l)
{
	fd_close(&l->fd);
	if (l->path[0] != '\0')
		(void)unlink(l->path);
	l->path[0] = '\0';
}

bool
listener_fd_is_unix(int fd)
{
	return socket_option(fd, SO_DOMAIN) == AF_UNIX;
}

int
listener_port(int fd)
{
	union address a;
	socklen_t len = sizeof a;

	if (getsockname(fd, &a.any, &len) < 0)
		return -1;
	if (a.any.sa_family == AF_INET)
		return ntohs(a.v4.sin_port);
	return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : -1;
}

static int
parse_unix(const char *path, union address *a, socklen_t *ret_len)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof a->local.sun_path)
		return -ENAMETOOLONG;
	a->local.sun_family = AF_UNIX;
	memcpy(a->local.sun_path, path, len + 1);
	*ret_len = sizeof a->local;
	return 0;
}

/* Splits off the port and the brackets; a bare number is a port of the loopback address. */
static int
split_host(const char *text, char host[64], uint64_t *ret_port)
{
	const char *colon = strrchr(text, ':'), *start = text;
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;

	if (units_parse_uint(colon != NULL ? colon + 1 : text, 65535, ret_port) < 0)
		return -EINVAL;
	if (len >= 2 && start[0] == '[' && start[len - 1] == ']') {
		start++;
		len -= 2;
	}
	if (len >= 64)
		return -EINVAL;
	memcpy(host, start, len);
	host[len] = '\0';
	if (len == 0 || strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	return 0;
}

static int
parse_address(const char *text, union address *a, socklen_t *ret_len)
{
	char host[64];
	uint64_t port;

	memset(a, 0, sizeof *a);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, a, ret_len);
	if (split_host(text, host, &port) < 0)
		return -EINVAL;
	if (strcmp(host, "*") == 0 || inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)port);
		*ret_len = sizeof a->v6;
	} else if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		*ret_len = sizeof a->v4;
	} else {
		return -EINVAL;
	}
	return 0;
}

/* A socket file that nobody answers on is left from an earlier run; anything else stays. */
static void
remove_stale(const struct sockaddr_un *local, socklen_t len)
{
	struct stat st;
	int fd;

	if (lstat(local->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)local, len) < 0 && errno == ECONNREFUSED)
		(void)unlink(local->sun_path);
	close(fd);
}

static int
open_address(union address *a, socklen_t len)
{
	int one = 1, zero = 0, fd, e;

	fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (a->any.sa_family == AF_UNIX)
		remove_stale(&a->local, len);
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (a->any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	if (bind(fd, &a->any, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	e = -errno;
	close(fd);
	return e;
}

/* What was bound, with the port that the kernel chose for port 0. */
static void
name_address(int fd, const char *asked, char buf[LISTENERS_NAME_MAX])
{
	union address a;
	socklen_t len = sizeof a;
	char host[INET6_ADDRSTRLEN];

	snprintf(buf, LISTENERS_NAME_MAX, "%s", asked);
	if (getsockname(fd, &a.any, &len) < 0)
		return;
	if (a.any.sa_family == AF_INET &&
	    inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host) != NULL)
		snprintf(buf, LISTENERS_NAME_MAX, "%s:%u", host, ntohs(a.v4.sin_port));
	else if (a.any.sa_family == AF_INET6 &&
	         inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host) != NULL)
		snprintf(buf, LISTENERS_NAME_MAX, "[%s]:%u", host, ntohs(a.v6.sin6_port));
}

/* Without IPv6 every address is every IPv4 address. */
static int
open_any(const char *text, union address *a, socklen_t len)
{
	int fd = open_address(a, len);
	in_port_t port = a->v6.sin6_port;

	if (fd != -EAFNOSUPPORT || strncmp(text, "*:", 2) != 0)
		return fd;
	memset(a, 0, sizeof *a);
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = port;
	return open_address(a, sizeof a->v4);
}

int
listeners_bind(struct listener_set *set, const char *address)
{
	struct listener *l = &set->at[set->n];
	union address a;
	socklen_t len;
	int r;

	if (set->n == LISTENERS_MAX)
		return -E2BIG;
	r = parse_address(address, &a, &len);
	if (r < 0)
		return r;
	r = open_any(address, &a, len);
	if (r < 0)
		return r;
	*l = (struct listener){.fd = r, .is_own = true, .is_unix = a.any.sa_family == AF_UNIX};
	if (l->is_unix)
		memcpy(l->path, a.local.sun_path, sizeof l->path);
	name_address(l->fd, address, l->name);
	set->n++;
	return 0;
}
