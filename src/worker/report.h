/*
 * report: what the master is told of this worker's load, and the program's metrics.
 *
 * A beat is due a second after a connection came or went: requests on connections that are there
 * already are no news, and neither an idle worker nor its master is woken. Counters are summed here
 * and told at most ten times a second, some series at a time, so that the master reads on.
 */
#ifndef BROOD_WORKER_REPORT_H
#define BROOD_WORKER_REPORT_H

#include <stddef.h>
#include <uv.h>

#include "brood.h"

struct brood_worker;
struct series;

struct report {
	struct brood_worker *worker;
	uv_timer_t beat, metrics; /* not referenced */
	struct series *series;
	size_t n, next;
	struct brood_loop_stats told; /* by the last beat */
};

void report_open(struct report *r, struct brood_worker *w);
/* Something has happened that a beat will tell. */
void report_news(struct brood_worker *w);
/* Tells all that is waiting, for the last time. */
void report_flush(struct report *r);
void report_close(struct report *r);
void report_done(struct report *r);

#endif
