/*
 * jobs: a queue of functions to call, first in, first out. It grows, and is as big as it ever was
 * until it is empty. It must not call anything.
 */
#ifndef BROOD_RUNTIME_JOBS_H
#define BROOD_RUNTIME_JOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "brood.h"

struct job {
	brood_fn *fn;
	void *arg;
};

struct jobs {
	struct job *ring; /* NULL, or a power of two of places */
	size_t cap, head, n;
};

/* 0 or -ENOMEM. */
int jobs_add(struct jobs *q, brood_fn *fn, void *arg);
/* False: there is none. */
bool jobs_take(struct jobs *q, struct job *ret);
void jobs_done(struct jobs *q);

#endif
