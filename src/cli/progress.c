/*
 * progress: the live block of lines, one for each slot that something happened to.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/member.h"

#define LIVE_MAX 24

struct live_line {
	char who[64]; /* "web.2" */
	char *text; /* owned */
	enum tint tint;
	json_int_t generation; /* of the worker it tells of */
};

struct progress {
	const struct cli *cli;
	struct live_line lines[LIVE_MAX];
	size_t len; /* lines on the screen */
	size_t room; /* most that the terminal can rewrite */
	char suspect[64];
};

struct progress *
progress_new(const struct cli *cli)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->cli = cli;
	p->room = cli->term.height > 4 ? cli->term.height - 3 : 1;
	if (p->room > LIVE_MAX)
		p->room = LIVE_MAX;
	return p;
}

void
progress_free(struct progress *p)
{
	for (size_t i = 0; p && i < p->len; i++)
		free(p->lines[i].text);
	free(p);
}

const char *
progress_suspect(const struct progress *p)
{
	return p && *p->suspect ? p->suspect : NULL;
}

static void
name_slot(const json_t *event, char *buf, size_t size)
{
	const json_t *slot = json_object_get(event, "slot");

	*buf = '\0';
	if (!*text_of(event, "app"))
		return;
	if (json_is_integer(slot) && json_integer_value(slot) >= 0)
		(void)snprintf(buf, size, "%s.%lld", text_of(event, "app"),
		    (long long)json_integer_value(slot));
	else
		(void)snprintf(buf, size, "%s", text_of(event, "app"));
}

static void
add_what(struct str *out, const json_t *event)
{
	json_int_t pid = json_integer_value(json_object_get(event, "pid"));
	json_int_t generation = json_integer_value(json_object_get(event, "generation"));
	const char *text = text_of(event, "text");

	str_add(out, *text ? text : text_of(event, "event"));
	if (pid > 0 && generation > 0)
		str_addf(
		    out, " (pid %lld, generation %lld)", (long long)pid, (long long)generation);
	else if (pid > 0)
		str_addf(out, " (pid %lld)", (long long)pid);
}

void
event_add_text(struct str *out, const json_t *event)
{
	char who[64];

	name_slot(event, who, sizeof(who));
	if (*who)
		str_addf(out, "%s: ", who);
	add_what(out, event);
}

static enum tint
tint_of(const json_t *event)
{
	const char *level = text_of(event, "level"), *name = text_of(event, "event");

	if (strcmp(level, "error") == 0)
		return TINT_BAD;
	if (strcmp(level, "warn") == 0)
		return TINT_WARN;
	if (strcmp(name, "worker_ready") == 0 || strcmp(name, "rollout_done") == 0)
		return TINT_GOOD;
	return TINT_NONE;
}

static void
draw_line(const struct progress *p, const struct live_line *line)
{
	const struct term *t = &p->cli->term;
	struct str s = {0};
	size_t room = t->width > strlen(line->who) + 8 ? t->width - strlen(line->who) - 8 : 8;

	term_add_cut(&s, line->text, room);
	printf("\r\033[K  %s%s%s  %s\n", term_on(t->color, line->tint), line->who,
	    term_off(t->color), str_text(&s));
	str_free(&s);
}

/* Puts the cursor back to the first of the lines that are rewritten. */
static void
go_up(size_t n)
{
	if (n > 0)
		printf("\033[%zuA", n);
}

static void
draw_from(const struct progress *p, size_t first)
{
	for (size_t i = first; i < p->len; i++)
		draw_line(p, &p->lines[i]);
}

static struct live_line *
find_line(struct progress *p, const char *who)
{
	for (size_t i = 0; i < p->len; i++)
		if (strcmp(p->lines[i].who, who) == 0)
			return &p->lines[i];
	return NULL;
}

/* That the worker before drains and ends must not hide that the new one is ready. */
static bool
is_old_news(struct progress *p, const char *who, const json_t *event, enum tint tint)
{
	json_int_t generation = json_integer_value(json_object_get(event, "generation"));
	const struct live_line *line = find_line(p, who);

	return line && tint == TINT_NONE && generation > 0 && generation < line->generation;
}

static void
show_slot(struct progress *p, const char *who, char *text, enum tint tint, const json_t *event)
{
	struct live_line *line = find_line(p, who);
	size_t drawn = p->len;

	if (!line && p->len == p->room) {
		/* The top line stays on the screen as it is, and is rewritten no more. */
		free(p->lines[0].text);
		memmove(p->lines, p->lines + 1, (p->len - 1) * sizeof(*p->lines));
		drawn = --p->len;
	}
	if (!line) {
		line = &p->lines[p->len++];
		*line = (struct live_line){0};
		(void)snprintf(line->who, sizeof(line->who), "%s", who);
	}
	free(line->text);
	line->text = text;
	line->tint = tint;
	line->generation = json_integer_value(json_object_get(event, "generation"));
	go_up(drawn);
	draw_from(p, 0);
}

/* What concerns no slot is said once and scrolls away above the block. */
static void
show_general(struct progress *p, const json_t *event)
{
	struct live_line line = {.tint = tint_of(event)};
	struct str s = {0};

	name_slot(event, line.who, sizeof(line.who));
	add_what(&s, event);
	line.text = s.data;
	go_up(p->len);
	if (line.text)
		draw_line(p, &line);
	draw_from(p, 0);
	str_free(&s);
}

static void
show_plain(const struct progress *p, const json_t *event)
{
	const struct term *t = &p->cli->term;
	struct str s = {0};

	event_add_text(&s, event);
	printf("%s", term_on(t->color, tint_of(event)));
	term_put(stdout, str_text(&s));
	printf("%s\n", term_off(t->color));
	str_free(&s);
}

/* Why a configuration was refused is the answer to the request itself; once is enough. */
static bool
is_in_answer(const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "event"));

	return name && strcmp(name, "config_refused") == 0;
}

void
progress_show(struct progress *p, const json_t *event)
{
	bool has_slot = json_is_integer(json_object_get(event, "slot"));
	enum tint tint = tint_of(event);
	struct str s = {0};
	char who[64];

	if (!p || !json_is_object(event))
		return;
	name_slot(event, who, sizeof(who));
	if (has_slot && (tint == TINT_BAD || tint == TINT_WARN))
		(void)snprintf(p->suspect, sizeof(p->suspect), "%s", who);
	if (p->cli->json || is_in_answer(event))
		return;
	if (!p->cli->term.live)
		show_plain(p, event);
	else if (!has_slot)
		show_general(p, event);
	else if (!is_old_news(p, who, event, tint)) {
		add_what(&s, event);
		if (s.data)
			show_slot(p, who, s.data, tint, event);
	}
	(void)fflush(stdout);
}
