/*
 * calls: what a program does with a socket that listens.
 *
 * The slot's socket has listened all the time, with the backlog of the configuration, so listen()
 * has nothing to do but to tell the master. Its file description is shared: with workers before and
 * after this one, and where one socket serves all with the siblings. Whether accept() waits is a
 * flag of that description, so who believes what is kept here: O_NONBLOCK is set at once where the
 * program wants it and taken away only when it really calls accept() and wants to wait. Where both
 * meet on one socket (a rollout from one kind to the other) the flag stays, and who waits polls.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "bind/bind.h"

#define FLUSH_MS    1000 /* more than the master ever takes */
#define FLUSHES_MAX 8 /* within one call; what goes on is something else */
#define EPHEMERAL   32768 /* ports from here on are mostly the system's choice */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int shim_socket(int domain, int type, int protocol) SHIM(socket);
int shim_bind(int fd, const struct sockaddr *sa, socklen_t len) SHIM(bind);
int shim_connect(int fd, const struct sockaddr *sa, socklen_t len) SHIM(connect);
int shim_listen(int fd, int backlog) SHIM(listen);
int shim_accept(int fd, struct sockaddr *sa, socklen_t *len) SHIM(accept);
int shim_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags) SHIM(accept4);
int shim_getsockname(int fd, struct sockaddr *sa, socklen_t *len) SHIM(getsockname);
int shim_getpeername(int fd, struct sockaddr *sa, socklen_t *len) SHIM(getpeername);
int shim_getsockopt(int fd, int level, int name, void *value, socklen_t *len) SHIM(getsockopt);
int shim_setsockopt(int fd, int level, int name, const void *value, socklen_t len) SHIM(setsockopt);
int shim_shutdown(int fd, int how) SHIM(shutdown);

/* --- one thread at a time binds ------------------------------------------------------------- */

/* The pid of the holder: a child forked meanwhile has no thread that could let go. */
static pid_t holder;

static void
lock(void)
{
	pid_t self = getpid(), nobody = 0;

	while (!__atomic_compare_exchange_n(
	    &holder, &nobody, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (nobody != self) {
			__atomic_store_n(&holder, self, __ATOMIC_RELAXED);
			return;
		}
		nobody = 0;
		(void)sched_yield();
	}
}

static void
unlock(void)
{
	__atomic_store_n(&holder, 0, __ATOMIC_RELEASE);
}

/* --- bind ----------------------------------------------------------------------------------- */

static int
option(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return real()->getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

/* A stream of TCP, datagrams of UDP, a UNIX stream; not bound before. */
static bool
find_asked(int fd, const struct sockaddr *sa, socklen_t len, struct bind_address *ret)
{
	int domain = option(fd, SOL_SOCKET, SO_DOMAIN), type = option(fd, SOL_SOCKET, SO_TYPE);
	int protocol = option(fd, SOL_SOCKET, SO_PROTOCOL);
	bool v6only = domain == AF_INET6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY) > 0;
	struct bind_address bound;
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name);
	enum bind_kind kind;

	if (sa->sa_family != domain)
		return false;
	if (domain == AF_UNIX && type == SOCK_STREAM)
		kind = BIND_UNIX;
	else if (domain != AF_INET && domain != AF_INET6)
		return false;
	else if (type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP))
		kind = BIND_TCP;
	else if (type == SOCK_DGRAM && protocol == IPPROTO_UDP)
		kind = BIND_UDP;
	else
		return false;
	if (real()->getsockname(fd, (struct sockaddr *)&name, &name_len) != 0 ||
	    (sockaddr_to_address((struct sockaddr *)&name, name_len, kind, v6only, &bound) &&
	        (kind == BIND_UNIX || bound.port != 0)))
		return false;
	return sockaddr_to_address(sa, len, kind, v6only, ret);
}

