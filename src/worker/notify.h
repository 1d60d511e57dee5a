/*
 * notify: NOTIFY_SOCKET, for masters that are not brood (sd_notify(3)).
 */
#ifndef BROOD_WORKER_NOTIFY_H
#define BROOD_WORKER_NOTIFY_H

/* "READY=1" and the like. Nothing without such a socket; not waited for, as a manager that does
 * not read must not hold up a worker. 0 or a negative errno. */
int notify_say(const char *text);

#endif
