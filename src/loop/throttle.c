/*
 * throttle: see the header. The timer runs until half of the burst is back, so that a flood is
 * read in portions and not one frame a tick.
 */
#include "loop/throttle.h"

#include "base/clock.h"

static void
refill(struct throttle *t)
{
	uint64_t now_us = clock_now_us();
	uint64_t gained = (now_us - t->refilled_us) * THROTTLE_PER_SECOND / 1000000;

	if (gained == 0)
		return;
	t->refilled_us = now_us;
	if (gained > 2 * THROTTLE_BURST || t->tokens + (int64_t)gained > THROTTLE_BURST)
		t->tokens = THROTTLE_BURST;
	else
		t->tokens += (int64_t)gained;
}

static void
on_timer(uv_timer_t *timer)
{
	struct throttle *t = (struct throttle *)timer;

	refill(t);
	t->on_refilled(t->arg);
}

int
throttle_init(struct throttle *t, uv_loop_t *uv, void (*on_refilled)(void *arg), void *arg)
{
	t->tokens = THROTTLE_BURST;
	t->refilled_us = clock_now_us();
	t->on_refilled = on_refilled;
	t->arg = arg;
	return uv_timer_init(uv, &t->timer);
}

bool
throttle_take(struct throttle *t, unsigned n)
{
	uint64_t wait_ms;

	t->tokens -= n;
	if (t->tokens > 0)
		return true;
	refill(t);
	if (t->tokens > 0)
		return true;
	/* One read may have overdrawn the account by much; the wait pays all of it back, but
	 * nobody is shut out for longer than a few seconds. */
	if (t->tokens < -4 * THROTTLE_BURST)
		t->tokens = -4 * THROTTLE_BURST;
	wait_ms = (uint64_t)(THROTTLE_BURST / 2 - t->tokens) * 1000 / THROTTLE_PER_SECOND;
	uv_update_time(t->timer.loop);
	(void)uv_timer_start(&t->timer, on_timer, wait_ms, 0); /* fails only while closing */
	return false;
}

void
throttle_close(struct throttle *t, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&t->timer, closed);
}
