/*
 * context: see context.h.
 */
#include "runtime/context.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef CONTEXT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CONTEXT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* --- the instructions ------------------------------------------------------------------------ */

/*
 * context_swap(): pushes what is kept, stores the stack pointer, takes the other one and pops what
 * was kept there. A new context looks as if it had been left just before context_entry, which calls
 * fn(arg): both are in registers that are kept.
 *
 * The CFI holds at each instruction, since both stacks look alike where the pointer changes.
 * context_entry is said to have no caller, so that a walk ends there.
 */
#ifndef CONTEXT_UCONTEXT
void context_swap(void **ret_sp, void *to_sp);
void context_entry(void);

#define FUNCTION(name)                             \
	".text\n"                                  \
	".p2align 4\n"                             \
	".globl " #name "\n"                       \
	".hidden " #name "\n"                      \
	".type " #name ", %function\n" #name ":\n" \
	".cfi_startproc\n"
#define END(name)        \
	".cfi_endproc\n" \
	".size " #name ", . - " #name "\n"
#endif

#if defined(CONTEXT_UCONTEXT)

bool
context_is_supported(void)
{
	return true;
}

#elif defined(__x86_64__)

#define PUSH(reg)                    \
	"	pushq %" #reg "\n"   \
	".cfi_adjust_cfa_offset 8\n" \
	".cfi_rel_offset %" #reg ", 0\n"
#define POP(reg)                      \
	"	popq %" #reg "\n"     \
	".cfi_adjust_cfa_offset -8\n" \
	".cfi_restore %" #reg "\n"

/* clang-format off */
__asm__(FUNCTION(context_swap)
	"	endbr64\n"
	PUSH(rbp) PUSH(rbx) PUSH(r12) PUSH(r13) PUSH(r14) PUSH(r15)
	"	subq $8, %rsp\n"
	".cfi_adjust_cfa_offset 8\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	".cfi_adjust_cfa_offset -8\n"
	POP(r15) POP(r14) POP(r13) POP(r12) POP(rbx) POP(rbp)
	/* Not ret: the processor would guess that it goes back to who called. */
	"	popq %rcx\n"
	".cfi_adjust_cfa_offset -8\n"
	".cfi_register %rip, %rcx\n"
	"	notrack jmp *%rcx\n"
	END(context_swap)
	FUNCTION(context_entry)
	".cfi_undefined %rip\n"
	"	endbr64\n"
	"	movq %r12, %rdi\n"
	"	call *%rbx\n"
	"	ud2\n"
	END(context_entry));
/* clang-format on */

/* As context_swap() leaves it, from the stack pointer upwards. */
struct frame {
	uint32_t mxcsr;
	uint16_t x87, unused;
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
	uint64_t end[2]; /* zero, for who walks the stack without CFI */
};

static void
fill_frame(struct frame *f, uintptr_t fn, uintptr_t arg)
{
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(f->mxcsr), "=m"(f->x87));
	f->rbx = fn;
	f->r12 = arg;
	f->rip = (uintptr_t)context_entry;
}

bool
context_is_supported(void)
{
	uint64_t shadow = 0;

	/* rdsspq: does nothing where there is no shadow stack, or none in use. */
	__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" : "+a"(shadow));
	return shadow == 0;
}

#elif defined(__aarch64__)

#define SAVE(a, b, at)                                \
	"	stp " #a ", " #b ", [sp, #" #at "]\n" \
	".cfi_rel_offset " #a ", " #at "\n"           \
	".cfi_rel_offset " #b ", " #at " + 8\n"
#define LOAD(a, b, at)                                \
	"	ldp " #a ", " #b ", [sp, #" #at "]\n" \
	".cfi_restore " #a "\n"                       \
	".cfi_restore " #b "\n"

/* clang-format off */
__asm__(FUNCTION(context_swap)
	"	hint #34\n" /* bti c */
	"	sub sp, sp, #176\n"
	".cfi_adjust_cfa_offset 176\n"
	SAVE(x29, x30, 0) SAVE(x19, x20, 16) SAVE(x21, x22, 32) SAVE(x23, x24, 48)
	SAVE(x25, x26, 64) SAVE(x27, x28, 80)
	SAVE(d8, d9, 96) SAVE(d10, d11, 112) SAVE(d12, d13, 128) SAVE(d14, d15, 144)
	"	mrs x9, fpcr\n"
	"	str x9, [sp, #160]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldr x9, [sp, #160]\n"
	"	msr fpcr, x9\n"
	LOAD(x29, x30, 0) LOAD(x19, x20, 16) LOAD(x21, x22, 32) LOAD(x23, x24, 48)
	LOAD(x25, x26, 64) LOAD(x27, x28, 80)
	LOAD(d8, d9, 96) LOAD(d10, d11, 112) LOAD(d12, d13, 128) LOAD(d14, d15, 144)
	"	add sp, sp, #176\n"
	".cfi_adjust_cfa_offset -176\n"
	"	ret\n"
	END(context_swap)
	FUNCTION(context_entry)
	".cfi_undefined x30\n"
	"	hint #36\n" /* bti j */
	"	mov x0, x20\n"
	"	blr x19\n"
	"	brk #1\n"
	END(context_entry));
