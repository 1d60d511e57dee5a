/*
 * bind_cases: what brood-bind.so promises to a program, one case each, without a master. Speaks TAP.
 *
 * Run by itself it opens the listeners of each case, as the master would, and executes itself again
 * with the module preloaded and BIND_CASE naming the case; that process is the program. It must be
 * built without sanitizers, whose libraries want to be the first that is loaded.
 *
 *	bind_cases [CASE...]		top_builddir says where the module is, or BIND_MODULE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENERS_MAX 2
#define CASE_SECONDS  60
#define AS_PORT       9 /* nothing is ever bound to it */

extern char **environ;

#define CHECK(what)                            \
	do {                                   \
		if (!(what))                   \
			fail(__LINE__, #what); \
	} while (0)

static void __attribute__((noreturn)) fail(int line, const char *what)
{
	fprintf(stderr, "line %d: %s (%s)\n", line, what, strerror(errno));
	_exit(1);
}

/* --- what a case finds ---------------------------------------------------------------------- */

static int port[LISTENERS_MAX]; /* of TCP and UDP listeners */
static const char *path; /* of the UNIX one */
static const char *self;

union name {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage all;
};

/* "1.2.3.4", "::1", or a path */
static socklen_t
name_of(const char *host, int number, union name *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (host[0] == '/' || number < 0) {
		ret->un.sun_family = AF_UNIX;
		CHECK(strlen(host) < sizeof(ret->un.sun_path));
		strcpy(ret->un.sun_path, host);
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(host) + 1);
	}
	if (strchr(host, ':')) {
		ret->in6.sin6_family = AF_INET6;
		ret->in6.sin6_port = htons((uint16_t)number);
		CHECK(inet_pton(AF_INET6, host, &ret->in6.sin6_addr) == 1);
		return sizeof(ret->in6);
	}
	ret->in.sin_family = AF_INET;
	ret->in.sin_port = htons((uint16_t)number);
	CHECK(inet_pton(AF_INET, host, &ret->in.sin_addr) == 1);
	return sizeof(ret->in);
}

static bool
is_name(const union name *n, const char *host, int number)
{
	union name wanted;
	socklen_t len = name_of(host, number, &wanted);

	return memcmp(n, &wanted, len) == 0;
}

static int
open_socket(const char *host, int type)
{
	int domain = host[0] == '/' ? AF_UNIX : strchr(host, ':') ? AF_INET6 : AF_INET;
	int fd = socket(domain, type, 0);

	CHECK(fd >= 0);
	return fd;
}

static int
bind_to(int fd, const char *host, int number)
{
	union name n;
	socklen_t len = name_of(host, number, &n);

	return bind(fd, &n.sa, len);
}

/* socket, bind and listen, as most programs do it */
static int
serve(const char *host, int number)
{
	int fd = open_socket(host, SOCK_STREAM);

	CHECK(bind_to(fd, host, number) == 0);
	CHECK(listen(fd, 5) == 0);
	return fd;
}

