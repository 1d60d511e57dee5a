/* check_offload: work in the pool: told once, cancelled or not, measured, ended with its loop. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime_support.h"

#define POOL 2 /* threads; see main() */

/* --- a piece of work ------------------------------------------------------------------------- */

struct piece {
	sem_t *gate; /* waits for it, if any */
	unsigned spin;
	int wanted;
	atomic_int ran;
	pthread_t where;
	int told, result;
	brood_id id;
	int cancelled; /* what cancelling it returned; 1: nobody did */
};

static sem_t gate, began;

static int
work(void *arg)
{
	struct piece *p = arg;

	p->where = pthread_self();
	(void)sem_post(&began);
	if (p->gate != NULL)
		while (sem_wait(p->gate) < 0)
			;
	for (volatile unsigned i = 0; i < p->spin; i++)
		;
	atomic_fetch_add(&p->ran, 1);
	return p->wanted;
}

static void
done(struct brood_loop *l, int result, void *arg)
{
	struct piece *p = arg;

	ck_assert_ptr_eq(l, loop);
	p->told++;
	p->result = result;
	ck_assert_int_eq(brood_offload_cancel(l, p->id), -ESRCH);
}

static void
begin(struct piece *p)
{
	p->cancelled = 1;
	p->id = brood_offload(loop, work, done, p);
	ck_assert_uint_ne(p->id, 0);
}

static void
check_ran(struct piece *p)
{
	ck_assert_int_eq(p->told, 1);
	ck_assert_int_eq(atomic_load(&p->ran), 1);
	ck_assert_int_eq(p->result, p->wanted);
}

static void
check_cancelled(struct piece *p)
{
	ck_assert_int_eq(p->told, 1);
	ck_assert_int_eq(atomic_load(&p->ran), 0);
	ck_assert_int_eq(p->result, -ECANCELED);
}

static struct piece holders[POOL];

/* Every thread of the pool has work that waits for the gate. */
static void
hold_pool(void)
{
	(void)sem_init(&gate, 0, 0);
	(void)sem_init(&began, 0, 0);
	for (int i = 0; i < POOL; i++) {
		holders[i] = (struct piece){.gate = &gate, .wanted = i};
		begin(&holders[i]);
	}
	for (int i = 0; i < POOL; i++)
		while (sem_wait(&began) < 0)
			;
}

static void
let_pool_go(void)
{
	for (int i = 0; i < POOL; i++)
		(void)sem_post(&gate);
}

static char said[64];

static void
say(struct brood_loop *l, void *what)
{
	(void)l;
	strcat(said, what);
}

/* --- tests ----------------------------------------------------------------------------------- */

static unsigned
size_read(const char *text)
{
	struct brood_loop_stats stats;

	if (text != NULL)
		(void)setenv("UV_THREADPOOL_SIZE", text, 1);
	else
		(void)unsetenv("UV_THREADPOOL_SIZE");
	brood_loop_stats(loop, &stats);
	return (unsigned)stats.pool_size;
}

/* The first of all tests: once there was work the size stays. */
START_TEST(the_size_of_the_pool_is_read_as_libuv_reads_it)
{
	struct piece p = {.wanted = 3};

	ck_assert_uint_eq(size_read(NULL), 4);
	ck_assert_uint_eq(size_read("7"), 7);
	ck_assert_uint_eq(size_read("0"), 1);
	ck_assert_uint_eq(size_read("many"), 1);
	ck_assert_uint_eq(size_read("-1"), 1024);
	ck_assert_uint_eq(size_read("5000"), 1024);
	ck_assert_uint_eq(size_read("1024"), 1024);
	ck_assert_uint_eq(size_read("2"), POOL);
	begin(&p);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(size_read("9"), POOL);
	ck_assert_uint_eq(size_read("2"), POOL);
}
END_TEST

START_TEST(work_runs_elsewhere_and_done_here)
{
	struct piece p = {.wanted = 42}, q = {.wanted = -7};
	struct brood_loop_stats stats;

	begin(&p);
	begin(&q);
	ck_assert_int_eq(p.told, 0);
	ck_assert_int_eq(brood_run(loop), 0);
	check_ran(&p);
	check_ran(&q);
	ck_assert(!pthread_equal(p.where, pthread_self()));
	brood_loop_stats(loop, &stats);
	ck_assert_uint_eq(stats.offloads, 2);
	ck_assert_uint_eq(stats.offloads_waiting, 0);
	ck_assert_int_eq(brood_offload_cancel(loop, p.id), -ESRCH);
}
END_TEST

