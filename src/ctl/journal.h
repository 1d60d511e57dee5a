/*
 * journal: what happened, bounded: the cluster's last events (`brood events`), and for each slot
 * its last obituaries (`brood why`). Pure data; the loop writes, ctl and control read.
 */
#ifndef BROOD_CTL_JOURNAL_H
#define BROOD_CTL_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/action.h"

#define JOURNAL_EVENTS_MAX 1024		/* records */
#define JOURNAL_EVENT_BYTES (256 * 1024)
#define JOURNAL_OBITUARIES 4		/* per slot */
#define JOURNAL_LAST_LINES 20

struct journal;

struct journal_event {
	uint64_t seq;			/* 1, 2, 3, ...; filled by journal_add_event() */
	uint64_t wall_ms;
	char event[32];			/* "worker_ready", ... */
	char level;			/* 'e' 'w' 'i' */
	char app[49];			/* "" = cluster */
	int slot;			/* -1 */
	pid_t pid;
	unsigned generation;
	const char *text;		/* copied */
};

/* One record of a worker's end. */
struct obituary {
	uint64_t wall_ms;
	char app[49];
	unsigned slot;
	pid_t pid;
	unsigned generation;
	enum cause cause;
	int code, signal;
	bool core_dumped, expected, was_ready;
	uint64_t uptime_us;
	uint64_t user_us, system_us, max_rss_bytes;
	char reason[ACTION_TEXT_MAX];
	char *last_words;		/* up to JOURNAL_LAST_LINES lines of stderr, escaped; owned */
};

struct journal *journal_new(void);
void journal_free(struct journal *j);
/* Copies. Without memory the record is lost, counted. */
void journal_add_event(struct journal *j, struct journal_event *e);
/* Steals last_words. */
void journal_add_obituary(struct journal *j, struct obituary *o);
/* Forgets an app that was removed. */
void journal_forget_app(struct journal *j, const char *app);
void journal_walk_events(const struct journal *j, uint64_t from_seq,
    bool (*fn)(void *arg, const struct journal_event *e), void *arg);
uint64_t journal_last_seq(const struct journal *j);
/* Newest first, index 0..; NULL beyond the end. */
const struct obituary *journal_obituary(const struct journal *j, const char *app, unsigned slot,
    unsigned index);
/* Newest obituary of the app that was not expected, or NULL. */
const struct obituary *journal_last_death(const struct journal *j, const char *app);

json_t *journal_event_to_json(const struct journal_event *e);
json_t *obituary_to_json(const struct obituary *o);
/* "exit 3", "SIGSEGV (core dumped)", "oom", "exec failed: No such file or directory", ... */
void obituary_cause_text(const struct obituary *o, char *buf, size_t size);

#endif