static struct bind_listener *
find_listener(const struct bind_address *asked, int fd)
{
	struct bind_listener *best = NULL;
	unsigned most = 0;

	if (asked->kind == BIND_UNIX)
		return files_listener(AT_FDCWD, asked->path);
	for (size_t i = 0; i < shim.len; i++) {
		struct bind_listener *l = &shim.l[i];
		/* Of two that are as good the one that is free, unless it was this one before. */
		unsigned score = 2 * bind_score(l, asked);

		if (score > 0 && hold_is_held(l, fd) && !bind_overlap(&l->asked, asked))
			score--;
		if (score > most) {
			most = score;
			best = l;
		}
	}
	return best;
}

/* A number that was closed behind our back may be something else now. */
static bool
is_alive(const struct bind_listener *l)
{
	return l->fd >= 0 &&
	       (l->at.kind == BIND_UDP || option(l->fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
}

static enum bind_mind
find_mind(int fd, const struct bind_listener *l)
{
	int domain = option(fd, SOL_SOCKET, SO_DOMAIN);

	if (domain == option(l->fd, SOL_SOCKET, SO_DOMAIN))
		return MIND_SAME;
	return domain == AF_INET ? MIND_V4 : MIND_V6;
}

/* Like the program's own socket: see above. Datagrams are read by calls that nobody sees. */
static void
take_over_mode(struct bind_listener *l, int flags)
{
	int now = real()->fcntl(l->fd, F_GETFL);
	int wanted = (now & ~O_NONBLOCK) | (flags & O_NONBLOCK);

	l->blocks = (flags & O_NONBLOCK) == 0;
	l->undecided = l->blocks && l->at.kind != BIND_UDP;
	if (now >= 0 && now != wanted && !l->undecided)
		(void)real()->fcntl(l->fd, F_SETFL, wanted);
}

/* Where the operator has to know: the address by its path, or its port. */
static void
say(const struct bind_listener *l, const char *why)
{
	char port[SHIM_PORT_TEXT];

	if (l->at.kind == BIND_UNIX)
		shim_say("bind() to", l->at.path, why);
	else
		shim_say("bind() to port", shim_port_text(l->at.port, port), why);
}

static int
leave_aside(const struct bind_listener *l, int fd, const struct bind_address *asked,
    const struct sockaddr *sa, socklen_t len)
{
	static bool told;

	if (!hold_aside(fd, asked, sa, len))
		return -EADDRINUSE;
	if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		say(l, "the program binds it twice, and what comes for both comes to the first; a "
		       "listen "
		       "for each, such as 0.0.0.0:PORT and [::]:PORT, keeps them apart");
	return 0;
}

/* Datagrams only: fd gets a place beside the listener, to be connected to one peer. For a moment the
 * listener allows it; not for longer, as that would go for anybody. */
static int
bind_beside(const struct bind_listener *l, int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_storage name;
	int yes = 1, no = 0, r;

	if (len > sizeof(name))
		return -EINVAL;
	memset(&name, 0, sizeof(name));
	memcpy(&name, sa, len);
	sockaddr_set_port(&name, l->at.port);
	(void)real()->setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	r = real()->bind(fd, (struct sockaddr *)&name, len) != 0 ? -errno : 0;
	(void)real()->setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &no, sizeof(no));
	return r;
}

/* 0, a negative errno, or 1: libc shall do it. */
static int
take_listener(struct bind_listener *l, int fd, const struct bind_address *asked,
    const struct sockaddr *sa, socklen_t len)
{
	int flags = real()->fcntl(fd, F_GETFL), r;
	bool again = option(fd, SOL_SOCKET, SO_REUSEPORT) > 0;
	enum bind_mind mind;

	if (!is_alive(l)) {
		say(l, "brood's socket for it was closed by the program, whose own is tried");
		return 1;
	}
	mind = find_mind(fd, l);
	if (l->at.kind == BIND_UDP && mind == MIND_V6) {
		say(l, "the listen is of IPv4, and the program's socket of IPv6; write udp:*:PORT");
		return 1;
	}
	if (hold_aside_overlaps(asked, fd) && !again)
		return -EADDRINUSE;
	if (hold_is_held(l, fd)) {
		if (!bind_overlap(&l->asked, asked))
			return leave_aside(l, fd, asked, sa, len);
		if (l->at.kind == BIND_UDP && !again && option(fd, SOL_SOCKET, SO_REUSEADDR) > 0)
			return bind_beside(l, fd, sa, len);
		if (!again)
			return -EADDRINUSE;
	}
	swap_options(fd, l->fd);
	r = swap_socket(fd, l->fd, (unsigned)(l - shim.l + 1) | HINT_MIND(mind));
	if (r < 0)
		return r;
	l->asked = *asked;
	l->shut = false;
	l->claimer = getpid();
	take_over_mode(l, flags);
	shim_claim(l);
	if (l->at.kind == BIND_UDP)
		shim_tell_ready();
	return 0;
}

static int
try_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct bind_address asked;
	struct bind_listener *l;

	if (hold_listener(fd))
		return -EINVAL; /* bound already */
	if (!find_asked(fd, sa, len, &asked))
		return 1;
	l = find_listener(&asked, fd);
	return l ? take_listener(l, fd, &asked, sa, len) : 1;
}

