/*
 * Tests of sys/notify.c, both ends: what we tell a service manager, what workers tell us.
 */
#include "sys_support.h"

#include <inttypes.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "sendfds.h"
#include "sys/notify.h"
#include "sys/unixsock.h"

static char received[8192];

/* A service manager's socket at path, or abstract when path begins with '@'. */
static int
open_manager(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path, path, len);
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	return fd;
}

static const char *
receive(int fd)
{
	ssize_t len = recv(fd, received, sizeof(received) - 1, 0);

	ck_assert_int_ge(len, 0);
	received[len] = '\0';
	return received;
}

START_TEST(manager_is_told_by_path_and_abstract_address)
{
	char abstract[64];
	int fd;

	(void)snprintf(abstract, sizeof(abstract), "@brood-check-%d", (int)getpid());
	fd = open_manager(_i ? abstract : in_dir("manager"));
	ck_assert_uint_eq(notify_manager_init(), 0);
	ck_assert(notify_manager_present());
	ck_assert_int_eq(notify_manager_send("READY=1\nSTATUS=4/4 ready"), 0);
	ck_assert_str_eq(receive(fd), "READY=1\nSTATUS=4/4 ready");
	fd_close(&fd);
}
END_TEST

START_TEST(reloading_carries_the_monotonic_time_in_the_same_datagram)
{
	int fd = open_manager(in_dir("manager"));
	uint64_t us = 0;

	(void)notify_manager_init();
	ck_assert_int_eq(notify_manager_reloading(), 0);
	ck_assert_int_eq(sscanf(receive(fd), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &us), 1);
	ck_assert_uint_gt(us, 0);
	fd_close(&fd);
}
END_TEST

START_TEST(x5_variables_are_taken_out_of_the_environment)
{
	int fd = open_manager(in_dir("manager"));
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("WATCHDOG_USEC", "3000000", 1);
	(void)setenv("WATCHDOG_PID", pid, 1);
	ck_assert_uint_eq(notify_manager_init(), 3000000);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	fd_close(&fd);
}
END_TEST

START_TEST(watchdog_of_another_process_is_not_ours)
{
	int fd = open_manager(in_dir("manager"));

	(void)setenv("WATCHDOG_USEC", "3000000", 1);
	(void)setenv("WATCHDOG_PID", "1", 1);
	ck_assert_uint_eq(notify_manager_init(), 0);
	fd_close(&fd);
}
END_TEST

START_TEST(without_a_manager_nothing_is_sent)
{
	static const char *const addresses[] = {NULL, "", "relative", "vsock:2:1234", "@", "/"};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		if (addresses[i])
			(void)setenv("NOTIFY_SOCKET", addresses[i], 1);
		ck_assert_uint_eq(notify_manager_init(), 0);
		ck_assert(!notify_manager_present());
		ck_assert_int_eq(notify_manager_send("READY=1"), 0);
	}
}
END_TEST

START_TEST(manager_that_is_gone_or_full_costs_no_wait)
{
	int fd = open_manager(in_dir("manager")), error = 0;

	(void)notify_manager_init();
	for (int i = 0; i < 10000 && error == 0; i++)
		error = notify_manager_send("WATCHDOG=1");
	ck_assert_int_eq(error, -EAGAIN);
	fd_close(&fd);
	ck_assert_int_eq(notify_manager_send("WATCHDOG=1"), -ECONNREFUSED);
}
END_TEST

