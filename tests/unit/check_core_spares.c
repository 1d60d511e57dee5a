/*
 * check_core_spares: workers of Node's that wait to take over (spare.c): single decisions of the core,
 * each from the events that lead to it.
 */
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "core_support.h"

static void
setup(void)
{
	core_support_setup();
	conf.balance = BALANCE_EVEN;
	conf.ready = READY_AUTO;
	conf.listen_len = 1;
	conf.spares = 1;
	conf.crash_refill_ms = 600000;
	conf.stall_after_ms = 3;
}

static void
configure(unsigned workers, int cookie)
{
	const struct core_target t = {.workers = workers, .steered = true, .node = true};

	configure_as(t, cookie, (request_id)cookie + 1);
}

static void
on_app(enum event_kind kind)
{
	struct event ev = {.kind = kind, .app = "web"};

	if (kind == EVENT_DRAIN || kind == EVENT_RESUME)
		ev.drain.slot = -1;
	take(&ev);
}

static void
listening(worker_id w)
{
	gets_ready(w, READY_BY_LISTENING);
}

/* Of a slot: from the fork to `listening`. */
static void
serve(worker_id w)
{
	spawned(w);
	simple(EVENT_ASKED, w);
	listening(w);
}

static void
park(worker_id w)
{
	spawned(w);
	simple(EVENT_ASKED, w);
}

/* Workers 1..n serve, and n+1.. are parked. */
static void
app_is_up(unsigned workers)
{
	worker_id w = 0;

	configure(workers, 0);
	while (w < workers)
		serve(++w);
	for (unsigned i = 0; i < conf.spares; i++)
		park(++w);
}

static const struct worker *
in_slot(unsigned slot)
{
	return core->apps->slots[slot]->current;
}

static const struct slot *
place(unsigned i)
{
	return core->apps->spares[i];
}

START_TEST(spares_come_after_the_slots_and_hold_up_no_start)
{
	conf.spares = 2;
	configure(2, 0);
	ck_assert_uint_eq(count(ACTION_SPAWN), 2);
	serve(1);
	ck_assert_ptr_null(find(ACTION_SPAWN));
	serve(2);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
	ck_assert_uint_eq(count(ACTION_SPAWN), 2);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 2);
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 2);
	ck_assert(!find(ACTION_SPAWN)->spawn.alone);
	ck_assert_uint_eq(app_count_ready(core->apps), 2);
}
END_TEST

START_TEST(workers_are_answered_and_spares_are_parked)
{
	configure(1, 0);
	spawned(1);
	simple(EVENT_ASKED, 1);
	ck_assert_uint_eq(find(ACTION_ANSWER)->worker, 1);
	listening(1);
	spawned(2);
	simple(EVENT_ASKED, 2);
	ck_assert_ptr_null(find(ACTION_ANSWER));
	ck_assert_int_eq(place(0)->current->state, WORKER_PARKED);
	/* It may have several servers. */
	simple(EVENT_ASKED, 2);
	ck_assert_ptr_null(find(ACTION_ANSWER));
	later(3600 * SEC);
	ck_assert_int_eq(place(0)->current->state, WORKER_PARKED);
}
END_TEST

START_TEST(spare_takes_the_slot_of_a_dead_worker_at_once)
{
	unsigned seat;

	app_is_up(2);
	seat = in_slot(1)->seat;
	exited(2, 0, SIGKILL);
	ck_assert_uint_eq(find(ACTION_ANSWER)->worker, 3);
	ck_assert_int_eq(find(ACTION_ANSWER)->slot, 1);
	ck_assert_uint_eq(find(ACTION_ANSWER)->seat, seat);
	ck_assert(has_note(NOTE_SPARE_SERVES));
	ck_assert_uint_eq(in_slot(1)->id, 3);
	ck_assert_uint_eq(in_slot(1)->number, 2);
	ck_assert_int_eq(in_slot(1)->state, WORKER_STARTING);
	ck_assert_uint_eq(core->apps->slots[1]->restarts, 1);
	/* The next spare lets it come first. */
	ck_assert_ptr_null(find(ACTION_SPAWN));
	listening(3);
	ck_assert_int_eq(core->apps->slots[1]->state, SLOT_SERVING);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 3);
}
END_TEST

START_TEST(slot_has_its_own_number_again_when_no_spare_is_there)
{
	app_is_up(2);
	exited(2, 0, SIGKILL);
	listening(3);
	exited(3, 0, SIGKILL);
	ck_assert_ptr_null(find(ACTION_ANSWER));
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 1);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 1);
}
END_TEST

START_TEST(watchdog_makes_room_for_a_spare)
{
	app_is_up(2);
	simple(EVENT_TRIGGER, 1);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	ck_assert_uint_eq(find(ACTION_ANSWER)->worker, 3);
	ck_assert_uint_eq(in_slot(0)->id, 3);
}
END_TEST

