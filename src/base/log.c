/*
 * log: one event, one line, one write. Must not fail and must not block longer than its sink
 * does; errno is as it was before, so that a line can be written between a call and the look at
 * its error.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define TEXT_MAX      2048 /* of one message; longer ones are cut and marked */
#define APP_MAX       49
#define EVENT_MAX     40
#define REPEAT_SAY_US 10000000 /* while a line repeats, say so this often */

/* What makes two lines the same. */
struct entry {
	enum log_level level;
	char event[EVENT_MAX];
	char app[APP_MAX];
	int slot;
	pid_t pid;
	unsigned generation;
	char text[TEXT_MAX];
};

static struct {
	enum log_level level;
	enum log_format format;
	bool terminal;
	log_sink sink;
	void *arg;
	bool writing; /* a sink that logs would overwrite its own line */
	struct entry last;
	bool has_last;
	unsigned long repeats; /* of last, not said yet */
	uint64_t said_us;
	struct str line; /* kept, so that a line needs no memory most of the time */
} logger = {.level = LOG_LEVEL_INFO};

static const char *const level_names[LOG_LEVEL_MAX] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

static const char *const level_colours[LOG_LEVEL_MAX] = {
    [LOG_LEVEL_ERROR] = "\033[1;31m",
    [LOG_LEVEL_WARN] = "\033[33m",
    [LOG_LEVEL_INFO] = "\033[32m",
    [LOG_LEVEL_DEBUG] = "\033[2m",
};

void
log_set_level(enum log_level level)
{
	logger.level = level;
}

enum log_level
log_get_level(void)
{
	return logger.level;
}

void
log_set_format(enum log_format format)
{
	logger.format = format;
}

void
log_set_terminal(bool terminal)
{
	logger.terminal = terminal;
}

void
log_set_sink(log_sink sink, void *arg)
{
	logger.sink = sink;
	logger.arg = arg;
}

const char *
log_level_to_string(enum log_level level)
{
	return (unsigned)level < LOG_LEVEL_MAX ? level_names[level] : "?";
}

/* For the inside of double quotes in logfmt and JSON alike. str_add_escaped() has no place
 * here: JSON wants \u00NN, and U+FFFD where bytes are no text. */
static void
add_quoted(struct str *s, const char *text)
{
	size_t left = strlen(text), n;

	for (; left > 0; text += n, left -= n) {
		unsigned char c = (unsigned char)*text;

		n = utf8_sequence(text, left);
		if (n == 0) {
			str_add(s, "\xEF\xBF\xBD");
			n = 1;
		} else if (c == '"' || c == '\\') {
			str_add_char(s, '\\');
			str_add_char(s, (char)c);
		} else if (c == '\n') {
			str_add(s, "\\n");
		} else if (c == '\t') {
			str_add(s, "\\t");
		} else if (c < 0x20 || c == 0x7F) {
			str_addf(s, "\\u%04x", c);
		} else if (c == 0xC2 && (unsigned char)text[1] < 0xA0) {
			str_addf(s, "\\u%04x", (unsigned char)text[1]);
		} else {
			str_add_n(s, text, n);
		}
	}
}

static void
format_text(struct str *s, const struct entry *e, const char *ts)
{
	if (logger.terminal)
		str_addf(s, "%.12s %s%s\033[0m", ts + 11, level_colours[e->level],
		    level_names[e->level]);
	else
		str_addf(s, "%s %s", ts, level_names[e->level]);
	if (e->app[0] != '\0') {
		str_add_char(s, ' ');
		str_add_escaped(s, e->app, strlen(e->app));
		if (e->slot >= 0)
			str_addf(s, ".%d", e->slot);
	}
	if (e->pid != 0)
		str_addf(s, " pid %ld", (long)e->pid);
	str_add(s, ": ");
	str_add_escaped(s, e->text, strlen(e->text));
}

static void
format_logfmt(struct str *s, const struct entry *e, const char *ts)
{
	str_addf(s, "ts=%s level=%s event=%s", ts, level_names[e->level], e->event);
	if (e->app[0] != '\0') {
		/* Names are checked when they come in; quotes are for a name that is not. */
		bool plain = strpbrk(e->app, " \"=\\\t\n") == NULL;

		str_add(s, plain ? " app=" : " app=\"");
		add_quoted(s, e->app);
		str_add(s, plain ? "" : "\"");
		if (e->slot >= 0)
			str_addf(s, " slot=%d", e->slot);
	}
	if (e->pid != 0)
		str_addf(s, " pid=%ld", (long)e->pid);
	if (e->generation != 0)
		str_addf(s, " gen=%u", e->generation);
	str_add(s, " msg=\"");
	add_quoted(s, e->text);
	str_add_char(s, '"');
}

