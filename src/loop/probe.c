/*
 * probe: see the header.
 *
 * Accepted is a connection that was answered or closed, or one that is established while the queue of
 * its socket is empty: the only signs that a silent program gives. We say nothing and that there is no
 * more to come, so that even a program that serves one at a time is done with us at once; while others
 * wait behind us, that it closes is the only sign. What makes the empty queue lie, and what is done
 * about it:
 *   the last packet of the handshake is still on its way when we look   two looks, unless it was
 *                                                                       seen waiting before
 *   the queue was given to others (queues_rescue())                     seen by the count of
 *                                                                       flushes: asked again
 *   the queue is full, the connection not established                   asked again when it has
 *                                                                       run empty
 *   a program that has set TCP_DEFER_ACCEPT                             our end counts as data: it
 *                                                                       gets us like any client
 * While it waits, the connection is no client's: queues.c takes it off what it tells the core.
 */
#include "loop/probe.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "core/cluster.h"
#include "loop/dial.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/procs.h"
#include "loop/queues.h"
#include "loop/tell.h"
#include "sys/queue.h"

#define LOOK_STALLED_MS  16 /* first pause between looks at a stalled worker's queue ... */
#define LOOK_LONGEST_MS  1000 /* ... and the longest */
#define LOOK_SHORT_MS    50 /* at a starting worker's, in its first second */
#define LOOK_LATER_MS    250 /* and for the next ten */
#define LOOK_TWICE_MS    4 /* between the two looks of somebody who was never seen waiting */
#define REDIAL_AFTER_US  (250 * 1000) /* not established, though the queue is empty */
#define RETRY_ACCEPT_MS  10
#define RETRY_ACCEPT_MAX 250
#define RETRY_HTTP_MS    100
#define RETRY_HTTP_MAX   1000
#define WHAT_MAX         200

struct probe {
	struct loop *l;
	uv_timer_t timer;
	void (*on_time)(struct probe *p); /* what it waits for */
	worker_id worker;
	enum probe_kind kind;
	struct dial *dial; /* NULL between two tries */
	char *path; /* NULL: of the configuration */
	probe_fn fn; /* probe_start(); else the core asked */
	void *arg;
	uint64_t timeout_ms;
	uint64_t began_us, dialled_us, connected_us;
	uint64_t retry_ms, look_ms; /* the next pauses */
	uint64_t flushes; /* when it was dialled */
	bool counted; /* told queues.c that one of its connections is ours */
	bool seen; /* waiting in the queue */
	bool empty; /* at the last look */
	char said[WHAT_MAX]; /* what came of the last try */
};

/* What a try has to do with: NULL members where the worker can't be addressed. */
struct aim {
	const struct worker *worker;
	const struct conf_app *conf;
	const struct listener *listener;
};

/* False: the worker is gone. */
static bool
take_aim(const struct probe *p, struct aim *ret)
{
	const struct worker *w = core_find_worker(p->l->core, p->worker);
	const struct launch *la = w ? w->generation->launch : NULL;

	if (!w || w->pid == 0 || !la)
		return false;
	*ret = (struct aim){.worker = w, .conf = w->generation->conf};
	for (size_t i = 0; i < la->listeners_len && !ret->listener; i++)
		if (la->listeners[i]->kind == LISTEN_TCP &&
		    la->listeners[i]->shape == LISTENER_STEERED)
			ret->listener = la->listeners[i];
	return true;
}

static void
on_timer(uv_timer_t *timer)
{
	struct probe *p = timer->data;

	p->on_time(p);
}

static void
wait(struct probe *p, uint64_t ms, void (*then)(struct probe *p))
{
	p->on_time = then;
	uv_update_time(&p->l->uv); /* timers count from the loop's cached time */
	(void)uv_timer_start(&p->timer, on_timer, ms, 0); /* cannot fail with a callback */
}

/* --- the end of a try, the end of all ------------------------------------------------------- */

static void
count(struct probe *p, bool on)
{
	const struct worker *w = core_find_worker(p->l->core, p->worker);

	if (w && on != p->counted && p->kind != PROBE_HEALTH)
		queues_own(p->l, w->app->name, w->slot->index, w->seat, on ? 1 : -1);
	p->counted = on;
}

static void
hang_up(struct probe *p)
{
	count(p, false);
	dial_close(p->dial);
	p->dial = NULL;
}

static void
on_closed(uv_handle_t *h)
{
	struct probe *p = h->data;

	mem_free(p->path);
	mem_free(p);
}

