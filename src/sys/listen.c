/*
 * listen: see listen.h. Sockets are bound all together and only then told to listen, in index
 * order, because the kernel numbers the members of a group by listen(): a group that fails half
 * way has not taken a single connection.
 */
#include "sys/listen.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "sys/holder.h"
#include "sys/steer.h"
#include "sys/unixsock.h"

#define LABEL_MAX 160

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

/* Where one spec is to be bound, after its text was understood. */
struct target {
	const struct listen_spec *spec;
	union address address;
	socklen_t len;
	uint16_t port;
	bool dual; /* [::] that takes IPv4 too */
	bool group; /* SO_REUSEPORT */
};

/* The file that a UNIX listener made, so that listen_unlink() never removes another's. */
struct bound_file {
	struct bound_file *next;
	int fd;
	dev_t dev;
	ino_t ino;
};

static struct bound_file *bound_files;

static void
target_label(const struct listen_spec *spec, uint16_t port, char label[LABEL_MAX])
{
	bool bare_v6 = strchr(spec->host, ':') && spec->host[0] != '[';

	(void)snprintf(label, LABEL_MAX, "%s%s%s:%u", bare_v6 ? "[" : "", spec->host,
	    bare_v6 ? "]" : "", port);
}

static void
target_set_port(struct target *t, uint16_t port)
{
	t->port = port;
	if (t->address.any.sa_family == AF_INET6)
		t->address.v6.sin6_port = htons(port);
	else
		t->address.v4.sin_port = htons(port);
}

static void
target_any(struct target *t, int family)
{
	memset(&t->address, 0, sizeof(t->address));
	t->address.any.sa_family = (sa_family_t)family;
	t->dual = family == AF_INET6;
	t->len = family == AF_INET6 ? sizeof(t->address.v6) : sizeof(t->address.v4);
	target_set_port(t, t->port);
}

/* Only numbers: a name would ask DNS, and the master waits for nobody. */
static int
target_init(struct target *t, const struct listen_spec *spec, bool group)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char host[128];
	size_t len;
	int r;

	*t = (struct target){.spec = spec, .group = group, .port = spec->port};
	if (!spec->host)
		return -EINVAL;
	if (strcmp(spec->host, "*") == 0) {
		target_any(t, AF_INET6);
		return 0;
	}
	len = strlen(spec->host);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, spec->host, len + 1);
	if (host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	r = getaddrinfo(host, NULL, &hints, &found);
	if (r != 0)
		return r == EAI_MEMORY ? -ENOMEM : -EINVAL;
	memcpy(&t->address, found->ai_addr, found->ai_addrlen);
	t->len = found->ai_addrlen;
	freeaddrinfo(found);
	target_set_port(t, spec->port);
	return 0;
}

static int
set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* SO_REUSEADDR lets a stream socket pass over TIME_WAIT (N2); on a datagram socket it would let
 * a stranger share the port. Connections inherit TCP_NODELAY: a program that did not open the socket
 * itself may not know that it is TCP, and an answer in two writes would wait for the client's delayed
 * acknowledgement. */
static int
open_bound(const struct target *t, int *ret_fd)
{
	bool udp = t->spec->type == LISTEN_TYPE_UDP, v6 = t->address.any.sa_family == AF_INET6;
	int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, fd, error = 0;

	if (t->spec->nonblocking)
		type |= SOCK_NONBLOCK;
	fd = socket(t->address.any.sa_family, type, 0);
	if (fd < 0)
		return -errno;
	if (!udp)
		error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (error == 0 && t->group)
		error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (error == 0 && v6)
		error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !t->dual);
	if (error == 0 && !udp)
		error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (error == 0 && bind(fd, &t->address.any, t->len) < 0)
		error = -errno;
	if (error < 0)
		fd_close(&fd);
	else
		*ret_fd = fd;
	return error;
}

/* As open_bound(); "*" falls back to IPv4 alone where this machine has no IPv6. */
static int
open_bound_or_v4(struct target *t, int *ret_fd)
{
	int error = open_bound(t, ret_fd);

	if (!t->dual ||
	    (error != -EAFNOSUPPORT && error != -EADDRNOTAVAIL && error != -ENOPROTOOPT))
		return error;
	target_any(t, AF_INET);
	return open_bound(t, ret_fd);
}

static int
bound_port(int fd, uint16_t *ret)
{
	union address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return -errno;
	*ret = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
	return 0;
}

/* Any other process of our user would be let into a group without a word, and so would we into
 * its (N1). A bind that does not share tells; it is undone before the group is opened. */
