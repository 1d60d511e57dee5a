/*
 * stack: see stack.h.
 *
 * A chunk is one mapping, cut into slots of one size. A slot is in use, warm (free, with its memory,
 * in a list that is in that memory), or cold (free, a bit in the chunk; its memory was given back).
 * A chunk of which all slots are cold goes. In a slot, from below: the guard page, unless it is
 * bare; the stack; the words that tell of an overflow of the slot above.
 */
#include "runtime/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utlist.h>

#include "base/mem.h"
#include "runtime/context.h"

#ifdef CONTEXT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, top) ((void)(low), (void)(top), 0u)
#define VALGRIND_STACK_DEREGISTER(id)     ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#if defined(CONTEXT_ASAN) || defined(CONTEXT_TSAN)
#define DEFAULT_SHIFT 18 /* a sanitizer's frames are bigger */
#else
#define DEFAULT_SHIFT 16
#endif
#define CHUNK_BYTES ((size_t)1 << 20)
#define WARM_BYTES  ((size_t)4 << 20) /* of addresses, in each class */

#define MAPS_DEFAULT   65530
#define MAPS_PER_GUARD 2 /* the page, and that what was one mapping is two */

#define CANARY_WORDS 8
#define CANARY_BYTES (CANARY_WORDS * sizeof(uint64_t))
#define CANARY       UINT64_C(0xb4ac7a9e5f3dd1c5)

struct stack_warm {
	struct stack stack;
	struct stack_warm *next;
};

struct stack_chunk {
	struct stack_chunk *prev, *next; /* of those with room */
	char *base;
	unsigned shift;
	unsigned n_slots;
	uint64_t cold; /* a bit a slot; else in use or warm */
	uint64_t guarded; /* has its guard, of either kind */
	uint64_t paged; /* has the kind that takes mappings */
	uint64_t bare; /* is in use without */
	unsigned valgrind[];
};

/* Of all loops. */
static struct {
	atomic_int first; /* enum stack_guard: what is tried first */
	atomic_long max; /* pages without access; -1: not known yet */
	atomic_long n; /* how many there are */
} guards = {.max = -1};

/* --- guards ---------------------------------------------------------------------------------- */

static size_t
page_bytes(void)
{
	static atomic_size_t size;
	size_t n = atomic_load_explicit(&size, memory_order_relaxed);

	if (n == 0) {
		n = (size_t)sysconf(_SC_PAGESIZE);
		atomic_store_explicit(&size, n, memory_order_relaxed);
	}
	return n;
}

static long
read_max_maps(void)
{
	char text[32];
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	long max = MAPS_DEFAULT;

	if (n > 0) {
		text[n] = '\0';
		max = strtol(text, NULL, 10);
	}
	if (fd >= 0)
		(void)close(fd);
	return max > 0 ? max : MAPS_DEFAULT;
}

/* A quarter of the mappings is for others, and for the chunks of bare stacks. */
static long
max_pages(void)
{
	long max = atomic_load(&guards.max);

	if (max < 0) {
		max = read_max_maps();
		max = (max - max / 4) / MAPS_PER_GUARD;
		atomic_store(&guards.max, max);
	}
	return max;
}

static bool
guard_in_table(char *page)
{
#ifdef CONTEXT_ASAN
	/* The leak checker reads what /proc/self/maps says can be read. */
	(void)page;
	return false;
#else
	if (atomic_load_explicit(&guards.first, memory_order_relaxed) != STACK_GUARD_TABLE)
		return false;
	return madvise(page, page_bytes(), MADV_GUARD_INSTALL) == 0;
#endif
}

static bool
guard_by_page(char *page, bool is_needed)
{
	long n = atomic_fetch_add(&guards.n, 1);

	if (is_needed || (n < max_pages() && atomic_load(&guards.first) <= STACK_GUARD_PAGE)) {
		if (mprotect(page, page_bytes(), PROT_NONE) == 0)
			return true;
	}
	(void)atomic_fetch_sub(&guards.n, 1);
	return false;
}

/* False: it has none. */
static bool
guard(struct stack_chunk *c, unsigned slot, bool is_needed)
{
	char *page = c->base + ((size_t)slot << c->shift);
	uint64_t bit = UINT64_C(1) << slot;

	if ((c->guarded & bit) != 0)
		return true;
	if (!guard_in_table(page)) {
		if (!guard_by_page(page, is_needed))
			return false;
		c->paged |= bit;
	}
	c->guarded |= bit;
	return true;
}

