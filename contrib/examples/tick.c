/*
 * tick: what runs when: the phases of a turn as they come, and the queues between them.
 */
#include <brood.h>
#include <stdio.h>

static void
say(struct brood_loop *loop, void *text)
{
	(void)loop;
	(void)puts(text);
}

static void
say_and_queue(struct brood_loop *loop, void *text)
{
	say(loop, text);
	(void)brood_microtask(loop, say, "  microtask");
	(void)brood_next_tick(loop, say, "  tick");
}

static int
work(void *arg)
{
	(void)arg;
	return 0;
}

/* From here the order is certain: check comes after poll, timers in the next turn. */
static void
on_done(struct brood_loop *loop, int result, void *arg)
{
	(void)result;
	(void)arg;
	(void)brood_set_timeout(loop, 0, say_and_queue, "timers: 0 ms have passed");
	(void)brood_set_immediate(loop, say_and_queue, "check: an immediate");
	say_and_queue(loop, "poll: the pool has done its work");
}

int
main(void)
{
	struct brood_loop *loop = brood_loop_new();
	int code;

	if (loop == NULL || brood_offload(loop, work, on_done, NULL) == 0)
		return 71;
	say_and_queue(loop, "main");
	code = brood_run(loop);
	brood_loop_free(loop);
	return code;
}
