/*
 * names: what states, events and actions are called, and which steps between states are legal.
 * Tables only; no decision is made here.
 */
#include "core/action.h"
#include "core/event.h"
#include "core/state.h"

#define NAME_OF(table, value)                                                                    \
	((unsigned)(value) < sizeof(table) / sizeof(*(table)) && (table)[value] ? (table)[value] \
	                                                                        : "?")

static const char *const worker_states[WORKER_STATE_MAX] = {
    [WORKER_IDLE] = "idle",
    [WORKER_STARTING] = "starting",
    [WORKER_PARKED] = "parked",
    [WORKER_READY] = "ready",
    [WORKER_STALLED] = "stalled",
    [WORKER_DRAINING] = "draining",
    [WORKER_STOPPING] = "stopping",
    [WORKER_DEAD] = "dead",
};

static const char *const leave_steps[LEAVE_STEP_MAX] = {
    [LEAVE_NONE] = "none",
    [LEAVE_DELAY] = "delay",
    [LEAVE_CUT] = "cut",
    [LEAVE_QUIET] = "quiet",
    [LEAVE_ASKED] = "asked",
    [LEAVE_AGREED] = "agreed",
    [LEAVE_SIGNALLED] = "signalled",
    [LEAVE_ABORTED] = "aborted",
    [LEAVE_KILLED] = "killed",
};

static const char *const slot_states[SLOT_STATE_MAX] = {
    [SLOT_RESTING] = "resting",
    [SLOT_STARTING] = "starting",
    [SLOT_SERVING] = "serving",
    [SLOT_BACKOFF] = "backoff",
    [SLOT_FAILED] = "failed",
    [SLOT_EXITED] = "exited",
};

static const char *const rollout_states[ROLLOUT_STATE_MAX] = {
    [ROLLOUT_NONE] = "none",
    [ROLLOUT_WAITING] = "waiting",
    [ROLLOUT_FORWARD] = "forward",
    [ROLLOUT_VERIFYING] = "verifying",
    [ROLLOUT_BACK] = "back",
};

static const char *const causes[CAUSE_MAX] = {
    [CAUSE_NONE] = "none",
    [CAUSE_EXIT] = "exit",
    [CAUSE_SIGNAL] = "signal",
    [CAUSE_OOM] = "oom",
    [CAUSE_EXEC] = "exec",
    [CAUSE_SPAWN] = "spawn",
    [CAUSE_READY_TIMEOUT] = "ready_timeout",
    [CAUSE_PROTOCOL] = "protocol",
    [CAUSE_CHANNEL] = "channel",
    [CAUSE_REQUEST] = "request",
    [CAUSE_WATCHDOG] = "watchdog",
    [CAUSE_PROBE] = "probe",
    [CAUSE_RELOAD] = "reload",
    [CAUSE_ROLLOUT_FAILED] = "rollout_failed",
    [CAUSE_SCALE] = "scale",
    [CAUSE_OPERATOR] = "operator",
    [CAUSE_SHUTDOWN] = "shutdown",
};

static const char *const event_kinds[EVENT_KIND_MAX] = {
    [EVENT_TIME] = "time",
    [EVENT_CONFIGURE] = "configure",
    [EVENT_RELOAD] = "reload",
    [EVENT_RESTART] = "restart",
    [EVENT_START] = "start",
    [EVENT_STOP] = "stop",
    [EVENT_SCALE] = "scale",
    [EVENT_KILL] = "kill",
    [EVENT_SIGNAL] = "signal",
    [EVENT_DRAIN] = "drain",
    [EVENT_RESUME] = "resume",
    [EVENT_SHUTDOWN] = "shutdown",
    [EVENT_SPAWNED] = "spawned",
    [EVENT_SPAWN_FAILED] = "spawn_failed",
    [EVENT_EXEC_FAILED] = "exec_failed",
    [EVENT_EXITED] = "exited",
    [EVENT_VERIFIED] = "verified",
    [EVENT_READY] = "ready",
    [EVENT_SPOKE] = "spoke",
    [EVENT_STOPPING] = "stopping",
    [EVENT_REPLACE] = "replace",
    [EVENT_PROTOCOL_FAULT] = "protocol_fault",
    [EVENT_CHANNEL_CLOSED] = "channel_closed",
    [EVENT_EXTEND] = "extend",
    [EVENT_RING] = "ring",
    [EVENT_ALIVE] = "alive",
    [EVENT_INTERVAL] = "interval",
    [EVENT_TRIGGER] = "trigger",
    [EVENT_ASKED] = "asked",
    [EVENT_QUEUES] = "queues",
    [EVENT_EMPTIED] = "emptied",
    [EVENT_QUIET] = "quiet",
    [EVENT_PROBED] = "probed",
};