int
shim_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	int saved = errno, r = 1;

	if (shim.active && sa && len >= sizeof(sa->sa_family)) {
		lock();
		r = try_bind(fd, sa, len);
		unlock();
	}
	errno = r < 0 ? -r : saved;
	if (r == 1)
		return real()->bind(fd, sa, len);
	return r < 0 ? -1 : 0;
}

/* The likeliest mistake: the program listens, and the configuration names another port. Who has got
 * one of its listeners may have others besides. */
static void
notice_other(int fd)
{
	static bool told;
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct bind_address at;
	char text[SHIM_PORT_TEXT];

	if (__atomic_load_n(&told, __ATOMIC_RELAXED) ||
	    option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
	    real()->getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
	    !sockaddr_to_address((struct sockaddr *)&name, len, BIND_TCP, false, &at))
		return;
	for (size_t i = 0; i < shim.len; i++)
		if (shim.l[i].claimed || shim.l[i].at.port == at.port)
			return;
	if (at.port < EPHEMERAL && !__atomic_exchange_n(&told, true, __ATOMIC_RELAXED))
		shim_say("listen() on port", shim_port_text(at.port, text),
		    "no listen of the configuration names it, so it is the program's own; add it, "
		    "or "
		    "?as=PORT to the one that is meant");
}

int
shim_listen(int fd, int backlog)
{
	struct bind_listener *l = hold_listener(fd);
	int saved = errno, r;

	if (l && l->at.kind != BIND_UDP) {
		shim_tell_ready();
		return 0;
	}
	r = real()->listen(fd, backlog);
	if (r == 0 && shim.active) {
		notice_other(fd);
		errno = saved;
	}
	return r;
}

int
shim_socket(int domain, int type, int protocol)
{
	int fd = real()->socket(domain, type, protocol);

	hold_born(fd, HINT_NONE);
	return fd;
}

/* A datagram socket that is connected hears of one peer only: the slot's would be deaf for all who
 * share it. The program gets one of its own in its place, with the same name. */
