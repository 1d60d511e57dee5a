/*
 * progress: events of an operation under way, shown as they come: a line per slot that is
 * rewritten on a terminal, a line per event elsewhere, nothing with --json.
 */
#ifndef BROOD_CLI_PROGRESS_H
#define BROOD_CLI_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>

struct cli;
struct progress;

struct progress *progress_new(const struct cli *cli); /* NULL without memory: shows nothing */
void progress_free(struct progress *p);
/* event: EVENT of brood-protocol(7). NULL p is fine. */
void progress_show(struct progress *p, const json_t *event);
/* The slot that something went wrong with last ("web.2"), or NULL: for the hint. */
const char *progress_suspect(const struct progress *p);

/* One event as text without its newline: "web.2: ready after 14 ms (pid 812, generation 8)". */
struct str;
void event_add_text(struct str *out, const json_t *event);

#endif
