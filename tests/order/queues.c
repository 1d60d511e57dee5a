/*
 * queues: ticks and microtasks, from where they are queued and against what.
 */
#include "order.h"

static void
queue_both(struct brood_loop *loop)
{
	(void)brood_microtask(loop, say, "microtask");
	(void)brood_next_tick(loop, say, "tick");
}

void
ticks_first(struct brood_loop *loop)
{
	(void)brood_microtask(loop, say, "microtask 1");
	(void)brood_next_tick(loop, say, "tick 1");
	(void)brood_microtask(loop, say, "microtask 2");
	(void)brood_next_tick(loop, say, "tick 2");
	say(loop, "main");
}

static void
tick_queues_tick(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "tick 1");
	(void)brood_next_tick(loop, say, "tick 3");
}

void
ticks_of_ticks(struct brood_loop *loop)
{
	(void)brood_microtask(loop, say, "microtask");
	(void)brood_next_tick(loop, tick_queues_tick, NULL);
	(void)brood_next_tick(loop, say, "tick 2");
}

static void
microtask_queues_both(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "microtask 1");
	(void)brood_next_tick(loop, say, "tick");
	(void)brood_microtask(loop, say, "microtask 3");
}

void
microtasks_of_microtasks(struct brood_loop *loop)
{
	(void)brood_microtask(loop, microtask_queues_both, NULL);
	(void)brood_microtask(loop, say, "microtask 2");
}

static void
each_other_tick_3(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "tick 3");
	(void)brood_microtask(loop, say, "microtask 3");
}

static void
each_other_microtask_2(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "microtask 2");
	(void)brood_next_tick(loop, say, "tick 4");
}

static void
each_other_microtask_1(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "microtask 1");
	(void)brood_next_tick(loop, each_other_tick_3, NULL);
	(void)brood_microtask(loop, each_other_microtask_2, NULL);
}

static void
each_other_tick_1(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "tick 1");
	(void)brood_microtask(loop, each_other_microtask_1, NULL);
	(void)brood_next_tick(loop, say, "tick 2");
}

void
queues_of_each_other(struct brood_loop *loop)
{
	(void)brood_next_tick(loop, each_other_tick_1, NULL);
	(void)brood_set_immediate(loop, say, "immediate");
}

static void
queue_from(struct brood_loop *loop, void *where)
{
	queue_both(loop);
	say(loop, where);
}

static void
queue_from_timer(struct brood_loop *loop, void *arg)
{
	(void)arg;
	(void)brood_set_immediate(loop, say, "immediate");
	queue_from(loop, "timer");
}

void
queues_from_timer(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, queue_from_timer, NULL);
}

static void
queue_from_immediate(struct brood_loop *loop, void *arg)
{
	(void)arg;
	(void)brood_set_immediate(loop, say, "next immediate");
	queue_from(loop, "immediate");
}

void
queues_from_immediate(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, queue_from_immediate, NULL);
}

static void
microtask_queues_tick(struct brood_loop *loop, void *arg)
{
	(void)arg;
	say(loop, "microtask");
	(void)brood_next_tick(loop, say, "tick of the microtask");
}

static void
queue_from_io(struct brood_loop *loop, void *arg)
{
	(void)arg;
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_microtask(loop, microtask_queues_tick, NULL);
	(void)brood_next_tick(loop, say, "tick");
	say(loop, "io");
}

void
queues_from_io(struct brood_loop *loop)
{
	on_io(loop, queue_from_io);
}

/* --- between two callbacks of one phase ------------------------------------------------------ */

struct numbered {
	const char *name, *tick, *microtask;
};

static struct numbered timers[] = {
    {"timer 1", "tick 1", "microtask 1"},
    {"timer 2", "tick 2", "microtask 2"},
};
static struct numbered immediates[] = {
    {"immediate 1", "tick 1", "microtask 1"},
    {"immediate 2", "tick 2", "microtask 2"},
};

static void
numbered(struct brood_loop *loop, void *arg)
{
	struct numbered *n = arg;

	say(loop, (void *)n->name);
	(void)brood_microtask(loop, say, (void *)n->microtask);
	(void)brood_next_tick(loop, say, (void *)n->tick);
}

void
between_timers(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, numbered, &timers[0]);
	(void)brood_set_timeout(loop, 1, numbered, &timers[1]);
	spin(10);
}

void
between_lengths(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, numbered, &timers[0]);
	(void)brood_set_timeout(loop, 5, numbered, &timers[1]);
	spin(20);
}

void
between_immediates(struct brood_loop *loop)
{
	(void)brood_set_immediate(loop, numbered, &immediates[0]);
	(void)brood_set_immediate(loop, numbered, &immediates[1]);
}

/* --- starvation ------------------------------------------------------------------------------ */

#define LONG_RECURSION 1000

static int recursion;

static void
recurring_tick(struct brood_loop *loop, void *arg)
{
	if (recursion == 0)
		spin(20);
	if (++recursion < LONG_RECURSION)
		(void)brood_next_tick(loop, recurring_tick, arg);
	else
		sayf("ticks %d", recursion);
}

void
ticks_starve_timers(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_next_tick(loop, recurring_tick, NULL);
}

void
ticks_starve_microtasks(struct brood_loop *loop)
{
	(void)brood_microtask(loop, say, "microtask");
	(void)brood_next_tick(loop, recurring_tick, NULL);
}

static void
recurring_microtask(struct brood_loop *loop, void *arg)
{
	if (recursion == 0) {
		spin(20);
		(void)brood_next_tick(loop, say, "tick");
	}
	if (++recursion < LONG_RECURSION)
		(void)brood_microtask(loop, recurring_microtask, arg);
	else
		sayf("microtasks %d", recursion);
}

void
microtasks_starve(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 1, say, "timer");
	(void)brood_set_immediate(loop, say, "immediate");
	(void)brood_microtask(loop, recurring_microtask, NULL);
}

static bool timer_ran, io_ran;

static void
note(struct brood_loop *loop, void *flag)
{
	(void)loop;
	*(bool *)flag = true;
}

static void
note_io(struct brood_loop *loop, void *arg)
{
	(void)arg;
	note(loop, &io_ran);
}

static void
recurring_immediate(struct brood_loop *loop, void *arg)
{
	if (!timer_ran || !io_ran)
		(void)brood_set_immediate(loop, recurring_immediate, arg);
	else
		say(loop, "timer and io ran");
}

void
immediates_starve_nobody(struct brood_loop *loop)
{
	(void)brood_set_timeout(loop, 5, note, &timer_ran);
	on_io(loop, note_io);
	(void)brood_set_immediate(loop, recurring_immediate, NULL);
}
