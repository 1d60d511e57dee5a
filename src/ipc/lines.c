/*
 * lines: a stream cut into lines, and a ring that remembers the last of them. Bytes are not
 * looked at beyond CR and LF: what a worker wrote is kept as it came, and made safe where it is
 * shown. The ring knows slots and streams as numbers only.
 */
#include "ipc/lines.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define SPLITTER_FIRST_CAP 256
#define RING_FIRST_CAP     4096

/*
 * The splitter. buf holds the open line, at most max bytes, or one more when that one is a CR:
 * it may turn out to belong to the line's end, and must not by itself make a full line a cut one.
 */

void
line_splitter_init(struct line_splitter *s, size_t max)
{
	*s = (struct line_splitter){.max = max > 0 ? max : 1};
}

void
line_splitter_done(struct line_splitter *s)
{
	mem_free(s->buf);
	s->buf = NULL;
	s->len = 0;
	s->cap = 0;
}

static bool
splitter_reserve(struct line_splitter *s, size_t need)
{
	size_t cap = s->cap > 0 ? s->cap : SPLITTER_FIRST_CAP;
	char *buf;

	if (need <= s->cap)
		return true;
	while (cap < need)
		cap *= 2;
	if (cap > s->max + 1)
		cap = s->max + 1;
	buf = mem_realloc(s->buf, cap);
	if (buf == NULL)
		return false;
	s->buf = buf;
	s->cap = cap;
	return true;
}

/* Gives out the first max bytes of a line that is longer; what is behind them stays. */
static void
splitter_cut(struct line_splitter *s, line_fn fn, void *arg)
{
	size_t n = s->len < s->max ? s->len : s->max;

	fn(arg, s->buf, n, true);
	s->len -= n;
	if (s->len > 0)
		s->buf[0] = s->buf[n];
}

/* Adds bytes of one line (no LF among them), giving out what the limit cuts off. */
static void
splitter_add(struct line_splitter *s, const char *data, size_t len, line_fn fn, void *arg)
{
	while (len > 0) {
		size_t n = len;

		if (s->len > s->max || (s->len == s->max && data[0] != '\r')) {
			splitter_cut(s, fn, arg);
			continue;
		}
		if (s->len == s->max)
			n = 1;
		else if (n > s->max - s->len)
			n = s->max - s->len;
		if (!splitter_reserve(s, s->len + n)) {
			/* Without memory nothing is lost: the line is cut where the memory ended. */
			if (s->len > 0)
				fn(arg, s->buf, s->len, true);
			fn(arg, data, n, true);
			s->len = 0;
		} else {
			memcpy(s->buf + s->len, data, n);
			s->len += n;
		}
		data += n;
		len -= n;
	}
}

static size_t
without_cr(const char *line, size_t len)
{
	return len > 0 && line[len - 1] == '\r' ? len - 1 : len;
}

void
line_splitter_feed(struct line_splitter *s, const char *data, size_t len, line_fn fn, void *arg)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t piece = end != NULL ? (size_t)(end - data) : len;

		if (end != NULL && s->len == 0 && without_cr(data, piece) <= s->max) {
			fn(arg, data, without_cr(data, piece), false);
		} else {
			splitter_add(s, data, piece, fn, arg);
			if (end != NULL) {
				fn(arg, s->buf != NULL ? s->buf : "", without_cr(s->buf, s->len),
				    false);
				line_splitter_done(s);
			}
		}
		if (end != NULL)
			piece++;
		data += piece;
		len -= piece;
	}
}

void
line_splitter_finish(struct line_splitter *s, line_fn fn, void *arg)
{
	if (s->len > s->max)
		splitter_cut(s, fn, arg);
	if (s->len > 0)
		fn(arg, s->buf, s->len, false);
	line_splitter_done(s);
}

/*
 * The ring. Records lie one behind the other, each whole, so that its text can be shown in
 * place. The oldest is at head; the next goes to tail. While tail is behind head (wrapped), the
 * older part ends at `end` and goes on at 0.
 */
struct entry {
	uint64_t seq;
	uint64_t wall_ms;
	uint32_t slot;
	uint32_t generation;
	int32_t pid;
	uint32_t len;
	bool is_stderr;
	bool partial;
	char text[];
};

struct line_ring {
	char *mem;
	size_t cap, bytes; /* what is there, and what may be */
	size_t head, tail, end;
	size_t count;
	bool wrapped;
	uint64_t last_seq;
};

struct line_ring *
line_ring_new(size_t bytes)
{
	struct line_ring *r = mem_calloc(1, sizeof(*r));

	if (r != NULL)
		r->bytes = bytes;
	return r;
}

void
line_ring_free(struct line_ring *r)
{
	if (r == NULL)
		return;
	mem_free(r->mem);
	mem_free(r);
}

/* Bytes that a record takes, such that the next one is aligned. */
static size_t
entry_size(size_t len)
{
	size_t align = _Alignof(struct entry);

	return (offsetof(struct entry, text) + len + align - 1) / align * align;
}

