/*
 * queues: looks at accept queues. One-shot readiness of the listeners that are steered to wakes
 * the master at a first queued connection; then a tick (1 ms; 20 ms where every worker is on the
 * ring) samples all seats of the app and tells the core (EVENT_QUEUES), until all were empty for
 * two ticks. An idle app costs no wake-up.
 */
#ifndef BROOD_LOOP_QUEUES_H
#define BROOD_LOOP_QUEUES_H

#include <stdint.h>

struct loop;
struct action;
struct err;

int queues_init(struct loop *l, struct err *e);
/* Listeners, workers or steering of app changed: what is watched is settled anew. Cheap. */
void queues_settle(struct loop *l, const char *app);
void queues_forget(struct loop *l, const char *app);
/* ACTION_RESCUE. */
void queues_rescue(struct loop *l, const struct action *a);
/* For status: now and at most since the start, of a slot (both seats, all listeners), and
 * connections that were given to others because nobody took them there. */
struct queue_report {
	unsigned now, most, limit;
	uint64_t rescued;
};
void queues_report(struct loop *l, const char *app, unsigned slot, struct queue_report *ret);
void queues_done(struct loop *l);

#endif
