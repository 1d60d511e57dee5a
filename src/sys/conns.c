/*
 * conns: see conns.h. sock_diag(7) is asked in two ways. A dump walks the table of all connections
 * of the namespace, some hundred microseconds for the table of a small machine and some
 * milliseconds for that of a big one, so it is used once to find what there is. What is known by
 * its addresses is asked for by them, at a microsecond or two.
 *
 * The first part of a dump is made while we send the request and each further one while we take
 * the part before, so receiving never waits; that it would is an error here.
 */
#include "sys/conns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h> /* the long struct tcp_info; not together with <netinet/tcp.h> */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "sys/proc.h"
#include "sys/steer.h"

/* States of TCP as the kernel counts them. */
#define STATE_ESTABLISHED 1
#define STATE_SYN_RECV    3
#define STATE_CLOSE_WAIT  8
#define STATE_LISTEN      10

#define CHUNK             32768 /* the kernel makes none that is longer */
#define HANDSHAKES_MAX    16384
#define HANDSHAKES_A_CALL 64
#define TREE_MAX          1024
#define SLICE_US          1500
#define LINKS_A_SLICE     64

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* --- netlink ------------------------------------------------------------------------------- */

static int
open_diag(int *ret_fd)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? -EOPNOTSUPP : -errno;
	*ret_fd = fd;
	return 0;
}

static struct request
request_for(int family, uint32_t states)
{
	return (struct request){
	    .header =
	        {
	            .nlmsg_len = sizeof(struct request),
	            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	            .nlmsg_flags = NLM_F_REQUEST,
	        },
	    .body =
	        {
	            .sdiag_family = (uint8_t)family,
	            .sdiag_protocol = IPPROTO_TCP,
	            .idiag_states = states,
	        },
	};
}

static int
send_request(int fd, const struct request *r)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(fd, r, sizeof(*r), MSG_DONTWAIT, (const struct sockaddr *)&kernel,
	        sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

static int
ask_for_all(int fd, int family, uint32_t states, in_port_t port, bool with_info)
{
	struct request r = request_for(family, states);

	r.header.nlmsg_flags |= NLM_F_DUMP;
	r.body.id.idiag_sport = port;
	if (with_info)
		r.body.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	return send_request(fd, &r);
}

/* What an error message, or the end of a dump, carries. A handler that the kernel does not have,
 * and cannot load, is -ENOENT. */
static int
error_of(const struct nlmsghdr *h)
{
	int error = 0;

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(h), sizeof(error));
	return error == -ENOENT ? -EOPNOTSUPP : error;
}

/* Called for each connection; returns a negative errno to give up. */
typedef int (*conn_fn)(void *arg, const struct inet_diag_msg *msg, size_t len);

/* What is left is signed: padding that is not there takes it below zero. */
static int
take_messages(const struct nlmsghdr *h, int64_t left, conn_fn fn, void *arg)
{
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		int error = 0;

		switch (h->nlmsg_type) {
		case NLMSG_DONE:
			return error_of(h);
		case NLMSG_ERROR:
			error = error_of(h);
			return error < 0 ? error : -EIO;
		case SOCK_DIAG_BY_FAMILY:
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
				error = fn(arg, NLMSG_DATA(h), NLMSG_PAYLOAD(h, 0));
			break;
		}
		if (error < 0)
			return error;
	}
	return 1;
}

