/* frame: the same frames however the stream was cut, and never more memory than promised. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ipc/frame.h"

/* Writes down what came, one frame a line, so that two runs can be compared. */
struct notes {
	struct str text;
	unsigned frames;
	unsigned stop_after; /* 0 = never */
};

static bool
note_frame(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	struct notes *n = arg;

	str_addf(&n->text, "%s %zu ", kind == FRAME_LINE ? "line" : "long", len);
	str_add_n(&n->text, data, len);
	str_add_char(&n->text, '\n');
	n->frames++;
	return n->frames != n->stop_after;
}

static void
feed_in_pieces(
    const char *stream, size_t len, size_t max, size_t first, size_t second, struct notes *n)
{
	struct frame_reader r;

	frame_reader_init(&r, max);
	ck_assert_int_eq(frame_reader_feed(&r, stream, first, note_frame, n), 0);
	ck_assert_uint_le(r.cap, max);
	ck_assert_int_eq(frame_reader_feed(&r, stream + first, second, note_frame, n), 0);
	ck_assert_uint_le(r.cap, max);
	ck_assert_int_eq(
	    frame_reader_feed(&r, stream + first + second, len - first - second, note_frame, n), 0);
	ck_assert_uint_le(r.cap, max);
	frame_reader_done(&r);
}

static const char stream[] = "{\"a\":1}\n\n\"ready\"\n0123456789\n01234567890\nx\r\n"
                             "0123456789012345678901234567890\n{\"brood\":\n\\\n";

START_TEST(w1_every_split_in_three_gives_the_same_frames)
{
	size_t len = sizeof(stream) - 1;
	struct notes whole = {0};

	feed_in_pieces(stream, len, 10, len, 0, &whole);
	ck_assert_uint_eq(whole.frames, 9);
	for (size_t a = 0; a <= len; a++) {
		for (size_t b = 0; b <= len - a; b++) {
			struct notes n = {0};

			feed_in_pieces(stream, len, 10, a, b, &n);
			ck_assert_str_eq(str_text(&n.text), str_text(&whole.text));
			str_free(&n.text);
		}
	}
	str_free(&whole.text);
}
END_TEST

START_TEST(w1_byte_by_byte_gives_the_same_frames)
{
	struct notes whole = {0}, bytes = {0};
	struct frame_reader r;

	feed_in_pieces(stream, sizeof(stream) - 1, 10, 0, 0, &whole);
	frame_reader_init(&r, 10);
	for (size_t i = 0; i < sizeof(stream) - 1; i++)
		ck_assert_int_eq(frame_reader_feed(&r, stream + i, 1, note_frame, &bytes), 0);
	ck_assert_str_eq(str_text(&bytes.text), str_text(&whole.text));
	ck_assert_ptr_null(r.buf);
	frame_reader_done(&r);
	str_free(&whole.text);
	str_free(&bytes.text);
}
END_TEST

/* Random streams over an alphabet that has many newlines, cut at random, with a seed that is
 * the loop's number. */
START_TEST(w1_random_streams_do_not_depend_on_cuts)
{
	unsigned seed = (unsigned)_i + 1;
	char text[400];
	struct notes whole = {0}, pieces = {0};
	struct frame_reader r;
	size_t max = 1 + (size_t)rand_r(&seed) % 40, at = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "ab\n\"{}\\ \r\n"[rand_r(&seed) % 10];
	feed_in_pieces(text, sizeof(text), max, sizeof(text), 0, &whole);
	frame_reader_init(&r, max);
	while (at < sizeof(text)) {
		size_t n = 1 + (size_t)rand_r(&seed) % 30;

		if (n > sizeof(text) - at)
			n = sizeof(text) - at;
		ck_assert_int_eq(frame_reader_feed(&r, text + at, n, note_frame, &pieces), 0);
		at += n;
	}
	frame_reader_done(&r);
	ck_assert_str_eq(str_text(&pieces.text), str_text(&whole.text));
	str_free(&whole.text);
	str_free(&pieces.text);
}
END_TEST

START_TEST(w2_an_endless_line_is_reported_once_and_holds_nothing)
{
	struct notes n = {0};
	struct frame_reader r;
	char block[4096];

	memset(block, 'x', sizeof(block));
	frame_reader_init(&r, 10000);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(frame_reader_feed(&r, block, sizeof(block), note_frame, &n), 0);
	ck_assert_uint_eq(n.frames, 1);
	ck_assert_ptr_null(r.buf);
	ck_assert_int_eq(frame_reader_feed(&r, "x\nok\n", 5, note_frame, &n), 0);
	ck_assert_uint_eq(n.frames, 2);
	ck_assert_ptr_nonnull(strstr(str_text(&n.text), "line 2 ok\n"));
	ck_assert_int_eq(memcmp(str_text(&n.text), "long 10000 x", 12), 0);
	frame_reader_done(&r);
	str_free(&n.text);
}
END_TEST

START_TEST(a_reader_that_says_stop_gets_no_more)
{
	struct notes n = {.stop_after = 2};
	struct frame_reader r;

	frame_reader_init(&r, 100);
	ck_assert_int_eq(frame_reader_feed(&r, "a\nb\nc\nd", 7, note_frame, &n), -ECANCELED);
	ck_assert_str_eq(str_text(&n.text), "line 1 a\nline 1 b\n");
	ck_assert_ptr_null(r.buf);
	frame_reader_done(&r);
	str_free(&n.text);
}
END_TEST

START_TEST(f6_without_memory_the_open_line_is_skipped_and_the_next_one_read)
{
	struct notes n = {0};
	struct frame_reader r;

	frame_reader_init(&r, 100);
	mem_fail_at(1, 1);
	ck_assert_int_eq(frame_reader_feed(&r, "los", 3, note_frame, &n), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_int_eq(frame_reader_feed(&r, "t\nnext\n", 7, note_frame, &n), 0);
	ck_assert_str_eq(str_text(&n.text), "line 4 next\n");
	frame_reader_done(&r);
	str_free(&n.text);
}
END_TEST

START_TEST(w3_depth_counts_brackets_outside_strings)
{
	static const struct {
		const char *text;
		size_t depth;
	} rows[] = {
	    {"", 0},
	    {"1", 0},
	    {"{}", 1},
	    {"[[],[]]", 2},
	    {"{\"a\":[{}]}", 3},
	    {"[\"[[[[\"]", 1},
	    {"[\"\\\"[[\"]", 1},
	    {"[\"\\\\\",[[]]]", 3},
	    {"]]]][", 1},
	    {"\"[[[", 0},
	    {"\"\\", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(
		    frame_json_depth(rows[i].text, strlen(rows[i].text), 16), rows[i].depth);
}
END_TEST

START_TEST(w3_depth_stops_counting_above_the_limit)
{
	char deep[65536];

	memset(deep, '[', sizeof(deep));
	ck_assert_uint_eq(frame_json_depth(deep, sizeof(deep), 16), 17);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("frame");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, w1_every_split_in_three_gives_the_same_frames);
	tcase_add_test(tc, w1_byte_by_byte_gives_the_same_frames);
	tcase_add_loop_test(tc, w1_random_streams_do_not_depend_on_cuts, 0, 100);
	tcase_add_test(tc, w2_an_endless_line_is_reported_once_and_holds_nothing);
	tcase_add_test(tc, a_reader_that_says_stop_gets_no_more);
	tcase_add_test(tc, f6_without_memory_the_open_line_is_skipped_and_the_next_one_read);
	tcase_add_test(tc, w3_depth_counts_brackets_outside_strings);
	tcase_add_test(tc, w3_depth_stops_counting_above_the_limit);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
