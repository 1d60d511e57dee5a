/*
 * Tests of sys/logwriter.c: the real process loop, in a child, fed by a pipe. A disk that is full
 * is played by a limit of file size (the child's own) and by a small tmpfs where we are root.
 */
#include "sys_support.h"

#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/fd.h"
#include "sys/logwriter.h"

static struct err err;
static pid_t writer;
static int feed;
static const char *log_path;

static void
start_writer(rlim_t size_limit)
{
	struct rlimit limit = {.rlim_cur = size_limit, .rlim_max = RLIM_INFINITY};
	int ends[2], complaints;

	log_path = in_dir("web.log");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	writer = fork();
	if (writer == 0) {
		complaints =
		    open(in_dir("complaints"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (dup2(ends[0], 0) < 0 || dup2(complaints, 2) < 0)
			_exit(98);
		fd_close(&ends[1]);
		(void)setrlimit(RLIMIT_FSIZE, &limit);
		_exit(logwriter_main(log_path));
	}
	fd_close(&ends[0]);
	feed = ends[1];
}

static void
say(const char *text)
{
	ck_assert_int_eq(fd_write_all(feed, text, strlen(text)), 0);
}

static int
end_writer(void)
{
	int status;

	fd_close(&feed);
	ck_assert_int_eq(waitpid(writer, &status, 0), writer);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool
log_is(const char *text)
{
	return access(log_path, F_OK) == 0 && strcmp(read_file(log_path), text) == 0;
}

/* State letter of the writer: S while it waits for input. */
static char
writer_state(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)writer);
	return strrchr(read_file(path), ')')[2];
}

/* Returns when the writer has taken everything and has come to rest. */
static void
settle(void)
{
	int waiting = 1;

	wait_until(ioctl(feed, FIONREAD, &waiting) == 0 && waiting == 0 && writer_state() == 'S');
}

START_TEST(lines_are_appended_whole)
{
	struct stat st;

	write_file(in_dir("web.log"), "old\n", 0640);
	start_writer(RLIM_INFINITY);
	say("one\ntwo\nthr");
	wait_until(log_is("old\none\ntwo\n"));
	say("ee\n");
	wait_until(log_is("old\none\ntwo\nthree\n"));
	ck_assert_int_eq(end_writer(), 0);
	ck_assert_int_eq(stat(log_path, &st), 0);
}
END_TEST

START_TEST(new_log_is_not_for_everybody)
{
	struct stat st;

	(void)umask(0);
	start_writer(RLIM_INFINITY);
	say("last words");
	ck_assert_int_eq(end_writer(), 0);
	ck_assert_str_eq(read_file(log_path), "last words\n");
	ck_assert_int_eq(stat(log_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
}
END_TEST

START_TEST(line_longer_than_the_buffer_passes)
{
	static char big[200001];

	memset(big, 'x', sizeof(big) - 1);
	start_writer(RLIM_INFINITY);
	say(big);
	say("\nnext\n");
	ck_assert_int_eq(end_writer(), 0);
	ck_assert_uint_eq(strlen(read_file(log_path)), (1 << 17) - 1);
	ck_assert_int_eq(strncmp(read_file(log_path), big, 100000), 0);
}
END_TEST

START_TEST(l4_reopens_on_usr1)
{
	start_writer(RLIM_INFINITY);
	say("one\n");
	wait_until(log_is("one\n"));
	ck_assert_int_eq(rename(log_path, in_dir("web.log.1")), 0);
	say("two\n");
	wait_until(strcmp(read_file(in_dir("web.log.1")), "one\ntwo\n") == 0);
	ck_assert_int_eq(kill(writer, SIGUSR1), 0);
	wait_until(access(log_path, F_OK) == 0);
	say("three\n");
	wait_until(log_is("three\n"));
	ck_assert_int_eq(end_writer(), 0);
}
END_TEST

START_TEST(s7_failed_reopen_keeps_the_old_file)
{
	start_writer(RLIM_INFINITY);
	say("one\n");
	wait_until(log_is("one\n"));
	ck_assert_int_eq(rename(log_path, in_dir("web.log.1")), 0);
	ck_assert_int_eq(symlink("planted", log_path), 0);
	ck_assert_int_eq(kill(writer, SIGUSR1), 0);
	wait_until(strstr(read_file(in_dir("complaints")), "symbolic link") != NULL);
	say("two\n");
	ck_assert_int_eq(end_writer(), 0);
	ck_assert_str_eq(read_file(in_dir("web.log.1")), "one\ntwo\n");
	ck_assert_int_eq(access(in_dir("planted"), F_OK), -1);
}
END_TEST

START_TEST(signals_do_not_keep_it_from_the_last_words)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};

	start_writer(RLIM_INFINITY);
	say("one\n");
	wait_until(access(log_path, F_OK) == 0 && log_is("one\n"));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		ck_assert_int_eq(kill(writer, signals[i]), 0);
	say("two\n");
	ck_assert_int_eq(end_writer(), 0);
	ck_assert_str_eq(read_file(log_path), "one\ntwo\n");
}
END_TEST

/* The limit of file size plays the full disk (EFBIG); lifting it, the one that heals. */
START_TEST(f7_lost_lines_are_counted_and_said_once)
{
	struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	const char *text, *notice;

	start_writer(10);
	say("12345\n");
	wait_until(log_is("12345\n"));
	say("abcdefgh\n");
	wait_until(log_is("12345\nabcd"));
	say("lost1\nlost2\n");
	say("lost3\n");
	wait_until(strlen(read_file(log_path)) == 10);
	settle();
	ck_assert_int_eq(prlimit(writer, RLIMIT_FSIZE, &none, NULL), 0);
	say("again\nand again\n");
	ck_assert_int_eq(end_writer(), 0);
	text = read_file(log_path);
	ck_assert_int_eq(strncmp(text, "12345\nabcd\n", 11), 0);
	notice = strstr(text, "4 lines lost: File too large\n");
	ck_assert_msg(notice != NULL, "%s", text);
	ck_assert_str_eq(strchr(notice, '\n'), "\nagain\nand again\n");
}
END_TEST

START_TEST(f7_full_disk_is_survived)
{
	static char filler[70000];
	char path[256], *text;
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", test_dir, "tmpfs", 0, "size=64k,mode=700") < 0)
		return;
	memset(filler, 'x', sizeof(filler));
	(void)snprintf(path, sizeof(path), "%s/filler", test_dir);
	start_writer(RLIM_INFINITY);
	say("one\n");
	wait_until(access(log_path, F_OK) == 0 && log_is("one\n"));
	/* Opened after the fork: the writer must not hold what is removed below. */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, filler, 4096) > 0)
		;
	fd_close(&fd);
	filler[5000] = '\n';
	filler[5001] = '\0';
	say(filler);
	wait_until(strlen(read_file(log_path)) > 4000);
	settle();
	ck_assert_int_eq(unlink(path), 0);
	say("two\n");
	ck_assert_int_eq(end_writer(), 0);
	text = read_file(log_path);
	ck_assert_msg(strstr(text, " 1 line lost: No space left on device\ntwo\n") != NULL,
	    "%zu bytes, ending in \"%s\"", strlen(text), text + strspn(text + 4, "x") + 4);
	(void)umount2(test_dir, MNT_DETACH);
}
END_TEST

