/*
 * ask: `brood probe`: a client's question to one worker, until the answer has come or the client
 * has gone. How the worker is reached is probe's business.
 */
#include <errno.h>
#include <utlist.h>

#include "base/mem.h"
#include "ctl/json.h"
#include "ipc/msg.h"
#include "loop/client.h"
#include "loop/loop.h"
#include "loop/probe.h"

struct ask {
	struct ask *next;
	struct client *client;
	struct probe *probe;
	json_t *id; /* of the request, owned; NULL = nobody wants to know */
	json_t *result; /* what is known before the answer */
};

static void
ask_free(struct ask *a)
{
	json_decref(a->id);
	json_decref(a->result);
	mem_free(a);
}

void
asks_free(struct client *c)
{
	while (c->asks) {
		struct ask *a = c->asks;

		LL_DELETE(c->asks, a);
		if (a->probe)
			probe_cancel(a->probe);
		ask_free(a);
	}
}

static void
on_answer(void *arg, const struct probe_result *r)
{
	struct ask *a = arg;
	struct client *c = a->client;

	LL_DELETE(c->asks, a);
	json_put(a->result, "ok", json_boolean(r->ok));
	json_put_count(a->result, "status", r->status > 0 ? (uint64_t)r->status : 0);
	json_put_text(a->result, "line", r->line);
	json_put_count(a->result, "connect_us", r->connect_us);
	json_put_count(a->result, "answer_us", r->answer_us);
	if (a->id) {
		rpc_add_result(&c->out, a->id, a->result);
		a->result = NULL;
	}
	ask_free(a);
	client_touch(c);
}

static struct ask *
ask_new(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	struct ask *a = mem_calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->client = c;
	a->id = json_deep_copy(id);
	a->result = json_object();
	if (!a->result || (id && !a->id)) {
		ask_free(a);
		return NULL;
	}
	json_put_text(a->result, "app", plan->app);
	json_put_count(a->result, "slot", (uint64_t)plan->slot);
	json_put_text(a->result, "path", plan->path);
	return a;
}

int
ask_begin(struct client *c, const struct ctl_plan *plan, const json_t *id, const char **ret_text)
{
	struct ask *a = ask_new(c, plan, id);
	int error = 0;

	*ret_text = "out of memory";
	if (!a)
		return -ENOMEM;
	LL_PREPEND(c->asks, a);
	a->probe = probe_start(c->control->loop, plan->app, (unsigned)plan->slot, plan->path,
	    plan->timeout_ms, on_answer, a, &error, ret_text);
	if (a->probe)
		return 0;
	LL_DELETE(c->asks, a);
	ask_free(a);
	return error;
}
