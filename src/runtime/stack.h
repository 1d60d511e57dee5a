/*
 * runtime/stack: where tasks run. A stack is a piece of address space of which only what is touched
 * is memory: a task that sleeps costs a page.
 *
 * Overflow never goes unnoticed. Below each stack is a guard that ends the process by SIGSEGV; there
 * are three kinds, the first that can be had is taken:
 *   - a guard in the page table (MADV_GUARD_INSTALL, Linux 6.13), which costs nothing;
 *   - a page without access, which costs two of the mappings that a process may have
 *     (vm.max_map_count, 65530 where nobody changed it): with three quarters of them taken,
 *   - bare: words between it and its lower neighbour, looked at each time the task stops running
 *     (stack_check()). It comes later than a guard, and reports by abort() with a message.
 * Stacks are cut from mappings of 1 MiB, so that the mappings are few; the lowest of each has always
 * a guard, so that no overflow leaves the stacks.
 *
 * The size that is asked for is in addresses, guard and the task itself included, rounded up to a
 * power of two.
 */
#ifndef BROOD_RUNTIME_STACK_H
#define BROOD_RUNTIME_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack_chunk;

struct stack {
	char *low, *top; /* top is aligned to 64 */
	struct stack_chunk *chunk;
	bool is_bare;
};

enum {
	STACK_SHIFT_MIN = 14, /* 16 KiB; but four pages at least */
	STACK_SHIFT_MAX = 30,
	STACK_CLASSES = STACK_SHIFT_MAX - STACK_SHIFT_MIN + 1
};

/* Stacks of one size. */
struct stack_class {
	struct stack_chunk *with_room;
	struct stack_warm *warm; /* free, but still with their memory */
	unsigned n_warm;
};

/* Those of one loop. All zero is none. */
struct stacks {
	struct stack_class classes[STACK_CLASSES];
	uint64_t bytes; /* of addresses */
	uint64_t n_bare;
};

/* size 0: 64 KiB. 0, -ENOMEM, or -EINVAL for a size that is too big. */
int stack_get(struct stacks *s, size_t size, struct stack *ret);
void stack_put(struct stacks *s, const struct stack *st);
/* All have been put back. */
void stacks_done(struct stacks *s);

/* sp: where the task is. Returns if all is well. */
void stack_check_bare(const struct stack *st, const void *sp, const void *task);

static inline void
stack_check(const struct stack *st, const void *task)
{
	if (__builtin_expect(st->is_bare, 0))
		stack_check_bare(st, __builtin_frame_address(0), task);
}

/* Tests only: no guard that comes before this one is tried, and at most max pages without access. */
enum stack_guard { STACK_GUARD_TABLE, STACK_GUARD_PAGE, STACK_BARE };
void stack_limit_guards(enum stack_guard first, long max);

#endif
