/* check_quote: words out of a line and back, with nothing expanded (C4). */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"

static const struct {
	const char *text;
	const char *words; /* each in <> */
} splits[] = {
    {"", ""},
    {" \t ", ""},
    {"node server.js", "<node><server.js>"},
    {"  a   b\t", "<a><b>"},
    {"sh -c 'a ; b'", "<sh><-c><a ; b>"},
    {"echo $HOME * ~ ; | # : %", "<echo><$HOME><*><~><;><|><#><:><%>"},
    {"a\\ b \\'x \\\\", "<a b><'x><\\>"},
    {"\"a \\\"b\\\" \\\\ c\"", "<a \"b\" \\ c>"},
    {"\"\\n\\t\\r\\x41\\x7e\"", "<\n\t\rA~>"},
    {"'no \\escape'", "<no \\escape>"},
    {"'' \"\"", "<><>"},
    {"a'b'\"c\"d", "<abcd>"},
    {"--x='a b'", "<--x=a b>"},
};

START_TEST(c4_words_are_split_and_nothing_is_expanded)
{
	struct str s = {0};
	size_t argc, at;
	char **argv;

	ck_assert_int_eq(quote_split(splits[_i].text, &argv, &argc, &at), 0);
	for (size_t i = 0; i < argc; i++)
		str_addf(&s, "<%s>", argv[i]);
	ck_assert_ptr_null(argv[argc]);
	ck_assert_str_eq(str_text(&s), splits[_i].words);
	str_free(&s);
	free(argv);
}
END_TEST

static const struct {
	const char *text;
	size_t at;
} faults[] = {
    {"a 'b", 2},
    {"a \"b", 2},
    {"x\\", 1},
    {"\"\\q\"", 1},
    {"\"\\x4\"", 1},
    {"\"\\x00\"", 1},
    {"\"\\", 1},
    {"\"\\x", 1},
    {"\"\\xg0\"", 1},
};

START_TEST(c4_a_bad_quote_is_refused_with_its_place)
{
	size_t argc, at = 99;
	char **argv;

	ck_assert_int_eq(quote_split(faults[_i].text, &argv, &argc, &at), -EINVAL);
	ck_assert_uint_eq(at, faults[_i].at);
}
END_TEST

START_TEST(any_words_come_back_from_their_quoted_form)
{
	uint64_t seed = 7;
	char word[4][24];
	size_t argc, at;
	char **argv;

	for (int round = 0; round < 3000; round++) {
		struct str s = {0};

		for (int i = 0; i < 4; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			size_t len = (seed >> 33) % 23;

			for (size_t k = 0; k < len; k++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				word[i][k] = (char)(1 + (seed >> 40) % 255);
			}
			word[i][len] = '\0';
			str_add_char(&s, ' ');
			quote_add_word(&s, word[i]);
		}
		for (size_t k = 0; k < s.len;) {
			size_t n = utf8_sequence(s.data + k, s.len - k);

			/* An assertion for each byte would take longer than all the rest. */
			if (n == 0 || (unsigned char)s.data[k] < 0x20)
				ck_abort_msg("%s can't stand in a text file", s.data);
			k += n;
		}
		ck_assert_int_eq(quote_split(s.data, &argv, &argc, &at), 0);
		ck_assert_uint_eq(argc, 4);
		for (int i = 0; i < 4; i++)
			ck_assert_str_eq(argv[i], word[i]);
		free(argv);
		str_free(&s);
	}
}
END_TEST

START_TEST(plain_words_stay_plain)
{
	struct str s = {0};

	quote_add_word(&s, "--port=%(slot)");
	ck_assert_str_eq(s.data, "--port=%(slot)");
	str_free(&s);
	quote_add_word(&s, "");
	ck_assert_str_eq(s.data, "\"\"");
	str_free(&s);
}
END_TEST

START_TEST(f6_split_without_memory)
{
	size_t argc, at;
	char **argv;

	mem_fail_at(1, 1);
	ck_assert_int_eq(quote_split("a b", &argv, &argc, &at), -ENOMEM);
	mem_fail_at(0, 0);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	Suite *s = suite_create("quote");
	TCase *t = tcase_create("quote");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, c4_words_are_split_and_nothing_is_expanded, 0, ROWS(splits));
	tcase_add_loop_test(t, c4_a_bad_quote_is_refused_with_its_place, 0, ROWS(faults));
	tcase_add_test(t, any_words_come_back_from_their_quoted_form);
	tcase_add_test(t, plain_words_stay_plain);
	tcase_add_test(t, f6_split_without_memory);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