START_TEST(worker_that_drains_on_its_own_is_followed_by_a_spare)
{
	app_is_up(2);
	simple(EVENT_STOPPING, 1);
	ck_assert_uint_eq(in_slot(0)->id, 3);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
}
END_TEST

START_TEST(spare_that_does_not_get_ready_counts_for_its_slot)
{
	app_is_up(2);
	exited(1, 0, SIGKILL);
	exited(3, 1, 0);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_BACKOFF);
	/* Another spare, and when its time has come the slot takes it. */
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 2);
	park(4);
	ck_assert_ptr_null(find(ACTION_ANSWER));
	later(200 * MS);
	ck_assert_uint_eq(find(ACTION_ANSWER)->worker, 4);
	ck_assert_int_eq(find(ACTION_ANSWER)->slot, 0);
}
END_TEST

START_TEST(promoted_spare_has_the_time_of_a_start)
{
	app_is_up(2);
	exited(1, 0, SIGKILL);
	later(10 * SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_BACKOFF);
}
END_TEST

START_TEST(spares_make_no_crash_loop_faster)
{
	conf.crash_burst = 0;
	app_is_up(1);
	exited(1, 0, SIGSEGV);
	/* What the slot would have waited for, its next spare waits for. */
	ck_assert_uint_eq(in_slot(0)->id, 2);
	ck_assert_int_eq(place(0)->state, SLOT_BACKOFF);
	ck_assert_uint_eq(place(0)->timer.due_us, now + 100 * MS);
	listening(2);
	exited(2, 0, SIGSEGV);
	/* And what it waits for now comes after that. */
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_BACKOFF);
	ck_assert_uint_eq(core->apps->slots[0]->timer.due_us, now + 300 * MS);
	ck_assert_ptr_null(find(ACTION_SPAWN));
}
END_TEST

START_TEST(what_is_not_started_again_is_not_taken_over)
{
	conf.no_restart_codes[3] = 1;
	app_is_up(2);
	exited(1, 3, 0);
	ck_assert_ptr_null(in_slot(0));
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_FAILED);
	ck_assert_int_eq(place(0)->current->state, WORKER_PARKED);
}
END_TEST

START_TEST(parked_spare_that_dies_is_followed_by_another)
{
	app_is_up(2);
	exited(3, 0, SIGKILL);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 2);
	ck_assert_uint_eq(app_count_ready(core->apps), 2);
}
END_TEST

START_TEST(spare_that_dies_at_boot_is_tried_later_and_less_and_less)
{
	conf.restart_limit = 3;
	app_is_up(2);
	exited(3, 0, SIGKILL);
	for (worker_id w = 4; w < 6; w++) {
		spawned(w);
		exited(w, 1, 0);
		ck_assert_int_eq(place(0)->state, SLOT_BACKOFF);
		ck_assert_ptr_null(find(ACTION_SPAWN));
		later(SEC);
		ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	}
	spawned(6);
	exited(6, 1, 0);
	ck_assert_int_eq(place(0)->state, SLOT_FAILED);
	ck_assert(has_note(NOTE_SPARE_FAILED));
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_SERVING);
	on_app(EVENT_START);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(spare_that_never_asks_is_stopped)
{
	configure(1, 0);
	serve(1);
	spawned(2);
	later(10 * SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1002);
	ck_assert_int_eq(place(0)->state, SLOT_BACKOFF);
}
END_TEST

/* The sibling listens just before its own short time is over, which is no reason to stop it. */
START_TEST(who_will_listen_after_all_has_the_whole_time)
{
	conf.listen_len = 0;
	conf.spares = 0;
	configure(2, 0);
	spawned(1);
	spawned(2);
	later(CORE_LISTEN_WAIT_MS * MS - 1);
	simple(EVENT_ASKED, 1);
	listening(1);
	later(1);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	ck_assert_int_eq(core->apps->slots[1]->current->state, WORKER_STARTING);
	later(conf.ready_timeout_ms * MS - CORE_LISTEN_WAIT_MS * MS);
	ck_assert_ptr_nonnull(find(ACTION_SIGNAL));
}
END_TEST

START_TEST(program_that_may_never_listen_gets_no_further_spare)
{
	conf.listen_len = 0;
	configure(1, 0);
	spawned(1);
	later(CORE_LISTEN_WAIT_MS * MS);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_SERVING);
	spawned(2);
	later(10 * SEC);
	ck_assert_int_eq(place(0)->state, SLOT_FAILED);
	ck_assert(has_note(NOTE_SPARE_FAILED));
}
END_TEST

