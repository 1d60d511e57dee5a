/*
 * core: the cluster's mind. An event and the time go in, actions come out; nothing else.
 *
 * Use: core_new(), then for each thing that happens core_step(); perform the actions; sleep
 * until core_next_deadline() or the next happening. Single-threaded, never blocks, does not
 * recurse. Memory for essential paths is taken when an app is configured; where memory ends all
 * the same, a start waits and is tried again.
 */
#ifndef BROOD_CORE_CORE_H
#define BROOD_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "core/action.h"
#include "core/event.h"

struct core;

#define CORE_ALIVE_READY_MS     1000 /* a silent program counts as ready after this */
#define CORE_LISTEN_WAIT_MS     3000 /* one of Node's that may never listen */
#define CORE_TEST_AFTER_MS      20 /* a program that has said nothing by then is tested */
#define CORE_QUICK_STOP_MS      5000 /* SHUTDOWN_QUICK: stop signal to KILL */
#define CORE_KILL_WAIT_MS       5000 /* after KILL: then it is called unkillable */
#define CORE_DRAIN_ACK_MS       1000 /* "drain" to "stopping", else the stop signal goes out */
#define CORE_CHANNEL_GRACE_MS   5000 /* channel closed to being replaced */
#define CORE_CHANNEL_END_MS     1000 /* channel closed at the end of a drain to the stop signal */
#define CORE_SPAWN_RETRY_MS     1000 /* after a transient failure of fork */
#define CORE_CRASH_DELAY_MAX_MS 1000 /* ceiling of the delay between deaths after ready */
#define CORE_CRASH_FORGET_MS    10000 /* ready for so long: crashes are forgotten */
#define CORE_LATE_MS            2000 /* a deadline missed by this much: we were stopped (M4) */
#define CORE_HOLD_OFF_MS        500 /* nobody starts for so long: clients shall try again */
#define CORE_ALL_STALLED_MS     64 /* where all are slow, a queue stands still for at most this,
				   or twice stall_after */
#define CORE_ALL_STALLED_FORGET_MS 1000 /* then that time is halved */
#define CORE_STALL_TELL_MS      10000 /* a slot that stalls often is told of once in so long */
#define CORE_STALL_LONG_MS      1000 /* one that lasts so long is told of in any case */
#define CORE_NO_DEADLINE        UINT64_MAX

/* seed: for jitter; any number. NULL without memory. */
struct core *core_new(uint64_t seed);
void core_free(struct core *c);
void core_set_exit_when(struct core *c, enum conf_exit_when when);

/* Takes one event at now_us (monotonic, never less than before) and appends actions to out.
 * 0, or a negative errno when the event could not be taken (-ENOMEM: nothing changed, launch
 * cookies of the event still belong to the caller). Requests always get exactly one
 * ACTION_REPLY, now or later, unless an error is returned. */
int core_step(struct core *c, uint64_t now_us, const struct event *ev, struct action_list *out);

/* When EVENT_TIME is next needed, or CORE_NO_DEADLINE. */
uint64_t core_next_deadline(const struct core *c);

/* NULL when all is well, else which invariant does not hold. Cheap enough for every step. */
const char *core_check(const struct core *c);

#endif
