/*
 * timers: when they run and in which order, clearing, refreshing, intervals.
 */
#include "order.h"

static brood_id first, second, third;
static int runs;

static void
clear(struct brood_loop *loop, void *id)
{
	brood_clear(loop, *(brood_id *)id);
}

static void
set_timer(struct brood_loop *loop, void *text)
{
	(void)brood_set_timeout(loop, 3, say, text);
}

void
timers_of_one_length(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 3, say, "timer 1");
	(void)brood_next_tick(loop, set_timer, "timer 3");
	(void)brood_microtask(loop, set_timer, "timer 4");
	(void)brood_set_timeout(loop, 3, say, "timer 2");
}

void
timers_by_time(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 30, say, "timer 30");
	(void)brood_set_timeout(loop, 10, say, "timer 10");
	(void)brood_set_timeout(loop, 20, say, "timer 20");
	spin(60);
}

void
timers_in_lists(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 20, say, "timer 20, first");
	spin(30);
	(void)brood_set_timeout(loop, 10, say, "timer 10");
	(void)brood_set_timeout(loop, 20, say, "timer 20, second");
	spin(60);
}

static void
timer_sets_timer(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "timer 1");
	(void)brood_set_timeout(loop, 1, say, "timer 3");
	spin(10);
}

static void
timer_sets_immediate(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "timer 2");
	(void)brood_set_immediate(loop, say, "immediate");
}

void
timers_of_timers(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, timer_sets_timer, NULL);
	(void)brood_set_timeout(loop, 1, timer_sets_immediate, NULL);
	spin(10);
}

/* --- clearing and refreshing ----------------------------------------------------------------- */

static void
clear_others(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "timer 1");
	brood_clear(loop, second);
	brood_clear(loop, third);
}

void
timer_clears_another(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, clear_others, NULL);
	second = brood_set_timeout(loop, 1, say, "timer 2");
	third = brood_set_timeout(loop, 5, say, "timer of another length");
	(void)brood_set_timeout(loop, 1, say, "timer 3");
	spin(20);
}

static void
clear_others_later(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "timer 1");
	(void)brood_next_tick(loop, clear, &second);
	(void)brood_microtask(loop, clear, &third);
}

void
timer_cleared_by_tick(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, clear_others_later, NULL);
	second = brood_set_timeout(loop, 1, say, "timer 2");
	third = brood_set_timeout(loop, 5, say, "timer 3");
	spin(20);
}

static void
clear_running(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "timer 1");
	brood_clear(loop, first);
	(void)brood_set_timeout(loop, 1, say, "timer 2");
	brood_clear(loop, first);
}

void
timer_clears_itself(struct brood_loop *loop)
{
	first = brood_set_timeout(loop, 1, clear_running, NULL);
}

static void
refresh_first(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "refresh");
	(void)brood_refresh(loop, first);
}

void
timer_refreshed(struct brood_loop *loop)
{
	first = brood_set_timeout(loop, 40, say, "refreshed");
	(void)brood_set_timeout(loop, 20, refresh_first, NULL);
	(void)brood_set_timeout(loop, 50, say, "in between");
}

static void
refresh_running(struct brood_loop *loop, void *arg)
{
	(void)arg;
	sayf("run %d", ++runs);
	if (runs < 3)
		(void)brood_refresh(loop, first);
}

void
timer_refreshes_itself(struct brood_loop *loop)
{
	first = brood_set_timeout(loop, 2, refresh_running, NULL);
}

/* --- intervals ------------------------------------------------------------------------------- */

static void
clear_after_three(struct brood_loop *loop, void *arg)
{
	(void)arg;
	sayf("run %d", ++runs);
	if (runs == 3)
		brood_clear(loop, first);
}

void
interval_clears_itself(struct brood_loop *loop)
{
	first = brood_set_interval(loop, 2, clear_after_three, NULL);
}

static void
first_of_two(struct brood_loop *loop, void *arg)
{
	(void)loop;
	(void)arg;
	sayf("first %d", ++runs);
	spin(5);
}

static void
second_of_two(struct brood_loop *loop, void *arg)
{
	(void)arg;
	sayf("second %d", runs);
	if (runs == 3) {
		brood_clear(loop, first);
		brood_clear(loop, second);
	}
}

void
intervals_in_order(struct brood_loop *loop)
{
	first = brood_set_interval(loop, 2, first_of_two, NULL);
	second = brood_set_interval(loop, 2, second_of_two, NULL);
}

static char *const late_immediates[] = {"immediate 1", "immediate 2", "immediate 3"};

static void
run_late(struct brood_loop *loop, void *arg)
{
	(void)arg;
	(void)brood_set_immediate(loop, say, late_immediates[runs]);
	sayf("run %d", ++runs);
	spin(10);
	if (runs == 3)
		brood_clear(loop, first);
}

void
interval_late(struct brood_loop *loop)
{
	first = brood_set_interval(loop, 1, run_late, NULL);
}

static void
say_and_clear(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "cleared");
	brood_clear(loop, first);
}

static void
set_its_end(struct brood_loop *loop, void *arg)
{
	(void)arg;
	sayf("interval %d", ++runs);
	if (runs == 2)
		(void)brood_set_immediate(loop, say_and_clear, NULL);
}

void
interval_cleared_by_another(struct brood_loop *loop)
{
	first = brood_set_interval(loop, 3, set_its_end, NULL);
}

/* --- delays ---------------------------------------------------------------------------------- */

/* A delay has no sign here, so less than 0 is said as 0. */
void
zero_is_one(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, say, "one");
	(void)brood_set_timeout(loop, 0, say, "zero");
	(void)brood_set_timeout(loop, 0, say, "less");
	(void)brood_set_timeout(loop, 1, say, "one again");
}

static void
clear_longest(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "short");
	brood_clear(loop, first);
}

void
longest_timer(struct brood_loop *loop)
{
	first = brood_set_timeout(loop, INT32_MAX, say, "longest");
	(void)brood_set_timeout(loop, 5, clear_longest, NULL);
}