static int
probe_port(struct target *t)
{
	bool group = t->group;
	int fd, error;

	if (t->port == 0)
		return 0;
	t->group = false;
	error = open_bound_or_v4(t, &fd);
	t->group = group;
	if (error == 0)
		fd_close(&fd);
	return error;
}

static int
start_listening(const struct listen_spec *spec, int fd)
{
	/* The kernel cuts the number down to net.core.somaxconn. */
	return listen(fd, spec->backlog < 0 ? INT_MAX : spec->backlog) < 0 ? -errno : 0;
}

/* Lets the kernel pick the port, and holds it until another socket has asked for it by number: one
 * that was picked would be lost with a shutdown() of the listener, and another one picked when it
 * listens again (R8). */
static int
pick_port(struct target *t, int *ret_fd)
{
	uint16_t port = 0;
	int error = open_bound_or_v4(t, ret_fd);

	if (error == 0)
		error = bound_port(*ret_fd, &port);
	target_set_port(t, port);
	return error;
}

/* While its members join one by one, a group would be spread over by the kernel's hash, and so
 * would it be by a program that names members to come (R6): connections would wait at seats that
 * nobody reads. So the first member gets a program that names it alone, and gets it between bind
 * and listen, where the kernel makes the group for it (reuseport_attach_prog() of a socket that is
 * not hashed yet): there is no instant in which a connection could go anywhere else. The program
 * for the whole group follows when all have joined. */
static int
steer_to_first(int fd)
{
	static const uint16_t first = 0;
	const struct steer_spec spec = {.targets = &first, .targets_len = 1, .sockets = 1};

	return steer_attach(fd, &spec) < 0 ? -ENOTSUP : 0;
}

static int
open_inet(struct target *t, unsigned count, int *fds, uint16_t *ret_port)
{
	bool tcp = t->spec->type == LISTEN_TYPE_TCP;
	int picker = -1, error = tcp && t->port == 0 ? pick_port(t, &picker) : 0;

	for (unsigned i = 0; error == 0 && i < count; i++)
		error = open_bound_or_v4(t, &fds[i]);
	fd_close(&picker);
	if (error == 0 && t->spec->steered)
		error = steer_to_first(fds[0]);
	for (unsigned i = 0; error == 0 && i < count && tcp; i++)
		error = start_listening(t->spec, fds[i]);
	return error < 0 ? error : bound_port(fds[0], ret_port);
}

static int
say_in_use(const struct listen_spec *spec, const char *label, struct err *e)
{
	char name[64];
	pid_t pid;

	if (holder_find(spec->port, spec->type == LISTEN_TYPE_UDP, &pid, name) < 0)
		return err_set(e, -EADDRINUSE,
		    "%s: %s: another process listens there: stop it or choose another port", label,
		    strerror(EADDRINUSE));
	if (pid == getpid())
		return err_set(e, -EADDRINUSE, "%s: %s: this process listens there already", label,
		    strerror(EADDRINUSE));
	return err_set(e, -EADDRINUSE,
	    "%s: %s: process %d (%s) listens there: stop it or choose another port", label,
	    strerror(EADDRINUSE), (int)pid, name);
}

/* What the operator can do about it, in words. */
static int
say_why(const struct listen_spec *spec, uint16_t port, int error, struct err *e)
{
	const char *remedy;
	char label[LABEL_MAX];

	if (!e)
		return error; /* who does not want to know need not wait for the answer */
	target_label(spec, port, label);
	switch (error) {
	case -EADDRINUSE:
		return say_in_use(spec, label, e);
	case -EACCES:
	case -EPERM:
		remedy = port > 0 && port < 1024 ? ": ports below 1024 need CAP_NET_BIND_SERVICE "
		                                   "(or root): choose another port"
		                                 : ": a security policy forbids it";
		break;
	case -EADDRNOTAVAIL:
		remedy =
		    ": no interface of this machine has that address: choose another, or * for all";
		break;
	case -EAFNOSUPPORT:
		remedy = ": this machine has no IPv6: use an IPv4 address or *";
		break;
	case -EINVAL:
		remedy = ": write the address as a number (127.0.0.1, [::1]) or *";
		break;
	case -EMFILE:
		remedy = ": raise the limit of open files (LimitNOFILE=, ulimit -n)";
		break;
	case -ENOTSUP:
		remedy = ": steering programs are forbidden here";
		break;
	default:
		remedy = "";
	}
	return err_set(e, error, "%s: %s%s", label, strerror(-error), remedy);
}

/* The port is ours, so what is in use is the group of another user: us, as we were. */
static int
say_why_not_joined(const struct listen_spec *spec, uint16_t port, int error, struct err *e)
{
	char label[LABEL_MAX];

	if (error != -EADDRINUSE)
		return say_why(spec, port, error, e);
	target_label(spec, port, label);
	return err_set(e, error,
	    "%s: %s: its sockets were opened by another user than %u, who cannot add any: "
	    "stop broodd and start it again",
	    label, strerror(EADDRINUSE), (unsigned)geteuid());
}