START_TEST(dash_copies_to_standard_output)
{
	int ends[2], out;

	log_path = in_dir("out");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	writer = fork();
	if (writer == 0) {
		out = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (dup2(ends[0], 0) < 0 || dup2(out, 1) < 0)
			_exit(98);
		fd_close(&ends[1]);
		_exit(logwriter_main("-"));
	}
	fd_close(&ends[0]);
	feed = ends[1];
	say("one\n");
	wait_until(log_is("one\n"));
	ck_assert_int_eq(kill(writer, SIGUSR1), 0);
	say("two\n");
	ck_assert_int_eq(end_writer(), 0);
	ck_assert_str_eq(read_file(log_path), "one\ntwo\n");
}
END_TEST

START_TEST(path_that_cannot_be_opened_ends_the_start)
{
	ck_assert_int_eq(mkdir(in_dir("web.log"), 0700), 0);
	start_writer(RLIM_INFINITY);
	ck_assert_int_eq(end_writer(), 73);
	ck_assert_ptr_nonnull(strstr(read_file(in_dir("complaints")), "Is a directory"));
}
END_TEST

START_TEST(x1_check_refuses_what_is_no_plain_file)
{
	ck_assert_int_eq(logwriter_check(in_dir("new.log"), &err), 0);
	ck_assert_int_eq(access(in_dir("new.log"), F_OK), 0);
	ck_assert_int_eq(symlink("new.log", in_dir("link.log")), 0);
	ck_assert_int_eq(logwriter_check(in_dir("link.log"), &err), -ELOOP);
	ck_assert_int_eq(link(in_dir("new.log"), in_dir("hard.log")), 0);
	ck_assert_int_eq(logwriter_check(in_dir("hard.log"), &err), -EPERM);
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_int_lt(logwriter_check(in_dir("fifo"), &err), 0);
	ck_assert_int_eq(logwriter_check("/dev/null", &err), -EINVAL);
	ck_assert_int_eq(logwriter_check(in_dir("no/such"), &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "make the directory first"));
}
END_TEST

START_TEST(x1_root_writes_in_no_directory_of_others)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chmod(test_dir, 01777), 0);
	ck_assert_int_eq(logwriter_check(in_dir("web.log"), &err), -EPERM);
	ck_assert_int_eq(chmod(test_dir, 0755), 0);
	ck_assert_int_eq(logwriter_check(in_dir("web.log"), &err), 0);
	ck_assert_int_eq(chown(test_dir, NOBODY, NOBODY), 0);
	ck_assert_int_eq(logwriter_check(in_dir("web.log"), &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "root opens no log in it"));
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("logwriter");

	tcase_add_test(t, lines_are_appended_whole);
	tcase_add_test(t, new_log_is_not_for_everybody);
	tcase_add_test(t, line_longer_than_the_buffer_passes);
	tcase_add_test(t, l4_reopens_on_usr1);
	tcase_add_test(t, s7_failed_reopen_keeps_the_old_file);
	tcase_add_test(t, signals_do_not_keep_it_from_the_last_words);
	tcase_add_test(t, f7_lost_lines_are_counted_and_said_once);
	tcase_add_test(t, f7_full_disk_is_survived);
	tcase_add_test(t, dash_copies_to_standard_output);
	tcase_add_test(t, path_that_cannot_be_opened_ends_the_start);
	tcase_add_test(t, x1_check_refuses_what_is_no_plain_file);
	tcase_add_test(t, x1_root_writes_in_no_directory_of_others);
	return support_main("logwriter", t);
}
