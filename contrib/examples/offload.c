/* offload: long computations in the pool of threads, the last one cancelled before its turn comes,
 * while the loop goes on: its timer ticks. */
#include <stdio.h>

#include <brood.h>

#define RANGES 6

static struct range {
	unsigned below, primes;
	int result;
} ranges[RANGES];
static unsigned ticks;

/* In a thread of the pool: nothing may be touched here but what arg names. */
static int
count_primes(void *arg)
{
	struct range *r = arg;

	for (unsigned n = 2, d = 2; n < r->below; n++, d = 2) {
		while (d * d <= n && n % d != 0)
			d++;
		r->primes += d * d > n;
	}
	return 0;
}

static void
counted(struct brood_loop *loop, int result, void *arg)
{
	(void)loop;
	((struct range *)arg)->result = result;
}

static void
tick(struct brood_loop *loop, void *arg)
{
	(void)loop, (void)arg;
	ticks++;
}

int
main(void)
{
	struct brood_loop *loop = brood_loop_new();
	brood_id id = brood_set_interval(loop, 1, tick, NULL);

	brood_unref(loop, id); /* the end of the work is the end */
	for (unsigned i = 0; i < RANGES; i++) {
		ranges[i].below = 200000 + 100000 * i;
		id = brood_offload(loop, count_primes, counted, &ranges[i]);
	}
	brood_offload_cancel(loop, id);
	brood_run(loop);
	for (struct range *r = ranges; r < ranges + RANGES; r++)
		printf("below %u: %u primes (%d)\n", r->below, r->primes, r->result);
	printf("the timer %s meanwhile\n", ticks > 0 ? "ticked" : "was held up");
	brood_loop_free(loop);
}
