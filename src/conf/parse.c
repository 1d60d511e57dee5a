/*
 * parse: from noted lines to structs, row by row of the schema. Must not know a single key: what
 * a value means is its type's business, what values mean together is check's.
 */
#include <errno.h>
#include <signal.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/internal.h"

#ifndef PKGLIBEXECDIR
#define PKGLIBEXECDIR "/usr/local/libexec/brood"
#endif

/* Other programs' words for what we call otherwise. */
static const struct {
	const char *theirs, *ours;
} synonyms[] = {{"instances", "workers"}, {"processes", "workers"}, {"numprocs", "workers"},
    {"exec", "command"}, {"script", "command"}, {"cmd", "command"}, {"cwd", "directory"},
    {"chdir", "directory"}, {"working_directory", "directory"}, {"bind", "listen"},
    {"port", "listen"}, {"socket", "listen"}, {"uid", "user"}, {"gid", "group"},
    {"environment", "env_file"}, {"stdout_logfile", "log"}, {"autorestart", "restart"},
    {"graceful_timeout", "stop_timeout"}, {"kill_timeout", "stop_timeout"},
    {"stopwaitsecs", "stop_timeout"}, {"stopsignal", "stop_signal"}};

static const char *
nearest_key(enum section_kind section, const char *word)
{
	const char *names[KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
		if (strcmp(synonyms[i].theirs, word) == 0 &&
		    schema_find(section, synonyms[i].ours) < schema_len)
			return synonyms[i].ours;
	}
	for (size_t i = 0; i < schema_len; i++) {
		if (schema[i].section == section)
			names[n++] = schema[i].name;
	}
	return str_nearest(word, names, n);
}

static void
complain_of_key(struct load *l, const struct raw_section *s, const struct raw_entry *e)
{
	enum section_kind other = s->kind == SECTION_APP ? SECTION_MASTER : SECTION_APP;
	const char *near = nearest_key(s->kind, e->key);

	if (schema_find(other, e->key) < schema_len)
		load_error(l, &e->at, "%s does not belong into [%s]; move it to %s", e->key,
		    s->text, other == SECTION_APP ? "[app:NAME]" : "[master]");
	else if (near)
		load_error(
		    l, &e->at, "unknown key %s in [%s]; did you mean %s?", e->key, s->text, near);
	else
		load_error(l, &e->at, "unknown key %s in [%s]; brood.conf(5) lists all keys",
		    e->key, s->text);
}

/* Trims in place and refuses what could not be printed on one line and read back. */
static int
tidy(const struct value *v, struct str *text)
{
	size_t lead = text->data ? strspn(text->data, " \t") : 0, n;

	str_consume(text, lead);
	while (text->len > 0 && strchr(" \t", text->data[text->len - 1]))
		text->data[--text->len] = '\0';
	if (text->len == 0)
		return value_error(v, "has no value; remove the line to keep the default");
	for (size_t i = 0; i < text->len; i += n) {
		n = utf8_sequence(text->data + i, text->len - i);
		if (n == 0 || (unsigned char)text->data[i] < 0x20 || text->data[i] == 0x7F)
			return value_error(
			    v, "holds a control character or bytes that are not UTF-8");
	}
	return 0;
}

static void
parse_value(struct value *v)
{
	struct str text = {0};
	struct err e = {0};
	size_t at;
	int r = 0;

	if (v->key->raw)
		str_add(&text, v->entry->value);
	else
		r = expand_variables(v->entry->value, v->load->src->environ, &text, &at, &e);
	if (r == -EINVAL)
		(void)value_error(v, "%s", e.text);
	if (str_failed(&text))
		r = -ENOMEM;
	if (r == 0)
		r = tidy(v, &text);
	if (r == 0) {
		v->text = text.data;
		r = v->key->type->parse(v);
	}
	if (r == -ENOMEM)
		v->load->no_memory = true;
	str_free(&text);
}

static void
take_entry(struct load *l, struct raw_section *s, size_t index)
{
	const struct raw_entry *e = &l->raw.entries[index], *before;
	struct value v = {.load = l, .entry = e};
	size_t row = schema_find(s->kind, e->key);

	if (row == schema_len) {
		complain_of_key(l, s, e);
		return;
	}
	v.key = &schema[row];
	if (s->seen[row] && !v.key->repeats) {
		before = &l->raw.entries[s->seen[row] - 1];
		load_error(l, &e->at, "%s is set already, in line %u; remove one of the two",
		    e->key, before->at.line);
		return;
	}
	s->seen[row] = index + 1;
	v.base = s->kind == SECTION_APP ? (void *)s->app : (void *)&l->conf->master;
	parse_value(&v);
}

/* Fields that no default of the schema sets: "not set" is not zero for all of them. */
static void
app_unset(struct conf_app *app)
{
	app->umask = -1;
	app->nice = app->oom_score_adj = INT_MIN;
	app->limit_nofile = app->limit_core = CONF_LIMIT_NONE;
	app->ready_fd = -1;
}

static void
set_defaults(struct load *l, enum section_kind section, void *base)
{
	struct value v = {.load = l, .base = base};

	for (size_t i = 0; i < schema_len; i++) {
		if (schema[i].section != section || !schema[i].def)
			continue;
		v.key = &schema[i];
		v.text = schema[i].def;
		if (v.key->type->parse(&v) == -ENOMEM)
			l->no_memory = true;
	}
}

