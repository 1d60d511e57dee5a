/* jsontext: what is JSON is told from what is not, and members are found where they stand. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/jsontext.h"

static bool
scan(const char *text)
{
	return json_text_scan(text, strlen(text), NULL, NULL);
}

START_TEST(what_json_is)
{
	static const char *const yes[] = {"1", "-0", "0.5e+3", "1E9", "\"\"", "\"a\\u00e9\\n\\/\"",
	    "null", "true", "false", "[]", "{}", " [ 1 , [ ] , { } ] \r", "{\"a\":{\"b\":[1,2]}}",
	    "\"\\ud800\"", "12345678901234567890123456789", "{\"a\":1,\"a\":2}", "\"\xff\""};
	static const char *const no[] = {"", " ", "+1", "01", "1.", ".5", "1e", "-", "nul", "True",
	    "\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "\"a\tb\"", "[", "[1", "[1,]", "[,1]",
	    "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "{\"a\" 1}",
	    "{1:2}", "[}", "{]", "1 2", "{} x", "]", "\"\\"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ck_assert_msg(scan(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert_msg(!scan(no[i]), "%s", no[i]);
	ck_assert(!json_text_scan("\"a\0\"", 4, NULL, NULL));
	ck_assert(!json_text_scan("\"\\\0\"", 4, NULL, NULL));
}
END_TEST

START_TEST(depth_has_a_limit)
{
	struct str s = {0};

	for (int i = 0; i < JSON_TEXT_DEPTH_MAX; i++)
		str_add_char(&s, '[');
	for (int i = 0; i < JSON_TEXT_DEPTH_MAX; i++)
		str_add_char(&s, ']');
	ck_assert(scan(str_text(&s)));
	str_reset(&s);
	for (int i = 0; i <= JSON_TEXT_DEPTH_MAX; i++)
		str_add_char(&s, '[');
	for (int i = 0; i <= JSON_TEXT_DEPTH_MAX; i++)
		str_add_char(&s, ']');
	ck_assert(!scan(str_text(&s)));
	str_free(&s);
}
END_TEST

static void
note_member(void *arg, const struct json_member *m)
{
	struct str *s = arg;

	str_addf(s, "<%.*s=%.*s>", (int)m->key_len, m->key, (int)m->value_len, m->value);
}

static const char *
members(const char *text)
{
	static struct str s;

	str_free(&s);
	(void)json_text_scan(text, strlen(text), note_member, &s);
	return str_text(&s);
}

START_TEST(outermost_members_are_found)
{
	ck_assert_str_eq(members("{}"), "");
	ck_assert_str_eq(members("[{\"a\":1}]"), "");
	ck_assert_str_eq(members("\"a\""), "");
	ck_assert_str_eq(members("{\"a\":1}"), "<a=1>");
	ck_assert_str_eq(members(" {\"a\" : \"b,}\" , \"\\u0063\":[1,{\"a\":2}] ,\"\":{}} "),
	    "<a=\"b,}\"><\\u0063=[1,{\"a\":2}]><={}>");
	ck_assert_str_eq(
	    members("{\"a\":{\"x\":{\"y\":[]}},\"b\":null}"), "<a={\"x\":{\"y\":[]}}><b=null>");
}
END_TEST

START_TEST(strings_are_quoted)
{
	struct str s = {0};

	json_text_add_string(&s, "a\"\\\n\x01\xc3\xa9", 7);
	ck_assert_str_eq(str_text(&s), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\"");
	ck_assert(scan(str_text(&s)));
	str_free(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jsontext");
	TCase *tc = tcase_create("jsontext");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, what_json_is);
	tcase_add_test(tc, depth_has_a_limit);
	tcase_add_test(tc, outermost_members_are_found);
	tcase_add_test(tc, strings_are_quoted);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
