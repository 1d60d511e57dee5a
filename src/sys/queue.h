/*
 * queue: the accept queue of a listening socket that we hold.
 */
#ifndef BROOD_SYS_QUEUE_H
#define BROOD_SYS_QUEUE_H

#include <stdbool.h>

/* Connections that wait to be accepted, and how many may. TCP only (TCP_INFO: tcpi_unacked and
 * tcpi_sacked of a listener), unprivileged, about 0.3 us. 0 or negative errno. */
int queue_length(int fd, unsigned *ret_len, unsigned *ret_limit);

/* Gives what is queued at fd to the other sockets of its group by shutdown(SHUT_RD) and listen():
 * with net.ipv4.tcp_migrate_req they take it over, without it every connection is reset, so ask
 * queue_can_migrate() first. Whoever accepts from fd meanwhile gets EINVAL once. The sending of
 * new connections to fd must have ended before (R4). 0 or negative errno. */
int queue_flush(int fd, int backlog);
/* Whether queue_flush() moves instead of resetting: net.ipv4.tcp_migrate_req of this network
 * namespace. Read anew at each call (a few us). */
bool queue_can_migrate(void);

/* The plug: one more member of the group of fd (same address and options) whose queue of length
 * one is full: what is steered to it is dropped silently, so that clients try again a second
 * later; without steering it does no harm but takes a share, so it is only opened on a steered
 * group. Fills ret_fds[2]: the member and the connection that fills it. 0 or negative errno. */
int queue_plug(int fd, int ret_fds[2]);

#endif
