/*
 * steer: see steer.h. A program has two parts:
 *
 *   1. names: is the source one that names a member? Then return its index. Whatever does not
 *      match, at any step, jumps to
 *   2. the table: a number below targets_len by random, hash or CPU, and the index of that entry.
 *
 * Both end in a list that turns a number in the accumulator into an index. It is searched from the
 * front: a connection costs a compare an entry at most, some 0.3 us for a thousand entries without
 * order, and one or two compares for the table of an app at rest.
 *
 * Jumps over more than 255 instructions exist only without condition, so each condition that leads
 * away is a short one over a long one.
 */
#include "sys/steer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

/* Where the network header has what we look at. Loads past the packet's end make the program
 * return 0, which is a member; a SYN is never that short. */
#define NET_VERSION   (SKF_NET_OFF)
#define NET_SOURCE_V4 (SKF_NET_OFF + 12)
#define NET_SOURCE_V6 (SKF_NET_OFF + 8)
#define NET_PORT_V6   (SKF_NET_OFF + 40)
#define VERSION_V4    0x40u
#define VERSION_MASK  0xf0u

#define TO_TABLE_MAX 12

struct program {
	struct sock_filter *code;
	unsigned len;
	bool full;
	unsigned to_table[TO_TABLE_MAX]; /* jumps to the second part */
	unsigned to_table_len;
};

static void
emit_jump(struct program *p, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	if (p->len == STEER_PROGRAM_MAX)
		p->full = true;
	else
		p->code[p->len++] = (struct sock_filter){code, if_true, if_false, k};
}

static void
emit(struct program *p, uint16_t code, uint32_t k)
{
	emit_jump(p, code, k, 0, 0);
}

static void
load(struct program *p, uint16_t size, int offset)
{
	emit(p, (uint16_t)(BPF_LD | size | BPF_ABS), (uint32_t)offset);
}

static void
emit_to_table(struct program *p)
{
	p->to_table[p->to_table_len++] = p->len;
	emit(p, BPF_JMP | BPF_JA, 0);
}

/* On to the table unless the accumulator compares so. */
static void
need(struct program *p, uint16_t compare, uint32_t k)
{
	emit_jump(p, (uint16_t)(BPF_JMP | compare | BPF_K), k, 1, 0);
	emit_to_table(p);
}

static void
need_less(struct program *p, uint32_t k)
{
	emit_jump(p, BPF_JMP | BPF_JGE | BPF_K, k, 0, 1);
	emit_to_table(p);
}

static void
table_begins_here(struct program *p)
{
	for (unsigned i = 0; i < p->to_table_len; i++)
		if (p->to_table[i] < STEER_PROGRAM_MAX)
			p->code[p->to_table[i]].k = p->len - p->to_table[i] - 1;
}

/* Returns list[accumulator], which is known to be less than len. */
static void
emit_list(struct program *p, const uint16_t *list, unsigned len)
{
	for (unsigned begin = 0, end; begin < len && !p->full; begin = end) {
		uint32_t offset = (uint32_t)list[begin] - begin; /* wraps, and the addition back */

		for (end = begin + 1; end < len && list[end] == list[end - 1] + 1; end++)
			;
		if (end == begin + 1) {
			if (end < len)
				emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, begin, 0, 1);
			emit(p, BPF_RET | BPF_K, list[begin]);
			continue;
		}
		if (end < len)
			emit_jump(p, BPF_JMP | BPF_JGE | BPF_K, end, offset ? 2 : 1, 0);
		if (offset)
			emit(p, BPF_ALU | BPF_ADD | BPF_K, offset);
		emit(p, BPF_RET | BPF_A, 0);
	}
}

/* The source address without STEER_NET. */
static void
emit_name_v4(struct program *p)
{
	load(p, BPF_B, NET_VERSION);
	emit(p, BPF_ALU | BPF_AND | BPF_K, VERSION_MASK);
	need(p, BPF_JEQ, VERSION_V4);
	load(p, BPF_W, NET_SOURCE_V4);
	emit(p, BPF_ALU | BPF_SUB | BPF_K, STEER_NET);
	need_less(p, 0x10000);
}

