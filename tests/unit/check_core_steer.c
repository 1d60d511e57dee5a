/*
 * check_core_steer: who gets new connections, who is gone round, and how a worker is led out: single
 * decisions of the core (steer.c, stall.c, leave.c), each from the events that lead to it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core_support.h"

static void
setup(void)
{
	core_support_setup();
	conf.balance = BALANCE_EVEN;
	conf.ready = READY_AUTO;
	conf.restart_delay_ms = 600;
	conf.stall_after_ms = 3;
	conf.probe_interval_ms = 1000;
	conf.probe_timeout_ms = 500;
	conf.probe_failures = 2;
}

/* The table as text: "0.0 1.0" is slot.seat. */
static const char *
table(void)
{
	static char text[200];
	const struct steer_table *t = &core->apps->steer;
	size_t len = 0;

	text[0] = '\0';
	if (t->mode == STEER_HOLD)
		return "held off";
	for (unsigned i = 0; i < t->len; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u.%u", i ? " " : "",
		    (unsigned)t->seats[i].slot, (unsigned)t->seats[i].seat);
	return text;
}

static void
configure(unsigned workers, int cookie)
{
	const struct core_target t = {.workers = workers, .steered = true};

	configure_as(t, cookie, (request_id)cookie + 1);
}

static void
probed(worker_id w, enum probe_kind kind, bool ok)
{
	struct event ev = {.kind = EVENT_PROBED, .worker = w};

	ev.probed.kind = kind;
	ev.probed.ok = ok;
	ev.probed.what = ok ? "200 OK" : "503 Service Unavailable";
	take(&ev);
}

/* One look: lens[i] connections wait at seat 0 of slot i. */
static void
look(const unsigned *lens, unsigned n)
{
	struct queue_sample items[8];
	struct event ev = {.kind = EVENT_QUEUES, .app = "web"};

	for (unsigned i = 0; i < n; i++)
		items[i] = (struct queue_sample){.slot = i, .seat = 0, .len = lens[i], .limit = 128};
	ev.queues.items = items;
	ev.queues.len = n;
	now += MS;
	take(&ev);
}

static void
app_is_up(unsigned workers)
{
	configure(workers, 0);
	for (worker_id w = 1; w <= workers; w++) {
		spawned(w);
		probed(w, PROBE_ACCEPT, true);
	}
}

static void
ring_app_is_up(unsigned workers)
{
	configure(workers, 0);
	for (worker_id w = 1; w <= workers; w++) {
		spawned(w);
		simple(EVENT_SPOKE, w);
		simple(EVENT_RING, w);
		ck_assert_ptr_nonnull(find(ACTION_RING_GIVE));
		ck_assert_ptr_null(find(ACTION_RING_JOIN));
		gets_ready(w, READY_BY_CHANNEL);
		ck_assert_ptr_nonnull(find(ACTION_RING_JOIN));
	}
}

START_TEST(connections_wait_where_workers_boot_and_go_to_the_ready_ones)
{
	configure(3, 0);
	ck_assert_str_eq(table(), "0.0 1.0 2.0");
	spawned(1);
	probed(1, PROBE_ACCEPT, true);
	ck_assert_ptr_nonnull(find(ACTION_STEER));
	ck_assert_str_eq(table(), "0.0");
}
END_TEST

START_TEST(silent_program_is_ready_when_it_takes_a_connection)
{
	configure(1, 0);
	spawned(1);
	ck_assert_ptr_null(find(ACTION_PROBE)); /* it may say so itself */
	later(20 * MS);
	ck_assert_int_eq(find(ACTION_PROBE)->probe.kind, PROBE_ACCEPT);
	later(5 * SEC); /* being alive is not enough */
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_STARTING);
	probed(1, PROBE_ACCEPT, true);
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_READY);
}
END_TEST

START_TEST(program_that_takes_no_connection_is_not_ready_in_time)
{
	configure(1, 0);
	spawned(1);
	later(20 * MS);
	later(core_next_deadline(core) - now);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_BACKOFF);
	ck_assert_ptr_nonnull(strstr(core->apps->slots[0]->reason, "took no connection"));
}
END_TEST

