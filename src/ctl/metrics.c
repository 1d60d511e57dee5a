/*
 * metrics: numbers that workers report, summed per app. Bounded by METRICS_SERIES_MAX series an
 * app and one value per living worker and gauge. Names and labels were escaped by ipc/msg; here
 * they are only compared.
 */
#include "ctl/metrics.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/json.h"

struct gauge_value {
	worker_id worker;
	double value;
};

struct series {
	char *name, *labels; /* one allocation, labels behind name */
	bool is_gauge;
	double sum; /* counter */
	struct gauge_value *values; /* gauge: by worker, ascending */
	size_t values_len, values_cap;
};

struct app_metrics {
	struct app_metrics *next;
	char app[49];
	struct series *series; /* by name, then labels */
	size_t series_len, series_cap;
};

struct metrics {
	struct app_metrics *apps;
};

struct metrics *
metrics_new(void)
{
	return mem_calloc(1, sizeof(struct metrics));
}

static void
app_metrics_free(struct app_metrics *a)
{
	for (size_t i = 0; i < a->series_len; i++) {
		mem_free(a->series[i].name);
		mem_free(a->series[i].values);
	}
	mem_free(a->series);
	mem_free(a);
}

void
metrics_free(struct metrics *m)
{
	struct app_metrics *a, *next;

	if (m == NULL)
		return;
	for (a = m->apps; a != NULL; a = next) {
		next = a->next;
		app_metrics_free(a);
	}
	mem_free(m);
}

static struct app_metrics *
find_app(const struct metrics *m, const char *app)
{
	struct app_metrics *a = m->apps;

	while (a != NULL && strcmp(a->app, app) != 0)
		a = a->next;
	return a;
}

static struct app_metrics *
app_metrics_for(struct metrics *m, const char *app)
{
	struct app_metrics *a = find_app(m, app);

	if (a != NULL)
		return a;
	a = mem_calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	(void)snprintf(a->app, sizeof(a->app), "%s", app);
	a->next = m->apps;
	m->apps = a;
	return a;
}

static bool
name_is_metric(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_' && *name != ':')
		return false;
	for (; *name != '\0'; name++) {
		if (!isalnum((unsigned char)*name) && *name != '_' && *name != ':')
			return false;
	}
	return true;
}

/* Index of the series, or where it would be. */
static size_t
find_series(const struct app_metrics *a, const char *name, const char *labels, bool *ret_found)
{
	size_t low = 0, high = a->series_len;

	*ret_found = false;
	while (low < high && !*ret_found) {
		size_t mid = low + (high - low) / 2;
		int cmp = strcmp(name, a->series[mid].name);

		if (cmp == 0)
			cmp = strcmp(labels, a->series[mid].labels);
		*ret_found = cmp == 0;
		if (cmp > 0)
			low = mid + 1;
		else
			high = mid;
	}
	return high;
}

/* One name has one type, whatever the labels; series of a name are neighbours. */
static bool
type_agrees(const struct app_metrics *a, size_t at, const char *name, bool is_gauge)
{
	if (at > 0 && strcmp(a->series[at - 1].name, name) == 0)
		return a->series[at - 1].is_gauge == is_gauge;
	if (at < a->series_len && strcmp(a->series[at].name, name) == 0)
		return a->series[at].is_gauge == is_gauge;
	return true;
}

static struct series *
insert_series(struct app_metrics *a, size_t at, const char *name, const char *labels, bool is_gauge)
{
	size_t name_size = strlen(name) + 1, labels_size = strlen(labels) + 1;
	struct series *s;
	char *text;

	if (a->series_len == METRICS_SERIES_MAX || !type_agrees(a, at, name, is_gauge))
		return NULL;
	if (a->series_len == a->series_cap) {
		size_t cap = a->series_cap > 0 ? a->series_cap * 2 : 8;

		s = mem_realloc(a->series, cap * sizeof(*s));
		if (s == NULL)
			return NULL;
		a->series = s;
		a->series_cap = cap;
	}
	text = mem_alloc(name_size + labels_size);
	if (text == NULL)
		return NULL;
	memcpy(text, name, name_size);
	memcpy(text + name_size, labels, labels_size);
	s = &a->series[at];
	memmove(s + 1, s, (a->series_len - at) * sizeof(*s));
	a->series_len++;
	*s = (struct series){.name = text, .labels = text + name_size, .is_gauge = is_gauge};
	return s;
}