/* The source port of ::1 without STEER_PORT. That is only looked for at the place where it is
 * without extension headers, which nothing on this machine sends. */
static void
emit_name_v6(struct program *p)
{
	static const uint32_t loopback[] = {0, 0, 0, 1};

	for (int i = 0; i < 4; i++) {
		load(p, BPF_W, NET_SOURCE_V6 + 4 * i);
		need(p, BPF_JEQ, loopback[i]);
	}
	load(p, BPF_H, NET_PORT_V6);
	need(p, BPF_JGE, STEER_PORT);
	emit(p, BPF_ALU | BPF_SUB | BPF_K, STEER_PORT);
}

static void
emit_names(struct program *p, const struct steer_spec *spec)
{
	uint32_t raw = spec->v6only ? STEER_PORT_RAW : STEER_RAW;

	if (spec->v6only)
		emit_name_v6(p);
	else
		emit_name_v4(p);
	emit_jump(p, BPF_JMP | BPF_JGE | BPF_K, raw, 0, 4);
	emit(p, BPF_ALU | BPF_SUB | BPF_K, raw);
	need_less(p, spec->sockets);
	emit(p, BPF_RET | BPF_A, 0);
	if (spec->slots_len == 0) {
		emit_to_table(p);
	} else {
		if (spec->slots_len < raw)
			need_less(p, spec->slots_len);
		emit_list(p, spec->slots, spec->slots_len < raw ? spec->slots_len : raw);
	}
	table_begins_here(p);
}

/* A ^= A >> shift, by way of X. */
static void
fold(struct program *p, uint32_t shift)
{
	emit(p, BPF_MISC | BPF_TAX, 0);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, shift);
	emit(p, BPF_ALU | BPF_XOR | BPF_X, 0);
}

/* The words of an IPv6 address, or the one of an IPv4 address, and then the last steps of
 * MurmurHash3, so that neighbours in a network go apart. Without a seed: a client finds its worker
 * again after a restart of the master, and on another machine of the same kind. */
static void
emit_hash(struct program *p)
{
	const uint32_t odd = 0x9e3779b1;
	unsigned over_v6;

	load(p, BPF_B, NET_VERSION);
	emit(p, BPF_ALU | BPF_AND | BPF_K, VERSION_MASK);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, VERSION_V4, 0, 2);
	load(p, BPF_W, NET_SOURCE_V4);
	over_v6 = p->len;
	emit(p, BPF_JMP | BPF_JA, 0);
	for (int i = 0; i < 4; i++) {
		load(p, BPF_W, NET_SOURCE_V6 + 4 * i);
		if (i > 0)
			emit(p, BPF_ALU | BPF_XOR | BPF_X, 0);
		emit(p, BPF_ALU | BPF_MUL | BPF_K, odd);
		emit(p, BPF_MISC | BPF_TAX, 0);
	}
	if (over_v6 < STEER_PROGRAM_MAX)
		p->code[over_v6].k = p->len - over_v6 - 1;
	fold(p, 16);
	emit(p, BPF_ALU | BPF_MUL | BPF_K, 0x85ebca6b);
	fold(p, 13);
	emit(p, BPF_ALU | BPF_MUL | BPF_K, 0xc2b2ae35);
	fold(p, 16);
}

static void
emit_table(struct program *p, const struct steer_spec *spec)
{
	if (spec->targets_len > 1) {
		switch (spec->by) {
		case STEER_BY_RANDOM:
			load(p, BPF_W, SKF_AD_OFF + SKF_AD_RANDOM);
			break;
		case STEER_BY_SOURCE:
			emit_hash(p);
			break;
		case STEER_BY_CPU:
			load(p, BPF_W, SKF_AD_OFF + SKF_AD_CPU);
			break;
		}
		emit(p, BPF_ALU | BPF_MOD | BPF_K, spec->targets_len);
	}
	emit_list(p, spec->targets, spec->targets_len);
}

