/* lines: the splitter gives the same lines however the stream was cut; the ring keeps the last
 * ones within its bytes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ipc/lines.h"

static void
note_line(void *arg, const char *line, size_t len, bool partial)
{
	struct str *notes = arg;

	str_addf(notes, "%s%zu:", partial ? "part " : "", len);
	str_add_n(notes, line, len);
	str_add_char(notes, '|');
}

static void
split(const char *text, size_t len, size_t max, size_t step, struct str *notes)
{
	struct line_splitter s;

	line_splitter_init(&s, max);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		line_splitter_feed(&s, text + at, n, note_line, notes);
		ck_assert_uint_le(s.cap, max + 1);
		if (text[at + n - 1] == '\n')
			ck_assert_ptr_null(s.buf);
	}
	line_splitter_finish(&s, note_line, notes);
	ck_assert_ptr_null(s.buf);
}

START_TEST(l2_lines_end_at_newline_or_limit)
{
	static const struct {
		const char *text, *lines;
	} rows[] = {
	    {"", ""},
	    {"a\n", "1:a|"},
	    {"\n\n", "0:|0:|"},
	    {"a\r\nb\n", "1:a|1:b|"},
	    {"abcd\n", "4:abcd|"},
	    {"abcd\r\n", "4:abcd|"},
	    {"abcde\n", "part 4:abcd|1:e|"},
	    {"abcdefgh\n", "part 4:abcd|4:efgh|"},
	    {"abcdefghi\n", "part 4:abcd|part 4:efgh|1:i|"},
	    {"abcd\re\n", "part 4:abcd|2:\re|"},
	    {"abc\r\r\n", "4:abc\r|"},
	    {"abcd", "4:abcd|"},
	    {"abcd\r", "part 4:abcd|1:\r|"},
	    {"a\rb\n", "3:a\rb|"},
	    {"x", "1:x|"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step <= 12; step++) {
			struct str notes = {0};

			split(rows[i].text, strlen(rows[i].text), 4, step, &notes);
			ck_assert_str_eq(str_text(&notes), rows[i].lines);
			str_free(&notes);
		}
	}
}
END_TEST

START_TEST(l2_random_output_does_not_depend_on_cuts)
{
	unsigned seed = (unsigned)_i + 1;
	struct str whole = {0};
	char text[300];
	size_t max = 1 + (size_t)rand_r(&seed) % 9;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "abc\r\n\r\n"[rand_r(&seed) % 7];
	split(text, sizeof(text), max, sizeof(text), &whole);
	for (size_t step = 1; step < 40; step++) {
		struct str notes = {0};

		split(text, sizeof(text), max, step, &notes);
		ck_assert_str_eq(str_text(&notes), str_text(&whole));
		str_free(&notes);
	}
	str_free(&whole);
}
END_TEST

static void
count_bytes(void *arg, const char *line, size_t len, bool partial)
{
	size_t *count = arg;

	(void)line;
	(void)partial;
	*count += len;
}

START_TEST(l2_ten_megabytes_without_newline_hold_one_line)
{
	struct line_splitter s;
	size_t count = 0;
	char block[10000];

	memset(block, '\0', sizeof(block));
	line_splitter_init(&s, 8192);
	for (int i = 0; i < 1000; i++) {
		line_splitter_feed(&s, block, sizeof(block), count_bytes, &count);
		ck_assert_uint_le(s.cap, 8193);
	}
	line_splitter_finish(&s, count_bytes, &count);
	ck_assert_uint_eq(count, 10000000);
}
END_TEST

START_TEST(f6_without_memory_no_byte_is_lost)
{
	struct line_splitter s;
	struct str notes = {0};
	size_t count = 0;

	line_splitter_init(&s, 100);
	mem_fail_at(1, 1000);
	line_splitter_feed(&s, "abc", 3, count_bytes, &count);
	mem_fail_at(0, 0);
	ck_assert_uint_eq(count, 3);
	line_splitter_feed(&s, "def\n", 4, note_line, &notes);
	ck_assert_str_eq(str_text(&notes), "3:def|");
	str_free(&notes);
	line_splitter_done(&s);
}
END_TEST

/* What a ring should hold, kept the simple way. */
struct seen {
	uint64_t first, last;
	unsigned count, stop_after;
	size_t bytes;
};

