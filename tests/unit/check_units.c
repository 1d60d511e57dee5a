/* check_units: durations, sizes, numbers, signals, names: strict both ways (C2, T3). */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static const struct {
	const char *text;
	int code;
	uint64_t ms;
} durations[] = {
    {"0", 0, 0},
    {"500ms", 0, 500},
    {"30s", 0, 30000},
    {"5m", 0, 300000},
    {"2h", 0, 7200000},
    {"7", 0, 7000},
    {"", -EINVAL, 0},
    {"08", -EINVAL, 0},
    {"-1", -EINVAL, 0},
    {"+1", -EINVAL, 0},
    {"1 s", -EINVAL, 0},
    {" 1s", -EINVAL, 0},
    {"1s ", -EINVAL, 0},
    {"1sec", -EINVAL, 0},
    {"s", -EINVAL, 0},
    {"1.5s", -EINVAL, 0},
    {"1d", -EINVAL, 0},
    {"1S", -EINVAL, 0},
    {"18446744073709551615ms", 0, UINT64_MAX},
    {"18446744073709551616ms", -ERANGE, 0},
    {"18446744073709551615h", -ERANGE, 0},
    {"99999999999999999999999h", -ERANGE, 0},
    {"99999999999999999999999x", -EINVAL, 0},
};

START_TEST(c2_durations_are_strict)
{
	uint64_t ms = 42;

	ck_assert_int_eq(units_parse_duration_ms(durations[_i].text, &ms), durations[_i].code);
	ck_assert_uint_eq(ms, durations[_i].code ? 42 : durations[_i].ms);
}
END_TEST

static const struct {
	const char *text;
	int code;
	uint64_t bytes;
} sizes[] = {
    {"0", 0, 0},
    {"64K", 0, 65536},
    {"512M", 0, 512u << 20},
    {"2G", 0, UINT64_C(2) << 30},
    {"17", 0, 17},
    {"64k", -EINVAL, 0},
    {"64KB", -EINVAL, 0},
    {"K", -EINVAL, 0},
    {"01K", -EINVAL, 0},
    {"99999999999G", -ERANGE, 0},
};

START_TEST(c2_sizes_are_strict)
{
	uint64_t bytes = 42;

	ck_assert_int_eq(units_parse_size(sizes[_i].text, &bytes), sizes[_i].code);
	ck_assert_uint_eq(bytes, sizes[_i].code ? 42 : sizes[_i].bytes);
}
END_TEST

START_TEST(c2_plain_numbers_are_strict)
{
	uint64_t n = 42;

	ck_assert_int_eq(units_parse_uint("10", 10, &n), 0);
	ck_assert_uint_eq(n, 10);
	ck_assert_int_eq(units_parse_uint("11", 10, &n), -ERANGE);
	ck_assert_int_eq(units_parse_uint("011", 100, &n), -EINVAL);
	ck_assert_int_eq(units_parse_uint("0x1", 100, &n), -EINVAL);
	ck_assert_int_eq(units_parse_uint("-0", 100, &n), -EINVAL);
	ck_assert_uint_eq(n, 10);
}
END_TEST

START_TEST(formats_parse_back)
{
	uint64_t value, seed = 1, back;
	char buf[32];

	for (int i = 0; i < 5000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		value = seed >> (seed % 60);
		units_format_duration_ms(value, buf, sizeof(buf));
		ck_assert_int_eq(units_parse_duration_ms(buf, &back), 0);
		ck_assert_uint_eq(back, value);
		units_format_size(value, buf, sizeof(buf));
		ck_assert_int_eq(units_parse_size(buf, &back), 0);
		ck_assert_uint_eq(back, value);
	}
}
END_TEST

static const struct {
	uint64_t ms;
	const char *exact, *age;
} shown[] = {
    {0, "0s", "0ms"},
    {14, "14ms", "14ms"},
    {1400, "1400ms", "1.4s"},
    {90000, "90s", "1m30s"},
    {300000, "5m", "5m00s"},
    {192000, "192s", "3m12s"},
    {7500000, "125m", "2h05m"},
    {367200000, "102h", "4d06h"},
    {59999, "59999ms", "59.9s"},
};

START_TEST(durations_are_shown)
{
	char buf[32];

	units_format_duration_ms(shown[_i].ms, buf, sizeof(buf));
	ck_assert_str_eq(buf, shown[_i].exact);
	units_format_age_ms(shown[_i].ms, buf, sizeof(buf));
	ck_assert_str_eq(buf, shown[_i].age);
}
END_TEST

static const struct {
	const char *text;
	int sig;
} signal_names[] = {
    {"TERM", SIGTERM},
    {"SIGTERM", SIGTERM},
    {"term", SIGTERM},
    {"sigterm", SIGTERM},
    {"15", SIGTERM},
    {"HUP", SIGHUP},
    {"USR2", SIGUSR2},
    {"0", -EINVAL},
    {"65", -EINVAL},
    {"", -EINVAL},
    {"SIG", -EINVAL},
    {"TERMX", -EINVAL},
    {"RTMIN+100", -EINVAL},
    {"RTMIN-1", -EINVAL},
    {"-9", -EINVAL},
};

START_TEST(signals_have_names)
{
	ck_assert_int_eq(signal_from_string(signal_names[_i].text), signal_names[_i].sig);
}
END_TEST

START_TEST(every_signal_name_leads_back)
{
	char buf[16];

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		ck_assert_int_eq(signal_from_string(signal_to_string(sig, buf)), sig);
	ck_assert_int_eq(signal_from_string("RTMIN+3"), SIGRTMIN + 3);
	ck_assert_int_eq(signal_from_string("RTMAX-1"), SIGRTMAX - 1);
	ck_assert_str_eq(signal_to_string(SIGTERM, buf), "TERM");
	ck_assert_str_eq(signal_to_string(99, buf), "99");
}
END_TEST

START_TEST(names_that_could_leave_a_directory_are_refused)
{
	static const char *const good[] = {
	    "a", "web", "web-2.x_Y", "...", "123456789012345678901234567890123456789012345678"};
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xC3\xA4", "a\n", "a:b",
	    "1234567890123456789012345678901234567890123456789"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(name_is_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!name_is_valid(bad[i]), "%s", bad[i]);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *s = suite_create("units");
	TCase *t = tcase_create("units");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, c2_durations_are_strict, 0, ROWS(durations));
	tcase_add_loop_test(t, c2_sizes_are_strict, 0, ROWS(sizes));
	tcase_add_test(t, c2_plain_numbers_are_strict);
	tcase_add_test(t, formats_parse_back);
	tcase_add_loop_test(t, durations_are_shown, 0, ROWS(shown));
	tcase_add_loop_test(t, signals_have_names, 0, ROWS(signal_names));
	tcase_add_test(t, every_signal_name_leads_back);
	tcase_add_test(t, names_that_could_leave_a_directory_are_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
