/*
 * cluster: the structs of the core, for the core's own files, and read-only for src/ctl, which
 * shows them. Nobody outside src/core writes to them.
 *
 * Three things are kept apart for each worker and slot: where it is (state), where it is wanted
 * (app->wanted, app->target_len), and why (cause, reason).
 */
#ifndef BROOD_CORE_CLUSTER_H
#define BROOD_CORE_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "conf/conf.h"
#include "core/action.h"
#include "core/backoff.h"
#include "core/core.h"
#include "core/event.h"
#include "core/state.h"
#include "core/timer.h"

#define HISTORY_LEN 16

/* One transition, remembered for `why`. */
struct history_entry {
	uint64_t at_us;
	pid_t pid;
	unsigned generation;
	uint8_t of_worker; /* else of the slot */
	uint8_t from, to;
	uint8_t cause;
	char reason[40];		/* cut: `why` shows the last one whole */
};

/*
 * Where new connections go. A slot of a steered app has two seats, twin sockets of one group: a
 * worker holds one of them, its replacement the other, so that a rollout can test the new one for
 * real, switch at one instant, and cut the old one off with no help from it.
 */
enum steer_mode {
	STEER_NONE, /* nothing was steered yet */
	STEER_SERVE, /* to the seats of the table */
	STEER_HOLD, /* held off: clients shall try again (the parked member) */
};

struct steer_seat {
	uint16_t slot;
	uint8_t seat;
};

struct steer_table {
	enum steer_mode mode;
	struct steer_seat *seats; /* in order of slots */
	unsigned len, cap;
};

/* Program, configuration and limits that workers of one number share. */
struct generation {
	unsigned number;
	const struct conf_app *conf;
	void *launch;
	unsigned workers; /* slots that its configuration asks for */
	bool steered, node; /* as in core_target */
	bool ring; /* a worker of it asked for its wait set: all will */
	unsigned refs; /* slots, workers, app, rollout, queued operations */
};

struct worker {
	worker_id id;
	struct app *app;
	struct slot *slot;
	struct generation *generation;
	enum worker_state state;
	enum leave_step step;
	enum cause cause; /* why it leaves; CAUSE_NONE while it does not */
	char reason[ACTION_TEXT_MAX]; /* of the last transition */
	pid_t pid; /* 0 before SPAWNED and after EXITED */
	uint64_t since_us; /* last transition */
	uint64_t spawned_us;
	uint64_t ready_us; /* 0 = never was */
	uint64_t asked_us; /* when it was first told to leave (drain or signal) */
	bool spawning; /* ACTION_SPAWN is out and not answered */
	bool speaks; /* sent a control message */
	bool mute; /* closed its channel */
	bool asked, answered; /* Node: it called listen(); that may be answered */
	bool leads;
	unsigned seat; /* 0 or 1 */
	unsigned number; /* by which it knows itself: its slot's, or one that it got as a spare */
	bool promoted; /* it was a spare, and is a slot's worker */
	unsigned said; /* a spare: in which ways it said that it is ready (bits) */
	bool on_ring; /* reads by a wait set of the master's (tiers T1, T2) */
	unsigned neighbours; /* as it asked: 0 = all (T2) */
	unsigned queue_len; /* of its seat, when last looked at */
	uint64_t queue_since_us; /* that queue has not got shorter since; 0 = it is empty */
	uint64_t stalled_us; /* since when; 0 = it is not */
	bool told; /* this stall was told of, so its end is */
	bool silent; /* STALLED because a ping was not answered, not for its queue */
	bool probing; /* ACTION_PROBE is out and not answered */
	unsigned probe_failures; /* in a row */
	bool pinged; /* and has not answered */
	bool keeps_time; /* it says by itself that it is alive (WATCHDOG=1), and is not pinged */
	uint64_t alive_us; /* when it last said so, or began to serve */
	uint64_t interval_us; /* in which it says so; 0 = nobody waits for it */
	bool written_off; /* survived KILL for CORE_KILL_WAIT_MS */
	int operator_signal; /* last signal sent on an operator's word */
	int exec_error; /* EVENT_EXEC_FAILED: errno, else 0 */
	enum cause replace_cause; /* READY: shall be replaced for this when the timer fires */
	char replace_reason[ACTION_TEXT_MAX];
	struct timer timer; /* what it means depends on state and step */
	struct timer check; /* STARTING: time for a test; READY: next ping; STALLED: the watchdog's
			     * patience ends; both: it should have said that it is alive */
	struct timer probe; /* READY: next health probe */
	struct worker *next_leaving; /* in slot->leaving */
	UT_hash_handle by_id;
};

