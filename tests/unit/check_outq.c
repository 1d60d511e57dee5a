/* outq: bounded towards a peer that does not read; control lines are never lost (W5). */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ipc/outq.h"

/* Room for n lines of 10 bytes with their headers: found by trying, not by knowing the header. */
static size_t
limit_for(unsigned n)
{
	size_t limit;

	for (limit = 1;; limit++) {
		struct outq q;
		bool ok = true;

		outq_init(&q, limit);
		for (unsigned i = 0; i < n && ok; i++)
			ok = outq_push(&q, "012345678\n", 10, true) == 0 && q.dropped == 0;
		outq_done(&q);
		if (ok)
			return limit;
	}
}

static void
push_numbered(struct outq *q, unsigned i, bool droppable)
{
	char line[16];

	snprintf(line, sizeof(line), "%c%08u\n", droppable ? 'a' : 'c', i);
	(void)outq_push(q, line, 10, droppable);
}

static void
read_all(struct outq *q, size_t step, struct str *out)
{
	const char *data;
	size_t n;

	while ((n = outq_peek(q, &data)) > 0) {
		n = n < step ? n : step;
		str_add_n(out, data, n);
		outq_advance(q, n);
	}
}

START_TEST(lines_come_out_in_order_whatever_the_writes)
{
	for (size_t step = 1; step <= 11; step++) {
		struct outq q;
		struct str out = {0};

		outq_init(&q, 4096);
		push_numbered(&q, 1, true);
		push_numbered(&q, 2, false);
		push_numbered(&q, 3, true);
		ck_assert_uint_eq(q.bytes, 30);
		read_all(&q, step, &out);
		ck_assert_str_eq(str_text(&out), "a00000001\nc00000002\na00000003\n");
		ck_assert(outq_is_empty(&q));
		ck_assert_uint_eq(q.lines, 0);
		outq_done(&q);
		str_free(&out);
	}
}
END_TEST

START_TEST(w5_oldest_droppable_lines_go_first_and_are_counted)
{
	struct outq q;
	struct str out = {0};

	outq_init(&q, limit_for(3));
	for (unsigned i = 1; i <= 5; i++)
		push_numbered(&q, i, true);
	ck_assert_uint_eq(q.dropped, 2);
	read_all(&q, 100, &out);
	ck_assert_str_eq(str_text(&out), "a00000003\na00000004\na00000005\n");
	outq_done(&q);
	str_free(&out);
}
END_TEST

START_TEST(w5_control_lines_push_droppable_ones_out_and_are_never_dropped)
{
	struct outq q;
	struct str out = {0};

	outq_init(&q, limit_for(3));
	push_numbered(&q, 1, true);
	push_numbered(&q, 2, false);
	push_numbered(&q, 3, true);
	for (unsigned i = 4; i <= 8; i++)
		push_numbered(&q, i, false);
	ck_assert_int_eq(outq_push(&q, "a00000009\n", 10, true), -ENOBUFS);
	ck_assert_uint_eq(q.dropped, 3);
	read_all(&q, 100, &out);
	ck_assert_str_eq(
	    str_text(&out), "c00000002\nc00000004\nc00000005\nc00000006\nc00000007\nc00000008\n");
	outq_done(&q);
	str_free(&out);
}
END_TEST

START_TEST(a_line_that_is_partly_out_is_finished)
{
	struct outq q;
	struct str out = {0};
	const char *data;

	outq_init(&q, limit_for(2));
	push_numbered(&q, 1, true);
	ck_assert_uint_eq(outq_peek(&q, &data), 10);
	outq_advance(&q, 4);
	ck_assert_uint_eq(outq_peek(&q, &data), 6);
	for (unsigned i = 2; i <= 6; i++)
		push_numbered(&q, i, true);
	read_all(&q, 100, &out);
	ck_assert_int_eq(memcmp(str_text(&out), "00001\n", 6), 0);
	ck_assert_ptr_nonnull(strstr(str_text(&out), "a00000006\n"));
	ck_assert_uint_gt(q.dropped, 0);
	outq_done(&q);
	str_free(&out);
}
END_TEST

