/*
 * source: reads what workers write. A line is kept in the app's ring, shown to who follows, and
 * put into the sink of its stream, with a prefix that its writer can't forge: all it wrote comes
 * after it, escaped.
 *
 * Fairness (L1): a stream gives at most SOURCE_TURN_BYTES a turn of the loop, less when many talk
 * at once. Memory: only a line that is open is held (ipc/lines.h).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ctl/command.h"
#include "loop/loop.h"
#include "loop/source.h"

struct stream {
	struct output_source *source;
	uv_poll_t poll;
	int fd; /* -1 = closed */
	bool is_stderr;
	bool paused; /* not read until its sink has room */
	struct line_splitter splitter;
	uint64_t lost; /* lines, not yet told */
};

struct output_source {
	struct output *output;
	struct output_app *app;
	struct output_source *prev, *next;
	struct stream streams[2];
	uv_timer_t linger;
	unsigned handles;
	unsigned slot, generation;
	pid_t pid;
	enum conf_overflow overflow;
	bool closing;
	uint64_t lines, bytes, dropped;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static struct sink *
stream_sink(const struct stream *st)
{
	return st->source->app->sinks[st->is_stderr];
}

static bool
stream_must_wait(const struct stream *st)
{
	const struct sink *sink = stream_sink(st);

	return sink && sink->full && st->source->overflow == OVERFLOW_BLOCK;
}

static const char *
output_time(struct output *o)
{
	if (o->time_ms != o->wall_ms) {
		clock_format_wall(o->wall_ms, o->time);
		o->time_ms = o->wall_ms;
	}
	return o->time;
}

/* What comes before a worker's text. In a file: time, who, `word`; else who and `mark`. */
static void
add_prefix(struct stream *st, const struct sink *sink, const char *word, char mark)
{
	static const char *const colours[] = {
	    "36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};
	const struct output_source *s = st->source;
	struct output *o = s->output;

	str_reset(&o->line);
	if (sink->path)
		str_addf(&o->line, "%s %s.%u %s ", output_time(o), s->app->name, s->slot, word);
	else if (sink->is_terminal && !o->no_colour)
		str_addf(&o->line, "\033[%sm%s.%u %c\033[0m ",
		    colours[s->slot % (sizeof(colours) / sizeof(colours[0]))], s->app->name,
		    s->slot, mark);
	else
		str_addf(&o->line, "%s.%u %c ", s->app->name, s->slot, mark);
}

static bool
stream_put(struct stream *st, struct sink *sink)
{
	struct str *line = &st->source->output->line;
	bool taken;

	str_add_char(line, '\n');
	taken = !str_failed(line) &&
	        sink_put(sink,
	            st->source->overflow == OVERFLOW_DROP ? SINK_GIVER_DROP : SINK_GIVER_BLOCK,
	            line->data, line->len);
	if (str_failed(line))
		str_free(line);
	return taken;
}

static void
stream_tell_lost(struct stream *st, struct sink *sink)
{
	if (st->lost == 0)
		return;
	add_prefix(st, sink, "lost", '!');
	str_addf(&st->source->output->line, "%llu line%s%s", (unsigned long long)st->lost,
	    st->lost == 1 ? "" : "s", sink->path ? "" : " lost");
	if (stream_put(st, sink))
		st->lost = 0;
}

static void
stream_to_sink(struct stream *st, const struct line_record *rec)
{
	struct sink *sink = stream_sink(st);
	const char *word = rec->is_stderr ? "err" : "out";

	if (!sink)
		return;
	stream_tell_lost(st, sink);
	if (rec->partial)
		word = rec->is_stderr ? "err+" : "out+";
	add_prefix(st, sink, word, rec->partial ? '+' : '|');
	str_add_escaped(&st->source->output->line, rec->text, rec->len);
	if (!stream_put(st, sink)) {
		st->lost++;
		st->source->dropped++;
	}
}

static void
on_line(void *arg, const char *line, size_t len, bool partial)
{
	struct stream *st = arg;
	struct output_source *s = st->source;
	struct output *o = s->output;
	struct line_record rec = {
	    .wall_ms = o->wall_ms,
	    .slot = s->slot,
	    .generation = s->generation,
	    .pid = s->pid,
	    .is_stderr = st->is_stderr,
	    .partial = partial,
	    .len = (uint32_t)len,
	    .text = line,
	};

	s->lines++;
	s->bytes += len;
	if (line_ring_push(s->app->ring, &rec) == 0) {
		rec.seq = line_ring_last_seq(s->app->ring);
		if (o->watch)
			o->watch(o->watch_arg, s->app->name, &rec);
	}
	stream_to_sink(st, &rec);
}

static void
source_free_if_closed(struct output_source *s)
{
	struct output *o = s->output;

	if (s->handles > 0)
		return;
	line_splitter_done(&s->streams[0].splitter);
	line_splitter_done(&s->streams[1].splitter);
	DL_DELETE(o->sources, s);
	output_app_unref(o, s->app);
	mem_free(s);
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct output_source *s = handle->data;
	struct sink_set *set = &s->output->set;

	s->handles--;
	source_free_if_closed(s);
	sink_set_handle_closed(set);
}

static void
source_close_handle(struct output_source *s, uv_handle_t *handle)
{
	handle->data = s;
	uv_close(handle, on_handle_closed);
}

/* At its end, or given up. The descriptor leaves the loop (L3). */
static void
stream_close(struct stream *st)
{
	struct output_source *s = st->source;

	if (st->fd < 0)
		return;
	line_splitter_finish(&st->splitter, on_line, st);
	source_close_handle(s, (uv_handle_t *)&st->poll);
	fd_close(&st->fd);
	if (s->closing && s->streams[0].fd < 0 && s->streams[1].fd < 0 &&
	    !uv_is_closing((uv_handle_t *)&s->linger))
		source_close_handle(s, (uv_handle_t *)&s->linger);
}

/* Reads at most `budget` bytes, and with `all` set whatever the sink says to that. False: the
 * stream is at its end, or broken. */
static bool
stream_read(struct stream *st, size_t budget, bool all)
{
	struct output *o = st->source->output;
	ssize_t n;

	o->wall_ms = clock_wall_ms();
	while (budget > 0) {
		n = read(st->fd, o->chunk, budget < sizeof(o->chunk) ? budget : sizeof(o->chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		line_splitter_feed(&st->splitter, o->chunk, (size_t)n, on_line, st);
		budget -= (size_t)n;
		if (!all && stream_must_wait(st))
			break;
	}
	return true;
}

/* What one stream may give in this turn: less when many talk, so that a turn stays short. */
static size_t
turn_budget(struct output *o)
{
	uint64_t now_ms = uv_now(&o->loop->uv);
	size_t share;

	if (now_ms != o->turn_ms) {
		o->turn_ms = now_ms;
		o->last_streams = o->turn_streams;
		o->turn_streams = 0;
	}
	o->turn_streams++;
	share = SOURCE_ALL_BYTES / (o->last_streams > 0 ? o->last_streams : 1);
	if (share > SOURCE_TURN_BYTES)
		return SOURCE_TURN_BYTES;
	return share > SOURCE_CHUNK_BYTES / 2 ? share : SOURCE_CHUNK_BYTES / 2;
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct stream *st = poll->data;
	struct sink *sink = stream_sink(st);

	(void)events;
	if (status == 0 && stream_must_wait(st)) {
		st->paused = true;
		(void)uv_poll_stop(poll);
		return;
	}
	if (!stream_read(st, turn_budget(st->source->output), false) || status < 0)
		stream_close(st);
	if (sink)
		sink_flush(sink);
}

static void
stream_resume(struct stream *st)
{
	if (st->fd < 0 || !st->paused || stream_must_wait(st))
		return;
	st->paused = false;
	(void)uv_poll_start(&st->poll, UV_READABLE, on_readable);
}

void
sources_resume(struct output *o, const struct sink *sink)
{
	struct output_source *s;

	o->wall_ms = clock_wall_ms();
	DL_FOREACH (o->sources, s) {
		for (int i = 0; i < 2; i++) {
			struct stream *st = &s->streams[i];
			struct sink *own = stream_sink(st);

			if (sink && own != sink)
				continue;
			if (own)
				stream_tell_lost(st, own);
			stream_resume(st);
		}
	}
}

static void
stream_open(struct stream *st, int fd, size_t line_max)
{
	struct output *o = st->source->output;

	line_splitter_init(&st->splitter, line_max);
	st->fd = fd;
	if (fd < 0)
		return;
	if (uv_poll_init(&o->loop->uv, &st->poll, fd) < 0) {
		fd_close(&st->fd);
		return;
	}
	st->poll.data = st;
	st->source->handles++;
	o->set.handles++;
	(void)uv_poll_start(&st->poll, UV_READABLE, on_readable);
}

static struct output_app *
find_app(struct loop *l, const struct conf_app *conf)
{
	struct output_app *a = l->output->apps;

	while (a && strcmp(a->name, conf->name) != 0)
		a = a->next;
	return a;
}

struct output_source *
output_source_open(struct loop *l, const struct conf_app *conf, unsigned slot, unsigned generation,
    pid_t pid, int out_fd, int err_fd)
{
	struct output *o = l->output;
	struct output_app *app = find_app(l, conf);
	struct output_source *s = app ? mem_calloc(1, sizeof(*s)) : NULL;

	if (!s) {
		fd_close(&out_fd);
		fd_close(&err_fd);
		return NULL;
	}
	s->output = o;
	s->app = app;
	s->slot = slot;
	s->generation = generation;
	s->pid = pid;
	s->overflow = conf->log_overflow;
	s->streams[0].source = s->streams[1].source = s;
	s->streams[1].is_stderr = true;
	app->sources++;
	DL_APPEND(o->sources, s);
	(void)uv_timer_init(&l->uv, &s->linger);
	s->handles = 1;
	o->set.handles++;
	stream_open(&s->streams[0], out_fd, conf->log_line_max);
	stream_open(&s->streams[1], err_fd, conf->log_line_max);
	return s;
}

void
output_source_drain(struct output_source *s)
{
	for (int i = 0; i < 2; i++) {
		struct stream *st = &s->streams[i];
		struct sink *sink = stream_sink(st);

		if (st->fd < 0)
			continue;
		if (!stream_read(st, SOURCE_DRAIN_BYTES, true))
			stream_close(st);
		else
			line_splitter_finish(&st->splitter, on_line, st);
		if (sink)
			sink_flush(sink);
	}
}

static void
source_close_now(struct output_source *s)
{
	s->closing = true;
	stream_close(&s->streams[0]);
	stream_close(&s->streams[1]);
	if (!uv_is_closing((uv_handle_t *)&s->linger))
		source_close_handle(s, (uv_handle_t *)&s->linger);
}

static void
on_linger_over(uv_timer_t *timer)
{
	source_close_now(timer->data);
}

void
output_source_close(struct output_source *s)
{
	s->closing = true;
	if (s->streams[0].fd < 0 && s->streams[1].fd < 0) {
		source_close_now(s);
		return;
	}
	/* Others hold the pipes (P13): what they write is still taken for a while. */
	s->linger.data = s;
	(void)uv_timer_start(&s->linger, on_linger_over, SOURCE_LINGER_MS, 0);
}

void
sources_close_all(struct output *o)
{
	struct output_source *s;

	o->wall_ms = clock_wall_ms();
	DL_FOREACH (o->sources, s)
		source_close_now(s);
}

void
output_source_counters(const struct output_source *s, struct worker_report *ret)
{
	ret->log_lines = s->lines;
	ret->log_bytes = s->bytes;
	ret->log_dropped = s->dropped;
}

/* Finds the last lines of one process in a ring that its siblings fill, too. */
struct words {
	pid_t pid;
	bool is_stderr;
	size_t count[2]; /* first walk: lines of stdout and stderr */
	size_t skip; /* second walk */
	struct str *out;
};

static bool
words_count(void *arg, const struct line_record *rec)
{
	struct words *w = arg;

	if (rec->pid == w->pid)
		w->count[rec->is_stderr]++;
	return true;
}

static bool
words_add(void *arg, const struct line_record *rec)
{
	struct words *w = arg;

	if (rec->pid != w->pid || rec->is_stderr != w->is_stderr)
		return true;
	if (w->skip > 0) {
		w->skip--;
		return true;
	}
	str_add_escaped(w->out, rec->text, rec->len);
	str_add_char(w->out, '\n');
	return true;
}

void
output_source_last_words(const struct output_source *s, size_t n, struct str *out)
{
	struct words w = {.pid = s->pid, .out = out};
	size_t have;

	line_ring_walk(s->app->ring, 0, (int)s->slot, words_count, &w);
	w.is_stderr = w.count[1] > 0;
	have = w.count[w.is_stderr];
	w.skip = have > n ? have - n : 0;
	line_ring_walk(s->app->ring, 0, (int)s->slot, words_add, &w);
}