struct slot {
	struct app *app;
	unsigned index; /* of a place for a spare: the number of its last one */
	bool spare; /* it is such a place, in app->spares */
	enum slot_state state;
	struct generation *generation; /* of its next fresh worker */
	struct generation *before; /* what it ran before the rollout that switched it */
	struct worker *current; /* idle, starting or ready */
	struct worker *next; /* replacement on its way, while current serves */
	struct worker *leaving; /* draining and stopping ones */
	unsigned seat; /* the one in use: of current, or of the last one */
	bool drained; /* by an operator: wants no worker until resumed */
	uint64_t stalls;
	uint64_t stall_told_us; /* when a stall was last told of */
	uint64_t stalls_untold; /* since then */
	unsigned queued[2]; /* looks in a row in which that seat's queue was not empty */
	struct backoff backoff;
	uint64_t owed_us; /* when the spare is started that makes up for the one it took */
	struct timer timer; /* SLOT_BACKOFF: next start */
	char reason[ACTION_TEXT_MAX];
	uint64_t since_us;
	uint64_t restarts; /* unplanned, in the life of the app */
	int last_code, last_signal; /* of the last death; -1, 0 = none */
	struct history_entry history[HISTORY_LEN];
	unsigned history_at; /* count of entries ever; newest is (at - 1) % LEN */
};

enum op_kind {
	OP_START,
	OP_STOP,
	OP_RESTART,
	OP_RELOAD,
	OP_SCALE,
	OP_DRAIN,
	OP_RESUME,
	OP_KIND_MAX,
};

/* One operation on one app; the head of app->ops runs, the others wait. */
struct op {
	enum op_kind kind;
	struct generation *target; /* RELOAD, RESTART, or NULL */
	unsigned workers; /* SCALE */
	int slot; /* DRAIN, RESUME: -1 = all */
	bool running;
	bool starting; /* RESTART: past its stop */
	struct request **requests; /* who waits for it */
	size_t requests_len;
	char failure[ACTION_TEXT_MAX]; /* "" while nothing failed */
	struct op *next;
};

/* One operator's request: answered when all operations made for it are over. */
struct request {
	request_id id;
	unsigned pending;
	bool failed;
	bool first_start; /* of the master: its failure ends the master */
	char app[49]; /* whose failure it was, "" = none */
	char text[ACTION_TEXT_MAX];
};

enum app_wanted { APP_RUN, APP_REST, APP_GO }; /* GO: removed from the configuration */

struct rollout {
	enum rollout_state state;
	struct generation *to; /* FORWARD: new; BACK: kept to tell who must go back */
	struct generation *from; /* what the app ran before */
	unsigned old_len, new_len; /* slots before it, and when it is done */
	char reason[ACTION_TEXT_MAX]; /* why it failed */
	uint64_t started_us;
};

struct app {
	struct core *core;
	char name[49];
	enum app_wanted wanted;
	struct generation *generation; /* what it runs, or was last told to run */
	unsigned last_number; /* of the newest generation ever */
	struct slot **slots; /* slots_len in use; those >= target_len are leaving */
	unsigned slots_len, slots_cap;
	unsigned target_len; /* slots wanted */
	struct slot **spares; /* places for spares; those not wanted rest */
	unsigned spares_len;
	bool scaled; /* by an operator: kept over reloads that do not change
					 * `workers` */
	unsigned alive; /* workers with a process, all generations */
	bool ever_ready; /* any worker of it, ever */
	bool tells_ready; /* its last worker that got ready said so itself */
	struct boot_budget boot; /* deaths before the app was ever ready */
	struct rollout rollout;
	struct op *ops;
	struct request **going; /* requests that wait for the app to be gone */
	size_t going_len;
	struct worker *leader;
	struct steer_table steer; /* as it was last given out */
	bool steer_stale; /* something changed that it depends on */
	bool held_off; /* until a worker is ready again */
	uint64_t still_limit_us; /* all looked stalled at once: a queue may stand still for so long, if
				  * that is longer than stall_after; halved when due */
	uint64_t still_limit_due_us;
	uint64_t starts, deaths; /* counters since the master's start */
	struct app *next;
};

struct core {
	struct app *apps; /* in the order in which they came */
	struct worker *workers; /* uthash by id */
	worker_id last_worker;
	unsigned alive; /* workers with a process */
	struct timer_heap timers;
	uint64_t now_us, last_step_us;
	uint64_t rng;
	enum conf_exit_when exit_when;
	enum shutdown_mode shutdown;
	bool started; /* the first start is over */
	unsigned pending_spawns; /* workers with `spawning` set */
	unsigned written_off;
	struct request **stopping; /* requests that wait for the end */
	size_t stopping_len;
	bool failed_start;
	bool exited; /* ACTION_EXIT was given */
	int exit_code;
	struct action_list *out; /* during a step */
};

/* Worker states counted; a helper for status lines. */
unsigned app_count_ready(const struct app *a); /* slots that serve */
unsigned app_count_alive(const struct app *a); /* processes of all generations */
unsigned app_count_leaving(const struct app *a);
struct app *core_find_app(const struct core *c, const char *name);
struct worker *core_find_worker(const struct core *c, worker_id id);
/* What people mean by APP.N: slot N; beyond the slots, where the worker is that knows itself by N: the
 * slot that it took, or a spare's place. NULL: there is none. */
const struct slot *app_find_place(const struct app *a, unsigned n);
/* Whom workers mean: the one that knows itself by n; if nobody does, that of slot n. */
const struct worker *app_find_number(const struct app *a, unsigned n);
/* Next deadline of a slot or its worker for people, 0 = none. */
uint64_t slot_next_deadline(const struct slot *s);

#endif
