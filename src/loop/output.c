/*
 * output: which sink each app and the master's own log have, and the lives of both. Workers'
 * streams are read in source.c, lines are written in sink.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "loop/loop.h"
#include "loop/output.h"
#include "loop/source.h"
#include "sys/rundir.h"

#define DONE_FLUSH_MS 200

/* STATE_DIR/NAME.log: where `inherit` goes when there is nothing to inherit. */
static int
state_log_path(struct output *o, const char **ret, struct err *e)
{
	char *dir;
	size_t size;
	int err;

	*ret = o->state_log;
	if (o->state_log)
		return 0;
	dir = rundir_state_default();
	if (!dir)
		return err_set(e, -ENOENT, "no state directory: set HOME or XDG_STATE_HOME");
	err = rundir_make(dir, 0700, e);
	if (err == 0) {
		size = strlen(dir) + strlen(o->loop->options.name) + sizeof("/.log");
		o->state_log = mem_alloc(size);
		if (o->state_log)
			(void)snprintf(o->state_log, size, "%s/%s.log", dir, o->loop->options.name);
		else
			err = err_set(e, -ENOMEM, "out of memory");
	}
	*ret = o->state_log;
	free(dir);
	return err;
}

/* The sink of what is logged to standard descriptor fd under this setting; NULL = nowhere. */
static int
open_sink(struct output *o, enum conf_log_kind kind, const char *path, int fd, struct sink **ret,
    struct err *e)
{
	int err;

	*ret = NULL;
	if (kind == LOG_TO_NONE)
		return 0;
	if (kind != LOG_TO_FILE && !o->loop->options.background)
		return sink_open_standard(&o->set, fd, ret, e);
	if (kind != LOG_TO_FILE) {
		err = state_log_path(o, &path, e);
		if (err < 0)
			return err;
	}
	return sink_open_file(&o->set, path, ret, e);
}

/* A line of the master's own log. It is never waited for. */
static void
on_log_line(void *arg, enum log_level level, const char *line, size_t len)
{
	struct output *o = arg;

	(void)level;
	if (!o->master)
		return;
	if (!sink_put(o->master, SINK_GIVER_MASTER, line, len))
		o->master_lost++;
	sink_flush(o->master);
}

static void
on_room(void *arg, struct sink *s)
{
	struct output *o = arg;
	uint64_t lost = o->master_lost;

	if (s == o->master && lost > 0 && s->fd >= 0) {
		o->master_lost = 0;
		log_warn("log_lines_lost", NULL, "%llu lines of this log were lost",
		    (unsigned long long)lost);
	}
	sources_resume(o, s);
	/* What sources had to tell about losses. */
	sink_flush(s);
}

static void
set_master_log(struct output *o, const struct conf *conf, struct sink *sink)
{
	struct sink *old = o->master;

	log_set_level(conf->master.log_level);
	log_set_format(conf->master.log_format);
	log_set_terminal(sink && sink->is_terminal);
	o->master = sink;
	log_set_sink(on_log_line, o);
	sink_unref(old);
}

static void
app_free(struct output_app *a)
{
	sink_unref(a->sinks[0]);
	sink_unref(a->sinks[1]);
	line_ring_free(a->ring);
	mem_free(a);
}

/* Nothing of libuv is left. */
static void
on_all_closed(void *arg)
{
	struct output *o = arg;
	struct output_app *next;

	for (struct output_app *a = o->apps; a; a = next) {
		next = a->next;
		line_ring_free(a->ring);
		mem_free(a);
	}
	str_free(&o->line);
	mem_free(o->state_log);
	mem_free(o);
}

