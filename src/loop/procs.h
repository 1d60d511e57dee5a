/*
 * procs: the processes of workers: from ACTION_SPAWN to the last close. One reaper for every
 * child of the master; nobody else waits.
 *
 * Many starts and many deaths are taken in small portions, one portion a turn of the loop, so
 * that signals and the control socket stay served while a thousand workers come and go.
 */
#ifndef BROOD_LOOP_PROCS_H
#define BROOD_LOOP_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <uv.h>

#include "base/hash.h"
#include "core/action.h"
#include "ctl/command.h"
#include "ctl/journal.h"

struct loop;
struct err;
struct channel;
struct node;
struct readiness;
struct einhorn;
struct recall;
struct output_source;
struct listener;
struct watch;
struct probe;

/* One worker's process, as long as it is not reaped. Shared by procs.c, channel.c, ready.c. */
struct proc {
	struct loop *loop;
	worker_id worker;
	pid_t pid;
	char app[49];
	unsigned slot, generation; /* by which it knows itself; a spare keeps its number when
					 * it serves a slot: see core */
	char *notify_path;
	struct einhorn *einhorn;	/* NULL without compat = einhorn */
	int status_fd;
	uv_poll_t status;		/* until exec is known to have worked */
	struct channel *channel;	/* NULL when closed */
	struct node *node;		/* NULL: not of Node's cluster */
	struct readiness *readiness;
	struct output_source *output;
	struct watch *watch;		/* NULL while nobody waits for its queue or its requests */
	struct probe *probe;		/* NULL while the core asks nothing of it */
	int channel_number;		/* of its end of the channel, -1 = not known */
	ino_t channel_inode;
	bool takes;			/* dispatch: waits for a connection ... */
	bool take_deaf;			/* ... but its channel takes none now, ... */
	bool take_asleep;		/* ... or it does not read */
	struct proc *take_prev, *take_next;
	const struct listener *sent_from; /* where the last connection came from; compared only */
	uint64_t sent_us;		/* recall: since when it may be unread; 0 = it is not */
	unsigned sent_looks;		/* recall: in vain */
	const struct recall *sent_by;	/* recall: in whose list it is */
	struct proc *sent_prev, *sent_next;
	struct worker_report report;
	struct rusage usage;		/* filled when it is reaped */
	unsigned handles;		/* open libuv handles embedded here */
	bool gone;			/* reaped: free when the last handle is closed */
	UT_hash_handle by_pid, by_worker;
};

int procs_init(struct loop *l, struct err *e);
/* Kills and reaps what is left (bounded to about a second), closes everything. */
void procs_done(struct loop *l);
/* After the loop has called back for the last time. */
void procs_free(struct loop *l);

/* ACTION_SPAWN: queued; the outcome comes as SPAWNED or SPAWN_FAILED. */
void procs_spawn(struct loop *l, const struct action *a);
/* ACTION_SIGNAL: only to a process that is ours and not reaped (S11). */
void procs_signal(struct loop *l, const struct action *a);
/* SIGCHLD, or the suspicion that one was missed. */
void procs_on_child(struct loop *l);

/* For start.c: a process in the making; it is born with its pid (by_pid.tbl tells when the table
 * had no memory for it); everything of it is closed, and it is freed when the loop lets go. */
struct proc *proc_new(struct loop *l, worker_id worker);
void proc_born(struct proc *p, pid_t pid, int status_fd);
void proc_close(struct proc *p);

bool procs_is_worker(struct loop *l, pid_t pid);	/* not reaped yet */
bool procs_is_helper(struct loop *l, pid_t pid);
struct proc *procs_find(struct loop *l, worker_id worker);
/* Adds to o what only the process's end could tell: rusage and last words. */
void procs_fill_obituary(struct loop *l, worker_id worker, struct obituary *o);
/* What the loop knows of a worker; NULL when it has no process. For struct ctl_context. */
const struct worker_report *procs_report(void *arg, worker_id worker);

/* A child that is no worker (a log writer): reaped without a word, never swept or killed. fn
 * (may be NULL) is called once, when it is dead. 0 or -ENOMEM. */
typedef void (*procs_helper_fn)(void *arg, pid_t pid, int wait_status);
int procs_add_helper(struct loop *l, pid_t pid, procs_helper_fn fn, void *arg);
/* fn will not be called any more; the child is still reaped without a word. */
void procs_forget_helper(struct loop *l, pid_t pid);

#endif
