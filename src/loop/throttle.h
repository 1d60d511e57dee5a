/*
 * throttle: a bucket of tokens for one talkative descriptor (W4). While it is empty the
 * descriptor is not read; a timer runs only then.
 */
#ifndef BROOD_LOOP_THROTTLE_H
#define BROOD_LOOP_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define THROTTLE_PER_SECOND 1000
#define THROTTLE_BURST      2000

struct throttle {
	uv_timer_t timer;
	int64_t tokens;
	uint64_t refilled_us;
	void (*on_refilled)(void *arg);
	void *arg;
};

int throttle_init(struct throttle *t, uv_loop_t *uv, void (*on_refilled)(void *arg), void *arg);
/* Takes n tokens. False: the bucket is empty now; stop reading, on_refilled() will tell. */
bool throttle_take(struct throttle *t, unsigned n);
/* uv_close() of the timer; t must live until closed is called. timer.data is the closer's. */
void throttle_close(struct throttle *t, uv_close_cb closed);

#endif
