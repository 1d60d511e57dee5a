/*
 * check_core: single decisions of the core, each from the events that lead to it. Whole lives are
 * tests/sim's work; what stands here is what a reader wants to see spelled out.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "core_support.h"

static void
setup(void)
{
	core_support_setup();
	conf.ready = READY_NOTIFY;
}

static const struct action *
find_last(enum action_kind kind)
{
	for (size_t i = actions.len; i > 0; i--)
		if (actions.items[i - 1].kind == kind)
			return &actions.items[i - 1];
	return NULL;
}

static void
configure(unsigned workers, int cookie, request_id request)
{
	configure_as((struct core_target){.workers = workers}, cookie, request);
}

static void
ready(worker_id w)
{
	gets_ready(w, READY_BY_NOTIFY);
}

static void
app_is_up(unsigned workers)
{
	configure(workers, 0, 0);
	for (worker_id w = 1; w <= workers; w++) {
		spawned(w);
		ready(w);
	}
}

START_TEST(first_start_spawns_all_slots_at_once)
{
	configure(4, 0, 7);
	ck_assert_uint_eq(count(ACTION_SPAWN), 4);
	ck_assert_ptr_null(find(ACTION_REPLY));
}
END_TEST

START_TEST(start_is_answered_when_the_last_slot_is_ready)
{
	configure(2, 0, 7);
	spawned(1);
	spawned(2);
	ready(1);
	ck_assert_ptr_null(find(ACTION_REPLY));
	ready(2);
	ck_assert_ptr_nonnull(find(ACTION_REPLY));
	ck_assert_uint_eq(find(ACTION_REPLY)->reply.request, 7);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
}
END_TEST

START_TEST(p1_death_after_ready_is_replaced_at_once)
{
	app_is_up(2);
	exited(1, 0, SIGSEGV);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_int_eq(find(ACTION_SPAWN)->slot, 0);
	ck_assert_int_eq(find(ACTION_OBITUARY)->obituary.cause, CAUSE_SIGNAL);
	ck_assert(!find(ACTION_OBITUARY)->obituary.expected);
}
END_TEST

START_TEST(p2_all_slots_failed_at_first_start_ends_the_master)
{
	configure(1, 0, 7);
	conf.restart_limit = 2;
	spawned(1);
	exited(1, 1, 0);
	ck_assert_ptr_null(find(ACTION_SPAWN));
	later(SEC);
	ck_assert_ptr_nonnull(find(ACTION_SPAWN));
	spawned(2);
	exited(2, 1, 0);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_FAILED);
	ck_assert_ptr_nonnull(find(ACTION_EXIT));
	ck_assert_int_eq(find(ACTION_EXIT)->exit.code, 1);
}
END_TEST

START_TEST(p4_configured_code_fails_the_slot)
{
	conf.no_restart_codes[3] = 1;
	app_is_up(2);
	exited(1, 3, 0);
	ck_assert_ptr_null(find(ACTION_SPAWN));
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_FAILED);
	ck_assert_int_eq(core->apps->slots[1]->state, SLOT_SERVING);
}
END_TEST

START_TEST(p11_daemon_is_permanent_also_when_its_child_said_ready)
{
	struct event ev = {.kind = EVENT_EXITED, .worker = 1, .exited.daemonised = true};

	app_is_up(2);
	take(&ev);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_FAILED);
	ck_assert_ptr_nonnull(strstr(core->apps->slots[0]->reason, "in the foreground"));
}
END_TEST

START_TEST(p5_exec_failure_is_permanent)
{
	struct event ev = {.kind = EVENT_EXEC_FAILED, .worker = 1};

	ev.exec_failed.error = ENOENT;
	ev.exec_failed.stage = "exec";
	configure(1, 0, 7);
	spawned(1);
	take(&ev);
	exited(1, 127, 0);
	ck_assert_ptr_null(find(ACTION_SPAWN));
	ck_assert_int_eq(find(ACTION_OBITUARY)->obituary.cause, CAUSE_EXEC);
	ck_assert_int_eq(find(ACTION_EXIT)->exit.code, 1);
}
END_TEST

START_TEST(p6_never_ready_is_stopped_and_counts_as_failed_start)
{
	configure(1, 0, 7);
	spawned(1);
	later(10 * SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_BACKOFF);
}
END_TEST

START_TEST(p9_ignored_stop_signal_escalates_to_abort_and_kill)
{
	app_is_up(1);
	shut_down(SHUTDOWN_GRACEFUL);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
	later(3 * SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGABRT);
	later(500 * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGKILL);
	ck_assert(find(ACTION_SIGNAL)->signal.group);
	exited(1, 0, SIGKILL);
	ck_assert_int_eq(find(ACTION_EXIT)->exit.code, 0);
}
END_TEST

START_TEST(p10_unkillable_worker_is_given_up_and_shows_in_the_exit_code)
{
	app_is_up(1);
	shut_down(SHUTDOWN_NOW);
	ck_assert_int_eq(find_last(ACTION_SIGNAL)->signal.signal, SIGKILL);
	ck_assert_ptr_null(find(ACTION_EXIT));
	later(CORE_KILL_WAIT_MS * MS);
	ck_assert_int_eq(find(ACTION_EXIT)->exit.code, 71);
}
END_TEST

START_TEST(p15_exit_while_asked_to_stop_is_expected)
{
	app_is_up(1);
	shut_down(SHUTDOWN_GRACEFUL);
	exited(1, 0, SIGTERM);
	ck_assert(find(ACTION_OBITUARY)->obituary.expected);
	ck_assert_ptr_null(find(ACTION_SPAWN));
}
END_TEST

START_TEST(p16_closed_channel_gets_grace_then_a_replacement)
{
	app_is_up(1);
	simple(EVENT_SPOKE, 1);
	simple(EVENT_CHANNEL_CLOSED, 1);
	ck_assert_ptr_null(find(ACTION_SPAWN));
	later(CORE_CHANNEL_GRACE_MS * MS);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_SERVING);
}
END_TEST

START_TEST(f1_failed_fork_waits_and_is_not_charged)
{
	struct event ev = {.kind = EVENT_SPAWN_FAILED, .worker = 1};

	ev.spawn_failed.error = EAGAIN;
	ev.spawn_failed.transient = true;
	configure(1, 0, 7);
	for (int i = 0; i < 30; i++) {
		take(&ev);
		ck_assert_int_eq(core->apps->slots[0]->state, SLOT_STARTING);
		later(CORE_SPAWN_RETRY_MS * MS);
		ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	}
	ck_assert_uint_eq(core->apps->slots[0]->backoff.boot.len, 0);
}
END_TEST

START_TEST(w7_ready_while_stopping_is_ignored)
{
	configure(1, 0, 7);
	spawned(1);
	shut_down(SHUTDOWN_GRACEFUL);
	ready(1);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_RESTING);
	ck_assert_int_eq(core->apps->slots[0]->leaving->state, WORKER_STOPPING);
}
END_TEST

START_TEST(rollout_starts_one_replacement_and_keeps_the_old_worker)
{
	app_is_up(3);
	configure(3, 1, 9);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
	ck_assert_uint_eq(app_count_ready(core->apps), 3);
	spawned(4);
	ready(4);
	ck_assert_uint_eq(app_count_ready(core->apps), 3);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1001);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(draining_worker_does_not_hold_up_the_rollout)
{
	app_is_up(2);
	configure(2, 1, 9);
	for (worker_id w = 3; w <= 4; w++) {
		spawned(w);
		ready(w);
	}
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
	ck_assert_uint_eq(app_count_leaving(core->apps), 2);
}
END_TEST

START_TEST(p3_failed_rollout_at_slot_zero_leaves_all_as_it_was)
{
	app_is_up(2);
	configure(2, 1, 9);
	spawned(3);
	exited(3, 1, 0);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_FAILED);
	ck_assert_ptr_nonnull(find(ACTION_FORGET));
	ck_assert_ptr_eq(find(ACTION_FORGET)->launch, &cookies[1]);
	ck_assert_uint_eq(app_count_ready(core->apps), 2);
	ck_assert_uint_eq(core->apps->slots[0]->current->generation->number, 1);
	configure(2, 2, 10);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(p3_failed_rollout_at_a_later_slot_goes_back)
{
	struct event verified = {.kind = EVENT_VERIFIED, .app = "web"};

	app_is_up(2);
	configure(2, 1, 9);
	spawned(3);
	ready(3);
	exited(1, 0, 0);
	spawned(4);
	exited(4, 1, 0);
	ck_assert_ptr_eq(find(ACTION_VERIFY)->launch, &cookies[0]);
	verified.verified.intact = true;
	take(&verified);
	ck_assert_ptr_eq(find(ACTION_SPAWN)->launch, &cookies[0]);
	ck_assert_uint_eq(app_count_ready(core->apps), 2);
	spawned(5);
	ready(5);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_FAILED);
	ck_assert_uint_eq(core->apps->slots[0]->current->generation->number, 1);
}
END_TEST

START_TEST(files_changed_in_place_leave_switched_slots_alone)
{
	struct event verified = {.kind = EVENT_VERIFIED, .app = "web"};

	app_is_up(2);
	configure(2, 1, 9);
	spawned(3);
	ready(3);
	spawned(4);
	exited(4, 1, 0);
	verified.verified.what = "app.js";
	take(&verified);
	ck_assert_ptr_null(find(ACTION_SPAWN));
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_FAILED);
	ck_assert_ptr_nonnull(strstr(find(ACTION_REPLY)->text, "app.js"));
	ck_assert_uint_eq(core->apps->slots[0]->current->generation->number, 2);
	ck_assert_uint_eq(core->apps->slots[1]->current->generation->number, 1);
}
END_TEST

START_TEST(s4_reloads_pile_up_to_one_running_and_one_pending)
{
	app_is_up(1);
	for (int i = 1; i <= 10; i++)
		configure(1, i, (request_id)i);
	ck_assert_ptr_nonnull(core->apps->ops);
	ck_assert_ptr_nonnull(core->apps->ops->next);
	ck_assert_ptr_null(core->apps->ops->next->next);
	ck_assert_uint_eq(core->apps->ops->next->requests_len, 9);
	ck_assert_ptr_eq(core->apps->ops->next->target->launch, &cookies[10]);
}
END_TEST

START_TEST(s5_term_during_a_rollout_stops_both_generations)
{
	app_is_up(1);
	configure(1, 1, 9);
	spawned(2);
	shut_down(SHUTDOWN_GRACEFUL);
	ck_assert_uint_eq(count(ACTION_SIGNAL), 2);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_FAILED);
	exited(1, 0, 0);
	exited(2, 0, 0);
	ck_assert_int_eq(find(ACTION_EXIT)->exit.code, 0);
}
END_TEST

START_TEST(s5_reload_during_the_first_start_waits_for_it)
{
	configure(1, 0, 7);
	spawned(1);
	configure(1, 1, 8);
	ck_assert_ptr_null(find(ACTION_REPLY));
	ck_assert_ptr_null(find(ACTION_EXIT));
	ready(1);
	ck_assert_uint_eq(find(ACTION_REPLY)->reply.request, 7);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(reload_does_not_wait_for_a_start_in_trouble)
{
	configure(1, 0, 7);
	spawned(1);
	exited(1, 1, 0);
	configure(1, 1, 8);
	ck_assert_ptr_null(find(ACTION_REPLY));
	ck_assert_ptr_eq(find(ACTION_SPAWN)->launch, &cookies[1]);
	spawned(2);
	ready(2);
	ck_assert_uint_eq(count(ACTION_REPLY), 2);
	ck_assert_int_eq(find_last(ACTION_REPLY)->reply.code, REPLY_DONE);
}
END_TEST

START_TEST(s6_second_signal_kills_now)
{
	app_is_up(1);
	shut_down(SHUTDOWN_QUICK);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
	shut_down(SHUTDOWN_NOW);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGKILL);
}
END_TEST

START_TEST(drain_delay_keeps_serving_before_the_stop_signal)
{
	conf.drain_delay_ms = 2000;
	app_is_up(1);
	shut_down(SHUTDOWN_GRACEFUL);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	later(2 * SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
}
END_TEST

START_TEST(worker_that_speaks_is_asked_before_it_is_signalled)
{
	app_is_up(1);
	simple(EVENT_SPOKE, 1);
	shut_down(SHUTDOWN_GRACEFUL);
	ck_assert_uint_eq(find(ACTION_DRAIN)->drain.deadline_ms, 3000);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	simple(EVENT_STOPPING, 1);
	later(2 * SEC);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	later(1 * SEC);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
}
END_TEST

START_TEST(silence_after_drain_brings_the_stop_signal)
{
	app_is_up(1);
	simple(EVENT_SPOKE, 1);
	shut_down(SHUTDOWN_GRACEFUL);
	later(CORE_DRAIN_ACK_MS * MS);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
}
END_TEST

START_TEST(exactly_one_worker_leads_and_the_lead_moves_on)
{
	app_is_up(2);
	simple(EVENT_SPOKE, 1);
	simple(EVENT_SPOKE, 2);
	ck_assert(core->apps->slots[0]->current->leads);
	exited(1, 0, SIGKILL);
	ck_assert(core->apps->slots[1]->current->leads);
	ck_assert(find(ACTION_LEADER)->leader.leads);
}
END_TEST

START_TEST(scale_down_removes_the_highest_slot)
{
	struct event ev = {.kind = EVENT_SCALE, .app = "web", .request = 5};

	ev.scale.workers = 2;
	app_is_up(3);
	take(&ev);
	ck_assert_int_eq(find(ACTION_SIGNAL)->pid, 1003);
	ck_assert_ptr_null(find(ACTION_REPLY));
	exited(3, 0, 0);
	ck_assert_uint_eq(find(ACTION_SLOT_GONE)->slot_gone.slots, 2);
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
}
END_TEST

START_TEST(scaled_app_keeps_its_number_over_a_reload_that_says_nothing_new)
{
	struct event ev = {.kind = EVENT_SCALE, .app = "web"};

	ev.scale.workers = 3;
	app_is_up(2);
	take(&ev);
	spawned(3);
	ready(3);
	configure(2, 1, 9);
	ck_assert_uint_eq(core->apps->target_len, 3);
}
END_TEST

START_TEST(m4_standstill_of_the_master_moves_deadlines)
{
	configure(1, 0, 7);
	spawned(1);
	later(60 * SEC);
	ck_assert_ptr_null(find(ACTION_SIGNAL));
	ck_assert_int_eq(find(ACTION_NOTE)->note.kind, NOTE_LATE);
	ready(1);
	ck_assert_int_eq(core->apps->slots[0]->state, SLOT_SERVING);
}
END_TEST

START_TEST(kill_of_a_worker_counts_as_the_operators)
{
	struct event ev = {.kind = EVENT_KILL, .app = "web", .request = 3};

	ev.kill.slot = 0;
	ev.kill.signal = SIGKILL;
	app_is_up(1);
	take(&ev);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGKILL);
	exited(1, 0, SIGKILL);
	ck_assert_int_eq(find(ACTION_OBITUARY)->obituary.cause, CAUSE_OPERATOR);
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(removed_app_is_drained_and_gone)
{
	struct event ev = {.kind = EVENT_CONFIGURE, .request = 4};

	app_is_up(1);
	take(&ev);
	ck_assert_int_eq(find(ACTION_SIGNAL)->signal.signal, SIGTERM);
	exited(1, 0, 0);
	ck_assert_ptr_nonnull(find(ACTION_APP_GONE));
	ck_assert_ptr_nonnull(find(ACTION_FORGET));
	ck_assert_int_eq(find(ACTION_REPLY)->reply.code, REPLY_DONE);
	ck_assert_ptr_null(core->apps);
}
END_TEST

START_TEST(every_pair_of_states_is_legal_or_refused)
{
	unsigned legal = 0;

	for (int a = 0; a < WORKER_STATE_MAX; a++)
		for (int b = 0; b < WORKER_STATE_MAX; b++)
			legal += worker_state_is_legal((enum worker_state)a, (enum worker_state)b);
	ck_assert_uint_eq(legal, 19);
	for (int b = 0; b < WORKER_STATE_MAX; b++)
		ck_assert(!worker_state_is_legal(WORKER_DEAD, (enum worker_state)b));
	ck_assert(!worker_state_is_legal(WORKER_STATE_MAX, WORKER_IDLE));
	ck_assert(!slot_state_is_legal(SLOT_RESTING, SLOT_SERVING));
	ck_assert(!slot_state_is_legal(SLOT_FAILED, SLOT_SERVING));
	ck_assert(!rollout_state_is_legal(ROLLOUT_BACK, ROLLOUT_FORWARD));
	ck_assert(!rollout_state_is_legal(ROLLOUT_NONE, ROLLOUT_BACK));
}
END_TEST

START_TEST(f6_memory_that_ends_leaves_the_state_as_it_was)
{
	struct core_target t = {.conf = &conf, .launch = &cookies[1], .workers = 2};
	struct event ev = {.kind = EVENT_RELOAD, .app = "web", .request = 9};
	int rc = -ENOMEM;

	app_is_up(2);
	ev.target = t;
	for (unsigned long n = 1; rc == -ENOMEM && n < 50; n++) {
		mem_fail_at(n, 1);
		actions.len = 0;
		rc = core_step(core, now, &ev, &actions);
		mem_fail_at(0, 0);
		ck_assert_ptr_null(core_check(core));
		ck_assert_uint_eq(app_count_ready(core->apps), 2);
	}
	ck_assert_int_eq(rc, 0);
}
END_TEST

START_TEST(f6_rollout_that_finds_no_memory_goes_on_when_there_is_some)
{
	struct core_target t = {.conf = &conf, .launch = &cookies[1], .workers = 2};
	struct event ev = {.kind = EVENT_RELOAD, .app = "web", .request = 9, .target = t};
	bool had_to_wait = false;

	app_is_up(2);
	for (unsigned long n = 1; !had_to_wait && n < 50; n++) {
		mem_fail_at(n, 1);
		actions.len = 0;
		had_to_wait = core_step(core, now, &ev, &actions) == 0 && !find(ACTION_SPAWN);
		mem_fail_at(0, 0);
	}
	ck_assert(had_to_wait);
	ck_assert_ptr_null(find(ACTION_REPLY));
	ck_assert(core_next_deadline(core) <= now + SEC);
	now += SEC;
	take(&(struct event){.kind = EVENT_TIME});
	ck_assert_uint_eq(count(ACTION_SPAWN), 1);
}
END_TEST

START_TEST(f6_memory_that_ends_at_the_first_start_delays_or_refuses_it)
{
	struct core_target t = {.conf = &conf, .launch = &cookies[1], .workers = 2};
	struct event ev = {.kind = EVENT_CONFIGURE, .request = 9};

	ev.configure.targets = &t;
	ev.configure.len = 1;
	for (unsigned long n = 1; n < 50; n++) {
		teardown();
		setup();
		/* Once, and from then on for the rest of the event. */
		for (unsigned long times = 1; times < 100; times += 50) {
			mem_fail_at(n, times);
			actions.len = 0;
			(void)core_step(core, now, &ev, &actions);
			mem_fail_at(0, 0);
			ck_assert_ptr_null(core_check(core));
		}
		now += 2 * SEC;
		take(&(struct event){.kind = EVENT_TIME});
	}
}
END_TEST

