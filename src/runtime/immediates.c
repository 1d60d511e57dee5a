/*
 * immediates: see immediates.h. Order and life are those of Node's lib/internal/timers.js,
 * processImmediate(): the queue is taken whole, and between two of it ticks and microtasks run.
 */
#include "runtime/immediates.h"

#include <errno.h>

#include "base/mem.h"
#include "runtime/loop.h"

#define SPARE_MAX 256

struct immediate {
	struct immediate *prev, *next;
	struct immediate_list *list; /* that it is in */
	brood_id id;
	brood_fn *fn;
	void *arg;
	bool is_ref;
};

static void on_check(uv_check_t *check);

void
immediates_init(struct brood_loop *loop)
{
	struct immediates *m = &loop->immediates;

	(void)uv_check_init(&loop->uv, &m->check);
	(void)uv_idle_init(&loop->uv, &m->idle);
	m->check.data = loop;
	(void)uv_check_start(&m->check, on_check);
	uv_unref((uv_handle_t *)&m->check);
}

static void
on_idle(uv_idle_t *idle)
{
	(void)idle;
}

/* --- lists ----------------------------------------------------------------------------------- */

static void
append(struct immediate_list *l, struct immediate *i)
{
	i->list = l;
	i->next = NULL;
	i->prev = l->tail;
	if (l->tail != NULL)
		l->tail->next = i;
	else
		l->head = i;
	l->tail = i;
}

static void
unlink_from_list(struct immediate *i)
{
	if (i->prev != NULL)
		i->prev->next = i->next;
	else
		i->list->head = i->next;
	if (i->next != NULL)
		i->next->prev = i->prev;
	else
		i->list->tail = i->prev;
}

static struct immediate *
get(struct immediates *m)
{
	struct immediate *i = m->spare;

	if (i == NULL)
		return mem_alloc(sizeof *i);
	m->spare = i->next;
	m->n_spare--;
	return i;
}

static void
put(struct immediates *m, struct immediate *i)
{
	if (m->n_spare >= SPARE_MAX) {
		mem_free(i);
		return;
	}
	i->next = m->spare;
	m->spare = i;
	m->n_spare++;
}

/* --- one of them ----------------------------------------------------------------------------- */

brood_id
brood_set_immediate(struct brood_loop *loop, brood_fn *fn, void *arg)
{
	struct immediates *m = &loop->immediates;
	struct immediate *i = get(m);

	if (i == NULL) {
		errno = ENOMEM;
		return 0;
	}
	i->id = ids_add(&loop->ids, ID_IMMEDIATE, i);
	if (i->id == 0) {
		put(m, i);
		errno = ENOMEM;
		return 0;
	}
	i->fn = fn;
	i->arg = arg;
	i->is_ref = false;
	append(&m->waiting, i);
	immediates_set_ref(loop, i, true);
	return i->id;
}

void
immediates_set_ref(struct brood_loop *loop, struct immediate *i, bool on)
{
	struct immediates *m = &loop->immediates;

	if (i->is_ref == on)
		return;
	i->is_ref = on;
	if (on && m->n_refs++ == 0)
		(void)uv_idle_start(&m->idle, on_idle);
	else if (!on && --m->n_refs == 0)
		(void)uv_idle_stop(&m->idle);
}

static void
forget(struct brood_loop *loop, struct immediate *i)
{
	immediates_set_ref(loop, i, false);
	unlink_from_list(i);
	ids_remove(&loop->ids, i->id);
	put(&loop->immediates, i);
}

void
immediates_clear(struct brood_loop *loop, struct immediate *i)
{
	forget(loop, i);
}

/* --- the phase ------------------------------------------------------------------------------- */

static void
take_all(struct immediates *m)
{
	m->running = m->waiting;
	m->waiting = (struct immediate_list){0};
	for (struct immediate *i = m->running.head; i != NULL; i = i->next)
		i->list = &m->running;
}

static void
on_check(uv_check_t *check)
{
	struct brood_loop *loop = check->data;
	struct immediates *m = &loop->immediates;
	struct immediate *i;
	brood_fn *fn;
	void *arg;

	brood_enter(loop);
	/* What a stop has left of the last turn comes first. */
	if (m->running.head == NULL)
		take_all(m);
	while ((i = m->running.head) != NULL && !loop->is_stopped) {
		fn = i->fn;
		arg = i->arg;
		forget(loop, i);
		loop->stats.immediates++;
		fn(loop, arg);
		loop_run_queues(loop);
	}
	brood_leave(loop);
}

void
immediates_done(struct brood_loop *loop)
{
	struct immediates *m = &loop->immediates;
	struct immediate *i;

	while ((i = m->running.head) != NULL)
		forget(loop, i);
	while ((i = m->waiting.head) != NULL)
		forget(loop, i);
	while ((i = m->spare) != NULL) {
		m->spare = i->next;
		mem_free(i);
	}
	m->n_spare = 0;
}
