/* check_small: the small helpers of base: err, clock, fd, mem. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"

START_TEST(an_error_gains_context_on_its_way_up)
{
	struct err e = {0};

	ck_assert_int_eq(err_set(&e, -EACCES, "port %d: %s", 80, "denied"), -EACCES);
	ck_assert_int_eq(err_wrap(&e, -EINVAL, "app %s", "web"), -EINVAL);
	ck_assert_str_eq(e.text, "app web: port 80: denied");
	err_clear(&e);
	(void)err_wrap(&e, -1, "alone");
	ck_assert_str_eq(e.text, "alone");
	ck_assert_int_eq(err_set(NULL, -3, "x"), -3);
	ck_assert_int_eq(err_wrap(NULL, -3, "x"), -3);
}
END_TEST

START_TEST(an_error_too_long_is_cut)
{
	struct err e = {0};
	char big[1000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&e, -1, "%s", big);
	(void)err_wrap(&e, -1, "context");
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
	ck_assert_int_eq(strncmp(e.text, "context: xxx", 12), 0);
	(void)err_wrap(&e, -1, "%s", big);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
}
END_TEST

START_TEST(wall_time_is_shown_in_utc)
{
	char buf[25];

	clock_format_wall(UINT64_C(1795228140123), buf);
	ck_assert_str_eq(buf, "2026-11-21T02:29:00.123Z");
	clock_format_wall(0, buf);
	ck_assert_str_eq(buf, "1970-01-01T00:00:00.000Z");
	clock_format_wall(UINT64_MAX, buf);
	ck_assert_uint_eq(strlen(buf), 24);
}
END_TEST

START_TEST(monotonic_time_goes_on)
{
	uint64_t a = clock_now_us(), b = clock_now_us();

	ck_assert_uint_le(a, b);
	ck_assert_uint_gt(clock_wall_ms(), UINT64_C(1700000000000));
}
END_TEST

START_TEST(flags_of_a_descriptor_are_set_and_cleared)
{
	int fds[2], closed;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fd_set_nonblocking(fds[0], true), 0);
	ck_assert_int_ne(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fd_set_nonblocking(fds[0], false), 0);
	ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(fd_set_cloexec(fds[0], true), 0);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fd_set_cloexec(fds[0], false), 0);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), 0);
	closed = fds[0];
	errno = EPIPE;
	fd_close(&fds[0]);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(fds[0], -1);
	fd_close(&fds[0]);
	ck_assert_int_eq(fd_set_nonblocking(closed, true), -EBADF);
	ck_assert_int_eq(fd_set_cloexec(closed, true), -EBADF);
	fd_close(&fds[1]);
}
END_TEST

START_TEST(x6_closed_standard_descriptors_become_null)
{
	int before;

	(void)close(0);
	(void)close(2);
	before = fd_count_open();
	ck_assert_int_eq(fd_ensure_standard(), 0);
	ck_assert_int_eq(fd_count_open(), before + 2);
	ck_assert_int_eq(fcntl(0, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(fcntl(2, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(fd_ensure_standard(), 0);
	ck_assert_int_eq(fd_count_open(), before + 2);
}
END_TEST

START_TEST(all_is_written_or_an_error_told)
{
	int fds[2];
	char buf[8];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fd_write_all(fds[1], "hello", 5), 0);
	ck_assert_int_eq(read(fds[0], buf, sizeof(buf)), 5);
	ck_assert_int_eq(fd_write_all(-1, "x", 1), -EBADF);
	ck_assert_int_eq(fd_write_all(-1, "", 0), 0);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}
END_TEST

START_TEST(f6_the_nth_allocation_fails)
{
	void *p[4];

	mem_fail_at(2, 2);
	p[0] = mem_alloc(1);
	p[1] = mem_calloc(1, 1);
	p[2] = mem_strdup("x");
	p[3] = mem_realloc(NULL, 1);
	ck_assert_uint_eq(mem_calls(), 4);
	mem_fail_at(0, 0);
	ck_assert_ptr_nonnull(p[0]);
	ck_assert_ptr_null(p[1]);
	ck_assert_ptr_null(p[2]);
	ck_assert_ptr_nonnull(p[3]);
	mem_free(p[0]);
	mem_free(p[3]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {an_error_gains_context_on_its_way_up,
	    an_error_too_long_is_cut, wall_time_is_shown_in_utc, monotonic_time_goes_on,
	    flags_of_a_descriptor_are_set_and_cleared, x6_closed_standard_descriptors_become_null,
	    all_is_written_or_an_error_told, f6_the_nth_allocation_fails};
	Suite *s = suite_create("small");
	TCase *t = tcase_create("small");
	SRunner *r;
	int failed;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
