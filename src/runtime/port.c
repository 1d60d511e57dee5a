/*
 * port: see runtime/port.h. The lock is held for a few instructions and for libuv's wake, never
 * while foreign code runs: free_data and the listener are called without it.
 *
 * Queues have no bound, as in Node: who sends faster than the other end listens keeps the memory.
 */
#include "runtime/port.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/loop.h"

#define MESSAGES_A_TURN 256 /* then timers and the rest have theirs */

struct node {
	struct node *next;
	struct brood_message m;
	char text[]; /* where it is one */
};

struct queue {
	struct node *first, *last;
};

struct brood_port {
	struct line *line;
	struct brood_loop *loop;
	struct brood_port **holder;
	brood_message_fn *fn;
	void *arg;
	struct queue batch; /* taken from waiting */
	bool is_closed;
	uv_async_t wake;
	/* Under the lock. */
	struct queue waiting;
	bool is_open, is_listening;
	bool is_woken; /* and has not looked yet */
};

struct line {
	uv_mutex_t lock;
	struct brood_port ends[2];
	atomic_uint handles; /* not closed by libuv; the last one frees */
};

/* --- queues of messages ---------------------------------------------------------------------- */

static void
push(struct queue *q, struct node *n)
{
	n->next = NULL;
	if (q->last != NULL)
		q->last->next = n;
	else
		q->first = n;
	q->last = n;
}

static struct node *
pop(struct queue *q)
{
	struct node *n = q->first;

	if (n == NULL)
		return NULL;
	q->first = n->next;
	if (q->first == NULL)
		q->last = NULL;
	return n;
}

static struct queue
take_all(struct queue *q)
{
	struct queue all = *q;

	*q = (struct queue){0};
	return all;
}

/* Text is one piece of memory with its node: this is how whoever took it gives it back. */
static void
free_text(void *text)
{
	mem_free((char *)text - offsetof(struct node, text));
}

/* What comes out has its memory for itself, and its node is gone or within it. */
static struct brood_message
unwrap(struct node *n)
{
	struct brood_message m = n->m;

	if (!m.is_text)
		mem_free(n);
	return m;
}

static void
free_message(struct brood_message *m)
{
	if (m->data != NULL && m->free_data != NULL)
		m->free_data(m->data);
}

static void
free_messages(struct queue q)
{
	struct brood_message m;
	struct node *n;

	while ((n = pop(&q)) != NULL) {
		m = unwrap(n);
		free_message(&m);
	}
}

/* --- the receiver ---------------------------------------------------------------------------- */

static struct brood_port *
other_end(struct brood_port *p)
{
	return &p->line->ends[p == &p->line->ends[0]];
}

/* Under the lock. */
static void
wake(struct brood_port *p)
{
	if (!p->is_open || !p->is_listening || p->is_woken)
		return;
	p->is_woken = true;
	(void)uv_async_send(&p->wake);
}

/* A port that may hear something keeps its loop alive; one whose other end is closed hears what is
 * left. */
static void
settle_ref(struct brood_port *p)
{
	bool is_alive;

	uv_mutex_lock(&p->line->lock);
	is_alive = other_end(p)->is_open || p->waiting.first != NULL;
	uv_mutex_unlock(&p->line->lock);
	if (p->fn != NULL && (is_alive || p->batch.first != NULL))
		uv_ref((uv_handle_t *)&p->wake);
	else
		uv_unref((uv_handle_t *)&p->wake);
}

static void
deliver(struct brood_port *p, struct node *n)
{
	struct brood_message m = unwrap(n);

	brood_enter(p->loop);
	p->fn(p, &m, p->arg);
	free_message(&m);
	brood_leave(p->loop);
}

static void
look(struct brood_port *p)
{
	uv_mutex_lock(&p->line->lock);
	p->is_woken = false;
	if (p->batch.first == NULL)
		p->batch = take_all(&p->waiting);
	uv_mutex_unlock(&p->line->lock);
}

static void
ask_for_another_turn(struct brood_port *p)
{
	uv_mutex_lock(&p->line->lock);
	if (p->batch.first != NULL || p->waiting.first != NULL)
		wake(p);
	uv_mutex_unlock(&p->line->lock);
}

static void
on_wake(uv_async_t *handle)
{
	struct brood_port *p = handle->data;
	unsigned n = 0;

	look(p);
	while (p->fn != NULL && p->batch.first != NULL && !p->loop->is_stopped &&
	       n++ < MESSAGES_A_TURN) {
		deliver(p, pop(&p->batch));
		if (p->is_closed)
			return;
	}
	ask_for_another_turn(p);
	settle_ref(p);
}

