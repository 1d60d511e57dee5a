/*
 * probe: connections of the master's own to one given worker, over its real listener: a source
 * address of 127.98/16 is steered to that worker's seat (sys/steer.h). No DNS, no blocking call,
 * at most the status line is read.
 */
#ifndef BROOD_LOOP_PROBE_H
#define BROOD_LOOP_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct action;
struct proc;

/* ACTION_PROBE -> EVENT_PROBED. */
void probe_begin(struct loop *l, const struct action *a);
void probe_end(struct proc *p);

/* For `brood probe`: one request to the worker in a slot. */
struct probe_result {
	bool ok; /* it answered */
	int status; /* HTTP status, 0 = it did not answer in HTTP */
	char line[256]; /* status line, or why not; escaped */
	uint64_t connect_us, answer_us; /* from the beginning */
};
typedef void (*probe_fn)(void *arg, const struct probe_result *result);
struct probe;
/* NULL with *ret_error (negative errno, and a text) where it can't be sent: no TCP listener, not
 * steered, no worker. fn is called once, later, unless probe_cancel() was. */
struct probe *probe_start(struct loop *l, const char *app, unsigned slot, const char *path,
    uint64_t timeout_ms, probe_fn fn, void *arg, int *ret_error, const char **ret_text);
void probe_cancel(struct probe *p);

#endif