static const char *const action_kinds[ACTION_KIND_MAX] = {
    [ACTION_SPAWN] = "spawn",
    [ACTION_SIGNAL] = "signal",
    [ACTION_DRAIN] = "drain",
    [ACTION_ANSWER] = "answer",
    [ACTION_PING] = "ping",
    [ACTION_LEADER] = "leader",
    [ACTION_VERIFY] = "verify",
    [ACTION_FORGET] = "forget",
    [ACTION_SLOT_GONE] = "slot_gone",
    [ACTION_APP_GONE] = "app_gone",
    [ACTION_STEER] = "steer",
    [ACTION_RING_GIVE] = "ring_give",
    [ACTION_RING_JOIN] = "ring_join",
    [ACTION_RING_CUT] = "ring_cut",
    [ACTION_KICK] = "kick",
    [ACTION_RESCUE] = "rescue",
    [ACTION_WATCH] = "watch",
    [ACTION_PROBE] = "probe",
    [ACTION_TRANSITION] = "transition",
    [ACTION_NOTE] = "note",
    [ACTION_OBITUARY] = "obituary",
    [ACTION_REPLY] = "reply",
    [ACTION_EXIT] = "exit",
};

static const char *const note_kinds[NOTE_KIND_MAX] = {
    [NOTE_ROLLOUT_STARTED] = "rollout_started",
    [NOTE_ROLLOUT_DONE] = "rollout_done",
    [NOTE_ROLLOUT_FAILED] = "rollout_failed",
    [NOTE_ROLLOUT_BACK] = "rollout_back",
    [NOTE_ROLLOUT_WAITING] = "rollout_waiting",
    [NOTE_RESTART_DELAYED] = "restart_delayed",
    [NOTE_SLOT_FAILED] = "slot_failed",
    [NOTE_SPAWN_WAITING] = "spawn_waiting",
    [NOTE_READY_ASSUMED] = "ready_assumed",
    [NOTE_STOP_ESCALATED] = "stop_escalated",
    [NOTE_UNKILLABLE] = "unkillable",
    [NOTE_IGNORED] = "message_ignored",
    [NOTE_LATE] = "master_late",
    [NOTE_SCALED] = "scaled",
    [NOTE_APP_STOPPED] = "app_stopped",
    [NOTE_SIGNAL_SENT] = "signal_sent",
    [NOTE_STALLED] = "stalled",
    [NOTE_RECOVERED] = "recovered",
    [NOTE_STRANDED] = "stranded",
    [NOTE_PROBE_FAILED] = "probe_failed",
    [NOTE_HELD_OFF] = "held_off",
    [NOTE_SPARE_SERVES] = "spare_serves",
    [NOTE_SPARE_FAILED] = "spare_failed",
    [NOTE_DRAINED] = "drained",
    [NOTE_RESUMED] = "resumed",
    [NOTE_SHUTDOWN] = "shutdown",
};

static const char *const ready_bys[READY_BY_MAX] = {
    [READY_BY_NOTIFY] = "notify",
    [READY_BY_CHANNEL] = "channel",
    [READY_BY_FD] = "fd",
    [READY_BY_LISTENING] = "listening",
    [READY_BY_TIME] = "time",
    [READY_BY_ACCEPT] = "accept",
    [READY_BY_HTTP] = "http",
};

static const char *const probe_kinds[PROBE_KIND_MAX] = {
    [PROBE_NONE] = "none",
    [PROBE_ACCEPT] = "accept",
    [PROBE_HTTP] = "http",
    [PROBE_HEALTH] = "health",
};

static const char *const shutdown_modes[SHUTDOWN_MODE_MAX] = {
    [SHUTDOWN_NONE] = "none",
    [SHUTDOWN_GRACEFUL] = "graceful",
    [SHUTDOWN_NO_DELAY] = "graceful without delay",
    [SHUTDOWN_QUICK] = "quick",
    [SHUTDOWN_NOW] = "now",
};

/* Legality as data: the successors of each state. */
#define BIT(x) (1u << (x))

