/*
 * order: the programs that Node runs as NAME.cjs or NAME.mjs, as functions of the same names. They
 * stand on brood.h, and where Node has a handle, on libuv.
 */
#ifndef BROOD_TESTS_ORDER_H
#define BROOD_TESTS_ORDER_H

#include "brood.h"

#define ORDER_CASES(X)                  \
	X(ticks_first)                  \
	X(ticks_of_ticks)               \
	X(microtasks_of_microtasks)     \
	X(queues_of_each_other)         \
	X(queues_from_timer)            \
	X(queues_from_immediate)        \
	X(queues_from_io)               \
	X(between_timers)               \
	X(between_lengths)              \
	X(between_immediates)           \
	X(ticks_starve_timers)          \
	X(ticks_starve_microtasks)      \
	X(microtasks_starve)            \
	X(immediates_starve_nobody)     \
	X(immediates_in_order)          \
	X(immediates_of_immediates)     \
	X(immediates_of_ticks)          \
	X(immediate_clears_later)       \
	X(immediate_clears_itself)      \
	X(immediate_before_timer)       \
	X(immediate_after_timer)        \
	X(timers_of_one_length)         \
	X(timers_by_time)               \
	X(timers_in_lists)              \
	X(timers_of_timers)             \
	X(timer_clears_another)         \
	X(timer_cleared_by_tick)        \
	X(timer_clears_itself)          \
	X(timer_refreshed)              \
	X(timer_refreshes_itself)       \
	X(interval_clears_itself)       \
	X(intervals_in_order)           \
	X(interval_late)                \
	X(interval_cleared_by_another)  \
	X(zero_is_one)                  \
	X(longest_timer)                \
	X(nothing_left)                 \
	X(unref_timer)                  \
	X(unref_then_ref)               \
	X(unref_interval)               \
	X(unref_from_within)            \
	X(unref_immediate)              \
	X(unref_immediate_with_another) \
	X(stopped)                      \
	X(error_in_timer)               \
	X(error_in_tick)                \
	X(error_in_microtask)           \
	X(error_in_immediate)           \
	X(error_in_io)                  \
	X(error_handled_in_timer)       \
	X(error_handled_in_tick)        \
	X(error_handled_in_immediate)   \
	X(io_from_pipe)                 \
	X(close_after_immediates)       \
	X(timer_after_close)            \
	X(offload_done)                 \
	X(child_ended)                  \
	X(thread_messages)              \
	X(thread_answers)               \
	X(thread_fails)                 \
	X(thread_terminated)            \
	X(task_begins_at_once)          \
	X(task_resumes_as_microtask)    \
	X(tasks_among_timers)           \
	X(tasks_take_turns)             \
	X(task_reads)                   \
	X(task_joined)                  \
	X(task_joined_ended)            \
	X(tasks_joined_in_turn)         \
	X(task_error_joined)            \
	X(task_error_joined_late)       \
	X(task_error_too_late)          \
	X(task_error_nobody)            \
	X(task_error_handled)           \
	X(tasks_all)                    \
	X(tasks_all_but_one)            \
	X(tasks_any)                    \
	X(tasks_any_of_none)            \
	X(task_cancelled)               \
	X(task_deadline)                \
	X(main_settled)                 \
	X(main_code)                    \
	X(main_fails)                   \
	X(main_never_settled)           \
	X(main_stopped)

#define ORDER_DECLARE(name) void name(struct brood_loop *loop);
ORDER_CASES(ORDER_DECLARE)
#undef ORDER_DECLARE

/* A line; to be queued, too. */
void say(struct brood_loop *loop, void *text);
void sayf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Holds up the loop. */
void spin(unsigned ms);
/* fn as an I/O callback: of a request that the thread pool serves. */
void on_io(struct brood_loop *loop, brood_fn *fn);

#endif
