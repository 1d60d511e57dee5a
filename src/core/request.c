/*
 * request: who waits for an answer. A request may hang on several operations (a reload of all
 * apps); it is answered once, when the last of them is over, with the first failure's words.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core/internal.h"

struct request *
request_new(request_id id)
{
	struct request *r = mem_calloc(1, sizeof(*r));

	if (r)
		r->id = id;
	return r;
}

int
request_add(struct request ***list, size_t *len, struct request *r)
{
	struct request **grown = mem_realloc(*list, (*len + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	grown[(*len)++] = r;
	*list = grown;
	r->pending++;
	return 0;
}

/* The first start ends the master when nothing at all came of it, and nobody has asked for
 * anything else meanwhile. */
static void
settle_first_start(struct core *c, const struct request *r)
{
	c->started = true;
	if (!r->failed)
		return;
	for (struct app *a = c->apps; a; a = a->next) {
		if (a->ops)
			return;
		for (unsigned i = 0; i < a->slots_len; i++)
			if (a->slots[i]->state == SLOT_SERVING || a->slots[i]->state == SLOT_EXITED)
				return;
	}
	c->failed_start = true;
}

void
request_settle(struct core *c, struct request *r, bool failed, const char *text)
{
	if (failed && !r->failed) {
		r->failed = true;
		text_set(r->text, text);
	} else if (!r->failed && text[0] != '\0') {
		text_set(r->text, text);
	}
	if (--r->pending > 0)
		return;
	if (r->first_start)
		settle_first_start(c, r);
	if (r->id != 0) {
		struct action *act = action_push(c, ACTION_REPLY);

		act->reply.request = r->id;
		act->reply.code = r->failed ? REPLY_FAILED : REPLY_DONE;
		memcpy(act->app, r->app, sizeof(act->app));
		text_set(act->text, r->text);
	}
	mem_free(r);
}

void
request_settle_all(
    struct core *c, struct request ***list, size_t *len, bool failed, const char *text)
{
	struct request **all = *list;
	size_t n = *len;

	*list = NULL;
	*len = 0;
	for (size_t i = 0; i < n; i++)
		request_settle(c, all[i], failed, text);
	mem_free(all);
}

void
request_reply_now(struct core *c, request_id id, enum reply_code code, const char *fmt, ...)
{
	struct action *act;
	va_list ap;

	if (id == 0)
		return;
	act = action_push(c, ACTION_REPLY);
	act->reply.request = id;
	act->reply.code = code;
	va_start(ap, fmt);
	(void)vsnprintf(act->text, sizeof(act->text), fmt, ap);
	va_end(ap);
}