START_TEST(spare_without_a_channel_is_no_use)
{
	app_is_up(1);
	simple(EVENT_CHANNEL_CLOSED, 2);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1002);
	ck_assert_uint_eq(find(ACTION_SPAWN)->worker, 3);
	exited(1, 0, SIGKILL);
	ck_assert_ptr_null(find(ACTION_ANSWER));
}
END_TEST

START_TEST(what_a_spare_said_counts_when_it_has_a_slot)
{
	struct event ev = {.kind = EVENT_READY, .worker = 2, .ready.by = READY_BY_CHANNEL};

	conf.ready = READY_CHANNEL;
	configure(1, 0);
	spawned(1);
	ev.worker = 1;
	take(&ev);
	spawned(2);
	ev.worker = 2;
	take(&ev);
	simple(EVENT_ASKED, 2);
	ck_assert_int_eq(place(0)->current->state, WORKER_PARKED);
	exited(1, 0, SIGKILL);
	ck_assert_ptr_nonnull(find(ACTION_ANSWER));
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_SERVING);
}
END_TEST

START_TEST(reload_replaces_spares_when_it_is_done)
{
	app_is_up(1);
	configure(1, 1);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_int_eq(place(0)->current->state, WORKER_PARKED);
	spawned(3);
	simple(EVENT_ASKED, 3);
	ck_assert_uint_eq(find(ACTION_ANSWER)->worker, 3);
	listening(3);
	ck_assert(has_note(NOTE_ROLLOUT_DONE));
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1002);
	ck_assert_uint_eq(find(ACTION_SPAWN)->generation, 2);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 1);
}
END_TEST

START_TEST(old_slot_takes_an_old_spare_while_its_replacement_starts)
{
	app_is_up(1);
	configure(1, 1);
	spawned(3);
	exited(1, 0, SIGKILL);
	ck_assert_uint_eq(in_slot(0)->id, 2);
	ck_assert_uint_eq(core->apps->slots[0]->next->id, 3);
	listening(2);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_SERVING);
	/* No other spare is started before the rollout is over. */
	ck_assert_ptr_null(find(ACTION_SPAWN));
	simple(EVENT_ASKED, 3);
	listening(3);
	ck_assert_uint_eq(in_slot(0)->id, 3);
	ck_assert_uint_eq(find(ACTION_SPAWN)->generation, 2);
}
END_TEST

START_TEST(replacement_goes_on_when_the_spare_fails)
{
	app_is_up(1);
	configure(1, 1);
	spawned(3);
	exited(1, 0, SIGKILL);
	exited(2, 1, 0);
	ck_assert_uint_eq(in_slot(0)->id, 3);
	ck_assert_ptr_null(core->apps->slots[0]->next);
	simple(EVENT_ASKED, 3);
	listening(3);
	ck_assert(has_note(NOTE_ROLLOUT_DONE));
}
END_TEST

START_TEST(failed_rollout_keeps_the_spares)
{
	app_is_up(1);
	configure(1, 1);
	spawned(3);
	exited(3, 1, 0);
	ck_assert(has_note(NOTE_ROLLOUT_FAILED));
	ck_assert_int_eq(place(0)->current->state, WORKER_PARKED);
	exited(1, 0, SIGKILL);
	ck_assert_uint_eq(in_slot(0)->id, 2);
}
END_TEST

START_TEST(new_slot_takes_the_spare_of_its_number)
{
	struct event ev = {.kind = EVENT_SCALE, .app = "web", .scale.workers = 3};

	conf.spares = 2;
	app_is_up(2);
	take(&ev);
	ck_assert_uint_eq(in_slot(2)->id, 3);
	ck_assert_uint_eq(in_slot(2)->number, 2);
	ck_assert_ptr_nonnull(find(ACTION_ANSWER));
	ck_assert_ptr_null(find(ACTION_SPAWN));
	listening(3);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 4);
}
END_TEST

START_TEST(spare_that_boots_makes_room_for_a_new_slot)
{
	struct event ev = {.kind = EVENT_SCALE, .app = "web", .scale.workers = 2};

	configure(1, 0);
	serve(1);
	spawned(2);
	take(&ev);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1002);
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 1);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 1);
	serve(3);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 2);
}
END_TEST

START_TEST(number_that_is_taken_is_not_given_twice)
{
	struct event ev = {.kind = EVENT_SCALE, .app = "web", .scale.workers = 2};

	app_is_up(1);
	exited(1, 0, SIGKILL);
	take(&ev); /* slot 0 is served by number 1 */
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 1);
	ck_assert_uint_eq(find(ACTION_SPAWN)->spawn.number, 2);
}
END_TEST

START_TEST(spare_is_killed_by_its_number)
{
	struct event ev = {.kind = EVENT_KILL, .app = "web", .request = 9};

	app_is_up(2);
	ev.kill.slot = 2;
	ev.kill.signal = SIGKILL;
	take(&ev);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1003);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
	exited(3, 0, SIGKILL);
	ck_assert_int_eq(find(ACTION_OBITUARY)->obituary.cause, CAUSE_OPERATOR);
	ck_assert_int_eq(find(ACTION_OBITUARY)->slot, 2);
}
END_TEST