void
brood_port_listen(struct brood_port *p, brood_message_fn *fn, void *arg)
{
	if (p->is_closed)
		return;
	p->fn = fn;
	p->arg = arg;
	uv_mutex_lock(&p->line->lock);
	p->is_listening = fn != NULL;
	uv_mutex_unlock(&p->line->lock);
	ask_for_another_turn(p);
	settle_ref(p);
}

bool
port_is_behind(struct brood_port *p)
{
	bool is_behind;

	uv_mutex_lock(&p->line->lock);
	is_behind = p->is_listening && (p->batch.first != NULL || p->waiting.first != NULL);
	uv_mutex_unlock(&p->line->lock);
	return is_behind;
}

/* --- the sender ------------------------------------------------------------------------------ */

static int
send_node(struct brood_port *p, struct node *n)
{
	struct brood_port *to = other_end(p);
	int r = 0;

	uv_mutex_lock(&p->line->lock);
	if (to->is_open) {
		push(&to->waiting, n);
		wake(to);
	} else {
		r = -EPIPE;
	}
	uv_mutex_unlock(&p->line->lock);
	if (r < 0)
		mem_free(n);
	return r;
}

int
brood_port_send(struct brood_port *p, const char *text, size_t len)
{
	struct node *n;

	if (len > SIZE_MAX - sizeof *n - 1)
		return -ENOMEM;
	n = mem_alloc(sizeof *n + len + 1);
	if (n == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(n->text, text, len);
	n->text[len] = '\0';
	n->m = (struct brood_message){
	    .data = n->text, .len = len, .is_text = true, .free_data = free_text};
	return send_node(p, n);
}

int
brood_port_move(struct brood_port *p, void *data, size_t len, void (*free_data)(void *))
{
	struct node *n = mem_alloc(sizeof *n);

	if (n == NULL)
		return -ENOMEM;
	n->m = (struct brood_message){.data = data, .len = len, .free_data = free_data};
	return send_node(p, n);
}

/* --- opened and closed ----------------------------------------------------------------------- */

static void
let_go(struct line *line)
{
	if (atomic_fetch_sub(&line->handles, 1) > 1)
		return;
	uv_mutex_destroy(&line->lock);
	mem_free(line);
}

static void
on_closed(uv_handle_t *handle)
{
	struct brood_port *p = handle->data;

	let_go(p->line);
}

void
brood_port_close(struct brood_port *p)
{
	struct queue unheard;

	if (p == NULL || p->is_closed)
		return;
	p->is_closed = true;
	p->fn = NULL;
	if (p->holder != NULL)
		*p->holder = NULL;
	uv_mutex_lock(&p->line->lock);
	p->is_open = false;
	unheard = take_all(&p->waiting);
	wake(other_end(p)); /* it may have no reason to stay any more */
	uv_mutex_unlock(&p->line->lock);
	free_messages(take_all(&p->batch));
	free_messages(unheard);
	uv_close((uv_handle_t *)&p->wake, on_closed);
}

struct brood_loop *
brood_port_loop(const struct brood_port *p)
{
	return p->loop;
}

void
port_set_holder(struct brood_port *p, struct brood_port **holder)
{
	p->holder = holder;
}

static int
open_end(struct line *line, unsigned i, struct brood_loop *loop)
{
	struct brood_port *p = &line->ends[i];
	int r = uv_async_init(&loop->uv, &p->wake, on_wake);

	if (r < 0)
		return r;
	p->wake.data = p;
	uv_unref((uv_handle_t *)&p->wake);
	p->line = line;
	p->loop = loop;
	p->is_open = true;
	atomic_fetch_add(&line->handles, 1);
	return 0;
}

int
port_pair_new(struct brood_loop *a, struct brood_loop *b, struct brood_port *ret[2])
{
	struct line *line = mem_calloc(1, sizeof *line);
	int r = line != NULL ? uv_mutex_init(&line->lock) : -ENOMEM;

	if (r < 0) {
		mem_free(line);
		return r;
	}
	r = open_end(line, 0, a);
	if (r < 0) {
		uv_mutex_destroy(&line->lock);
		mem_free(line);
		return r;
	}
	r = open_end(line, 1, b);
	if (r < 0) {
		brood_port_close(&line->ends[0]);
		return r;
	}
	ret[0] = &line->ends[0];
	ret[1] = &line->ends[1];
	return 0;
}