START_TEST(einhorns_programs_that_acknowledge_are_waited_for)
{
	struct event ack = {.kind = EVENT_READY, .worker = 1, .ready = {.by = READY_BY_CHANNEL}};

	conf.compat = COMPAT_EINHORN;
	app_is_up(1); /* by accepting: whether it will acknowledge was not known */
	take(&ack);
	configure(1, 1);
	spawned(2);
	for (int i = 0; i < 5; i++) {
		later(SEC);
		ck_assert_ptr_null(find(ACTION_PROBE));
		ck_assert_int_eq(core->apps->slots[0]->next->state, WORKER_STARTING);
	}
	ack.worker = 2;
	take(&ack);
	ck_assert_int_eq(core->apps->slots[0]->current->id, 2);
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_READY);
	configure(1, 2);
	exited(1, 0, SIGTERM);
	spawned(3);
	for (int i = 0; i < 10; i++)
		later(SEC);
	ck_assert_int_eq(core->apps->slots[0]->current->id, 2);
	ck_assert(has_note(NOTE_ROLLOUT_FAILED));
}
END_TEST

START_TEST(replacement_is_tried_on_the_twin_and_gets_everything_at_one_instant)
{
	app_is_up(1);
	configure(1, 1);
	ck_assert_uint_eq(find(ACTION_SPAWN)->seat, 1);
	ck_assert(find(ACTION_SPAWN)->spawn.alone);
	spawned(2);
	ck_assert_str_eq(table(), "0.0");
	probed(2, PROBE_ACCEPT, true);
	ck_assert_str_eq(table(), "0.1");
	ck_assert_int_eq(find(ACTION_WATCH)->watch.kind, WATCH_EMPTY);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	simple(EVENT_EMPTIED, 1);
	ck_assert_int_eq(find(ACTION_WATCH)->watch.kind, WATCH_QUIET);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	simple(EVENT_QUIET, 1);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
}
END_TEST

START_TEST(leading_out_is_bounded_by_stop_timeout)
{
	app_is_up(1);
	configure(1, 1);
	spawned(2);
	probed(2, PROBE_ACCEPT, true);
	later(3 * SEC);
	ck_assert(has_note(NOTE_STRANDED));
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
	later(500 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
}
END_TEST

START_TEST(drain_self_needs_no_quiet)
{
	conf.drain = DRAIN_SELF;
	app_is_up(1);
	configure(1, 1);
	spawned(2);
	probed(2, PROBE_ACCEPT, true);
	simple(EVENT_EMPTIED, 1);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
}
END_TEST

START_TEST(dead_worker_is_followed_by_one_on_the_same_seat)
{
	app_is_up(2);
	exited(1, 0, SIGKILL);
	ck_assert_str_eq(table(), "1.0");
	ck_assert_uint_eq(find(ACTION_SPAWN)->seat, 0);
}
END_TEST

START_TEST(worker_that_dies_while_its_replacement_boots_has_an_heir_on_its_seat)
{
	app_is_up(1);
	configure(1, 1);
	spawned(2);
	exited(1, 0, SIGKILL);
	ck_assert_ptr_nonnull(find(ACTION_SPAWN));
	ck_assert_uint_eq(find(ACTION_SPAWN)->seat, 0);
	ck_assert_uint_eq(find(ACTION_SPAWN)->generation, 2);
}
END_TEST

START_TEST(r10_r21_ring_joins_before_the_old_worker_is_cut)
{
	const struct action *join, *cut, *drain;

	ring_app_is_up(2);
	configure(2, 1);
	spawned(3);
	simple(EVENT_SPOKE, 3);
	simple(EVENT_RING, 3);
	gets_ready(3, READY_BY_CHANNEL);
	join = find(ACTION_RING_JOIN);
	cut = find(ACTION_RING_CUT);
	drain = find(ACTION_DRAIN);
	ck_assert_uint_eq(join->worker, 3);
	ck_assert_uint_eq(cut->worker, 1);
	ck_assert_uint_eq(drain->worker, 1);
	ck_assert(join < cut && cut < drain);
	ck_assert_ptr_null(find(ACTION_WATCH)); /* its neighbours read what waits */
}
END_TEST

START_TEST(on_the_ring_nobody_is_ready_before_he_says_so)
{
	ring_app_is_up(2);
	exited(1, 0, SIGKILL);
	spawned(3);
	later(5 * SEC); /* alive, and slow: whoever is steered to now would take nothing */
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_STARTING);
	ck_assert_str_eq(table(), "1.0");
	later(5 * SEC);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_BACKOFF);
}
END_TEST