static int
try_client(const char *host, int number)
{
	int fd = open_socket(host, SOCK_STREAM), saved;
	union name n;
	socklen_t len = name_of(host, number, &n);

	if (connect(fd, &n.sa, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
client(const char *host, int number)
{
	int fd = try_client(host, number);

	CHECK(fd >= 0);
	return fd;
}

static bool
is_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

/* A client comes, is accepted by fd, and both talk to each other. */
static int
accept_one(int fd, const char *host, int number)
{
	int theirs = client(host, number), ours;
	char c = 0;

	CHECK(is_readable(fd, 10000));
	ours = accept(fd, NULL, NULL);
	CHECK(ours >= 0);
	CHECK(write(theirs, "x", 1) == 1 && read(ours, &c, 1) == 1 && c == 'x');
	close(theirs);
	return ours;
}

static void
serves(int fd, const char *host, int number)
{
	close(accept_one(fd, host, number));
}

static union name
own_name(int fd)
{
	union name n;
	socklen_t len = sizeof(n);

	memset(&n, 0, sizeof(n));
	CHECK(getsockname(fd, &n.sa, &len) == 0);
	return n;
}

static int
number_option(int fd, int level, int what)
{
	int value = -1;
	socklen_t len = sizeof(value);

	CHECK(getsockopt(fd, level, what, &value, &len) == 0);
	return value;
}

static void
set_option(int fd, int level, int what, int value)
{
	CHECK(setsockopt(fd, level, what, &value, sizeof(value)) == 0);
}

static bool
is_ours_alone(int fd)
{
	/* the slot's listen from the start */
	return number_option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0;
}

static ino_t
inode(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st.st_ino;
}

/* The number of the i-th descriptor of BROOD_BIND as it is now. */
static int
hidden(int i)
{
	const char *at = getenv("BROOD_BIND");

	while (i-- > 0)
		at = strchr(at, ';') + 1;
	return atoi(at);
}

static int
wait_for(pid_t pid)
{
	int status = -1;

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/* In a child: fn(arg). */
static pid_t
in_child(void (*fn)(int), int arg)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

static void
connect_later(int number)
{
	(void)usleep(100000);
	close(client("127.0.0.1", number));
}

/* Becomes case `name` in a new program. */
static void __attribute__((noreturn)) become(const char *name)
{
	CHECK(setenv("BIND_CASE", name, 1) == 0);
	execl(self, self, (char *)NULL);
	fail(__LINE__, "execl");
}

/* --- cases: addresses ----------------------------------------------------------------------- */

static void
ipv4_wildcard(void)
{
	int fd = serve("0.0.0.0", port[0]), theirs, ours;
	union name n, mine;
	socklen_t len = sizeof(n);

	n = own_name(fd);
	CHECK(is_name(&n, "0.0.0.0", port[0]));
	CHECK(number_option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET);
	theirs = client("127.0.0.1", port[0]);
	mine = own_name(theirs);
	ours = accept(fd, &n.sa, &len);
	CHECK(ours >= 0 && len == sizeof(n.in));
	CHECK(is_name(&n, "127.0.0.1", ntohs(mine.in.sin_port)));
	CHECK(number_option(ours, SOL_SOCKET, SO_DOMAIN) == AF_INET);
	len = sizeof(n);
	CHECK(getpeername(ours, &n.sa, &len) == 0 && len == sizeof(n.in));
	CHECK(is_name(&n, "127.0.0.1", ntohs(mine.in.sin_port)));
	n = own_name(ours);
	CHECK(is_name(&n, "127.0.0.1", port[0]));
	/* a duplicate of the connection is the same */
	n = own_name(dup(ours));
	CHECK(is_name(&n, "127.0.0.1", port[0]));
}

static void
ipv4_short_addresses(void)
{
	int fd = serve("0.0.0.0", port[0]), theirs = client("127.0.0.1", port[0]), ours;
	union name n;
	socklen_t len = 4;

	memset(&n, 0x55, sizeof(n));
	ours = accept4(fd, &n.sa, &len, SOCK_CLOEXEC);
	CHECK(ours >= 0 && len == sizeof(n.in));
	CHECK(n.in.sin_family == AF_INET && n.in.sin_addr.s_addr == 0x55555555);
	CHECK(fcntl(ours, F_GETFD) == FD_CLOEXEC);
	len = 0;
	CHECK(getpeername(ours, &n.sa, &len) == 0 && len == sizeof(n.in));
	close(theirs);
	theirs = client("127.0.0.1", port[0]);
	CHECK(accept(fd, NULL, NULL) >= 0);
	theirs = client("127.0.0.1", port[0]);
	CHECK(accept(fd, &n.sa, NULL) == -1 && errno == EFAULT);
	close(theirs);
}

static void
ipv4_client_of_ipv6(void)
{
	int fd = serve("0.0.0.0", port[0]), ours;
	union name n;
	socklen_t len = sizeof(n);

	(void)client("::1", port[0]);
	ours = accept(fd, &n.sa, &len);
	CHECK(ours >= 0 && len == sizeof(n.in) && n.sa.sa_family == AF_INET);
	CHECK(n.in.sin_port != 0 && n.in.sin_addr.s_addr == 0);
	CHECK(number_option(ours, SOL_SOCKET, SO_DOMAIN) == AF_INET);
	CHECK(getpeername(ours, &n.sa, &len) == 0 && len == sizeof(n.in));
	CHECK(n.sa.sa_family == AF_INET && n.in.sin_port != 0 && n.in.sin_addr.s_addr == 0);
}

static void
ipv4_loopback(void)
{
	int fd = serve("127.0.0.1", port[0]);
	union name n = own_name(fd);

	/* the true address: the configuration's is wider */
	CHECK(is_name(&n, "0.0.0.0", port[0]));
	serves(fd, "127.0.0.1", port[0]);
}

static void
ipv6_wildcard(void)
{
	int fd = serve("::", port[0]), ours;
	union name n = own_name(fd);
	socklen_t len = sizeof(n);

	CHECK(is_name(&n, "::", port[0]));
	(void)client("127.0.0.1", port[0]);
	ours = accept(fd, &n.sa, &len);
	/* as the system tells it */
	CHECK(ours >= 0 && n.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&n.in6.sin6_addr));
	serves(fd, "::1", port[0]);
}

static void
ipv6_only(void)
{
	int fd = open_socket("::", SOCK_STREAM);

	set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK(bind_to(fd, "::", port[0]) == 0 && listen(fd, 1) == 0);
	serves(fd, "::1", port[0]);
}

static void
ipv6_mapped(void)
{
	int fd = serve("::ffff:127.0.0.1", port[0]);

	serves(fd, "127.0.0.1", port[0]);
}

static void
ipv6_program_ipv4_listener(void)
{
	int fd = serve("::", port[0]), ours;
	union name n = own_name(fd);
	socklen_t len = sizeof(n);

	CHECK(is_name(&n, "::ffff:127.0.0.1", port[0]));
	CHECK(number_option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6);
	CHECK(number_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0);
	(void)client("127.0.0.1", port[0]);
	ours = accept(fd, &n.sa, &len);
	CHECK(ours >= 0 && len == sizeof(n.in6) && n.sa.sa_family == AF_INET6);
	CHECK(IN6_IS_ADDR_V4MAPPED(&n.in6.sin6_addr) && n.in6.sin6_addr.s6_addr[12] == 127);
	set_option(ours, IPPROTO_IPV6, IPV6_TCLASS, 8);
	n = own_name(ours);
	CHECK(is_name(&n, "::ffff:127.0.0.1", port[0]));
}

static void
exact_goes_first(void)
{
	int two = serve("127.0.0.2", port[0]), one = serve("127.0.0.1", port[0]);

	serves(one, "127.0.0.1", port[0]);
	serves(two, "127.0.0.2", port[0]);
}

static void
others_are_untouched(void)
{
	int fd = open_socket("127.0.0.1", SOCK_STREAM);
	union name n;

	/* the listener is 127.0.0.2 */
	CHECK(bind_to(fd, "127.0.0.1", port[0]) == 0 && is_ours_alone(fd));
	CHECK(listen(fd, 3) == 0);
	n = own_name(fd);
	CHECK(is_name(&n, "127.0.0.1", port[0]));
	fd = open_socket("127.0.0.1", SOCK_STREAM);
	CHECK(bind_to(fd, "127.0.0.1", 0) == 0 && is_ours_alone(fd));
	fd = open_socket("127.0.0.1", SOCK_DGRAM);
	CHECK(bind_to(fd, "127.0.0.2", port[0]) == 0);
	fd = open_socket("/", SOCK_STREAM);
	CHECK(bind_to(fd, "elsewhere.sock", -1) == 0 && is_ours_alone(fd));
	CHECK(unlink("elsewhere.sock") == 0);
	/* as the system answers */
	fd = open_socket("127.0.0.1", SOCK_STREAM);
	CHECK(bind(fd, NULL, 0) == -1);
	n = own_name(fd);
	CHECK(bind(fd, &n.sa, 4) == -1 && errno == EINVAL);
	CHECK(bind(-1, &n.sa, sizeof(n.in)) == -1 && errno == EBADF);
}

static void
port_by_another_number(void)
{
	int fd = serve("127.0.0.3", AS_PORT);
	union name n = own_name(fd);

	CHECK(ntohs(n.in.sin_port) == AS_PORT);
	serves(fd, "127.0.0.1", port[0]);
	close(fd);
	fd = serve("127.0.0.1", port[0]);
	n = own_name(fd);
	CHECK(is_name(&n, "127.0.0.1", port[0]));
	serves(fd, "127.0.0.1", port[0]);
}

/* --- cases: the order of calls, options ----------------------------------------------------- */

static void
options_before_and_after(void)
{
	int fd = open_socket("0.0.0.0", SOCK_STREAM), ours;

	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set_option(fd, SOL_SOCKET, SO_RCVBUF, 30000);
	CHECK(bind_to(fd, "0.0.0.0", port[0]) == 0);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
	CHECK(listen(fd, 1) == 0);
	set_option(fd, SOL_SOCKET, SO_REUSEPORT, 0);
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	CHECK(listen(fd, 0) == 0 && listen(fd, 100000) == 0 && listen(fd, -1) == 0);
	ours = accept_one(fd, "127.0.0.1", port[0]);
	CHECK(number_option(ours, IPPROTO_TCP, TCP_NODELAY) == 1);
	CHECK(number_option(ours, SOL_SOCKET, SO_KEEPALIVE) == 1);
	CHECK(number_option(ours, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
	CHECK(number_option(ours, IPPROTO_TCP, TCP_KEEPCNT) == 4);
	CHECK(number_option(ours, SOL_SOCKET, SO_RCVBUF) == 60000);
}

static void
flags_and_number_stay(void)
{
	int plain = socket(AF_INET, SOCK_STREAM, 0);
	int marked = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), high;

	CHECK(bind_to(plain, "0.0.0.0", port[0]) == 0);
	CHECK(fcntl(plain, F_GETFD) == 0);
	high = fcntl(marked, F_DUPFD_CLOEXEC, 200);
	CHECK(high == 200 && close(marked) == 0);
	CHECK(bind_to(high, "0.0.0.0", port[1]) == 0 && listen(high, 1) == 0);
	CHECK(fcntl(high, F_GETFD) == FD_CLOEXEC);
	serves(high, "127.0.0.1", port[1]);
	CHECK(bind_to(high, "0.0.0.0", port[0]) == -1 && errno == EINVAL);
}

static void
nonblocking_before(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK(bind_to(fd, "0.0.0.0", port[0]) == 0 && listen(fd, 1) == 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
	serves(fd, "127.0.0.1", port[0]);
	/* another worker of the same socket waits: this one does not */
	CHECK(syscall(SYS_fcntl, fd, F_SETFL, 0) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
}

static void
nonblocking_after(void)
{
	int fd = serve("0.0.0.0", port[0]), yes = 1, no = 0;

	CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
	CHECK(ioctl(fd, FIONBIO, &yes) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
	CHECK(ioctl(fd, FIONBIO, &no) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
}

static void
blocking_waits(void)
{
	int fd = serve("0.0.0.0", port[0]), ours;
	pid_t pid = in_child(connect_later, port[0]);

	ours = accept(fd, NULL, NULL);
	CHECK(ours >= 0 && wait_for(pid) == 0);
	/* somebody else who has the socket does not want to wait: this one does */
	CHECK(syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK) == 0);
	pid = in_child(connect_later, port[0]);
	ours = accept(fd, NULL, NULL);
	CHECK(ours >= 0 && wait_for(pid) == 0);
	CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
}

static void
on_alarm(int n)
{
	(void)n;
}

static void
waiting_ends(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval soon = {.it_value = {.tv_usec = 50000}};
	struct timeval limit = {.tv_usec = 50000};
	int fd = serve("0.0.0.0", port[0]);

	CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINTR);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
}

/* --- cases: epoll, duplicates --------------------------------------------------------------- */

static int
event(int set, int ms, uint64_t *ret_data)
{
	struct epoll_event ev;
	int n = epoll_wait(set, &ev, 1, ms);

	CHECK(n >= 0);
	if (n == 1)
		*ret_data = ev.data.u64;
	return n == 1 ? (int)ev.events : 0;
}

static int
watched(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
}

static void
epoll_before_bind(void)
{
	int sets[2] = {epoll_create1(0), epoll_create1(EPOLL_CLOEXEC)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), other[2];
	uint64_t data = 0;

	CHECK(pipe(other) == 0);
	CHECK(watched(sets[0], fd, EPOLLIN, 0x123456789abcdef0) == 0);
	CHECK(watched(sets[0], other[0], EPOLLIN, 7) == 0);
	CHECK(watched(sets[1], fd, EPOLLIN | EPOLLET, 42) == 0);
	CHECK(bind_to(fd, "0.0.0.0", port[0]) == 0 && listen(fd, 8) == 0);
	CHECK(event(sets[0], 0, &data) == 0); /* no hang-up of the socket that was */
	(void)client("127.0.0.1", port[0]);
	CHECK(event(sets[0], 10000, &data) == EPOLLIN && data == 0x123456789abcdef0);
	CHECK(event(sets[0], 10000, &data) == EPOLLIN); /* level */
	CHECK(event(sets[1], 10000, &data) == EPOLLIN && data == 42);
	CHECK(event(sets[1], 0, &data) == 0); /* edge */
	CHECK(accept(fd, NULL, NULL) >= 0);
	CHECK(write(other[1], "x", 1) == 1 && event(sets[0], 10000, &data) == EPOLLIN && data == 7);
	CHECK(epoll_ctl(sets[0], EPOLL_CTL_DEL, fd, NULL) == 0);
	CHECK(epoll_ctl(sets[0], EPOLL_CTL_DEL, fd, NULL) == -1 && errno == ENOENT);
}

static void
epoll_before_listen(void)
{
	int set = epoll_create1(0), fd = open_socket("0.0.0.0", SOCK_STREAM);
	uint64_t data;

	CHECK(bind_to(fd, "0.0.0.0", port[0]) == 0 && watched(set, fd, EPOLLIN, 5) == 0);
	CHECK(listen(fd, 8) == 0);
	(void)client("127.0.0.1", port[0]);
	CHECK(event(set, 10000, &data) == EPOLLIN && data == 5);
}

static void
close_in_child(int fd)
{
	close(fd);
}

static void
epoll_and_close(void)
{
	int set = epoll_create1(0), fd = serve("0.0.0.0", port[0]), other;
	uint64_t data;

	CHECK(watched(set, fd, EPOLLIN, 5) == 0);
	/* a child that closes what it inherited takes nothing from us */
	CHECK(wait_for(in_child(close_in_child, fd)) == 0);
	(void)client("127.0.0.1", port[0]);
	CHECK(event(set, 10000, &data) == EPOLLIN);
	/* the connection is still in the queue; the registration went with the descriptor */
	CHECK(close(fd) == 0 && event(set, 0, &data) == 0);
	fd = serve("0.0.0.0", port[0]);
	CHECK(event(set, 0, &data) == 0 && watched(set, fd, EPOLLIN, 6) == 0);
	CHECK(event(set, 10000, &data) == EPOLLIN && data == 6);
	CHECK(accept(fd, NULL, NULL) >= 0);
	(void)client("127.0.0.1", port[0]);
	/* put over it, another one closes it */
	other = open("/dev/null", O_RDONLY);
	CHECK(dup2(other, fd) == fd && event(set, 0, &data) == 0);
}

static void
duplicates(void)
{
	int fd = open_socket("0.0.0.0", SOCK_STREAM), before = dup(fd), after, third;
	union name n;

	CHECK(bind_to(fd, "0.0.0.0", port[0]) == 0 && listen(before, 1) == 0);
	CHECK(inode(fd) == inode(before));
	serves(before, "127.0.0.1", port[0]);
	after = fcntl(fd, F_DUPFD_CLOEXEC, 50);
	CHECK(after == 50 && dup2(fd, 60) == 60 && dup3(fd, 70, O_CLOEXEC) == 70);
	CHECK(close(fd) == 0 && close(before) == 0);
	third = dup(after);
	for (size_t i = 0; i < 4; i++) {
		const int all[] = {after, 60, 70, third};

		serves(all[i], "127.0.0.1", port[0]);
		n = own_name(all[i]);
		CHECK(is_name(&n, "0.0.0.0", port[0]));
	}
	CHECK(dup2(after, after) == after && dup3(after, after, 0) == -1 && errno == EINVAL);
	CHECK(dup(-1) == -1 && dup2(-1, 60) == -1 && errno == EBADF);
}

static void
bound_twice(void)
{
	int first = serve("0.0.0.0", port[0]), second = open_socket("0.0.0.0", SOCK_STREAM);

	CHECK(bind_to(second, "0.0.0.0", port[0]) == -1 && errno == EADDRINUSE);
	CHECK(bind_to(second, "127.0.0.1", port[0]) == -1 && errno == EADDRINUSE);
	CHECK(close(first) == 0);
	CHECK(bind_to(second, "0.0.0.0", port[0]) == 0 && listen(second, 1) == 0);
	serves(second, "127.0.0.1", port[0]);
}

static void
bound_twice_by_reuseport(void)
{
	int fds[2];

	for (size_t i = 0; i < 2; i++) {
		fds[i] = open_socket("0.0.0.0", SOCK_STREAM);
		set_option(fds[i], SOL_SOCKET, SO_REUSEPORT, 1);
		CHECK(bind_to(fds[i], "0.0.0.0", port[0]) == 0 && listen(fds[i], 1) == 0);
	}
	serves(fds[0], "127.0.0.1", port[0]);
	serves(fds[1], "127.0.0.1", port[0]);
}

/* asyncio, nginx and others open both families for one port */
static void
two_families_one_listener(void)
{
	int four = serve("0.0.0.0", port[0]), six = open_socket("::", SOCK_STREAM), third;
	union name n;

	set_option(six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK(bind_to(six, "::", port[0]) == 0 && listen(six, 5) == 0);
	n = own_name(six);
	CHECK(is_name(&n, "::", port[0]));
	serves(four, "127.0.0.1", port[0]);
	serves(four, "::1", port[0]);
	CHECK(!is_readable(six, 0));
	CHECK(fcntl(six, F_SETFL, O_NONBLOCK) == 0);
	CHECK(accept(six, NULL, NULL) == -1 && errno == EAGAIN);
	third = open_socket("::", SOCK_STREAM);
	set_option(third, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK(bind_to(third, "::", port[0]) == -1 && errno == EADDRINUSE);
	CHECK(close(six) == 0 && bind_to(third, "::", port[0]) == 0 && listen(third, 1) == 0);
}

/* --- cases: descriptors --------------------------------------------------------------------- */

static void
numbers_are_free(void)
{
	int fd = open("/dev/null", O_RDONLY);

	CHECK(fd == 3 && hidden(0) > 100);
	CHECK(fcntl(hidden(0), F_SETFD, FD_CLOEXEC) == 0 && fcntl(hidden(0), F_GETFD) == 0);
}

static void
closed_by_loop(void)
{
	for (int fd = 3; fd < 1024; fd++)
		(void)close(fd);
	serves(serve("0.0.0.0", port[0]), "127.0.0.1", port[0]);
}

static void
closed_by_closefrom(void)
{
	int fd = open("/dev/null", O_RDONLY), high = dup2(fd, 1020);

	closefrom(3);
	CHECK(fcntl(fd, F_GETFD) == -1 && fcntl(high, F_GETFD) == -1);
	CHECK(serve("0.0.0.0", port[0]) == 3);
	serves(3, "127.0.0.1", port[0]);
}

static void
closed_by_range(void)
{
	int fd = open("/dev/null", O_RDONLY), high = dup2(fd, 1020);

	CHECK(close_range(3, 1020, CLOSE_RANGE_CLOEXEC) == 0);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(high, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(hidden(0), F_GETFD) == 0);
	CHECK(close_range((unsigned)hidden(0), (unsigned)hidden(0), 0) == 0);
	CHECK(close_range(3, ~0U, 0) == 0);
	CHECK(fcntl(fd, F_GETFD) == -1 && fcntl(high, F_GETFD) == -1);
	CHECK(close_range(5, 4, 0) == -1 && errno == EINVAL);
	become("ipv4_loopback");
}

static void
another_on_our_number(void)
{
	int was = hidden(0), fd = open("/dev/null", O_RDONLY);
	struct stat st;

	CHECK(dup2(fd, was) == was && hidden(0) != was);
	CHECK(fstat(was, &st) == 0 && S_ISCHR(st.st_mode));
	serves(serve("0.0.0.0", port[0]), "127.0.0.1", port[0]);
	CHECK(close(was) == 0 && fcntl(was, F_GETFD) == -1);
	become("claimed_before");
}

static void
claimed_before(void)
{
	/* the program before this one, in the same process, has bound it */
	CHECK(strchr(getenv("BROOD_BIND"), '+'));
	ipv4_loopback();
}

static void
few_descriptors(void)
{
	struct rlimit limit = {.rlim_cur = 20, .rlim_max = 20};

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	become("few_descriptors_2");
}

static void
few_descriptors_2(void)
{
	serves(serve("0.0.0.0", port[0]), "127.0.0.1", port[0]);
	closefrom(3);
	serves(serve("0.0.0.0", port[0]), "127.0.0.1", port[0]);
}

static void
lost_descriptor(void)
{
	int fd = open_socket("0.0.0.0", SOCK_STREAM);

	CHECK(syscall(SYS_close, hidden(0)) == 0);
	/* the complaint belongs into the operator's log, not into ours */
	CHECK(freopen("/dev/null", "w", stderr));
	CHECK(bind_to(fd, "0.0.0.0", port[0]) == -1 && errno == EADDRINUSE);
	/* its number is somebody else's now */
	CHECK(dup2(fd, hidden(0)) == hidden(0));
	CHECK(bind_to(fd, "0.0.0.0", port[0]) == -1 && errno == EADDRINUSE);
}

/* --- cases: processes and threads ----------------------------------------------------------- */

static void
accept_and_say(int fd)
{
	int ours = accept(fd, NULL, NULL);

	CHECK(ours >= 0 && write(ours, "child", 5) == 5);
}

static void
children_serve(void)
{
	int fd = serve("0.0.0.0", port[0]), theirs;
	pid_t pid = in_child(accept_and_say, fd);
	char buf[8];

	theirs = client("127.0.0.1", port[0]);
	CHECK(read(theirs, buf, sizeof(buf)) == 5 && wait_for(pid) == 0);
	serves(fd, "127.0.0.1", port[0]);
}

static void
children_bind(void)
{
	pid_t pids[2] = {in_child((void (*)(int))(void *)ipv4_loopback, 0), 0};

	CHECK(wait_for(pids[0]) == 0);
	pids[1] = fork();
	if (pids[1] == 0)
		become("ipv4_loopback");
	CHECK(wait_for(pids[1]) == 0);
	serves(serve("0.0.0.0", port[0]), "127.0.0.1", port[0]);
}

/* What shells and runtimes do: a child that shares our memory closes and executes. */
static void
spawned_children(void)
{
	char *argv[] = {"/bin/sh", "-c", "exec 3>&1 4>&1 >/dev/null; : >&3", NULL};
	int fd = serve("0.0.0.0", port[0]), set = epoll_create1(0);
	uint64_t data;
	pid_t pid;

	CHECK(watched(set, fd, EPOLLIN, 1) == 0);
	CHECK(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0);
	CHECK(wait_for(pid) == 0);
	pid = vfork();
	if (pid == 0) {
		for (int i = 3; i < 1024; i++)
			(void)close(i);
		execve(argv[0], argv, environ);
		_exit(1);
	}
	CHECK(pid > 0 && wait_for(pid) == 0);
	(void)client("127.0.0.1", port[0]);
	CHECK(event(set, 10000, &data) == EPOLLIN && accept(fd, NULL, NULL) >= 0);
	serves(fd, "127.0.0.1", port[0]);
}

static void *
bind_in_thread(void *arg)
{
	int fd = open_socket("0.0.0.0", SOCK_STREAM);

	(void)arg;
	if (bind_to(fd, "0.0.0.0", port[0]) == 0)
		return "bound";
	CHECK(errno == EADDRINUSE);
	return NULL;
}

static void
threads_bind(void)
{
	pthread_t threads[8];
	int bound = 0;

	for (size_t i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, bind_in_thread, NULL) == 0);
	for (size_t i = 0; i < 8; i++) {
		void *result;

		CHECK(pthread_join(threads[i], &result) == 0);
		bound += result != NULL;
	}
	CHECK(bound == 1);
}

static void *
accept_in_thread(void *arg)
{
	int r = accept(*(int *)arg, NULL, NULL);

	return r < 0 && errno == EINVAL ? "woken" : NULL;
}

static void
shut_down(void)
{
	int fd = serve("0.0.0.0", port[0]), set = epoll_create1(0);
	uint64_t data;

	CHECK(watched(set, fd, EPOLLIN, 9) == 0);
	CHECK(shutdown(fd, SHUT_WR) == 0);
	CHECK(shutdown(fd, SHUT_RDWR) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINVAL);
	CHECK((event(set, 10000, &data) & EPOLLHUP) && data == 9);
	/* for everybody else it is as it was */
	close(client("127.0.0.1", port[0]));
	CHECK(close(fd) == 0);
	fd = serve("0.0.0.0", port[0]);
	CHECK(accept(fd, NULL, NULL) >= 0);
	serves(fd, "127.0.0.1", port[0]);
}

static void
shut_down_while_accepting(void)
{
	int fd = serve("0.0.0.0", port[0]);
	pthread_t thread;
	void *result = NULL;

	CHECK(pthread_create(&thread, NULL, accept_in_thread, &fd) == 0);
	(void)usleep(100000); /* too early, and accept() finds it shut down: as good */
	CHECK(shutdown(fd, SHUT_RDWR) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result);
}

/* As the master moves a queue from a worker that stands still. */
static void
flush_later(int fd)
{
	for (int i = 0; i < 3; i++) {
		(void)usleep(50000);
		CHECK(syscall(SYS_shutdown, fd, SHUT_RD) == 0);
		(void)usleep(i * 5000);
		CHECK(syscall(SYS_listen, fd, 128) == 0);
	}
	connect_later(port[0]);
}

static void
flushed_while_accepting(void)
{
	int fd = serve("0.0.0.0", port[0]);
	pid_t pid = in_child(flush_later, hidden(0));

	CHECK(accept(fd, NULL, NULL) >= 0 && wait_for(pid) == 0);
	CHECK(accept4(fd, NULL, NULL, 0x40000000) == -1 && errno == EINVAL);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK(syscall(SYS_shutdown, hidden(0), SHUT_RD) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
	CHECK(syscall(SYS_listen, hidden(0), 128) == 0);
}

/* --- cases: UNIX, UDP ----------------------------------------------------------------------- */

static bool
exists(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void
unix_path(void)
{
	union name n;
	struct stat before, after;
	int fd = open_socket("/", SOCK_STREAM);

	/* who looks whether somebody serves there finds nobody, and removes what is left */
	CHECK(try_client(path, -1) == -1 && errno == ECONNREFUSED);
	CHECK(stat(path, &before) == 0 && unlink(path) == 0 && exists(path));
	CHECK(unlinkat(AT_FDCWD, path, 0) == 0 && remove(path) == 0 && exists(path));
	CHECK(bind_to(fd, path, -1) == 0 && listen(fd, 3) == 0);
	CHECK(chmod(path, 0777) == 0 && fchmodat(AT_FDCWD, path, 0777, 0) == 0);
	CHECK(chown(path, 12345, 1) == 0 && lchown(path, 12345, 1) == 0);
	CHECK(fchownat(AT_FDCWD, path, 12345, 1, 0) == 0);
	n = own_name(fd);
	CHECK(strcmp(n.un.sun_path, path) == 0);
	serves(fd, path, -1);
	CHECK(unlink(path) == 0 && exists(path) && stat(path, &after) == 0);
	CHECK(before.st_ino == after.st_ino && before.st_mode == after.st_mode);
	CHECK(before.st_uid == after.st_uid);
	/* others are theirs */
	CHECK(close(open("other", O_CREAT | O_WRONLY, 0600)) == 0 && chmod("other", 0644) == 0);
	CHECK(stat("other", &after) == 0 && (after.st_mode & 0777) == 0644);
	CHECK(unlink("other") == 0 && unlink("other") == -1 && errno == ENOENT);
	CHECK(bind_to(open_socket("/", SOCK_STREAM), path, -1) == -1 && errno == EADDRINUSE);
}

static void
unix_other_names(void)
{
	const char *base = strrchr(path, '/') + 1;
	char dir[200], odd[400];
	union name n;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(base - path - 1), path);
	CHECK(chdir(dir) == 0);
	fd = open_socket("/", SOCK_STREAM);
	CHECK(bind_to(fd, base, -1) == 0 && listen(fd, 1) == 0);
	serves(fd, path, -1);
	CHECK(close(fd) == 0);
	snprintf(odd, sizeof(odd), "%s//./%s", dir, base);
	fd = open_socket("/", SOCK_STREAM);
	CHECK(bind_to(fd, odd, -1) == 0 && close(fd) == 0);
	/* by another way to the same file */
	CHECK(symlink(".", "way") == 0);
	fd = open_socket("/", SOCK_STREAM);
	snprintf(odd, sizeof(odd), "way/%s", base);
	CHECK(bind_to(fd, odd, -1) == 0 && listen(fd, 1) == 0);
	CHECK(unlink(odd) == 0 && exists(path));
	CHECK(unlink("way") == 0 && close(fd) == 0);
	/* without a terminator */
	memset(&n, 'x', sizeof(n));
	n.un.sun_family = AF_UNIX;
	memcpy(n.un.sun_path, path, strlen(path));
	fd = open_socket("/", SOCK_STREAM);
	CHECK(bind(fd, &n.sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) ==
	      0);
	CHECK(listen(fd, 1) == 0);
	serves(fd, path, -1);
}

static void
unix_shut_down(void)
{
	int fd = serve(path, -1);

	CHECK(shutdown(fd, SHUT_RDWR) == 0);
	CHECK(accept(fd, NULL, NULL) == -1 && errno == EINVAL && close(fd) == 0);
	serves(serve(path, -1), path, -1);
}

static void
datagrams(void)
{
	int fd = open_socket("0.0.0.0", SOCK_DGRAM), theirs = open_socket("127.0.0.1", SOCK_DGRAM);
	union name n, to, mine;
	socklen_t len = name_of("127.0.0.1", port[0], &to);
	char buf[8];
	struct iovec part = {buf, sizeof(buf)};
	struct msghdr m = {.msg_name = &n, .msg_iov = &part, .msg_iovlen = 1};
	struct mmsghdr mm = {.msg_hdr = m};

	CHECK(bind_to(fd, "0.0.0.0", port[0]) == 0);
	CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
	CHECK(bind_to(theirs, "127.0.0.1", 0) == 0);
	mine = own_name(theirs);
	for (size_t i = 0; i < 3; i++) {
		CHECK(sendto(theirs, "abc", 3, 0, &to.sa, len) == 3);
		memset(&n, 0, sizeof(n));
		m.msg_namelen = mm.msg_hdr.msg_namelen = len = sizeof(n);
		if (i == 0)
			CHECK(recvfrom(fd, buf, sizeof(buf), 0, &n.sa, &len) == 3);
		if (i == 1)
			CHECK(recvmsg(fd, &m, 0) == 3 && (len = m.msg_namelen) > 0);
		if (i == 2)
			CHECK(recvmmsg(fd, &mm, 1, 0, NULL) == 1 && mm.msg_len == 3 &&
			      (len = mm.msg_hdr.msg_namelen) > 0);
		CHECK(len == sizeof(n.in) && memcmp(&n, &mine, sizeof(n.in)) == 0);
		CHECK(sendto(fd, "d", 1, 0, &n.sa, len) == 1);
		CHECK(recv(theirs, buf, sizeof(buf), 0) == 1 && buf[0] == 'd');
	}
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK(recv(fd, buf, sizeof(buf), 0) == -1 && errno == EAGAIN);
}

/* As DTLS does it: a socket for each peer, connected, beside the one for all. */
static void
connected_datagrams(void)
{
	int all = open_socket("0.0.0.0", SOCK_DGRAM), one = open_socket("0.0.0.0", SOCK_DGRAM);
	int theirs[2] = {
	    open_socket("127.0.0.1", SOCK_DGRAM), open_socket("127.0.0.1", SOCK_DGRAM)};
	union name to, peers[2], n;
	socklen_t len = name_of("127.0.0.1", port[0], &to);
	char buf[8];

	CHECK(bind_to(all, "0.0.0.0", port[0]) == 0);
	for (size_t i = 0; i < 2; i++) {
		CHECK(bind_to(theirs[i], "127.0.0.1", 0) == 0);
		peers[i] = own_name(theirs[i]);
	}
	CHECK(bind_to(one, "0.0.0.0", port[0]) == -1 && errno == EADDRINUSE);
	set_option(one, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK(bind_to(one, "0.0.0.0", port[0]) == 0);
	CHECK(connect(one, &peers[0].sa, sizeof(peers[0].in)) == 0);
	CHECK(sendto(theirs[0], "a", 1, 0, &to.sa, len) == 1);
	CHECK(recv(one, buf, sizeof(buf), 0) == 1 && buf[0] == 'a');
	CHECK(sendto(theirs[1], "b", 1, 0, &to.sa, len) == 1);
	CHECK(recv(all, buf, sizeof(buf), 0) == 1 && buf[0] == 'b');
	CHECK(number_option(hidden(0), SOL_SOCKET, SO_REUSEADDR) == 0);
	/* the only one it has */
	CHECK(
	    connect(all, &peers[1].sa, sizeof(peers[1].in)) == 0 && inode(all) != inode(hidden(0)));
	CHECK(getpeername(hidden(0), &n.sa, &(socklen_t){sizeof(n)}) == -1 && errno == ENOTCONN);
	CHECK(send(all, "c", 1, 0) == 1 && recv(theirs[1], buf, sizeof(buf), 0) == 1);
	CHECK(sendto(theirs[1], "d", 1, 0, &to.sa, len) == 1);
	CHECK(recvfrom(all, buf, sizeof(buf), 0, &n.sa, &(socklen_t){sizeof(n)}) == 1);
	CHECK(buf[0] == 'd' && n.sa.sa_family == AF_INET);
}

/* --- cases: programs that have nothing to do with it ---------------------------------------- */

static void
only_a_client(void)
{
	int fd = open_socket("127.0.0.1", SOCK_STREAM), set = epoll_create1(0), pair[2];
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	union name n;

	CHECK(watched(set, fd, EPOLLIN, 1) == 0);
	CHECK(bind_to(fd, "127.0.0.1", 0) == 0);
	n = own_name(fd);
	CHECK(n.in.sin_port != 0 && n.sa.sa_family == AF_INET);
	close(fd);
	close(client("127.0.0.1", port[0]));
	fd = open_socket("127.0.0.1", SOCK_DGRAM);
	CHECK(connect(fd, &none, sizeof(none)) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	CHECK(close(pair[0]) == 0 && close(pair[0]) == -1 && errno == EBADF);
	CHECK(accept(pair[1], NULL, NULL) == -1 && errno == EINVAL);
	CHECK(listen(pair[1], 1) == -1 && shutdown(pair[1], SHUT_RDWR) == 0);
	CHECK(accept(-1, NULL, NULL) == -1 && errno == EBADF);
	CHECK(listen(-1, 1) == -1 && errno == EBADF);
	CHECK(getsockname(1000, &n.sa, &(socklen_t){sizeof(n)}) == -1 && errno == EBADF);
	CHECK(ioctl(-1, FIONBIO, pair) == -1 && errno == EBADF);
}

static void
without_the_variable(void)
{
	CHECK(unsetenv("BROOD_BIND") == 0);
	become("without_the_variable_2");
}

static void
without_the_variable_2(void)
{
	int fd = open_socket("0.0.0.0", SOCK_STREAM);

	CHECK(bind_to(fd, "0.0.0.0", port[0]) == -1 && errno == EADDRINUSE);
	CHECK(setenv("BROOD_BIND", "3=tcp:*:80;nonsense", 1) == 0);
	become("without_the_variable_3");
}

static void
without_the_variable_3(void)
{
	int fd = open_socket("0.0.0.0", SOCK_STREAM);

	CHECK(bind_to(fd, "0.0.0.0", port[0]) == -1 && errno == EADDRINUSE);
}

/* --- the list ------------------------------------------------------------------------------- */

static const struct test {
	const char *name;
	void (*run)(void);
	const char *listeners[LISTENERS_MAX]; /* HOST of TCP, udp:HOST, unix; +as. None: a step */
	bool silent; /* nothing tells that it is ready */
} tests[] = {
#define CASE(name, ...)                            \
	{                                          \
#name, name, {__VA_ARGS__ }, false \
	}
#define SILENT(name, ...)                         \
	{                                         \
#name, name, {__VA_ARGS__ }, true \
	}
    CASE(ipv4_wildcard, "*"),
    CASE(ipv4_short_addresses, "*"),
    CASE(ipv4_client_of_ipv6, "*"),
    CASE(ipv4_loopback, "*"),
    CASE(ipv6_wildcard, "*"),
    CASE(ipv6_only, "*"),
    CASE(ipv6_mapped, "*"),
    CASE(ipv6_program_ipv4_listener, "127.0.0.1"),
    CASE(exact_goes_first, "127.0.0.1", "127.0.0.2"),
    SILENT(others_are_untouched, "127.0.0.2"),
    CASE(port_by_another_number, "127.0.0.1+as"),
    CASE(options_before_and_after, "*"),
    CASE(flags_and_number_stay, "*", "*"),
    CASE(nonblocking_before, "*"),
    CASE(nonblocking_after, "*"),
    CASE(blocking_waits, "*"),
    CASE(waiting_ends, "*"),
    CASE(epoll_before_bind, "*"),
    CASE(epoll_before_listen, "*"),
    CASE(epoll_and_close, "*"),
    CASE(duplicates, "*"),
    CASE(bound_twice, "*"),
    CASE(bound_twice_by_reuseport, "*"),
    CASE(two_families_one_listener, "*"),
    SILENT(numbers_are_free, "*"),
    CASE(closed_by_loop, "*"),
    CASE(closed_by_closefrom, "*"),
    CASE(closed_by_range, "*"),
    CASE(another_on_our_number, "*"),
    CASE(claimed_before, NULL),
    CASE(few_descriptors, "*"),
    CASE(few_descriptors_2, NULL),
    SILENT(lost_descriptor, "*"),
    CASE(children_serve, "*"),
    CASE(children_bind, "*"),
    CASE(spawned_children, "*"),
    SILENT(threads_bind, "*"),
    CASE(shut_down, "*"),
    CASE(shut_down_while_accepting, "*"),
    CASE(flushed_while_accepting, "*"),
    CASE(unix_path, "unix"),
    CASE(unix_other_names, "unix"),
    CASE(unix_shut_down, "unix"),
    CASE(datagrams, "udp:*"),
    CASE(connected_datagrams, "udp:*"),
    SILENT(only_a_client, "*"),
    SILENT(without_the_variable, "*"),
    SILENT(without_the_variable_2, NULL),
    SILENT(without_the_variable_3, NULL),
};

#define TESTS_LEN (sizeof(tests) / sizeof(tests[0]))

/* --- the master's part ---------------------------------------------------------------------- */

static char directory[] = "/tmp/brood.bind.XXXXXX";

/* As the master opens them: dual stack for *, non-blocking, listening. */
static int
open_listener(const char *what, int wanted, int *ret_port, char *text, size_t size)
{
	bool udp = strncmp(what, "udp:", 4) == 0, as = strstr(what, "+as") != NULL;
	char host[32], file[128];
	union name n;
	socklen_t len;
	int fd, type;

	snprintf(host, sizeof(host), "%.*s", (int)strcspn(what + 4 * udp, "+"), what + 4 * udp);
	snprintf(file, sizeof(file), "%s/a b.sock", directory);
	if (strcmp(what, "unix") == 0)
		len = name_of(file, -1, &n);
	else
		len = name_of(strcmp(host, "*") == 0 ? "::" : host, wanted, &n);
	type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK;
	fd = socket(n.sa.sa_family, type, 0);
	CHECK(fd >= 0 && bind(fd, &n.sa, len) == 0);
	if (n.sa.sa_family != AF_UNIX && wanted == 0) {
		/* by its number: another one is forgotten when the socket is shut down */
		n = own_name(fd);
		close(fd);
		fd = socket(n.sa.sa_family, type, 0);
		CHECK(fd >= 0);
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		CHECK(bind(fd, &n.sa, len) == 0);
	}
	CHECK(udp || listen(fd, 128) == 0);
	n = own_name(fd);
	*ret_port = ntohs(n.in.sin_port);
	if (n.sa.sa_family == AF_UNIX)
		snprintf(text, size, "unix:%s/a%%20b.sock", directory);
	else
		snprintf(text, size, "%s:%s:%d%s", udp ? "udp" : "tcp", host, *ret_port,
		    as ? "?as=9" : "");
	return fd;
}

static void __attribute__((noreturn)) execute(
    const struct test *t, const int *fds, int len, char texts[LISTENERS_MAX][200], const int *ports)
{
	char value[1024] = "", number[32], file[128];
	const char *module = getenv("BIND_MODULE"), *build = getenv("top_builddir");
	int high[LISTENERS_MAX + 1];

	for (int i = 0; i < len; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 100);
	for (int i = 0; i < len; i++) {
		size_t at = strlen(value);

		CHECK(dup2(high[i], 3 + i) == 3 + i && close(high[i]) == 0);
		snprintf(value + at, sizeof(value) - at, "%s%04d=%s", i > 0 ? ";" : "", 3 + i,
		    i == len - 1 ? "channel" : texts[i]);
		snprintf(number, sizeof(number), "BIND_PORT_%d", i);
		if (i < len - 1)
			CHECK(setenv(number, (snprintf(file, sizeof(file), "%d", ports[i]), file),
			          1) == 0);
	}
	CHECK(close_range(3U + (unsigned)len, ~0U, 0) == 0);
	CHECK(setenv("BROOD_BIND", value, 1) == 0 && setenv("BIND_CASE", t->name, 1) == 0);
	snprintf(file, sizeof(file), "%s/a b.sock", directory);
	CHECK(setenv("BIND_PATH", file, 1) == 0);
	if (!module) {
		snprintf(
		    value, sizeof(value), "%s/src/bind/.libs/brood-bind.so", build ? build : ".");
		module = value;
	}
	CHECK(access(module, R_OK) == 0 && setenv("LD_PRELOAD", module, 1) == 0);
	CHECK(chdir(directory) == 0 && dup2(1, 2) == 2);
	execl(self, self, (char *)NULL);
	fail(__LINE__, "execl");
}

static bool
run_test(const struct test *t)
{
	char texts[LISTENERS_MAX][200], said[64];
	int fds[LISTENERS_MAX + 1], ports[LISTENERS_MAX], channel[2], len = 0, status = -1;
	const char *wanted = t->silent ? "" : "\"ready\"\n";
	ssize_t n;
	pid_t pid;

	for (; len < LISTENERS_MAX && t->listeners[len]; len++) {
		/* 127.0.0.1 and 127.0.0.2 at one port; other pairs at two */
		int port_of = len == 1 && strcmp(t->listeners[1], "127.0.0.2") == 0 ? ports[0] : 0;

		fds[len] = open_listener(
		    t->listeners[len], port_of, &ports[len], texts[len], sizeof(texts[len]));
	}
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) == 0);
	fds[len] = channel[1];
	(void)fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		(void)alarm(CASE_SECONDS);
		execute(t, fds, len + 1, texts, ports);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	n = recv(channel[0], said, sizeof(said) - 1, MSG_DONTWAIT);
	said[n > 0 ? n : 0] = '\0';
	for (int i = 0; i <= len; i++)
		close(fds[i]);
	close(channel[0]);
	(void)unlinkat(AT_FDCWD, getenv("BIND_SOCKET"), 0);
	if (status != 0)
		printf("# status %x\n", (unsigned)status);
	else if (strncmp(said, wanted, strlen(wanted)) != 0 || (t->silent && said[0] != '\0'))
		printf("# the channel has: %s\n", said[0] ? said : "nothing");
	else
		return true;
	return false;
}

static int
run_tests(int argc, char **argv)
{
	int plan = 0, n = 0, bad = 0;
	char file[128];

	CHECK(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/a b.sock", directory);
	CHECK(setenv("BIND_SOCKET", file, 1) == 0);
	for (size_t i = 0; i < TESTS_LEN; i++)
		plan += tests[i].listeners[0] != NULL;
	if (argc == 1)
		printf("1..%d\n", plan);
	for (size_t i = 0; i < TESTS_LEN; i++) {
		bool wanted = argc == 1, good;

		for (int k = 1; k < argc; k++)
			wanted |= strcmp(argv[k], tests[i].name) == 0;
		if (!wanted || !tests[i].listeners[0])
			continue;
		good = run_test(&tests[i]);
		bad += !good;
		printf("%s %d - %s\n", good ? "ok" : "not ok", ++n, tests[i].name);
	}
	(void)rmdir(directory);
	return bad > 0;
}

int
main(int argc, char **argv)
{
	static char path_of_self[4096];
	const char *name = getenv("BIND_CASE");
	ssize_t len = readlink("/proc/self/exe", path_of_self, sizeof(path_of_self) - 1);

	CHECK(len > 0);
	self = path_of_self;
	if (!name)
		return run_tests(argc, argv);
	path = getenv("BIND_PATH");
	for (int i = 0; i < LISTENERS_MAX; i++) {
		char number[32];
		const char *value;

		snprintf(number, sizeof(number), "BIND_PORT_%d", i);
		value = getenv(number);
		port[i] = value ? atoi(value) : 0;
	}
	for (size_t i = 0; i < TESTS_LEN; i++) {
		if (strcmp(tests[i].name, name) != 0)
			continue;
		tests[i].run();
		return 0;
	}
	fprintf(stderr, "no such case: %s\n", name);
	return 1;
}
