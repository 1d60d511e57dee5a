/*
 * Tests of sys/rundir.c: directories, the lock of an instance, the control socket.
 */
#include "sys_support.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "sys/notify.h"
#include "sys/rundir.h"
#include "sys/unixsock.h"

static struct err err;

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static bool
exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

START_TEST(default_directories_follow_the_environment)
{
	char expected[64], *dir;

	if (geteuid() == 0)
		return;
	(void)setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	dir = rundir_default();
	ck_assert_str_eq(dir, "/run/user/7/brood");
	mem_free(dir);
	(void)setenv("XDG_RUNTIME_DIR", "relative", 1);
	dir = rundir_default();
	(void)snprintf(expected, sizeof(expected), "/tmp/brood-%u", (unsigned)geteuid());
	ck_assert_str_eq(dir, expected);
	mem_free(dir);
	(void)setenv("HOME", "/home/x", 1);
	(void)unsetenv("XDG_STATE_HOME");
	dir = rundir_state_default();
	ck_assert_str_eq(dir, "/home/x/.local/state/brood");
	mem_free(dir);
	(void)setenv("XDG_STATE_HOME", "/s", 1);
	dir = rundir_state_default();
	ck_assert_str_eq(dir, "/s/brood");
	mem_free(dir);
}
END_TEST

START_TEST(directory_is_made_with_its_mode_and_parents)
{
	(void)umask(077);
	ck_assert_int_eq(rundir_make(in_dir("a/b/c"), 0711, &err), 0);
	ck_assert_uint_eq(mode_of(in_dir("a/b/c")), 0711);
	(void)umask(0);
	ck_assert_int_eq(rundir_make(in_dir("a/b/d/"), 0700, &err), 0);
	ck_assert_uint_eq(mode_of(in_dir("a/b/d")), 0700);
	ck_assert_int_eq(rundir_make(in_dir("a/b/c"), 0711, &err), 0);
}
END_TEST

START_TEST(x1_directory_behind_a_symlink_is_refused)
{
	ck_assert_int_eq(mkdir(in_dir("real"), 0700), 0);
	ck_assert_int_eq(symlink("real", in_dir("link")), 0);
	ck_assert_int_lt(rundir_make(in_dir("link"), 0700, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "links are not followed"));
	write_file(in_dir("file"), "", 0600);
	ck_assert_int_eq(rundir_make(in_dir("file"), 0700, &err), -ENOTDIR);
	ck_assert_int_lt(rundir_make(in_dir("file/sub"), 0700, &err), 0);
}
END_TEST

START_TEST(x4_directory_that_others_may_write_is_refused)
{
	ck_assert_int_eq(mkdir(in_dir("run"), 0700), 0);
	ck_assert_int_eq(chmod(in_dir("run"), 0770), 0);
	ck_assert_int_eq(rundir_make(in_dir("run"), 0711, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "chmod go-w"));
	ck_assert_int_eq(chmod(in_dir("run"), 0755), 0);
	ck_assert_int_eq(rundir_make(in_dir("run"), 0711, &err), 0);
	ck_assert_int_eq(chmod(test_dir, 0777), 0);
	ck_assert_int_eq(rundir_make(in_dir("run"), 0711, &err), -EPERM);
	ck_assert_int_eq(rundir_make(in_dir("new"), 0711, &err), -EPERM);
}
END_TEST

/* As /tmp is: what lies there must be ours, and nobody else may write it. */
START_TEST(x1_fallback_in_a_shared_directory_is_checked)
{
	ck_assert_int_eq(chmod(test_dir, 01777), 0);
	ck_assert_int_eq(rundir_make(in_dir("brood-7"), 0700, &err), 0);
	ck_assert_int_eq(rundir_make(in_dir("brood-7"), 0700, &err), 0);
	ck_assert_int_eq(chmod(in_dir("brood-7"), 0755), 0);
	ck_assert_int_eq(rundir_make(in_dir("brood-7"), 0711, &err), 0);
	ck_assert_int_eq(chmod(in_dir("brood-7"), 0770), 0);
	ck_assert_int_eq(rundir_make(in_dir("brood-7"), 0711, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "chmod go-w"));
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(in_dir("brood-7"), NOBODY, NOBODY), 0);
	ck_assert_int_eq(rundir_make(in_dir("brood-7"), 0700, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "belongs to uid 65534"));
}
END_TEST