static void
add_app(struct load *l, struct raw_section *s)
{
	struct conf *c = l->conf;
	struct conf_app **grown, *app;

	grown = mem_realloc(c->apps, (c->apps_len + 1) * sizeof(*grown));
	if (grown)
		c->apps = grown;
	app = grown ? mem_calloc(1, sizeof(*app)) : NULL;
	if (app)
		app->name = mem_strdup(s->text + 4);
	if (!app || !app->name) {
		conf_app_free(app);
		l->no_memory = true;
		return;
	}
	c->apps[c->apps_len++] = app;
	app->line = (int)s->at.line;
	app_unset(app);
	set_defaults(l, SECTION_APP, app);
	s->app = app;
}

/* What runs when no command is given. */
static int
set_hello(struct load *l, struct conf_app *app)
{
	const char *path = environ_get(l->src->environ, "BROOD_HELLO", strlen("BROOD_HELLO"));
	size_t len;

	if (!path || *path == '\0')
		path = PKGLIBEXECDIR "/brood-hello";
	len = strlen(path) + 1;
	app->argv = mem_alloc(2 * sizeof(*app->argv) + len);
	if (!app->argv)
		return -ENOMEM;
	app->argv[0] = memcpy(app->argv + 2, path, len);
	app->argv[1] = NULL;
	return 0;
}

/* WEB_CONCURRENCY is how platforms say it; an app that says it itself has its way. */
static void
set_concurrency(struct load *l, struct raw_section *s)
{
	const char *text =
	    environ_get(l->src->environ, "WEB_CONCURRENCY", strlen("WEB_CONCURRENCY"));
	uint64_t n;

	if (!text || *text == '\0' || s->seen[schema_find(SECTION_APP, "workers")])
		return;
	if (units_parse_uint(text, CONF_WORKERS_MAX, &n) || n == 0) {
		load_error(l, &s->at,
		    "[%s] has no workers, and WEB_CONCURRENCY=%.40s of the environment "
		    "is no number from 1 to %d; correct it, or set workers",
		    s->text, text, CONF_WORKERS_MAX);
		return;
	}
	s->app->workers_auto = false;
	s->app->workers_n = (unsigned)n;
}

/* The signal that those programs know; one that says it itself has its way. */
static void
set_stop_signal(struct raw_section *s)
{
	if (s->seen[schema_find(SECTION_APP, "stop_signal")])
		return;
	if (s->app->compat == COMPAT_PM2)
		s->app->stop_signal = SIGINT;
	else if (s->app->compat == COMPAT_EINHORN)
		s->app->stop_signal = SIGUSR2;
}

static struct conf_app *
find_env_app(struct load *l, const struct raw_section *s)
{
	const char *names[SECTIONS_MAX], *near;

	for (size_t i = 0; i < l->conf->apps_len; i++) {
		if (strcmp(l->conf->apps[i]->name, s->text + 4) == 0)
			return l->conf->apps[i];
		names[i] = l->conf->apps[i]->name;
	}
	near = str_nearest(s->text + 4, names, l->conf->apps_len);
	if (near)
		load_error(l, &s->at, "[%s]: there is no [app:%s]; did you mean [env:%s]?", s->text,
		    s->text + 4, near);
	else
		load_error(l, &s->at, "[%s]: there is no [app:%s]", s->text, s->text + 4);
	return NULL;
}

/* After all keys, so that these win over what env_file brought. */
static void
take_env_section(struct load *l, size_t index)
{
	struct conf_app *app = find_env_app(l, &l->raw.sections[index]);
	const struct raw_entry *e = l->raw.entries;
	size_t taken = 0;

	for (size_t i = 0; app && i < l->raw.entries_len && !l->no_memory; i++) {
		if (e[i].section != index)
			continue;
		if (++taken > ENV_MAX) {
			load_error(l, &e[i].at, "%s: more than %d variables", e[i].key, ENV_MAX);
			return;
		}
		env_take_entry(l, app, &e[i]);
	}
}

static void
take_keys(struct load *l)
{
	const struct raw_entry *e;
	struct raw_section *s;

	for (size_t i = 0; i < l->raw.entries_len && !l->no_memory; i++) {
		e = &l->raw.entries[i];
		if (e->section == SECTION_TOP) {
			if (strcmp(e->key, "include") != 0)
				load_error(l, &e->at,
				    "%s stands before any section; write [master] or "
				    "[app:NAME] above it",
				    e->key);
			continue;
		}
		s = &l->raw.sections[e->section];
		if (s->kind == SECTION_MASTER || s->kind == SECTION_APP)
			take_entry(l, s, i);
	}
}

void
parse_raw(struct load *l)
{
	struct raw_section *s = l->raw.sections;
	size_t len = l->raw.sections_len;

	set_defaults(l, SECTION_MASTER, &l->conf->master);
	for (size_t i = 0; i < len && !l->no_memory; i++) {
		if (s[i].kind == SECTION_APP)
			add_app(l, &s[i]);
	}
	take_keys(l);
	for (size_t i = 0; i < len && !l->no_memory; i++) {
		if (s[i].kind == SECTION_ENV)
			take_env_section(l, i);
		if (s[i].kind != SECTION_APP)
			continue;
		set_concurrency(l, &s[i]);
		set_stop_signal(&s[i]);
		if (!s[i].app->argv && set_hello(l, s[i].app))
			l->no_memory = true;
	}
}
