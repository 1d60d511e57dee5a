/*
 * runtime/offload: functions that run in libuv's pool of threads, which all loops of the process
 * share, while the loop goes on.
 */
#ifndef BROOD_RUNTIME_OFFLOAD_H
#define BROOD_RUNTIME_OFFLOAD_H

#include "brood.h"

/* Fills in what brood_loop_stats() says of offloads. */
void offload_stats(struct brood_loop *loop, struct brood_loop_stats *ret);

#endif
