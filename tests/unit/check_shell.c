/*
 * shell: lines that were made for a shell, cut without one, and what is left to a shell.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "launcher/shell.h"

/* words: plain; else "needs: script" with "+" where the shell becomes the program. */
static const struct {
	const char *text, *result;
} shell_lines[] = {
    {"node server.js", "[node][server.js]"},
    {"  node\t'a b' \"c\\\"d\" e\\ f ", "[node][a b][c\"d][e f]"},
    {"exec node x", "[node][x]"},
    {"node x # comment", "[node][x]"},
    {"A=1 B='x y' node x", "A=1,B=x y,[node][x]"},
    {"env A=1 B=2 node x", "A=1,B=2,[node][x]"},
    {"env -i node", "[env][-i][node]"},
    {"node A=1", "[node][A=1]"},
    {"cd back && node x", "back:[node][x]"},
    {"cd 'a b' && X=1 exec node x", "a b:X=1,[node][x]"},
    {"node '$HOME|;&'", "[node][$HOME|;&]"},
    {"node 5$", "[node][5$]"},
    {"A=* node x", "A=*,[node][x]"},
    {"node -p $PORT", "a variable: +exec node -p $PORT"},
    {"node -p \"${PORT:-1}\"", "a variable: +exec node -p \"${PORT:-1}\""},
    {"A=$B node x", "a variable: +A=$B exec node x"},
    {"A=*$B node x", "a variable: +A=*$B exec node x"},
    {"node $(cat x)", "a command in $( ): +exec node $(cat x)"},
    {"node `cat x`", "a command in backquotes: +exec node `cat x`"},
    {"node *.js", "a pattern of file names: +exec node *.js"},
    {"node ~/x", "~: +exec node ~/x"},
    {"node x > log 2>&1", "a redirection: +exec node x > log 2>&1"},
    {"exec node x > log", "a redirection: +exec node x > log"},
    {"a && b", "&&: +a && exec b"},
    {"a || b ; c -x", "||: +a || b ; exec c -x"},
    {"a && A=1 b", "&&: +a && A=1 exec b"},
    {"a | b", "a pipe: a | b"},
    {"a && b | c", "&&: a && b | c"},
    {"a | b && c", "a pipe: +a | b && exec c"},
    {"a & b", "& (in the background): +a & exec b"},
    {"a &", "& (in the background): a &"},
    {"a;", ";: +exec a;"},
    {"(a; b)", "parentheses: (a; b)"},
    {"if a; then b; fi", "a compound command: if a; then b; fi"},
    {"while true; do a; done", "a compound command: while true; do a; done"},
    {"a && cd x", "&&: a && cd x"},
    {"source x && node y", "a command of the shell itself: +source x && exec node y"},
    {"cd $X && a", "a command of the shell itself: +cd $X && exec a"},
    {"a\nb", "a second line: +a\nexec b"},
    {"A=1", "A=1,"},
    {"A=$B # c", "a variable: A=$B"},
    {"a; # c", ";: +exec a;"},
    {"", ""},
};

static void
add_shell_line(const struct shell_line *l, struct str *out)
{
	if (l->directory.len > 0)
		str_addf(out, "%s:", l->directory.items[0]);
	for (size_t i = 0; i < l->names.len; i++)
		str_addf(out, "%s=%s,", l->names.items[i], l->values.items[i]);
	for (size_t i = 0; i < l->words.len; i++)
		str_addf(out, "[%s]", l->words.items[i]);
	if (l->needs)
		str_addf(out, "%s: %s%s", l->needs, l->is_exec ? "+" : "", l->script);
}

START_TEST(shells_are_needed_only_for_what_only_they_can)
{
	struct str is = {0};
	struct shell_line l;

	ck_assert_int_eq(shell_line_parse(shell_lines[_i].text, &l), 0);
	str_add(&is, "");
	add_shell_line(&l, &is);
	ck_assert_str_eq(str_text(&is), shell_lines[_i].result);
	shell_line_free(&l);
	str_free(&is);
}
END_TEST

START_TEST(a_quote_that_does_not_end_is_refused)
{
	static const char *const bad[] = {
	    "node 'x", "node \"x", "node x\\", "cd 'x && y", "a | 'b"};
	struct shell_line l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(shell_line_parse(bad[i], &l), -EINVAL);
}
END_TEST

/* Each allocation of one that is cut, and of one that is not. */
START_TEST(without_memory_it_says_so)
{
	static const char *const lines[] = {"cd x && A=1 env B=2 node 'a b'", "A=1 a | b && c"};

	for (unsigned long n = 1;; n++) {
		struct shell_line l;
		int r;

		mem_fail_at(n, 1);
		r = shell_line_parse(lines[_i], &l);
		if (mem_calls() < n) {
			mem_fail_at(0, 0);
			ck_assert_int_eq(r, 0);
			ck_assert_uint_gt(n, 4);
			shell_line_free(&l);
			break;
		}
		mem_fail_at(0, 0);
		if (r == 0)
			shell_line_free(&l);
		else
			ck_assert_int_eq(r, -ENOMEM);
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("shell");
	Suite *suite = suite_create("shell");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(t, shells_are_needed_only_for_what_only_they_can, 0,
	    (int)(sizeof(shell_lines) / sizeof(*shell_lines)));
	tcase_add_test(t, a_quote_that_does_not_end_is_refused);
	tcase_add_loop_test(t, without_memory_it_says_so, 0, 2);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
