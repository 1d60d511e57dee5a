/*
 * check_sim: lives many seeded lives of a cluster and says in TAP what held.
 *
 *   check_sim                10,000 lives (SIM_SEEDS=N for another number, SIM_FIRST=N to begin
 *                            elsewhere)
 *   check_sim SEED           one life, every event and action printed: the replay of a failure
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/action.h"
#include "core/state.h"
#include "sim.h"

static unsigned test_number, failures;

static void
tap(bool ok, const char *what)
{
	printf("%s %u - %s\n", ok ? "ok" : "not ok", ++test_number, what);
	failures += !ok;
}

static unsigned long
from_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static bool
print_pairs(const char *title, unsigned long (*seen)[8], int n, bool (*is_legal)(int, int),
    const char *(*name)(int))
{
	bool all = true;

	for (int from = 0; from < n; from++) {
		for (int to = 0; to < n; to++) {
			if (!is_legal(from, to) && seen[from][to] == 0)
				continue;
			printf("# %s %s -> %s: %lu%s\n", title, name(from), name(to),
			    seen[from][to], is_legal(from, to) ? "" : " ILLEGAL");
			all &= is_legal(from, to) && seen[from][to] > 0;
		}
	}
	return all;
}

static bool
worker_legal(int a, int b)
{
	return worker_state_is_legal((enum worker_state)a, (enum worker_state)b);
}

static bool
slot_legal(int a, int b)
{
	return slot_state_is_legal((enum slot_state)a, (enum slot_state)b);
}

static bool
rollout_legal(int a, int b)
{
	return rollout_state_is_legal((enum rollout_state)a, (enum rollout_state)b);
}

static const char *
worker_name(int s)
{
	return worker_state_to_string((enum worker_state)s);
}

static const char *
slot_name(int s)
{
	return slot_state_to_string((enum slot_state)s);
}

static const char *
rollout_name(int s)
{
	return rollout_state_to_string((enum rollout_state)s);
}

static void
report_coverage(struct sim_coverage *cov)
{
	bool actions = true, notes = true;

	printf("# %lu lives, %lu steps, %lu spawns, %lu rollouts done, %lu failed\n", cov->lives,
	    cov->steps, cov->spawns, cov->rollouts_done, cov->rollouts_failed);
	tap(print_pairs("worker", cov->worker, WORKER_STATE_MAX, worker_legal, worker_name),
	    "every legal step of a worker was reached, and no other");
	tap(print_pairs("slot", cov->slot, SLOT_STATE_MAX, slot_legal, slot_name),
	    "every legal step of a slot was reached, and no other");
	tap(print_pairs("rollout", cov->rollout, ROLLOUT_STATE_MAX, rollout_legal, rollout_name),
	    "every legal step of a rollout was reached, and no other");
	for (int k = 0; k < ACTION_KIND_MAX; k++) {
		printf("# action %s: %lu\n", action_kind_to_string((enum action_kind)k),
		    cov->actions[k]);
		actions &= cov->actions[k] > 0;
	}
	tap(actions, "every action was wanted");
	for (int k = 0; k < NOTE_KIND_MAX; k++) {
		printf("# note %s: %lu\n", note_kind_to_string((enum note_kind)k), cov->notes[k]);
		notes &= cov->notes[k] > 0;
	}
	tap(notes, "every note was given");
	printf("# %lu spares took over, %lu of them beside a replacement\n", cov->spares_took,
	    cov->spares_took_beside_next);
	tap(cov->spares_took > 0 && cov->spares_took_beside_next > 0, "spares took over");
}

int
main(int argc, char **argv)
{
	struct sim_coverage cov;
	unsigned long seeds = from_env("SIM_SEEDS", 10000), first = from_env("SIM_FIRST", 1);
	const char *bad = NULL;
	unsigned long seed;

	memset(&cov, 0, sizeof(cov));
	if (argc > 1) {
		bad = sim_live(strtoull(argv[1], NULL, 10), &cov, stdout);
		printf("%s\n", bad ? bad : "all invariants held");
		return bad != NULL;
	}
	for (seed = first; seed < first + seeds && !bad; seed++)
		bad = sim_live(seed, &cov, NULL);
	printf("# %lu seeds from %lu on\n", seeds, first);
	if (bad)
		printf(
		    "# seed %lu: %s; replay: tests/sim/check_sim %lu\n", seed - 1, bad, seed - 1);
	tap(!bad, "every invariant held in every life");
	if (!bad && !getenv("SIM_NO_COVERAGE"))
		report_coverage(&cov);
	printf("1..%u\n", test_number);
	return failures > 0;
}
