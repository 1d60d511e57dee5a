/*
 * app: a set of slots, and the operations on it, one after the other.
 *
 * The head of the queue runs. What an operation waits for is not events but a condition on the
 * slots, looked at by app_advance() after each event: so nothing is missed, whatever came in
 * between. An operation that only waits for slots to come up (start, scale) makes room for the
 * next one when that is needed; a rollout never does: it ends by itself within its timeouts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/internal.h"

#define OPS_MAX 16

static const char *const op_names[OP_KIND_MAX] = {
    [OP_START] = "start",
    [OP_STOP] = "stop",
    [OP_RESTART] = "restart",
    [OP_RELOAD] = "reload",
    [OP_SCALE] = "scale",
    [OP_DRAIN] = "drain",
    [OP_RESUME] = "resume",
};

/* --- the app ------------------------------------------------------------------------------- */

int
app_reserve(struct app *a, unsigned slots)
{
	struct slot **grown;

	if (slots <= a->slots_cap)
		return 0;
	grown = mem_realloc(a->slots, slots * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	a->slots = grown;
	a->slots_cap = slots;
	return 0;
}

struct app *
app_new(struct core *c, const struct core_target *t)
{
	struct app *a = mem_calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->core = c;
	a->wanted = APP_REST;
	(void)snprintf(a->name, sizeof(a->name), "%s", t->conf->name);
	return a;
}

static void
op_free(struct core *c, struct op *op)
{
	generation_unref(c, op->target);
	mem_free(op->requests);
	mem_free(op);
}

void
app_free(struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++)
		slot_free(a->slots[i]);
	for (unsigned i = 0; i < a->spares_len; i++)
		slot_free(a->spares[i]);
	generation_unref(a->core, a->rollout.to);
	generation_unref(a->core, a->rollout.from);
	generation_unref(a->core, a->generation);
	mem_free(a->steer.seats);
	mem_free(a->slots);
	mem_free(a->spares);
	mem_free(a->going);
	mem_free(a);
}

unsigned
app_count_ready(const struct app *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->slots_len; i++)
		n += a->slots[i]->state == SLOT_SERVING;
	return n;
}

unsigned
app_count_alive(const struct app *a)
{
	return a->alive;
}

unsigned
app_count_leaving(const struct app *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->slots_len; i++)
		for (const struct worker *w = a->slots[i]->leaving; w; w = w->next_leaving)
			n += w->pid != 0;
	return n;
}

static bool
is_at(const struct slot *s, unsigned n)
{
	return s->current && s->current->number == n;
}

const struct slot *
app_find_place(const struct app *a, unsigned n)
{
	if (n < a->slots_len)
		return a->slots[n];
	for (unsigned i = 0; i < a->slots_len; i++)
		if (is_at(a->slots[i], n))
			return a->slots[i];
	for (unsigned i = 0; i < a->spares_len; i++)
		if (is_at(a->spares[i], n))
			return a->spares[i];
	for (unsigned i = 0; i < a->spares_len; i++)
		if (a->spares[i]->generation && a->spares[i]->index == n)
			return a->spares[i];
	return NULL;
}

const struct worker *
app_find_number(const struct app *a, unsigned n)
{
	const struct worker *w = n < a->slots_len ? a->slots[n]->current : NULL;

	if (w && w->number == n)
		return w; /* as a rule */
	for (unsigned i = 0; i < a->slots_len; i++)
		if (is_at(a->slots[i], n))
			return a->slots[i]->current;
	return w;
}

void
app_set_target(struct app *a, unsigned target_len, struct generation *g)
{
	unsigned len = a->slots_len < target_len ? a->slots_len : target_len;

	/* A slot that was leaving is taken back with the generation that is wanted now. */
	for (unsigned i = a->target_len; i < len; i++)
		slot_set_generation(a->slots[i], g);
	while (a->slots_len < target_len && a->slots_len < a->slots_cap) {
		struct slot *s = slot_new(a, a->slots_len, g);

		if (!s) {
			note_app(a, NOTE_SPAWN_WAITING, true,
			    "out of memory: %u slots instead of %u", a->slots_len, target_len);
			break;
		}
		a->slots[a->slots_len++] = s;
	}
	a->target_len = target_len < a->slots_len ? target_len : a->slots_len;
	spare_make_room(a, g);
	steer_touch(a);
	for (unsigned i = a->target_len; i < a->slots_len; i++)
		slot_rest(a->slots[i], CAUSE_SCALE, "scaled down", true);
}

