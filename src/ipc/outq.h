/*
 * outq: a bounded queue of lines towards a peer that may not read. Control lines are never
 * dropped; when the limit is passed the oldest droppable (application) lines go first, counted.
 * A line that is partly written is never dropped.
 *
 * A control line may have a rider, something that has to leave with its first byte (descriptors):
 * the queue keeps it in order and releases it, and does not know what it is.
 */
#ifndef BROOD_IPC_OUTQ_H
#define BROOD_IPC_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outq_line;

struct outq {
	struct outq_line *head, *tail;
	size_t bytes;			/* queued and not yet written */
	size_t lines;			/* queued */
	size_t limit;			/* for droppable lines, headers included */
	size_t written;			/* of the head line */
	uint64_t dropped;		/* lines lost so far */
};

void outq_init(struct outq *q, size_t limit);
void outq_done(struct outq *q);
/* Appends a copy of line (with its newline). 0, -ENOMEM, or -ENOBUFS when a droppable line
 * itself was the one to go. */
int outq_push(struct outq *q, const char *line, size_t len, bool droppable);
/* The same for a control line with its rider, which is released when the line's first byte was
 * written, when the queue ends, or, on failure, now. */
int outq_push_rider(
    struct outq *q, const char *line, size_t len, void *rider, void (*release)(void *rider));
/* Of what outq_peek() begins with; NULL: it has none, or its first byte is out. */
void *outq_rider(const struct outq *q);
/* Of the line that was pushed last, as long as it waits with its rider. */
void *outq_last_rider(const struct outq *q);
/* Takes that line back; nothing of it may be written yet. */
void outq_take_back(struct outq *q);
/* What to write next; 0 bytes when empty. One line at most. */
size_t outq_peek(const struct outq *q, const char **ret_data);
/* n bytes of the peeked data were written. */
void outq_advance(struct outq *q, size_t n);
static inline bool outq_is_empty(const struct outq *q) { return q->bytes == 0; }

#endif
