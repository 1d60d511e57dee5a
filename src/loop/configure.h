/*
 * configure: what stands behind loop_reconfigure(), and the first start.
 */
#ifndef BROOD_LOOP_CONFIGURE_H
#define BROOD_LOOP_CONFIGURE_H

#include "conf/conf.h"
#include "core/event.h"

struct loop;
struct err;

/* All apps of conf or nothing. Takes the reference to conf on success. */
int configure_all(struct loop *l, struct conf *conf, request_id request, struct err *e);

#endif
