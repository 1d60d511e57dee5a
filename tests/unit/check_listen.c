/*
 * Tests of sys/listen.c and sys/inherit.c on loopback ports that the kernel picks.
 */
#include "sys_support.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/fd.h"
#include "sys/listen.h"
#include "sys/unixsock.h"

static struct err err;

static struct listen_spec
tcp(const char *host, uint16_t port)
{
	return (struct listen_spec){
	    .type = LISTEN_TYPE_TCP, .host = host, .port = port, .backlog = -1};
}

static struct listen_spec
unix_at(const char *path)
{
	return (struct listen_spec){.type = LISTEN_TYPE_UNIX,
	    .path = path,
	    .mode = 0660,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1,
	    .backlog = -1};
}

static int
must_open(const struct listen_spec *spec, unsigned count, int *fds)
{
	uint16_t port = 0;
	int error = listen_open(spec, count, fds, &port, &err);

	ck_assert_msg(error == 0, "%s", err.text);
	return port;
}

static void
close_all(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fd_close(&fds[i]);
}

/* A connected client, or a negative errno. */
static int
connect_v4(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	fd_close(&fd);
	return -errno;
}

static int
connect_v6(int port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
	    .sin6_port = htons((uint16_t)port),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	error = -errno;
	fd_close(&fd);
	return error;
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(unixsock_address(path, &a), 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	fd_close(&fd);
	return -errno;
}

static int
option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static bool
has_ipv6(void)
{
	struct listen_spec spec = tcp("::1", 0);
	int fd;

	if (listen_open(&spec, 1, &fd, NULL, NULL) < 0)
		return false;
	fd_close(&fd);
	return true;
}

START_TEST(port_zero_returns_the_port)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fd, client, port = must_open(&spec, 1, &fd);

	ck_assert_int_gt(port, 0);
	ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	client = connect_v4(port);
	ck_assert_int_ge(client, 0);
	fd_close(&client);
	fd_close(&fd);
}
END_TEST

/* What the kernel picked is asked for by number then: it stays when somebody hangs up. */
START_TEST(R8_a_picked_port_survives_a_shutdown)
{
	struct listen_spec spec = tcp(_i % 2 ? "*" : "127.0.0.1", 0);
	unsigned count = _i < 2 ? 1 : 3;
	int fds[3], client, port = must_open(&spec, count, fds);

	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(shutdown(fds[i], SHUT_RDWR), 0);
	ck_assert_int_eq(connect_v4(port), -ECONNREFUSED);
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(listen(fds[i], 5), 0);
	client = connect_v4(port);
	ck_assert_int_ge(client, 0);
	fd_close(&client);
	close_all(fds, count);
}
END_TEST

/* As long as the whole group has no program of its own, all goes to the first. */
START_TEST(R6_a_steered_group_begins_with_its_first_member)
{
	struct listen_spec spec = tcp(_i ? "*" : "127.0.0.1", 0);
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int fds[6], clients[30], port;

	spec.steered = true;
	port = must_open(&spec, 6, fds);
	for (int i = 0; i < 30; i++) {
		clients[i] = connect_v4(port);
		ck_assert_int_ge(clients[i], 0);
	}
	for (int i = 0; i < 5000; i++) {
		ck_assert_int_eq(getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &len), 0);
		if (info.tcpi_unacked == 30)
			break;
		(void)usleep(1000);
	}
	ck_assert_uint_eq(info.tcpi_unacked, 30);
	close_all(clients, 30);
	close_all(fds, 6);
}
END_TEST

/* It is not another process that is in the way, but who we were. */
START_TEST(R26_joining_as_another_user_says_why_not)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fds[2], fd = -1, port = must_open(&spec, 2, fds);

	if (geteuid() != 0)
		return;
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(listen_append(&spec, (uint16_t)port, &fd, &err), -EADDRINUSE);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "opened by another user than 65534"));
	ck_assert_int_eq(fd, -1);
	close_all(fds, 2);
}
END_TEST