/* Slots beyond the target go, the last first, once they are empty. */
static void
trim(struct app *a)
{
	unsigned before = a->slots_len;

	while (a->slots_len > a->target_len && slot_is_empty(a->slots[a->slots_len - 1]))
		slot_free(a->slots[--a->slots_len]);
	if (a->slots_len < before)
		action_push_app(a, ACTION_SLOT_GONE)->slot_gone.slots = a->slots_len;
}

static struct worker *
find_leader(const struct app *a, enum worker_state state)
{
	for (unsigned i = 0; i < a->target_len; i++) {
		struct worker *w = a->slots[i]->current;

		if (w && w->state == state)
			return w;
	}
	return NULL;
}

/* A stalled worker only where no other serves; who leads goes on leading when it stalls. */
void
app_elect(struct app *a)
{
	if (a->leader)
		return;
	a->leader = find_leader(a, WORKER_READY);
	if (!a->leader)
		a->leader = find_leader(a, WORKER_STALLED);
	if (a->leader)
		worker_tell_leader(a->leader, true);
}

/* Starts the slots that rest; with retry also those that gave up, ended or wait. */
static void
start_slots(struct app *a, bool retry, const char *reason)
{
	for (unsigned i = 0; i < a->target_len; i++) {
		struct slot *s = a->slots[i];

		if (s->drained || s->state == SLOT_STARTING || s->state == SLOT_SERVING ||
		    (s->state != SLOT_RESTING && !retry))
			continue;
		slot_set_generation(s, a->generation);
		slot_start(s, reason);
	}
}

void
app_rest(
    struct app *a, enum app_wanted wanted, enum cause cause, const char *reason, bool with_delay)
{
	rollout_cancel(a, reason);
	a->wanted = wanted;
	steer_touch(a);
	for (unsigned i = 0; i < a->slots_len; i++)
		slot_rest(a->slots[i], cause, reason, with_delay);
	spare_rest_all(a, cause, reason);
}

bool
app_is_empty(const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++)
		if (!slot_is_empty(a->slots[i]))
			return false;
	for (unsigned i = 0; i < a->spares_len; i++)
		if (!slot_is_empty(a->spares[i]))
			return false;
	return true;
}

/* --- the queue ----------------------------------------------------------------------------- */

static struct op *
op_new(
    enum op_kind kind, struct generation *target, const struct op_args *args, struct request *r)
{
	struct op *op = mem_calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	if (r && request_add(&op->requests, &op->requests_len, r) != 0) {
		mem_free(op);
		return NULL;
	}
	op->kind = kind;
	op->target = target;
	op->workers = args->workers;
	op->slot = args->slot;
	return op;
}

/* Answers everybody who waits for the head and takes it off the queue. */
static void
op_finish(struct app *a, bool failed, const char *text)
{
	struct op *op = a->ops;

	a->ops = op->next;
	for (size_t i = 0; failed && i < op->requests_len; i++)
		if (op->requests[i]->app[0] == '\0')
			memcpy(op->requests[i]->app, a->name, sizeof(a->name));
	request_settle_all(a->core, &op->requests, &op->requests_len, failed, text);
	op_free(a->core, op);
}

void
op_fail(struct app *a, const char *reason)
{
	if (a->ops && a->ops->running)
		text_set(a->ops->failure, reason);
}

void
app_fail_ops(struct app *a, const char *reason)
{
	while (a->ops)
		op_finish(a, true, reason);
}

/* The operation that a new one of this kind may join: the last in the queue, unless it runs and
 * could already have passed what the new one wants. */
static struct op *
find_joinable(
    struct app *a, enum op_kind kind, int slot, struct op **ret_tail, unsigned *ret_len)
{
	struct op *tail = a->ops;
	unsigned len = tail != NULL;

	for (; tail && tail->next; tail = tail->next)
		len++;
	*ret_tail = tail;
	*ret_len = len;
	if (!tail || tail->kind != kind || tail->slot != slot)
		return NULL;
	if (tail->running && kind != OP_START && kind != OP_STOP)
		return NULL;
	return tail;
}

static int
join(struct app *a, struct op *op, struct generation *target, unsigned workers, struct request *r)
{
	if (r && request_add(&op->requests, &op->requests_len, r) != 0)
		return -ENOMEM;
	if (target) {
		generation_unref(a->core, op->target);
		op->target = target;
	}
	op->workers = workers;
	return 0;
}