static const struct entry *
entry_at(const struct line_ring *r, size_t offset)
{
	return (const struct entry *)(const void *)(r->mem + offset);
}

/* Offset of the record behind the one at offset. */
static size_t
entry_next(const struct line_ring *r, size_t offset)
{
	offset += entry_size(entry_at(r, offset)->len);
	return r->wrapped && offset == r->end ? 0 : offset;
}

static void
forget_oldest(struct line_ring *r)
{
	size_t next = entry_next(r, r->head);

	if (next <= r->head)
		r->wrapped = false;
	r->head = next;
	r->count--;
	if (r->count == 0) {
		r->head = 0;
		r->tail = 0;
		r->wrapped = false;
	}
}

/* Larger memory, the records in order from its beginning. */
static bool
grow(struct line_ring *r, size_t cap)
{
	char *mem = mem_alloc(cap);
	size_t n = 0;

	if (mem == NULL)
		return false;
	if (r->count > 0 && r->wrapped) {
		memcpy(mem, r->mem + r->head, r->end - r->head);
		n = r->end - r->head;
		memcpy(mem + n, r->mem, r->tail);
		n += r->tail;
	} else if (r->count > 0) {
		memcpy(mem, r->mem + r->head, r->tail - r->head);
		n = r->tail - r->head;
	}
	mem_free(r->mem);
	r->mem = mem;
	r->cap = cap;
	r->head = 0;
	r->tail = n;
	r->wrapped = false;
	return true;
}

/* Whether size bytes are free at tail, going round to the beginning where that is better. */
static bool
has_room(struct line_ring *r, size_t size)
{
	if (r->wrapped)
		return size <= r->head - r->tail;
	if (size <= r->cap - r->tail)
		return true;
	if (r->count == 0 || size > r->head)
		return false;
	r->end = r->tail;
	r->tail = 0;
	r->wrapped = true;
	return true;
}

static int
make_room(struct line_ring *r, size_t size)
{
	while (!has_room(r, size)) {
		size_t cap = r->cap > 0 ? r->cap * 2 : RING_FIRST_CAP;

		while (cap < size)
			cap *= 2;
		if (cap > r->bytes)
			cap = r->bytes;
		if (cap > r->cap && grow(r, cap))
			continue;
		if (r->count == 0)
			return -ENOMEM;
		forget_oldest(r);
	}
	return 0;
}

int
line_ring_push(struct line_ring *r, const struct line_record *rec)
{
	size_t most = r->bytes / 4;
	bool cut;
	struct entry *e;
	size_t len;
	int rc;

	most = most > sizeof(struct entry) ? most - sizeof(struct entry) : 0;
	cut = rec->len > most;
	len = cut ? most : rec->len;
	rc = make_room(r, entry_size(len));
	if (rc < 0)
		return rc;
	e = (struct entry *)(void *)(r->mem + r->tail);
	e->seq = ++r->last_seq;
	e->wall_ms = rec->wall_ms;
	e->slot = rec->slot;
	e->generation = rec->generation;
	e->pid = rec->pid;
	e->len = (uint32_t)len;
	e->is_stderr = rec->is_stderr;
	e->partial = rec->partial || cut;
	if (len > 0)
		memcpy(e->text, rec->text, len);
	r->tail += entry_size(len);
	r->count++;
	return 0;
}

static bool
entry_is_of(const struct entry *e, int slot)
{
	return slot < 0 || e->slot == (uint32_t)slot;
}

void
line_ring_walk(const struct line_ring *r, uint64_t from, int slot,
    bool (*fn)(void *arg, const struct line_record *rec), void *arg)
{
	size_t offset = r->head;

	for (size_t i = 0; i < r->count; i++, offset = entry_next(r, offset)) {
		const struct entry *e = entry_at(r, offset);
		struct line_record rec = {
		    .seq = e->seq,
		    .wall_ms = e->wall_ms,
		    .slot = e->slot,
		    .generation = e->generation,
		    .pid = e->pid,
		    .is_stderr = e->is_stderr,
		    .partial = e->partial,
		    .len = e->len,
		    .text = e->text,
		};

		if (e->seq >= from && entry_is_of(e, slot) && !fn(arg, &rec))
			return;
	}
}

uint64_t
line_ring_last_seq(const struct line_ring *r)
{
	return r->last_seq;
}

uint64_t
line_ring_tail_seq(const struct line_ring *r, int slot, size_t n)
{
	size_t offset = r->head, matching = 0;

	for (size_t i = 0; i < r->count; i++, offset = entry_next(r, offset))
		matching += entry_is_of(entry_at(r, offset), slot);
	if (n == 0 || matching == 0)
		return r->last_seq + 1;
	offset = r->head;
	for (size_t i = 0; i < r->count; i++, offset = entry_next(r, offset)) {
		const struct entry *e = entry_at(r, offset);

		if (entry_is_of(e, slot) && matching-- <= n)
			return e->seq;
	}
	return r->last_seq + 1;
}
