/*
 * timers: see timers.h. What runs when is that of Node's lib/internal/timers.js, processTimers()
 * and listOnTimeout(): what was due when the phase began, so that a timer which is set by a timer, or
 * becomes due while one computes, waits for the next turn; ticks and microtasks run between two.
 */
#include "runtime/timers.h"

#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "runtime/loop.h"

#define SPARE_MAX 256

struct timer {
	struct timer *prev, *next;
	struct timer_list *list; /* NULL while it runs */
	uint64_t start_ms;
	uint64_t length_ms;
	brood_id id;
	brood_fn *fn;
	void *arg;
	bool is_ref, repeats;
	bool is_running; /* on_list_due() holds it: it is not freed */
	bool is_cleared; /* meanwhile */
};

struct timer_list {
	uint64_t length_ms;
	uint64_t due_ms;
	uint64_t nr;
	size_t at; /* in the heap */
	struct timer *head, *tail;
	bool is_running; /* it is not freed meanwhile */
	bool is_detached; /* neither in the heap nor in the table */
	UT_hash_handle hh;
};

static void on_due(uv_timer_t *timer);

void
timers_init(struct brood_loop *loop)
{
	struct timers *s = &loop->timers;

	(void)uv_timer_init(&loop->uv, &s->timer);
	s->timer.data = loop;
	uv_unref((uv_handle_t *)&s->timer);
	s->next_ms = UINT64_MAX;
}

/* --- the heap of lists ----------------------------------------------------------------------- */

static bool
is_before(const struct timer_list *a, const struct timer_list *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->nr < b->nr;
}

static void
place(struct timers *s, size_t at, struct timer_list *l)
{
	s->heap[at] = l;
	l->at = at;
}

