/*
 * journal: two memories with a bound each. Events: a queue that forgets its oldest by number and
 * by bytes. Obituaries: the last few of each slot, and one budget for all their last words, so
 * that a thousand slots that die talking cost no more than one.
 *
 * Nothing is shown or sent here; nothing here knows why a worker died but what it is told.
 */
#include "ctl/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "ctl/json.h"

#define WORDS_BYTES_EACH 4096 /* of one obituary: the end is what counts */
#define WORDS_BYTES_ALL  (512 * 1024) /* of all: the oldest lose theirs first */

/* An event as it is kept: its texts lie behind it. */
struct event_record {
	uint64_t seq, wall_ms;
	int32_t slot;
	pid_t pid;
	uint32_t generation;
	uint32_t size; /* of all of it */
	char level;
	char texts[]; /* event, app, text; each terminated */
};

/* An obituary is in two lists: the array of its slot, and the order of all that have words. */
struct obituary_record {
	struct obituary o;
	uint64_t seq;
	size_t words_len;
	struct obituary_record *older, *newer;
};

struct slot_records {
	struct obituary_record *items[JOURNAL_OBITUARIES]; /* newest first */
};

struct app_records {
	struct app_records *next;
	char app[49];
	struct slot_records *slots;
	size_t slots_len;
};

struct journal {
	struct event_record **events; /* ring of JOURNAL_EVENTS_MAX, made when the first comes */
	size_t events_head, events_len, events_bytes;
	uint64_t last_seq;
	struct app_records *apps;
	uint64_t obituaries;
	struct obituary_record *words_oldest, *words_newest;
	size_t words_bytes;
};

struct journal *
journal_new(void)
{
	return mem_calloc(1, sizeof(struct journal));
}

static void
forget_oldest_event(struct journal *j)
{
	struct event_record *e = j->events[j->events_head];

	j->events_bytes -= e->size;
	mem_free(e);
	j->events_head = (j->events_head + 1) % JOURNAL_EVENTS_MAX;
	j->events_len--;
}

static struct event_record *
event_record_new(const struct journal_event *e)
{
	const char *text = e->text != NULL ? e->text : "";
	size_t event_len = strnlen(e->event, sizeof(e->event) - 1);
	size_t app_len = strnlen(e->app, sizeof(e->app) - 1);
	size_t text_len = strlen(text);
	size_t size = sizeof(struct event_record) + event_len + app_len + text_len + 3;
	struct event_record *r = mem_calloc(1, size);
	char *at;

	if (r == NULL)
		return NULL;
	r->seq = e->seq;
	r->wall_ms = e->wall_ms;
	r->slot = e->slot;
	r->pid = e->pid;
	r->generation = e->generation;
	r->size = (uint32_t)size;
	r->level = e->level;
	at = r->texts;
	memcpy(at, e->event, event_len);
	at += event_len + 1;
	memcpy(at, e->app, app_len);
	at += app_len + 1;
	memcpy(at, text, text_len);
	return r;
}

void
journal_add_event(struct journal *j, struct journal_event *e)
{
	struct event_record *r;

	e->seq = ++j->last_seq;
	if (j->events == NULL)
		j->events = mem_calloc(JOURNAL_EVENTS_MAX, sizeof(struct event_record *));
	r = j->events != NULL ? event_record_new(e) : NULL;
	if (r == NULL)
		return; /* the gap in the numbers tells */
	while (j->events_len > 0 && (j->events_len == JOURNAL_EVENTS_MAX ||
	                                j->events_bytes + r->size > JOURNAL_EVENT_BYTES))
		forget_oldest_event(j);
	j->events[(j->events_head + j->events_len) % JOURNAL_EVENTS_MAX] = r;
	j->events_len++;
	j->events_bytes += r->size;
}

static void
event_from_record(const struct event_record *r, struct journal_event *ret)
{
	const char *event = r->texts, *app = event + strlen(event) + 1;

	*ret = (struct journal_event){
	    .seq = r->seq,
	    .wall_ms = r->wall_ms,
	    .level = r->level,
	    .slot = r->slot,
	    .pid = r->pid,
	    .generation = r->generation,
	    .text = app + strlen(app) + 1,
	};
	memcpy(ret->event, event, strlen(event));
	memcpy(ret->app, app, strlen(app));
}

void
journal_walk_events(const struct journal *j, uint64_t from_seq,
    bool (*fn)(void *arg, const struct journal_event *e), void *arg)
{
	for (size_t i = 0; i < j->events_len; i++) {
		const struct event_record *r = j->events[(j->events_head + i) % JOURNAL_EVENTS_MAX];
		struct journal_event e;

		if (r->seq < from_seq)
			continue;
		event_from_record(r, &e);
		if (!fn(arg, &e))
			return;
	}
}

uint64_t
journal_last_seq(const struct journal *j)
{
	return j->last_seq;
}

