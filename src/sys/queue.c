/*
 * queue: see queue.h.
 */
#include "sys/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/steer.h"

#define CONNECT_MS   100
#define PLUG_BACKLOG 0

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

int
queue_length(int fd, unsigned *ret_len, unsigned *ret_limit)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	if (info.tcpi_state != TCP_LISTEN)
		return -EINVAL;
	*ret_len = info.tcpi_unacked;
	*ret_limit = info.tcpi_sacked;
	return 0;
}

/* --- flush --------------------------------------------------------------------------------- */

/* The kernel's choice among the members of a group begins at a hash and goes on to one that is
 * marked with the CPU that it runs on. A failure leaves the hash alone, so it is not told. */
static void
mark(const int *fds, unsigned len, int cpu)
{
	for (unsigned i = 0; i < len; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu));
}

/* The queue is handed on inside shutdown(), a connection at a time; all must be on one CPU. */
static bool
stay_on(int cpu, cpu_set_t *ret_before)
{
	cpu_set_t one;

	if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(*ret_before), ret_before))
		return false;
	CPU_ZERO(&one);
	CPU_SET((unsigned)cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) == 0;
}

int
queue_flush(int fd, const int *readers, unsigned readers_len, int backlog)
{
	int cpu = sched_getcpu(), error = 0;
	cpu_set_t before;
	bool pinned;

	if (readers_len == 0)
		return -EINVAL;
	pinned = stay_on(cpu, &before);
	mark(readers, readers_len, cpu);
	if (shutdown(fd, SHUT_RD) < 0)
		error = -errno;
	/* Also after a failure: shut down by somebody else meanwhile, it must listen again. */
	if (listen(fd, backlog) < 0 && error == 0)
		error = -errno;
	mark(readers, readers_len, -1);
	if (pinned)
		(void)sched_setaffinity(0, sizeof(before), &before);
	return error;
}

static bool
migration_is_on(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_migrate_req", O_RDONLY | O_CLOEXEC);
	char byte = '0';
	bool on = fd >= 0 && read(fd, &byte, 1) == 1 && byte != '0';

	fd_close(&fd);
	return on;
}

/* Another member for the group of fd. */
static int
open_member(int fd, int backlog, int *ret_fd)
{
	union address a;
	socklen_t len = sizeof(a), int_len = sizeof(int);
	int member, one = 1, v6only = 0, error = 0;

	if (getsockname(fd, &a.any, &len) < 0)
		return -errno;
	if (a.any.sa_family == AF_INET6 &&
	    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &int_len) < 0)
		return -errno;
	member = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (member < 0)
		return -errno;
	if (setsockopt(member, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(member, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    (a.any.sa_family == AF_INET6 &&
	        setsockopt(member, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0) ||
	    bind(member, &a.any, len) < 0 || listen(member, backlog) < 0)
		error = -errno;
	if (error < 0)
		fd_close(&member);
	else
		*ret_fd = member;
	return error;
}

/* On loopback a connection is in the queue before connect() returns, but for a kernel that lets
 * others do the work of its interrupts. */
static bool
wait_length(int fd, unsigned wanted)
{
	unsigned len, limit;

	for (int ms = 0; queue_length(fd, &len, &limit) == 0; ms++) {
		if (len >= wanted)
			return true;
		if (ms == CONNECT_MS)
			break;
		(void)poll(NULL, 0, 1);
	}
	return false;
}

#define TRIAL_MEMBERS 3
#define TRIAL_CONNS   8

/* A queue of eight, a group of three of which one is a reader: by chance it gets all of them once
 * in 256 times. */
static bool
try_flush(int fds[TRIAL_MEMBERS], int conns[TRIAL_CONNS])
{
	const uint16_t first = 0;
	const struct steer_spec spec = {
	    .targets = &first, .targets_len = 1, .sockets = TRIAL_MEMBERS};
	const struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	unsigned len, limit;
	int one = 1;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fds[0] < 0 || setsockopt(fds[0], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    setsockopt(fds[0], SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fds[0], (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    steer_attach(fds[0], &spec) < 0 || listen(fds[0], TRIAL_CONNS) < 0)
		return false;
	for (int i = 1; i < TRIAL_MEMBERS; i++)
		if (open_member(fds[0], TRIAL_CONNS, &fds[i]) < 0)
			return false;
	for (int i = 0; i < TRIAL_CONNS; i++) {
		conns[i] = steer_connect(fds[0], STEER_RAW);
		if (conns[i] < 0)
			return false;
	}
	return wait_length(fds[0], TRIAL_CONNS) &&
	       queue_flush(fds[0], &fds[1], 1, TRIAL_CONNS) == 0 &&
	       queue_length(fds[1], &len, &limit) == 0 && len == TRIAL_CONNS;
}

static bool
mark_is_heeded(void)
{
	static enum { OPEN, YES, NO } answer;
	int fds[TRIAL_MEMBERS], conns[TRIAL_CONNS];

	if (answer != OPEN)
		return answer == YES;
	memset(fds, -1, sizeof(fds));
	memset(conns, -1, sizeof(conns));
	answer = try_flush(fds, conns) ? YES : NO;
	for (int i = 0; i < TRIAL_CONNS; i++)
		fd_close(&conns[i]);
	for (int i = 0; i < TRIAL_MEMBERS; i++)
		fd_close(&fds[i]);
	return answer == YES;
}

bool
queue_can_migrate(void)
{
	return migration_is_on() && mark_is_heeded();
}

/* --- plug ---------------------------------------------------------------------------------- */

/* What counts is that the queue is full, whoever filled it: any process of this machine may use
 * the address. */
static int
fill(int member, unsigned index, int *ret_fd)
{
	int conn = steer_connect(member, STEER_RAW + index);

	if (conn < 0)
		return conn;
	if (!wait_length(member, PLUG_BACKLOG + 1)) {
		fd_close(&conn);
		return -EAGAIN;
	}
	*ret_fd = conn;
	return 0;
}

int
queue_plug(int fd, const struct steer_spec *now, int ret_fds[2])
{
	struct steer_spec with_plug = *now;
	int member, error, conn = -1;

	error = open_member(fd, PLUG_BACKLOG, &member);
	if (error < 0)
		return error;
	with_plug.sockets++;
	error = steer_attach(member, &with_plug);
	if (error == 0) {
		error = fill(member, now->sockets, &conn);
		if (error < 0)
			(void)steer_attach(fd, now);
	}
	if (error < 0) {
		fd_close(&member);
		return error;
	}
	ret_fds[0] = member;
	ret_fds[1] = conn;
	return 0;
}
