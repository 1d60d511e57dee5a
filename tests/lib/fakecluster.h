/*
 * fakecluster: a core with apps whose processes are only numbers, for tests of what reads the
 * core. Every spawn succeeds at once; what happens then is said by the test.
 */
#ifndef BROOD_TESTS_FAKECLUSTER_H
#define BROOD_TESTS_FAKECLUSTER_H

#include "core/cluster.h"
#include "ctl/command.h"

#define FAKE_APPS_MAX 4

struct fake_cluster {
	struct core *core;
	struct journal *journal;
	struct metrics *metrics;
	struct ctl_context ctx;
	struct conf_app conf[FAKE_APPS_MAX];
	char *argv[2];
	size_t apps;
	pid_t last_pid;
	uint64_t now_us;
	struct worker_report report; /* what every worker says */
	struct slot_queue queue; /* of every slot; limit 0 = can't be told */
};

void fake_cluster_init(struct fake_cluster *f);
void fake_cluster_done(struct fake_cluster *f);
/* Before fake_cluster_start(): one more app. */
void fake_cluster_add(struct fake_cluster *f, const char *name, unsigned workers);
/* Configures the apps; their processes come to be, none is ready. */
void fake_cluster_start(struct fake_cluster *f);
/* All that start become ready. */
void fake_cluster_ready(struct fake_cluster *f);
/* The present worker of a slot ends. */
void fake_cluster_exit(
    struct fake_cluster *f, const char *app, unsigned slot, int code, int signal);
/* Any event; actions that spawn are answered. */
void fake_cluster_step(struct fake_cluster *f, const struct event *ev);

#endif
