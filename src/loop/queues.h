/*
 * queues: looks at accept queues. Readiness of the listeners that are steered to wakes the master
 * at a first queued connection; then a tick (1 ms; 20 ms where every worker is on the ring, or where
 * nobody takes what waits) samples all seats of the app and tells the core (EVENT_QUEUES), until all
 * were empty for two ticks. An idle app costs no wake-up.
 *
 * Apps that are not steered are looked at while nobody of theirs is ready, and when somebody asks.
 */
#ifndef BROOD_LOOP_QUEUES_H
#define BROOD_LOOP_QUEUES_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct action;
struct err;
struct slot_queue;

int queues_init(struct loop *l, struct err *e);
/* Workers or steering of app changed: what is watched is settled anew, before the loop sleeps. */
void queues_settle(struct loop *l, const char *app);
/* The same, and sockets of it were opened or closed: before anybody touches them again. */
void queues_reopen(struct loop *l, const char *app);
/* The app is gone. */
void queues_forget(struct loop *l, const char *app);
/* ACTION_RESCUE. */
void queues_rescue(struct loop *l, const struct action *a);
/* For rescue.c: so many more were given to others. */
void queues_rescued(struct loop *l, const char *app, unsigned slot, unsigned count);
/* For status: the queues of a slot (both seats, all listeners) now and at most since the start,
 * and connections that were given to others because nobody took them there. False: its queue can't
 * be told from that of other slots. */
bool queues_report(struct loop *l, const char *app, unsigned slot, struct slot_queue *ret);
/* For probe.c: a connection of our own waits at that seat (1), or does no longer (-1); the core
 * does not hear of it. How often the slot's queues were given to others. */
void queues_own(struct loop *l, const char *app, unsigned slot, unsigned seat, int change);
uint64_t queues_flushes(struct loop *l, const char *app, unsigned slot);
void queues_done(struct loop *l);
/* After the loop has called back for the last time. */
void queues_free(struct loop *l);

#endif
