/*
 * ends: what holds the run, and how it ends: with which code, and what runs no more.
 */
#include "order.h"

#include <errno.h>

static brood_id interval;
static int runs;

void
nothing_left(struct brood_loop *loop)
{
	say(loop, "main");
}

void
unref_timer(struct brood_loop *loop)
{
	brood_unref(loop, brood_set_timeout(loop, 1000, say, "never"));
	(void)brood_set_timeout(loop, 5, say, "timer");
}

void
unref_then_ref(struct brood_loop *loop)
{
	brood_id timer = brood_set_timeout(loop, 5, say, "timer");

	brood_unref(loop, timer);
	brood_unref(loop, timer);
	brood_ref(loop, timer);
}

static void
say_once(struct brood_loop *loop, void *text)
{
	if (runs++ == 0)
		say(loop, text);
}

void
unref_interval(struct brood_loop *loop)
{
	brood_unref(loop, brood_set_interval(loop, 5, say_once, "interval"));
	(void)brood_set_timeout(loop, 50, say, "timer");
}

static void
unref_after_two(struct brood_loop *loop, void *arg)
{
	(void)arg;
	sayf("interval %d", ++runs);
	if (runs == 2)
		brood_unref(loop, interval);
}

void
unref_from_within(struct brood_loop *loop)
{
	interval = brood_set_interval(loop, 2, unref_after_two, NULL);
}

void
unref_immediate(struct brood_loop *loop)
{
	brood_unref(loop, brood_set_immediate(loop, say, "never"));
	say(loop, "main");
}

void
unref_immediate_with_another(struct brood_loop *loop)
{
	brood_unref(loop, brood_set_immediate(loop, say, "immediate 1"));
	(void)brood_set_immediate(loop, say, "immediate 2");
}

static void
stop(struct brood_loop *loop, void *arg)
{
	(void)arg;
	(void)brood_next_tick(loop, say, "never");
	(void)brood_microtask(loop, say, "never");
	(void)brood_set_immediate(loop, say, "never");
	say(loop, "stop");
	brood_stop(loop, 3);
}

void
stopped(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, stop, NULL);
	(void)brood_set_timeout(loop, 1, say, "never");
}

/* --- errors that nobody handles -------------------------------------------------------------- */

/* What JavaScript does by throwing: nothing more of this callback is done. */
static void
fail(struct brood_loop *loop, void *text)
{
	say(loop, text);
	brood_raise(loop, -EIO, "wanted");
}

static void
fail_with_queues(struct brood_loop *loop, void *text)
{
	(void)brood_next_tick(loop, say, "never");
	(void)brood_microtask(loop, say, "never");
	fail(loop, text);
}

void
error_in_timer(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, fail_with_queues, "timer");
	(void)brood_set_timeout(loop, 1, say, "never");
	(void)brood_set_immediate(loop, say, "never");
	spin(10);
}

void
error_in_tick(struct brood_loop *loop)
{
	(void)brood_next_tick(loop, fail, "tick");
	(void)brood_next_tick(loop, say, "never");
	(void)brood_microtask(loop, say, "never");
	(void)brood_set_immediate(loop, say, "never");
}

static void
fail_with_tick(struct brood_loop *loop, void *text)
{
	(void)brood_next_tick(loop, say, "never");
	fail(loop, text);
}

void
error_in_microtask(struct brood_loop *loop)
{
	(void)brood_next_tick(loop, say, "tick");
	(void)brood_microtask(loop, fail_with_tick, "microtask");
	(void)brood_set_immediate(loop, say, "never");
}

void
error_in_immediate(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, fail_with_tick, "immediate");
	(void)brood_set_immediate(loop, say, "never");
}

static void
fail_in_io(struct brood_loop *loop, void *arg)
{
	(void)arg;
	(void)brood_set_immediate(loop, say, "never");
	fail_with_tick(loop, "io");
}

void
error_in_io(struct brood_loop *loop)
{
	on_io(loop, fail_in_io);
}

/* --- and that somebody does ------------------------------------------------------------------ */

static void
handle(struct brood_loop *loop, int error, const char *what, void *arg)
{
	(void)loop;
	(void)error;
	(void)arg;
	sayf("handled: %s", what);
}

void
error_handled_in_timer(struct brood_loop *loop)
{
	brood_on_error(loop, handle, NULL);
	(void)brood_set_timeout(loop, 1, fail, "timer 1");
	(void)brood_set_timeout(loop, 1, say, "timer 2");
	spin(10);
}

void
error_handled_in_tick(struct brood_loop *loop)
{
	brood_on_error(loop, handle, NULL);
	(void)brood_next_tick(loop, fail, "tick 1");
	(void)brood_next_tick(loop, say, "tick 2");
	(void)brood_microtask(loop, say, "microtask");
}

void
error_handled_in_immediate(struct brood_loop *loop)
{
	brood_on_error(loop, handle, NULL);
	(void)brood_set_immediate(loop, fail, "immediate 1");
	(void)brood_set_immediate(loop, say, "immediate 2");
}