/* One part of the answer. 1: more may come. 0: that was all. Or a negative errno. */
static int
receive(int fd, conn_fn fn, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[CHUNK];
	struct sockaddr_nl from = {0};
	struct iovec io = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {
	    .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1};
	ssize_t got;

	do
		got = recvmsg(fd, &msg, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 && errno != EAGAIN ? -errno : -EIO;
	if (msg.msg_flags & MSG_TRUNC)
		return -ENOBUFS;
	if (from.nl_pid != 0)
		return 1;
	return take_messages((const struct nlmsghdr *)buf, got, fn, arg);
}

static int
receive_all(int fd, conn_fn fn, void *arg)
{
	int r;

	do
		r = receive(fd, fn, arg);
	while (r > 0);
	return r;
}

static int
take_none(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	(void)arg, (void)msg, (void)len;
	return 0;
}

/* Port 1 has hardly anything to list; the walk of the table shows that there is one. */
int
conns_available(void)
{
	int fd, error = open_diag(&fd);

	if (error < 0)
		return error;
	error = ask_for_all(fd, AF_INET, 1u << STATE_LISTEN, htons(1), false);
	if (error == 0)
		error = receive_all(fd, take_none, NULL);
	fd_close(&fd);
	return error;
}

/* --- handshakes ---------------------------------------------------------------------------- */

struct handshake {
	struct inet_diag_sockid id;
	uint8_t family;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct noting {
	struct handshakes *h;
	const union address *bound;
};

static bool
is_bound_to(const union address *bound, const struct inet_diag_msg *msg)
{
	if (bound->any.sa_family == AF_INET)
		return bound->v4.sin_addr.s_addr == htonl(INADDR_ANY) ||
		       bound->v4.sin_addr.s_addr == msg->id.idiag_src[0];
	return IN6_IS_ADDR_UNSPECIFIED(&bound->v6.sin6_addr) ||
	       memcmp(&bound->v6.sin6_addr, msg->id.idiag_src, sizeof(struct in6_addr)) == 0;
}

static int
reserve_handshake(struct handshakes *h)
{
	size_t cap = h->cap ? 2 * h->cap : 64;
	struct handshake *bigger;

	if (h->len < h->cap)
		return 0;
	bigger = mem_realloc(h->items, cap * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	h->items = bigger;
	h->cap = cap;
	return 0;
}

static int
note(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	struct noting *n = arg;

	(void)len;
	if (msg->idiag_state != STATE_SYN_RECV || !is_bound_to(n->bound, msg) ||
	    n->h->len == HANDSHAKES_MAX)
		return 0;
	if (reserve_handshake(n->h) < 0)
		return -ENOMEM;
	n->h->items[n->h->len++] = (struct handshake){.id = msg->id, .family = msg->idiag_family};
	return 0;
}

/* A handshake by IPv4 with a dual listener is listed with those of IPv4, whatever the connection
 * that comes of it. */
static int
note_family(int fd, int family, struct noting *n)
{
	in_port_t port =
	    n->bound->any.sa_family == AF_INET ? n->bound->v4.sin_port : n->bound->v6.sin6_port;
	int error = ask_for_all(fd, family, 1u << STATE_SYN_RECV, port, false);

	return error < 0 ? error : receive_all(fd, note, n);
}

int
handshakes_note(int fd, struct handshakes *ret)
{
	union address bound;
	struct noting n = {.h = ret, .bound = &bound};
	socklen_t len = sizeof(bound);
	int diag, error;

	ret->len = 0;
	if (getsockname(fd, &bound.any, &len) < 0)
		return -errno;
	if (bound.any.sa_family != AF_INET && bound.any.sa_family != AF_INET6)
		return -EOPNOTSUPP;
	error = open_diag(&diag);
	if (error < 0)
		return error;
	error = note_family(diag, bound.any.sa_family, &n);
	if (error == 0 && bound.any.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&bound.v6.sin6_addr))
		error = note_family(diag, AF_INET, &n);
	fd_close(&diag);
	return error;
}

/* --- clients that wait ---------------------------------------------------------------------- */

struct waiting {
	const union address *bound;
	int n;
};

/* By address; with IPv6 by the ports that a group uses which IPv4 does not reach. */
static bool
is_our_own(const struct inet_diag_msg *msg)
{
	const uint32_t *peer = msg->id.idiag_dst;
	uint32_t v4 = ntohl(msg->idiag_family == AF_INET ? peer[0] : peer[3]);

	if (msg->idiag_family == AF_INET || IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)peer))
		return (v4 & 0xffff0000u) == STEER_NET;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)peer) &&
	       ntohs(msg->id.idiag_dport) >= STEER_PORT;
}

/* An inode comes with the descriptor that accept() makes. */
static int
count_waiting(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	struct waiting *w = arg;

	(void)len;
	w->n += msg->idiag_inode == 0 && !is_our_own(msg) &&
	        (msg->idiag_state == STATE_ESTABLISHED || msg->idiag_state == STATE_CLOSE_WAIT) &&
	        (msg->idiag_family != w->bound->any.sa_family || is_bound_to(w->bound, msg));
	return 0;
}