int
output_init(struct loop *l, const struct conf *conf, struct err *e)
{
	struct output *o = mem_calloc(1, sizeof(*o));
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	struct sink *sink;
	int err;

	if (!o)
		return err_set(e, -ENOMEM, "out of memory");
	o->loop = l;
	o->no_colour = (no_colour && no_colour[0] != '\0') || (term && strcmp(term, "dumb") == 0);
	o->set =
	    (struct sink_set){.loop = l, .on_room = on_room, .on_closed = on_all_closed, .arg = o};
	l->output = o;
	err = open_sink(o, conf->master.log, conf->master.log_path, 2, &sink, e);
	if (err < 0) {
		output_done(l);
		return err_wrap(e, err, "log");
	}
	set_master_log(o, conf, sink);
	return 0;
}

void
output_done(struct loop *l)
{
	struct output *o = l->output;

	if (!o)
		return;
	sources_close_all(o);
	log_set_sink(NULL, NULL);
	o->watch = NULL;
	sink_set_drain(&o->set, DONE_FLUSH_MS);
	o->master = NULL;
	for (struct output_app *a = o->apps; a; a = a->next)
		a->sinks[0] = a->sinks[1] = NULL;
	l->output = NULL;
	sink_set_done(&o->set);
}

void
output_reconfigure(struct loop *l, const struct conf *conf)
{
	struct output *o = l->output;
	struct sink *sink;
	struct err e;

	if (open_sink(o, conf->master.log, conf->master.log_path, 2, &sink, &e) < 0) {
		log_error("log_refused", NULL, "the log stays where it is: %s", e.text);
		return;
	}
	set_master_log(o, conf, sink);
}

void
output_reopen(struct loop *l)
{
	sink_set_reopen(&l->output->set);
}

static struct output_app *
find_app(const struct output *o, const char *name)
{
	struct output_app *a = o->apps;

	while (a && strcmp(a->name, name) != 0)
		a = a->next;
	return a;
}

static struct output_app *
add_app(struct output *o, const char *name)
{
	struct output_app *a = mem_calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->ring = line_ring_new(OUTPUT_RING_BYTES);
	if (!a->ring) {
		mem_free(a);
		return NULL;
	}
	(void)snprintf(a->name, sizeof(a->name), "%s", name);
	a->next = o->apps;
	o->apps = a;
	return a;
}

int
output_app_prepare(struct loop *l, const struct conf_app *conf, struct err *e)
{
	struct output *o = l->output;
	struct output_app *a = find_app(o, conf->name);
	struct sink *sinks[2] = {NULL, NULL}, *old[2];
	int err;

	if (!a)
		a = add_app(o, conf->name);
	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	for (int i = 0; i < 2; i++) {
		err = open_sink(o, conf->log, conf->log_path, i + 1, &sinks[i], e);
		if (err < 0) {
			sink_unref(sinks[0]);
			return err_wrap(e, err, "log");
		}
	}
	a->gone = false;
	for (int i = 0; i < 2; i++) {
		old[i] = a->sinks[i];
		a->sinks[i] = sinks[i];
	}
	/* Before the old ones go: whoever waits for one of them goes on with the new. */
	sources_resume(o, NULL);
	sink_unref(old[0]);
	sink_unref(old[1]);
	return 0;
}

static void
remove_app(struct output *o, struct output_app *app)
{
	struct output_app **at = &o->apps;

	while (*at != app)
		at = &(*at)->next;
	*at = app->next;
	app_free(app);
}

void
output_app_unref(struct output *o, struct output_app *app)
{
	if (--app->sources == 0 && app->gone)
		remove_app(o, app);
}

void
output_app_gone(struct loop *l, const char *app)
{
	struct output_app *a = find_app(l->output, app);

	if (!a)
		return;
	a->gone = true;
	if (a->sources == 0)
		remove_app(l->output, a);
}

struct line_ring *
output_ring(struct loop *l, const char *app)
{
	struct output_app *a = find_app(l->output, app);

	return a ? a->ring : NULL;
}

void
output_watch(struct loop *l, output_watch_fn fn, void *arg)
{
	l->output->watch = fn;
	l->output->watch_arg = arg;
}
