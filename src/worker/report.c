/*
 * report: see report.h.
 */
#include "worker/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/loop.h"
#include "worker/worker.h"

#define BEAT_MS        1000
#define METRICS_MS     100
#define METRICS_A_TIME 50 /* the master reads 1000 lines a second of one worker */
#define SERIES_MAX     256 /* so many it keeps of an app */
#define NAME_MAX_LEN   127
#define LABELS_MAX     32
#define LABELS_LEN_MAX 255 /* as k="v",k="v" */

struct series {
	enum brood_metric type;
	char *name;
	char *given; /* labels as the program spells them; NULL: none */
	char *labels; /* as one line of JSON */
	double value;
	bool is_news;
};

/* --- beats ----------------------------------------------------------------------------------- */

/* What the loop counts, as metrics, where there is anything to say of it. */
static void
note_loop(struct brood_worker *w)
{
	struct brood_loop_stats *told = &w->report.told, now;

	loop_look(w->loop, &now);
	if (now.starved != told->starved)
		(void)brood_worker_metric(w, BROOD_COUNTER, "loop_starved_total",
		    (double)(now.starved - told->starved), NULL);
	if (now.offloads != told->offloads || now.offloads_waiting != told->offloads_waiting) {
		(void)brood_worker_metric(w, BROOD_COUNTER, "offloads_total",
		    (double)(now.offloads - told->offloads), NULL);
		(void)brood_worker_metric(w, BROOD_COUNTER, "offload_queued_seconds_total",
		    (double)(now.offloads_queued_us - told->offloads_queued_us) / 1e6, NULL);
		(void)brood_worker_metric(
		    w, BROOD_GAUGE, "offloads_waiting", (double)now.offloads_waiting, NULL);
		(void)brood_worker_metric(
		    w, BROOD_GAUGE, "offload_pool_size", (double)now.pool_size, NULL);
	}
	*told = now;
}

static void
say_beat(struct brood_worker *w)
{
	char line[256];
	uint64_t lag_us;
	unsigned permille;
	double busy;
	int n;

	note_loop(w);
	loop_take_load(w->loop, &lag_us, &busy);
	permille = busy >= 1 ? 1000 : (unsigned)(busy * 1000);
	n = snprintf(line, sizeof line,
	    "{\"brood\":\"beat\",\"lag_us\":%llu,\"busy\":%u.%03u,\"conns\":%llu,"
	    "\"requests\":%llu,\"stolen\":%llu}\n",
	    (unsigned long long)lag_us, permille / 1000, permille % 1000,
	    (unsigned long long)w->conns, (unsigned long long)w->requests,
	    (unsigned long long)w->stolen);
	(void)channel_say(&w->channel, line, (size_t)n, false);
}

static void
on_beat(uv_timer_t *timer)
{
	struct brood_worker *w = timer->data;

	/* A master that does not read gets one when it does. */
	if (channel_is_idle(&w->channel))
		say_beat(w);
	else
		(void)uv_timer_start(timer, on_beat, BEAT_MS, 0);
}

void
report_news(struct brood_worker *w)
{
	uv_timer_t *beat = &w->report.beat;

	if (w->channel.is_open && !uv_is_active((uv_handle_t *)beat))
		(void)uv_timer_start(beat, on_beat, BEAT_MS, 0);
}

/* --- metrics --------------------------------------------------------------------------------- */

