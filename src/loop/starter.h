/*
 * starter: the process that started the master and waits for the outcome on --ready-fd: progress
 * while workers boot, then one line with the result. Bounded, never blocks: progress is dropped
 * when nobody reads, the result is not.
 */
#ifndef BROOD_LOOP_STARTER_H
#define BROOD_LOOP_STARTER_H

#include "ctl/journal.h"

struct loop;

/* Takes fd over; -1 = nobody waits. 0 or negative errno. */
int starter_init(struct loop *l, int fd);
void starter_done(struct loop *l);
void starter_on_event(struct loop *l, const struct journal_event *e);
/* The start is over, well or not; the descriptor is closed when the line is out. */
void starter_on_ready(struct loop *l);
void starter_on_failed(struct loop *l, int code, const char *message, const char *last_words);

#endif
