/*
 * sys_support: what the tests of the room sys share: a directory of their own, waiting with a
 * deadline, and the main of a Check program.
 */
#ifndef BROOD_TESTS_UNIT_SYS_SUPPORT_H
#define BROOD_TESTS_UNIT_SYS_SUPPORT_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534

/* Directory of the running test; removed by support_teardown(). */
static char test_dir[64];

static inline const char *
in_dir(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	(void)snprintf(path, 256, "%s/%s", test_dir, name);
	return path;
}

static inline void
support_setup(void)
{
	(void)snprintf(test_dir, sizeof(test_dir), "/tmp/brood-check-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(test_dir));
}

static inline int
support_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static inline void
support_teardown(void)
{
	(void)nftw(test_dir, support_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void
write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	ck_assert_int_eq(close(fd), 0);
}

static inline char *
read_file(const char *path)
{
	static char text[1 << 17];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = 0, got;

	ck_assert_int_ge(fd, 0);
	while ((got = read(fd, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += got;
	text[len] = '\0';
	(void)close(fd);
	return text;
}

/* For conditions that another process brings about: looks every millisecond, for 10 s. */
#define wait_until(condition)                                                          \
	do {                                                                           \
		int left_ms_ = 10000;                                                  \
		while (!(condition) && left_ms_-- > 0)                                 \
			(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); \
		ck_assert_msg(left_ms_ > 0, "not within 10 s: %s", #condition);        \
	} while (0)

/* Makes a system call fail for this process and its children, as a container's filter may: every
 * one when first_argument is negative, else those whose first argument it is. */
static inline void
forbid_call(int nr, int first_argument, int error)
{
	unsigned arg = (unsigned)first_argument, skip_arg = first_argument < 0 ? 0 : 1;
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg, 0, (unsigned char)skip_arg),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static inline void
forbid_syscall(int nr, int error)
{
	forbid_call(nr, -1, error);
}

/* Runs one suite; the exit code says whether all passed. */
static inline int
support_main(const char *name, TCase *tests)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, support_setup, support_teardown);
	tcase_set_timeout(tests, 30);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
