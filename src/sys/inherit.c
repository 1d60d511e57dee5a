/*
 * inherit: the part of listen.h that takes over sockets opened by somebody else (socket
 * activation). What the environment says is checked against what the kernel says (N5).
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/units.h"
#include "sys/listen.h"

#define FIRST_INHERITED 3
#define INHERITED_MAX   4096

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

static int
get_option(int fd, int level, int option, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, level, option, ret, &len) < 0 ? -errno : 0;
}

static int
key_of_inet(struct str *key, int fd, const union address *a, socklen_t len, bool udp)
{
	char host[NI_MAXHOST];
	bool v6 = a->any.sa_family == AF_INET6;
	uint16_t port = ntohs(v6 ? a->v6.sin6_port : a->v4.sin_port);
	int only_v6 = 1;

	if (port == 0)
		return -EINVAL;
	if (getnameinfo(&a->any, len, host, sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		return -EINVAL;
	if (v6 && IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr))
		(void)get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6);
	if (!only_v6)
		str_addf(key, "%s:*:%u", udp ? "udp" : "tcp", port);
	else
		str_addf(key, "%s:%s%s%s:%u", udp ? "udp" : "tcp", v6 ? "[" : "", host,
		    v6 ? "]" : "", port);
	return 0;
}

/* Abstract and unnamed sockets have no file, so no key in a configuration can mean them. */
static int
key_of_unix(struct str *key, const union address *a, socklen_t len)
{
	size_t room = len > offsetof(struct sockaddr_un, sun_path)
	                  ? len - offsetof(struct sockaddr_un, sun_path)
	                  : 0;

	if (room == 0 || a->un.sun_path[0] == '\0')
		return -EINVAL;
	str_add(key, "unix:");
	str_add_n(key, a->un.sun_path, strnlen(a->un.sun_path, room));
	return 0;
}

int
listen_inspect(int fd, char **ret_key)
{
	union address a = {0};
	socklen_t len = sizeof(a);
	struct str key = {0};
	int type, listening, error = -EINVAL;

	if (get_option(fd, SOL_SOCKET, SO_TYPE, &type) < 0)
		return errno == EBADF ? -EBADF : -ENOTSOCK;
	if (getsockname(fd, &a.any, &len) < 0)
		return -errno;
	if (type == SOCK_STREAM &&
	    (get_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening) < 0 || !listening))
		return -EINVAL;
	if (a.any.sa_family == AF_UNIX && type == SOCK_STREAM)
		error = key_of_unix(&key, &a, len);
	else if ((a.any.sa_family == AF_INET || a.any.sa_family == AF_INET6) &&
	         (type == SOCK_STREAM || type == SOCK_DGRAM))
		error = key_of_inet(&key, fd, &a, len, type == SOCK_DGRAM);
	if (error == 0 && str_failed(&key))
		error = -ENOMEM;
	if (error < 0)
		str_free(&key);
	else
		*ret_key = key.data;
	return error;
}

/* Number of descriptors that the variables promise to this very process, or -EINVAL. */
static int
promised(const char *pid_text, const char *fds_text)
{
	uint64_t pid, n;

	if (!pid_text || !fds_text)
		return 0;
	if (units_parse_uint(pid_text, UINT32_MAX, &pid) < 0)
		return -EINVAL;
	if (pid != (uint64_t)getpid())
		return 0;
	return units_parse_uint(fds_text, INHERITED_MAX, &n) < 0 ? -EINVAL : (int)n;
}

int
listen_inherited(void)
{
	int n = promised(getenv("LISTEN_PID"), getenv("LISTEN_FDS"));

	/* Our own workers get their own; nobody else may take these for theirs (X5). */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	for (int fd = FIRST_INHERITED; fd < FIRST_INHERITED + n; fd++) {
		int error = fd_set_cloexec(fd, true);

		if (error < 0)
			return error;
	}
	return n;
}
