/*
 * jobs: see jobs.h.
 */
#include "runtime/jobs.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_PLACES 64
#define KEPT_PLACES  4096 /* a queue that was longer gives its memory back when it is empty */

static int
grow(struct jobs *q)
{
	size_t cap = q->cap > 0 ? 2 * q->cap : FIRST_PLACES;
	struct job *ring = mem_alloc(cap * sizeof *ring);
	size_t first;

	if (ring == NULL)
		return -ENOMEM;
	if (q->n > 0) {
		first = q->n < q->cap - q->head ? q->n : q->cap - q->head;
		memcpy(ring, q->ring + q->head, first * sizeof *ring);
		memcpy(ring + first, q->ring, (q->n - first) * sizeof *ring);
	}
	mem_free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
	return 0;
}

int
jobs_add(struct jobs *q, brood_fn *fn, void *arg)
{
	if (q->n == q->cap && grow(q) < 0)
		return -ENOMEM;
	q->ring[(q->head + q->n) & (q->cap - 1)] = (struct job){fn, arg};
	q->n++;
	return 0;
}

bool
jobs_take(struct jobs *q, struct job *ret)
{
	if (q->n == 0)
		return false;
	*ret = q->ring[q->head];
	q->head = (q->head + 1) & (q->cap - 1);
	if (--q->n == 0 && q->cap > KEPT_PLACES)
		jobs_done(q);
	return true;
}

void
jobs_done(struct jobs *q)
{
	mem_free(q->ring);
	*q = (struct jobs){0};
}
