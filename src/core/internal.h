/*
 * internal: what the files of the core offer each other. Not for other rooms.
 *
 * Who calls whom: core.c takes an event to worker.c or app.c; worker.c tells slot.c what became of
 * a slot's worker; slot.c tells rollout.c; whatever changed, core.c lets app.c advance afterwards.
 * Nothing advances from below: flags are settled first, acting comes second, nothing recurses.
 */
#ifndef BROOD_CORE_INTERNAL_H
#define BROOD_CORE_INTERNAL_H

#include "core/cluster.h"

/* actions.c */
struct action *action_push(struct core *c, enum action_kind kind);
struct action *action_push_app(struct app *a, enum action_kind kind);
struct action *action_push_slot(struct slot *s, enum action_kind kind);
struct action *action_push_worker(struct worker *w, enum action_kind kind);
void note_app(struct app *a, enum note_kind kind, bool bad, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void note_slot(struct slot *s, enum note_kind kind, bool bad, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void note_worker(struct worker *w, enum note_kind kind, bool bad, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Texts are cut where they are too long, quietly: they are for people. */
void text_set(char dst[ACTION_TEXT_MAX], const char *src);
void text_format(char dst[ACTION_TEXT_MAX], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* generation.c */
struct generation *generation_new(const struct core_target *t, unsigned number);
struct generation *generation_ref(struct generation *g);
/* The last reference gives the launch back to the loop. NULL is fine. */
void generation_unref(struct core *c, struct generation *g);
/* *at = g, with the references right; g may be NULL. */
void generation_assign(struct core *c, struct generation **at, struct generation *g);

/* worker.c */
struct worker *worker_new(struct slot *s, struct generation *g, unsigned seat);
bool worker_set_state(struct worker *w, enum worker_state to, const char *reason);
void worker_arm_ms(struct worker *w, uint64_t ms);
void worker_tell_leader(struct worker *w, bool leads);
/* A ready worker shall be replaced, `after_us` from now. */
void worker_want_replacement(
    struct worker *w, enum cause cause, const char *reason, uint64_t after_us);
void worker_on_event(struct worker *w, const struct event *ev);
void worker_on_timer(struct worker *w);
void worker_free(struct worker *w);
/* A parked spare is the worker of s from now on, and told to listen. */
void worker_promote(struct worker *w, struct slot *s, const char *reason);

bool worker_serves(const struct worker *w); /* READY or STALLED; NULL does not */
void worker_probe(struct worker *w, enum probe_kind kind);
/* Aborted by force, while its slot goes on without it. */
void worker_abort(struct worker *w, enum cause cause, const char *reason);

/* steer.c */
/* Something changed that the table depends on. */
void steer_touch(struct app *a);
/* At the end of a step: gives out the table when it is another one. */
void steer_settle(struct app *a);
/* Some other worker of the app reads by a wait set. */
bool ring_has_other(const struct worker *w);

/* stall.c */
void stall_on_queues(struct app *a, const struct queue_sample *items, size_t len);
/* It serves from now on: watchdog and health probes begin. */
void stall_begin(struct worker *w);
/* It serves no more: nobody looks after it. */
void stall_end(struct worker *w);
void stall_on_alive(struct worker *w, bool unasked);
void stall_on_interval(struct worker *w, uint64_t us);
/* It serves, and wants to be aborted. */
void stall_on_trigger(struct worker *w, const char *reason);
/* The master stood still for so long: nobody was heard. */
void stall_forgive(struct core *c, uint64_t gap_us);
void stall_on_probed(struct worker *w, const struct event *ev);
void stall_on_check(struct worker *w);	/* timer */
void stall_on_probe_due(struct worker *w); /* timer */

/* leave.c */
/* The worker shall go, and its slot counts on it no more. It may be freed at once (when it had no
 * process yet), so it must not be looked at afterwards. */
void worker_leave(struct worker *w, enum cause cause, const char *reason, bool with_delay);
/* Ends sooner what is leaving already. */
void worker_hurry(struct worker *w, enum shutdown_mode mode);
void leave_detach(struct worker *w);	/* from its slot and from the lead */
void leave_unlink(struct worker *w);	/* from its slot's list of leaving workers */
void leave_idle(struct worker *w);	/* it has no process and shall not get one */
void leave_agreed(struct worker *w);	/* it said that it drains */
void leave_on_emptied(struct worker *w);
void leave_on_quiet(struct worker *w, bool unknown);
void leave_kill(struct worker *w);
void leave_abort(struct worker *w, const char *reason); /* at once; it is leaving already */
void leave_on_deadline(struct worker *w);

/* slot.c */
/* Room for the timers of all slots and workers and of one more: so that setting one can't fail. */
int slot_reserve_timers(struct core *c);
struct slot *slot_new(struct app *a, unsigned index, struct generation *g);
void slot_free(struct slot *s);
bool slot_is_wanted(const struct slot *s);
bool slot_is_empty(const struct slot *s); /* no worker of any kind */
void slot_set_state(struct slot *s, enum slot_state to, const char *reason);
void slot_set_generation(struct slot *s, struct generation *g);
void slot_adopt(struct slot *s, struct generation *g);
/* Where a replacement of generation g sits. */
unsigned slot_other_seat(const struct slot *s, const struct generation *g);
/* A fresh worker of the slot's generation, now. */
void slot_start(struct slot *s, const char *reason);
/* A replacement of generation g while the current one serves. False: no memory. */
bool slot_replace(struct slot *s, struct generation *g);
/* No worker is wanted any more. */
void slot_rest(struct slot *s, enum cause cause, const char *reason, bool with_delay);
/* Its worker got ready; a replacement takes over. */
void slot_on_ready(struct slot *s, struct worker *w);
/* How a worker ended, or failed to start, as far as its slot is concerned. */
struct death {
	enum cause cause;
	int code, signal;
	bool was_ready;
	bool permanent;
	bool daemonised;
	uint64_t ready_for_us;
	struct generation *generation;
	const char *reason;
};
/* The current worker is gone without having been told to go. */
void slot_on_current_gone(struct slot *s, const struct death *d);
/* A replacement did not make it. */
void slot_on_next_gone(struct slot *s, const struct death *d);
void slot_on_timer(struct slot *s);
/* Its worker is a spare that took over a moment ago: it is as good as serving. */
bool slot_is_taken_over(const struct slot *s);
/* Waits before the next try. */
void slot_back_off(struct slot *s, uint64_t delay_us, const char *reason);
/* Whether `restart` wants another worker after this end. */
bool slot_wants_restart(const struct conf_app *conf, const struct death *d);
void slot_remember(struct slot *s, bool of_worker, int from, int to, const struct worker *w,
    enum cause cause, const char *reason);

/* spare.c */
/* Places for so many, all at rest. 0 or -ENOMEM. */
int spare_reserve(struct app *a, unsigned n);
/* By which number a new worker of s knows itself. */
unsigned spare_number(const struct slot *s, const struct generation *g);
/* A parked spare takes s, whose worker is gone. The place that it left, or NULL: there is none. */
struct slot *spare_take(struct slot *s, const char *reason);
void spare_rest(struct slot *place, enum cause cause, const char *reason);
void spare_rest_all(struct app *a, enum cause cause, const char *reason);
/* Slots of generation g have been added: their numbers are not a spare's. */
void spare_make_room(struct app *a, const struct generation *g);
/* An operator wants those that gave up to be tried again. */
void spare_retry(struct app *a);
void spare_on_parked(struct worker *w);
void spare_on_gone(struct slot *place, const struct death *d);
/* Starts and stops spares as the app now wants them. */
void spare_advance(struct app *a);
bool spare_is_missing(const struct app *a); /* for invariant.c: though it could be started */

/* rollout.c */
void rollout_begin(struct app *a, struct generation *to, unsigned workers);
void rollout_advance(struct app *a);
void rollout_fail(struct app *a, const char *reason);
void rollout_on_verified(struct app *a, bool intact, const char *what);
/* Gives up without going back: the app rests or goes away. */
void rollout_cancel(struct app *a, const char *reason);
bool rollout_is_active(const struct app *a);

/* app.c */
struct app *app_new(struct core *c, const struct core_target *t);
void app_free(struct app *a);
/* Room for `slots` slots and their timers. 0 or -ENOMEM. */
int app_reserve(struct app *a, unsigned slots);
/* So many slots from now on: new ones run g, those beyond rest and go when they are empty. Room
 * was reserved before; where a slot itself finds no memory, there are fewer. */
void app_set_target(struct app *a, unsigned target_len, struct generation *g);
void app_elect(struct app *a);
bool app_is_empty(const struct app *a); /* no worker of any kind */
/* Runs operations as far as they go. */
void app_advance(struct app *a);
void app_rest(
    struct app *a, enum app_wanted wanted, enum cause cause, const char *reason, bool with_delay);
/* What an operation is about; what its kind does not need is not looked at. */
struct op_args {
	const struct core_target *target;	/* START, RESTART, RELOAD; NULL = as it is */
	unsigned workers;			/* SCALE */
	int slot;				/* DRAIN, RESUME: -1 = all */
};
int app_enqueue(struct app *a, enum op_kind kind, const struct op_args *args, struct request *r);
void app_fail_ops(struct app *a, const char *reason);
void op_fail(struct app *a, const char *reason);

/* request.c */
struct request *request_new(request_id id);
int request_add(struct request ***list, size_t *len, struct request *r);
void request_settle(struct core *c, struct request *r, bool failed, const char *text);
void request_settle_all(
    struct core *c, struct request ***list, size_t *len, bool failed, const char *text);
void request_reply_now(struct core *c, request_id id, enum reply_code code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* shutdown.c */
void shutdown_begin(struct core *c, enum shutdown_mode mode, struct request *r);
void shutdown_advance(struct core *c);
void shutdown_check_exit_when(struct core *c);

uint32_t core_random(struct core *c);

#endif
