/*
 * lines: a worker's output cut into lines (L1, L2). A line ends at a newline or at the limit; one
 * that was cut is marked, and its rest is a line of its own. CR before LF goes. Bytes are given
 * on as they came; escaping is the shower's work. Nothing is held while no line is open.
 */
#ifndef BROOD_IPC_LINES_H
#define BROOD_IPC_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_splitter {
	char *buf;
	size_t len, cap;
	size_t max;
};

/* partial: the line was cut at the limit and goes on in the next call. */
typedef void (*line_fn)(void *arg, const char *line, size_t len, bool partial);

void line_splitter_init(struct line_splitter *s, size_t max);
void line_splitter_done(struct line_splitter *s);
void line_splitter_feed(struct line_splitter *s, const char *data, size_t len, line_fn fn, void *arg);
/* The stream ended: gives out what is left. */
void line_splitter_finish(struct line_splitter *s, line_fn fn, void *arg);

/* The last lines of an app, within a fixed number of bytes in all: a ring that forgets the
 * oldest. Records carry slot, stream, generation, pid and time. Memory is taken when the first
 * line comes and grows to `bytes` at most. */
struct line_ring;

struct line_record {
	uint64_t seq;			/* 1, 2, 3, ... per ring */
	uint64_t wall_ms;
	uint32_t slot;
	uint32_t generation;
	int32_t pid;
	bool is_stderr;
	bool partial;
	uint32_t len;
	const char *text;		/* inside the ring: valid until the next push */
};

struct line_ring *line_ring_new(size_t bytes);	/* NULL without memory */
void line_ring_free(struct line_ring *r);
/* text is copied, cut to a quarter of the ring. seq is given by the ring. 0 or -ENOMEM. */
int line_ring_push(struct line_ring *r, const struct line_record *rec);
/* Walks from the oldest record with seq >= from; stops when fn returns false. slot < 0 = all. */
void line_ring_walk(const struct line_ring *r, uint64_t from, int slot,
    bool (*fn)(void *arg, const struct line_record *rec), void *arg);
uint64_t line_ring_last_seq(const struct line_ring *r);
/* seq from which on there are at most n records of that slot (all slots when < 0). */
uint64_t line_ring_tail_seq(const struct line_ring *r, int slot, size_t n);

#endif
