/*
 * control: the control socket and its clients: JSON-RPC 2.0, one request a line. At most 64
 * clients, 64 KiB a request, 5 s to finish one that was begun, output capped at 4 MiB; roles by
 * SO_PEERCRED at accept, checked at dispatch. A client that goes away leaves its operation
 * running (K5).
 */
#ifndef BROOD_LOOP_CONTROL_H
#define BROOD_LOOP_CONTROL_H

#include <stdint.h>
#include <sys/types.h>

#include "core/action.h"
#include "core/event.h"
#include "ctl/journal.h"

struct loop;
struct err;

/* Listens on RUN_DIR/NAME.sock. gid (gid_t)-1 = owner only. */
int control_init(struct loop *l, gid_t gid, struct err *e);
void control_done(struct loop *l);
/* An operation ended: answers the client that waits for request, if it is still there.
 * last_words: of the newest death of the app when it failed, or NULL. */
void control_on_reply(struct loop *l, const struct action *reply);
/* Something happened: progress for clients with an operation on that app, and `events -f`. */
void control_on_event(struct loop *l, const struct journal_event *e);
/* The socket file is ours and still there, else it is made anew (K7; called now and then: at each
 * signal and each end of a worker, never by a timer). */
void control_check_socket(struct loop *l);

#endif