static void
leave_shared(const struct bind_listener *l, int fd)
{
	int flags = real()->fcntl(fd, F_GETFL), yes = 1;
	int own = real()->socket(option(fd, SOL_SOCKET, SO_DOMAIN), SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (own < 0)
		return;
	(void)real()->setsockopt(own, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (real()->getsockname(fd, (struct sockaddr *)&name, &len) == 0)
		(void)bind_beside(l, own, (struct sockaddr *)&name, len);
	swap_options(fd, own);
	(void)real()->fcntl(own, F_SETFL, flags);
	(void)swap_socket(fd, own, HINT_MIND(hold_mind(fd)) | HINT_ACCEPTED);
	(void)real()->close(own);
}

/* Programs look whether somebody serves at their path before they remove it and bind. It is the
 * master who does, for them, so nobody serves there until one of this worker has bound it. */
int
shim_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct bind_address asked;
	struct bind_listener *l;
	int saved = errno;

	l = hold_hinted(fd) ? hold_listener(fd) : NULL;
	if (l && l->at.kind == BIND_UDP && sa && sa->sa_family != AF_UNSPEC) {
		lock();
		leave_shared(l, fd);
		unlock();
		errno = saved;
	}
	if (shim.has_unix && sa && len > sizeof(sa->sa_family) && sa->sa_family == AF_UNIX &&
	    sockaddr_to_address(sa, len, BIND_UNIX, false, &asked)) {
		l = files_listener(AT_FDCWD, asked.path);
		if (l && !l->claimed && option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM) {
			errno = ECONNREFUSED;
			return -1;
		}
		errno = saved;
	}
	return real()->connect(fd, sa, len);
}

/* --- accept --------------------------------------------------------------------------------- */

static void
settle_mode(struct bind_listener *l, int fd)
{
	int saved = errno, flags;

	if (l->blocks && !l->undecided)
		return; /* it has been told, and wait_for_one() does the rest */
	flags = real()->fcntl(fd, F_GETFL);
	if (flags >= 0 && !l->blocks && !(flags & O_NONBLOCK))
		(void)real()->fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	else if (flags >= 0 && l->undecided && (flags & O_NONBLOCK))
		(void)real()->fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	l->undecided = false;
	errno = saved;
}

/* accept() found nothing, although the program waits: somebody set O_NONBLOCK, or its own
 * SO_RCVTIMEO is over. */
static bool
wait_for_one(const struct bind_listener *l, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timeval limit = {0};
	socklen_t len = sizeof(limit);

	if (!l->blocks)
		return false;
	(void)real()->getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &len);
	if (limit.tv_sec != 0 || limit.tv_usec != 0) {
		errno = EAGAIN;
		return false;
	}
	return poll(&p, 1, -1) == 1;
}

/* The master moves a queue by shutting its socket down and listening again, in microseconds; who
 * waits in accept() meanwhile shall not hear of it. */
static bool
was_flushed(const struct bind_listener *l, int fd, int *tries)
{
	if (l->shut || ++*tries > FLUSHES_MAX || hold_listener(fd) != l) {
		errno = EINVAL;
		return false;
	}
	if (!l->blocks) {
		errno = EAGAIN;
		return false;
	}
	for (int ms = 0; ms < FLUSH_MS && option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0; ms++)
		(void)poll(NULL, 0, 1);
	return true;
}

static int
call_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	/* Who never asked for accept4() does not get it: seccomp filters may know only one. */
	return flags == 0 ? real()->accept(fd, sa, len) : real()->accept4(fd, sa, len, flags);
}

static int
accept_translated(int fd, struct sockaddr *sa, socklen_t *len, int flags, enum bind_mind mind)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	int r = call_accept(fd, (struct sockaddr *)&peer, &peer_len, flags);

	hold_born(r, HINT_ACCEPTED | HINT_MIND(mind));
	if (r >= 0 && sa && len) {
		peer_len = sockaddr_translate(mind, &peer, peer_len);
		sockaddr_give(&peer, peer_len, sa, len);
	}
	return r;
}

static int
take(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct bind_listener *l = hold_hinted(fd);
	enum bind_mind mind = hold_mind(fd);
	int r, waits, tries = 0;

	if (!l) {
		r = call_accept(fd, sa, len, flags);
		hold_born(r, HINT_NONE);
		return r;
	}
	settle_mode(l, fd);
	waits = l->blocks;
	(void)__atomic_add_fetch(&l->waiting, waits, __ATOMIC_RELAXED);
	do {
		if (mind == MIND_SAME || (sa && !len)) {
			r = call_accept(fd, sa, len, flags);
			hold_born(r, HINT_NONE);
		} else {
			r = accept_translated(fd, sa, len, flags, mind);
		}
	} while (r < 0 && ((errno == EAGAIN && wait_for_one(l, fd)) ||
	                      (errno == EINVAL && was_flushed(l, fd, &tries))));
	(void)__atomic_sub_fetch(&l->waiting, waits, __ATOMIC_RELAXED);
	return r;
}

