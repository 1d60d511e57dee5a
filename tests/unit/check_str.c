/* check_str: growing strings, UTF-8, escaping (W8, L2), nearest names. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

START_TEST(empty_string_has_a_text)
{
	struct str s = {0};

	ck_assert_str_eq(str_text(&s), "");
	str_add(&s, "");
	ck_assert_str_eq(str_text(&s), "");
	str_free(&s);
}
END_TEST

START_TEST(pieces_of_any_size_are_joined)
{
	struct str s = {0};

	for (int i = 0; i < 1000; i++)
		str_addf(&s, "%d,", i);
	ck_assert_uint_eq(s.len, 3890);
	ck_assert_uint_eq(strlen(s.data), s.len);
	str_consume(&s, 3885);
	ck_assert_str_eq(s.data, ",999,");
	str_consume(&s, 100);
	ck_assert_uint_eq(s.len, 0);
	str_add_n(&s, "a\0b", 3);
	ck_assert_uint_eq(s.len, 3);
	str_reset(&s);
	str_add_char(&s, 'x');
	ck_assert_str_eq(s.data, "x");
	str_free(&s);
}
END_TEST

START_TEST(f6_failure_of_memory_is_sticky_and_loses_nothing)
{
	struct str s = {0};

	str_add(&s, "kept");
	mem_fail_at(1, 1);
	for (int i = 0; i < 100; i++)
		str_add(&s, "0123456789");
	ck_assert(str_failed(&s));
	mem_fail_at(0, 0);
	ck_assert_int_eq(strncmp(s.data, "kept0123456789", 14), 0);
	str_reset(&s);
	ck_assert(!str_failed(&s));
	str_free(&s);
}
END_TEST

static const struct {
	const char *bytes;
	size_t expected;
} sequences[] = {
    {"a", 1},
    {"\xC3\xA4", 2},
    {"\xE2\x82\xAC", 3},
    {"\xF0\x9F\x98\x80", 4},
    {"", 0},
    {"\x80", 0},
    {"\xC3", 0},
    {"\xC0\x80", 0},
    {"\xC1\xBF", 0},
    {"\xE0\x80\x80", 0},
    {"\xED\xA0\x80", 0},
    {"\xF0\x80\x80\x80", 0},
    {"\xF4\x90\x80\x80", 0},
    {"\xF5\x80\x80\x80", 0},
    {"\xE2\x82", 0},
    {"\xF0\x9F\x98", 0},
    {"\xFF", 0},
};

START_TEST(c3_only_true_utf8_is_a_sequence)
{
	ck_assert_uint_eq(utf8_sequence(sequences[_i].bytes, strlen(sequences[_i].bytes)),
	    sequences[_i].expected);
}
END_TEST

static const struct {
	const char *bytes, *expected;
} escapes[] = {
    {"plain \t text", "plain \t text"},
    {"a\nb\r", "a\\x0Ab\\x0D"},
    {"\033[31mred", "\\x1B[31mred"},
    {"\x7F", "\\x7F"},
    {"\xC2\x9B"
     "31m",
        "\\x9B31m"},
    {"\xFF\xFE", "\\xFF\\xFE"},
    {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
    {"a\xE2\x80\xAE"
     "b",
        "a\\u{202E}b"},
    {"a\xE2\x80\xA8", "a\\u{2028}"},
    {"back\\slash", "back\\slash"},
    {"", ""},
};

START_TEST(w8_what_moves_a_cursor_is_shown)
{
	struct str s = {0};

	str_add_escaped(&s, escapes[_i].bytes, strlen(escapes[_i].bytes));
	ck_assert_str_eq(str_text(&s), escapes[_i].expected);
	str_free(&s);
}
END_TEST

static const char *const names[] = {"workers", "listen", "stop_timeout", "stop_signal", "user"};
static const struct {
	const char *word, *expected;
} slips[] = {
    {"wokers", "workers"},
    {"workesr", "workers"},
    {"lisen", "listen"},
    {"usr", "user"},
    {"stop_timout", "stop_timeout"},
    {"xyzzy", NULL},
    {"", NULL},
    {"workers", "workers"},
    {"zz", NULL},
};

START_TEST(nearest_name_is_found_for_a_slip)
{
	const char *near = str_nearest(slips[_i].word, names, 5);

	if (slips[_i].expected)
		ck_assert_str_eq(near, slips[_i].expected);
	else
		ck_assert_ptr_null(near);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *s = suite_create("str");
	TCase *t = tcase_create("str");
	SRunner *r;
	int failed;

	tcase_add_test(t, empty_string_has_a_text);
	tcase_add_test(t, pieces_of_any_size_are_joined);
	tcase_add_test(t, f6_failure_of_memory_is_sticky_and_loses_nothing);
	tcase_add_loop_test(t, c3_only_true_utf8_is_a_sequence, 0, ROWS(sequences));
	tcase_add_loop_test(t, w8_what_moves_a_cursor_is_shown, 0, ROWS(escapes));
	tcase_add_loop_test(t, nearest_name_is_found_for_a_slip, 0, ROWS(slips));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