START_TEST(last_worker_on_the_ring_empties_the_queue_itself)
{
	ring_app_is_up(1);
	shut_down(SHUTDOWN_GRACEFUL);
	ck_assert_str_eq(table(), "held off");
	ck_assert_int_eq(find(ACTION_WATCH)->watch.kind, WATCH_EMPTY);
	ck_assert_ptr_null(find(ACTION_RING_CUT));
	simple(EVENT_EMPTIED, 1);
	ck_assert_ptr_nonnull(find(ACTION_RING_CUT));
	ck_assert_ptr_nonnull(find(ACTION_DRAIN));
}
END_TEST

START_TEST(queue_that_never_gets_shorter_is_stalled_and_gone_round)
{
	app_is_up(3);
	for (unsigned i = 1; i <= 3; i++) {
		look((unsigned[]){i, 0, 0}, 3);
		ck_assert_str_eq(table(), "0.0 1.0 2.0");
	}
	look((unsigned[]){4, 0, 0}, 3);
	ck_assert_str_eq(table(), "1.0 2.0");
	ck_assert(has_note(NOTE_STALLED));
	ck_assert_int_eq(find(ACTION_PROBE)->probe.kind, PROBE_ACCEPT);
	/* R4: given to the others only a look after it was steered away. */
	ck_assert_ptr_null(find(ACTION_RESCUE));
	look((unsigned[]){4, 0, 0}, 3);
	ck_assert_int_eq(find(ACTION_RESCUE)->slot, 0);
	probed(1, PROBE_ACCEPT, true);
	ck_assert(has_note(NOTE_RECOVERED));
	ck_assert_str_eq(table(), "0.0 1.0 2.0");
}
END_TEST

START_TEST(queue_that_gets_shorter_is_not_stalled)
{
	app_is_up(2);
	for (unsigned i = 0; i < 100; i++) {
		look((unsigned[]){i % 3 == 2 ? 1 : 5 + i % 3, 0}, 2);
		ck_assert_str_eq(table(), "0.0 1.0");
	}
}
END_TEST

START_TEST(r7_all_look_stalled_so_none_is)
{
	app_is_up(2);
	for (unsigned i = 0; i < 6; i++)
		look((unsigned[]){3, 3}, 2);
	ck_assert_str_eq(table(), "0.0 1.0");
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_READY);
	ck_assert_int_eq(core->apps->slots[1]->current->state, WORKER_READY);
}
END_TEST

START_TEST(r7_a_stall_that_lasts_is_not_forgiven)
{
	app_is_up(3);
	for (unsigned i = 0; i < 6; i++)
		look((unsigned[]){3, 0, 0}, 3);
	ck_assert_str_eq(table(), "1.0 2.0");
	for (unsigned i = 0; i < 2 * CORE_ALL_STALLED_MS; i++)
		look((unsigned[]){3, 0, 0}, 3);
	/* The last one serves on, whatever its queue looks like; of the others, who stalled now. */
	for (unsigned i = 0; i < 6; i++)
		look((unsigned[]){3, 3, 3}, 3);
	ck_assert_str_eq(table(), "1.0 2.0");
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_STALLED);
}
END_TEST

/* All are slow for a while, and one of them hangs: that is found out in less than the longest time, and
 * when the others are quick again, in stall_after as ever. */
START_TEST(r7_where_all_are_slow_it_takes_longer_to_be_stalled)
{
	unsigned n = 0;

	app_is_up(3);
	for (unsigned i = 1; i < 7; i++)
		look((unsigned[]){i, i, i}, 3);
	ck_assert_str_eq(table(), "0.0 1.0 2.0");
	ck_assert_uint_ge(core->apps->still_limit_us, 2 * 3 * MS);
	look((unsigned[]){7, 0, 0}, 3);
	while (strcmp(table(), "1.0 2.0") != 0 && n++ < 100)
		look((unsigned[]){7 + n, n % 2, n % 2}, 3);
	ck_assert_uint_lt(n, CORE_ALL_STALLED_MS / 2);
	probed(1, PROBE_ACCEPT, true);

	for (unsigned i = 0; i < 6 * CORE_ALL_STALLED_FORGET_MS; i += 10, now += 9 * MS)
		look((unsigned[]){0, 0, 0}, 3);
	ck_assert_uint_eq(core->apps->still_limit_us, 0);
	for (unsigned i = 1; i <= 4; i++)
		look((unsigned[]){i, 0, 0}, 3);
	ck_assert_str_eq(table(), "1.0 2.0");
}
END_TEST

