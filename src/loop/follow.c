/*
 * follow: `logs` and `events`: what there is, and then, if asked, what comes. A follower that
 * does not keep up loses lines, is told how many, and never makes the master grow.
 */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/cluster.h"
#include "ctl/journal.h"
#include "ipc/lines.h"
#include "ipc/msg.h"
#include "loop/client.h"
#include "loop/loop.h"
#include "loop/output.h"

static bool
follow_wants(const struct follow *f, const char *app, int slot)
{
	if (!f->on || (f->app[0] != '\0' && strcmp(f->app, app) != 0))
		return false;
	return f->slot < 0 || f->slot == slot;
}

static void
follow_start(struct follow *f, const struct ctl_plan *plan)
{
	f->on = true;
	f->slot = plan->slot;
	(void)snprintf(f->app, sizeof(f->app), "%s", plan->app);
}

/* Adds a notification, or counts it as lost. params is stolen. */
static bool
follow_add(struct client *c, const char *method, json_t *params)
{
	if (c->out.len > CLIENT_FOLLOW_BYTES) {
		json_decref(params);
		return false;
	}
	rpc_add_notification(&c->out, method, params);
	client_touch(c);
	return true;
}

static json_t *
line_to_json(const char *app, const struct line_record *rec)
{
	struct str line = {0};
	char time[25];
	json_t *json;

	clock_format_wall(rec->wall_ms, time);
	str_add_escaped(&line, rec->text, rec->len);
	json = json_pack("{s:I, s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:b}", "seq",
	    (json_int_t)rec->seq, "time", time, "app", app, "slot", (int)rec->slot, "pid",
	    (int)rec->pid, "generation", (int)rec->generation, "stream",
	    rec->is_stderr ? "err" : "out", "line", str_text(&line), "partial", (int)rec->partial);
	str_free(&line);
	return json;
}

/* A worker wrote a line. It becomes JSON once, whoever follows. */
static void
on_line(void *arg, const char *app, const struct line_record *rec)
{
	struct control *ctl = arg;
	json_t *line = NULL;
	struct client *c;

	DL_FOREACH (ctl->clients, c) {
		if (!follow_wants(&c->logs, app, (int)rec->slot))
			continue;
		if (c->logs.lost > 0 || c->out.len > CLIENT_FOLLOW_BYTES) {
			c->logs.lost++;
			continue;
		}
		if (!line)
			line = line_to_json(app, rec);
		if (!line || !follow_add(c, "log", json_incref(line)))
			c->logs.lost++;
	}
	json_decref(line);
}

void
follow_update_watch(struct control *ctl)
{
	struct client *c;

	DL_FOREACH (ctl->clients, c)
		if (c->logs.on)
			break;
	if (ctl->loop->output)
		output_watch(ctl->loop, c ? on_line : NULL, ctl);
}

void
follow_on_event(struct client *c, const struct journal_event *e, const json_t *event)
{
	if (!follow_wants(&c->events, e->app, e->slot))
		return;
	if (c->events.lost > 0 || !follow_add(c, "event", json_incref((json_t *)event)))
		c->events.lost++;
}

static void
tell_lost_of(struct client *c, struct follow *f, const char *what)
{
	if (f->lost == 0)
		return;
	rpc_add_notification(
	    &c->out, "lost", json_pack("{s:s, s:I}", "what", what, "lines", (json_int_t)f->lost));
	f->lost = 0;
}

void
follow_tell_lost(struct client *c)
{
	if (c->out.len > CLIENT_FOLLOW_BYTES / 2)
		return;
	tell_lost_of(c, &c->logs, "log");
	tell_lost_of(c, &c->events, "event");
}

/* The lines of several rings in the order of time. */
struct history {
	struct history_line {
		const char *app;
		struct line_record rec; /* its text lives in the ring: nothing is read meanwhile */
	} * lines;
	size_t len, cap;
	const char *app; /* of the ring that is walked */
};