int
conns_waiting(int fd)
{
	static const uint32_t states = 1u << STATE_ESTABLISHED | 1u << STATE_CLOSE_WAIT;
	union address bound;
	struct waiting w = {.bound = &bound};
	socklen_t len = sizeof(bound);
	int diag, error;

	if (getsockname(fd, &bound.any, &len) < 0)
		return -errno;
	error = open_diag(&diag);
	if (error < 0)
		return error;
	error = ask_for_all(diag, bound.any.sa_family, states,
	    bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port, false);
	if (error == 0)
		error = receive_all(diag, count_waiting, &w);
	fd_close(&diag);
	return error < 0 ? error : w.n;
}

static int
take_state(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	(void)len;
	*(uint8_t *)arg = msg->idiag_state;
	return 0;
}

/* 1, 0, or a negative errno. The cookie tells another connection of the same addresses. */
static int
is_under_way(int fd, const struct handshake *one)
{
	struct request r = request_for(one->family, 1u << STATE_SYN_RECV);
	uint8_t state = 0;
	int error;

	r.body.id = one->id;
	error = send_request(fd, &r);
	if (error == 0)
		error = receive(fd, take_state, &state);
	if (error == -EOPNOTSUPP || error == -ESTALE) /* "no such" looks like "no handler" */
		return 0;
	return error < 0 ? error : state == STATE_SYN_RECV;
}

int
handshakes_left(struct handshakes *h)
{
	int diag, error = h->len == 0 ? 0 : open_diag(&diag);

	if (h->len == 0 || error < 0)
		return error;
	/* From the end, so that one that is over costs no move. */
	for (size_t at = h->len, looked = 0;
	     error >= 0 && at-- > 0 && looked++ < HANDSHAKES_A_CALL;) {
		error = is_under_way(diag, &h->items[at]);
		if (error == 0)
			h->items[at] = h->items[--h->len];
	}
	fd_close(&diag);
	return error < 0 ? error : (int)h->len;
}

void
handshakes_done(struct handshakes *h)
{
	mem_free(h->items);
	*h = (struct handshakes){0};
}

/* --- requests inside ----------------------------------------------------------------------- */

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
	LOOK_SOCKETS, /* of the processes, one after the other */
	LOOK_CONNS, /* of the ports, by IPv4 and by IPv6 */
};

struct quiet_look {
	enum look_step step;
	pid_t pids[1 + TREE_MAX];
	size_t pids_len, pids_at;
	DIR *fds; /* of the process that is being looked at */
	uint32_t *inodes; /* sockets of all of them */
	size_t inodes_len, inodes_cap;
	int diag;
	bool asked;
	size_t port_at;
	int family;
	const struct quiet *quiet; /* for the look before */
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
	fd_close(&k->diag);
	mem_free(k->inodes);
	mem_free(k->conns);
	mem_free(k);
}

static int
look_new(struct quiet *q, pid_t pid)
{
	struct quiet_look *k = mem_calloc(1, sizeof(*k));
	int n, error;

	if (!k)
		return -ENOMEM;
	k->quiet = q;
	k->family = AF_INET;
	k->diag = -1;
	k->pids[0] = pid;
	n = proc_descendants(pid, k->pids + 1, TREE_MAX);
	error = n < 0 ? n : open_diag(&k->diag);
	if (error < 0) {
		look_free(k);
		return error;
	}
	k->pids_len = 1 + (size_t)n;
	q->look = k;
	return 0;
}

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
add_socket(struct quiet_look *k, const char *fd_name)
{
	static const char prefix[] = "socket:[";
	char target[64];
	uint64_t inode;
	ssize_t len = readlinkat(dirfd(k->fds), fd_name, target, sizeof(target) - 1);
	char *number = target + sizeof(prefix) - 1;

	if (len <= 0)
		return 0; /* closed meanwhile, or "." */
	target[len] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	number[strcspn(number, "]")] = '\0';
	if (units_parse_uint(number, UINT32_MAX, &inode) < 0)
		return 0;
	return add_inode(k, (uint32_t)inode);
}

/* A descendant that has ended holds nothing; the worker itself ought to be there. */
static int
open_fds(struct quiet_look *k)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)k->pids[k->pids_at]);
	k->fds = opendir(path);
	if (k->fds)
		return 0;
	if (errno == ENOENT || errno == ESRCH)
		return k->pids_at == 0 ? -ESRCH : 0;
	return -errno;
}

