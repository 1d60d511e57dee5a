/*
 * dial: one connection of the master's own to one socket of a steered listener: by a source
 * address (or, where IPv4 does not reach, a source port) that the group's program sends there
 * (sys/steer.h). It asks at most one request and reads at most the status line of the answer.
 */
#ifndef BROOD_LOOP_DIAL_H
#define BROOD_LOOP_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct listener;

#define DIAL_LINE_MAX 256

enum dial_step {
	DIAL_CONNECTED,
	DIAL_ANSWERED, /* the last: line holds what came, up to the first newline */
	DIAL_FAILED, /* the last: error */
};

struct dial;
/* line is not terminated by a newline, may hold any byte; len 0: closed without a word. */
typedef void (*dial_fn)(void *arg, enum dial_step step, const char *line, size_t len, int error);

/* Connects to the socket of that seat; then, with path not NULL, sends GET. An end or an answer
 * within timeout_ms (0 = no limit), else DIAL_FAILED with -ETIMEDOUT. fn is called later, never from
 * in here, with DIAL_CONNECTED at most once and one of the others at most once. 0, -EOPNOTSUPP
 * where a seat has no address of its own (not steered), or another negative errno, that of
 * steer_connect() among them. */
int dial_open(uv_loop_t *uv, const struct listener *ls, unsigned slot, unsigned seat,
    const char *path, uint64_t timeout_ms, dial_fn fn, void *arg, struct dial **ret);
/* fn is not called any more; in all cases, also after the last step, the owner's last call. NULL
 * is fine. How the connection ends is said in dial.c. */
void dial_close(struct dial *d);

#endif
