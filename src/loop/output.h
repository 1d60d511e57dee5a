/*
 * output: where lines go. A worker's stdout and stderr are cut into lines here, kept in the app's
 * ring (for `logs` and last words), and handed to a sink: the master's own stdout or stderr with
 * the prefix "app.slot | ", a log writer, or nowhere. The master's own log uses the same sinks.
 *
 * Nothing here ever blocks. A sink that takes no more makes a bounded queue; when that is full,
 * log_overflow decides: `block` stops reading the workers of that sink (back-pressure on the
 * storm, not on the master), `drop` counts lines and says how many were lost. Each worker gets at
 * most 64 KiB a turn of the loop, so that a storm from one does not hold up the others (L1).
 *
 * What a line looks like, TEXT being escaped:
 *   standard output, error   app.slot | TEXT        + for |: the line was cut and goes on
 *                            app.slot ! N lines lost
 *   a file                   TIME app.slot out TEXT err; out+, err+: the line was cut and goes on
 *                            TIME app.slot lost N lines
 */
#ifndef BROOD_LOOP_OUTPUT_H
#define BROOD_LOOP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/event.h"
#include "ipc/lines.h"

struct loop;
struct err;
struct conf;
struct conf_app;
struct str;
struct worker_report;
struct output_app;			/* ring and sink of an app */
struct output_source;			/* one worker's stdout and stderr */

#define OUTPUT_RING_BYTES (128 * 1024)	/* per app, fixed */

/* Sets up the master's own log per conf (log_set_sink and so on). 0 or negative errno. */
int output_init(struct loop *l, const struct conf *conf, struct err *e);
/* After the last output_source_close(), before the loop runs out its closing handles.
 * Flushes what the sinks take without blocking (at most ~200 ms in all for a slow pipe, since
 * nothing else is left to do), closes log writers and waits for nothing. */
void output_done(struct loop *l);
/* Another configuration is in force for the master's own log. */
void output_reconfigure(struct loop *l, const struct conf *conf);
void output_reopen(struct loop *l);

/* Makes sure that an app's sink exists as conf says (called when a generation is prepared;
 * the same name gives the same ring, its sink follows the newest conf). */
int output_app_prepare(struct loop *l, const struct conf_app *conf, struct err *e);
void output_app_gone(struct loop *l, const char *app);

/* Takes over the read ends of a worker's pipes (-1 = none). */
struct output_source *output_source_open(struct loop *l, const struct conf_app *conf,
    unsigned slot, unsigned generation, pid_t pid, int out_fd, int err_fd);
/* The worker is dead: reads what is left in the pipes now (bounded), so that its last words are
 * complete; the pipes stay open while others hold them (P13), until output_source_close(). */
void output_source_drain(struct output_source *s);
/* Up to n last lines that this worker wrote to stderr (stdout when it wrote nothing there),
 * escaped, each with a newline, appended to out. */
void output_source_last_words(const struct output_source *s, size_t n, struct str *out);
void output_source_counters(const struct output_source *s, struct worker_report *ret);
/* Lets go: closes now if at EOF, else after 5 s or at EOF, whichever is first. Frees itself. */
void output_source_close(struct output_source *s);

/* For `logs`: the ring of an app (NULL = none), and a subscription. fn is called for each new
 * line of any app; one subscriber (control.c), which filters. */
struct line_ring *output_ring(struct loop *l, const char *app);
typedef void (*output_watch_fn)(void *arg, const char *app, const struct line_record *rec);
void output_watch(struct loop *l, output_watch_fn fn, void *arg);	/* NULL = nobody */

#endif
