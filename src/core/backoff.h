/*
 * backoff: how long to wait before the next start, as a pure function of history.
 *
 * Deaths after ready draw on a bucket of tokens (crash_burst, one back every crash_refill): with
 * a token the slot is refilled at once, without one after restart_delay, doubling up to 1 s, and
 * all is forgotten after 10 s ready. They never fail a slot.
 * Deaths before ready wait restart_delay, doubling up to restart_delay_max, plus up to a quarter
 * of it as jitter; restart_limit of them within its window spend the budget.
 */
#ifndef BROOD_CORE_BACKOFF_H
#define BROOD_CORE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

/* The last deaths before ready. */
struct boot_budget {
	uint64_t at_us[CONF_RESTART_LIMIT_MAX]; /* ring */
	unsigned len, head;
};

struct backoff {
	unsigned tokens;
	uint64_t refilled_us; /* when tokens were last brought up to date */
	bool tokens_known; /* false until the first death: then the bucket is full */
	unsigned crash_run; /* deaths after ready in a row without a token */
	unsigned boot_run; /* deaths before ready in a row */
	struct boot_budget boot;
};

/* Notes a death; true when conf's budget is spent: restart_limit deaths (0 = no limit) within its
 * window. */
bool boot_budget_spend(struct boot_budget *b, const struct conf_app *conf, uint64_t now_us);
void boot_budget_clear(struct boot_budget *b);

/* Operator acted, or a new generation: a clean sheet. */
void backoff_clear(struct backoff *b);
/* A worker died that had been ready for ready_us. Returns the delay in microseconds. */
uint64_t backoff_after_crash(
    struct backoff *b, const struct conf_app *conf, uint64_t now_us, uint64_t ready_us);
/* A worker died before it was ready. random is any 32-bit number. *ret_spent: give up. */
uint64_t backoff_after_boot_death(struct backoff *b, const struct conf_app *conf, uint64_t now_us,
    uint32_t random, bool *ret_spent);
/* A worker got ready: deaths before ready are over. */
void backoff_on_ready(struct backoff *b);

#endif
