/*
 * frame: cutting a byte stream into lines. Nothing here looks into a frame, but for counting
 * brackets; what a frame means is msg's business.
 *
 * A line that lies whole in the bytes given is handed on in place. Only a line that the read cut
 * in two is copied, and its memory goes back as soon as it is complete: a channel that is silent
 * costs nothing.
 */
#include "ipc/frame.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define FRAME_FIRST_CAP 512

void
frame_reader_init(struct frame_reader *r, size_t max)
{
	*r = (struct frame_reader){.max = max};
}

static void
forget_partial(struct frame_reader *r)
{
	mem_free(r->buf);
	r->buf = NULL;
	r->len = 0;
	r->cap = 0;
}

void
frame_reader_done(struct frame_reader *r)
{
	forget_partial(r);
	r->skipping = false;
}

/* Room for `need` bytes, need <= max. */
static int
reserve(struct frame_reader *r, size_t need)
{
	size_t cap = r->cap > 0 ? r->cap : FRAME_FIRST_CAP;
	char *buf;

	if (need <= r->cap)
		return 0;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (cap > r->max)
		cap = r->max;
	buf = mem_realloc(r->buf, cap);
	if (buf == NULL)
		return -ENOMEM;
	r->buf = buf;
	r->cap = cap;
	return 0;
}

/* Adds what belongs to the open line; true when that made it too long. What fits is kept all
 * the same, so that the report shows the same first bytes however the stream was cut. */
static int
append(struct frame_reader *r, const char *data, size_t len, bool *ret_too_long)
{
	size_t take = len;
	int rc;

	*ret_too_long = len > r->max - r->len;
	if (*ret_too_long)
		take = r->max - r->len;
	if (take == 0)
		return 0;
	rc = reserve(r, r->len + take);
	if (rc < 0)
		return rc;
	memcpy(r->buf + r->len, data, take);
	r->len += take;
	return 0;
}

/* Hands on the open line with its last piece. 1 = go on, 0 = fn wants no more. */
static int
finish_line(
    struct frame_reader *r, const char *piece, size_t len, bool ended, frame_fn fn, void *arg)
{
	bool too_long, more = true;
	int rc;

	rc = append(r, piece, len, &too_long);
	if (rc < 0) {
		forget_partial(r);
		r->skipping = !ended;
		return rc;
	}
	if (too_long) {
		r->skipping = !ended;
		more = fn(arg, FRAME_TOO_LONG, r->buf != NULL ? r->buf : "", r->len);
		forget_partial(r);
	} else if (ended) {
		more = fn(arg, FRAME_LINE, r->buf != NULL ? r->buf : "", r->len);
		forget_partial(r);
	}
	return more;
}

/* A whole line that needs no copy. */
static bool
hand_on(const struct frame_reader *r, const char *line, size_t len, frame_fn fn, void *arg)
{
	if (len > r->max)
		return fn(arg, FRAME_TOO_LONG, line, r->max);
	return fn(arg, FRAME_LINE, line, len);
}

int
frame_reader_feed(struct frame_reader *r, const char *data, size_t len, frame_fn fn, void *arg)
{
	int failed = 0;

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t piece = end != NULL ? (size_t)(end - data) : len;
		int more = 1;

		if (r->skipping)
			r->skipping = end == NULL;
		else if (end != NULL && r->len == 0)
			more = hand_on(r, data, piece, fn, arg);
		else
			more = finish_line(r, data, piece, end != NULL, fn, arg);
		if (more == 0) {
			frame_reader_done(r);
			return -ECANCELED;
		}
		if (more < 0)
			failed = more;
		if (end != NULL)
			piece++;
		data += piece;
		len -= piece;
	}
	return failed;
}

size_t
frame_json_depth(const char *data, size_t len, size_t limit)
{
	size_t depth = 0, deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > deepest)
				deepest = depth;
			if (deepest > limit)
				break;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}
