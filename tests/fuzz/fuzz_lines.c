/*
 * fuzz_lines: a worker's output gives the same lines whole or in pieces, no byte but line ends is
 * lost, and a ring of any size remembers the last of them. The first byte gives the longest line,
 * the second the size of the pieces, the third the ring's.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	size_t lines, bytes, max;
	struct line_ring *ring;
};

static void
add_line(void *arg, const char *line, size_t len, bool partial)
{
	struct line_record rec = {.len = (uint32_t)len, .text = line, .partial = partial};
	struct sum *s = arg;

	if (len > s->max || (partial && len != s->max) || memchr(line, '\n', len) != NULL)
		abort();
	s->hash = (s->hash ^ partial ^ len) * 1099511628211u;
	for (size_t i = 0; i < len; i++)
		s->hash = (s->hash ^ (uint8_t)line[i]) * 1099511628211u;
	s->lines++;
	s->bytes += len;
	rec.slot = (uint32_t)s->lines % 3;
	if (s->ring != NULL)
		(void)line_ring_push(s->ring, &rec);
}

static void
feed(struct sum *s, const char *stream, size_t len, size_t piece)
{
	struct line_splitter splitter;

	line_splitter_init(&splitter, s->max);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		line_splitter_feed(&splitter, stream + at, n, add_line, s);
		if (splitter.cap > s->max + 1)
			abort();
	}
	line_splitter_finish(&splitter, add_line, s);
	if (splitter.buf != NULL)
		abort();
}

struct walk {
	uint64_t last;
	size_t count, bytes;
};

static bool
see(void *arg, const struct line_record *rec)
{
	struct walk *w = arg;

	if (w->count > 0 && rec->seq != w->last + 1)
		abort();
	w->last = rec->seq;
	w->count++;
	for (uint32_t i = 0; i < rec->len; i++)
		w->bytes += rec->text[i] != '\n';
	return true;
}

static void
check_ring(const struct line_ring *r, size_t bytes)
{
	struct walk w = {0};

	line_ring_walk(r, 0, -1, see, &w);
	if (w.bytes > bytes || (w.count > 0 && w.last != line_ring_last_seq(r)))
		abort();
	if (line_ring_tail_seq(r, -1, w.count) > line_ring_last_seq(r) + 1)
		abort();
	if (w.count > 0 && line_ring_tail_seq(r, -1, 1) != w.last)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *stream = (const char *)data + 3;
	struct sum whole = {.hash = 1}, pieces = {.hash = 1};
	size_t ring_bytes;

	if (size < 4)
		return 0;
	size -= 3;
	ring_bytes = (size_t)data[2] * 40;
	whole.max = pieces.max = (size_t)data[0] + 1;
	pieces.ring = line_ring_new(ring_bytes);
	feed(&whole, stream, size, size);
	feed(&pieces, stream, size, (size_t)data[1] + 1);
	if (whole.hash != pieces.hash || whole.lines != pieces.lines || whole.bytes > size)
		abort();
	if (pieces.ring != NULL)
		check_ring(pieces.ring, ring_bytes);
	line_ring_free(pieces.ring);
	return 0;
}