START_TEST(r7_a_long_stall_after_is_doubled_too)
{
	conf.stall_after_ms = 200;
	app_is_up(2);
	for (unsigned i = 0; i < 10; i++)
		look((unsigned[]){3, 0}, 2);
	for (unsigned i = 10; i < 300; i++) {
		look((unsigned[]){3, 3}, 2);
		if (i == 205)
			ck_assert_str_eq(table(), "1.0");
	}
	/* The second is as slow: both serve. */
	ck_assert_str_eq(table(), "0.0 1.0");
	ck_assert_uint_eq(core->apps->still_limit_us, 400 * MS);
}
END_TEST

START_TEST(r9_stranded_connection_is_kicked_to_one_neighbour_after_the_other)
{
	worker_id first;

	ring_app_is_up(3);
	look((unsigned[]){1, 0, 0}, 3);
	ck_assert_ptr_null(find(ACTION_KICK));
	look((unsigned[]){1, 0, 0}, 3);
	ck_assert_int_eq(find(ACTION_KICK)->slot, 0);
	first = find(ACTION_KICK)->worker;
	look((unsigned[]){1, 0, 0}, 3);
	ck_assert_uint_ne(find(ACTION_KICK)->worker, first);
}
END_TEST

START_TEST(sticky_stranded_connections_are_their_own_slots)
{
	conf.balance = BALANCE_STICKY;
	ring_app_is_up(3);
	for (unsigned i = 0; i < 10; i++) {
		look((unsigned[]){0, 1, 0}, 3);
		if (i == 0)
			continue;
		ck_assert_int_eq(find(ACTION_KICK)->slot, 1);
		ck_assert_uint_eq(find(ACTION_KICK)->worker, core->apps->slots[1]->current->id);
	}
	exited(2, 0, SIGKILL);
	look((unsigned[]){0, 1, 0}, 3);
	ck_assert_ptr_null(find(ACTION_KICK));
}
END_TEST

START_TEST(sticky_clients_stay_with_their_slots)
{
	conf.balance = BALANCE_STICKY;
	app_is_up(3);
	exited(2, 0, SIGKILL);
	ck_assert_str_eq(table(), "0.0 1.0 2.0");
	for (unsigned i = 0; i < 10; i++)
		look((unsigned[]){9, 0, 0}, 3);
	ck_assert_str_eq(table(), "0.0 1.0 2.0");
}
END_TEST

START_TEST(watchdog_aborts_what_stays_stalled)
{
	conf.watchdog_ms = 1000;
	app_is_up(2);
	for (unsigned i = 0; i < 6; i++)
		look((unsigned[]){3, 0}, 2);
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_STALLED);
	later(SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	ck_assert_uint_eq(find(ACTION_SPAWN)->seat, 0); /* what waits there needs a reader */
	ck_assert_int_eq(core->apps->slots[0]->leaving->cause, CAUSE_WATCHDOG);
	later(500 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGKILL);
}
END_TEST

START_TEST(p7_worker_that_answers_no_ping_is_aborted)
{
	conf.watchdog_ms = 1000;
	ring_app_is_up(2);
	later(501 * MS);
	ck_assert_ptr_nonnull(find(ACTION_PING));
	simple(EVENT_ALIVE, 1);
	later(501 * MS);
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_READY);
	ck_assert_int_eq(core->apps->slots[1]->current->state, WORKER_STALLED);
	later(500 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	ck_assert_int_eq(core->apps->slots[1]->leaving->cause, CAUSE_WATCHDOG);
}
END_TEST

/* In steps, so that nobody takes it for a standstill. Nothing may come of it. */
static void
quietly(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		later(SEC);
		ck_assert_ptr_null(find(ACTION_SIGNAL));
	}
}