static int
compare_inodes(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Some of the descriptors of one process. */
static int
look_at_sockets(struct quiet_look *k)
{
	struct dirent *entry = NULL;
	int error = k->fds ? 0 : open_fds(k);

	for (int i = 0; error == 0 && i < LINKS_A_SLICE && k->fds; i++) {
		entry = readdir(k->fds);
		if (entry) {
			error = add_socket(k, entry->d_name);
		} else {
			(void)closedir(k->fds);
			k->fds = NULL;
		}
	}
	if (error == 0 && !k->fds && ++k->pids_at == k->pids_len) {
		if (k->inodes_len > 0)
			qsort(k->inodes, k->inodes_len, sizeof(*k->inodes), compare_inodes);
		k->step = LOOK_CONNS;
	}
	return error;
}

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

static int
add_conn(struct quiet_look *k, const struct quiet_conn *c)
{
	if (k->conns_len == k->conns_cap) {
		size_t cap = k->conns_cap ? 2 * k->conns_cap : 32;
		struct quiet_conn *bigger = mem_realloc(k->conns, cap * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		k->conns = bigger;
		k->conns_cap = cap;
	}
	k->conns[k->conns_len++] = *c;
	return 0;
}

/* Kernels before 4.19 do not count what was sent. */
static bool
find_info(const struct inet_diag_msg *msg, size_t len, struct tcp_info *ret)
{
	const struct rtattr *a = (const struct rtattr *)(msg + 1);
	int64_t left = (int64_t)len - (int64_t)NLMSG_ALIGN(sizeof(*msg));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t size = RTA_PAYLOAD(a);

		if (a->rta_type != INET_DIAG_INFO)
			continue;
		if (size <
		    offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(ret->tcpi_bytes_sent))
			return false;
		memset(ret, 0, sizeof(*ret));
		memcpy(ret, RTA_DATA(a), size < sizeof(*ret) ? size : sizeof(*ret));
		return true;
	}
	return false;
}

/* The peer's end counts as a byte that was received, and as one to be read until it is. */
static int
take_conn(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	struct quiet_look *k = arg;
	unsigned end = msg->idiag_state == STATE_CLOSE_WAIT;
	struct quiet_conn c = {.inode = msg->idiag_inode};
	struct tcp_info info;

	if (k->inodes_len == 0 ||
	    !bsearch(&c.inode, k->inodes, k->inodes_len, sizeof(c.inode), compare_inodes))
		return 0;
	if (!find_info(msg, len, &info))
		return -EOPNOTSUPP;
	c.unread = msg->idiag_rqueue > end ? msg->idiag_rqueue - end : 0;
	c.unsent = info.tcpi_notsent_bytes;
	c.spoke_ms = info.tcpi_last_data_sent;
	c.heard_ms = info.tcpi_last_data_recv;
	c.sent = info.tcpi_bytes_sent;
	c.received = info.tcpi_bytes_received > end ? info.tcpi_bytes_received - end : 0;
	quiet_judge(&c, seen_before(k->quiet, c.inode));
	k->inside += c.inside;
	return add_conn(k, &c);
}

/* One part of one list. 1: there is more; 0: that was all; or a negative errno. */
static int
look_at_conns(struct quiet_look *k, const uint16_t *ports, size_t ports_len)
{
	int r = 0;

	if (k->port_at == ports_len)
		return 0;
	if (!k->asked)
		r = ask_for_all(k->diag, k->family,
		    1u << STATE_ESTABLISHED | 1u << STATE_CLOSE_WAIT, htons(ports[k->port_at]),
		    true);
	if (r < 0)
		return r;
	k->asked = true;
	r = receive(k->diag, take_conn, k);
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
look_on(struct quiet *q, const uint16_t *ports, size_t ports_len, uint64_t until_us)
{
	struct quiet_look *k = q->look;
	int r;

	do {
		if (k->step == LOOK_SOCKETS) {
			r = look_at_sockets(k);
		} else {
			r = look_at_conns(k, ports, ports_len);
			if (r == 0)
				return look_finish(q);
		}
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

	if (r == 0)
		r = look_on(q, ports, ports_len, began_us + SLICE_US);
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