START_TEST(app_that_stops_takes_its_spares_along)
{
	app_is_up(1);
	on_app(EVENT_STOP);
	ck_assert_uint_eq(count(ACTION_SIGNAL), 1);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1002);
	simple(EVENT_EMPTIED, 1);
	exited(1, 0, 0);
	ck_assert(!has_note(NOTE_APP_STOPPED));
	exited(2, 0, SIGTERM);
	ck_assert(has_note(NOTE_APP_STOPPED));
	on_app(EVENT_START);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	serve(3);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(drained_app_has_no_spares)
{
	app_is_up(1);
	on_app(EVENT_DRAIN);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1002);
	simple(EVENT_EMPTIED, 1);
	exited(1, 0, 0);
	exited(2, 0, 0);
	on_app(EVENT_RESUME);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 0);
}
END_TEST

START_TEST(shutdown_ends_spares)
{
	app_is_up(1);
	shut_down(SHUTDOWN_QUICK);
	ck_assert_uint_eq(count(ACTION_SIGNAL), 2);
	exited(1, 0, SIGTERM);
	ck_assert_ptr_null(find(ACTION_EXIT));
	exited(2, 0, SIGTERM);
	ck_assert_ptr_nonnull(find(ACTION_EXIT));
}
END_TEST

START_TEST(f6_places_that_find_no_memory_refuse_the_app)
{
	struct core_target t = {
	    .conf = &conf, .launch = &cookies[0], .workers = 1, .steered = true, .node = true};
	struct event ev = {.kind = EVENT_CONFIGURE, .request = 1};
	int n;

	ev.configure.targets = &t;
	ev.configure.len = 1;
	for (n = 1; n < 40; n++) {
		bool refused;

		teardown();
		setup();
		conf.spares = 3;
		actions.len = 0;
		mem_fail_at((unsigned)n, 1);
		refused = core_step(core, now, &ev, &actions) != 0 || find(ACTION_FORGET);
		mem_fail_at(0, 0);
		ck_assert_ptr_null(core_check(core));
		if (!refused)
			break;
	}
	ck_assert_int_gt(n, 8);
	ck_assert_int_lt(n, 40);
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, spares_come_after_the_slots_and_hold_up_no_start);
	tcase_add_test(t, workers_are_answered_and_spares_are_parked);
	tcase_add_test(t, spare_takes_the_slot_of_a_dead_worker_at_once);
	tcase_add_test(t, slot_has_its_own_number_again_when_no_spare_is_there);
	tcase_add_test(t, watchdog_makes_room_for_a_spare);
	tcase_add_test(t, worker_that_drains_on_its_own_is_followed_by_a_spare);
	tcase_add_test(t, spare_that_does_not_get_ready_counts_for_its_slot);
	tcase_add_test(t, promoted_spare_has_the_time_of_a_start);
	tcase_add_test(t, spares_make_no_crash_loop_faster);
	tcase_add_test(t, what_is_not_started_again_is_not_taken_over);
	tcase_add_test(t, parked_spare_that_dies_is_followed_by_another);
	tcase_add_test(t, spare_that_dies_at_boot_is_tried_later_and_less_and_less);
	tcase_add_test(t, spare_that_never_asks_is_stopped);
	tcase_add_test(t, who_will_listen_after_all_has_the_whole_time);
	tcase_add_test(t, program_that_may_never_listen_gets_no_further_spare);
	tcase_add_test(t, spare_without_a_channel_is_no_use);
	tcase_add_test(t, what_a_spare_said_counts_when_it_has_a_slot);
	tcase_add_test(t, reload_replaces_spares_when_it_is_done);
	tcase_add_test(t, old_slot_takes_an_old_spare_while_its_replacement_starts);
	tcase_add_test(t, replacement_goes_on_when_the_spare_fails);
	tcase_add_test(t, failed_rollout_keeps_the_spares);
	tcase_add_test(t, new_slot_takes_the_spare_of_its_number);
	tcase_add_test(t, spare_that_boots_makes_room_for_a_new_slot);
	tcase_add_test(t, number_that_is_taken_is_not_given_twice);
	tcase_add_test(t, spare_is_killed_by_its_number);
	tcase_add_test(t, app_that_stops_takes_its_spares_along);
	tcase_add_test(t, drained_app_has_no_spares);
	tcase_add_test(t, shutdown_ends_spares);
	tcase_add_test(t, f6_places_that_find_no_memory_refuse_the_app);
}

int
main(void)
{
	return run_suite("core spares", setup, teardown, add_tests);
}
