/* check_port: lines between loops: order, what keeps a loop alive, who frees what, many threads. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run_suite.h"
#include "runtime/loop.h"
#include "runtime/port.h"

/* Most tests have both ends in one loop: all but the threads is the same. */
static struct brood_loop *loop;
static struct brood_port *a, *b;

static void
open_pair(void)
{
	struct brood_port *ports[2];

	ck_assert_int_eq(port_pair_new(loop, loop, ports), 0);
	a = ports[0];
	b = ports[1];
	port_set_holder(a, &a);
	port_set_holder(b, &b);
}

/* --- buffers that count ---------------------------------------------------------------------- */

static atomic_int made, freed;

static void *
make(size_t number)
{
	size_t *p = malloc(sizeof *p);

	ck_assert_ptr_nonnull(p);
	*p = number;
	atomic_fetch_add(&made, 1);
	return p;
}

/* Twice would be found by the sanitizers, and by the count. */
static void
unmake(void *p)
{
	atomic_fetch_add(&freed, 1);
	free(p);
}

static int
move(struct brood_port *p, size_t number)
{
	void *data = make(number);
	int r = brood_port_move(p, data, sizeof number, unmake);

	if (r < 0)
		unmake(data);
	return r;
}

static void
check_all_freed(int n)
{
	ck_assert_int_eq(atomic_load(&made), n);
	ck_assert_int_eq(atomic_load(&freed), n);
}

static void
setup(void)
{
	atomic_store(&made, 0);
	atomic_store(&freed, 0);
	loop = brood_loop_new();
	ck_assert_ptr_nonnull(loop);
	open_pair();
}

static void
teardown(void)
{
	brood_port_close(a);
	brood_port_close(b);
	ck_assert_ptr_null(a);
	ck_assert_ptr_null(b);
	brood_loop_free(loop);
	loop = NULL;
}

/* --- listeners ------------------------------------------------------------------------------- */

static size_t heard;
static size_t stop_at; /* then b does what the test is about */
static char said[256];

static void
note(struct brood_port *p, struct brood_message *m, void *arg)
{
	ck_assert_ptr_eq(p, b);
	ck_assert_ptr_eq(arg, said);
	ck_assert_uint_lt(strlen(said) + m->len + 2, sizeof said);
	strcat(strcat(said, m->data), " ");
	ck_assert(m->is_text);
	ck_assert_int_eq(m->data[m->len], '\0');
	heard++;
}

/* Numbers, as text or moved, in their order. */
static size_t
number_in(const struct brood_message *m)
{
	return m->is_text ? strtoul(m->data, NULL, 10) : *(size_t *)(void *)m->data;
}

static void
count(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)p;
	(void)arg;
	ck_assert_uint_eq(number_in(m), heard);
	heard++;
}

static void
say(struct brood_loop *l, void *what)
{
	(void)l;
	strcat(said, what);
}

static void
reset(void)
{
	heard = 0;
	said[0] = '\0';
}

static void
send_number(struct brood_port *p, size_t i)
{
	char text[24];
	int len;

	if (i % 3 == 1) {
		ck_assert_int_eq(move(p, i), 0);
		return;
	}
	len = snprintf(text, sizeof text, "%zu", i);
	ck_assert_int_eq(brood_port_send(p, text, (size_t)len), 0);
	memset(text, 'x', sizeof text);
}

static void
send_numbers(struct brood_port *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		send_number(p, i);
}

/* How many of the first n are moved. */
static int
n_moved(size_t n)
{
	return (int)((n + 1) / 3);
}

/* --- what is heard --------------------------------------------------------------------------- */

static void
note_once(struct brood_port *p, struct brood_message *m, void *arg)
{
	note(p, m, arg);
	brood_port_listen(p, NULL, NULL);
}

START_TEST(text_is_copied)
{
	char text[] = "hello";

	reset();
	ck_assert_int_eq(brood_port_send(a, text, 5), 0);
	memset(text, 'x', 5);
	brood_port_listen(b, note_once, said);
	ck_assert_ptr_eq(brood_port_loop(b), loop);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "hello ");
}
END_TEST

static void
check_odd(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)arg;
	if (heard++ == 0) {
		ck_assert_uint_eq(m->len, 0);
		ck_assert(m->is_text);
		ck_assert_str_eq(m->data, "");
	} else if (heard == 2) {
		ck_assert_uint_eq(m->len, 3);
		ck_assert_mem_eq(m->data, "a\0b", 4);
	} else {
		ck_assert(!m->is_text);
		ck_assert_ptr_null(m->data);
		brood_port_listen(p, NULL, NULL);
	}
}