int
app_enqueue(struct app *a, enum op_kind kind, const struct op_args *args, struct request *r)
{
	const struct core_target *t = args->target;
	struct generation *target = NULL;
	struct op *tail, *op;
	unsigned len;
	int rc = 0;

	if (app_reserve(a, t ? t->workers : args->workers) != 0 ||
	    (t && t->node && spare_reserve(a, t->conf->spares) != 0))
		return -ENOMEM;
	if (t && !(target = generation_new(t, a->last_number + 1)))
		return -ENOMEM;
	if ((op = find_joinable(a, kind, args->slot, &tail, &len))) {
		rc = join(a, op, target, args->workers, r);
	} else if (len >= OPS_MAX) {
		rc = -EBUSY;
	} else if (!(op = op_new(kind, target, args, r))) {
		rc = -ENOMEM;
	} else {
		if (tail)
			tail->next = op;
		else
			a->ops = op;
	}
	if (rc != 0) {
		mem_free(target); /* the launch stays the caller's */
		return rc;
	}
	a->last_number += target != NULL;
	return 0;
}

/* --- running an operation ------------------------------------------------------------------ */

/* How many slots a new configuration means: what an operator scaled to stays, unless the
 * configuration says something new. */
static unsigned
workers_of(struct app *a, const struct generation *g)
{
	if (a->scaled && a->generation && g->workers == a->generation->workers)
		return a->target_len;
	a->scaled = false;
	return g->workers;
}

static void
take_target(struct app *a, struct generation *g)
{
	unsigned n = workers_of(a, g);

	generation_assign(a->core, &a->generation, g);
	app_set_target(a, n, g);
	for (unsigned i = 0; i < a->target_len; i++)
		slot_set_generation(a->slots[i], g);
}

static void
begin_start(struct app *a, const char *reason)
{
	a->wanted = APP_RUN;
	boot_budget_clear(&a->boot);
	spare_retry(a);
	start_slots(a, true, reason);
}

static void
begin_scale(struct app *a, unsigned workers)
{
	note_app(a, NOTE_SCALED, false, "%u -> %u workers", a->target_len, workers);
	a->scaled = true;
	app_set_target(a, workers, a->generation);
	if (a->wanted == APP_RUN)
		start_slots(a, false, "scaled up");
}

static bool
op_concerns(const struct op *op, unsigned slot)
{
	return op->slot < 0 || (unsigned)op->slot == slot;
}

/* Sockets stay, and what comes waits there. */
static void
begin_drain(struct app *a, const struct op *op)
{
	for (unsigned i = 0; i < a->target_len; i++) {
		struct slot *s = a->slots[i];

		if (s->drained || !op_concerns(op, i))
			continue;
		s->drained = true;
		note_slot(s, NOTE_DRAINED, false,
		    "drained on an operator's word; `brood resume %s` brings it back", a->name);
		slot_rest(s, CAUSE_OPERATOR, "drained on an operator's word", true);
		/* Who comes from now on waits at the twin, so that the old queue comes to an end. */
		s->seat = slot_other_seat(s, s->generation);
	}
	steer_touch(a);
}

/* What is started or rolled out anew is not drained any more. */
static void
forget_drained(struct app *a, const struct op *op)
{
	for (unsigned i = 0; i < a->slots_len; i++) {
		struct slot *s = a->slots[i];

		if (!s->drained || (op && !op_concerns(op, i)))
			continue;
		s->drained = false;
		note_slot(s, NOTE_RESUMED, false, "not drained any more");
	}
}

static void
begin_resume(struct app *a, const struct op *op)
{
	forget_drained(a, op);
	if (a->wanted == APP_RUN)
		start_slots(a, false, "resumed");
}

static bool
drained_slots_are_empty(const struct app *a)
{
	for (unsigned i = 0; i < a->slots_len; i++)
		if (a->slots[i]->drained && !slot_is_empty(a->slots[i]))
			return false;
	return true;
}

static void
op_begin(struct app *a, struct op *op)
{
	op->running = true;
	if (op->kind == OP_START || op->kind == OP_RESTART || op->kind == OP_RELOAD)
		forget_drained(a, NULL);
	switch (op->kind) {
	case OP_START:
		if (op->target)
			take_target(a, op->target);
		begin_start(a, "start");
		break;
	case OP_STOP:
	case OP_RESTART:
		app_rest(a, APP_REST, CAUSE_OPERATOR,
		    op->kind == OP_STOP ? "app stopped by an operator" : "restarted by an operator",
		    true);
		break;
	case OP_RELOAD:
		if (a->wanted == APP_RUN)
			rollout_begin(a, op->target, workers_of(a, op->target));
		else
			take_target(a, op->target);
		break;
	case OP_SCALE:
		begin_scale(a, op->workers);
		break;
	case OP_DRAIN:
		begin_drain(a, op);
		break;
	case OP_RESUME:
		begin_resume(a, op);
		break;
	case OP_KIND_MAX:
		break;
	}
}

/* All wanted slots have come to rest: up, given up, or ended. */
static bool
slots_settled(const struct app *a)
{
	for (unsigned i = 0; i < a->target_len; i++)
		if (a->slots[i]->state == SLOT_STARTING || a->slots[i]->state == SLOT_BACKOFF)
			return false;
	return true;
}

