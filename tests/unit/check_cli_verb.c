/*
 * The table of verbs is consistent in itself, the command line is read as the table says, and
 * the small texts (targets, times, events) are what they should be.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "cli/when.h"

START_TEST(no_two_flags_of_a_verb_share_a_letter)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	for (size_t i = 0; i < n; i++)
		for (int a = 0; a < FLAG_MAX; a++)
			for (int b = a + 1; b < FLAG_MAX; b++)
				if (verb_takes(&v[i], a) && verb_takes(&v[i], b) &&
				    flag_info(a)->letter)
					ck_assert_int_ne(
					    flag_info(a)->letter, flag_info(b)->letter);
}
END_TEST

START_TEST(every_verb_is_found_by_name_and_alias)
{
	size_t n;
	const struct verb *v = verb_table(&n);

	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_eq(verb_find(v[i].name), &v[i]);
		for (const char *const *a = v[i].aliases; a && *a; a++)
			ck_assert_ptr_eq(verb_find(*a), &v[i]);
		ck_assert_ptr_nonnull(v[i].run);
		ck_assert_uint_le(v[i].args_min, v[i].args_max);
	}
	ck_assert_ptr_null(verb_find(""));
	ck_assert_str_eq(verb_nearest("relaod"), "reload");
	ck_assert_ptr_null(verb_nearest("frobnicate"));
}
END_TEST

static int
parse(struct cli *cli, const char *line)
{
	static char buf[256];
	static char *argv[32];
	int argc = 0, code = 0;

	(void)snprintf(buf, sizeof(buf), "%s", line);
	for (char *w = strtok(buf, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	return cli_parse(cli, argc, argv, &code) == 0 ? 0 : code;
}

START_TEST(options_stand_on_either_side_of_the_verb)
{
	struct cli cli;

	ck_assert_int_eq(parse(&cli, "brood -i a --json logs -fn5 web.2 --color=never"), 0);
	ck_assert_str_eq(cli.verb->name, "logs");
	ck_assert_str_eq(cli.instance_name, "a");
	ck_assert(cli.json && cli.follow && cli.lines == 5 && cli.args_len == 1);
	cli_done(&cli);
}
END_TEST

START_TEST(a_command_keeps_its_own_options)
{
	struct cli cli;

	ck_assert_int_eq(
	    parse(&cli, "brood run -n 4 -l :80 -l :81 python3 -m http.server -n --"), 0);
	ck_assert_str_eq(cli.workers, "4");
	ck_assert_uint_eq(cli.listen.len, 2);
	ck_assert_uint_eq(cli.args_len, 5);
	ck_assert_str_eq(cli.args[4], "--");
	cli_done(&cli);
	ck_assert_int_eq(parse(&cli, "brood start web -- -x"), 0);
	ck_assert(cli.dashes && cli.command_at == 1 && cli.args_len == 2);
	cli_done(&cli);
}
END_TEST

START_TEST(a_negative_number_is_an_argument)
{
	struct cli cli;

	ck_assert_int_eq(parse(&cli, "brood scale web -2"), 0);
	ck_assert_str_eq(cli.args[1], "-2");
	cli_done(&cli);
}
END_TEST

START_TEST(wrong_use_is_64)
{
	static const char *const wrong[] = {"brood", "brood frob", "brood status --nope",
	    "brood status -n 3", "brood status a b", "brood kill", "brood reload --timeout",
	    "brood reload --timeout 5x", "brood reload --timeout 0", "brood status --json=yes",
	    "brood --color blue ls", "brood logs -n -5", "brood -x", "brood ls --follow"};
	struct cli cli;

	ck_assert_int_eq(parse(&cli, wrong[_i]), CLI_USAGE);
	cli_done(&cli);
}
END_TEST

START_TEST(who_is_taken_away_or_asked_is_one_argument)
{
	struct cli cli;

	ck_assert_int_eq(parse(&cli, "brood drain web.2 --no-wait --timeout 3s"), 0);
	ck_assert(cli.no_wait && cli.timeout_ms == 3000 && cli.args_len == 1);
	ck_assert_int_eq(cli.verb->target, TARGET_SLOT);
	cli_done(&cli);
	ck_assert_int_eq(parse(&cli, "brood probe web.2 /healthz --timeout 20ms"), 0);
	ck_assert(cli.args_len == 2 && cli.timeout_ms == 20);
	cli_done(&cli);
	ck_assert_int_eq(parse(&cli, "brood drain"), CLI_USAGE);
	cli_done(&cli);
	ck_assert_int_eq(parse(&cli, "brood resume web.1 web.2"), CLI_USAGE);
	cli_done(&cli);
	ck_assert_int_eq(parse(&cli, "brood probe web.2 / --no-wait"), CLI_USAGE);
	cli_done(&cli);
}
END_TEST

START_TEST(room_is_what_a_terminal_has)
{
	struct term pipe = {.width = 80}, narrow = {.live = true, .width = 119},
	            wide = {.live = true, .width = 120};

	ck_assert(term_has_room(&pipe, 120));
	ck_assert(!term_has_room(&narrow, 120));
	ck_assert(term_has_room(&wide, 120));
}
END_TEST

START_TEST(targets_follow_the_names_that_exist)
{
	json_t *status = json_loads("{\"apps\":[{\"name\":\"web\"},{\"name\":\"v1.2\"}]}", 0, NULL);
	static const struct {
		const char *text, *app;
		int slot;
	} cases[] = {{"web", "web", -1}, {"web.2", "web", 2}, {"v1.2", "v1.2", -1},
	    {"v1.2.3", "v1.2", 3}, {"gone.4", "gone", 4}, {"web.x", "web.x", -1},
	    {"web.", "web.", -1}, {"web.01", "web.01", -1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int slot;
		char *app = target_split(status, cases[i].text, &slot);
		ck_assert_str_eq(app, cases[i].app);
		ck_assert_int_eq(slot, cases[i].slot);
		free(app);
	}
	ck_assert_ptr_null(target_only_app(status));
	json_decref(status);
}
END_TEST

START_TEST(times_are_read_strictly)
{
	uint64_t ms = 0;
	char buf[32];

	ck_assert_int_eq(when_parse("1970-01-02T00:00:01.500Z", &ms), 0);
	ck_assert_uint_eq(ms, 86401500);
	ck_assert_int_eq(when_parse("1970-01-01T00:00:01Z", &ms), 0);
	ck_assert_uint_eq(ms, 1000);
	ck_assert_int_lt(when_parse("yesterday", &ms), 0);
	ck_assert_int_lt(when_parse("", &ms), 0);
	when_format("\x1b[2J", buf, sizeof(buf));
	ck_assert_str_eq(buf, "?");
}
END_TEST

START_TEST(an_event_tells_who_what_and_which_process)
{
	static const struct {
		const char *event, *text;
	} cases[] = {
	    {"{\"app\":\"web\",\"slot\":2,\"pid\":8,\"generation\":7,\"text\":\"ready\"}",
	        "web.2: ready (pid 8, generation 7)"},
	    {"{\"app\":\"web\",\"text\":\"scaled\"}", "web: scaled"},
	    {"{\"event\":\"shutdown\"}", "shutdown"},
	    {"{}", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *event = json_loads(cases[i].event, 0, NULL);
		struct str s = {0};
		event_add_text(&s, event);
		ck_assert_str_eq(str_text(&s), cases[i].text);
		str_free(&s);
		json_decref(event);
	}
}
END_TEST

START_TEST(a_cut_line_counts_characters_and_shows_controls)
{
	struct str s = {0};

	term_add_cut(&s, "\xc3\xa9\xc3\xa9\xc3\xa9", 2);
	ck_assert_str_eq(str_text(&s), "\xc3\xa9\xc3\xa9");
	str_reset(&s);
	term_add_cut(&s, "a\x1b[2Jb", 80);
	ck_assert_str_eq(str_text(&s), "a\\x1B[2Jb");
	str_free(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cli_verb");
	TCase *t = tcase_create("verb");
	SRunner *runner;
	int failed;

	tcase_add_test(t, no_two_flags_of_a_verb_share_a_letter);
	tcase_add_test(t, every_verb_is_found_by_name_and_alias);
	tcase_add_test(t, options_stand_on_either_side_of_the_verb);
	tcase_add_test(t, a_command_keeps_its_own_options);
	tcase_add_test(t, a_negative_number_is_an_argument);
	tcase_add_loop_test(t, wrong_use_is_64, 0, 14);
	tcase_add_test(t, who_is_taken_away_or_asked_is_one_argument);
	tcase_add_test(t, room_is_what_a_terminal_has);
	tcase_add_test(t, targets_follow_the_names_that_exist);
	tcase_add_test(t, times_are_read_strictly);
	tcase_add_test(t, an_event_tells_who_what_and_which_process);
	tcase_add_test(t, a_cut_line_counts_characters_and_shows_controls);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
