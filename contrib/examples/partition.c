/* partition: a long computation on the loop, cut by immediates into parts of a millisecond, so that
 * timers come on time. In one piece it would hold up all else. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <brood.h>

#define BELOW 2000000u
#define EVERY 10

static unsigned n = 2, primes, ticks;
static uint64_t due_ms, latest_ms;
static brood_id ticker;

static void
count_primes(struct brood_loop *loop, void *arg)
{
	clock_t until = clock() + CLOCKS_PER_SEC / 1000;

	for (unsigned d = 2; n < BELOW && clock() < until; n++, d = 2) {
		while (d * d <= n && n % d != 0)
			d++;
		primes += d * d > n;
	}
	if (n < BELOW)
		brood_set_immediate(loop, count_primes, arg);
	else
		brood_clear(loop, ticker);
}

static void
tick(struct brood_loop *loop, void *arg)
{
	uint64_t now_ms = brood_now(loop);

	(void)arg;
	if (now_ms > due_ms + latest_ms)
		latest_ms = now_ms - due_ms;
	due_ms = now_ms + EVERY;
	ticks++;
}

int
main(void)
{
	struct brood_loop *loop = brood_loop_new();

	due_ms = brood_now(loop) + EVERY;
	ticker = brood_set_interval(loop, EVERY, tick, NULL);
	brood_set_immediate(loop, count_primes, NULL);
	brood_run(loop);
	printf("%u primes below %u\n", primes, BELOW);
	printf("the timer %s\n", ticks >= 3 ? "ticked" : "was held up");
	fprintf(stderr, "%u times, at most %u ms late\n", ticks, (unsigned)latest_ms);
	brood_loop_free(loop);
}
