/*
 * notify: both ends of the sd_notify protocol. Towards the service manager we send; towards each
 * worker we are the service manager, with a datagram socket of its own, so that a message's
 * origin is the socket it came by and never what it says.
 */
#ifndef BROOD_SYS_NOTIFY_H
#define BROOD_SYS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC/WATCHDOG_PID out of the environment (X5). Returns the
 * watchdog interval in microseconds, 0 = none. Abstract addresses are understood. */
uint64_t notify_manager_init(void);
bool notify_manager_present(void);
/* Sends one datagram without blocking; a failure is returned and nothing else. */
int notify_manager_send(const char *text);
/* RELOADING=1 with MONOTONIC_USEC in the same datagram, as systemd >= 253 requires. */
int notify_manager_reloading(void);

/* Opens a non-blocking datagram socket bound at path (mode 0600, owned by uid:gid unless -1),
 * made under a private umask; an old file of ours there is replaced. Returns the fd or a
 * negative errno. */
int notify_worker_open(const char *path, uid_t uid, gid_t gid);

struct notify_message {
	bool ready, stopping, reloading, watchdog, watchdog_trigger;
	char status[256];		/* "" = none; escaped */
	uint64_t extend_us;		/* EXTEND_TIMEOUT_USEC, 0 = none */
	bool has_interval;		/* WATCHDOG_USEC was there ... */
	uint64_t interval_us;		/* ... with this */
};
/* Reads one datagram. 1: *ret filled. 0: nothing there. Negative errno otherwise. Descriptors
 * that came along are closed, which is what BARRIER=1 waits for; unknown lines are skipped; an
 * over-long datagram is dropped. */
int notify_worker_read(int fd, struct notify_message *ret);

#endif
