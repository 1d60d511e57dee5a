/*
 * fakeloop: a loop with one app on a real steered listener, whose workers are only states that the
 * test sets, and whose core hears nothing: what it would be told is kept. For tests of what looks
 * at sockets (queues, watch, probe); takes the place of step.c, tell.c, procs.c, guard.c, rescue.c.
 */
#ifndef BROOD_TESTS_FAKELOOP_H
#define BROOD_TESTS_FAKELOOP_H

#include "core/cluster.h"
#include "loop/loop.h"
#include "loop/prepared.h"
#include "loop/procs.h"

#define FAKE_SLOTS   4
#define FAKE_LONG_MS 10000 /* nothing takes so long */
#define FAKE_SAMPLES (2 * FAKE_SLOTS * 4)

struct fake_loop {
	struct loop l;
	struct core core;
	struct app app;
	struct slot slots[FAKE_SLOTS], *slot_list[FAKE_SLOTS];
	struct worker workers[FAKE_SLOTS];
	struct generation generation;
	struct steer_seat targets[FAKE_SLOTS];
	struct launch launch;
	struct launch_table launches;
	struct conf_app conf;
	struct conf_listen address;
	struct listener *listeners[1], *ls;
	struct proc procs[FAKE_SLOTS];
	/* what the core was told */
	unsigned looks; /* EVENT_QUEUES */
	struct queue_sample samples[FAKE_SAMPLES]; /* of the last one */
	size_t samples_len;
	struct event last; /* of the others */
	char what[256];
	unsigned events;
	char told[1024]; /* the log */
};

/* A network of our own, in which queues can be given to others or not; for this process and for good.
 * Without the right to it, nothing happens: queue_can_migrate() tells. */
void fake_loop_own_network(bool migrates);
/* host: "127.0.0.1", "*", "::1"; all workers ready at seat 0 and steered to. */
void fake_loop_init(struct fake_loop *f, const char *host);
void fake_loop_done(struct fake_loop *f);
/* Runs the loop until done() or for ms; false: the time was over. */
bool fake_loop_run(struct fake_loop *f, bool (*done)(struct fake_loop *f), unsigned ms);
/* Runs it for ms, whatever happens. */
void fake_loop_pass(struct fake_loop *f, unsigned ms);
/* No timer runs but the one above: only a descriptor can wake it. */
bool fake_loop_is_asleep(struct fake_loop *f);
/* That worker is on the table, or is not. */
void fake_loop_steer(struct fake_loop *f, unsigned slot, bool on);
/* A connection that lands at the socket of a seat: from one of the master's addresses, and from a
 * client's. */
int fake_loop_connect(struct fake_loop *f, unsigned slot, unsigned seat);
int fake_loop_connect_client(struct fake_loop *f, unsigned slot, unsigned seat);
/* Takes the one that waits there. */
int fake_loop_accept(struct fake_loop *f, unsigned slot, unsigned seat);
/* What the last look told of a seat; -1 = nothing. */
int fake_loop_told_len(const struct fake_loop *f, unsigned slot, unsigned seat);
int fake_loop_fd(const struct fake_loop *f, unsigned slot, unsigned seat);

#endif
