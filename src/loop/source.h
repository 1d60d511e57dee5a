/*
 * source: one worker's stdout and stderr, cut into lines, for output.c. Here are also the structs
 * that both share; output.h is what the rest of the room sees.
 */
#ifndef BROOD_LOOP_SOURCE_H
#define BROOD_LOOP_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/str.h"
#include "ipc/lines.h"
#include "loop/output.h"
#include "loop/sink.h"

#define SOURCE_CHUNK_BYTES 8192		/* read at once: what one read can add to a full queue */
#define SOURCE_TURN_BYTES  32768	/* of one stream in one turn of the loop */
#define SOURCE_ALL_BYTES   (1024 * 1024)	/* of all streams in one turn, about */
#define SOURCE_DRAIN_BYTES (256 * 1024)	/* of a dead worker's stream */
#define SOURCE_LINGER_MS   5000

struct output_app {
	struct output_app *next;
	char name[49];
	struct line_ring *ring;
	struct sink *sinks[2];		/* for stdout, stderr; NULL = nowhere */
	unsigned sources;		/* that are not freed */
	bool gone;			/* freed with its last source */
};

struct output {
	struct loop *loop;
	struct sink_set set;
	struct output_app *apps;
	struct output_source *sources;
	struct sink *master;		/* of the master's own log; NULL = none */
	uint64_t master_lost;		/* lines of it, not yet told */
	char *state_log;		/* where inherit goes in the background */
	output_watch_fn watch;
	void *watch_arg;
	uint64_t turn_ms;		/* uv_now() of the turn that is counted */
	unsigned turn_streams, last_streams;	/* that had something to say */
	uint64_t wall_ms;		/* of the lines being read */
	uint64_t time_ms;		/* what `time` shows */
	char time[25];
	bool no_colour;
	struct str line;		/* scratch */
	char chunk[SOURCE_CHUNK_BYTES];
};

/* The sink s has room: reading goes on, and what was lost is told. NULL = look at all. */
void sources_resume(struct output *o, const struct sink *s);
/* Closes all, whatever is left in them. */
void sources_close_all(struct output *o);
/* The last source of an app is gone. */
void output_app_unref(struct output *o, struct output_app *app);

#endif
