/*
 * start: one worker from a wish to a process. For procs.c alone.
 */
#ifndef BROOD_LOOP_START_H
#define BROOD_LOOP_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/event.h"

struct loop;
struct launch;

struct start_request {
	worker_id worker;
	char app[49];
	unsigned slot, seat, generation;
	unsigned number; /* by which it will know itself; of all but a few of Node's, its slot */
	bool alone;			/* nobody else reads its seat: it may be any program */
	struct launch *launch;		/* the core keeps it until it has our answer */
};

/* 0 with the pid, or a negative errno and what could not be done. */
int start_worker(struct loop *l, const struct start_request *q, pid_t *ret_pid,
    const char **ret_what);

#endif