START_TEST(what_is_sent_may_be_empty)
{
	reset();
	ck_assert_int_eq(brood_port_send(a, NULL, 0), 0);
	ck_assert_int_eq(brood_port_send(a, "a\0b", 3), 0);
	ck_assert_int_eq(brood_port_move(a, NULL, 0, unmake), 0);
	brood_port_listen(b, check_odd, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 3);
	check_all_freed(0);
	ck_assert_int_eq(brood_port_send(a, said, SIZE_MAX), -ENOMEM);
}
END_TEST

static void
count_until(struct brood_port *p, struct brood_message *m, void *arg)
{
	count(p, m, arg);
	if (heard == stop_at)
		brood_port_listen(p, NULL, NULL);
}

START_TEST(order_is_kept_over_many_turns)
{
	reset();
	send_numbers(a, 1000);
	stop_at = 1000;
	brood_port_listen(b, count_until, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 1000);
	check_all_freed(n_moved(1000));
}
END_TEST

static void
count_and_send(struct brood_port *p, struct brood_message *m, void *arg)
{
	count_until(p, m, arg);
	if (heard + 300 <= stop_at)
		send_number(a, heard + 299);
}

START_TEST(what_comes_while_some_wait_comes_after_them)
{
	reset();
	send_numbers(a, 300);
	stop_at = 2000;
	brood_port_listen(b, count_and_send, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 2000);
}
END_TEST

START_TEST(messages_wait_until_somebody_listens)
{
	reset();
	send_numbers(a, 700);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 0);
	ck_assert(!port_is_behind(b));
	for (stop_at = 1; stop_at <= 700; stop_at += 233) {
		brood_port_listen(b, count_until, NULL);
		ck_assert(port_is_behind(b));
		ck_assert_int_eq(brood_run(loop), 0);
		ck_assert_uint_eq(heard, stop_at);
		ck_assert_int_eq(brood_run(loop), 0);
		ck_assert_uint_eq(heard, stop_at);
	}
	ck_assert(!port_is_behind(b));
}
END_TEST

static void
note_and_queue(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)arg;
	ck_assert_int_eq(brood_microtask(loop, say, "m"), 0);
	ck_assert_int_eq(brood_next_tick(loop, say, "t"), 0);
	strcat(said, m->data);
	if (++heard == 3)
		brood_port_listen(p, NULL, NULL);
}

START_TEST(ticks_and_microtasks_come_between_two)
{
	reset();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(brood_port_send(a, "d", 1), 0);
	brood_port_listen(b, note_and_queue, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "dtmdtmdtm");
}
END_TEST

static size_t heard_at_immediate;

static void
look_how_many(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	heard_at_immediate = heard;
}

static void
count_and_look(struct brood_port *p, struct brood_message *m, void *arg)
{
	if (heard == 0)
		ck_assert_uint_ne(brood_set_immediate(loop, look_how_many, NULL), 0);
	count_until(p, m, arg);
}

START_TEST(a_turn_takes_a_part_of_many)
{
	reset();
	send_numbers(a, 5000);
	stop_at = 5000;
	brood_port_listen(b, count_and_look, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 5000);
	ck_assert_uint_gt(heard_at_immediate, 0);
	ck_assert_uint_lt(heard_at_immediate, 1000);
}
END_TEST

static void
send_for_ever(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)p;
	(void)m;
	(void)arg;
	for (int i = 0; i < 2 && a != NULL; i++)
		(void)brood_port_send(a, "x", 1);
	if (++heard > 200000) /* more is memory for nothing: nobody stopped it */
		brood_port_close(a);
}

static void
stop_the_flood(struct brood_loop *l, void *arg)
{
	(void)arg;
	ck_assert_ptr_nonnull(a);
	brood_stop(l, 7);
}

START_TEST(a_flood_does_not_hold_up_a_timer)
{
	reset();
	ck_assert_int_eq(brood_port_send(a, "x", 1), 0);
	brood_port_listen(b, send_for_ever, NULL);
	ck_assert_uint_ne(brood_set_timeout(loop, 1, stop_the_flood, NULL), 0);
	ck_assert_int_eq(brood_run(loop), 7);
}
END_TEST

static void
count_and_stop(struct brood_port *p, struct brood_message *m, void *arg)
{
	count(p, m, arg);
	brood_stop(loop, 9);
}

