/*
 * state: the machines by name. See core/README for the drawing and the order of deciders.
 */
#ifndef BROOD_CORE_STATE_H
#define BROOD_CORE_STATE_H

#include <stdbool.h>

/* Where a worker is. */
enum worker_state {
	WORKER_IDLE, /* wanted, no process yet */
	WORKER_STARTING, /* a process, not ready */
	WORKER_PARKED, /* a spare: booted, and its listen() waits until a slot needs it */
	WORKER_READY,
	WORKER_STALLED, /* ready, but takes nothing: new connections go round it */
	WORKER_DRAINING, /* finishes what it has; its slot counts on it no more */
	WORKER_STOPPING, /* got a signal that shall end it */
	WORKER_DEAD, /* reaped, or never was */
	WORKER_STATE_MAX,
};

/* How far leaving has come; only grows. */
enum leave_step {
	LEAVE_NONE,
	LEAVE_DELAY, /* draining: keeps accepting for drain_delay */
	LEAVE_CUT, /* draining: steered away, its queue not empty yet */
	LEAVE_QUIET, /* draining: some of its connections have a request inside */
	LEAVE_ASKED, /* draining: asked over the channel, no word yet */
	LEAVE_AGREED, /* draining: said that it is stopping */
	LEAVE_SIGNALLED, /* stopping: stop_signal and CONT sent */
	LEAVE_ABORTED, /* stopping: abort_signal sent, time for a core */
	LEAVE_KILLED, /* stopping: KILL sent to its group */
	LEAVE_STEP_MAX,
};

/* What a slot has to offer. */
enum slot_state {
	SLOT_RESTING, /* wants no worker */
	SLOT_STARTING, /* its worker is idle or starting */
	SLOT_SERVING, /* its worker is ready; in a spare's place: parked */
	SLOT_BACKOFF, /* waits before the next start */
	SLOT_FAILED, /* gave up, until an operator acts */
	SLOT_EXITED, /* its worker ended and `restart` wants no other */
	SLOT_STATE_MAX,
};

enum rollout_state {
	ROLLOUT_NONE,
	ROLLOUT_WAITING, /* for an old generation to finish draining */
	ROLLOUT_FORWARD,
	ROLLOUT_VERIFYING, /* failed; asking whether the way back is open */
	ROLLOUT_BACK,
	ROLLOUT_STATE_MAX,
};

/* Why a worker ended, or why we ended it. */
enum cause {
	CAUSE_NONE,
	CAUSE_EXIT, /* by itself, with a code */
	CAUSE_SIGNAL, /* by a signal that was not ours */
	CAUSE_OOM,
	CAUSE_EXEC, /* could not be executed */
	CAUSE_SPAWN, /* could not be forked */
	CAUSE_READY_TIMEOUT,
	CAUSE_PROTOCOL,
	CAUSE_CHANNEL, /* closed its channel and stayed */
	CAUSE_REQUEST, /* asked to be replaced */
	CAUSE_WATCHDOG, /* stalled for too long */
	CAUSE_PROBE, /* its health probe failed too often */
	CAUSE_RELOAD,
	CAUSE_ROLLOUT_FAILED, /* new generation taken back */
	CAUSE_SCALE,
	CAUSE_OPERATOR, /* kill, stop, restart */
	CAUSE_SHUTDOWN,
	CAUSE_MAX,
};

const char *worker_state_to_string(enum worker_state s);
const char *leave_step_to_string(enum leave_step s);
const char *slot_state_to_string(enum slot_state s);
const char *rollout_state_to_string(enum rollout_state s);
const char *cause_to_string(enum cause c);

/* Legality as data: whether the setter will take this pair. */
bool worker_state_is_legal(enum worker_state from, enum worker_state to);
bool slot_state_is_legal(enum slot_state from, enum slot_state to);
bool rollout_state_is_legal(enum rollout_state from, enum rollout_state to);

#endif