int
shim_accept(int fd, struct sockaddr *sa, socklen_t *len)
{
	return take(fd, sa, len, 0);
}

int
shim_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	return take(fd, sa, len, flags);
}

/* Shut down, the slot's socket would be lost to all who hold it: the program gets one of its own
 * that is as dead. Only a thread that waits in accept() can be woken by nothing else than the real
 * thing; the master listens again then. A UNIX socket could not, so there the thread waits on. */
int
shim_shutdown(int fd, int how)
{
	struct bind_listener *l = hold_listener(fd);
	int saved = errno, domain, dead, r;

	if (!l || how == SHUT_WR || l->at.kind == BIND_UDP)
		return real()->shutdown(fd, how);
	if (l->at.kind == BIND_TCP && __atomic_load_n(&l->waiting, __ATOMIC_RELAXED) > 0) {
		l->shut = true;
		return real()->shutdown(fd, how);
	}
	domain = option(fd, SOL_SOCKET, SO_DOMAIN);
	dead = real()->socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = dead < 0 ? -errno : swap_socket(fd, dead, HINT_NONE);
	if (dead >= 0)
		(void)real()->close(dead);
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : 0;
}

/* --- names and options ---------------------------------------------------------------------- */

/* The true address, but the port that was asked for where the configuration maps one. */
int
shim_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	const struct bind_listener *l = hold_listener(fd);
	enum bind_mind mind = hold_mind(fd);
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name);

	if (!sa || !len || (!l && mind == MIND_SAME && hold_hint(fd) != HINT_ASIDE))
		return real()->getsockname(fd, sa, len);
	if (!l && hold_aside_name(fd, &name, &name_len)) {
		sockaddr_give(&name, name_len, sa, len);
		return 0;
	}
	if (real()->getsockname(fd, (struct sockaddr *)&name, &name_len) != 0)
		return -1;
	name_len = sockaddr_translate(mind, &name, name_len);
	if (l && l->as != 0 && l->asked.port == l->as)
		sockaddr_set_port(&name, l->as);
	sockaddr_give(&name, name_len, sa, len);
	return 0;
}

int
shim_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	enum bind_mind mind = hold_mind(fd);
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name);

	if (!sa || !len || mind == MIND_SAME)
		return real()->getpeername(fd, sa, len);
	if (real()->getpeername(fd, (struct sockaddr *)&name, &name_len) != 0)
		return -1;
	sockaddr_give(&name, sockaddr_translate(mind, &name, name_len), sa, len);
	return 0;
}

int
shim_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	enum bind_mind mind = hold_mind(fd);
	int number;

	if (mind == MIND_SAME || !value || !len)
		return real()->getsockopt(fd, level, name, value, len);
	if (level == SOL_SOCKET && name == SO_DOMAIN)
		number = mind == MIND_V4 ? AF_INET : AF_INET6;
	else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && mind == MIND_V6)
		number = 0;
	else
		return real()->getsockopt(fd, level, name, value, len);
	memcpy(value, &number, *len < sizeof(number) ? *len : sizeof(number));
	*len = *len < sizeof(number) ? *len : sizeof(number);
	return 0;
}

/* What makes a group of sockets, or chooses in it, is the master's. */
static bool
is_masters(int level, int name)
{
	static const int names[] = {SO_REUSEADDR, SO_REUSEPORT, SO_ATTACH_REUSEPORT_CBPF,
	    SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF};

	for (size_t i = 0; level == SOL_SOCKET && i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] == name)
			return true;
	return false;
}

int
shim_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (is_masters(level, name) && hold_listener(fd))
		return 0;
	/* An IPv6 program has options for its IPv6 socket, which is one of IPv4 here. */
	if (level == IPPROTO_IPV6 && hold_mind(fd) == MIND_V6)
		return 0;
	return real()->setsockopt(fd, level, name, value, len);
}
