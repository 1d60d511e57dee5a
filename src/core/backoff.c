/*
 * backoff: restart delays as a pure function of history. It decides when, never whether an
 * operator's wish is followed, and knows no slot.
 */
#include "core/backoff.h"

#include <string.h>

#include "core/core.h"

bool
boot_budget_spend(struct boot_budget *b, const struct conf_app *conf, uint64_t now_us)
{
	unsigned limit = conf->restart_limit, oldest;

	b->at_us[b->head] = now_us;
	b->head = (b->head + 1) % CONF_RESTART_LIMIT_MAX;
	if (b->len < CONF_RESTART_LIMIT_MAX)
		b->len++;
	if (limit == 0 || b->len < limit)
		return false;
	oldest = (b->head + CONF_RESTART_LIMIT_MAX - limit) % CONF_RESTART_LIMIT_MAX;
	return now_us - b->at_us[oldest] <= conf->restart_window_ms * 1000;
}

void
boot_budget_clear(struct boot_budget *b)
{
	b->len = 0;
	b->head = 0;
}

void
backoff_clear(struct backoff *b)
{
	memset(b, 0, sizeof(*b));
}

/* first << run, at most ceiling; 0 stays 0. */
static uint64_t
doubled(uint64_t first_ms, unsigned run, uint64_t ceiling_ms)
{
	uint64_t delay_ms = first_ms;

	while (run-- > 0 && delay_ms > 0 && delay_ms < ceiling_ms)
		delay_ms *= 2;
	return delay_ms < ceiling_ms ? delay_ms : ceiling_ms;
}

static void
refill(struct backoff *b, const struct conf_app *conf, uint64_t now_us)
{
	uint64_t refill_us = conf->crash_refill_ms * 1000, gained;

	if (!b->tokens_known || refill_us == 0) {
		b->tokens = conf->crash_burst;
		b->refilled_us = now_us;
		b->tokens_known = true;
		return;
	}
	gained = (now_us - b->refilled_us) / refill_us;
	if (gained >=
	    conf->crash_burst - (b->tokens < conf->crash_burst ? b->tokens : conf->crash_burst)) {
		b->tokens = conf->crash_burst;
		b->refilled_us = now_us;
	} else {
		b->tokens += (unsigned)gained;
		b->refilled_us += gained * refill_us;
	}
}

uint64_t
backoff_after_crash(
    struct backoff *b, const struct conf_app *conf, uint64_t now_us, uint64_t ready_us)
{
	uint64_t ceiling_ms = CORE_CRASH_DELAY_MAX_MS;

	b->boot_run = 0;
	if (ready_us >= CORE_CRASH_FORGET_MS * 1000ull)
		b->crash_run = 0;
	refill(b, conf, now_us);
	if (b->tokens > 0) {
		b->tokens--;
		return 0;
	}
	if (conf->restart_delay_ms > ceiling_ms)
		ceiling_ms = conf->restart_delay_ms;
	return doubled(conf->restart_delay_ms, b->crash_run++, ceiling_ms) * 1000;
}

uint64_t
backoff_after_boot_death(struct backoff *b, const struct conf_app *conf, uint64_t now_us,
    uint32_t random, bool *ret_spent)
{
	uint64_t delay_us;

	*ret_spent = boot_budget_spend(&b->boot, conf, now_us);
	delay_us =
	    doubled(conf->restart_delay_ms, b->boot_run++, conf->restart_delay_max_ms) * 1000;
	/* Jitter keeps slots that died together from starting together for ever. */
	return delay_us + (delay_us / 4) * (random % 1024) / 1024;
}

void
backoff_on_ready(struct backoff *b)
{
	b->boot_run = 0;
	boot_budget_clear(&b->boot);
}