static void
format_json(struct str *s, const struct entry *e, const char *ts)
{
	str_addf(s, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", ts, level_names[e->level],
	    e->event);
	if (e->app[0] != '\0') {
		str_add(s, ",\"app\":\"");
		add_quoted(s, e->app);
		str_add_char(s, '"');
		if (e->slot >= 0)
			str_addf(s, ",\"slot\":%d", e->slot);
	}
	if (e->pid != 0)
		str_addf(s, ",\"pid\":%ld", (long)e->pid);
	if (e->generation != 0)
		str_addf(s, ",\"gen\":%u", e->generation);
	str_add(s, ",\"msg\":\"");
	add_quoted(s, e->text);
	str_add(s, "\"}");
}

static void
emit(const struct entry *e)
{
	struct str *s = &logger.line;
	char ts[25];

	clock_format_wall(clock_wall_ms(), ts);
	str_reset(s);
	switch (logger.format) {
	case LOG_FORMAT_LOGFMT:
		format_logfmt(s, e, ts);
		break;
	case LOG_FORMAT_JSON:
		format_json(s, e, ts);
		break;
	case LOG_FORMAT_TEXT:
	case LOG_FORMAT_MAX:
		format_text(s, e, ts);
		break;
	}
	str_add_char(s, '\n');
	if (str_failed(s)) {
		static const char sorry[] = "a line was lost: out of memory\n";

		str_reset(s);
		str_add(s, sorry);
		if (str_failed(s))
			return;
	}
	if (logger.sink)
		logger.sink(logger.arg, e->level, s->data, s->len);
	else
		(void)!write(STDERR_FILENO, s->data, s->len); /* Nobody is left to be told. */
}

static void
say_repeats(uint64_t now_us)
{
	static struct entry e;
	size_t len;
	char tail[48];

	if (logger.repeats == 0)
		return;
	e = logger.last;
	(void)snprintf(tail, sizeof(tail), " [repeated %lu %s]", logger.repeats,
	    logger.repeats == 1 ? "time" : "times");
	len = strlen(e.text);
	if (len + strlen(tail) >= sizeof(e.text))
		len = sizeof(e.text) - strlen(tail) - 1;
	memcpy(e.text + len, tail, strlen(tail) + 1);
	logger.repeats = 0;
	logger.said_us = now_us;
	emit(&e);
}

static bool
is_same(const struct entry *a, const struct entry *b)
{
	return a->level == b->level && a->slot == b->slot && a->pid == b->pid &&
	       a->generation == b->generation && strcmp(a->event, b->event) == 0 &&
	       strcmp(a->app, b->app) == 0 && strcmp(a->text, b->text) == 0;
}

static void
fill(struct entry *e, enum log_level level, const char *event, const struct log_who *who)
{
	e->level = (unsigned)level < LOG_LEVEL_MAX ? level : LOG_LEVEL_ERROR;
	(void)snprintf(e->event, sizeof(e->event), "%s", event ? event : "message");
	(void)snprintf(e->app, sizeof(e->app), "%s", who && who->app ? who->app : "");
	e->slot = who && who->app ? who->slot : -1;
	e->pid = who ? who->pid : 0;
	e->generation = who ? who->generation : 0;
}

void
log_write(enum log_level level, const char *event, const struct log_who *who, const char *fmt, ...)
{
	static struct entry e;
	int saved = errno, len;
	uint64_t now_us;
	va_list ap;

	if (level > logger.level || logger.writing)
		return;
	logger.writing = true;
	fill(&e, level, event, who);
	errno = saved; /* For %m. */
	va_start(ap, fmt);
	len = vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(e.text))
		memcpy(e.text + sizeof(e.text) - 4, "...", 4);
	now_us = clock_now_us();
	if (logger.has_last && is_same(&e, &logger.last)) {
		logger.repeats++;
		if (now_us - logger.said_us >= REPEAT_SAY_US)
			say_repeats(now_us);
	} else {
		say_repeats(now_us);
		logger.last = e;
		logger.has_last = true;
		logger.said_us = now_us;
		emit(&e);
	}
	logger.writing = false;
	errno = saved;
}
