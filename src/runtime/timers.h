/*
 * timers: lists of timers of one length each, and a heap of the lists by when their first one is
 * due, as in Node: setting one costs the same however many there are, and those of one length run in
 * the order in which they were set. libuv has one timer for all of them.
 */
#ifndef BROOD_RUNTIME_TIMERS_H
#define BROOD_RUNTIME_TIMERS_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "brood.h"

struct timer;
struct timer_list;

struct timers {
	uv_timer_t timer;
	struct timer_list *by_length; /* a hash table */
	struct timer_list **heap;
	size_t n, cap;
	uint64_t made; /* lists, to tell those apart that are due at once */
	uint64_t next_ms; /* when the one timer of libuv is due; UINT64_MAX: it is not set */
	size_t n_refs;
	struct timer *spare;
	size_t n_spare;
};

void timers_init(struct brood_loop *loop);
void timers_clear(struct brood_loop *loop, struct timer *t);
void timers_set_ref(struct brood_loop *loop, struct timer *t, bool on);
bool timers_refresh(struct brood_loop *loop, struct timer *t);
void timers_done(struct brood_loop *loop);

#endif