static bool
history_add(void *arg, const struct line_record *rec)
{
	struct history *h = arg;

	if (h->len == h->cap) {
		size_t cap = h->cap > 0 ? h->cap * 2 : 64;
		struct history_line *lines = mem_realloc(h->lines, cap * sizeof(*lines));

		if (!lines)
			return false;
		h->lines = lines;
		h->cap = cap;
	}
	h->lines[h->len++] = (struct history_line){.app = h->app, .rec = *rec};
	return true;
}

static void
history_add_app(struct history *h, struct loop *l, const char *app, int slot, size_t n)
{
	struct line_ring *ring = output_ring(l, app);

	if (!ring || n == 0)
		return;
	h->app = app;
	line_ring_walk(ring, line_ring_tail_seq(ring, slot, n), slot, history_add, h);
}

/* By time; lines of one app keep the order of their ring. */
static int
history_compare(const void *a, const void *b)
{
	const struct history_line *x = a, *y = b;

	if (x->rec.wall_ms != y->rec.wall_ms && x->app != y->app)
		return x->rec.wall_ms < y->rec.wall_ms ? -1 : 1;
	if (x->app != y->app)
		return strcmp(x->app, y->app);
	return x->rec.seq < y->rec.seq ? -1 : x->rec.seq > y->rec.seq;
}

/* Sends the last n of what was gathered; the newest matter most where not all fits. */
static size_t
history_send(const struct history *h, struct client *c, size_t n)
{
	size_t first = h->len > n ? h->len - n : 0;
	size_t bytes = 0, at = h->len, sent = 0;

	while (at > first && bytes + h->lines[at - 1].rec.len + 200 < CLIENT_FOLLOW_BYTES)
		bytes += h->lines[--at].rec.len + 200;
	for (; at < h->len; at++, sent++) {
		json_t *line = line_to_json(h->lines[at].app, &h->lines[at].rec);

		if (!line || !follow_add(c, "log", line))
			break;
	}
	return sent;
}

void
follow_logs(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	struct loop *l = c->control->loop;
	struct history h = {0};
	size_t n = (size_t)plan->lines, sent;

	for (const struct app *a = l->core->apps; a; a = a->next)
		if (plan->app[0] == '\0' || strcmp(plan->app, a->name) == 0)
			history_add_app(&h, l, a->name, plan->slot, n);
	if (plan->app[0] == '\0' && h.len > 1)
		qsort(h.lines, h.len, sizeof(*h.lines), history_compare);
	sent = history_send(&h, c, n);
	mem_free(h.lines);
	if (id)
		rpc_add_result(&c->out, id, json_pack("{s:I}", "lines", (json_int_t)sent));
	if (!plan->follow)
		return;
	follow_start(&c->logs, plan);
	follow_update_watch(c->control);
}

/* The last n events that a follower would see. */
struct event_walk {
	struct client *client;
	struct follow filter;
	uint64_t count, skip, sent;
};

static bool
event_count(void *arg, const struct journal_event *e)
{
	struct event_walk *w = arg;

	w->count += follow_wants(&w->filter, e->app, e->slot);
	return true;
}

static bool
event_send(void *arg, const struct journal_event *e)
{
	struct event_walk *w = arg;
	json_t *event;

	if (!follow_wants(&w->filter, e->app, e->slot))
		return true;
	if (w->skip > 0) {
		w->skip--;
		return true;
	}
	event = journal_event_to_json(e);
	if (!event || !follow_add(w->client, "event", event))
		return false;
	w->sent++;
	return true;
}

void
follow_events(struct client *c, const struct ctl_plan *plan, const json_t *id)
{
	struct journal *journal = c->control->loop->journal;
	struct event_walk w = {.client = c};

	follow_start(&w.filter, plan);
	journal_walk_events(journal, 0, event_count, &w);
	w.skip = w.count > plan->lines ? w.count - plan->lines : 0;
	journal_walk_events(journal, 0, event_send, &w);
	if (id)
		rpc_add_result(&c->out, id, json_pack("{s:I}", "lines", (json_int_t)w.sent));
	if (plan->follow)
		follow_start(&c->events, plan);
}