void
stack_limit_guards(enum stack_guard first, long max)
{
	atomic_store(&guards.first, (int)first);
	atomic_store(&guards.max, max);
}

/* --- chunks ---------------------------------------------------------------------------------- */

static uint64_t
all_slots(const struct stack_chunk *c)
{
	return c->n_slots == 64 ? UINT64_MAX : (UINT64_C(1) << c->n_slots) - 1;
}

static size_t
chunk_bytes(const struct stack_chunk *c)
{
	return (size_t)c->n_slots << c->shift;
}

static char *
map(size_t bytes)
{
	char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	/* A huge page would be memory for all stacks of the chunk, for one that is touched. */
	(void)madvise(base, bytes, MADV_NOHUGEPAGE);
	return base;
}

/* Whether the mapping has gone: the kernel may refuse when that would split one too many. */
static bool
unmap(struct stack_chunk *c)
{
	size_t bytes = chunk_bytes(c);

#ifdef CONTEXT_ASAN
	__asan_unpoison_memory_region(c->base, bytes);
	__lsan_unregister_root_region(c->base, bytes);
#endif
	if (munmap(c->base, bytes) == 0)
		return true;
#ifdef CONTEXT_ASAN
	__lsan_register_root_region(c->base, bytes);
#endif
	return false;
}

static struct stack_chunk *
chunk_new(struct stacks *s, unsigned shift)
{
	unsigned n = shift < 20 ? (unsigned)(CHUNK_BYTES >> shift) : 1;
	struct stack_chunk *c = mem_calloc(1, sizeof *c + n * sizeof c->valgrind[0]);

	if (c == NULL)
		return NULL;
	c->shift = shift;
	c->n_slots = n;
	c->cold = all_slots(c);
	c->base = map(chunk_bytes(c));
	if (c->base != NULL && !guard(c, 0, true)) {
		(void)munmap(c->base, chunk_bytes(c));
		c->base = NULL;
	}
	if (c->base == NULL) {
		mem_free(c);
		return NULL;
	}
#ifdef CONTEXT_ASAN
	__lsan_register_root_region(c->base, chunk_bytes(c));
#endif
	s->bytes += chunk_bytes(c);
	DL_APPEND(s->classes[shift - STACK_SHIFT_MIN].with_room, c);
	return c;
}

static void
chunk_free(struct stacks *s, struct stack_chunk *c)
{
	for (unsigned i = 0; i < c->n_slots; i++)
		if (c->valgrind[i] != 0)
			VALGRIND_STACK_DEREGISTER(c->valgrind[i] - 1);
	if (!unmap(c)) {
		memset(c->valgrind, 0, c->n_slots * sizeof c->valgrind[0]);
		return;
	}
	(void)atomic_fetch_sub(&guards.n, __builtin_popcountll(c->paged));
	s->bytes -= chunk_bytes(c);
	DL_DELETE(s->classes[c->shift - STACK_SHIFT_MIN].with_room, c);
	mem_free(c);
}

/* --- bare stacks ----------------------------------------------------------------------------- */

/* Below the stack, in its neighbour: slot 0 always has a guard. */
static uint64_t *
canary_of(const struct stack *st)
{
	return (uint64_t *)(void *)(st->low - CANARY_BYTES);
}

static void
set_canary(const struct stack *st)
{
	for (size_t i = 0; i < CANARY_WORDS; i++)
		canary_of(st)[i] = CANARY + i;
}

static bool
is_canary_alive(const struct stack *st)
{
	for (size_t i = 0; i < CANARY_WORDS; i++)
		if (canary_of(st)[i] != CANARY + i)
			return false;
	return true;
}

/* Memory can't be trusted any more: the neighbour's may be overwritten. */
static void
report_overflow(const struct stack *st, const void *task)
{
	char text[160];
	int n = snprintf(text, sizeof text,
	    "brood: task %p has overflowed its stack (%zu KiB, %p to %p): ask brood_go() for "
	    "more\n",
	    task, (size_t)1 << (st->chunk->shift - 10), (void *)st->low, (void *)st->top);

	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		abort();
	abort();
}