/* Out of the order of words; the words go. */
static void
forget_words(struct journal *j, struct obituary_record *r)
{
	if (r->o.last_words == NULL)
		return;
	if (r->older != NULL)
		r->older->newer = r->newer;
	else
		j->words_oldest = r->newer;
	if (r->newer != NULL)
		r->newer->older = r->older;
	else
		j->words_newest = r->older;
	r->older = NULL;
	r->newer = NULL;
	j->words_bytes -= r->words_len;
	mem_free(r->o.last_words);
	r->o.last_words = NULL;
}

static void
keep_words(struct journal *j, struct obituary_record *r)
{
	if (r->o.last_words == NULL)
		return;
	r->older = j->words_newest;
	if (j->words_newest != NULL)
		j->words_newest->newer = r;
	else
		j->words_oldest = r;
	j->words_newest = r;
	r->words_len = strlen(r->o.last_words) + 1;
	j->words_bytes += r->words_len;
	while (j->words_bytes > WORDS_BYTES_ALL)
		forget_words(j, j->words_oldest);
}

static void
obituary_record_free(struct journal *j, struct obituary_record *r)
{
	if (r == NULL)
		return;
	forget_words(j, r);
	mem_free(r);
}

static void
app_records_free(struct journal *j, struct app_records *a)
{
	for (size_t i = 0; i < a->slots_len; i++) {
		for (size_t k = 0; k < JOURNAL_OBITUARIES; k++)
			obituary_record_free(j, a->slots[i].items[k]);
	}
	mem_free(a->slots);
	mem_free(a);
}

void
journal_free(struct journal *j)
{
	struct app_records *a, *next;

	if (j == NULL)
		return;
	while (j->events_len > 0)
		forget_oldest_event(j);
	mem_free(j->events);
	for (a = j->apps; a != NULL; a = next) {
		next = a->next;
		app_records_free(j, a);
	}
	mem_free(j);
}

static struct app_records *
find_app(const struct journal *j, const char *app)
{
	struct app_records *a = j->apps;

	while (a != NULL && strcmp(a->app, app) != 0)
		a = a->next;
	return a;
}

/* The records of a slot, made when they are missing. NULL without memory. */
static struct slot_records *
slot_records_for(struct journal *j, const char *app, unsigned slot)
{
	struct app_records *a = find_app(j, app);

	if (a == NULL) {
		a = mem_calloc(1, sizeof(*a));
		if (a == NULL)
			return NULL;
		(void)snprintf(a->app, sizeof(a->app), "%s", app);
		a->next = j->apps;
		j->apps = a;
	}
	if (slot >= a->slots_len) {
		size_t len = (size_t)slot + 1;
		struct slot_records *slots = mem_realloc(a->slots, len * sizeof(*slots));

		if (slots == NULL)
			return NULL;
		memset(slots + a->slots_len, 0, (len - a->slots_len) * sizeof(*slots));
		a->slots = slots;
		a->slots_len = len;
	}
	return &a->slots[slot];
}

/* Keeps the end of words that are too long, from the beginning of a line where there is one. */
static char *
shorten_words(char *words)
{
	size_t len = strlen(words);
	const char *from, *line;
	char *kept;

	if (len < WORDS_BYTES_EACH)
		return words;
	from = words + len - (WORDS_BYTES_EACH - 1);
	line = strchr(from, '\n');
	if (line != NULL && line[1] != '\0')
		from = line + 1;
	kept = mem_strdup(from);
	mem_free(words);
	return kept;
}

void
journal_add_obituary(struct journal *j, struct obituary *o)
{
	struct slot_records *s = slot_records_for(j, o->app, o->slot);
	struct obituary_record *r = s != NULL ? mem_calloc(1, sizeof(*r)) : NULL;

	if (r == NULL) {
		mem_free(o->last_words);
		o->last_words = NULL;
		return;
	}
	r->o = *o;
	o->last_words = NULL;
	if (r->o.last_words != NULL)
		r->o.last_words = shorten_words(r->o.last_words);
	r->seq = ++j->obituaries;
	obituary_record_free(j, s->items[JOURNAL_OBITUARIES - 1]);
	memmove(s->items + 1, s->items, (JOURNAL_OBITUARIES - 1) * sizeof(s->items[0]));
	s->items[0] = r;
	keep_words(j, r);
}

void
journal_forget_app(struct journal *j, const char *app)
{
	struct app_records **at = &j->apps, *a;

	while (*at != NULL && strcmp((*at)->app, app) != 0)
		at = &(*at)->next;
	a = *at;
	if (a == NULL)
		return;
	*at = a->next;
	app_records_free(j, a);
}

const struct obituary *
journal_obituary(const struct journal *j, const char *app, unsigned slot, unsigned index)
{
	const struct app_records *a = find_app(j, app);

	if (a == NULL || slot >= a->slots_len || index >= JOURNAL_OBITUARIES ||
	    a->slots[slot].items[index] == NULL)
		return NULL;
	return &a->slots[slot].items[index]->o;
}

