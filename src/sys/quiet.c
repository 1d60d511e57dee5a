/*
 * quiet: the part of conns.h that looks for requests inside a worker. A look goes over the
 * descriptors of the worker and its descendants (/proc/PID/fd) and asks each connection that is
 * among them itself, by a copy of the descriptor that we hold for some microseconds
 * (pidfd_getfd(2), which the master may where it may look at the worker at all, but for filters of
 * containers). So a look costs some 4 us for each descriptor, however many connections there are
 * on the machine.
 *
 * Of processes that let no copy be made only the sockets' inodes are kept, and their connections
 * are found in the list of all of the port (diag.h), at the price of that list.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* the long struct tcp_info; not together with <netinet/tcp.h> */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "sys/conns.h"
#include "sys/diag.h"
#include "sys/proc.h"

#define TREE_MAX    1024
#define SLICE_US    1500
#define FDS_A_SLICE 64

/* Only an equality leaves anything to the look before. */
void
quiet_judge(struct quiet_conn *now, const struct quiet_conn *before)
{
	now->guessed = false;
	if (now->unread > 0 || now->unsent > 0)
		now->inside = true;
	else if (now->received == 0 || now->sent == 0)
		now->inside = now->received > 0;
	else if (now->heard_ms != now->spoke_ms)
		now->inside = now->heard_ms < now->spoke_ms;
	else if (!before)
		now->inside = now->guessed = true;
	else if (now->received == before->received && now->sent == before->sent)
		now->inside = before->inside && !before->guessed;
	else
		now->inside = now->received > before->received && now->sent == before->sent;
}

enum look_step {
	LOOK_FDS, /* of the processes, one after the other */
	LOOK_LIST, /* of the ports, by IPv4 and by IPv6 */
};

struct quiet_look {
	const struct quiet *quiet; /* for the look before */
	const uint16_t *ports; /* of the call that goes on */
	size_t ports_len;
	enum look_step step;

	pid_t pids[1 + TREE_MAX];
	size_t pids_len, pids_at;
	DIR *fds; /* of the process that is being looked at */
	int pidfd; /* of it; -1 when it lets no copy be made */

	uint32_t *inodes; /* sockets to be found in the list */
	size_t inodes_len, inodes_cap;
	int diag;
	bool asked;
	size_t port_at;
	int family;

	struct quiet_conn *conns;
	size_t conns_len, conns_cap;
	unsigned inside;
};

static void
look_free(struct quiet_look *k)
{
	if (!k)
		return;
	if (k->fds)
		(void)closedir(k->fds);
	fd_close(&k->pidfd);
	fd_close(&k->diag);
	mem_free(k->inodes);
	mem_free(k->conns);
	mem_free(k);
}

static int
look_new(struct quiet *q, pid_t pid)
{
	struct quiet_look *k = mem_calloc(1, sizeof(*k));
	int n;

	if (!k)
		return -ENOMEM;
	k->quiet = q;
	k->family = AF_INET;
	k->diag = k->pidfd = -1;
	k->pids[0] = pid;
	n = proc_descendants(pid, k->pids + 1, TREE_MAX);
	if (n < 0) {
		look_free(k);
		return n;
	}
	k->pids_len = 1 + (size_t)n;
	q->look = k;
	return 0;
}

/* --- one connection ------------------------------------------------------------------------ */

