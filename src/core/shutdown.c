/*
 * shutdown: the end of the master: asked for, or because nothing is left to do.
 */
#include "base/mem.h"
#include "core/internal.h"

static const int exit_system_error = 71; /* sysexits(3) EX_OSERR: a worker could not be ended */

static void
hurry_all(struct core *c, enum shutdown_mode mode)
{
	struct worker *w, *next;

	HASH_ITER (by_id, c->workers, w, next)
		worker_hurry(w, mode);
}

void
shutdown_begin(struct core *c, enum shutdown_mode mode, struct request *r)
{
	bool first = c->shutdown == SHUTDOWN_NONE;
	struct action *act;

	if (r && request_add(&c->stopping, &c->stopping_len, r) != 0) {
		request_reply_now(c, r->id, REPLY_BUSY, "out of memory");
		mem_free(r);
	}
	if (mode <= c->shutdown)
		return;
	c->shutdown = mode;
	act = action_push(c, ACTION_NOTE);
	act->note.kind = NOTE_SHUTDOWN;
	text_set(act->text, shutdown_mode_to_string(mode));
	for (struct app *a = c->apps; first && a; a = a->next) {
		app_rest(a, APP_REST, CAUSE_SHUTDOWN, "the master is stopping",
		    mode == SHUTDOWN_GRACEFUL);
		app_fail_ops(a, "the master is stopping");
	}
	hurry_all(c, mode);
}

void
shutdown_advance(struct core *c)
{
	if (c->shutdown == SHUTDOWN_NONE || c->exited || c->pending_spawns > 0 ||
	    c->alive > c->written_off)
		return;
	c->exited = true;
	for (struct app *a = c->apps; a; a = a->next)
		request_settle_all(c, &a->going, &a->going_len, false, "");
	request_settle_all(c, &c->stopping, &c->stopping_len, c->written_off > 0,
	    c->written_off > 0 ? "some workers can't be killed" : "stopped");
	if (c->written_off > 0)
		c->exit_code = exit_system_error;
	action_push(c, ACTION_EXIT)->exit.code = c->exit_code;
}

/* Whether every slot that should run has come to its end, and how. */
static bool
all_ended(const struct core *c, unsigned *ret_failed, unsigned *ret_exited)
{
	*ret_failed = *ret_exited = 0;
	for (const struct app *a = c->apps; a; a = a->next) {
		if (a->ops || a->rollout.state != ROLLOUT_NONE)
			return false;
		for (unsigned i = 0; a->wanted == APP_RUN && i < a->target_len; i++) {
			const struct slot *s = a->slots[i];

			if (s->state == SLOT_FAILED)
				++*ret_failed;
			else if (s->state != SLOT_EXITED)
				return false;
			else if (s->last_code != 0)
				++*ret_failed;
			else
				++*ret_exited;
		}
	}
	return *ret_failed + *ret_exited > 0;
}

void
shutdown_check_exit_when(struct core *c)
{
	unsigned failed, exited;

	if (c->shutdown != SHUTDOWN_NONE)
		return;
	if (c->failed_start) {
		c->exit_code = 1;
		shutdown_begin(c, SHUTDOWN_NO_DELAY, NULL);
		return;
	}
	if (c->exit_when == EXIT_WHEN_NEVER || !all_ended(c, &failed, &exited))
		return;
	if (c->exit_when == EXIT_WHEN_ALL_FAILED && exited > 0)
		return;
	c->exit_code = failed > 0 ? 1 : 0;
	shutdown_begin(c, SHUTDOWN_NO_DELAY, NULL);
}
