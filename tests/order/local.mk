# The loop's order, held against Node itself: order CASE, and the same program in JavaScript.
check_PROGRAMS += tests/order/order
tests_order_order_SOURCES = \
	tests/order/ends.c \
	tests/order/immediates.c \
	tests/order/io.c \
	tests/order/order.c \
	tests/order/order.h \
	tests/order/queues.c \
	tests/order/tasks.c \
	tests/order/threads.c \
	tests/order/timers.c
tests_order_order_LDADD = $(RUNTIME_LIBS)
PLAIN_TESTS += tests/order/order.tap
EXTRA_DIST += tests/order/order.tap tests/order/say.cjs $(order_programs)

order_programs = \
	tests/order/between_immediates.cjs \
	tests/order/between_lengths.cjs \
	tests/order/between_timers.cjs \
	tests/order/child_ended.cjs \
	tests/order/close_after_immediates.cjs \
	tests/order/error_handled_in_immediate.cjs \
	tests/order/error_handled_in_tick.cjs \
	tests/order/error_handled_in_timer.cjs \
	tests/order/error_in_immediate.cjs \
	tests/order/error_in_io.cjs \
	tests/order/error_in_microtask.cjs \
	tests/order/error_in_tick.cjs \
	tests/order/error_in_timer.cjs \
	tests/order/immediate_after_timer.cjs \
	tests/order/immediate_before_timer.cjs \
	tests/order/immediate_clears_itself.cjs \
	tests/order/immediate_clears_later.cjs \
	tests/order/immediates_in_order.cjs \
	tests/order/immediates_of_immediates.cjs \
	tests/order/immediates_of_ticks.cjs \
	tests/order/immediates_starve_nobody.cjs \
	tests/order/interval_cleared_by_another.cjs \
	tests/order/interval_clears_itself.cjs \
	tests/order/interval_late.cjs \
	tests/order/intervals_in_order.cjs \
	tests/order/io_from_pipe.cjs \
	tests/order/longest_timer.cjs \
	tests/order/main_code.mjs \
	tests/order/main_fails.mjs \
	tests/order/main_never_settled.mjs \
	tests/order/main_settled.mjs \
	tests/order/main_stopped.mjs \
	tests/order/microtasks_of_microtasks.cjs \
	tests/order/microtasks_starve.cjs \
	tests/order/nothing_left.cjs \
	tests/order/offload_done.cjs \
	tests/order/queues_from_immediate.cjs \
	tests/order/queues_from_io.cjs \
	tests/order/queues_from_timer.cjs \
	tests/order/queues_of_each_other.cjs \
	tests/order/stopped.cjs \
	tests/order/task_begins_at_once.cjs \
	tests/order/task_cancelled.cjs \
	tests/order/task_deadline.cjs \
	tests/order/task_error_handled.cjs \
	tests/order/task_error_joined.cjs \
	tests/order/task_error_joined_late.cjs \
	tests/order/task_error_nobody.cjs \
	tests/order/task_error_too_late.cjs \
	tests/order/task_joined.cjs \
	tests/order/task_joined_ended.cjs \
	tests/order/task_reads.cjs \
	tests/order/task_resumes_as_microtask.cjs \
	tests/order/tasks_all.cjs \
	tests/order/tasks_all_but_one.cjs \
	tests/order/tasks_among_timers.cjs \
	tests/order/tasks_any.cjs \
	tests/order/tasks_any_of_none.cjs \
	tests/order/tasks_joined_in_turn.cjs \
	tests/order/tasks_take_turns.cjs \
	tests/order/thread_answers.cjs \
	tests/order/thread_fails.cjs \
	tests/order/thread_messages.cjs \
	tests/order/thread_terminated.cjs \
	tests/order/ticks_first.cjs \
	tests/order/ticks_of_ticks.cjs \
	tests/order/ticks_starve_microtasks.cjs \
	tests/order/ticks_starve_timers.cjs \
	tests/order/timer_after_close.cjs \
	tests/order/timer_cleared_by_tick.cjs \
	tests/order/timer_clears_another.cjs \
	tests/order/timer_clears_itself.cjs \
	tests/order/timer_refreshed.cjs \
	tests/order/timer_refreshes_itself.cjs \
	tests/order/timers_by_time.cjs \
	tests/order/timers_in_lists.cjs \
	tests/order/timers_of_one_length.cjs \
	tests/order/timers_of_timers.cjs \
	tests/order/unref_from_within.cjs \
	tests/order/unref_immediate.cjs \
	tests/order/unref_immediate_with_another.cjs \
	tests/order/unref_interval.cjs \
	tests/order/unref_then_ref.cjs \
	tests/order/unref_timer.cjs \
	tests/order/zero_is_one.cjs