START_TEST(nonblocking_is_set_when_asked)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fd;

	spec.nonblocking = true;
	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(accept(fd, NULL, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
	fd_close(&fd);
}
END_TEST

START_TEST(connections_begin_with_nodelay)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fd, port = must_open(&spec, 1, &fd), client = connect_v4(port);
	int served = accept(fd, NULL, NULL);

	ck_assert_int_ge(served, 0);
	ck_assert_int_ne(option_of(served, IPPROTO_TCP, TCP_NODELAY), 0);
	fd_close(&served);
	fd_close(&client);
	fd_close(&fd);
}
END_TEST

START_TEST(group_shares_one_port)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fds[5], port = must_open(&spec, 4, fds);

	ck_assert_int_eq(listen_append(&spec, (uint16_t)port, &fds[4], &err), 0);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(getsockname(fds[i], (struct sockaddr *)&a, &len), 0);
		ck_assert_int_eq(ntohs(a.sin_port), port);
		ck_assert_int_eq(option_of(fds[i], SOL_SOCKET, SO_REUSEPORT), 1);
		ck_assert_int_eq(option_of(fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
	}
	close_all(fds, 5);
}
END_TEST

START_TEST(star_takes_both_families)
{
	struct listen_spec spec = tcp("*", 0);
	int fds[2], client, port = must_open(&spec, 2, fds);

	client = connect_v4(port);
	ck_assert_int_ge(client, 0);
	fd_close(&client);
	if (has_ipv6()) {
		client = connect_v6(port);
		ck_assert_int_ge(client, 0);
		fd_close(&client);
	}
	close_all(fds, 2);
}
END_TEST

START_TEST(n3_star_and_ipv4_overlap_is_refused)
{
	struct listen_spec star = tcp("*", 0), v4;
	int fd, other, port = must_open(&star, 1, &fd);

	v4 = tcp("0.0.0.0", (uint16_t)port);
	ck_assert_int_eq(listen_open(&v4, 1, &other, NULL, &err), -EADDRINUSE);
	fd_close(&fd);
}
END_TEST

START_TEST(n3_ipv6_any_leaves_ipv4_alone)
{
	struct listen_spec v6 = tcp("[::]", 0), v4;
	int fd, other, port;

	if (!has_ipv6())
		return;
	port = must_open(&v6, 1, &fd);
	v4 = tcp("0.0.0.0", (uint16_t)port);
	ck_assert_int_eq(must_open(&v4, 1, &other), port);
	fd_close(&fd);
	fd_close(&other);
}
END_TEST

START_TEST(names_are_refused_without_asking_dns)
{
	struct listen_spec spec = tcp("localhost", 80);
	int fd;

	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "localhost:80"));
	ck_assert_ptr_nonnull(strstr(err.text, "as a number"));
}
END_TEST

START_TEST(n1_taken_port_names_the_holder)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fd, again, port, ready[2];
	char pid_text[32];
	pid_t holder;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	holder = fork();
	if (holder == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		port = must_open(&spec, 1, &fd);
		(void)!write(ready[1], &port, sizeof(port));
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(read(ready[0], &port, sizeof(port)), sizeof(port));
	spec.port = (uint16_t)port;
	ck_assert_int_eq(listen_open(&spec, 1, &again, NULL, &err), -EADDRINUSE);
	(void)snprintf(pid_text, sizeof(pid_text), "process %d (", (int)holder);
	/* The search has 50 ms, which a machine with many processes may use up; then it says so. */
	for (int i = 0; i < 10 && !strstr(err.text, pid_text); i++)
		ck_assert_int_eq(listen_open(&spec, 1, &again, NULL, &err), -EADDRINUSE);
	if (strstr(err.text, pid_text))
		ck_assert_ptr_nonnull(strstr(err.text, "check_listen"));
	else
		ck_assert_ptr_nonnull(strstr(err.text, "another process listens there"));
	ck_assert_ptr_nonnull(strstr(err.text, "stop it or choose another port"));
	(void)kill(holder, SIGKILL);
	(void)waitpid(holder, NULL, 0);
}
END_TEST

