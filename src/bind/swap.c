/*
 * swap: one socket put in the place of another, so that the program does not notice.
 *
 * dup2() over a descriptor takes its socket off the epoll sets in which it was registered, and does
 * nothing for duplicates that the program made before. Both are known to the kernel, which tells:
 * /proc/self/fd has every descriptor with its inode, /proc/self/fdinfo of an epoll set has what is
 * registered in it, with events and data. Without /proc only the descriptor itself is looked after.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "bind/bind.h"

#define WATCHES_MAX 64
#define LINE_MAX_   160 /* of fdinfo: "tfd: N events: X data: X pos:N ino:X sdev:X" */

/* A place in an epoll set. */
struct watch {
	int set, fd;
	uint32_t events;
	uint64_t data;
};

struct uses {
	ino_t inode;
	int fds[BIND_DUPS_MAX];
	size_t fds_len;
	struct watch watches[WATCHES_MAX];
	size_t watches_len;
};

struct entry { /* as the kernel gives it */
	uint64_t inode;
	int64_t offset;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* "/proc/self/DIR/FD" */
static void
name_of(char *out, const char *dir, int fd)
{
	char digits[12];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + fd % 10);
	} while ((fd /= 10) > 0);
	out = stpcpy(stpcpy(stpcpy(out, "/proc/self/"), dir), "/");
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
}

static bool
is_used(const struct uses *u, int fd)
{
	for (size_t i = 0; i < u->fds_len; i++)
		if (u->fds[i] == fd)
			return true;
	return false;
}

static uint64_t
field(const char *line, const char *name, int base)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

static void
take_line(struct uses *u, int set, const char *line)
{
	struct watch w = {.set = set};
	uint64_t inode;

	if (strncmp(line, "tfd:", 4) != 0 || u->watches_len == WATCHES_MAX)
		return;
	w.fd = (int)field(line, "tfd:", 10);
	w.events = (uint32_t)field(line, "events:", 16);
	w.data = field(line, "data:", 16);
	inode = field(line, "ino:", 16); /* 0: older kernels do not tell */
	if (is_used(u, w.fd) && (inode == 0 || inode == u->inode))
		u->watches[u->watches_len++] = w;
}

static void
look_into_set(struct uses *u, int set)
{
	char name[40], buf[1024], line[LINE_MAX_];
	size_t len = 0;
	ssize_t n;
	int fd;

	name_of(name, "fdinfo", set);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] != '\n' && len < sizeof(line) - 1) {
				line[len++] = buf[i];
				continue;
			}
			line[len] = '\0';
			take_line(u, set, line);
			len = 0;
		}
	}
	if (fd >= 0)
		(void)real()->close(fd);
}

/* Each descriptor in turn, with what it is a link to. */
static void
each_fd(struct uses *u, void (*on_fd)(struct uses *u, int fd, const char *what))
{
	_Alignas(struct entry) char buf[1024];
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	while (dir >= 0 && (n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *e = (const struct entry *)(const void *)(buf + at);
			char name[40], what[64];
			ssize_t len;
			int fd = atoi(e->name);

			at += e->len;
			if (e->name[0] == '.')
				continue;
			name_of(name, "fd", fd);
			len = readlink(name, what, sizeof(what) - 1);
			if (len <= 0)
				continue;
			what[len] = '\0';
			on_fd(u, fd, what);
		}
	}
	if (dir >= 0)
		(void)real()->close(dir);
}

static void
note_duplicate(struct uses *u, int fd, const char *what)
{
	if (strncmp(what, "socket:[", 8) != 0 || strtoull(what + 8, NULL, 10) != u->inode)
		return;
	if (!is_used(u, fd) && !shim_hides(fd) && u->fds_len < BIND_DUPS_MAX)
		u->fds[u->fds_len++] = fd;
}

static void
note_set(struct uses *u, int fd, const char *what)
{
	if (strcmp(what, "anon_inode:[eventpoll]") == 0)
		look_into_set(u, fd);
}

/* all: its duplicates, too. */
static void
find_uses(int fd, bool all, struct uses *u)
{
	struct stat st;

	memset(u, 0, sizeof(*u));
	u->fds[u->fds_len++] = fd;
	if (fstat(fd, &st) != 0)
		return;
	u->inode = st.st_ino;
	if (all)
		each_fd(u, note_duplicate);
	each_fd(u, note_set);
}

static void
take_off(const struct uses *u)
{
	for (size_t i = 0; i < u->watches_len; i++) {
		struct epoll_event none = {0};

		(void)epoll_ctl(u->watches[i].set, EPOLL_CTL_DEL, u->watches[i].fd, &none);
	}
}

static void
put_on(const struct uses *u)
{
	for (size_t i = 0; i < u->watches_len; i++) {
		struct epoll_event ev = {
		    .events = u->watches[i].events, .data.u64 = u->watches[i].data};

		(void)epoll_ctl(u->watches[i].set, EPOLL_CTL_ADD, u->watches[i].fd, &ev);
	}
}