/* Each line of these tests tells its own number and is filled up with one letter. */
static bool
check_record(void *arg, const struct line_record *rec)
{
	struct seen *seen = arg;
	char number[24];
	int n = snprintf(number, sizeof(number), "%llu:", (unsigned long long)rec->seq);

	uint32_t same = (uint32_t)n;

	ck_assert_int_eq(memcmp(rec->text, number, (size_t)n), 0);
	while (same < rec->len && rec->text[same] == 'a' + (int)(rec->seq % 26))
		same++;
	ck_assert_uint_eq(same, rec->len);
	ck_assert_uint_eq(rec->wall_ms, rec->seq * 10);
	ck_assert_uint_eq(rec->slot, rec->seq % 3);
	ck_assert_int_eq(rec->pid, (int32_t)rec->seq + 100);
	ck_assert_uint_eq(rec->generation, rec->seq % 5);
	ck_assert_int_eq(rec->is_stderr, rec->seq % 2 == 1);
	if (seen->count == 0)
		seen->first = rec->seq;
	seen->last = rec->seq;
	seen->count++;
	seen->bytes += rec->len;
	return seen->count != seen->stop_after;
}

static int
push(struct line_ring *r, uint64_t seq, size_t len)
{
	char text[5000];
	int n = snprintf(text, sizeof(text), "%llu:", (unsigned long long)seq);
	struct line_record rec = {
	    .wall_ms = seq * 10,
	    .slot = (uint32_t)(seq % 3),
	    .generation = (uint32_t)(seq % 5),
	    .pid = (int32_t)seq + 100,
	    .is_stderr = seq % 2 == 1,
	    .len = (uint32_t)((size_t)n > len ? (size_t)n : len),
	    .text = text,
	};

	memset(text + n, 'a' + (int)(seq % 26), sizeof(text) - (size_t)n);
	return line_ring_push(r, &rec);
}

START_TEST(an_empty_ring_has_nothing)
{
	struct line_ring *r = line_ring_new(4096);
	struct seen seen = {0};

	line_ring_walk(r, 0, -1, check_record, &seen);
	ck_assert_uint_eq(seen.count, 0);
	ck_assert_uint_eq(line_ring_last_seq(r), 0);
	ck_assert_uint_eq(line_ring_tail_seq(r, -1, 10), 1);
	line_ring_free(r);
	line_ring_free(NULL);
}
END_TEST

START_TEST(the_ring_keeps_the_last_lines_over_many_turns)
{
	unsigned seed = (unsigned)_i + 1;
	size_t bytes = 2000 + (size_t)rand_r(&seed) % 20000;
	size_t longest = 1 + (size_t)rand_r(&seed) % 600;
	struct line_ring *r = line_ring_new(bytes);

	for (uint64_t seq = 1; seq <= 3000; seq++) {
		struct seen seen = {0};

		ck_assert_int_eq(push(r, seq, (size_t)rand_r(&seed) % longest), 0);
		ck_assert_uint_eq(line_ring_last_seq(r), seq);
		if (seq % 37 != 0)
			continue;
		line_ring_walk(r, 0, -1, check_record, &seen);
		ck_assert_uint_eq(seen.last, seq);
		ck_assert_uint_eq(seen.count, seq - seen.first + 1);
		ck_assert_uint_le(seen.bytes, bytes);
		/* Half of the ring at least is put to use once it is full. */
		if (seen.first > 1)
			ck_assert_uint_ge(seen.bytes + seen.count * 48, bytes / 2);
	}
	line_ring_free(r);
}
END_TEST