const struct obituary *
journal_last_death(const struct journal *j, const char *app)
{
	const struct app_records *a = find_app(j, app);
	const struct obituary_record *newest = NULL;

	for (size_t i = 0; a != NULL && i < a->slots_len; i++) {
		for (size_t k = 0; k < JOURNAL_OBITUARIES; k++) {
			const struct obituary_record *r = a->slots[i].items[k];

			if (r != NULL && !r->o.expected && (newest == NULL || r->seq > newest->seq))
				newest = r;
		}
	}
	return newest != NULL ? &newest->o : NULL;
}

static const char *
level_name(char level)
{
	return level == 'e' ? "error" : level == 'w' ? "warn" : "info";
}

json_t *
journal_event_to_json(const struct journal_event *e)
{
	json_t *o = json_object();

	json_put_count(o, "seq", e->seq);
	json_put(o, "time", json_wall_time(e->wall_ms));
	json_put_text(o, "event", e->event);
	json_put_text(o, "level", level_name(e->level));
	if (e->app[0] != '\0')
		json_put_text(o, "app", e->app);
	if (e->slot >= 0)
		json_put_count(o, "slot", (uint64_t)e->slot);
	if (e->pid > 0)
		json_put_count(o, "pid", (uint64_t)e->pid);
	if (e->generation > 0)
		json_put_count(o, "generation", e->generation);
	json_put_text(o, "text", e->text != NULL ? e->text : "");
	return o;
}

json_t *
obituary_to_json(const struct obituary *o)
{
	json_t *v = json_object();
	char text[ACTION_TEXT_MAX], name[16];

	obituary_cause_text(o, text, sizeof(text));
	json_put(v, "time", json_wall_time(o->wall_ms));
	json_put_text(v, "app", o->app);
	json_put_count(v, "slot", o->slot);
	json_put_count(v, "pid", o->pid > 0 ? (uint64_t)o->pid : 0);
	json_put_count(v, "generation", o->generation);
	json_put_text(v, "cause", cause_to_string(o->cause));
	json_put_text(v, "text", text);
	json_put(v, "code", o->signal == 0 && o->code >= 0 ? json_integer(o->code) : json_null());
	json_put(v, "signal",
	    o->signal > 0 ? json_shown(signal_to_string(o->signal, name)) : json_null());
	json_put(v, "core_dumped", json_boolean(o->core_dumped));
	json_put(v, "expected", json_boolean(o->expected));
	json_put(v, "was_ready", json_boolean(o->was_ready));
	json_put_count(v, "uptime_ms", o->uptime_us / 1000);
	json_put_count(v, "user_ms", o->user_us / 1000);
	json_put_count(v, "system_ms", o->system_us / 1000);
	json_put_count(v, "max_rss_bytes", o->max_rss_bytes);
	json_put_text(v, "reason", o->reason);
	json_put_text(v, "last_words", o->last_words != NULL ? o->last_words : "");
	return v;
}

/* What stands before how it ended, for causes that are not the end itself. */
static const char *const cause_words[CAUSE_MAX] = {
    [CAUSE_OOM] = "oom",
    [CAUSE_EXEC] = "exec failed",
    [CAUSE_SPAWN] = "fork failed",
    [CAUSE_READY_TIMEOUT] = "not ready in time",
    [CAUSE_PROTOCOL] = "protocol fault",
    [CAUSE_CHANNEL] = "closed its channel",
    [CAUSE_REQUEST] = "asked to be replaced",
    [CAUSE_RELOAD] = "reload",
    [CAUSE_ROLLOUT_FAILED] = "rollout failed",
    [CAUSE_SCALE] = "scale",
    [CAUSE_OPERATOR] = "operator",
    [CAUSE_SHUTDOWN] = "shutdown",
};

static void
end_text(const struct obituary *o, char *buf, size_t size)
{
	char name[16];

	if (o->signal > 0)
		(void)snprintf(buf, size, "SIG%s%s", signal_to_string(o->signal, name),
		    o->core_dumped ? " (core dumped)" : "");
	else if (o->code >= 0)
		(void)snprintf(buf, size, "exit %d", o->code);
	else
		buf[0] = '\0';
}

void
obituary_cause_text(const struct obituary *o, char *buf, size_t size)
{
	const char *words = (unsigned)o->cause < CAUSE_MAX ? cause_words[o->cause] : NULL;
	char end[64];

	end_text(o, end, sizeof(end));
	if (words == NULL)
		(void)snprintf(buf, size, "%s", end[0] != '\0' ? end : cause_to_string(o->cause));
	else if ((o->cause == CAUSE_EXEC || o->cause == CAUSE_SPAWN) && o->reason[0] != '\0')
		(void)snprintf(buf, size, "%s: %s", words, o->reason);
	else if (o->cause == CAUSE_OOM || end[0] == '\0')
		(void)snprintf(buf, size, "%s", words);
	else
		(void)snprintf(buf, size, "%s: %s", words, end);
}
