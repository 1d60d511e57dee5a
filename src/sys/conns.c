/*
 * conns: see conns.h. sock_diag(7) is asked in two ways. A list of all is used once to find what
 * there is (diag.h says what it costs, and why it comes in parts); what is known by its addresses
 * is asked for by them, at a microsecond or two.
 */
#include "sys/conns.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "sys/diag.h"
#include "sys/steer.h"

#define HANDSHAKES_MAX    16384
#define HANDSHAKES_A_CALL 64
#define SLICE_US          1500

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static in_port_t
port_of(const union address *a)
{
	return a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port;
}

static int
get_bound(int fd, union address *ret)
{
	socklen_t len = sizeof(*ret);

	if (getsockname(fd, &ret->any, &len) < 0)
		return -errno;
	return ret->any.sa_family == AF_INET || ret->any.sa_family == AF_INET6 ? 0 : -EOPNOTSUPP;
}

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
receive_all(int fd, diag_fn fn, void *arg)
{
	int r;

	do
		r = diag_receive(fd, fn, arg);
	while (r > 0);
	return r;
}

static int
take_none(void *arg, const struct inet_diag_msg *msg, size_t len)
{
	(void)arg, (void)msg, (void)len;
	return 0;
}

/* Port 1 has hardly anything to list, and those that listen have a table of their own. */
int
conns_available(void)
{
	int fd, error = diag_open(&fd);

	if (error < 0)
		return error;
	error = diag_ask_all(fd, AF_INET, 1u << STATE_LISTEN, htons(1), false);
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

/* A list that is being read. */
struct handshake_list {
	struct handshakes *h;
	union address bound;
	int diag;
	bool other_family; /* a second list is to follow */
};

static void
list_free(struct handshakes *h)
{
	if (!h->list)
		return;
	fd_close(&h->list->diag);
	mem_free(h->list);
	h->list = NULL;
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
	const struct handshake_list *k = arg;

	(void)len;
	if (msg->idiag_state != STATE_SYN_RECV || msg->id.idiag_sport != port_of(&k->bound) ||
	    !is_bound_to(&k->bound, msg) || k->h->len == HANDSHAKES_MAX)
		return 0;
	if (reserve_handshake(k->h) < 0)
		return -ENOMEM;
	k->h->items[k->h->len++] = (struct handshake){.id = msg->id, .family = msg->idiag_family};
	return 0;
}

/* Of all ports, so that it comes in parts: what matters most for that, connections in TIME_WAIT,
 * may be those of our clients or our own. */
static int
ask(const struct handshake_list *k, int family)
{
	return diag_ask_all(k->diag, family, STATES_ALL, 0, false);
}

/* 1: there is more; 0: that was all; or a negative errno. A handshake by IPv4 with a listener of
 * both is listed with those of IPv4, whatever the connection that comes of it. */
static int
list_on(struct handshakes *h)
{
	uint64_t until_us = clock_now_us() + SLICE_US;
	struct handshake_list *k = h->list;
	int r;

	do {
		r = diag_receive(k->diag, note, k);
		if (r == 0 && k->other_family) {
			k->other_family = false;
			r = ask(k, AF_INET);
			r = r < 0 ? r : 1;
		}
	} while (r > 0 && clock_now_us() < until_us);
	if (r <= 0)
		list_free(h);
	return r;
}

int
handshakes_note(int fd, struct handshakes *ret)
{
	struct handshake_list *k;
	union address bound;
	int error = get_bound(fd, &bound);

	list_free(ret);
	ret->len = 0;
	if (error < 0)
		return error;
	k = mem_calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	*k = (struct handshake_list){.h = ret, .bound = bound, .diag = -1};
	k->other_family =
	    bound.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&bound.v6.sin6_addr);
	ret->list = k;
	error = diag_open(&k->diag);
	if (error == 0)
		error = ask(k, bound.any.sa_family);
	if (error < 0) {
		list_free(ret);
		return error;
	}
	error = list_on(ret);
	return error < 0 ? error : 0;
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
	uint8_t state = 0;
	int error = diag_ask_one(fd, one->family, &one->id);

	if (error == 0)
		error = diag_receive(fd, take_state, &state);
	if (error == -EOPNOTSUPP || error == -ESTALE) /* "no such" looks like "no handler" */
		return 0;
	return error < 0 ? error : state == STATE_SYN_RECV;
}

/* From the end, so that one that is over costs no move. */
static int
look_at_some(struct handshakes *h)
{
	size_t until = h->len > HANDSHAKES_A_CALL ? h->len - HANDSHAKES_A_CALL : 0;
	int diag, error = diag_open(&diag);

	if (error < 0)
		return error;
	for (size_t at = h->len; error >= 0 && at > until; at--) {
		error = is_under_way(diag, &h->items[at - 1]);
		if (error == 0)
			h->items[at - 1] = h->items[--h->len];
	}
	fd_close(&diag);
	return error < 0 ? error : 0;
}

int
handshakes_left(struct handshakes *h)
{
	int r = h->list ? list_on(h) : 0;

	if (r > 0) /* somewhere in the rest of the list there may be one */
		return h->len > 0 ? (int)h->len : 1;
	if (r == 0 && h->len > 0)
		r = look_at_some(h);
	return r < 0 ? r : (int)h->len;
}

void
handshakes_done(struct handshakes *h)
{
	list_free(h);
	mem_free(h->items);
	*h = (struct handshakes){0};
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
	int diag, error = get_bound(fd, &bound);

	if (error == 0)
		error = diag_open(&diag);
	if (error < 0)
		return error;
	error = diag_ask_all(diag, bound.any.sa_family, states, port_of(&bound), false);
	if (error == 0)
		error = receive_all(diag, count_waiting, &w);
	fd_close(&diag);
	return error < 0 ? error : w.n;
}