static void
remember_file(const char *path, int fd)
{
	struct bound_file *b;
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	for (b = bound_files; b && b->fd != fd; b = b->next)
		;
	if (!b) {
		b = mem_alloc(sizeof(*b));
		if (!b)
			return;
		b->fd = fd;
		b->next = bound_files;
		bound_files = b;
	}
	b->dev = st.st_dev;
	b->ino = st.st_ino;
}

/* A name without a file: nothing to remove, nothing with a mode. */
static int
open_abstract(const struct listen_spec *spec, int *ret_fd, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t len = strlen(spec->path); /* its @ stands for a NUL */
	int type = SOCK_STREAM | SOCK_CLOEXEC | (spec->nonblocking ? SOCK_NONBLOCK : 0);
	int fd = len > sizeof(a.sun_path) ? -1 : socket(AF_UNIX, type, 0), error;

	if (fd < 0)
		error = len > sizeof(a.sun_path) ? -ENAMETOOLONG : -errno;
	else {
		memcpy(a.sun_path + 1, spec->path + 1, len - 1);
		error = bind(fd, (struct sockaddr *)&a,
		            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0
		            ? -errno
		            : start_listening(spec, fd);
	}
	if (error < 0) {
		fd_close(&fd);
		return err_set(e, error, "%s: %s", spec->path, strerror(-error));
	}
	*ret_fd = fd;
	return 0;
}

static int
open_unix(const struct listen_spec *spec, int *ret_fd, struct err *e)
{
	const struct unixsock_spec file = {
	    .path = spec->path,
	    .type = SOCK_STREAM | (spec->nonblocking ? SOCK_NONBLOCK : 0),
	    .mode = spec->mode < 0 ? 0600 : (mode_t)spec->mode & 0777,
	    .uid = spec->uid,
	    .gid = spec->gid,
	    .test_live = true,
	};
	int fd = unixsock_bind(&file, e), error;

	if (fd < 0)
		return fd;
	error = start_listening(spec, fd);
	if (error < 0) {
		(void)unlink(spec->path);
		fd_close(&fd);
		return err_set(e, error, "%s: %s", spec->path, strerror(-error));
	}
	remember_file(spec->path, fd);
	*ret_fd = fd;
	return 0;
}

int
listen_open(
    const struct listen_spec *spec, unsigned count, int *fds, uint16_t *ret_port, struct err *e)
{
	struct target target;
	uint16_t port = 0;
	int error;

	if (count == 0 || (count > 1 && spec->type != LISTEN_TYPE_TCP))
		return err_set(e, -EINVAL, "only TCP listeners can be groups");
	for (unsigned i = 0; i < count; i++)
		fds[i] = -1;
	if (spec->type == LISTEN_TYPE_UNIX) {
		error = spec->path[0] == '@' ? open_abstract(spec, &fds[0], e)
		                             : open_unix(spec, &fds[0], e);
	} else {
		error = target_init(&target, spec, count > 1);
		if (error == 0 && count > 1)
			error = probe_port(&target);
		if (error == 0)
			error = open_inet(&target, count, fds, &port);
		if (error < 0)
			(void)say_why(spec, spec->port, error, e);
	}
	for (unsigned i = 0; error < 0 && i < count; i++)
		fd_close(&fds[i]);
	if (error == 0 && ret_port)
		*ret_port = port;
	return error;
}

int
listen_append(const struct listen_spec *spec, uint16_t port, int *ret_fd, struct err *e)
{
	struct target target;
	int fd = -1, error;

	if (spec->type != LISTEN_TYPE_TCP)
		return err_set(e, -EINVAL, "only TCP listeners can be groups");
	error = target_init(&target, spec, true);
	if (error == 0) {
		target_set_port(&target, port);
		error = open_bound_or_v4(&target, &fd);
	}
	if (error == 0)
		error = start_listening(spec, fd);
	if (error < 0) {
		fd_close(&fd);
		return say_why_not_joined(spec, port, error, e);
	}
	*ret_fd = fd;
	return 0;
}

void
listen_unlink(const char *path, int fd)
{
	struct stat st;

	for (struct bound_file **at = &bound_files; *at; at = &(*at)->next) {
		struct bound_file *b = *at;

		if (b->fd != fd)
			continue;
		if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == b->dev &&
		    st.st_ino == b->ino)
			(void)unlink(path);
		*at = b->next;
		mem_free(b);
		return;
	}
}
