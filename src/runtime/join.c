/*
 * join: see runtime/join.h.
 */
#include "runtime/join.h"

#include <errno.h>
#include <limits.h>

#include "runtime/task.h"

enum join_kind { JOIN_ONE, JOIN_ALL, JOIN_ANY };

struct join {
	enum join_kind kind;
	struct brood_task *joiner;
	struct brood_task *const *tasks; /* NULL among them: brood_go() had no memory for it */
	size_t n;
	size_t left; /* not ended */
	bool is_cut; /* it is decided: the others are cancelled */
	int error; /* of all the first, of any the last; 0: none */
	struct brood_task *winner; /* of any */
};

/* --- what is known so far -------------------------------------------------------------------- */

static void
cut(struct join *j)
{
	if (j->is_cut)
		return;
	j->is_cut = true;
	for (size_t i = 0; i < j->n; i++)
		brood_cancel(j->tasks[i]);
}

/* Whether that decides it. */
static bool
note(struct join *j, struct brood_task *t)
{
	int result = t != NULL ? t->result : -ENOMEM;

	switch (j->kind) {
	case JOIN_ONE:
		break;
	case JOIN_ALL:
		if (result >= 0 || j->error != 0)
			return false;
		j->error = result;
		return true;
	case JOIN_ANY:
		if (j->winner != NULL)
			return false;
		if (result >= 0) {
			j->winner = t;
			return true;
		}
		j->error = result;
		return false;
	}
	return false;
}

void
join_ended(struct join *j, struct brood_task *t)
{
	if (note(j, t))
		cut(j);
	if (--j->left == 0)
		task_wake(j->joiner, 0);
}

/* --- waiting --------------------------------------------------------------------------------- */

static int
check(const struct join *j, const struct brood_task *t)
{
	if (t == NULL)
		return 0;
	if (t == j->joiner)
		return -EDEADLK;
	if (t->joined_by != NULL)
		return -EBUSY;
	return t->is_detached || t->loop != j->joiner->loop ? -EINVAL : 0;
}

/* All of them or none. */
static int
claim(struct join *j)
{
	size_t i;
	int r = 0;

	for (i = 0; i < j->n; i++) {
		r = check(j, j->tasks[i]);
		if (r < 0)
			break;
		if (j->tasks[i] != NULL)
			j->tasks[i]->joined_by = j;
	}
	if (r < 0)
		while (i-- > 0)
			if (j->tasks[i] != NULL)
				j->tasks[i]->joined_by = NULL;
	return r;
}

static void
look(struct join *j)
{
	bool is_decided = false;

	for (size_t i = 0; i < j->n; i++) {
		struct brood_task *t = j->tasks[i];

		if (t != NULL && t->state != TASK_ENDED) {
			j->left++;
			continue;
		}
		if (t != NULL)
			task_adopt(t);
		if (note(j, t))
			is_decided = true;
	}
	if (is_decided)
		cut(j);
}

static bool
stop_join(struct brood_task *t)
{
	cut(t->wait.join);
	return false;
}

/* Why it was interrupted, or 0. Where nothing is left to be waited for, it is as if there had been:
 * what was queued before runs first, as with await. */
static int
wait_for_all(struct join *j, int error)
{
	struct brood_task *t = j->joiner;
	int r = 0;

	if (error < 0)
		cut(j);
	if (j->left > 0) {
		t->wait.join = j;
		r = task_wait(t, error < 0 ? NULL : stop_join);
	} else if (error == 0) {
		task_pass(t);
	}
	return error < 0 ? error : r;
}

static void
free_all(struct join *j)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->tasks[i] != NULL)
			task_free(j->tasks[i]);
}

/* Leaves the tasks to be freed, unless it fails before it began. */
static int
join(struct join *j, int *ret_interrupted)
{
	int r = task_begin_wait(&j->joiner), claimed;

	if (r == -EPERM)
		return r;
	claimed = claim(j);
	if (claimed < 0)
		return claimed;
	look(j);
	*ret_interrupted = wait_for_all(j, r);
	return 0;
}

/* --- brood.h --------------------------------------------------------------------------------- */

static int
join_outside(struct brood_task *t)
{
	int result;

	if (t == NULL || t->state != TASK_ENDED || t->joined_by != NULL)
		return t == NULL ? -ENOMEM : -EPERM;
	task_adopt(t);
	result = t->result;
	task_free(t);
	return result;
}

int
brood_join(struct brood_task *t)
{
	struct join j = {.kind = JOIN_ONE, .tasks = &t, .n = 1};
	int interrupted, result, r;

	if (brood_self() == NULL)
		return join_outside(t);
	r = join(&j, &interrupted);
	if (r < 0)
		return r;
	result = t != NULL ? t->result : -ENOMEM;
	free_all(&j);
	return interrupted != 0 ? interrupted : result;
}

int
brood_all(struct brood_task *const *tasks, size_t n)
{
	struct join j = {.kind = JOIN_ALL, .tasks = tasks, .n = n};
	int interrupted, r = join(&j, &interrupted);

	if (r < 0)
		return r;
	free_all(&j);
	return interrupted != 0 ? interrupted : j.error;
}

int
brood_any(struct brood_task *const *tasks, size_t n, int *ret_result)
{
	struct join j = {.kind = JOIN_ANY, .tasks = tasks, .n = n};
	int interrupted, result = 0, r = n > 0 && n <= INT_MAX ? join(&j, &interrupted) : -EINVAL;
	size_t at = 0;

	if (r < 0)
		return r;
	if (j.winner != NULL) {
		result = j.winner->result;
		while (tasks[at] != j.winner)
			at++;
	}
	free_all(&j);
	if (interrupted != 0 || j.winner == NULL)
		return interrupted != 0 ? interrupted : j.error;
	if (ret_result != NULL)
		*ret_result = result;
	return (int)at;
}
