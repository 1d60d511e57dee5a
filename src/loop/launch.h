/*
 * launch: a configuration made ready to spawn from. Whatever can be wrong with the world (no
 * such user, program, directory; port in use; log directory missing) is found here, before a
 * running worker is touched (C5, C6). What a generation resolved, it keeps: real path of program
 * and directory, ids, environment.
 */
#ifndef BROOD_LOOP_LAUNCH_H
#define BROOD_LOOP_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "core/event.h"
#include "ctl/command.h"
#include "sys/spawn.h"

struct loop;
struct err;
struct launch;
struct listener;

int launch_init(struct loop *l, struct err *e);
/* After the first configuration: sockets of the service manager that nobody asked for go. */
void launch_settle(struct loop *l);
/* Exit code of broodd that goes with the last failure of launch_prepare(). */
int launch_exit_code(const struct loop *l);

/* Prepares app (of conf, which is kept alive by a reference) for `workers` slots: listeners that
 * are not open yet are opened, those that are stay. On failure nothing has changed. */
int launch_prepare(struct loop *l, struct conf *conf, const struct conf_app *app, unsigned workers,
    struct launch **ret, struct err *e);
/* Only looks, for broodd -t, which must work beside the running instance: no port is opened. All
 * that is wrong, one a line, in e. */
int launch_check(const struct conf *conf, const struct conf_app *app, bool run_as_root, struct err *e);
void launch_free(struct loop *l, struct launch *launch);	/* also closes listeners that no launch
								 * uses any more */
const struct conf_app *launch_conf(const struct launch *launch);
/* Whether workers run as another user than the master, and as whom. */
bool launch_user(const struct launch *launch, uid_t *ret_uid, gid_t *ret_gid);
/* /dev/null, open for reading and writing as long as the table lives. */
int launch_null_fd(const struct loop *l);
/* Same files (device, inode, size, mtime) as when it was prepared? 1, or 0 and *ret_what. */
int launch_verify(const struct launch *launch, const char **ret_what);

/* What one worker has of its own. */
struct launch_worker {
	unsigned worker; /* its id */
	unsigned slot, seat, generation;
	unsigned workers; /* that its app shall have */
	int out_fd, err_fd, channel_fd, ready_fd;
	const char *notify_path, *einhorn_path; /* or NULL */
	unsigned restarts; /* of its slot */
};
/* Fills spec for one worker; strings live until the next call. fds 0..: /dev/null or the first
 * listener, out, err, listeners of the slot, channel, ready fd. */
int launch_fill_spec(struct loop *l, struct launch *launch, const struct launch_worker *w,
    struct spawn_spec *ret);
/* Whether the app's workers have seats: all TCP listeners are steered, and there is one, or one may
 * come (Node). */
bool launch_is_steered(const struct launch *launch);
/* Whether its workers speak the protocol of Node's cluster. */
bool launch_is_node(const struct launch *launch);
/* Descriptors of the master that are its listeners. */
size_t launch_sockets(const struct launch *launch);
/* A worker that may be any program gets that seat: its sockets block or not as configured (R13). */
void launch_assert_modes(const struct launch *launch, unsigned slot, unsigned seat);
/* Sockets for `workers` slots, where each slot has its own. Only those of balance = kernel are ever
 * closed. */
int launch_open_slots(struct loop *l, struct launch *launch, unsigned workers, struct err *e);
void launch_close_slots(struct loop *l, const char *app, unsigned workers);
size_t launch_listeners(struct loop *l, const char *app, struct listener_info *ret, size_t max);
/* All listeners closed, socket files removed: the last thing a master does. */
void launch_done(struct loop *l);

#endif
