/*
 * fuzz_frame: the same frames whether a stream comes whole or in pieces. The first byte gives the
 * longest frame, the second the size of the pieces, the rest is the stream.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	size_t frames, max;
};

static bool
add_frame(void *arg, enum frame_kind kind, const char *data, size_t len)
{
	struct sum *s = arg;

	if (len > s->max || (kind == FRAME_TOO_LONG && len != s->max) ||
	    memchr(data, '\n', len) != NULL)
		abort();
	s->hash = (s->hash ^ (uint64_t)kind ^ len) * 1099511628211u;
	for (size_t i = 0; i < len; i++)
		s->hash = (s->hash ^ (uint8_t)data[i]) * 1099511628211u;
	s->frames++;
	return true;
}

static struct sum
feed(const char *stream, size_t len, size_t max, size_t piece)
{
	struct sum s = {.hash = 1, .max = max};
	struct frame_reader r;

	frame_reader_init(&r, max);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		if (frame_reader_feed(&r, stream + at, n, add_frame, &s) != 0 || r.cap > max)
			abort();
	}
	frame_reader_done(&r);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *stream = (const char *)data + 2;
	struct sum whole, pieces;
	size_t depth;

	if (size < 3)
		return 0;
	size -= 2;
	whole = feed(stream, size, data[0], size);
	pieces = feed(stream, size, data[0], (size_t)data[1] + 1);
	if (whole.hash != pieces.hash || whole.frames != pieces.frames)
		abort();
	depth = frame_json_depth(stream, size, 16);
	if (depth > 17 || depth > size)
		abort();
	return 0;
}