static void
sift_up(struct timers *s, struct timer_list *l)
{
	size_t at = l->at;

	while (at > 0 && is_before(l, s->heap[(at - 1) / 2])) {
		place(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(s, at, l);
}

static void
sift_down(struct timers *s, struct timer_list *l)
{
	size_t at = l->at, child;

	while ((child = 2 * at + 1) < s->n) {
		if (child + 1 < s->n && is_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_before(s->heap[child], l))
			break;
		place(s, at, s->heap[child]);
		at = child;
	}
	place(s, at, l);
}

static bool
reserve_heap(struct timers *s)
{
	size_t cap = s->cap > 0 ? 2 * s->cap : 16;
	struct timer_list **heap;

	if (s->n < s->cap)
		return true;
	heap = mem_realloc(s->heap, cap * sizeof(struct timer_list *));
	if (heap == NULL)
		return false;
	s->heap = heap;
	s->cap = cap;
	return true;
}

/* --- lists ----------------------------------------------------------------------------------- */

static struct timer_list *
list_of_length(struct timers *s, uint64_t length_ms, uint64_t start_ms)
{
	struct timer_list *l;

	HASH_FIND(hh, s->by_length, &length_ms, sizeof length_ms, l);
	if (l != NULL)
		return l;
	l = reserve_heap(s) ? mem_calloc(1, sizeof *l) : NULL;
	if (l == NULL)
		return NULL;
	l->length_ms = length_ms;
	l->due_ms = start_ms + length_ms;
	l->nr = s->made++;
	HASH_ADD(hh, s->by_length, length_ms, sizeof l->length_ms, l);
	if (l->hh.tbl == NULL) {
		mem_free(l);
		return NULL;
	}
	l->at = s->n++;
	sift_up(s, l);
	return l;
}

/* Takes an empty list out of the heap and the table. */
static void
detach(struct timers *s, struct timer_list *l)
{
	struct timer_list *last = s->heap[--s->n];

	if (last != l) {
		last->at = l->at;
		sift_down(s, last);
		sift_up(s, last);
	}
	HASH_DELETE(hh, s->by_length, l);
	l->is_detached = true;
	if (!l->is_running)
		mem_free(l);
}

static void
append(struct timer_list *l, struct timer *t)
{
	t->list = l;
	t->next = NULL;
	t->prev = l->tail;
	if (l->tail != NULL)
		l->tail->next = t;
	else
		l->head = t;
	l->tail = t;
}

static void
unlink_from_list(struct timer *t)
{
	struct timer_list *l = t->list;

	if (t->prev != NULL)
		t->prev->next = t->next;
	else
		l->head = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	else
		l->tail = t->prev;
	t->list = NULL;
}

/* --- one timer ------------------------------------------------------------------------------- */

static void
schedule(struct brood_loop *loop, uint64_t due_ms, uint64_t now)
{
	struct timers *s = &loop->timers;

	s->next_ms = due_ms;
	(void)uv_timer_start(&s->timer, on_due, due_ms > now ? due_ms - now : 1, 0);
}

/* False: no memory. */
static bool
insert(struct brood_loop *loop, struct timer *t, uint64_t start_ms)
{
	struct timer_list *l = list_of_length(&loop->timers, t->length_ms, start_ms);

	if (l == NULL)
		return false;
	t->start_ms = start_ms;
	append(l, t);
	if (l->due_ms < loop->timers.next_ms)
		schedule(loop, l->due_ms, start_ms);
	return true;
}

static struct timer *
get(struct timers *s)
{
	struct timer *t = s->spare;

	if (t == NULL)
		return mem_alloc(sizeof *t);
	s->spare = t->next;
	s->n_spare--;
	return t;
}

static void
put(struct timers *s, struct timer *t)
{
	if (s->n_spare >= SPARE_MAX) {
		mem_free(t);
		return;
	}
	t->next = s->spare;
	s->spare = t;
	s->n_spare++;
}

static brood_id
set_timer(struct brood_loop *loop, uint64_t ms, bool repeats, brood_fn *fn, void *arg)
{
	struct timers *s = &loop->timers;
	struct timer *t = get(s);

	if (t == NULL) {
		errno = ENOMEM;
		return 0;
	}
	*t = (struct timer){
	    .length_ms = ms < 1               ? 1
	                 : ms > INT64_MAX / 2 ? INT64_MAX / 2
	                                      : ms,
	    .repeats = repeats,
	    .fn = fn,
	    .arg = arg,
	};
	t->id = ids_add(&loop->ids, ID_TIMER, t);
	if (t->id == 0 || !insert(loop, t, loop_clock_ms(loop))) {
		if (t->id != 0)
			ids_remove(&loop->ids, t->id);
		put(s, t);
		errno = ENOMEM;
		return 0;
	}
	timers_set_ref(loop, t, true);
	return t->id;
}

brood_id
brood_set_timeout(struct brood_loop *loop, uint64_t ms, brood_fn *fn, void *arg)
{
	return set_timer(loop, ms, false, fn, arg);
}

brood_id
brood_set_interval(struct brood_loop *loop, uint64_t ms, brood_fn *fn, void *arg)
{
	return set_timer(loop, ms, true, fn, arg);
}

void
timers_set_ref(struct brood_loop *loop, struct timer *t, bool on)
{
	struct timers *s = &loop->timers;

	if (t->is_ref == on)
		return;
	t->is_ref = on;
	if (on && s->n_refs++ == 0)
		uv_ref((uv_handle_t *)&s->timer);
	else if (!on && --s->n_refs == 0)
		uv_unref((uv_handle_t *)&s->timer);
}

/* A list that has become empty goes; libuv's timer may then be early for nothing, once. */
static void
leave_list(struct timers *s, struct timer *t)
{
	struct timer_list *l = t->list;

	unlink_from_list(t);
	if (l->head == NULL && !l->is_detached)
		detach(s, l);
}

static void
end(struct brood_loop *loop, struct timer *t)
{
	timers_set_ref(loop, t, false);
	ids_remove(&loop->ids, t->id);
	put(&loop->timers, t);
}

void
timers_clear(struct brood_loop *loop, struct timer *t)
{
	if (t->list != NULL)
		leave_list(&loop->timers, t);
	if (t->is_running)
		t->is_cleared = true;
	else
		end(loop, t);
}

/* One that runs right now is set anew by this, as in Node. */
bool
timers_refresh(struct brood_loop *loop, struct timer *t)
{
	if (t->is_cleared)
		return false;
	if (t->list != NULL)
		leave_list(&loop->timers, t);
	if (insert(loop, t, loop_clock_ms(loop)))
		return true;
	if (!t->is_running)
		end(loop, t);
	return false;
}

/* --- the phase ------------------------------------------------------------------------------- */

static void
run(struct brood_loop *loop, struct timer *t)
{
	uint64_t start_ms = t->repeats ? loop_clock_ms(loop) : 0;

	unlink_from_list(t);
	t->is_running = true;
	loop->stats.timers++;
	t->fn(loop, t->arg);
	t->is_running = false;
	if (t->is_cleared) {
		end(loop, t);
		return;
	}
	if (t->list != NULL)
		return;
	/* An interval that finds no memory for its list: told as an error, since it would be
	 * waited for in vain. */
	if (t->repeats && !insert(loop, t, start_ms)) {
		end(loop, t);
		brood_raise(loop, -ENOMEM, "an interval can't be set again");
	} else if (!t->repeats) {
		end(loop, t);
	}
}

static void
run_list(struct brood_loop *loop, struct timer_list *l, uint64_t now)
{
	struct timers *s = &loop->timers;
	struct timer *t;

	l->is_running = true;
	while ((t = l->head) != NULL && !loop->is_stopped) {
		if (t->start_ms + l->length_ms > now) {
			l->due_ms = t->start_ms + l->length_ms;
			if (l->due_ms < now + 1)
				l->due_ms = now + 1;
			l->nr = s->made++;
			break;
		}
		run(loop, t);
		loop_run_queues(loop);
	}
	l->is_running = false;
	if (l->is_detached)
		mem_free(l);
	else if (l->head == NULL)
		detach(s, l);
	else
		sift_down(s, l);
}

static void
on_due(uv_timer_t *timer)
{
	struct brood_loop *loop = timer->data;
	struct timers *s = &loop->timers;
	uint64_t now = loop_clock_ms(loop);

	brood_enter(loop);
	/* Timers that are set meanwhile are looked at below. */
	s->next_ms = 0;
	while (s->n > 0 && !loop->is_stopped) {
		if (s->heap[0]->due_ms > now)
			break;
		run_list(loop, s->heap[0], now);
	}
	s->next_ms = UINT64_MAX;
	if (s->n > 0)
		schedule(loop, s->heap[0]->due_ms, loop_clock_ms(loop));
	brood_leave(loop);
}

void
timers_done(struct brood_loop *loop)
{
	struct timers *s = &loop->timers;
	struct timer *t;

	while (s->n > 0)
		timers_clear(loop, s->heap[0]->head);
	while ((t = s->spare) != NULL) {
		s->spare = t->next;
		mem_free(t);
	}
	s->n_spare = 0;
	mem_free(s->heap);
	s->heap = NULL;
	s->cap = 0;
}
