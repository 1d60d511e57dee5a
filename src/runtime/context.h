/*
 * runtime/context: going from one stack to another, without a system call. What is kept is what a
 * called function has to keep (callee-saved registers, control words of floating point); the rest
 * the compiler knows to be gone, since this is a call. Signal masks are the thread's, not kept.
 *
 * It is our own because no library fits: of what Debian 12 has, libpcl is no longer kept and goes
 * through ucontext or longjmp tricks, Boost.Context is C++, GNU Pth is a whole scheduler; minicoro
 * and libaco are not packaged. ucontext itself makes a system call a switch, to set a signal mask
 * that is the same for all tasks. What is left to do is some twenty instructions a processor.
 *
 * x86_64 and aarch64 have these instructions, with CFI, so that a debugger can walk the stack; else
 * (or with CONTEXT_UCONTEXT defined) ucontext is used. Sanitizers are told of each switch.
 *
 * Shadow stacks (CET on x86, GCS on ARM): the kernel gives a thread one of them, and a switch would
 * have to change it as well. Nobody has them but who asks for them by glibc's tunables; where the
 * processor says that one is in use, context_is_supported() is false and there are no tasks.
 */
#ifndef BROOD_RUNTIME_CONTEXT_H
#define BROOD_RUNTIME_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONTEXT_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CONTEXT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(CONTEXT_ASAN)
#define CONTEXT_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(CONTEXT_TSAN)
#define CONTEXT_TSAN 1
#endif

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(CONTEXT_UCONTEXT)
#define CONTEXT_UCONTEXT 1
#endif
/* The x32 ABI and big-endian ARM have not been tried. */
#if (defined(__ILP32__) || defined(__AARCH64EB__)) && !defined(CONTEXT_UCONTEXT)
#define CONTEXT_UCONTEXT 1
#endif

#ifdef CONTEXT_UCONTEXT
#include <ucontext.h>
#endif

struct context;
/* Never returns; it ends by context_leave(). */
typedef void context_fn(void *arg);

/* Somewhere to go to: made by context_make(), or by leaving it. It must not be moved. */
struct context {
#ifdef CONTEXT_UCONTEXT
	ucontext_t uc;
#else
	void *sp;
#endif
#if defined(CONTEXT_ASAN) || defined(CONTEXT_UCONTEXT)
	context_fn *fn;
	void *arg;
#endif
#ifdef CONTEXT_ASAN
	const void *low;
	size_t size;
	void *fake_stack;
#endif
#ifdef CONTEXT_TSAN
	void *fiber;
#endif
};

bool context_is_supported(void);
/* The first switch to c calls fn(arg) on the stack of size bytes from low on; low + size is aligned
 * to 16. Ended by context_free(), which the context itself can't call. */
void context_make(struct context *c, void *low, size_t size, context_fn *fn, void *arg);
void context_free(struct context *c);

/* Saves where we are in from and goes on where to was left; returns when somebody switches to from.
 * The plain case is the bare instructions. */
#if !defined(CONTEXT_UCONTEXT) && !defined(CONTEXT_ASAN) && !defined(CONTEXT_TSAN)
void context_swap(void **ret_sp, void *to_sp);

static inline void
context_switch(struct context *from, struct context *to)
{
	context_swap(&from->sp, to->sp);
}
#else
void context_switch(struct context *from, struct context *to);
#endif
/* The same, for ever: from is never gone back to. */
void context_leave(struct context *from, struct context *to) __attribute__((noreturn));

#endif