START_TEST(a_line_larger_than_the_limit_costs_no_other)
{
	struct outq q;
	char big[4096];

	memset(big, 'x', sizeof(big));
	outq_init(&q, limit_for(3));
	push_numbered(&q, 1, true);
	ck_assert_int_eq(outq_push(&q, big, sizeof(big), true), -ENOBUFS);
	ck_assert_uint_eq(q.lines, 1);
	ck_assert_uint_eq(q.dropped, 1);
	ck_assert_int_eq(outq_push(&q, big, sizeof(big), false), 0);
	ck_assert_uint_eq(q.bytes, sizeof(big));
	outq_done(&q);
	ck_assert(outq_is_empty(&q));
}
END_TEST

START_TEST(f6_without_memory_the_queue_stays_as_it_was)
{
	struct outq q;

	outq_init(&q, 4096);
	push_numbered(&q, 1, true);
	mem_fail_at(1, 1);
	ck_assert_int_eq(outq_push(&q, "x\n", 2, false), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_uint_eq(q.bytes, 10);
	ck_assert_uint_eq(q.lines, 1);
	outq_done(&q);
}
END_TEST

static void
count_release(void *rider)
{
	++*(unsigned *)rider;
}

START_TEST(a_rider_leaves_with_the_first_byte_of_its_line)
{
	unsigned released = 0;
	const char *data;
	struct outq q;

	outq_init(&q, 4096);
	push_numbered(&q, 1, false);
	ck_assert_int_eq(outq_push_rider(&q, "rider\n", 6, &released, count_release), 0);
	ck_assert_ptr_eq(outq_last_rider(&q), &released);
	push_numbered(&q, 2, false);
	ck_assert_ptr_null(outq_last_rider(&q));
	ck_assert_ptr_null(outq_rider(&q));
	/* It does not go with the line before, nor twice. */
	outq_advance(&q, outq_peek(&q, &data));
	ck_assert_uint_eq(released, 0);
	ck_assert_ptr_eq(outq_rider(&q), &released);
	outq_advance(&q, 1);
	ck_assert_uint_eq(released, 1);
	ck_assert_ptr_null(outq_rider(&q));
	ck_assert_uint_eq(outq_peek(&q, &data), 5);
	outq_advance(&q, 5);
	ck_assert_uint_eq(released, 1);
	outq_done(&q);
}
END_TEST

START_TEST(a_rider_is_released_whatever_becomes_of_its_line)
{
	unsigned released = 0;
	struct outq q;

	outq_init(&q, 4096);
	ck_assert_int_eq(outq_push_rider(&q, "", 0, &released, count_release), -EINVAL);
	ck_assert_uint_eq(released, 1);
	mem_fail_at(1, 1);
	ck_assert_int_eq(outq_push_rider(&q, "x\n", 2, &released, count_release), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_uint_eq(released, 2);
	push_numbered(&q, 1, false);
	ck_assert_int_eq(outq_push_rider(&q, "x\n", 2, &released, count_release), 0);
	outq_take_back(&q);
	ck_assert_uint_eq(released, 3);
	ck_assert_uint_eq(q.lines, 1);
	ck_assert_uint_eq(q.bytes, 10);
	ck_assert_int_eq(outq_push_rider(&q, "x\n", 2, &released, count_release), 0);
	outq_done(&q);
	ck_assert_uint_eq(released, 4);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("outq");
	TCase *tc = tcase_create("outq");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, lines_come_out_in_order_whatever_the_writes);
	tcase_add_test(tc, w5_oldest_droppable_lines_go_first_and_are_counted);
	tcase_add_test(tc, w5_control_lines_push_droppable_ones_out_and_are_never_dropped);
	tcase_add_test(tc, a_line_that_is_partly_out_is_finished);
	tcase_add_test(tc, a_line_larger_than_the_limit_costs_no_other);
	tcase_add_test(tc, a_rider_leaves_with_the_first_byte_of_its_line);
	tcase_add_test(tc, a_rider_is_released_whatever_becomes_of_its_line);
	tcase_add_test(tc, f6_without_memory_the_queue_stays_as_it_was);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
