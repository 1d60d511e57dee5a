/*
 * rundir: the directory of sockets, the lock of an instance, and the state directory.
 * X1, X4, K6: nothing here follows a symlink, trusts a foreign owner or a directory that others
 * may write, and the lock is taken before anything is removed.
 */
#ifndef BROOD_SYS_RUNDIR_H
#define BROOD_SYS_RUNDIR_H

#include <stddef.h>
#include <sys/types.h>

struct err;

/* Default: $BROOD_RUN_DIR, else RUNSTATEDIR/brood for root, $XDG_RUNTIME_DIR/brood, else a 0700 directory
 * "/tmp/brood-UID" checked by owner and mode. Also used by brood(1). malloc. */
char *rundir_default(void);
/* /var/lib/brood (LOCALSTATEDIR/lib/brood) for root, else $XDG_STATE_HOME/brood, else
 * $HOME/.local/state/brood. malloc. */
char *rundir_state_default(void);
/* Makes dir with the mode (parents 0755), and checks: a directory, owned by us or root, not
 * writable by others. 0 or negative errno with text. */
int rundir_make(const char *dir, mode_t mode, struct err *e);
/* Takes DIR/NAME.lock for life; the descriptor is returned (close-on-exec; the lock is flock,
 * so inheriting the descriptor would keep it). -EAGAIN: held; e names the pid inside. */
int rundir_lock(const char *dir, const char *name, struct err *e);
/* Binds and listens on a UNIX stream socket under umask 0177; mode 0660 and the group when gid
 * is not -1. Removes a stale socket of our own uid only. Returns the fd. */
int rundir_control_socket(const char *path, gid_t gid, struct err *e);
/* Removes what is left in dir that belongs to instance name (NAME.sock, n/NAME.*). The lock file
 * stays: removing it would let two masters hold two locks. */
void rundir_clean(const char *dir, const char *name);

#endif