/* Fills text with how the slots stand; true when one has failed. */
static bool
describe_slots(const struct app *a, char text[ACTION_TEXT_MAX])
{
	unsigned failed = 0, drained = 0;
	const struct slot *first = NULL;

	for (unsigned i = 0; i < a->target_len; i++) {
		drained += a->slots[i]->drained;
		if (a->slots[i]->state != SLOT_FAILED)
			continue;
		failed++;
		first = first ? first : a->slots[i];
	}
	if (failed > 0)
		text_format(text, "%s: %u of %u slots failed: %s", a->name, failed, a->target_len,
		    first->reason);
	else if (a->wanted != APP_RUN)
		text_format(text, "%s rests", a->name);
	else if (drained > 0)
		text_format(text, "%s: %u/%u ready, %u drained, generation %u", a->name,
		    app_count_ready(a), a->target_len, drained, a->generation->number);
	else
		text_format(text, "%s: %u/%u ready, generation %u", a->name, app_count_ready(a),
		    a->target_len, a->generation->number);
	return failed > 0;
}

/* True when the head is over. */
static bool
op_is_over(struct app *a, struct op *op)
{
	switch (op->kind) {
	case OP_START:
		return slots_settled(a);
	case OP_SCALE:
		return slots_settled(a) && a->slots_len == a->target_len;
	case OP_STOP:
		return app_is_empty(a);
	case OP_RESTART:
		if (!op->starting && app_is_empty(a)) {
			op->starting = true;
			take_target(a, op->target);
			begin_start(a, "restart");
		}
		return op->starting && slots_settled(a);
	case OP_RELOAD:
		return a->rollout.state == ROLLOUT_NONE;
	case OP_DRAIN:
		return drained_slots_are_empty(a);
	case OP_RESUME:
		return slots_settled(a);
	case OP_KIND_MAX:
		break;
	}
	return true;
}

static void
op_end(struct app *a, struct op *op)
{
	char text[ACTION_TEXT_MAX];
	bool failed = describe_slots(a, text);

	if (op->failure[0] != '\0') {
		failed = true;
		text_format(text, "%s", op->failure);
	} else if (op->kind == OP_STOP) {
		failed = false;
		note_app(a, NOTE_APP_STOPPED, false,
		    "all workers are gone; `brood start %s` brings it back", a->name);
	}
	op_finish(a, failed, text);
}

/* Some slot waits for its next try, so that the head may take long to end. */
static bool
some_slot_waits(const struct app *a)
{
	for (unsigned i = 0; i < a->target_len; i++)
		if (a->slots[i]->state == SLOT_BACKOFF)
			return true;
	return false;
}

/* What only waits for slots to come up makes room for what wants other slots; for what wants
 * other workers in them only when the coming up is in trouble (S5). */
static bool
head_is_superseded(const struct app *a)
{
	const struct op *op = a->ops, *next = op->next;

	if (!next || op->kind == OP_STOP || op->kind == OP_RELOAD || op->kind == OP_DRAIN ||
	    (op->kind == OP_RESTART && !op->starting))
		return false;
	return next->kind == OP_STOP || next->kind == OP_RESTART || next->kind == OP_SCALE ||
	       next->kind == OP_DRAIN ||
	       some_slot_waits(a);
}

/* Whoever waited for the head waits for its successor from now on; only a stop leaves nothing to
 * wait for. */
static void
supersede_head(struct app *a)
{
	struct op *op = a->ops, *next = op->next;
	size_t n = op->requests_len + next->requests_len;
	struct request **all = NULL;
	char text[ACTION_TEXT_MAX];

	if (next->kind != OP_STOP)
		all = mem_realloc(next->requests, (n ? n : 1) * sizeof(struct request *));
	if (all) {
		memcpy(all + next->requests_len, op->requests,
		    op->requests_len * sizeof(struct request *));
		next->requests = all;
		next->requests_len = n;
		op->requests_len = 0;
	}
	text_format(text, "superseded by %s", op_names[next->kind]);
	op_finish(a, true, text);
}

static void
advance_ops(struct app *a)
{
	for (;;) {
		struct op *op = a->ops;

		trim(a);
		rollout_advance(a);
		app_elect(a);
		if (!op)
			return;
		if (!op->running) {
			op_begin(a, op);
			continue;
		}
		if (op_is_over(a, op))
			op_end(a, op);
		else if (head_is_superseded(a))
			supersede_head(a);
		else
			return;
	}
}

void
app_advance(struct app *a)
{
	advance_ops(a);
	spare_advance(a);
}
