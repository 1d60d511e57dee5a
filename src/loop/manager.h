/*
 * manager: what the service manager is told: READY, RELOADING, STATUS, STOPPING, WATCHDOG.
 * Without one all of this does nothing. The watchdog is fed from the loop itself, so that a loop
 * that hangs is noticed.
 */
#ifndef BROOD_LOOP_MANAGER_H
#define BROOD_LOOP_MANAGER_H

#include <stdint.h>

#include "core/action.h"

struct loop;

/* watchdog_us: 0 = nobody asked. 0 or negative errno. */
int manager_init(struct loop *l, uint64_t watchdog_us);
void manager_done(struct loop *l);
/* Something may have changed: looked at once, at the end of this turn of the loop. */
void manager_touch(struct loop *l);
/* A reload begins; it ends with the reply to request, or with manager_reload_failed(). */
void manager_reloading(struct loop *l, request_id request);
void manager_reload_failed(struct loop *l, request_id request, const char *why);
void manager_on_reply(struct loop *l, const struct action *reply);

#endif