int
swap_socket(int fd, int with, unsigned hint)
{
	struct uses u;
	int r = 0;

	find_uses(fd, true, &u);
	take_off(&u);
	for (size_t i = 0; i < u.fds_len && r == 0; i++) {
		int flags = real()->fcntl(u.fds[i], F_GETFD);
		int cloexec = flags >= 0 && (flags & FD_CLOEXEC) ? O_CLOEXEC : 0;

		if (real()->dup3(with, u.fds[i], cloexec) < 0)
			r = -errno;
		else
			hold_born(u.fds[i], hint);
	}
	put_on(&u);
	return r;
}

void
swap_forget(int fd)
{
	int saved = errno;
	struct uses u;

	find_uses(fd, false, &u);
	take_off(&u);
	errno = saved;
}

/* --- options -------------------------------------------------------------------------------- */

union value {
	int number;
	struct linger linger;
	struct timeval time;
	char text[32];
};

static bool
read_option(int fd, int level, int name, union value *v, socklen_t *len)
{
	memset(v, 0, sizeof(*v));
	*len = sizeof(*v);
	return real()->getsockopt(fd, level, name, v, len) == 0;
}

static void
copy_option(int from, int to, int level, int name)
{
	union value wanted, present;
	socklen_t len, present_len;

	if (read_option(from, level, name, &wanted, &len) &&
	    read_option(to, level, name, &present, &present_len) &&
	    memcmp(&wanted, &present, sizeof(wanted)) != 0)
		(void)real()->setsockopt(to, level, name, &wanted, len);
}

/* One that was never set stays the kernel's to size. The kernel tells twice what it was told. */
static void
copy_buffer(int from, int fresh, int to, int name)
{
	union value wanted, usual;
	socklen_t len;

	if (!read_option(from, SOL_SOCKET, name, &wanted, &len) ||
	    !read_option(fresh, SOL_SOCKET, name, &usual, &len) || wanted.number == usual.number)
		return;
	wanted.number /= 2;
	(void)real()->setsockopt(to, SOL_SOCKET, name, &wanted.number, sizeof(wanted.number));
}

static void
copy_buffers(int from, int to)
{
	int domain = AF_INET, type = SOCK_STREAM, fresh;
	socklen_t len = sizeof(domain);

	(void)real()->getsockopt(from, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	len = sizeof(type);
	(void)real()->getsockopt(from, SOL_SOCKET, SO_TYPE, &type, &len);
	fresh = real()->socket(domain, type | SOCK_CLOEXEC, 0);
	if (fresh < 0)
		return;
	copy_buffer(from, fresh, to, SO_RCVBUF);
	copy_buffer(from, fresh, to, SO_SNDBUF);
	(void)real()->close(fresh);
}

void
swap_options(int from, int to)
{
	static const struct {
		int level, name;
	} options[] = {
	    {SOL_SOCKET, SO_KEEPALIVE},
	    {SOL_SOCKET, SO_LINGER},
	    {SOL_SOCKET, SO_RCVTIMEO},
	    {SOL_SOCKET, SO_SNDTIMEO},
	    {SOL_SOCKET, SO_RCVLOWAT},
	    {SOL_SOCKET, SO_PRIORITY},
	    {SOL_SOCKET, SO_OOBINLINE},
	    {SOL_SOCKET, SO_BROADCAST},
	    {SOL_SOCKET, SO_PASSCRED},
	    {SOL_SOCKET, SO_TIMESTAMP},
	    {SOL_SOCKET, SO_ZEROCOPY},
	    {IPPROTO_TCP, TCP_NODELAY},
	    {IPPROTO_TCP, TCP_KEEPIDLE},
	    {IPPROTO_TCP, TCP_KEEPINTVL},
	    {IPPROTO_TCP, TCP_KEEPCNT},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT},
	    {IPPROTO_TCP, TCP_DEFER_ACCEPT},
	    {IPPROTO_TCP, TCP_LINGER2},
	    {IPPROTO_TCP, TCP_SYNCNT},
	    {IPPROTO_TCP, TCP_CONGESTION},
	    {IPPROTO_TCP, TCP_NOTSENT_LOWAT},
	    {IPPROTO_TCP, TCP_FASTOPEN},
	    {IPPROTO_IP, IP_TOS},
	    {IPPROTO_IP, IP_TTL},
	    {IPPROTO_IP, IP_PKTINFO},
	    {IPPROTO_IP, IP_RECVTOS},
	    {IPPROTO_IPV6, IPV6_TCLASS},
	    {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
	    {IPPROTO_IPV6, IPV6_RECVPKTINFO},
	};
	int saved = errno;

	/* What the one knows and the other does not fails, and that is right. */
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		copy_option(from, to, options[i].level, options[i].name);
	copy_buffers(from, to);
	errno = saved;
}