static void
says_alive(worker_id w)
{
	struct event ev = {.kind = EVENT_ALIVE, .worker = w, .alive = {.unasked = true}};

	take(&ev);
}

static const struct worker *
slot_worker(unsigned slot)
{
	return core->apps->slots[slot]->current;
}

START_TEST(silence_of_one_that_says_watchdog_is_aborted_when_its_time_is_over)
{
	conf.watchdog_ms = 1000;
	app_is_up(2);
	says_alive(1);
	for (unsigned i = 0; i < 4; i++) {
		later(950 * MS);
		ck_assert_ptr_null(find(ACTION_SIGNAL));
		says_alive(1);
	}
	later(999 * MS);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_READY);
	later(1 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	ck_assert_int_eq(core->apps->slots[0]->leaving->cause, CAUSE_WATCHDOG);
	ck_assert_ptr_nonnull(find(ACTION_SPAWN));
	exited(1, 0, SIGABRT);
	/* The other one never said a word, and nobody waits for it. */
	quietly(60);
	ck_assert_int_eq(slot_worker(1)->state, WORKER_READY);
}
END_TEST

START_TEST(one_that_says_watchdog_is_not_pinged)
{
	conf.watchdog_ms = 1000;
	ring_app_is_up(2);
	says_alive(1);
	for (unsigned i = 0; i < 6; i++) {
		later(400 * MS);
		says_alive(1);
		simple(EVENT_ALIVE, 2);
		for (size_t k = 0; k < actions.len; k++)
			ck_assert(actions.items[k].kind != ACTION_PING ||
			          actions.items[k].worker == 2);
	}
	ck_assert_int_eq(slot_worker(0)->state, WORKER_READY);
	ck_assert_int_eq(slot_worker(1)->state, WORKER_READY);
}
END_TEST

START_TEST(a_word_before_ready_counts_from_ready_on)
{
	conf.watchdog_ms = 1000;
	conf.ready = READY_NOTIFY;
	configure(1, 0);
	spawned(1);
	says_alive(1);
	quietly(5);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_STARTING);
	gets_ready(1, READY_BY_NOTIFY);
	later(999 * MS);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_READY);
	later(1 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
}
END_TEST

static void
sets_interval(worker_id w, uint64_t us)
{
	struct event ev = {.kind = EVENT_INTERVAL, .worker = w, .interval = {.us = us}};

	take(&ev);
}

START_TEST(interval_is_the_workers_own)
{
	app_is_up(2);
	says_alive(1);
	quietly(60); /* watchdog = 0: nobody waits */
	sets_interval(1, 2 * SEC);
	quietly(1);
	later(999 * MS);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	sets_interval(1, 3 * SEC); /* which is a word, too */
	quietly(2);
	later(999 * MS);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	sets_interval(1, 0);
	quietly(60);
	sets_interval(1, UINT64_MAX);
	quietly(60);
	sets_interval(1, 10 * MS);
	later(10 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
}
END_TEST

START_TEST(silence_is_noticed_while_the_queue_stalls_it)
{
	conf.watchdog_ms = 60000;
	app_is_up(2);
	sets_interval(1, 5 * SEC);
	quietly(4);
	for (unsigned i = 0; i < 6; i++)
		look((unsigned[]){3, 0}, 2);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_STALLED);
	says_alive(1); /* its timer thread lives, its accepting one does not: stalled it stays */
	quietly(4);
	says_alive(1);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_STALLED);
	quietly(4);
	later(999 * MS);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	later(1 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	ck_assert_int_eq(core->apps->slots[0]->leaving->cause, CAUSE_WATCHDOG);
}
END_TEST

START_TEST(m4_standstill_of_the_master_is_nobodys_silence)
{
	conf.watchdog_ms = 1000;
	app_is_up(2);
	says_alive(1);
	now += 100 * SEC;
	simple(EVENT_TIME, 0);
	ck_assert(has_note(NOTE_LATE));
	for (unsigned i = 0; i < 6; i++)
		look((unsigned[]){3, 0}, 2);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_STALLED);
	later(993 * MS);
	ck_assert_int_eq(slot_worker(0)->state, WORKER_STALLED);
	later(1 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
}
END_TEST