START_TEST(lock_is_held_once_and_names_the_pid)
{
	char pid[64];
	int fd = rundir_lock(test_dir, "web", &err), other;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_uint_eq(mode_of(in_dir("web.lock")) & 0177, 0);
	ck_assert_int_eq(rundir_lock(test_dir, "web", &err), -EAGAIN);
	(void)snprintf(pid, sizeof(pid), "web is running already (pid %d)", (int)getpid());
	ck_assert_str_eq(err.text, pid);
	other = rundir_lock(test_dir, "web2", &err);
	ck_assert_int_ge(other, 0);
	fd_close(&other);
	fd_close(&fd);
	fd = rundir_lock(test_dir, "web", &err);
	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
}
END_TEST

START_TEST(m1_lock_goes_with_a_killed_master)
{
	int told[2], fd, status;
	pid_t master;
	char byte;

	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	master = fork();
	if (master == 0) {
		(void)!write(told[1], rundir_lock(test_dir, "web", NULL) >= 0 ? "y" : "n", 1);
		(void)pause();
	}
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	ck_assert_int_eq(rundir_lock(test_dir, "web", &err), -EAGAIN);
	(void)kill(master, SIGKILL);
	ck_assert_int_eq(waitpid(master, &status, 0), master);
	fd = rundir_lock(test_dir, "web", &err);
	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
}
END_TEST

START_TEST(x1_lock_is_no_symlink_no_hard_link_no_foreign_file)
{
	ck_assert_int_eq(symlink("target", in_dir("a.lock")), 0);
	ck_assert_int_eq(rundir_lock(test_dir, "a", &err), -ELOOP);
	ck_assert(!exists(in_dir("target")));
	write_file(in_dir("precious"), "text", 0600);
	ck_assert_int_eq(link(in_dir("precious"), in_dir("b.lock")), 0);
	ck_assert_int_eq(rundir_lock(test_dir, "b", &err), -EPERM);
	ck_assert_str_eq(read_file(in_dir("precious")), "text");
	ck_assert_int_eq(mkfifo(in_dir("c.lock"), 0600), 0);
	ck_assert_int_eq(rundir_lock(test_dir, "c", &err), -EPERM);
	ck_assert_int_eq(rundir_lock(test_dir, "../d", &err), -EINVAL);
	ck_assert_int_eq(rundir_lock(test_dir, "", &err), -EINVAL);
	if (geteuid() != 0)
		return;
	write_file(in_dir("e.lock"), "", 0666);
	ck_assert_int_eq(chown(in_dir("e.lock"), NOBODY, NOBODY), 0);
	ck_assert_int_eq(rundir_lock(test_dir, "e", &err), -EPERM);
}
END_TEST

START_TEST(x2_junk_in_the_lock_file_is_no_pid)
{
	int fd = rundir_lock(test_dir, "web", &err);

	ck_assert_int_eq(pwrite(fd, "12\x1b[31m", 7, 0), 7);
	ck_assert_int_eq(rundir_lock(test_dir, "web", &err), -EAGAIN);
	ck_assert_str_eq(err.text, "web is running already (pid 12)");
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	ck_assert_int_eq(rundir_lock(test_dir, "web", &err), -EAGAIN);
	ck_assert_str_eq(err.text, "web is running already");
	fd_close(&fd);
}
END_TEST