/* Without the probe the kernel lets the same user join, and half the clients go astray. */
START_TEST(n1_second_reuseport_group_of_same_user_is_refused)
{
	struct listen_spec spec = tcp(_i ? "*" : "127.0.0.1", 0);
	int first[3], second[3] = {9, 9, 9}, before;

	spec.port = (uint16_t)must_open(&spec, 3, first);
	before = fd_count_open();
	ck_assert_int_eq(listen_open(&spec, 3, second, NULL, &err), -EADDRINUSE);
	ck_assert_int_eq(fd_count_open(), before);
	ck_assert_int_eq(second[0], -1);
	ck_assert_int_eq(listen_open(&spec, 1, second, NULL, &err), -EADDRINUSE);
	close_all(first, 3);
	ck_assert_int_eq(must_open(&spec, 3, second), spec.port);
	close_all(second, 3);
}
END_TEST

/* The server closes first, so its side of the connection waits in TIME_WAIT. */
START_TEST(n2_time_wait_port_starts_at_once)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fds[2], client, served;
	char byte;

	spec.port = (uint16_t)must_open(&spec, 1, fds);
	client = connect_v4(spec.port);
	ck_assert_int_ge(client, 0);
	served = accept(fds[0], NULL, NULL);
	fd_close(&served);
	ck_assert_int_eq(read(client, &byte, 1), 0);
	fd_close(&client);
	fd_close(&fds[0]);
	if (_i == 0) {
		ck_assert_int_eq(must_open(&spec, 1, fds), spec.port);
		fd_close(&fds[0]);
	} else {
		ck_assert_int_eq(must_open(&spec, 2, fds), spec.port);
		close_all(fds, 2);
	}
}
END_TEST

