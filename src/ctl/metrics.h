/*
 * metrics: application metrics that workers report over the channel, kept per app. A counter's
 * value is an amount to add and outlives the worker; a gauge is the worker's present value, and
 * the app's value is the sum over living workers. At most METRICS_SERIES_MAX series an app; what
 * comes beyond is counted and dropped (a worker must not grow the master).
 */
#ifndef BROOD_CTL_METRICS_H
#define BROOD_CTL_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event.h"

#define METRICS_SERIES_MAX 256

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
/* False when dropped (limit, bad name [a-zA-Z_:][a-zA-Z0-9_:]*, type changed, negative or
 * non-finite counter value, no memory). */
bool metrics_report(struct metrics *m, const char *app, worker_id worker, const char *name,
    const char *type, const char *labels, double value);
void metrics_worker_gone(struct metrics *m, const char *app, worker_id worker);
void metrics_forget_app(struct metrics *m, const char *app);
/* [{"name":..,"type":..,"labels":..,"value":..}] sorted by name and labels. */
json_t *metrics_to_json(const struct metrics *m, const char *app);

#endif