START_TEST(walks_filter_by_slot_and_begin_and_can_be_stopped)
{
	struct line_ring *r = line_ring_new(65536);
	struct seen all = {0}, one = {0}, late = {0}, two = {.stop_after = 2};

	for (uint64_t seq = 1; seq <= 30; seq++)
		ck_assert_int_eq(push(r, seq, 20), 0);
	line_ring_walk(r, 0, -1, check_record, &all);
	ck_assert_uint_eq(all.count, 30);
	line_ring_walk(r, 0, 2, check_record, &one);
	ck_assert_uint_eq(one.count, 10);
	ck_assert_uint_eq(one.first, 2);
	line_ring_walk(r, 25, -1, check_record, &late);
	ck_assert_uint_eq(late.first, 25);
	ck_assert_uint_eq(late.count, 6);
	line_ring_walk(r, 0, -1, check_record, &two);
	ck_assert_uint_eq(two.count, 2);
	line_ring_free(r);
}
END_TEST

START_TEST(tail_seq_counts_lines_of_the_slot)
{
	struct line_ring *r = line_ring_new(65536);

	for (uint64_t seq = 1; seq <= 30; seq++)
		ck_assert_int_eq(push(r, seq, 20), 0);
	ck_assert_uint_eq(line_ring_tail_seq(r, -1, 5), 26);
	ck_assert_uint_eq(line_ring_tail_seq(r, -1, 30), 1);
	ck_assert_uint_eq(line_ring_tail_seq(r, -1, 1000), 1);
	ck_assert_uint_eq(line_ring_tail_seq(r, -1, 0), 31);
	ck_assert_uint_eq(line_ring_tail_seq(r, 0, 2), 27);
	ck_assert_uint_eq(line_ring_tail_seq(r, 1, 1), 28);
	ck_assert_uint_eq(line_ring_tail_seq(r, 7, 1), 31);
	line_ring_free(r);
}
END_TEST

START_TEST(a_line_longer_than_a_quarter_is_cut_and_marked)
{
	struct line_ring *r = line_ring_new(4096);
	struct seen seen = {0};

	for (uint64_t seq = 1; seq <= 20; seq++)
		ck_assert_int_eq(push(r, seq, 4999), 0);
	line_ring_walk(r, 0, -1, check_record, &seen);
	ck_assert_uint_ge(seen.count, 3);
	ck_assert_uint_le(seen.bytes, 4096);
	line_ring_free(r);
}
END_TEST

START_TEST(f6_a_ring_that_cannot_grow_forgets_instead)
{
	struct line_ring *r = line_ring_new(65536);
	struct seen seen = {0};

	mem_fail_at(1, 1);
	ck_assert_int_ne(push(r, 1, 20), 0);
	mem_fail_at(0, 0);
	for (uint64_t seq = 1; seq <= 10; seq++)
		ck_assert_int_eq(push(r, seq, 20), 0);
	mem_fail_at(1, 100000);
	for (uint64_t seq = 11; seq <= 1000; seq++)
		ck_assert_int_eq(push(r, seq, 20), 0);
	mem_fail_at(0, 0);
	line_ring_walk(r, 0, -1, check_record, &seen);
	ck_assert_uint_eq(seen.last, 1000);
	ck_assert_uint_gt(seen.count, 20);
	line_ring_free(r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lines");
	TCase *tc = tcase_create("lines");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, l2_lines_end_at_newline_or_limit);
	tcase_add_loop_test(tc, l2_random_output_does_not_depend_on_cuts, 0, 50);
	tcase_add_test(tc, l2_ten_megabytes_without_newline_hold_one_line);
	tcase_add_test(tc, f6_without_memory_no_byte_is_lost);
	tcase_add_test(tc, an_empty_ring_has_nothing);
	tcase_add_loop_test(tc, the_ring_keeps_the_last_lines_over_many_turns, 0, 10);
	tcase_add_test(tc, walks_filter_by_slot_and_begin_and_can_be_stopped);
	tcase_add_test(tc, tail_seq_counts_lines_of_the_slot);
	tcase_add_test(tc, a_line_longer_than_a_quarter_is_cut_and_marked);
	tcase_add_test(tc, f6_a_ring_that_cannot_grow_forgets_instead);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