static bool
name_is_right(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		char c = name[i];

		if (!(c == '_' || c == ':' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		        (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return i > 0 && i <= NAME_MAX_LEN;
}

static bool
labels_are_right(json_t *labels)
{
	size_t len = 0;
	const char *key;
	json_t *value;

	if (!json_is_object(labels) || json_object_size(labels) > LABELS_MAX)
		return false;
	json_object_foreach(labels, key, value)
	{
		if (!name_is_right(key) || strchr(key, ':') != NULL || !json_is_string(value))
			return false;
		len += strlen(key) + json_string_length(value) + strlen("=\"\",");
	}
	return len <= LABELS_LEN_MAX;
}

/* What the master would take for a fault is refused here. */
static int
read_labels(const char *given, char **ret_labels)
{
	json_t *labels = json_loads(given, JSON_REJECT_DUPLICATES, NULL);
	char *text = labels_are_right(labels) ? json_dumps(labels, JSON_COMPACT) : NULL;

	json_decref(labels);
	if (text == NULL)
		return -EINVAL;
	*ret_labels = mem_strdup(text);
	free(text); /* jansson's */
	return *ret_labels != NULL ? 0 : -ENOMEM;
}

static void
free_series(struct series *s)
{
	mem_free(s->name);
	mem_free(s->given);
	mem_free(s->labels);
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct series *
find_series(struct report *r, enum brood_metric type, const char *name, const char *given)
{
	for (size_t i = 0; i < r->n; i++) {
		struct series *s = &r->series[i];

		if (s->type == type && strcmp(s->name, name) == 0 && is_same_text(s->given, given))
			return s;
	}
	return NULL;
}

static int
fill_series(struct series *s, enum brood_metric type, const char *name, const char *given)
{
	*s = (struct series){.type = type};
	s->name = mem_strdup(name);
	if (s->name == NULL)
		return -ENOMEM;
	if (given == NULL)
		return 0;
	s->given = mem_strdup(given);
	return s->given != NULL ? read_labels(given, &s->labels) : -ENOMEM;
}

static int
add_series(struct report *r, enum brood_metric type, const char *name, const char *given,
    struct series **ret)
{
	struct series *all;
	int e;

	if (!name_is_right(name))
		return -EINVAL;
	if (r->n == SERIES_MAX)
		return -ENOSPC;
	all = mem_realloc(r->series, (r->n + 1) * sizeof *all);
	if (all == NULL)
		return -ENOMEM;
	r->series = all;
	e = fill_series(&all[r->n], type, name, given);
	if (e < 0) {
		free_series(&all[r->n]);
		return e;
	}
	*ret = &all[r->n++];
	return 0;
}

/* By jansson, since a decimal point is a comma in some places. */
static void
add_number(struct str *line, double value)
{
	json_t *number = json_real(value);
	char text[64];
	size_t len = json_dumpb(number, text, sizeof text, JSON_ENCODE_ANY);

	json_decref(number);
	if (len > 0 && len <= sizeof text)
		str_add_n(line, text, len);
	else
		line->failed = true;
}

static int
say_series(struct brood_worker *w, const struct series *s)
{
	struct str line = {0};
	int r;

	str_addf(&line, "{\"brood\":\"metric\",\"name\":\"%s\",\"type\":\"%s\",\"value\":", s->name,
	    s->type == BROOD_COUNTER ? "counter" : "gauge");
	add_number(&line, s->value);
	if (s->labels != NULL)
		str_addf(&line, ",\"labels\":%s", s->labels);
	str_add(&line, "}\n");
	r = str_failed(&line) ? -ENOMEM : channel_say(&w->channel, line.data, line.len, false);
	str_free(&line);
	return r;
}

/* At most so many, beginning behind those that were told last. True: some are left. */
static bool
say_news(struct report *r, size_t most)
{
	for (size_t looked = 0; looked < r->n; looked++) {
		struct series *s = &r->series[r->next];

		if (s->is_news && (most == 0 || say_series(r->worker, s) < 0))
			return true;
		if (s->is_news) {
			most--;
			s->is_news = false;
			if (s->type == BROOD_COUNTER)
				s->value = 0;
		}
		r->next = (r->next + 1) % r->n;
	}
	return false;
}

static void
on_metrics(uv_timer_t *timer)
{
	struct brood_worker *w = timer->data;
	bool can_go = channel_is_idle(&w->channel);

	if (!can_go || say_news(&w->report, METRICS_A_TIME))
		(void)uv_timer_start(timer, on_metrics, METRICS_MS, 0);
}

int
brood_worker_metric(struct brood_worker *w, enum brood_metric type, const char *name, double value,
    const char *labels)
{
	struct report *r = &w->report;
	struct series *s;
	int e = 0;

	if (!w->channel.is_open)
		return -ENOTCONN;
	if (!isfinite(value) || (type == BROOD_COUNTER && value < 0))
		return -EINVAL;
	s = find_series(r, type, name, labels);
	if (s == NULL)
		e = add_series(r, type, name, labels, &s);
	if (e < 0)
		return e;
	if (type == BROOD_COUNTER)
		value += s->value;
	if (!isfinite(value))
		return -ERANGE;
	s->value = value;
	if (type == BROOD_GAUGE || value > 0)
		s->is_news = true;
	if (s->is_news && !uv_is_active((uv_handle_t *)&r->metrics))
		(void)uv_timer_start(&r->metrics, on_metrics, METRICS_MS, 0);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------ */

void
report_open(struct report *r, struct brood_worker *w)
{
	r->worker = w;
	(void)uv_timer_init(brood_uv(w->loop), &r->beat);
	(void)uv_timer_init(brood_uv(w->loop), &r->metrics);
	r->beat.data = r->metrics.data = w;
	uv_unref((uv_handle_t *)&r->beat);
	uv_unref((uv_handle_t *)&r->metrics);
}

void
report_flush(struct report *r)
{
	if (!r->worker->channel.is_open)
		return;
	/* First the beat: it has metrics of its own. */
	if (uv_is_active((uv_handle_t *)&r->beat)) {
		(void)uv_timer_stop(&r->beat);
		say_beat(r->worker);
	}
	(void)say_news(r, SERIES_MAX);
}

void
report_close(struct report *r)
{
	worker_close_handle(r->worker, (uv_handle_t *)&r->beat);
	worker_close_handle(r->worker, (uv_handle_t *)&r->metrics);
}

void
report_done(struct report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free_series(&r->series[i]);
	mem_free(r->series);
	r->series = NULL;
	r->n = 0;
}