START_TEST(trigger_aborts_at_once_whatever_the_worker_does)
{
	conf.ready = READY_NOTIFY;
	conf.drain = DRAIN_QUIET;
	conf.abort_timeout_ms = 0;
	configure(2, 0);
	spawned(1);
	spawned(2);
	gets_ready(1, READY_BY_NOTIFY);
	simple(EVENT_TRIGGER, 2); /* starting */
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGKILL);
	ck_assert_int_eq(core->apps->slots[1]->leaving->cause, CAUSE_WATCHDOG);
	exited(2, 0, SIGKILL);
	ck_assert_int_eq(core->apps->slots[1]->state, SLOT_BACKOFF);
	simple(EVENT_TRIGGER, 1); /* ready */
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGKILL);
	ck_assert_int_eq(core->apps->slots[0]->leaving->cause, CAUSE_WATCHDOG);
	simple(EVENT_TRIGGER, 1); /* ends anyway */
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	ck_assert(has_note(NOTE_IGNORED));
}
END_TEST

START_TEST(trigger_while_draining_ends_the_waiting)
{
	conf.drain = DRAIN_QUIET;
	app_is_up(1);
	configure(1, 1);
	spawned(2);
	gets_ready(2, READY_BY_NOTIFY);
	ck_assert_int_eq(core->apps->slots[0]->leaving->state, WORKER_DRAINING);
	simple(EVENT_TRIGGER, 1);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	ck_assert_int_eq(find(ACTION_WATCH)->watch.kind, WATCH_NONE);
	ck_assert_int_eq(core->apps->slots[0]->leaving->cause, CAUSE_RELOAD);
}
END_TEST

START_TEST(failing_probe_replaces_the_worker_gracefully)
{
	conf.probe_path = (char *)"/healthz";
	app_is_up(1);
	later(SEC);
	ck_assert_int_eq(find(ACTION_PROBE)->probe.kind, PROBE_HEALTH);
	probed(1, PROBE_HEALTH, false);
	ck_assert(has_note(NOTE_PROBE_FAILED));
	later(SEC);
	probed(1, PROBE_HEALTH, false);
	later(0);
	ck_assert_ptr_nonnull(find(ACTION_SPAWN));
	ck_assert_int_eq(core->apps->slots[0]->current->state, WORKER_READY);
	spawned(2);
	probed(2, PROBE_ACCEPT, true);
	ck_assert_int_eq(core->apps->slots[0]->leaving->cause, CAUSE_PROBE);
}
END_TEST

START_TEST(nobody_serves_and_the_next_start_is_far)
{
	conf.restart_delay_max_ms = 5000;
	conf.restart_delay_ms = 2000;
	configure(1, 0);
	spawned(1);
	exited(1, 1, 0);
	ck_assert_str_eq(table(), "held off");
	ck_assert(has_note(NOTE_HELD_OFF));
	later(core_next_deadline(core) - now);
	spawned(2);
	ck_assert_str_eq(table(), "held off"); /* until somebody is ready */
	probed(2, PROBE_ACCEPT, true);
	ck_assert_str_eq(table(), "0.0");
}
END_TEST

START_TEST(nobody_serves_and_the_queue_is_half_full)
{
	configure(2, 0);
	spawned(1);
	look((unsigned[]){64, 0}, 2);
	ck_assert_str_eq(table(), "0.0 1.0");
	look((unsigned[]){65, 0}, 2);
	ck_assert_str_eq(table(), "held off");
}
END_TEST

START_TEST(r24_stop_refuses_first_then_empties_then_signals)
{
	app_is_up(2);
	shut_down(SHUTDOWN_GRACEFUL);
	ck_assert_str_eq(table(), "held off");
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	simple(EVENT_EMPTIED, 1);
	simple(EVENT_QUIET, 1);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
}
END_TEST

START_TEST(drained_slot_rests_until_it_is_resumed)
{
	struct event ev = {.kind = EVENT_DRAIN, .app = "web", .request = 7};

	app_is_up(2);
	ev.drain.slot = 1;
	take(&ev);
	ck_assert_str_eq(table(), "0.0");
	ck_assert_ptr_null(find(ACTION_REPLY));
	simple(EVENT_EMPTIED, 2);
	simple(EVENT_QUIET, 2);
	exited(2, 0, 0);
	ck_assert_uint_eq(find(ACTION_REPLY)->reply.request, 7);
	ck_assert_int_eq(core->apps->slots[1]->state, SLOT_RESTING);
	ev.kind = EVENT_RESUME;
	ev.request = 8;
	take(&ev);
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 1);
}
END_TEST