static bool
all_below(const uint16_t *list, unsigned len, unsigned sockets)
{
	for (unsigned i = 0; i < len; i++)
		if (list[i] >= sockets)
			return false;
	return true;
}

int
steer_compile(const struct steer_spec *spec, struct sock_filter *prog)
{
	struct program p = {.code = prog};

	if (spec->targets_len == 0 || !all_below(spec->targets, spec->targets_len, spec->sockets) ||
	    !all_below(spec->slots, spec->slots_len, spec->sockets))
		return -EINVAL;
	emit_names(&p, spec);
	emit_table(&p, spec);
	return p.full ? -E2BIG : (int)p.len;
}

int
steer_attach(int fd, const struct steer_spec *spec)
{
	struct sock_filter code[STEER_PROGRAM_MAX];
	struct sock_fprog program = {.filter = code};
	int len = steer_compile(spec, code);

	if (len < 0)
		return len;
	program.len = (unsigned short)len;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		return -errno;
	return 0;
}

/* --- from a name to a member --------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct route {
	union address source, to;
	socklen_t len;
};

static int
route_v4(const struct in_addr *bound, in_port_t port, unsigned name, struct route *ret)
{
	if (name > 0xffff)
		return -ERANGE;
	ret->source.v4 =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(STEER_NET | name)};
	ret->to.v4 =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port, .sin_addr = *bound};
	if (bound->s_addr == htonl(INADDR_ANY))
		ret->to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret->len = sizeof(ret->to.v4);
	return 0;
}

static int
route_v6(const struct sockaddr_in6 *bound, unsigned name, struct route *ret)
{
	unsigned port = STEER_PORT + name;

	if (name >= STEER_RAW)
		port = STEER_PORT + STEER_PORT_RAW + (name - STEER_RAW);
	else if (name >= STEER_PORT_RAW)
		return -ERANGE;
	if (port > STEER_PORT_MAX)
		return -ERANGE;
	ret->source.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
	    .sin6_port = htons((uint16_t)port),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	ret->to.v6 = *bound;
	if (IN6_IS_ADDR_UNSPECIFIED(&bound->sin6_addr))
		ret->to.v6.sin6_addr = in6addr_loopback;
	ret->len = sizeof(ret->to.v6);
	return 0;
}

static int
route_to(int fd, unsigned name, struct route *ret)
{
	const struct in_addr any = {.s_addr = htonl(INADDR_ANY)};
	union address bound;
	socklen_t len = sizeof(bound), int_len = sizeof(int);
	int v6only = 1;

	if (getsockname(fd, &bound.any, &len) < 0)
		return -errno;
	if (bound.any.sa_family == AF_INET)
		return route_v4(&bound.v4.sin_addr, bound.v4.sin_port, name, ret);
	if (bound.any.sa_family != AF_INET6)
		return -EOPNOTSUPP;
	if (IN6_IS_ADDR_UNSPECIFIED(&bound.v6.sin6_addr) &&
	    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &int_len) < 0)
		return -errno;
	if (!v6only)
		return route_v4(&any, bound.v6.sin6_port, name, ret);
	return route_v6(&bound.v6, name, ret);
}

/* By address the port is found at connect(), so that all of them are free for each address. */
static int
prepare_source(int fd, const struct route *route)
{
	const struct linger reset = {.l_onoff = 1};
	int one = 1;

	if (route->source.any.sa_family == AF_INET) {
		if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0)
			return -errno;
	} else if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	           setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0) {
		return -errno;
	}
	return bind(fd, &route->source.any, route->len) < 0 ? -errno : 0;
}

int
steer_connect(int fd, unsigned name)
{
	struct route route;
	int error = route_to(fd, name, &route), conn;

	if (error < 0)
		return error;
	conn = socket(route.to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (conn < 0)
		return -errno;
	error = prepare_source(conn, &route);
	if (error == 0 && connect(conn, &route.to.any, route.len) < 0 && errno != EINPROGRESS)
		error = -errno;
	if (error < 0) {
		fd_close(&conn);
		return error;
	}
	return conn;
}
