/*
 * frame: newline-delimited frames out of a byte stream that may be cut anywhere (W1), bounded
 * before anything is parsed (W2, W3). Pure: bytes in, frames out.
 *
 * A frame is one line without its newline. A line longer than the limit is skipped up to its
 * newline and reported once as FRAME_TOO_LONG, with its first bytes, so that the reader can tell
 * an over-long control frame (a fault) from an application message (skipped and counted).
 * Memory: nothing is held between frames; a partial one holds at most max bytes.
 */
#ifndef BROOD_IPC_FRAME_H
#define BROOD_IPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>

enum frame_kind { FRAME_LINE, FRAME_TOO_LONG };

struct frame_reader {
	char *buf;			/* partial line, NULL when there is none */
	size_t len, cap;
	size_t max;			/* longest line without its newline */
	bool skipping;			/* inside a line that was too long */
};

/* data is not terminated and only valid during the call. Return false to stop reading (the
 * rest of the bytes given is then dropped: the channel is being closed). */
typedef bool (*frame_fn)(void *arg, enum frame_kind kind, const char *data, size_t len);

void frame_reader_init(struct frame_reader *r, size_t max);
void frame_reader_done(struct frame_reader *r);
/* 0, or -ENOMEM (the partial line is dropped and skipped), or -ECANCELED when fn said stop. */
int frame_reader_feed(struct frame_reader *r, const char *data, size_t len, frame_fn fn, void *arg);

/* Nesting depth of [ and { outside strings, without parsing; stops counting above limit. */
size_t frame_json_depth(const char *data, size_t len, size_t limit);

#endif