/* clang-format on */

/* As context_swap() leaves it, from the stack pointer upwards. */
struct frame {
	uint64_t x29, x30, x19, x20, others[8], d[8], fpcr, unused;
	uint64_t end[2];
};

static void
fill_frame(struct frame *f, uintptr_t fn, uintptr_t arg)
{
	__asm__ volatile("mrs %0, fpcr" : "=r"(f->fpcr));
	f->x19 = fn;
	f->x20 = arg;
	f->x30 = (uintptr_t)context_entry;
}

bool
context_is_supported(void)
{
	register uint64_t unused __asm__("x16") = 1;

	/* chkfeat x16: clears the bits of what is in use; does nothing on older processors. */
	__asm__ volatile("hint #40" : "+r"(unused));
	return unused == 1;
}

#endif

/* --- what a sanitizer has to know ------------------------------------------------------------ */

#ifdef CONTEXT_ASAN
/* Who switches: where he goes to learns from it whose stack he left. */
static _Thread_local struct context *came_from;
#endif

/* Nobody comes back to from: its fake stack goes. */
static void
tell_switch(struct context *from, struct context *to, bool for_ever)
{
	(void)from;
	(void)to;
	(void)for_ever;
#ifdef CONTEXT_ASAN
	came_from = from;
	__sanitizer_start_switch_fiber(for_ever ? NULL : &from->fake_stack, to->low, to->size);
#endif
#ifdef CONTEXT_TSAN
	from->fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* The thread's own stack is known only from having come from there. */
__attribute__((unused)) static void
tell_arrival(struct context *here)
{
	(void)here;
#ifdef CONTEXT_ASAN
	__sanitizer_finish_switch_fiber(here->fake_stack, &came_from->low, &came_from->size);
#endif
}

/* --- switching ------------------------------------------------------------------------------- */

static void
swap(struct context *from, struct context *to)
{
#ifdef CONTEXT_UCONTEXT
	(void)swapcontext(&from->uc, &to->uc);
#else
	context_swap(&from->sp, to->sp);
#endif
}

#if defined(CONTEXT_UCONTEXT) || defined(CONTEXT_ASAN) || defined(CONTEXT_TSAN)
void
context_switch(struct context *from, struct context *to)
{
	tell_switch(from, to, false);
	swap(from, to);
	tell_arrival(from);
}
#endif

void
context_leave(struct context *from, struct context *to)
{
	tell_switch(from, to, true);
	swap(from, to);
	abort();
}

/* --- made and freed -------------------------------------------------------------------------- */

#if defined(CONTEXT_ASAN) || defined(CONTEXT_UCONTEXT)
static void
begin(void *arg)
{
	struct context *c = arg;

	tell_arrival(c);
	c->fn(c->arg);
	abort();
}
#endif

#ifdef CONTEXT_UCONTEXT
/* makecontext() hands on ints only. */
static void
begin_uc(unsigned high, unsigned low)
{
	begin((void *)(uintptr_t)((uint64_t)high << 32 | low));
}

static void
prepare(struct context *c, void *low, size_t size)
{
	uint64_t number = (uintptr_t)c;

	(void)getcontext(&c->uc);
	c->uc.uc_stack.ss_sp = low;
	c->uc.uc_stack.ss_size = size;
	c->uc.uc_link = NULL;
	makecontext(&c->uc, (void (*)(void))(uintptr_t)begin_uc, 2, (unsigned)(number >> 32),
	    (unsigned)number);
}
#else
static void
prepare(struct context *c, void *low, size_t size, context_fn *fn, void *arg)
{
	struct frame *f = (struct frame *)((char *)low + size) - 1;

	memset(f, 0, sizeof *f);
	fill_frame(f, (uintptr_t)fn, (uintptr_t)arg);
	c->sp = f;
}
#endif

void
context_make(struct context *c, void *low, size_t size, context_fn *fn, void *arg)
{
	memset(c, 0, sizeof *c);
#if defined(CONTEXT_ASAN) || defined(CONTEXT_UCONTEXT)
	c->fn = fn;
	c->arg = arg;
#endif
#ifdef CONTEXT_ASAN
	c->low = low;
	c->size = size;
#endif
#if defined(CONTEXT_UCONTEXT)
	prepare(c, low, size);
#elif defined(CONTEXT_ASAN)
	prepare(c, low, size, begin, c);
#else
	prepare(c, low, size, fn, arg);
#endif
#ifdef CONTEXT_TSAN
	c->fiber = __tsan_create_fiber(0);
#endif
}

void
context_free(struct context *c)
{
	(void)c;
#ifdef CONTEXT_TSAN
	__tsan_destroy_fiber(c->fiber);
#endif
}