static void
add_tests(TCase *t)
{
	tcase_add_test(t, first_start_spawns_all_slots_at_once);
	tcase_add_test(t, start_is_answered_when_the_last_slot_is_ready);
	tcase_add_test(t, p1_death_after_ready_is_replaced_at_once);
	tcase_add_test(t, p2_all_slots_failed_at_first_start_ends_the_master);
	tcase_add_test(t, p4_configured_code_fails_the_slot);
	tcase_add_test(t, p5_exec_failure_is_permanent);
	tcase_add_test(t, p11_daemon_is_permanent_also_when_its_child_said_ready);
	tcase_add_test(t, p6_never_ready_is_stopped_and_counts_as_failed_start);
	tcase_add_test(t, p9_ignored_stop_signal_escalates_to_abort_and_kill);
	tcase_add_test(t, p10_unkillable_worker_is_given_up_and_shows_in_the_exit_code);
	tcase_add_test(t, p15_exit_while_asked_to_stop_is_expected);
	tcase_add_test(t, p16_closed_channel_gets_grace_then_a_replacement);
	tcase_add_test(t, f1_failed_fork_waits_and_is_not_charged);
	tcase_add_test(t, w7_ready_while_stopping_is_ignored);
	tcase_add_test(t, rollout_starts_one_replacement_and_keeps_the_old_worker);
	tcase_add_test(t, draining_worker_does_not_hold_up_the_rollout);
	tcase_add_test(t, p3_failed_rollout_at_slot_zero_leaves_all_as_it_was);
	tcase_add_test(t, p3_failed_rollout_at_a_later_slot_goes_back);
	tcase_add_test(t, files_changed_in_place_leave_switched_slots_alone);
	tcase_add_test(t, s4_reloads_pile_up_to_one_running_and_one_pending);
	tcase_add_test(t, s5_term_during_a_rollout_stops_both_generations);
	tcase_add_test(t, s5_reload_during_the_first_start_waits_for_it);
	tcase_add_test(t, reload_does_not_wait_for_a_start_in_trouble);
	tcase_add_test(t, s6_second_signal_kills_now);
	tcase_add_test(t, drain_delay_keeps_serving_before_the_stop_signal);
	tcase_add_test(t, worker_that_speaks_is_asked_before_it_is_signalled);
	tcase_add_test(t, silence_after_drain_brings_the_stop_signal);
	tcase_add_test(t, exactly_one_worker_leads_and_the_lead_moves_on);
	tcase_add_test(t, scale_down_removes_the_highest_slot);
	tcase_add_test(t, scaled_app_keeps_its_number_over_a_reload_that_says_nothing_new);
	tcase_add_test(t, m4_standstill_of_the_master_moves_deadlines);
	tcase_add_test(t, kill_of_a_worker_counts_as_the_operators);
	tcase_add_test(t, removed_app_is_drained_and_gone);
	tcase_add_test(t, every_pair_of_states_is_legal_or_refused);
	tcase_add_test(t, f6_memory_that_ends_leaves_the_state_as_it_was);
	tcase_add_test(t, f6_rollout_that_finds_no_memory_goes_on_when_there_is_some);
	tcase_add_test(t, f6_memory_that_ends_at_the_first_start_delays_or_refuses_it);
}

int
main(void)
{
	return run_suite("core", setup, teardown, add_tests);
}
