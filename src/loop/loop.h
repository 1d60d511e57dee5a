/*
 * loop: the only room that includes uv.h. Callbacks become core events, core actions become
 * calls. One struct holds the master; each file of the room owns a part of it:
 *   loop.c     wiring: what is made in which order, and taken apart
 *   step.c     the step (event -> core -> actions), the one timer
 *   configure.c a configuration file -> an event
 *   perform.c  actions -> calls
 *   signals.c  signals of the master -> events
 *   procs.c    processes of workers: status pipe, reaping, obituaries
 *   strays.c   what dead workers left behind
 *   start.c    one worker from a wish to a process
 *   channel.c  the socketpair of a worker: frames in, queue out
 *   node.c     the same socketpair, to a worker of Node's cluster; servers.c what it listens on,
 *              asked.c which socket that is
 *   dispatch.c connections that the master accepts and hands over
 *   doors.c    where it accepts them
 *   rescue.c   connections of a worker of Node's that takes none, given to others
 *   recall.c   those that a worker does not read, taken back
 *   ready.c    NOTIFY_SOCKET and fd:N of a worker
 *   throttle.c tokens for descriptors that talk too much
 *   tell.c     what happened -> log, journal, watchers
 *   launch.c   a configuration made ready to spawn from: paths, ids, environment, listeners
 *   spec.c     one worker out of that
 *   sockets.c  its listeners: got, grown, given back
 *   listeners.c, environment.c  the sockets, the variables
 *   group.c    where the sockets of a steered listener are in their group, and its program
 *   ring.c     the wait sets of workers; waitset.c holds those of one app
 *   steer.c    which seats get new connections -> those programs
 *   guard.c    a listener that a worker shut down listens again
 *   output.c   where lines go: workers' output, the master's log, log writers
 *   queues.c   accept queues, looked at while anything waits in one; lookout.c those of one app
 *   watch.c    a leaving worker: its queue, its requests
 *   probe.c    connections of our own to one worker; dial.c one such connection
 *   control.c  the control socket and its clients
 *   starter.c  the process that waits on --ready-fd
 *   manager.c  the service manager: READY, RELOADING, STATUS, WATCHDOG, STOPPING
 */
#ifndef BROOD_LOOP_LOOP_H
#define BROOD_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "conf/conf.h"
#include "core/core.h"
#include "ctl/command.h"
#include "ctl/journal.h"
#include "ctl/metrics.h"

struct err;
struct control;
struct output;
struct procs;
struct dispatch;
struct ring;
struct guard;
struct launch_table;
struct queues;
struct rescue;
struct servers;
struct shakes;
struct signals;
struct manager;
struct starter;
struct step_queue;

struct loop_options {
	struct conf_source source;	/* to read again on reload; strings live for ever */
	const char *name;		/* of the instance */
	const char *run_dir;
	bool owns_terminal;		/* brood run on a terminal: HUP ends, TTIN, TTOU, WINCH ignored */
	bool adhoc;			/* configuration made by brood run or brood start -- COMMAND */
	bool background;		/* log = inherit means a file in the state directory */
	int ready_fd;			/* brood start waits on it; -1 = nobody */
	int lock_fd;			/* instance lock, held for life */
	mode_t umask;			/* the launcher's, for workers */
	char **environ;			/* the master's own, cleaned */
	int inherited_fds;		/* listening sockets of a service manager, from 3 on */
	uint64_t watchdog_us;		/* the service manager wants to hear from us; 0 = no */
};

struct loop {
	uv_loop_t uv;
	uv_timer_t timer;		/* core_next_deadline() */
	struct loop_options options;
	struct conf *conf;		/* in force */
	struct core *core;
	struct journal *journal;
	struct metrics *metrics;
	struct ctl_context ctl;
	struct control *control;
	struct output *output;
	struct procs *procs;
	struct launch_table *launches;
	struct queues *queues;
	struct shakes *shakes;		/* of watch.c: what leaving workers wait for */
	struct dispatch *dispatch;
	struct rescue *rescue;
	struct servers *servers;
	struct ring *rings;		/* by app; uthash of ring.c */
	struct guard *guard;
	struct signals *signals;
	struct manager *manager;
	struct starter *starter;
	struct step_queue *queue;	/* events that came up inside a step */
	struct action_list actions;	/* scratch of a step */
	bool stepping;			/* inside loop_step(): events queue up */
	bool ending;
	int exit_code;
	request_id last_request;
	request_id start_request;	/* of the first start; 0 when it is over */
	uint64_t armed_us;		/* what timer waits for */
	bool has_listened;		/* since that was missed */
};

/* Runs a master with conf (the reference is taken) until it ends. Returns the exit code. */
int loop_main(const struct loop_options *options, struct conf *conf);

/* Feeds an event to the core and performs what it wants. Called from within a step (an action
 * that failed), the event is queued and taken when the current actions are done: nothing
 * recurses. Pointers in ev must live until then; text.reason and app are copied. */
void loop_step(struct loop *l, const struct event *ev);
request_id loop_next_request(struct loop *l);

/* Reads the configuration again and starts what follows from it.
 * app NULL: everything (CONFIGURE); else only that app: RELOAD, or RESTART with restart.
 * The answer comes as ACTION_REPLY to request; 0, or a negative errno with e when nothing was
 * touched. -EINVAL: the configuration is wrong (e lists it). */
int loop_reconfigure(struct loop *l, const char *app, bool restart, request_id request, struct err *e);
/* Opens what scaling app to `workers` needs, before the core is asked. 0 or negative errno. */
int loop_prepare_scale(struct loop *l, const char *app, unsigned workers, struct err *e);
/* Reopens log files (USR1, `brood reopen`). */
void loop_reopen_logs(struct loop *l);

#endif
