/*
 * check_backoff: restart delays as a function of history, a row a test.
 */
#include <check.h>
#include <stdlib.h>

#include "core/backoff.h"
#include "core/core.h"

#define SEC 1000000ull

static struct conf_app
conf_of(unsigned burst, uint64_t refill_ms, unsigned limit)
{
	struct conf_app c = {
	    .restart_delay_ms = 100,
	    .restart_delay_max_ms = 60000,
	    .restart_limit = limit,
	    .restart_window_ms = 60000,
	    .crash_burst = burst,
	    .crash_refill_ms = refill_ms,
	};

	return c;
}

START_TEST(crash_with_a_token_restarts_at_once)
{
	struct conf_app c = conf_of(3, 2000, 10);
	struct backoff b = {0};

	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(backoff_after_crash(&b, &c, SEC, 0), 0);
	ck_assert_uint_eq(backoff_after_crash(&b, &c, SEC, 0), 100 * 1000);
}
END_TEST

START_TEST(crash_without_a_token_doubles_up_to_a_second)
{
	static const uint64_t want_ms[] = {100, 200, 400, 800, 1000, 1000};
	struct conf_app c = conf_of(0, 2000, 10);
	struct backoff b = {0};

	for (size_t i = 0; i < 6; i++)
		ck_assert_uint_eq(backoff_after_crash(&b, &c, SEC, 0), want_ms[i] * 1000);
}
END_TEST

START_TEST(token_comes_back_after_crash_refill)
{
	struct conf_app c = conf_of(1, 2000, 10);
	struct backoff b = {0};

	ck_assert_uint_eq(backoff_after_crash(&b, &c, 10 * SEC, 0), 0);
	ck_assert_uint_ne(backoff_after_crash(&b, &c, 11 * SEC, 0), 0);
	ck_assert_uint_eq(backoff_after_crash(&b, &c, 12 * SEC, 0), 0);
}
END_TEST

START_TEST(tokens_never_pass_crash_burst)
{
	struct conf_app c = conf_of(2, 1000, 10);
	struct backoff b = {0};

	ck_assert_uint_eq(backoff_after_crash(&b, &c, SEC, 0), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(backoff_after_crash(&b, &c, 1000 * SEC, 0), 0);
	ck_assert_uint_ne(backoff_after_crash(&b, &c, 1000 * SEC, 0), 0);
}
END_TEST

START_TEST(ten_seconds_ready_forget_the_run_of_crashes)
{
	struct conf_app c = conf_of(0, 2000, 10);
	struct backoff b = {0};

	for (int i = 0; i < 4; i++)
		(void)backoff_after_crash(&b, &c, SEC, 0);
	ck_assert_uint_eq(
	    backoff_after_crash(&b, &c, 20 * SEC, CORE_CRASH_FORGET_MS * 1000ull), 100 * 1000);
}
END_TEST

START_TEST(death_before_ready_doubles_up_to_the_maximum)
{
	struct conf_app c = conf_of(5, 2000, 0);
	struct backoff b = {0};
	uint64_t want_ms = 100;
	bool spent;

	for (int i = 0; i < 15; i++) {
		ck_assert_uint_eq(backoff_after_boot_death(&b, &c, SEC, 0, &spent), want_ms * 1000);
		ck_assert(!spent);
		want_ms = want_ms * 2 < 60000 ? want_ms * 2 : 60000;
	}
}
END_TEST

START_TEST(jitter_adds_at_most_a_quarter)
{
	struct conf_app c = conf_of(5, 2000, 0);
	bool spent;

	for (uint32_t random = 0; random < 5000; random += 7) {
		struct backoff b = {0};
		uint64_t us = backoff_after_boot_death(&b, &c, SEC, random, &spent);

		ck_assert_uint_ge(us, 100 * 1000);
		ck_assert_uint_lt(us, 125 * 1000);
	}
}
END_TEST

START_TEST(budget_is_spent_by_the_last_death_within_the_window)
{
	struct conf_app c = conf_of(5, 2000, 3);
	struct boot_budget b = {0};

	ck_assert(!boot_budget_spend(&b, &c, 0));
	ck_assert(!boot_budget_spend(&b, &c, 30 * SEC));
	ck_assert(boot_budget_spend(&b, &c, 60 * SEC));
}
END_TEST

START_TEST(budget_is_not_spent_by_deaths_further_apart)
{
	struct conf_app c = conf_of(5, 2000, 3);
	struct boot_budget b = {0};

	for (uint64_t i = 0; i < 500; i++)
		ck_assert(!boot_budget_spend(&b, &c, i * 31 * SEC));
}
END_TEST

START_TEST(limit_zero_never_gives_up)
{
	struct conf_app c = conf_of(5, 2000, 0);
	struct boot_budget b = {0};

	for (int i = 0; i < 1000; i++)
		ck_assert(!boot_budget_spend(&b, &c, 0));
}
END_TEST

START_TEST(largest_limit_fits_the_ring)
{
	struct conf_app c = conf_of(5, 2000, CONF_RESTART_LIMIT_MAX);
	struct boot_budget b = {0};

	for (unsigned i = 1; i < CONF_RESTART_LIMIT_MAX; i++)
		ck_assert(!boot_budget_spend(&b, &c, i));
	ck_assert(boot_budget_spend(&b, &c, CONF_RESTART_LIMIT_MAX));
}
END_TEST

START_TEST(ready_ends_the_run_of_deaths_before_ready)
{
	struct conf_app c = conf_of(5, 2000, 3);
	struct backoff b = {0};
	bool spent;

	for (int i = 0; i < 2; i++)
		(void)backoff_after_boot_death(&b, &c, SEC, 0, &spent);
	backoff_on_ready(&b);
	ck_assert_uint_eq(backoff_after_boot_death(&b, &c, SEC, 0, &spent), 100 * 1000);
	ck_assert(!spent);
}
END_TEST

START_TEST(delay_of_zero_stays_zero)
{
	struct conf_app c = conf_of(0, 2000, 0);
	struct backoff b = {.crash_run = 4000000000u};

	c.restart_delay_ms = 0;
	ck_assert_uint_eq(backoff_after_crash(&b, &c, SEC, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("backoff");
	TCase *t = tcase_create("backoff");
	SRunner *r;
	int failed;

	tcase_add_test(t, crash_with_a_token_restarts_at_once);
	tcase_add_test(t, crash_without_a_token_doubles_up_to_a_second);
	tcase_add_test(t, token_comes_back_after_crash_refill);
	tcase_add_test(t, tokens_never_pass_crash_burst);
	tcase_add_test(t, ten_seconds_ready_forget_the_run_of_crashes);
	tcase_add_test(t, death_before_ready_doubles_up_to_the_maximum);
	tcase_add_test(t, jitter_adds_at_most_a_quarter);
	tcase_add_test(t, budget_is_spent_by_the_last_death_within_the_window);
	tcase_add_test(t, budget_is_not_spent_by_deaths_further_apart);
	tcase_add_test(t, limit_zero_never_gives_up);
	tcase_add_test(t, largest_limit_fits_the_ring);
	tcase_add_test(t, ready_ends_the_run_of_deaths_before_ready);
	tcase_add_test(t, delay_of_zero_stays_zero);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