START_TEST(n3_low_port_says_what_it_needs)
{
	struct listen_spec spec = tcp("127.0.0.1", 81);
	pid_t child = fork();
	int fd, status;

	if (child == 0) {
		if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(2);
		if (listen_open(&spec, 1, &fd, NULL, &err) == 0)
			_exit(0);
		_exit(strstr(err.text, "127.0.0.1:81: Permission denied: ports below 1024 need "
		                       "CAP_NET_BIND_SERVICE")
		          ? 0
		          : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(n3_foreign_address_says_so)
{
	struct listen_spec spec = tcp("192.0.2.1", 8080);
	int fd;

	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -EADDRNOTAVAIL);
	ck_assert_ptr_nonnull(strstr(err.text, "192.0.2.1:8080: "));
	ck_assert_ptr_nonnull(strstr(err.text, "no interface"));
}
END_TEST

START_TEST(udp_is_bound_and_never_shared)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fd, again, two[2];

	spec.type = LISTEN_TYPE_UDP;
	spec.port = (uint16_t)must_open(&spec, 1, &fd);
	ck_assert_int_eq(listen_open(&spec, 1, &again, NULL, &err), -EADDRINUSE);
	ck_assert_int_eq(listen_open(&spec, 2, two, NULL, &err), -EINVAL);
	fd_close(&fd);
}
END_TEST

/* On a listener TCP_INFO shows the limit of the queue as tcpi_sacked. */
static unsigned
queue_limit(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_sacked;
}

START_TEST(backlog_is_what_was_asked)
{
	struct listen_spec spec = tcp("127.0.0.1", 0);
	int fd;

	spec.backlog = 7;
	(void)must_open(&spec, 1, &fd);
	ck_assert_uint_eq(queue_limit(fd), 7);
	fd_close(&fd);
	spec.backlog = -1;
	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(queue_limit(fd), atoi(read_file("/proc/sys/net/core/somaxconn")));
	fd_close(&fd);
}
END_TEST

START_TEST(n6_unix_listener_has_its_mode_from_the_start)
{
	struct listen_spec spec = unix_at(in_dir("web.sock"));
	struct stat st;
	int fd;

	(void)umask(0);
	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(lstat(spec.path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	ck_assert_uint_eq(umask(022), 0);
	fd_close(&fd);
	spec.mode = -1;
	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(lstat(spec.path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	fd_close(&fd);
}
END_TEST

START_TEST(n6_stale_socket_file_is_replaced)
{
	struct listen_spec spec = unix_at(in_dir("web.sock"));
	int fd, client;

	(void)must_open(&spec, 1, &fd);
	fd_close(&fd);
	ck_assert_int_eq(connect_unix(spec.path), -ECONNREFUSED);
	(void)must_open(&spec, 1, &fd);
	client = connect_unix(spec.path);
	ck_assert_int_ge(client, 0);
	fd_close(&client);
	fd_close(&fd);
}
END_TEST

START_TEST(n6_stale_socket_of_the_configured_owner_is_replaced)
{
	struct listen_spec spec = unix_at(in_dir("web.sock"));
	struct stat st;
	int fd;

	if (geteuid() != 0)
		return;
	spec.uid = spec.gid = NOBODY;
	for (int i = 0; i < 2; i++) {
		(void)must_open(&spec, 1, &fd);
		ck_assert_int_eq(lstat(spec.path, &st), 0);
		ck_assert_uint_eq(st.st_uid, NOBODY);
		ck_assert_uint_eq(st.st_gid, NOBODY);
		fd_close(&fd);
	}
	spec.uid = (uid_t)-1;
	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "a socket of uid 65534 is there"));
}
END_TEST

START_TEST(n6_live_socket_is_left_alone)
{
	struct listen_spec spec = unix_at(in_dir("web.sock"));
	int fd, again, client;

	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(listen_open(&spec, 1, &again, NULL, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.text, "a running process listens there"));
	client = connect_unix(spec.path);
	ck_assert_int_ge(client, 0);
	fd_close(&client);
	fd_close(&fd);
}
END_TEST

START_TEST(x1_symlink_refused)
{
	struct listen_spec spec = unix_at(in_dir("link"));
	struct stat st;
	int fd;

	ck_assert_int_eq(symlink(in_dir("target"), spec.path), 0);
	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -ELOOP);
	ck_assert_ptr_nonnull(strstr(err.text, "symbolic link"));
	ck_assert_int_eq(lstat(in_dir("target"), &st), -1);
}
END_TEST

START_TEST(x1_other_files_are_never_removed)
{
	struct listen_spec spec = unix_at(in_dir("file"));
	int fd;

	write_file(spec.path, "precious", 0600);
	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -EEXIST);
	ck_assert_str_eq(read_file(spec.path), "precious");
	spec.path = test_dir;
	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -EEXIST);
}
END_TEST

START_TEST(an_abstract_name_has_its_exact_length)
{
	char name[64];
	struct listen_spec spec = unix_at(name);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(a);
	int fd, other;

	(void)snprintf(name, sizeof(name), "@brood-check-%d", (int)getpid());
	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	ck_assert_uint_eq(len, offsetof(struct sockaddr_un, sun_path) + strlen(name));
	ck_assert_int_eq(a.sun_path[0], '\0');
	ck_assert_int_eq(memcmp(a.sun_path + 1, name + 1, strlen(name) - 1), 0);
	ck_assert_int_eq(listen_open(&spec, 1, &other, NULL, &err), -EADDRINUSE);
	ck_assert_int_eq(access(name, F_OK), -1);
	fd_close(&fd);
}
END_TEST

START_TEST(x1_directory_open_to_everybody_is_refused)
{
	struct listen_spec spec = unix_at(in_dir("web.sock"));
	int fd;

	ck_assert_int_eq(chmod(test_dir, 0777), 0);
	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -EPERM);
	ck_assert_int_eq(chmod(test_dir, 01777), 0);
	(void)must_open(&spec, 1, &fd);
	fd_close(&fd);
}
END_TEST