static int
compare_conns(const void *a, const void *b)
{
	const struct quiet_conn *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static const struct quiet_conn *
seen_before(const struct quiet *q, uint32_t inode)
{
	const struct quiet_conn key = {.inode = inode};

	return q->seen_len == 0 ? NULL
	                        : bsearch(&key, q->seen, q->seen_len, sizeof(key), compare_conns);
}

/* The peer's end counts as a byte that was received. */
static int
add_conn(struct quiet_look *k, uint32_t inode, const struct tcp_info *info, uint32_t unread)
{
	unsigned end = info->tcpi_state == STATE_CLOSE_WAIT;
	struct quiet_conn c = {
	    .inode = inode,
	    .unread = unread,
	    .unsent = info->tcpi_notsent_bytes,
	    .spoke_ms = info->tcpi_last_data_sent,
	    .heard_ms = info->tcpi_last_data_recv,
	    .rto_ms = info->tcpi_rto / 1000,
	    .sent = info->tcpi_bytes_sent,
	    .received = info->tcpi_bytes_received > end ? info->tcpi_bytes_received - end : 0,
	};

	if (k->conns_len == k->conns_cap) {
		size_t cap = k->conns_cap ? 2 * k->conns_cap : 32;
		struct quiet_conn *bigger = mem_realloc(k->conns, cap * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		k->conns = bigger;
		k->conns_cap = cap;
	}
	quiet_judge(&c, seen_before(k->quiet, inode));
	k->inside += c.inside;
	k->conns[k->conns_len++] = c;
	return 0;
}

/* Kernels before 4.19 do not count what was sent. */
static bool
is_whole(size_t info_len)
{
	const struct tcp_info *info;

	return info_len >=
	       offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(info->tcpi_bytes_sent);
}

/* --- by a copy of the descriptor ----------------------------------------------------------- */

static bool
has_port(const struct quiet_look *k, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a;
	socklen_t len = sizeof(a);
	in_port_t port;

	if (getsockname(fd, &a.any, &len) < 0)
		return false;
	port = a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port;
	for (size_t i = 0; i < k->ports_len; i++)
		if (k->ports[i] == ntohs(port))
			return true;
	return false;
}

/* What is not TCP has no such information; what listens, no ioctl. */
static int
look_at_copy(struct quiet_look *k, int fd, uint32_t inode)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	int unread = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    (info.tcpi_state != STATE_ESTABLISHED && info.tcpi_state != STATE_CLOSE_WAIT) ||
	    !has_port(k, fd))
		return 0;
	if (!is_whole(len))
		return -EOPNOTSUPP;
	if (ioctl(fd, SIOCINQ, &unread) < 0)
		return 0;
	return add_conn(k, inode, &info, unread > 0 ? (uint32_t)unread : 0);
}

/* 1: it could not be copied. If the worker closes its own within these microseconds, the connection
 * ends with ours. */
static int
try_copy(struct quiet_look *k, int number, uint32_t inode)
{
	int copy = (int)syscall(SYS_pidfd_getfd, k->pidfd, number, 0), error;

	if (copy < 0)
		return errno == EBADF || errno == ESRCH ? 0 : 1;
	error = look_at_copy(k, copy, inode);
	fd_close(&copy);
	return error;
}

/* --- by the list --------------------------------------------------------------------------- */

static int
add_inode(struct quiet_look *k, uint32_t inode)
{
	if (k->inodes_len == k->inodes_cap) {
		size_t cap = k->inodes_cap ? 2 * k->inodes_cap : 64;
		uint32_t *bigger = mem_realloc(k->inodes, cap * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		k->inodes = bigger;
		k->inodes_cap = cap;
	}
	k->inodes[k->inodes_len++] = inode;
	return 0;
}

static int
compare_inodes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int
find_info(const struct inet_diag_msg *msg, size_t len, struct tcp_info *ret)
{
	const struct rtattr *a = (const struct rtattr *)(msg + 1);
	int64_t left = (int64_t)len - (int64_t)NLMSG_ALIGN(sizeof(*msg));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t size = RTA_PAYLOAD(a);

		if (a->rta_type != INET_DIAG_INFO || !is_whole(size))
			continue;
		memset(ret, 0, sizeof(*ret));
		memcpy(ret, RTA_DATA(a), size < sizeof(*ret) ? size : sizeof(*ret));
		return 0;
	}
	return -EOPNOTSUPP;
}

/* The peer's end is a byte to be read, until it is. */
static int
take_conn(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	struct quiet_look *k = arg;
	unsigned end = msg->idiag_state == STATE_CLOSE_WAIT;
	uint32_t inode = msg->idiag_inode;
	struct tcp_info info;
	int error;

	if ((msg->idiag_state != STATE_ESTABLISHED && !end) ||
	    !bsearch(&inode, k->inodes, k->inodes_len, sizeof(inode), compare_inodes))
		return 0;
	error = find_info(msg, len, &info);
	if (error < 0)
		return error;
	return add_conn(k, inode, &info, msg->idiag_rqueue > end ? msg->idiag_rqueue - end : 0);
}

/* One part of one list. 1: there is more; 0: that was all; or a negative errno. */
static int
look_at_list(struct quiet_look *k)
{
	int r = 0;

	if (k->inodes_len == 0 || k->port_at >= k->ports_len)
		return 0;
	if (!k->asked)
		r = diag_ask_all(k->diag, k->family, STATES_ALL, htons(k->ports[k->port_at]), true);
	if (r < 0)
		return r;
	k->asked = true;
	r = diag_receive(k->diag, take_conn, k);
	if (r != 0)
		return r;
	k->asked = false;
	if (k->family == AF_INET) {
		k->family = AF_INET6;
	} else {
		k->family = AF_INET;
		k->port_at++;
	}
	return 1;
}

