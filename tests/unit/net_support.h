/*
 * net_support: a network of the test's own, groups of sockets, and clients. For tests of the room
 * sys; together with sys_support.h. A test of Check is a process, so what it changes for itself
 * (network, user) is gone after it.
 */
#ifndef BROOD_TESTS_UNIT_NET_SUPPORT_H
#define BROOD_TESTS_UNIT_NET_SUPPORT_H

#include <arpa/inet.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "sys/listen.h"
#include "sys/queue.h"
#include "sys/steer.h"

/* A test that can't be made here says so; a machine for tests can make them all. */
static inline bool
skip(const char *why)
{
	ck_assert_msg(!getenv("CI"), "%s", why);
	(void)fprintf(stderr, "# skipped: %s\n", why);
	return true;
}

static inline void
write_sysctl(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

#define MIGRATE_SYSCTL "/proc/sys/net/ipv4/tcp_migrate_req"

/* False where only root may. */
static inline bool
own_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return !skip("a network namespace needs root");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	(void)close(fd);
	return true;
}

/* struct in6_ifreq of <linux/ipv6.h>, which is not to be had together with <netinet/in.h>. */
struct own_in6_ifreq {
	struct in6_addr addr;
	uint32_t prefix_len;
	int index;
};

static inline bool
can_bind_v6(const struct in6_addr *addr)
{
	const struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = *addr};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can = bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;

	(void)close(fd);
	return can;
}

/* One more address of the own network's loopback; the kernel takes a moment to settle it. */
static inline void
add_address_v6(const char *text)
{
	struct own_in6_ifreq r = {.prefix_len = 128, .index = (int)if_nametoindex("lo")};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET6, text, &r.addr), 1);
	ck_assert_int_eq(ioctl(fd, SIOCSIFADDR, &r), 0);
	(void)close(fd);
	wait_until(can_bind_v6(&r.addr));
}

static inline void
add_address_v4(const char *text)
{
	struct ifreq r = {.ifr_name = "lo:1"};
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	a->sin_family = AF_INET;
	ck_assert_int_eq(inet_pton(AF_INET, text, &a->sin_addr), 1);
	ck_assert_int_eq(ioctl(fd, SIOCSIFADDR, &r), 0);
	(void)close(fd);
}

static inline bool
has_v6(void)
{
	return can_bind_v6(&in6addr_loopback);
}

/* A host to listen on, as open_group() has it, and the address at which a client reaches it. */
struct reach {
	const char *host, *client;
};

static inline bool
is_v6only(const struct reach *r)
{
	return *r->host == '[';
}

static inline bool
can_try(const struct reach *r)
{
	if (!has_v6() && (strchr(r->client, ':') || strcmp(r->host, "*") == 0))
		return !skip("no IPv6 here");
	return true;
}

/* Whatever is to work without any privilege. The test's directory can be removed all the same. */
static inline void
become_nobody(void)
{
	ck_assert_int_eq(chown(test_dir, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	/* As after an exec: our own /proc is ours again. */
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}

/* "*" is both families, "[::]" IPv6 alone. The port. */
static inline uint16_t
open_group(const char *host, unsigned n, int *fds)
{
	const struct listen_spec spec = {
	    .type = LISTEN_TYPE_TCP, .host = host, .backlog = -1, .nonblocking = true};
	struct err e = {0};
	uint16_t port = 0;

	ck_assert_msg(listen_open(&spec, n, fds, &port, &e) == 0, "%s", e.text);
	return port;
}

static inline void
close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fd_close(&fds[i]);
}

/* Begins a connection, from a given address or none; ports are not used up by what is closed. */
static inline int
begin_connect(const char *from, const char *to, uint16_t port)
{
	const struct linger reset = {.l_onoff = 1};
	bool v6 = strchr(to, ':') != NULL;
	struct sockaddr_in a4 = {.sin_family = AF_INET};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
	struct sockaddr *a = v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	void *ip = v6 ? (void *)&a6.sin6_addr : (void *)&a4.sin_addr;
	socklen_t len = v6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	if (from) {
		ck_assert_int_eq(inet_pton(a->sa_family, from, ip), 1);
		ck_assert_msg(bind(fd, a, len) == 0, "%s: %s", from, strerror(errno));
	}
	ck_assert_int_eq(inet_pton(a->sa_family, to, ip), 1);
	a4.sin_port = a6.sin6_port = htons(port);
	if (connect(fd, a, len) < 0)
		ck_assert_msg(errno == EINPROGRESS, "%s: %s", to, strerror(errno));
	return fd;
}

static inline bool
is_connected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && !(p.revents & (POLLERR | POLLHUP));
}

static inline int
connect_to(const char *from, const char *to, uint16_t port)
{
	int fd = begin_connect(from, to, port);

	wait_until(is_connected(fd));
	return fd;
}

static inline unsigned
queued(int fd)
{
	unsigned len, limit;

	ck_assert_int_eq(queue_length(fd, &len, &limit), 0);
	return len;
}

/* The one member of the group that has something queued; it is taken from there. */
static inline int
whose(const int *fds, unsigned n)
{
	int found = -1, conn;

	for (int ms = 0; found < 0 && ms < 10000; ms++) {
		for (unsigned i = 0; i < n; i++)
			if (queued(fds[i]) > 0)
				found = (int)i;
		if (found < 0)
			(void)poll(NULL, 0, 1);
	}
	ck_assert_msg(found >= 0, "the connection came to nobody");
	conn = accept(fds[found], NULL, NULL);
	ck_assert_int_ge(conn, 0);
	(void)close(conn);
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_eq(queued(fds[i]), 0);
	return found;
}

/* Which member a new connection comes to. */
static inline int
hit(const char *from, const char *to, uint16_t port, const int *fds, unsigned n)
{
	int conn = begin_connect(from, to, port), at = whose(fds, n);

	(void)close(conn);
	return at;
}

/* Which member a name leads to. */
static inline int
hit_name(unsigned name, const int *fds, unsigned n)
{
	int conn = steer_connect(fds[0], name), at;

	ck_assert_msg(conn >= 0, "name %u: %s", name, strerror(-conn));
	at = whose(fds, n);
	(void)close(conn);
	return at;
}

static inline void
must_attach(int fd, const struct steer_spec *spec)
{
	int error = steer_attach(fd, spec);

	ck_assert_msg(error == 0, "%s", strerror(-error));
}

#endif