START_TEST(k6_long_path_is_refused_clearly)
{
	char path[200];
	struct listen_spec spec = unix_at(path);
	int fd;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(listen_open(&spec, 1, &fd, NULL, &err), -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(err.text, "at most 107 bytes"));
}
END_TEST

START_TEST(unlink_removes_only_our_own_file)
{
	struct listen_spec spec = unix_at(in_dir("web.sock"));
	int fd, other;

	(void)must_open(&spec, 1, &fd);
	listen_unlink(spec.path, fd);
	ck_assert_int_eq(access(spec.path, F_OK), -1);
	fd_close(&fd);

	(void)must_open(&spec, 1, &fd);
	ck_assert_int_eq(rename(spec.path, in_dir("moved")), 0);
	(void)must_open(&spec, 1, &other);
	listen_unlink(spec.path, fd);
	ck_assert_int_eq(access(spec.path, F_OK), 0);
	listen_unlink(spec.path, other);
	ck_assert_int_eq(access(spec.path, F_OK), -1);
	fd_close(&fd);
	fd_close(&other);
}
END_TEST

static void
assert_key(const struct listen_spec *spec, const char *expected)
{
	char full[256], *key = NULL;
	int fd, port = must_open(spec, 1, &fd);

	if (spec->type == LISTEN_TYPE_UNIX)
		(void)snprintf(full, sizeof(full), "%s%s", expected, spec->path);
	else
		(void)snprintf(full, sizeof(full), "%s:%d", expected, port);
	ck_assert_int_eq(listen_inspect(fd, &key), 0);
	ck_assert_str_eq(key, full);
	free(key);
	fd_close(&fd);
}

START_TEST(n5_inspect_gives_the_key_of_the_configuration)
{
	struct listen_spec v4 = tcp("127.0.0.1", 0), v6 = tcp("::1", 0), any6 = tcp("::", 0);
	struct listen_spec star = tcp("*", 0), udp = tcp("127.0.0.1", 0);
	struct listen_spec file = unix_at(in_dir("web.sock"));

	udp.type = LISTEN_TYPE_UDP;
	assert_key(&v4, "tcp:127.0.0.1");
	assert_key(&udp, "udp:127.0.0.1");
	assert_key(&file, "unix:");
	if (!has_ipv6())
		return;
	assert_key(&v6, "tcp:[::1]");
	assert_key(&any6, "tcp:[::]");
	assert_key(&star, "tcp:*");
}
END_TEST

START_TEST(n5_inspect_refuses_what_does_not_listen)
{
	char *key = NULL;
	int pair[2], plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(listen_inspect(plain, &key), -EINVAL);
	ck_assert_int_eq(listen_inspect(pair[0], &key), -EINVAL);
	ck_assert_int_eq(listen_inspect(null, &key), -ENOTSOCK);
	ck_assert_int_eq(listen_inspect(999, &key), -EBADF);
	ck_assert_ptr_null(key);
}
END_TEST

static void
promise(const char *pid, const char *fds)
{
	ck_assert_int_eq(setenv("LISTEN_PID", pid, 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDS", fds, 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDNAMES", "web", 1), 0);
}

START_TEST(n5_inherited_descriptors_are_counted_and_closed_on_exec)
{
	char pid[16];
	int fd = open("/dev/null", O_RDONLY);

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (fd != 3)
		(void)fcntl(3, F_SETFD, 0);
	promise(pid, "1");
	ck_assert_int_eq(listen_inherited(), 1);
	ck_assert_int_eq(fcntl(3, F_GETFD), FD_CLOEXEC);
	ck_assert_ptr_null(getenv("LISTEN_PID"));
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
	ck_assert_int_eq(listen_inherited(), 0);
}
END_TEST

