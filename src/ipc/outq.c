/*
 * outq: what waits to be written to a peer. It does not write: the loop peeks, writes what the
 * socket takes, and says how much that was. What a message means is not known here, only whether
 * it may be lost.
 *
 * The limit counts what the lines cost, not only what they say: else a flood of short messages
 * would hold many times the limit in headers.
 */
#include "ipc/outq.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

struct outq_line {
	struct outq_line *next;
	size_t len;
	bool droppable;
	void *rider;
	void (*release)(void *rider);
	char data[];
};

static void
release_rider(struct outq_line *line)
{
	if (line->rider)
		line->release(line->rider);
	line->rider = NULL;
}

void
outq_init(struct outq *q, size_t limit)
{
	*q = (struct outq){.limit = limit};
}

void
outq_done(struct outq *q)
{
	struct outq_line *line, *next;

	for (line = q->head; line != NULL; line = next) {
		next = line->next;
		release_rider(line);
		mem_free(line);
	}
	q->head = NULL;
	q->tail = NULL;
	q->bytes = 0;
	q->lines = 0;
	q->written = 0;
}

static bool
fits(const struct outq *q, size_t len)
{
	size_t cost = q->bytes + q->lines * sizeof(struct outq_line);

	return cost <= q->limit && len + sizeof(struct outq_line) <= q->limit - cost;
}

/* Unlinks the line behind prev (NULL: the head). */
static void
remove_line(struct outq *q, struct outq_line *prev, struct outq_line *line)
{
	if (prev != NULL)
		prev->next = line->next;
	else
		q->head = line->next;
	if (q->tail == line)
		q->tail = prev;
	q->bytes -= line->len;
	q->lines--;
	release_rider(line);
	mem_free(line);
}

/* Drops droppable lines, oldest first, until len more bytes fit. The head stays once its first
 * bytes are out: half a line would spoil the next one. */
static void
make_room(struct outq *q, size_t len)
{
	struct outq_line *prev = NULL, *line = q->head;

	while (line != NULL && !fits(q, len)) {
		struct outq_line *next = line->next;

		if (line->droppable && !(line == q->head && q->written > 0)) {
			remove_line(q, prev, line);
			q->dropped++;
		} else {
			prev = line;
		}
		line = next;
	}
}

int
outq_push(struct outq *q, const char *data, size_t len, bool droppable)
{
	struct outq_line *line;

	if (len == 0)
		return 0;
	/* What can never fit must not cost the lines that wait. */
	if (droppable && len + sizeof(*line) > q->limit) {
		q->dropped++;
		return -ENOBUFS;
	}
	make_room(q, len);
	if (droppable && !fits(q, len)) {
		q->dropped++;
		return -ENOBUFS;
	}
	line = mem_alloc(sizeof(*line) + len);
	if (line == NULL)
		return -ENOMEM;
	line->next = NULL;
	line->len = len;
	line->droppable = droppable;
	line->rider = NULL;
	memcpy(line->data, data, len);
	if (q->tail != NULL)
		q->tail->next = line;
	else
		q->head = line;
	q->tail = line;
	q->bytes += len;
	q->lines++;
	return 0;
}

int
outq_push_rider(
    struct outq *q, const char *line, size_t len, void *rider, void (*release)(void *rider))
{
	int r = len > 0 ? outq_push(q, line, len, false) : -EINVAL;

	if (r < 0) {
		release(rider);
		return r;
	}
	q->tail->rider = rider;
	q->tail->release = release;
	return 0;
}

void *
outq_rider(const struct outq *q)
{
	return q->head != NULL ? q->head->rider : NULL;
}

void *
outq_last_rider(const struct outq *q)
{
	return q->tail != NULL ? q->tail->rider : NULL;
}

void
outq_take_back(struct outq *q)
{
	struct outq_line *prev = NULL;

	for (struct outq_line *line = q->head; line != q->tail; line = line->next)
		prev = line;
	if (q->tail != NULL)
		remove_line(q, prev, q->tail);
}

size_t
outq_peek(const struct outq *q, const char **ret_data)
{
	if (q->head == NULL)
		return 0;
	*ret_data = q->head->data + q->written;
	return q->head->len - q->written;
}

void
outq_advance(struct outq *q, size_t n)
{
	while (q->head != NULL && n > 0) {
		struct outq_line *line = q->head;
		size_t left = line->len - q->written;

		release_rider(line);
		if (n < left) {
			q->written += n;
			q->bytes -= n;
			return;
		}
		n -= left;
		/* remove_line() takes the whole length off; what was written before is off. */
		q->bytes += q->written;
		q->written = 0;
		remove_line(q, NULL, line);
	}
}