START_TEST(k1_control_socket_is_private_from_the_start)
{
	int fd;

	(void)umask(0);
	fd = rundir_control_socket(in_dir("web.sock"), (gid_t)-1, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(mode_of(in_dir("web.sock")), 0600);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	fd_close(&fd);
	fd = rundir_control_socket(in_dir("web.sock"), getegid(), &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(mode_of(in_dir("web.sock")), 0660);
	fd_close(&fd);
}
END_TEST

START_TEST(k6_live_socket_and_other_files_are_refused)
{
	int fd = rundir_control_socket(in_dir("web.sock"), (gid_t)-1, &err);

	ck_assert_int_eq(rundir_control_socket(in_dir("web.sock"), (gid_t)-1, &err), -EADDRINUSE);
	fd_close(&fd);
	ck_assert_int_eq(mkdir(in_dir("dir"), 0700), 0);
	ck_assert_int_eq(rundir_control_socket(in_dir("dir"), (gid_t)-1, &err), -EEXIST);
	ck_assert_int_eq(symlink("x", in_dir("link")), 0);
	ck_assert_int_eq(rundir_control_socket(in_dir("link"), (gid_t)-1, &err), -ELOOP);
	ck_assert_int_eq(rundir_control_socket(in_dir("no/dir"), (gid_t)-1, &err), -ENOENT);
}
END_TEST

START_TEST(k6_long_path_names_the_key)
{
	char path[200];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[199] = '\0';
	ck_assert_int_eq(rundir_control_socket(path, (gid_t)-1, &err), -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(err.text, "at most 107 bytes: set run_dir to a shorter path"));
}
END_TEST

static void
leave_socket(const char *name)
{
	int fd = notify_worker_open(in_dir(name), (uid_t)-1, (gid_t)-1);

	ck_assert_int_ge(fd, 0);
	fd_close(&fd);
}

START_TEST(clean_removes_what_is_of_the_instance_and_nothing_else)
{
	int other;

	ck_assert_int_eq(mkdir(in_dir("n"), 0711), 0);
	leave_socket("web.sock");
	leave_socket("n/web.app.0.1");
	leave_socket("n/web.app.1.2");
	leave_socket("n/web2.app.0.1");
	leave_socket("n/web.9.app.0.1");
	leave_socket("n/web.8.app.0.1");
	write_file(in_dir("n/web.file"), "", 0600);
	write_file(in_dir("web.lock"), "", 0600);
	write_file(in_dir("web.8.lock"), "", 0600);
	other = rundir_lock(test_dir, "web.9", &err);
	rundir_clean(test_dir, "web");
	ck_assert(!exists(in_dir("web.sock")));
	ck_assert(!exists(in_dir("n/web.app.0.1")));
	ck_assert(!exists(in_dir("n/web.app.1.2")));
	ck_assert(!exists(in_dir("n/web.8.app.0.1")));
	ck_assert(exists(in_dir("n/web2.app.0.1")));
	ck_assert(exists(in_dir("n/web.9.app.0.1")));
	ck_assert(exists(in_dir("n/web.file")));
	ck_assert(exists(in_dir("web.lock")));
	rundir_clean(test_dir, "../web");
	rundir_clean(in_dir("none"), "web");
	fd_close(&other);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("rundir");

	tcase_add_test(t, default_directories_follow_the_environment);
	tcase_add_test(t, directory_is_made_with_its_mode_and_parents);
	tcase_add_test(t, x1_directory_behind_a_symlink_is_refused);
	tcase_add_test(t, x4_directory_that_others_may_write_is_refused);
	tcase_add_test(t, x1_fallback_in_a_shared_directory_is_checked);
	tcase_add_test(t, lock_is_held_once_and_names_the_pid);
	tcase_add_test(t, m1_lock_goes_with_a_killed_master);
	tcase_add_test(t, x1_lock_is_no_symlink_no_hard_link_no_foreign_file);
	tcase_add_test(t, x2_junk_in_the_lock_file_is_no_pid);
	tcase_add_test(t, k1_control_socket_is_private_from_the_start);
	tcase_add_test(t, k6_live_socket_and_other_files_are_refused);
	tcase_add_test(t, k6_long_path_names_the_key);
	tcase_add_test(t, clean_removes_what_is_of_the_instance_and_nothing_else);
	return support_main("rundir", t);
}
