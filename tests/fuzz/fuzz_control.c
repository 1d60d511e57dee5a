/*
 * fuzz_control: bytes of a client become frames, requests, plans. A plan names only what exists,
 * an answer is one line of JSON, a refusal says why; no role gets what is not its own. The first
 * byte gives the role.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fakecluster.h"
#include "ipc/frame.h"
#include "ipc/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_cluster cluster;

static void
make_cluster(void)
{
	struct obituary o = {.cause = CAUSE_EXIT, .code = 3, .app = "web", .slot = 1};

	fake_cluster_init(&cluster);
	fake_cluster_add(&cluster, "web", 4);
	fake_cluster_add(&cluster, "api", 1);
	fake_cluster_add(&cluster, "rest", 0);
	fake_cluster_start(&cluster);
	fake_cluster_exit(&cluster, "web", 1, 3, 0);
	fake_cluster_ready(&cluster);
	journal_add_obituary(cluster.journal, &o);
}

/* What is written to the client: one line, readable again. */
static void
check_line(const struct str *line)
{
	json_t *back;

	if (str_failed(line) || memchr(line->data, '\n', line->len) != line->data + line->len - 1)
		abort();
	back = json_loadb(line->data, line->len, JSON_REJECT_DUPLICATES, NULL);
	if (back == NULL)
		abort();
	json_decref(back);
}

static void
check_event(const struct ctl_plan *plan)
{
	const struct app *a = core_find_app(cluster.core, plan->app);

	if ((plan->event.app != NULL) != (plan->app[0] != '\0'))
		abort();
	if (plan->event.kind == EVENT_SCALE && plan->event.scale.workers > CONF_WORKERS_MAX)
		abort();
	if (plan->event.kind == EVENT_KILL &&
	    (plan->event.kill.slot >= a->slots_len || plan->event.kill.signal <= 0))
		abort();
	if (plan->event.kind == EVENT_SIGNAL && plan->event.signal.signal <= 0)
		abort();
}

static void
check_plan(struct ctl_plan *plan, enum ctl_role role, const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	struct str line = {0};
	const struct app *a = core_find_app(cluster.core, plan->app);

	if (plan->outcome == CTL_REFUSE) {
		if (plan->message[0] == '\0' || plan->code >= 0)
			abort();
		rpc_add_error(&line, id, plan->code, plan->message, NULL);
		check_line(&line);
	} else if (plan->method == NULL || role < plan->method->role) {
		abort();
	}
	if (plan->outcome != CTL_REFUSE &&
	    ((plan->app[0] != '\0' && a == NULL) ||
	        (plan->slot >= 0 && (a == NULL || (unsigned)plan->slot >= a->slots_len))))
		abort();
	if (plan->outcome == CTL_EVENT)
		check_event(plan);
	if (plan->outcome == CTL_ANSWER) {
		rpc_add_result(&line, id, plan->result);
		plan->result = NULL;
		check_line(&line);
	}
	str_free(&line);
}

static bool
on_frame(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	const enum ctl_role *role = arg;
	struct ctl_plan plan;
	json_t *request;

	if (kind == FRAME_TOO_LONG || frame_json_depth(data, len, MSG_DEPTH_MAX) > MSG_DEPTH_MAX)
		return false;
	request = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	if (request == NULL)
		return false;
	ctl_dispatch(&cluster.ctx, *role, request, &plan);
	check_plan(&plan, *role, request);
	ctl_plan_done(&plan);
	json_decref(request);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader r;
	enum ctl_role role;

	if (cluster.core == NULL)
		make_cluster();
	if (size == 0)
		return 0;
	role = (enum ctl_role)(data[0] % 3);
	frame_reader_init(&r, RPC_REQUEST_MAX);
	(void)frame_reader_feed(&r, (const char *)data + 1, size - 1, on_frame, &role);
	frame_reader_done(&r);
	return 0;
}
