/*
 * turns: what the parts of libbrood cost, in nanoseconds, one at a time, and what a sleeping task
 * takes in bytes. turns.cjs is the same in Node; tests/bench/runtime runs both.
 *
 *	turns			prints a line a figure: name, nanoseconds
 *	turns bytes COUNT	prints the bytes of memory for each of so many tasks that sleep
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "brood.h"
#include "runtime/context.h"

#define ROUNDS 2000000u
#define FEW    100000u

static unsigned left;

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
report(const char *name, uint64_t began_ns, unsigned n)
{
	printf("%-16s %10.1f\n", name, (double)(clock_ns() - began_ns) / n);
	fflush(stdout);
}

/* --- the queues and the phases --------------------------------------------------------------- */

static void
tick_again(struct brood_loop *loop, void *arg)
{
	if (--left > 0)
		brood_next_tick(loop, tick_again, arg);
}

static void
microtask_again(struct brood_loop *loop, void *arg)
{
	if (--left > 0)
		brood_microtask(loop, microtask_again, arg);
}

static void
immediate_again(struct brood_loop *loop, void *arg)
{
	if (--left > 0)
		brood_set_immediate(loop, immediate_again, arg);
}

static void
one_less(struct brood_loop *loop, void *arg)
{
	(void)loop;
	(void)arg;
	left--;
}

static void
measure_loop(struct brood_loop *loop)
{
	uint64_t began;

	left = ROUNDS;
	began = clock_ns();
	brood_next_tick(loop, tick_again, NULL);
	brood_run(loop);
	report("next_tick", began, ROUNDS);

	left = ROUNDS;
	began = clock_ns();
	brood_microtask(loop, microtask_again, NULL);
	brood_run(loop);
	report("microtask", began, ROUNDS);

	left = FEW;
	began = clock_ns();
	brood_set_immediate(loop, immediate_again, NULL);
	brood_run(loop);
	report("turn", began, FEW);

	began = clock_ns();
	for (left = 0; left < FEW; left++)
		brood_set_immediate(loop, one_less, NULL);
	brood_run(loop);
	report("immediate", began, FEW);

	began = clock_ns();
	for (unsigned i = 0; i < ROUNDS; i++)
		brood_clear(loop, brood_set_timeout(loop, 1 + i % 64, one_less, NULL));
	report("timer_set_clear", began, ROUNDS);
}

/* --- off the loop ---------------------------------------------------------------------------- */

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void
offload_again(struct brood_loop *loop, int result, void *arg)
{
	(void)result;
	if (--left > 0)
		brood_offload(loop, nothing, offload_again, arg);
}

static void
echo(struct brood_port *port, struct brood_message *m, void *arg)
{
	(void)arg;
	brood_port_send(port, m->data, m->len);
}

static int
echo_thread(struct brood_loop *loop, struct brood_port *parent, void *arg)
{
	(void)loop;
	brood_port_listen(parent, echo, arg);
	return 0;
}

static void
ping_again(struct brood_port *port, struct brood_message *m, void *thread)
{
	if (--left > 0)
		brood_port_send(port, m->data, m->len);
	else
		brood_thread_terminate(thread);
}

static void
measure_threads(struct brood_loop *loop)
{
	struct brood_thread *thread;
	uint64_t began;

	left = FEW;
	began = clock_ns();
	brood_offload(loop, nothing, offload_again, NULL);
	brood_run(loop);
	report("offload", began, FEW);

	thread = brood_thread_start(loop, echo_thread, NULL, NULL);
	brood_port_listen(brood_thread_port(thread), ping_again, thread);
	left = FEW;
	began = clock_ns();
	brood_port_send(brood_thread_port(thread), "ping", 4);
	brood_run(loop);
	report("thread_message", began, FEW);
}

/* --- tasks ----------------------------------------------------------------------------------- */

static int
joins_many(void *arg)
{
	for (unsigned i = 0; i < FEW; i++)
		(void)brood_join(brood_go(arg, 0, nothing, NULL));
	return 0;
}

static int
yields_many(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < FEW; i++)
		(void)brood_yield();
	return 0;
}

static int
sleeps(void *arg)
{
	(void)arg;
	return brood_sleep(2000);
}

static long
resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static struct context here, there;
static _Alignas(64) char stack[65536];

static void
bounce(void *arg)
{
	(void)arg;
	for (;;)
		context_switch(&there, &here);
}

static void
measure_tasks(struct brood_loop *loop)
{
	uint64_t began;

	context_make(&there, stack, sizeof stack, bounce, NULL);
	began = clock_ns();
	for (unsigned i = 0; i < ROUNDS; i++)
		context_switch(&here, &there);
	report("task_switch", began, 2 * ROUNDS);

	began = clock_ns();
	brood_detach(brood_go(loop, 0, joins_many, loop));
	brood_run(loop);
	report("task_go_join", began, FEW);

	began = clock_ns();
	brood_detach(brood_go(loop, 0, yields_many, loop));
	brood_run(loop);
	report("task_yield", began, FEW);
}

static void
measure_bytes(struct brood_loop *loop, unsigned n)
{
	long before = resident_bytes();

	for (unsigned i = 0; i < n; i++)
		brood_detach(brood_go(loop, 0, sleeps, NULL));
	printf("%ld\n", (resident_bytes() - before) / (long)n);
}

int
main(int argc, char **argv)
{
	struct brood_loop *loop = brood_loop_new();

	if (loop == NULL) {
		perror("turns");
		return 1;
	}
	if (argc == 3 && strcmp(argv[1], "bytes") == 0) {
		measure_bytes(loop, (unsigned)atoi(argv[2]));
	} else {
		measure_loop(loop);
		measure_threads(loop);
		measure_tasks(loop);
	}
	brood_loop_free(loop);
	return 0;
}
