/*
 * probe: connections of the master's own to one given worker, over its real listener: a source
 * address of 127.98/16 is steered to that worker's seat (sys/steer.h). No DNS, no blocking call,
 * at most the status line is read.
 *
 * A worker on the ring shares its seats with its neighbours: one of them answers when it is busy.
 */
#ifndef BROOD_LOOP_PROBE_H
#define BROOD_LOOP_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct action;
struct proc;

/* ACTION_PROBE -> EVENT_PROBED, later, once; after PROBE_NONE not at all. */
void probe_begin(struct loop *l, const struct action *a);
/* The process is gone. */
void probe_end(struct proc *p);

/* For `brood probe`: one request to the worker in a slot. */
struct probe_result {
	bool ok; /* it answered in HTTP */
	int status; /* HTTP status, 0 = it did not answer in HTTP */
	char line[256]; /* status line, or why not; escaped */
	uint64_t connect_us, answer_us; /* from the beginning; 0 = it did not come to that */
};
typedef void (*probe_fn)(void *arg, const struct probe_result *result);
struct probe;
/* path NULL: that of the app's health probe, else "/"; timeout_ms 0: the app's probe_timeout.
 * NULL with *ret_error (negative errno, and a text) where it can't be sent: no such slot, no
 * worker in it, no listener that is steered. fn is called once, later, unless probe_cancel() was;
 * after it, the probe is no more. */
struct probe *probe_start(struct loop *l, const char *app, unsigned slot, const char *path,
    uint64_t timeout_ms, probe_fn fn, void *arg, int *ret_error, const char **ret_text);
void probe_cancel(struct probe *p);

#endif