static const unsigned worker_successors[WORKER_STATE_MAX] = {
    [WORKER_IDLE] = BIT(WORKER_STARTING) | BIT(WORKER_DEAD),
    [WORKER_STARTING] = BIT(WORKER_PARKED) | BIT(WORKER_READY) | BIT(WORKER_STOPPING) |
                        BIT(WORKER_DEAD),
    [WORKER_PARKED] = BIT(WORKER_STARTING) | BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
    [WORKER_READY] = BIT(WORKER_STALLED) | BIT(WORKER_DRAINING) | BIT(WORKER_DEAD),
    [WORKER_STALLED] = BIT(WORKER_READY) | BIT(WORKER_DRAINING) | BIT(WORKER_STOPPING) |
                       BIT(WORKER_DEAD),
    [WORKER_DRAINING] = BIT(WORKER_STOPPING) | BIT(WORKER_DEAD),
    [WORKER_STOPPING] = BIT(WORKER_DEAD),
    [WORKER_DEAD] = 0,
};

static const unsigned slot_successors[SLOT_STATE_MAX] = {
    [SLOT_RESTING] = BIT(SLOT_STARTING) | BIT(SLOT_BACKOFF),
    [SLOT_STARTING] = BIT(SLOT_SERVING) | BIT(SLOT_BACKOFF) | BIT(SLOT_FAILED) | BIT(SLOT_EXITED) |
                      BIT(SLOT_RESTING),
    [SLOT_SERVING] = BIT(SLOT_STARTING) | BIT(SLOT_BACKOFF) | BIT(SLOT_FAILED) | BIT(SLOT_EXITED) |
                     BIT(SLOT_RESTING),
    [SLOT_BACKOFF] = BIT(SLOT_STARTING) | BIT(SLOT_RESTING),
    [SLOT_FAILED] = BIT(SLOT_STARTING) | BIT(SLOT_BACKOFF) | BIT(SLOT_RESTING),
    [SLOT_EXITED] = BIT(SLOT_STARTING) | BIT(SLOT_BACKOFF) | BIT(SLOT_RESTING),
};

static const unsigned rollout_successors[ROLLOUT_STATE_MAX] = {
    [ROLLOUT_NONE] = BIT(ROLLOUT_WAITING) | BIT(ROLLOUT_FORWARD),
    [ROLLOUT_WAITING] = BIT(ROLLOUT_FORWARD) | BIT(ROLLOUT_NONE),
    [ROLLOUT_FORWARD] = BIT(ROLLOUT_VERIFYING) | BIT(ROLLOUT_NONE),
    [ROLLOUT_VERIFYING] = BIT(ROLLOUT_BACK) | BIT(ROLLOUT_NONE),
    [ROLLOUT_BACK] = BIT(ROLLOUT_NONE),
};

const char *
worker_state_to_string(enum worker_state s)
{
	return NAME_OF(worker_states, s);
}

const char *
leave_step_to_string(enum leave_step s)
{
	return NAME_OF(leave_steps, s);
}

const char *
slot_state_to_string(enum slot_state s)
{
	return NAME_OF(slot_states, s);
}

const char *
rollout_state_to_string(enum rollout_state s)
{
	return NAME_OF(rollout_states, s);
}

const char *
cause_to_string(enum cause c)
{
	return NAME_OF(causes, c);
}

const char *
event_kind_to_string(enum event_kind kind)
{
	return NAME_OF(event_kinds, kind);
}

const char *
action_kind_to_string(enum action_kind kind)
{
	return NAME_OF(action_kinds, kind);
}

const char *
note_kind_to_string(enum note_kind kind)
{
	return NAME_OF(note_kinds, kind);
}

const char *
probe_kind_to_string(enum probe_kind kind)
{
	return NAME_OF(probe_kinds, kind);
}

const char *
ready_by_to_string(enum ready_by by)
{
	return NAME_OF(ready_bys, by);
}

const char *
shutdown_mode_to_string(enum shutdown_mode mode)
{
	return NAME_OF(shutdown_modes, mode);
}

bool
worker_state_is_legal(enum worker_state from, enum worker_state to)
{
	return from < WORKER_STATE_MAX && to < WORKER_STATE_MAX &&
	       (worker_successors[from] & BIT(to));
}

bool
slot_state_is_legal(enum slot_state from, enum slot_state to)
{
	return from < SLOT_STATE_MAX && to < SLOT_STATE_MAX && (slot_successors[from] & BIT(to));
}

bool
rollout_state_is_legal(enum rollout_state from, enum rollout_state to)
{
	return from < ROLLOUT_STATE_MAX && to < ROLLOUT_STATE_MAX &&
	       (rollout_successors[from] & BIT(to));
}