START_TEST(n5_promises_to_others_and_junk_are_not_taken)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	promise("1", "1");
	ck_assert_int_eq(listen_inherited(), 0);
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	promise(pid, "500");
	ck_assert_int_eq(listen_inherited(), -EBADF);
	promise(pid, "1x");
	ck_assert_int_eq(listen_inherited(), -EINVAL);
	promise(pid, "-1");
	ck_assert_int_eq(listen_inherited(), -EINVAL);
	promise("x", "1");
	ck_assert_int_eq(listen_inherited(), -EINVAL);
	ck_assert_ptr_null(getenv("LISTEN_PID"));
}
END_TEST

START_TEST(n3_star_falls_back_to_ipv4)
{
	struct listen_spec spec = tcp("*", 0), v6 = tcp("::1", 0);
	int fds[3], client, port;

	forbid_call(SYS_socket, AF_INET6, EAFNOSUPPORT);
	port = must_open(&spec, 2, fds);
	ck_assert_int_eq(listen_append(&spec, (uint16_t)port, &fds[2], &err), 0);
	client = connect_v4(port);
	ck_assert_int_ge(client, 0);
	fd_close(&client);
	spec.port = (uint16_t)port;
	ck_assert_int_eq(listen_open(&spec, 2, fds, NULL, &err), -EADDRINUSE);
	ck_assert_int_eq(listen_open(&v6, 1, fds, NULL, &err), -EAFNOSUPPORT);
	ck_assert_ptr_nonnull(strstr(err.text, "this machine has no IPv6"));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("listen");

	tcase_add_test(t, port_zero_returns_the_port);
	tcase_add_loop_test(t, R8_a_picked_port_survives_a_shutdown, 0, 4);
	tcase_add_loop_test(t, R6_a_steered_group_begins_with_its_first_member, 0, 2);
	tcase_add_test(t, R26_joining_as_another_user_says_why_not);
	tcase_add_test(t, nonblocking_is_set_when_asked);
	tcase_add_test(t, connections_begin_with_nodelay);
	tcase_add_test(t, group_shares_one_port);
	tcase_add_test(t, star_takes_both_families);
	tcase_add_test(t, n3_star_and_ipv4_overlap_is_refused);
	tcase_add_test(t, n3_ipv6_any_leaves_ipv4_alone);
	tcase_add_test(t, n3_star_falls_back_to_ipv4);
	tcase_add_test(t, names_are_refused_without_asking_dns);
	tcase_add_test(t, n1_taken_port_names_the_holder);
	tcase_add_loop_test(t, n1_second_reuseport_group_of_same_user_is_refused, 0, 2);
	tcase_add_loop_test(t, n2_time_wait_port_starts_at_once, 0, 2);
	tcase_add_test(t, n3_low_port_says_what_it_needs);
	tcase_add_test(t, n3_foreign_address_says_so);
	tcase_add_test(t, udp_is_bound_and_never_shared);
	tcase_add_test(t, backlog_is_what_was_asked);
	tcase_add_test(t, n6_unix_listener_has_its_mode_from_the_start);
	tcase_add_test(t, n6_stale_socket_file_is_replaced);
	tcase_add_test(t, n6_stale_socket_of_the_configured_owner_is_replaced);
	tcase_add_test(t, n6_live_socket_is_left_alone);
	tcase_add_test(t, x1_symlink_refused);
	tcase_add_test(t, x1_other_files_are_never_removed);
	tcase_add_test(t, an_abstract_name_has_its_exact_length);
	tcase_add_test(t, x1_directory_open_to_everybody_is_refused);
	tcase_add_test(t, k6_long_path_is_refused_clearly);
	tcase_add_test(t, unlink_removes_only_our_own_file);
	tcase_add_test(t, n5_inspect_gives_the_key_of_the_configuration);
	tcase_add_test(t, n5_inspect_refuses_what_does_not_listen);
	tcase_add_test(t, n5_inherited_descriptors_are_counted_and_closed_on_exec);
	tcase_add_test(t, n5_promises_to_others_and_junk_are_not_taken);
	return support_main("listen", t);
}