START_TEST(who_wants_no_word_need_not_have_one)
{
	struct piece p = {.wanted = 1};

	ck_assert_uint_ne(brood_offload(loop, work, NULL, &p), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(atomic_load(&p.ran), 1);
	errno = 0;
	ck_assert_uint_eq(brood_offload(loop, NULL, done, &p), 0);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_waits_can_be_cancelled)
{
	struct piece p = {0}, q = {.wanted = 5};

	hold_pool();
	begin(&p);
	begin(&q);
	ck_assert_int_eq(brood_offload_cancel(loop, holders[0].id), -EBUSY);
	ck_assert_int_eq(brood_offload_cancel(loop, p.id), 0);
	ck_assert_int_eq(brood_offload_cancel(loop, p.id), 0);
	ck_assert_int_eq(p.told, 0);
	let_pool_go();
	ck_assert_int_eq(brood_run(loop), 0);
	check_cancelled(&p);
	check_ran(&q);
	for (int i = 0; i < POOL; i++)
		check_ran(&holders[i]);
}
END_TEST

START_TEST(an_old_id_hits_no_other)
{
	struct piece p = {.wanted = 1}, q = {.wanted = 2};

	begin(&p);
	ck_assert_int_eq(brood_run(loop), 0);
	hold_pool();
	begin(&q);
	ck_assert_uint_ne(p.id, q.id);
	ck_assert_int_eq(brood_offload_cancel(loop, p.id), -ESRCH);
	ck_assert_int_eq(brood_offload_cancel(loop, 0), -ESRCH);
	ck_assert_int_eq(brood_offload_cancel(loop, UINT64_MAX), -ESRCH);
	brood_clear(loop, q.id); /* it is neither a timer nor an immediate */
	let_pool_go();
	ck_assert_int_eq(brood_run(loop), 0);
	check_ran(&q);
}
END_TEST

START_TEST(an_id_of_a_timer_is_none_of_ours)
{
	brood_id id = brood_set_timeout(loop, 100000, say, NULL);

	ck_assert_int_eq(brood_offload_cancel(loop, id), -ESRCH);
	brood_clear(loop, id);
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

START_TEST(time_in_the_queue_is_counted)
{
	struct piece p[3] = {0};
	struct brood_loop_stats before, during, after;

	hold_pool();
	brood_loop_stats(loop, &before);
	ck_assert_uint_eq(before.offloads_waiting, 0);
	for (int i = 0; i < 3; i++)
		begin(&p[i]);
	(void)usleep(20000);
	brood_loop_stats(loop, &during);
	ck_assert_uint_eq(during.offloads, POOL + 3);
	ck_assert_uint_eq(during.offloads_waiting, 3);
	ck_assert_uint_eq(during.offloads_queued_us, before.offloads_queued_us);
	ck_assert_int_eq(brood_offload_cancel(loop, p[1].id), 0);
	brood_loop_stats(loop, &during);
	ck_assert_uint_eq(during.offloads_waiting, 2);
	let_pool_go();
	ck_assert_int_eq(brood_run(loop), 0);
	brood_loop_stats(loop, &after);
	ck_assert_uint_eq(after.offloads_waiting, 0);
	ck_assert_uint_ge(after.offloads_longest_queued_us, 20000);
	ck_assert_uint_ge(after.offloads_queued_us - before.offloads_queued_us, 2 * 20000);
	ck_assert_uint_le(after.offloads_longest_queued_us, after.offloads_queued_us);
	check_cancelled(&p[1]);
}
END_TEST

/* --- order ----------------------------------------------------------------------------------- */

static void
done_with_jobs(struct brood_loop *l, int result, void *arg)
{
	(void)result;
	ck_assert_int_eq(brood_microtask(l, say, "m"), 0);
	ck_assert_int_eq(brood_next_tick(l, say, "t"), 0);
	say(l, arg);
}

static int
nothing(void *arg)
{
	(void)arg;
	return 0;
}

START_TEST(ticks_and_microtasks_come_between_two)
{
	said[0] = '\0';
	for (int i = 0; i < 3; i++)
		ck_assert_uint_ne(brood_offload(loop, nothing, done_with_jobs, "d"), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "dtmdtmdtm");
}
END_TEST

static int chain_left;

static void
done_and_again(struct brood_loop *l, int result, void *arg)
{
	ck_assert_int_eq(result, 0);
	if (--chain_left > 0)
		ck_assert_uint_ne(brood_offload(l, nothing, done_and_again, arg), 0);
}

START_TEST(one_after_the_other)
{
	chain_left = 1000;
	ck_assert_uint_ne(brood_offload(loop, nothing, done_and_again, NULL), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(chain_left, 0);
}
END_TEST

/* --- races ----------------------------------------------------------------------------------- */

#define MANY 3000

static struct piece many[MANY];
static unsigned seed;

static void
cancel_one(struct piece *p)
{
	int r = brood_offload_cancel(loop, p->id);

	if (r == 0) {
		ck_assert_int_eq(p->told, 0);
		p->cancelled = 0;
	} else if (r == -ESRCH) {
		ck_assert_int_eq(p->told, 1);
	} else {
		ck_assert_int_eq(r, -EBUSY);
		ck_assert_int_ne(p->cancelled, 0);
	}
}

static void
cancel_some(struct brood_loop *l, void *arg)
{
	int *left = arg;

	for (int i = 0; i < 40; i++)
		cancel_one(&many[rand_r(&seed) % MANY]);
	if (--*left > 0)
		ck_assert_uint_ne(brood_set_immediate(l, cancel_some, left), 0);
}

START_TEST(cancelled_at_random_each_is_told_once)
{
	int left = 50, ran = 0;

	/* Some are sure to wait still when they are cancelled. */
	hold_pool();
	seed = (unsigned)_i + 1;
	for (int i = 0; i < MANY; i++) {
		many[i] = (struct piece){.wanted = i, .spin = rand_r(&seed) % 2000};
		begin(&many[i]);
		if (rand_r(&seed) % 4 == 0)
			cancel_one(&many[rand_r(&seed) % (unsigned)(i + 1)]);
		if (i == MANY / 2)
			let_pool_go();
	}
	ck_assert_uint_ne(brood_set_immediate(loop, cancel_some, &left), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	for (int i = 0; i < MANY; i++) {
		if (many[i].cancelled == 0) {
			check_cancelled(&many[i]);
		} else {
			check_ran(&many[i]);
			ran++;
		}
	}
	ck_assert_int_gt(ran, 0);
	ck_assert_int_lt(ran, MANY);
}
END_TEST

/* --- the end of the loop --------------------------------------------------------------------- */

static void
done_at_the_end(struct brood_loop *l, int result, void *arg)
{
	done(l, result, arg);
	errno = 0;
	ck_assert_uint_eq(brood_offload(l, nothing, NULL, NULL), 0);
	ck_assert_int_eq(errno, ECANCELED);
	ck_assert_int_eq(brood_next_tick(l, say, "t"), 0);
}

static void *
open_gate_later(void *arg)
{
	(void)arg;
	(void)usleep(30000);
	let_pool_go();
	return NULL;
}

START_TEST(the_end_of_a_loop_cancels_and_waits)
{
	struct piece p[5] = {0};
	pthread_t opener;

	said[0] = '\0';
	hold_pool();
	for (int i = 0; i < 5; i++) {
		p[i].id = brood_offload(loop, work, done_at_the_end, &p[i]);
		ck_assert_uint_ne(p[i].id, 0);
	}
	ck_assert_int_eq(brood_offload_cancel(loop, p[2].id), 0);
	ck_assert_int_eq(pthread_create(&opener, NULL, open_gate_later, NULL), 0);
	brood_loop_free(loop);
	for (int i = 0; i < 5; i++)
		check_cancelled(&p[i]);
	for (int i = 0; i < POOL; i++)
		check_ran(&holders[i]);
	ck_assert_str_eq(said, "ttttt");
	ck_assert_int_eq(pthread_join(opener, NULL), 0);
	loop = NULL;
}
END_TEST

START_TEST(the_end_comes_at_any_time)
{
	for (int round = 0; round < 100; round++) {
		seed = (unsigned)round;
		for (int i = 0; i < 40; i++) {
			many[i] = (struct piece){.wanted = i, .spin = rand_r(&seed) % 5000};
			begin(&many[i]);
		}
		for (unsigned i = rand_r(&seed) % 4; i > 0; i--)
			(void)uv_run(brood_uv(loop), UV_RUN_NOWAIT);
		brood_loop_free(loop);
		for (int i = 0; i < 40; i++) {
			if (many[i].result == -ECANCELED)
				check_cancelled(&many[i]);
			else
				check_ran(&many[i]);
		}
		setup();
	}
}
END_TEST

/* --- no memory ------------------------------------------------------------------------------- */

START_TEST(without_memory_nothing_begins)
{
	struct piece p = {.wanted = 1};
	unsigned long n;
	brood_id id;

	for (n = 1;; n++) {
		mem_fail_at(n, 1);
		errno = 0;
		id = brood_offload(loop, work, done, &p);
		mem_fail_at(0, 0);
		if (id != 0)
			break;
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_int_eq(brood_run(loop), 0);
		ck_assert_int_eq(atomic_load(&p.ran), 0);
		teardown();
		setup();
	}
	ck_assert_uint_eq(n, 4); /* those of the loop, the offload, its id */
	p.id = id;
	ck_assert_int_eq(brood_run(loop), 0);
	check_ran(&p);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, the_size_of_the_pool_is_read_as_libuv_reads_it);
	tcase_add_test(tc, work_runs_elsewhere_and_done_here);
	tcase_add_test(tc, who_wants_no_word_need_not_have_one);
	tcase_add_test(tc, what_waits_can_be_cancelled);
	tcase_add_test(tc, an_old_id_hits_no_other);
	tcase_add_test(tc, an_id_of_a_timer_is_none_of_ours);
	tcase_add_test(tc, time_in_the_queue_is_counted);
	tcase_add_test(tc, ticks_and_microtasks_come_between_two);
	tcase_add_test(tc, one_after_the_other);
	tcase_add_loop_test(tc, cancelled_at_random_each_is_told_once, 0, 5);
	tcase_add_test(tc, the_end_of_a_loop_cancels_and_waits);
	tcase_add_test(tc, the_end_comes_at_any_time);
	tcase_add_test(tc, without_memory_nothing_begins);
}

int
main(void)
{
	(void)setenv("UV_THREADPOOL_SIZE", "2", 1);
	(void)sem_init(&gate, 0, 0);
	(void)sem_init(&began, 0, 0);
	return run_suite("offload", setup, teardown, add_tests);
}