void
stack_check_bare(const struct stack *st, const void *sp, const void *task)
{
	if ((const char *)sp < st->low || (const char *)sp >= st->top || !is_canary_alive(st))
		report_overflow(st, task);
}

/* --- taken and put back ---------------------------------------------------------------------- */

static int
shift_for(size_t size)
{
	int shift = STACK_SHIFT_MIN;

	if (size == 0)
		size = (size_t)1 << DEFAULT_SHIFT;
	if (size < 4 * page_bytes())
		size = 4 * page_bytes();
	while (shift <= STACK_SHIFT_MAX && ((size_t)1 << shift) < size)
		shift++;
	return shift <= STACK_SHIFT_MAX ? shift : -EINVAL;
}

/* The slot of which place is a byte, or the end. */
static unsigned
slot_of(const struct stack *st)
{
	return (unsigned)((size_t)(st->top - 1 - st->chunk->base) >> st->chunk->shift);
}

static void
take_cold(struct stacks *s, struct stack_chunk *c, struct stack *ret)
{
	unsigned slot = (unsigned)__builtin_ctzll(c->cold);
	uint64_t bit = UINT64_C(1) << slot;
	bool has_guard = guard(c, slot, false);
	char *base = c->base + ((size_t)slot << c->shift);

	c->cold &= ~bit;
	if (c->cold == 0)
		DL_DELETE(s->classes[c->shift - STACK_SHIFT_MIN].with_room, c);
	ret->low = has_guard ? base + page_bytes() : base;
	ret->top = base + ((size_t)1 << c->shift) - CANARY_BYTES;
	ret->chunk = c;
	ret->is_bare = !has_guard;
	if (ret->is_bare) {
		c->bare |= bit;
		set_canary(ret);
	}
	if (c->valgrind[slot] == 0)
		c->valgrind[slot] = VALGRIND_STACK_REGISTER(ret->low, ret->top) + 1;
}

int
stack_get(struct stacks *s, size_t size, struct stack *ret)
{
	int shift = shift_for(size);
	struct stack_class *class;

	if (shift < 0)
		return shift;
	class = &s->classes[shift - STACK_SHIFT_MIN];
	if (class->warm != NULL) {
		*ret = class->warm->stack;
		class->warm = class->warm->next;
		class->n_warm--;
	} else {
		if (class->with_room == NULL && chunk_new(s, (unsigned)shift) == NULL)
			return -ENOMEM;
		take_cold(s, class->with_room, ret);
	}
	s->n_bare += ret->is_bare;
	return 0;
}

/* The words of a bare neighbour above stay: then the page in which they are stays as well. */
static void
give_back(struct stacks *s, const struct stack *st)
{
	struct stack_chunk *c = st->chunk;
	unsigned slot = slot_of(st);
	uint64_t bit = UINT64_C(1) << slot;
	size_t bytes = (size_t)(st->top + CANARY_BYTES - st->low);

	if ((c->bare & bit << 1) != 0)
		bytes -= page_bytes();
	(void)madvise(st->low, bytes, MADV_DONTNEED);
	if (c->cold == 0)
		DL_APPEND(s->classes[c->shift - STACK_SHIFT_MIN].with_room, c);
	c->cold |= bit;
	c->bare &= ~bit;
	if (c->cold == all_slots(c))
		chunk_free(s, c);
}

void
stack_put(struct stacks *s, const struct stack *st)
{
	struct stack_class *class = &s->classes[st->chunk->shift - STACK_SHIFT_MIN];
	struct stack_warm *warm = (struct stack_warm *)(void *)st->top - 1;
	struct stack gone = *st;

#ifdef CONTEXT_ASAN
	__asan_unpoison_memory_region(gone.low, (size_t)(gone.top - gone.low));
#endif
	s->n_bare -= gone.is_bare;
	if (class->n_warm >= WARM_BYTES >> gone.chunk->shift) {
		give_back(s, &gone);
		return;
	}
	warm->stack = gone;
	warm->next = class->warm;
	class->warm = warm;
	class->n_warm++;
}

void
stacks_done(struct stacks *s)
{
	struct stack st;

	for (size_t i = 0; i < STACK_CLASSES; i++) {
		struct stack_class *class = &s->classes[i];

		while (class->warm != NULL) {
			st = class->warm->stack;
			class->warm = class->warm->next;
			give_back(s, &st);
		}
		class->n_warm = 0;
	}
}
