/* check_log: the three formats, levels, escaping, folding, errno. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

static struct str lines;
static int calls;

static void
collect(void *arg, enum log_level level, const char *line, size_t len)
{
	(void)arg;
	(void)level;
	calls++;
	ck_assert_int_eq(line[len - 1], '\n');
	ck_assert_ptr_eq(memchr(line, '\n', len), line + len - 1);
	str_add_n(&lines, line, len);
}

static void
setup(void)
{
	log_set_sink(collect, NULL);
	log_set_level(LOG_LEVEL_INFO);
}

static void
teardown(void)
{
	str_free(&lines);
}

static const struct log_who who = {.app = "web", .slot = 2, .pid = 812, .generation = 7};

START_TEST(text_line_has_time_level_and_who)
{
	log_info("worker_ready", &who, "ready after %d ms", 14);
	ck_assert_uint_eq(strcspn(lines.data, " "), 24);
	ck_assert_str_eq(lines.data + 24, " info web.2 pid 812: ready after 14 ms\n");
}
END_TEST

START_TEST(text_line_about_nobody_is_short)
{
	struct log_who app = {.app = "web", .slot = -1};

	log_warn("shutdown", NULL, "ending");
	log_warn("shutdown", &app, "ending");
	ck_assert_str_eq(strchr(lines.data, ' '), strstr(lines.data, " warn: ending\n"));
	ck_assert_ptr_nonnull(strstr(lines.data, " warn web: ending\n"));
}
END_TEST

START_TEST(logfmt_line_is_quoted)
{
	log_set_format(LOG_FORMAT_LOGFMT);
	log_error("worker_exit", &who, "said \"no\"\nand\\left\033");
	ck_assert_str_eq(lines.data + 3 + 24,
	    " level=error event=worker_exit app=web slot=2 pid=812 gen=7 "
	    "msg=\"said \\\"no\\\"\\nand\\\\left\\u001b\"\n");
}
END_TEST

START_TEST(json_line_is_quoted)
{
	log_set_format(LOG_FORMAT_JSON);
	log_error("worker_exit", &who, "tab\t \"q\" \xFF \x7F gr\xC3\xBC");
	ck_assert_str_eq(lines.data + 7 + 24,
	    "\",\"level\":\"error\",\"event\":\"worker_exit\",\"app\":\"web\",\"slot\":2,\"pid\":"
	    "812,"
	    "\"gen\":7,\"msg\":\"tab\\t \\\"q\\\" \xEF\xBF\xBD \\u007f gr\xC3\xBC\"}\n");
}
END_TEST

START_TEST(w8_a_message_can_not_forge_a_line)
{
	log_info("note", NULL, "a\n2026-11-21T02:29:00.123Z error: forged\033[2J");
	ck_assert_int_eq(calls, 1);
	ck_assert_ptr_nonnull(strstr(lines.data, "a\\x0A2026"));
	ck_assert_ptr_null(strchr(lines.data, '\033'));
}
END_TEST

START_TEST(terminal_line_is_short_and_coloured)
{
	log_set_terminal(true);
	log_error("note", NULL, "oh");
	ck_assert_int_eq(lines.data[2], ':');
	ck_assert_str_eq(lines.data + 12, " \033[1;31merror\033[0m: oh\n");
}
END_TEST

START_TEST(lines_below_the_level_are_not_written)
{
	log_debug("note", NULL, "hidden");
	ck_assert_int_eq(calls, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("note", NULL, "shown");
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(l1_the_same_line_repeated_is_folded)
{
	for (int i = 0; i < 5; i++)
		log_info("note", NULL, "same");
	ck_assert_int_eq(calls, 1);
	log_info("note", NULL, "other");
	ck_assert_int_eq(calls, 3);
	ck_assert_ptr_nonnull(strstr(lines.data, "info: same [repeated 4 times]\n"));
	log_info("note", &who, "other");
	ck_assert_int_eq(calls, 4);
}
END_TEST

START_TEST(errno_is_kept_and_shown)
{
	errno = ENOENT;
	log_info("note", NULL, "why: %m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(lines.data, "why: No such file or directory"));
}
END_TEST

START_TEST(a_message_too_long_is_cut_and_marked)
{
	char big[5000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("note", NULL, "%s", big);
	ck_assert_uint_lt(lines.len, 2200);
	ck_assert_str_eq(lines.data + lines.len - 5, "x...\n");
}
END_TEST

static void
log_again(void *arg, enum log_level level, const char *line, size_t len)
{
	(void)arg, (void)level, (void)line, (void)len;
	calls++;
	log_error("note", NULL, "from inside");
}

START_TEST(a_sink_that_logs_does_not_recurse)
{
	log_set_sink(log_again, NULL);
	log_info("note", NULL, "outer");
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(f6_without_memory_nothing_breaks)
{
	mem_fail_at(1, 1000);
	log_info("note", NULL, "lost");
	mem_fail_at(0, 0);
	log_info("note", NULL, "heard");
	ck_assert_ptr_nonnull(strstr(lines.data, "heard"));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {text_line_has_time_level_and_who,
	    text_line_about_nobody_is_short, logfmt_line_is_quoted, json_line_is_quoted,
	    w8_a_message_can_not_forge_a_line, terminal_line_is_short_and_coloured,
	    lines_below_the_level_are_not_written, l1_the_same_line_repeated_is_folded,
	    errno_is_kept_and_shown, a_message_too_long_is_cut_and_marked,
	    a_sink_that_logs_does_not_recurse, f6_without_memory_nothing_breaks};
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
