/*
 * tell: the one way in which something worth knowing leaves the master: a line in the log, a
 * record in the journal, and a word to who watches (control clients, the process that waits for
 * the start).
 */
#ifndef BROOD_LOOP_TELL_H
#define BROOD_LOOP_TELL_H

#include <sys/types.h>

#include "base/log.h"
#include "core/action.h"

struct loop;
struct obituary;

/* event: a name of broodd(8). who may be NULL: the cluster. */
void tell(struct loop *l, enum log_level level, const char *event, const struct log_who *who,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ACTION_TRANSITION, ACTION_NOTE. */
void tell_transition(struct loop *l, const struct action *a);
void tell_note(struct loop *l, const struct action *a);
/* o is told and stolen into the journal. */
void tell_obituary(struct loop *l, struct obituary *o);

#endif