START_TEST(drained_apps_keep_their_connections_waiting_and_a_reload_brings_them_back)
{
	struct event ev = {.kind = EVENT_DRAIN, .app = NULL, .request = 7};

	app_is_up(1);
	ev.drain.slot = -1;
	take(&ev);
	ck_assert_str_eq(table(), "0.1"); /* nobody reads there, but it will be read */
	simple(EVENT_EMPTIED, 1);
	simple(EVENT_QUIET, 1);
	exited(1, 0, 0);
	ck_assert_uint_eq(find(ACTION_REPLY)->reply.request, 7);
	configure(1, 1);
	ck_assert_uint_eq(find(ACTION_SPAWN)->seat, 1);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, connections_wait_where_workers_boot_and_go_to_the_ready_ones);
	tcase_add_test(t, silent_program_is_ready_when_it_takes_a_connection);
	tcase_add_test(t, program_that_takes_no_connection_is_not_ready_in_time);
	tcase_add_test(t, einhorns_programs_that_acknowledge_are_waited_for);
	tcase_add_test(t, replacement_is_tried_on_the_twin_and_gets_everything_at_one_instant);
	tcase_add_test(t, leading_out_is_bounded_by_stop_timeout);
	tcase_add_test(t, drain_self_needs_no_quiet);
	tcase_add_test(t, dead_worker_is_followed_by_one_on_the_same_seat);
	tcase_add_test(t, worker_that_dies_while_its_replacement_boots_has_an_heir_on_its_seat);
	tcase_add_test(t, r10_r21_ring_joins_before_the_old_worker_is_cut);
	tcase_add_test(t, on_the_ring_nobody_is_ready_before_he_says_so);
	tcase_add_test(t, last_worker_on_the_ring_empties_the_queue_itself);
	tcase_add_test(t, queue_that_never_gets_shorter_is_stalled_and_gone_round);
	tcase_add_test(t, queue_that_gets_shorter_is_not_stalled);
	tcase_add_test(t, r7_all_look_stalled_so_none_is);
	tcase_add_test(t, r7_a_stall_that_lasts_is_not_forgiven);
	tcase_add_test(t, r7_a_long_stall_after_is_doubled_too);
	tcase_add_test(t, r7_where_all_are_slow_it_takes_longer_to_be_stalled);
	tcase_add_test(t, r9_stranded_connection_is_kicked_to_one_neighbour_after_the_other);
	tcase_add_test(t, sticky_stranded_connections_are_their_own_slots);
	tcase_add_test(t, sticky_clients_stay_with_their_slots);
	tcase_add_test(t, watchdog_aborts_what_stays_stalled);
	tcase_add_test(t, p7_worker_that_answers_no_ping_is_aborted);
	tcase_add_test(t, silence_of_one_that_says_watchdog_is_aborted_when_its_time_is_over);
	tcase_add_test(t, one_that_says_watchdog_is_not_pinged);
	tcase_add_test(t, a_word_before_ready_counts_from_ready_on);
	tcase_add_test(t, interval_is_the_workers_own);
	tcase_add_test(t, silence_is_noticed_while_the_queue_stalls_it);
	tcase_add_test(t, m4_standstill_of_the_master_is_nobodys_silence);
	tcase_add_test(t, trigger_aborts_at_once_whatever_the_worker_does);
	tcase_add_test(t, trigger_while_draining_ends_the_waiting);
	tcase_add_test(t, failing_probe_replaces_the_worker_gracefully);
	tcase_add_test(t, nobody_serves_and_the_next_start_is_far);
	tcase_add_test(t, nobody_serves_and_the_queue_is_half_full);
	tcase_add_test(t, r24_stop_refuses_first_then_empties_then_signals);
	tcase_add_test(t, drained_slot_rests_until_it_is_resumed);
	tcase_add_test(t, drained_apps_keep_their_connections_waiting_and_a_reload_brings_them_back);
}

int
main(void)
{
	return run_suite("core steering", setup, teardown, add_tests);
}
