/*
 * action: everything that the core can want. The loop performs actions in their order; one that
 * fails comes back as an event. Texts inside an action are copies.
 */
#ifndef BROOD_CORE_ACTION_H
#define BROOD_CORE_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/event.h"
#include "core/state.h"

enum action_kind {
	ACTION_SPAWN, /* fork worker; -> SPAWNED or SPAWN_FAILED */
	ACTION_SIGNAL, /* signal to the worker, or to its process group */
	ACTION_DRAIN, /* "drain" over the channel */
	ACTION_ANSWER, /* its listen() may be answered, now and from now on: by its slot and seat */
	ACTION_PING, /* "ping" over the channel -> ALIVE */
	ACTION_LEADER, /* tell the worker whether it leads */
	ACTION_VERIFY, /* are the files of launch still what they were? -> VERIFIED */
	ACTION_FORGET, /* launch is not used any more */
	ACTION_SLOT_GONE, /* the app now has `slots` slots; higher ones lost their last
					 * worker: per-slot listeners may go */
	ACTION_APP_GONE, /* the app was removed and its last worker is dead */
	ACTION_STEER, /* app->steer changed: new connections go there from now on */
	ACTION_RING_GIVE, /* an empty wait set and all listeners for the worker that asked */
	ACTION_RING_JOIN, /* its set is filled, owner first; siblings line up behind */
	ACTION_RING_CUT, /* its set is emptied: it can accept nothing more */
	ACTION_KICK, /* a connection is stranded at `seat`: register it anew in worker's set */
	ACTION_RESCUE, /* give the queue of `seat` to the others, where that is safe */
	ACTION_WATCH, /* of a leaving worker: -> EMPTIED or QUIET */
	ACTION_PROBE, /* -> PROBED */
	ACTION_TRANSITION, /* a worker or a slot changed state: log, events, progress */
	ACTION_NOTE, /* something worth a line and an event */
	ACTION_OBITUARY, /* a worker's end, after its last transition */
	ACTION_REPLY, /* answer to a request */
	ACTION_EXIT, /* nothing is left to do: end with `code` */
	ACTION_KIND_MAX,
};

enum note_kind {
	NOTE_ROLLOUT_STARTED,
	NOTE_ROLLOUT_DONE,
	NOTE_ROLLOUT_FAILED,
	NOTE_ROLLOUT_BACK,
	NOTE_ROLLOUT_WAITING,
	NOTE_RESTART_DELAYED,
	NOTE_SLOT_FAILED,
	NOTE_SPAWN_WAITING,
	NOTE_READY_ASSUMED,
	NOTE_STOP_ESCALATED,
	NOTE_UNKILLABLE,
	NOTE_IGNORED, /* an illegal message in this state: counted, ignored (W7) */
	NOTE_LATE, /* the master was stopped: deadlines were moved */
	NOTE_SCALED,
	NOTE_APP_STOPPED,
	NOTE_SIGNAL_SENT, /* an operator's: what comes of it has its cause here */
	NOTE_STALLED,
	NOTE_RECOVERED,
	NOTE_STRANDED, /* left its queue or requests behind when its time was over */
	NOTE_PROBE_FAILED,
	NOTE_HELD_OFF, /* nobody serves: new clients shall try again */
	NOTE_SPARE_SERVES, /* it takes a slot over */
	NOTE_SPARE_FAILED, /* none is started in its place, until an operator acts */
	NOTE_DRAINED,
	NOTE_RESUMED,
	NOTE_SHUTDOWN,
	NOTE_KIND_MAX,
};

enum reply_code {
	REPLY_DONE,
	REPLY_FAILED,
	REPLY_BUSY,
	REPLY_MAX,
};

#define ACTION_TEXT_MAX 240

/* What ACTION_WATCH waits for. */
enum watch_kind {
	WATCH_NONE, /* not any more */
	WATCH_EMPTY, /* its seat's queue is empty for 10 ms, and the handshakes that were under
		      * way when the watch began are over */
	WATCH_QUIET, /* no connection of it and its descendants has a request inside */
};

struct action {
	enum action_kind kind;
	worker_id worker; /* 0 = none */
	pid_t pid; /* of that worker, 0 = none */
	char app[49]; /* "" = the cluster */
	int slot; /* -1 = none; of a spare: its number */
	unsigned seat; /* of the worker: which of its slot's twin sockets */
	unsigned generation;
	void *launch; /* SPAWN, VERIFY, FORGET */
	union {
		struct {
			int signal;
			bool group;
		} signal;
		struct {
			uint64_t deadline_ms;
		} drain;
		struct {
			bool leads;
		} leader;
		struct {
			bool alone; /* nobody else may read its seat: it may be any program */
			unsigned number; /* by which it will know itself */
		} spawn;
		struct {
			unsigned neighbours; /* RING_GIVE: 0 = all */
		} ring;
		struct {
			enum watch_kind kind;
		} watch;
		struct {
			enum probe_kind kind;
		} probe;
		struct {
			unsigned slots;
		} slot_gone;
		struct {
			bool of_worker; /* else of the slot */
			int from, to; /* enum worker_state or enum slot_state */
			enum ready_by ready_by; /* to = WORKER_READY */
		} transition;
		struct {
			enum note_kind kind;
			bool bad; /* worth a warning */
		} note;
		struct {
			enum cause cause;
			int code, signal;
			bool core_dumped;
			bool expected;
			bool was_ready;
			uint64_t uptime_us;
		} obituary;
		struct {
			request_id request;
			enum reply_code code;
		} reply;
		struct {
			int code;
		} exit;
	};
	char text[ACTION_TEXT_MAX]; /* reason, or what to say */
};

struct action_list {
	struct action *items;
	size_t len, cap;
};

/* Room for n more actions. 0 or -ENOMEM. */
int action_list_reserve(struct action_list *list, size_t n);
void action_list_done(struct action_list *list);
const char *action_kind_to_string(enum action_kind kind);
const char *note_kind_to_string(enum note_kind kind); /* "rollout_started", ... */

#endif