/* --- the descriptors ----------------------------------------------------------------------- */

/* A descendant that has ended holds nothing, though its directory may be there still, for root
 * alone; the worker itself ought not to have ended. */
static int
open_process(struct quiet_look *k)
{
	pid_t pid = k->pids[k->pids_at];
	char path[64];
	int error;

	k->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	k->fds = opendir(path);
	if (k->fds)
		return 0;
	error = -errno;
	if (proc_has_ended(pid))
		return k->pids_at == 0 ? -ESRCH : 0;
	return error;
}

static int
look_at_fd(struct quiet_look *k, const char *name)
{
	static const char prefix[] = "socket:[";
	char target[64], *number = target + sizeof(prefix) - 1;
	uint64_t inode;
	ssize_t len = readlinkat(dirfd(k->fds), name, target, sizeof(target) - 1);
	int r = 1;

	if (len <= 0)
		return 0; /* closed meanwhile, or "." */
	target[len] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	number[strcspn(number, "]")] = '\0';
	if (units_parse_uint(number, UINT32_MAX, &inode) < 0)
		return 0;
	if (k->pidfd >= 0)
		r = try_copy(k, (int)strtol(name, NULL, 10), (uint32_t)inode);
	if (r <= 0)
		return r;
	fd_close(&k->pidfd); /* not for the next one either */
	return add_inode(k, (uint32_t)inode);
}

static int
end_of_fds(struct quiet_look *k)
{
	if (k->inodes_len > 0) {
		qsort(k->inodes, k->inodes_len, sizeof(*k->inodes), compare_inodes);
		k->step = LOOK_LIST;
		return diag_open(&k->diag);
	}
	k->step = LOOK_LIST;
	return 0;
}

/* Some of the descriptors of one process. 1, or a negative errno. */
static int
look_at_fds(struct quiet_look *k)
{
	int error = k->fds ? 0 : open_process(k);
	struct dirent *entry;

	for (int i = 0; error == 0 && i < FDS_A_SLICE && k->fds; i++) {
		entry = readdir(k->fds);
		if (entry) {
			error = look_at_fd(k, entry->d_name);
		} else {
			(void)closedir(k->fds);
			k->fds = NULL;
		}
	}
	if (error == 0 && !k->fds) {
		fd_close(&k->pidfd);
		if (++k->pids_at == k->pids_len)
			error = end_of_fds(k);
	}
	return error < 0 ? error : 1;
}

/* --- a look -------------------------------------------------------------------------------- */

/* This look becomes the one before. */
static int
look_finish(struct quiet *q)
{
	struct quiet_look *k = q->look;
	int inside = (int)k->inside;

	if (k->conns_len > 0)
		qsort(k->conns, k->conns_len, sizeof(*k->conns), compare_conns);
	mem_free(q->seen);
	q->seen = k->conns;
	q->seen_len = k->conns_len;
	q->seen_cap = k->conns_cap;
	k->conns = NULL;
	q->look = NULL;
	look_free(k);
	return inside;
}

static int
look_on(struct quiet *q, uint64_t until_us)
{
	struct quiet_look *k = q->look;
	int r;

	do {
		r = k->step == LOOK_FDS ? look_at_fds(k) : look_at_list(k);
		if (r == 0)
			return look_finish(q);
		if (r < 0) {
			q->look = NULL;
			look_free(k);
			return r;
		}
	} while (clock_now_us() < until_us);
	return k->inside > 0 ? (int)k->inside : 1;
}

int
quiet_look(
    struct quiet *q, pid_t pid, const uint16_t *ports, size_t ports_len, uint64_t *ret_cost_us)
{
	uint64_t began_us = clock_now_us(), cpu_us = clock_cpu_us();
	int r = q->look ? 0 : look_new(q, pid);

	if (r == 0) {
		q->look->ports = ports;
		q->look->ports_len = ports_len;
		r = look_on(q, began_us + SLICE_US);
	}
	*ret_cost_us = clock_cpu_us() - cpu_us;
	return r;
}

void
quiet_done(struct quiet *q)
{
	look_free(q->look);
	mem_free(q->seen);
	*q = (struct quiet){0};
}