static void
end(struct probe *p)
{
	struct proc *proc = procs_find(p->l, p->worker);

	if (proc && proc->probe == p)
		proc->probe = NULL;
	hang_up(p);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

/* The outcome; p is no more after it. */
static void
finish(struct probe *p, bool ok, bool unknown, const char *what)
{
	const struct event ev = {
	    .kind = EVENT_PROBED,
	    .worker = p->worker,
	    .probed = {.kind = p->kind, .ok = ok, .unknown = unknown, .what = what},
	};
	struct loop *l = p->l;

	/* First the end: what the core makes of it may be another probe. */
	end(p);
	loop_step(l, &ev);
}

static void
finish_request(struct probe *p, int status, const char *line)
{
	struct probe_result result = {.ok = status != 0, .status = status};
	uint64_t now_us = clock_now_us();

	snprintf(result.line, sizeof(result.line), "%s", line);
	if (p->connected_us)
		result.connect_us = p->connected_us - p->began_us;
	if (status)
		result.answer_us = now_us - p->began_us;
	p->fn(p->arg, &result);
	end(p);
}

static void dial(struct probe *p);

static void
dial_again(struct probe *p)
{
	uint64_t max = p->kind == PROBE_ACCEPT ? RETRY_ACCEPT_MAX : RETRY_HTTP_MAX;
	uint64_t pause = p->retry_ms;

	hang_up(p);
	p->retry_ms = pause * 2 < max ? pause * 2 : max;
	wait(p, pause, dial);
}

/* An operator wants to know what it is that a start waits for; each new answer is told once. */
static void
say(struct probe *p, const char *what)
{
	const struct worker *w = core_find_worker(p->l->core, p->worker);
	const struct log_who who = {
	    .app = w ? w->app->name : NULL,
	    .slot = w ? (int)w->slot->index : -1,
	    .pid = w ? w->pid : 0,
	    .generation = w ? w->generation->number : 0,
	};

	if (strcmp(p->said, what) == 0)
		return;
	snprintf(p->said, sizeof(p->said), "%s", what);
	tell(p->l, LOG_LEVEL_INFO, "probe_again", &who, "not ready yet: %s", what);
}

/* A try came to nothing. */
static void
fail(struct probe *p, const char *what)
{
	if (p->fn) {
		finish_request(p, 0, what);
		return;
	}
	switch (p->kind) {
	case PROBE_HTTP:
		say(p, what);
		dial_again(p);
		break;
	case PROBE_HEALTH:
		finish(p, false, false, what);
		break;
	case PROBE_ACCEPT:
	case PROBE_NONE:
	case PROBE_KIND_MAX:
		dial_again(p);
		break;
	}
}

/* --- whether it was accepted ---------------------------------------------------------------- */

static uint64_t
flushes(const struct probe *p, const struct worker *w)
{
	return queues_flushes(p->l, w->app->name, w->slot->index);
}

static void look(struct probe *p);

static uint64_t
next_look_ms(struct probe *p, const struct worker *w)
{
	uint64_t age_us = clock_now_us() - p->dialled_us, ms = p->look_ms;

	if (w->state == WORKER_STALLED) {
		p->look_ms = ms * 2 < LOOK_LONGEST_MS ? ms * 2 : LOOK_LONGEST_MS;
		return ms;
	}
	if (age_us > 10 * 1000 * 1000)
		return LOOK_LONGEST_MS;
	if (age_us > 1000 * 1000)
		return LOOK_LATER_MS;
	p->look_ms = ms * 2 < LOOK_SHORT_MS ? ms * 2 : LOOK_SHORT_MS;
	return ms;
}

/* It spoke or closed, so somebody has accepted; the look says who, if the queue was given away. */
static void
on_sign(struct probe *p)
{
	struct aim aim;

	if (take_aim(p, &aim) && aim.listener && flushes(p, aim.worker) == p->flushes)
		finish(p, true, false, "accepted");
	else
		look(p);
}

static void
look(struct probe *p)
{
	unsigned len = 0, limit;
	bool was_empty = p->empty;
	struct aim aim;

	if (!take_aim(p, &aim) || !aim.listener) {
		end(p); /* proc_close() is on its way */
		return;
	}
	if (flushes(p, aim.worker) != p->flushes ||
	    queue_length(listener_fd(aim.listener, aim.worker->slot->index, aim.worker->seat), &len,
	        &limit) < 0) {
		dial_again(p);
		return;
	}
	p->empty = len == 0;
	p->seen |= len > 0;
	if (!p->connected_us) {
		if (p->empty && clock_now_us() - p->dialled_us > REDIAL_AFTER_US) {
			dial_again(p);
			return;
		}
		p->empty = false;
	} else if (p->empty && (p->seen || was_empty)) {
		finish(p, true, false, "accepted");
		return;
	}
	wait(p, p->empty ? LOOK_TWICE_MS : next_look_ms(p, aim.worker), look);
}

/* --- what it answered ----------------------------------------------------------------------- */

/* "HTTP/1.1 503 Service Unavailable": 503, and where the number begins; 0: no such line. */
static int
parse_status(const char *line, size_t len, size_t *ret_at)
{
	static const char prefix[] = "HTTP/";
	size_t at = sizeof(prefix) - 1;

	if (len < at || memcmp(line, prefix, at) != 0)
		return 0;
	while (at < len && line[at] != ' ')
		at++;
	while (at < len && line[at] == ' ')
		at++;
	for (size_t i = at; i < at + 3; i++)
		if (i >= len || !isdigit((unsigned char)line[i]))
			return 0;
	if (line[at] == '0' || (at + 3 < len && line[at + 3] != ' ' && line[at + 3] != '\r'))
		return 0;
	*ret_at = at;
	return (line[at] - '0') * 100 + (line[at + 1] - '0') * 10 + line[at + 2] - '0';
}

static void
escape(const char *text, size_t len, char out[WHAT_MAX])
{
	struct str s = {0};

	while (len > 0 && text[len - 1] == '\r')
		len--;
	str_add_escaped(&s, text, len);
	snprintf(out, WHAT_MAX, "%s", str_text(&s));
	str_free(&s);
}

static void
judge(struct probe *p, const char *line, size_t len)
{
	struct aim aim;
	char what[WHAT_MAX];
	size_t at = 0;
	int status = parse_status(line, len, &at);

	if (!take_aim(p, &aim)) {
		fail(p, "the worker is gone");
	} else if (flushes(p, aim.worker) != p->flushes) {
		fail(p, "it did not take the connection, which was given to another worker");
	} else if (len == 0) {
		fail(p, "closed without an answer");
	} else if (status == 0) {
		fail(p, "it did not answer in HTTP");
	} else {
		escape(line + (p->fn ? 0 : at), len - (p->fn ? 0 : at), what);
		if (p->fn)
			finish_request(p, status, what);
		else if (status < 200 || status > 399)
			fail(p, what);
		else
			finish(p, true, false, what);
	}
}

static void
error_text(const struct probe *p, int error, char out[WHAT_MAX])
{
	char limit[32];

	if (error != -ETIMEDOUT) {
		snprintf(out, WHAT_MAX, "%s", strerror(-error));
		return;
	}
	units_format_duration_ms(p->timeout_ms, limit, sizeof(limit));
	snprintf(
	    out, WHAT_MAX, "no %s within %s", p->connected_us ? "answer" : "connection", limit);
}

static void
on_dial(void *arg, enum dial_step step, const char *line, size_t len, int error)
{
	struct probe *p = arg;
	char what[WHAT_MAX];

	switch (step) {
	case DIAL_CONNECTED:
		p->connected_us = clock_now_us();
		if (p->kind == PROBE_ACCEPT)
			look(p);
		break;
	case DIAL_ANSWERED:
		if (p->kind != PROBE_ACCEPT)
			judge(p, line, len);
		else
			on_sign(p);
		break;
	case DIAL_FAILED:
		error_text(p, error, what);
		fail(p, what);
		break;
	}
}

/* --- the way there -------------------------------------------------------------------------- */

static const char *
path_of(const struct probe *p, const struct conf_app *conf)
{
	const char *path = p->kind == PROBE_HTTP ? conf->ready_path : conf->probe_path;

	if (p->path)
		return p->path;
	return path ? path : "/";
}

static int
dial_worker(struct probe *p, const struct aim *aim)
{
	const struct worker *w = aim->worker;
	const char *path = p->kind == PROBE_ACCEPT ? NULL : path_of(p, aim->conf);

	if (!p->timeout_ms)
		p->timeout_ms = aim->conf->probe_timeout_ms;
	p->dialled_us = clock_now_us();
	p->connected_us = 0;
	p->seen = p->empty = false;
	p->look_ms = w->state == WORKER_STALLED ? LOOK_STALLED_MS : 1;
	p->flushes = flushes(p, w);
	return dial_open(&p->l->uv, aim->listener, w->slot->index, w->seat, path,
	    path ? p->timeout_ms : 0, on_dial, p, &p->dial);
}

/* Nothing was sent: descriptors or ports are short, or another probe holds the one source port. */
static void
could_not_dial(struct probe *p, int r)
{
	bool is_late = clock_now_us() - p->began_us > p->timeout_ms * 1000;

	if ((p->fn || p->kind == PROBE_HEALTH) && is_late)
		fail(p, strerror(-r));
	else
		dial_again(p);
}

static void
dial(struct probe *p)
{
	struct aim aim;
	int r;

	if (!take_aim(p, &aim)) {
		if (p->fn)
			finish_request(p, 0, "the worker is gone");
		else
			end(p);
		return;
	}
	r = aim.listener ? dial_worker(p, &aim) : -EOPNOTSUPP;
	if (r == -EOPNOTSUPP || r == -ERANGE) {
		if (p->fn)
			finish_request(p, 0, "cannot be addressed");
		else
			finish(p, false, true, "cannot be addressed");
	} else if (r < 0) {
		could_not_dial(p, r);
	} else {
		count(p, true);
		if (p->kind == PROBE_ACCEPT)
			wait(p, p->look_ms + 1, look);
	}
}

static struct probe *
probe_new(struct loop *l, worker_id worker, enum probe_kind kind)
{
	struct probe *p = mem_calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->l = l;
	p->worker = worker;
	p->kind = kind;
	p->retry_ms = kind == PROBE_ACCEPT ? RETRY_ACCEPT_MS : RETRY_HTTP_MS;
	p->began_us = clock_now_us();
	(void)uv_timer_init(&l->uv, &p->timer); /* cannot fail */
	p->timer.data = p;
	return p;
}

void
probe_begin(struct loop *l, const struct action *a)
{
	struct proc *proc = procs_find(l, a->worker);

	if (!proc)
		return; /* it died, of which the core will hear */
	probe_end(proc);
	if (a->probe.kind == PROBE_NONE)
		return;
	proc->probe = probe_new(l, a->worker, a->probe.kind);
	if (!proc->probe) {
		const struct event ev = {
		    .kind = EVENT_PROBED,
		    .worker = a->worker,
		    .probed = {.kind = a->probe.kind, .unknown = true, .what = "out of memory"},
		};

		loop_step(l, &ev);
		return;
	}
	/* After the step, whose steering may be part of the same list of actions. */
	wait(proc->probe, 0, dial);
}

void
probe_end(struct proc *proc)
{
	struct probe *p = proc->probe;

	proc->probe = NULL;
	if (p)
		end(p);
}

/* --- for operators -------------------------------------------------------------------------- */

static struct probe *
refuse(int error, const char *text, int *ret_error, const char **ret_text)
{
	*ret_error = error;
	*ret_text = text;
	return NULL;
}

struct probe *
probe_start(struct loop *l, const char *app, unsigned slot, const char *path, uint64_t timeout_ms,
    probe_fn fn, void *arg, int *ret_error, const char **ret_text)
{
	const struct app *a = core_find_app(l->core, app);
	const struct slot *s = a && slot < a->slots_len ? a->slots[slot] : NULL;
	const struct worker *w = s && s->current && s->current->pid ? s->current : NULL;
	struct probe *p;
	struct aim aim;

	if (!s)
		return refuse(-ENOENT, "no such slot", ret_error, ret_text);
	if (!w)
		return refuse(-ESRCH, "no worker in that slot", ret_error, ret_text);
	p = probe_new(l, w->id, PROBE_HEALTH);
	if (!p)
		return refuse(-ENOMEM, "out of memory", ret_error, ret_text);
	p->fn = fn;
	p->arg = arg;
	p->timeout_ms = timeout_ms;
	p->path = path ? mem_strdup(path) : NULL;
	if (path && !p->path) {
		end(p);
		return refuse(-ENOMEM, "out of memory", ret_error, ret_text);
	}
	if (!take_aim(p, &aim) || !aim.listener) {
		end(p);
		return refuse(-EOPNOTSUPP,
		    "its workers share one socket, or have no TCP listener: none can be addressed",
		    ret_error, ret_text);
	}
	wait(p, 0, dial);
	return p;
}

void
probe_cancel(struct probe *p)
{
	end(p);
}