/* A worker's end, connected to the socket at path. */
static int
open_worker(const char *path)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_eq(unixsock_address(path, &a), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static struct notify_message
say(const char *bytes, size_t len)
{
	int fd = notify_worker_open(in_dir("n"), (uid_t)-1, (gid_t)-1), worker;
	struct notify_message m;

	ck_assert_int_ge(fd, 0);
	worker = open_worker(in_dir("n"));
	ck_assert_int_eq(send(worker, bytes, len, 0), (ssize_t)len);
	ck_assert_int_eq(notify_worker_read(fd, &m), 1);
	fd_close(&worker);
	fd_close(&fd);
	return m;
}

#define SAY(text) say(text, sizeof(text) - 1)

START_TEST(worker_says_what_systemd_services_say)
{
	struct notify_message m =
	    SAY("READY=1\nSTATUS=warm\nMAINPID=1\nEXTEND_TIMEOUT_USEC=5000000\n");

	ck_assert(m.ready && !m.stopping && !m.reloading && !m.watchdog && !m.watchdog_trigger);
	ck_assert_str_eq(m.status, "warm");
	ck_assert_uint_eq(m.extend_us, 5000000);
	m = SAY("STOPPING=1");
	ck_assert(m.stopping && !m.ready);
	m = SAY("RELOADING=1\nWATCHDOG=1");
	ck_assert(m.reloading && m.watchdog);
	m = SAY("WATCHDOG=trigger");
	ck_assert(m.watchdog_trigger && !m.watchdog);
	m = SAY("WATCHDOG_USEC=20000000");
	ck_assert(m.has_interval && !m.watchdog);
	ck_assert_uint_eq(m.interval_us, 20000000);
	m = SAY("WATCHDOG_USEC=0");
	ck_assert(m.has_interval && m.interval_us == 0);
	m = SAY("WATCHDOG_USEC=soon\nWATCHDOG_USEC=\nWATCHDOG_USEC=-1\nWATCHDOG=0\nWATCHDOG=");
	ck_assert(!m.has_interval && !m.watchdog && !m.watchdog_trigger);
}
END_TEST

/* sd_notify_barrier(3) waits until whoever reads has closed the descriptor that it sends. */
START_TEST(barrier_ends_when_the_datagram_is_read)
{
	static const char text[] = "BARRIER=1";
	struct pollfd p = {.events = POLLIN};
	int fd = notify_worker_open(in_dir("n"), (uid_t)-1, (gid_t)-1), worker, ends[2];
	struct notify_message m;

	worker = open_worker(in_dir("n"));
	ck_assert_int_eq(pipe(ends), 0);
	p.fd = ends[0];
	ck_assert_int_eq(send_fds(worker, text, strlen(text), &ends[1], 1, 0), (ssize_t)strlen(text));
	fd_close(&ends[1]);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(notify_worker_read(fd, &m), 1);
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert(p.revents & POLLHUP);
	ck_assert(!m.ready && !m.stopping);
	fd_close(&ends[0]);
	fd_close(&worker);
	fd_close(&fd);
}
END_TEST

START_TEST(unknown_and_broken_lines_are_skipped)
{
	struct notify_message m =
	    SAY("READY=0\nREADY=11\nready=1\nX\n\n=\nEXTEND_TIMEOUT_USEC=-1\n"
	        "EXTEND_TIMEOUT_USEC=99999999999999999999999999\nSTOPPING=1\0");

	ck_assert(!m.ready && !m.stopping);
	ck_assert_uint_eq(m.extend_us, 0);
	m = SAY("");
	ck_assert(!m.ready);
}
END_TEST

START_TEST(w8_status_is_escaped_and_cut_between_characters)
{
	char text[1200] = "STATUS=", long_text[] = "\xc3\xa9";
	struct notify_message m = SAY("STATUS=a\x1b[31mb\0c");

	ck_assert_ptr_null(strchr(m.status, '\x1b'));
	ck_assert_ptr_nonnull(strstr(m.status, "a\\x1B[31mb\\x00c"));
	for (int i = 0; i < 500; i++)
		strcat(text, long_text);
	m = say(text, strlen(text));
	ck_assert_uint_eq(strlen(m.status), 254);
	ck_assert_int_eq((unsigned char)m.status[253], 0xa9);
}
END_TEST

START_TEST(over_long_datagram_is_dropped)
{
	static char text[5000];
	struct notify_message m;

	memset(text, '\n', sizeof(text));
	memcpy(text, "READY=1\n", 8);
	m = say(text, sizeof(text));
	ck_assert(!m.ready);
	m = say(text, 4096);
	ck_assert(m.ready);
}
END_TEST

/* One datagram with n copies of a descriptor. */
static void
send_descriptors(int worker, int descriptor, int n)
{
	static const char text[] = "READY=1\nFDSTORE=1";
	int fds[SENDFDS_MAX];

	ck_assert_int_le(n, SENDFDS_MAX);
	for (int i = 0; i < n; i++)
		fds[i] = descriptor;
	ck_assert_int_gt(send_fds(worker, text, strlen(text), fds, (size_t)n, 0), 0);
}

START_TEST(f4_descriptors_that_come_along_are_closed)
{
	int fd = notify_worker_open(in_dir("n"), (uid_t)-1, (gid_t)-1),
	    worker = open_worker(in_dir("n"));
	int ends[2], before;
	struct notify_message m;
	char byte;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	before = fd_count_open();
	for (int i = 0; i < 5; i++) {
		send_descriptors(worker, ends[1], i ? 253 : 1);
		ck_assert_int_eq(notify_worker_read(fd, &m), 1);
		ck_assert(m.ready);
		ck_assert_int_eq(fd_count_open(), before);
	}
	/* Nobody else holds the pipe any more. */
	fd_close(&ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	ck_assert_int_eq(notify_worker_read(fd, &m), 0);
}
END_TEST

START_TEST(socket_is_private_and_an_old_one_is_replaced)
{
	const char *path = in_dir("n");
	struct stat st;
	int fd;

	(void)umask(0);
	for (int i = 0; i < 2; i++) {
		fd = notify_worker_open(path, (uid_t)-1, (gid_t)-1);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(lstat(path, &st), 0);
		ck_assert_uint_eq(st.st_mode & 0777, 0600);
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	}
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	ck_assert_int_eq(notify_worker_open(path, (uid_t)-1, (gid_t)-1), -ELOOP);
}
END_TEST

START_TEST(socket_belongs_to_the_worker)
{
	const char *path = in_dir("n");
	struct stat st;

	if (geteuid() != 0) {
		ck_assert_int_eq(notify_worker_open(path, 0, 0), -EPERM);
		ck_assert_int_eq(access(path, F_OK), -1);
		return;
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_ge(notify_worker_open(path, NOBODY, NOBODY), 0);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_uid, NOBODY);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(long_path_is_refused)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[199] = '\0';
	ck_assert_int_eq(notify_worker_open(path, (uid_t)-1, (gid_t)-1), -ENAMETOOLONG);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("notify");

	tcase_add_loop_test(t, manager_is_told_by_path_and_abstract_address, 0, 2);
	tcase_add_test(t, reloading_carries_the_monotonic_time_in_the_same_datagram);
	tcase_add_test(t, x5_variables_are_taken_out_of_the_environment);
	tcase_add_test(t, watchdog_of_another_process_is_not_ours);
	tcase_add_test(t, without_a_manager_nothing_is_sent);
	tcase_add_test(t, manager_that_is_gone_or_full_costs_no_wait);
	tcase_add_test(t, worker_says_what_systemd_services_say);
	tcase_add_test(t, barrier_ends_when_the_datagram_is_read);
	tcase_add_test(t, unknown_and_broken_lines_are_skipped);
	tcase_add_test(t, w8_status_is_escaped_and_cut_between_characters);
	tcase_add_test(t, over_long_datagram_is_dropped);
	tcase_add_test(t, f4_descriptors_that_come_along_are_closed);
	tcase_add_test(t, socket_is_private_and_an_old_one_is_replaced);
	tcase_add_test(t, socket_belongs_to_the_worker);
	tcase_add_test(t, long_path_is_refused);
	return support_main("notify", t);
}