START_TEST(a_stopped_loop_hears_the_rest_when_it_runs_again)
{
	reset();
	send_numbers(a, 3);
	brood_port_listen(b, count_and_stop, NULL);
	for (size_t i = 1; i <= 3; i++) {
		ck_assert_int_eq(brood_run(loop), 9);
		ck_assert_uint_eq(heard, i);
	}
}
END_TEST

/* --- what keeps the loop alive --------------------------------------------------------------- */

START_TEST(who_does_not_listen_does_not_stay)
{
	ck_assert_int_eq(brood_run(loop), 0);
	brood_port_listen(b, note, said);
	brood_port_listen(b, NULL, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

static void
send_late(struct brood_loop *l, void *arg)
{
	(void)l;
	(void)arg;
	ck_assert_int_eq(brood_port_send(a, "late", 4), 0);
}

START_TEST(who_listens_stays)
{
	brood_id timer = brood_set_timeout(loop, 20, send_late, NULL);

	reset();
	brood_unref(loop, timer);
	brood_port_listen(b, note_once, said);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_str_eq(said, "late ");
}
END_TEST

static void
close_it(struct brood_loop *l, void *arg)
{
	struct brood_port **p = arg;

	(void)l;
	brood_port_close(*p);
	ck_assert_ptr_null(*p);
}

START_TEST(the_end_of_the_other_side_lets_it_go)
{
	ck_assert_uint_ne(brood_set_timeout(loop, 5, close_it, &a), 0);
	brood_port_listen(b, note, said);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_ptr_null(a);
	ck_assert_int_eq(brood_port_send(b, "x", 1), -EPIPE);
}
END_TEST

START_TEST(what_was_sent_before_the_end_is_heard)
{
	reset();
	send_numbers(a, 1000);
	brood_port_close(a);
	ck_assert_int_eq(brood_run(loop), 0);
	brood_port_listen(b, count, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 1000);
	check_all_freed(n_moved(1000));
	brood_port_listen(b, count, NULL); /* to hear nothing any more */
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

/* --- closed ---------------------------------------------------------------------------------- */

START_TEST(what_nobody_heard_is_freed)
{
	send_numbers(a, 100);
	send_numbers(b, 10);
	brood_port_close(b);
	ck_assert_int_eq(atomic_load(&freed), n_moved(100));
	ck_assert_int_eq(brood_run(loop), 0);
	brood_port_close(a);
	check_all_freed(n_moved(100) + n_moved(10));
}
END_TEST

START_TEST(what_can_not_be_sent_stays_with_its_owner)
{
	size_t *data = make(5);

	brood_port_close(b);
	ck_assert_int_eq(brood_port_move(a, data, sizeof *data, unmake), -EPIPE);
	ck_assert_int_eq(atomic_load(&freed), 0);
	ck_assert_uint_eq(*data, 5);
	unmake(data);
	ck_assert_int_eq(brood_port_send(a, "x", 1), -EPIPE);
	brood_port_listen(a, note, said);
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

static void
count_and_close(struct brood_port *p, struct brood_message *m, void *arg)
{
	count(p, m, arg);
	if (heard == stop_at)
		brood_port_close(p);
}

START_TEST(a_listener_may_close_its_own_port)
{
	reset();
	send_numbers(a, 1000);
	stop_at = 300;
	brood_port_listen(b, count_and_close, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 300);
	ck_assert_ptr_null(b);
	check_all_freed(n_moved(1000));
	ck_assert_int_eq(brood_port_send(a, "x", 1), -EPIPE);
}
END_TEST

static void
count_and_close_both(struct brood_port *p, struct brood_message *m, void *arg)
{
	brood_port_close(a);
	count_and_close(p, m, arg);
	brood_port_close(p);
}

START_TEST(a_listener_may_close_both)
{
	reset();
	send_numbers(a, 10);
	stop_at = 1;
	brood_port_listen(b, count_and_close_both, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 1);
	check_all_freed(n_moved(10));
}
END_TEST

START_TEST(a_loop_may_end_with_messages_under_way)
{
	reset();
	send_numbers(a, 1000);
	stop_at = 1;
	brood_port_listen(b, count_until, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 1);
	teardown();
	check_all_freed(n_moved(1000));
	brood_port_close(NULL);
	setup();
}
END_TEST

/* --- taken ----------------------------------------------------------------------------------- */

static char *taken_text;
static void (*taken_free)(void *);
static size_t *taken;

static void
take(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)arg;
	if (m->is_text) {
		taken_text = m->data;
		taken_free = m->free_data;
	} else {
		taken = (size_t *)(void *)m->data;
		ck_assert(m->free_data == unmake);
		ck_assert_uint_eq(m->len, sizeof *taken);
	}
	m->data = NULL;
	if (++heard == 2)
		brood_port_listen(p, NULL, NULL);
}

START_TEST(what_is_taken_is_the_takers)
{
	reset();
	ck_assert_int_eq(brood_port_send(a, "mine", 4), 0);
	ck_assert_int_eq(move(a, 77), 0);
	brood_port_listen(b, take, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_int_eq(atomic_load(&freed), 0);
	teardown();
	ck_assert_str_eq(taken_text, "mine");
	taken_free(taken_text);
	ck_assert_uint_eq(*taken, 77);
	unmake(taken);
	setup();
}
END_TEST

static size_t not_owned = 5;

static void
look_at_it(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)arg;
	ck_assert_ptr_eq(m->data, &not_owned);
	brood_port_close(p);
}

START_TEST(what_nobody_owns_is_not_freed)
{
	ck_assert_int_eq(brood_port_move(a, &not_owned, sizeof not_owned, NULL), 0);
	ck_assert_int_eq(brood_port_move(a, &not_owned, sizeof not_owned, NULL), 0);
	brood_port_listen(b, look_at_it, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
}
END_TEST

/* --- threads --------------------------------------------------------------------------------- */

#define PINGS 100000

struct side {
	struct brood_loop *loop;
	struct brood_port *port;
	unsigned n;
};

static void
answer(struct brood_port *p, struct brood_message *m, void *arg)
{
	struct side *s = arg;

	ck_assert_ptr_eq(brood_port_loop(p), s->loop);
	ck_assert_uint_eq(m->len, 4);
	if (s->n++ == PINGS) {
		brood_port_close(p);
		return;
	}
	ck_assert_int_eq(brood_port_send(p, m->data, m->len), 0);
}

static void *
run_side(void *arg)
{
	struct side *s = arg;

	brood_port_listen(s->port, answer, s);
	ck_assert_int_eq(brood_run(s->loop), 0);
	brood_port_close(s->port);
	brood_loop_free(s->loop);
	return NULL;
}

START_TEST(a_hundred_thousand_go_to_and_fro)
{
	struct side sides[2] = {{0}};
	struct brood_port *ports[2];
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		sides[i].loop = brood_loop_new();
	ck_assert_int_eq(port_pair_new(sides[0].loop, sides[1].loop, ports), 0);
	for (int i = 0; i < 2; i++) {
		sides[i].port = ports[i];
		port_set_holder(ports[i], &sides[i].port);
	}
	ck_assert_int_eq(brood_port_send(ports[0], "ping", 4), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_side, &sides[i]), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(sides[1].n, PINGS + 1);
	ck_assert_uint_eq(sides[0].n, PINGS);
}
END_TEST

#define SENDERS 4
#define EACH    20000

static size_t heard_from[SENDERS];

static void *
send_many(void *arg)
{
	size_t who = (uintptr_t)arg;

	for (size_t i = 0; i < EACH; i++)
		if (move(a, who * EACH + i) < 0)
			return (void *)1;
	return NULL;
}

static void
count_from(struct brood_port *p, struct brood_message *m, void *arg)
{
	size_t number = number_in(m);

	(void)arg;
	ck_assert_uint_eq(number % EACH, heard_from[number / EACH]);
	heard_from[number / EACH]++;
	if (++heard == SENDERS * EACH)
		brood_port_listen(p, NULL, NULL);
}

START_TEST(any_thread_may_send)
{
	pthread_t threads[SENDERS];
	void *failed;

	reset();
	memset(heard_from, 0, sizeof heard_from);
	brood_port_listen(b, count_from, NULL);
	for (uintptr_t i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_many, (void *)i), 0);
	ck_assert_int_eq(brood_run(loop), 0);
	for (int i = 0; i < SENDERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
		ck_assert_uint_eq(heard_from[i], EACH);
	}
	check_all_freed(SENDERS * EACH);
}
END_TEST

static void *
send_until_closed(void *arg)
{
	size_t i = 0;

	(void)arg;
	while (move(a, i) == 0)
		i++;
	return NULL;
}

static void
count_any_and_close(struct brood_port *p, struct brood_message *m, void *arg)
{
	(void)m;
	(void)arg;
	if (++heard == stop_at)
		brood_port_close(p);
}

START_TEST(a_port_may_be_closed_under_a_flood)
{
	pthread_t threads[SENDERS];

	for (int round = 0; round < 50; round++) {
		reset();
		stop_at = 1 + (size_t)round * 37;
		brood_port_listen(b, count_any_and_close, NULL);
		for (int i = 0; i < SENDERS; i++)
			ck_assert_int_eq(
			    pthread_create(&threads[i], NULL, send_until_closed, NULL), 0);
		ck_assert_int_eq(brood_run(loop), 0);
		for (int i = 0; i < SENDERS; i++)
			ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_uint_eq(heard, stop_at);
		ck_assert_int_eq(atomic_load(&made), atomic_load(&freed));
		brood_port_close(a);
		open_pair();
	}
}
END_TEST

static void *
close_both_ends(void *arg)
{
	struct side *s = arg;

	for (int i = 0; i < 3; i++)
		(void)move(s->port, 1);
	brood_port_close(s->port);
	brood_loop_free(s->loop);
	return NULL;
}

/* Who closes last frees the line. */
START_TEST(both_may_be_closed_at_once)
{
	struct side sides[2];
	struct brood_port *ports[2];
	pthread_t threads[2];

	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 2; i++)
			sides[i].loop = brood_loop_new();
		ck_assert_int_eq(port_pair_new(sides[0].loop, sides[1].loop, ports), 0);
		for (int i = 0; i < 2; i++) {
			sides[i].port = ports[i];
			ck_assert_int_eq(
			    pthread_create(&threads[i], NULL, close_both_ends, &sides[i]), 0);
		}
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	}
	check_all_freed(200 * 6);
}
END_TEST

/* --- no memory ------------------------------------------------------------------------------- */

START_TEST(without_memory_nothing_is_sent)
{
	struct brood_port *ports[2];
	size_t *data = make(5);

	mem_fail_at(1, 3);
	ck_assert_int_eq(brood_port_send(a, "x", 1), -ENOMEM);
	ck_assert_int_eq(brood_port_move(a, data, sizeof *data, unmake), -ENOMEM);
	ck_assert_int_eq(port_pair_new(loop, loop, ports), -ENOMEM);
	mem_fail_at(0, 0);
	ck_assert_uint_eq(*data, 5);
	ck_assert_int_eq(brood_port_move(a, data, sizeof *data, unmake), 0);
	brood_port_close(a);
	reset();
	heard = 5;
	brood_port_listen(b, count, NULL);
	ck_assert_int_eq(brood_run(loop), 0);
	ck_assert_uint_eq(heard, 6);
	check_all_freed(1);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, text_is_copied);
	tcase_add_test(tc, what_is_sent_may_be_empty);
	tcase_add_test(tc, order_is_kept_over_many_turns);
	tcase_add_test(tc, what_comes_while_some_wait_comes_after_them);
	tcase_add_test(tc, messages_wait_until_somebody_listens);
	tcase_add_test(tc, ticks_and_microtasks_come_between_two);
	tcase_add_test(tc, a_turn_takes_a_part_of_many);
	tcase_add_test(tc, a_flood_does_not_hold_up_a_timer);
	tcase_add_test(tc, a_stopped_loop_hears_the_rest_when_it_runs_again);
	tcase_add_test(tc, who_does_not_listen_does_not_stay);
	tcase_add_test(tc, who_listens_stays);
	tcase_add_test(tc, the_end_of_the_other_side_lets_it_go);
	tcase_add_test(tc, what_was_sent_before_the_end_is_heard);
	tcase_add_test(tc, what_nobody_heard_is_freed);
	tcase_add_test(tc, what_can_not_be_sent_stays_with_its_owner);
	tcase_add_test(tc, a_listener_may_close_its_own_port);
	tcase_add_test(tc, a_listener_may_close_both);
	tcase_add_test(tc, a_loop_may_end_with_messages_under_way);
	tcase_add_test(tc, what_is_taken_is_the_takers);
	tcase_add_test(tc, what_nobody_owns_is_not_freed);
	tcase_add_test(tc, a_hundred_thousand_go_to_and_fro);
	tcase_add_test(tc, any_thread_may_send);
	tcase_add_test(tc, a_port_may_be_closed_under_a_flood);
	tcase_add_test(tc, both_may_be_closed_at_once);
	tcase_add_test(tc, without_memory_nothing_is_sent);
}

int
main(void)
{
	return run_suite("port", setup, teardown, add_tests);
}