/* Index of the worker's value, or where it would be. */
static size_t
find_value(const struct series *s, worker_id worker)
{
	size_t low = 0, high = s->values_len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->values[mid].worker < worker)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool
set_gauge(struct series *s, worker_id worker, double value)
{
	size_t at = find_value(s, worker);

	if (at == s->values_len || s->values[at].worker != worker) {
		if (s->values_len == s->values_cap) {
			size_t cap = s->values_cap > 0 ? s->values_cap * 2 : 4;
			struct gauge_value *values = mem_realloc(s->values, cap * sizeof(*values));

			if (values == NULL)
				return false;
			s->values = values;
			s->values_cap = cap;
		}
		memmove(s->values + at + 1, s->values + at,
		    (s->values_len - at) * sizeof(s->values[0]));
		s->values_len++;
		s->values[at].worker = worker;
	}
	s->values[at].value = value;
	return true;
}

static bool
add_to_counter(struct series *s, double amount)
{
	if (amount < 0 || !isfinite(s->sum + amount))
		return false;
	s->sum += amount;
	return true;
}

bool
metrics_report(struct metrics *m, const char *app, worker_id worker, const char *name,
    const char *type, const char *labels, double value)
{
	bool is_gauge = strcmp(type, "gauge") == 0, found;
	struct app_metrics *a;
	struct series *s;
	size_t at;

	if (!is_gauge && (strcmp(type, "counter") != 0 || value < 0))
		return false;
	if (!isfinite(value) || !name_is_metric(name))
		return false;
	a = app_metrics_for(m, app);
	if (a == NULL)
		return false;
	at = find_series(a, name, labels, &found);
	s = found ? &a->series[at] : insert_series(a, at, name, labels, is_gauge);
	if (s == NULL || s->is_gauge != is_gauge)
		return false;
	return is_gauge ? set_gauge(s, worker, value) : add_to_counter(s, value);
}

void
metrics_worker_gone(struct metrics *m, const char *app, worker_id worker)
{
	struct app_metrics *a = find_app(m, app);

	for (size_t i = 0; a != NULL && i < a->series_len; i++) {
		struct series *s = &a->series[i];
		size_t at = find_value(s, worker);

		if (at == s->values_len || s->values[at].worker != worker)
			continue;
		s->values_len--;
		memmove(s->values + at, s->values + at + 1,
		    (s->values_len - at) * sizeof(s->values[0]));
	}
}

void
metrics_forget_app(struct metrics *m, const char *app)
{
	struct app_metrics **at = &m->apps, *a;

	while (*at != NULL && strcmp((*at)->app, app) != 0)
		at = &(*at)->next;
	a = *at;
	if (a == NULL)
		return;
	*at = a->next;
	app_metrics_free(a);
}

/* Workers each report finite numbers; their sum need not be one. */
static double
series_value(const struct series *s)
{
	double sum = s->sum;

	for (size_t i = 0; i < s->values_len; i++)
		sum += s->values[i].value;
	return sum < -DBL_MAX ? -DBL_MAX : sum > DBL_MAX ? DBL_MAX : sum;
}

json_t *
metrics_to_json(const struct metrics *m, const char *app)
{
	const struct app_metrics *a = find_app(m, app);
	json_t *list = json_array();

	for (size_t i = 0; a != NULL && i < a->series_len; i++) {
		const struct series *s = &a->series[i];
		json_t *o = json_object();

		json_put_text(o, "name", s->name);
		json_put_text(o, "type", s->is_gauge ? "gauge" : "counter");
		json_put_text(o, "labels", s->labels);
		json_put(o, "value", json_plain_number(series_value(s)));
		(void)json_array_append_new(list, o);
	}
	return list;
}
