/*
 * immediates: their order, which turn they run in, what clearing does.
 */
#include "order.h"

static brood_id first, second, fourth;

static void
clear(struct brood_loop *loop, void *id)
{
	brood_clear(loop, *(brood_id *)id);
}

static void
set_immediate(struct brood_loop *loop, void *text)
{
	(void)brood_set_immediate(loop, say, text);
}

void
immediates_in_order(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, say, "immediate 1");
	(void)brood_next_tick(loop, set_immediate, "immediate 3");
	(void)brood_microtask(loop, set_immediate, "immediate 4");
	(void)brood_set_immediate(loop, say, "immediate 2");
}

static void
immediate_sets_immediate(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "immediate 1");
	(void)brood_set_immediate(loop, say, "immediate 3");
	(void)brood_set_timeout(loop, 0, say, "timer");
	spin(10);
}

void
immediates_of_immediates(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, immediate_sets_immediate, NULL);
	(void)brood_set_immediate(loop, say, "immediate 2");
}

static void
tick_sets_immediate(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "tick");
	(void)brood_set_immediate(loop, say, "immediate 3");
	(void)brood_set_timeout(loop, 0, say, "timer");
	spin(10);
}

static void
immediate_queues_tick(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "immediate 1");
	(void)brood_next_tick(loop, tick_sets_immediate, NULL);
}

void
immediates_of_ticks(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, immediate_queues_tick, NULL);
	(void)brood_set_immediate(loop, say, "immediate 2");
}

static void
clear_second(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "immediate 1");
	brood_clear(loop, second);
}

static void
clear_fourth_by_tick(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "immediate 3");
	(void)brood_next_tick(loop, clear, &fourth);
}

void
immediate_clears_later(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, clear_second, NULL);
	second = brood_set_immediate(loop, say, "immediate 2");
	(void)brood_set_immediate(loop, clear_fourth_by_tick, NULL);
	fourth = brood_set_immediate(loop, say, "immediate 4");
	(void)brood_set_immediate(loop, say, "immediate 5");
}

static void
clear_running(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "immediate 1");
	brood_clear(loop, first);
}

static void
clear_ended(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "immediate 2");
	brood_clear(loop, first);
	(void)brood_set_immediate(loop, say, "immediate 3");
	brood_clear(loop, first);
}

void
immediate_clears_itself(struct brood_loop *loop)
{
	first = brood_set_immediate(loop, clear_running, NULL);
	(void)brood_set_immediate(loop, clear_ended, NULL);
}

static void
set_both(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "io");
	(void)brood_set_timeout(loop, 0, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	spin(10);
}

void
immediate_before_timer(struct brood_loop *loop)
{
	on_io(loop, set_both);
}

static void
set_both_from_timer(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "timer 1");
	(void)brood_set_timeout(loop, 1, say, "timer 2");
	(void)brood_set_timeout(loop, 2, say, "timer 3");
	(void)brood_set_immediate(loop, say, "immediate");
	spin(10);
}

void
immediate_after_timer(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, set_both_from_timer, NULL);
}
