/*
 * diag: asking sock_diag(7), the part that conns.c and quiet.c share. Not for other rooms.
 *
 * The first part of a list is made while we send the request and each further one while we take
 * the part before, so receiving never waits; that it would is an error here.
 *
 * What a list costs is the walk over the table of all connections of the machine, and most of that
 * are connections in TIME_WAIT, which a busy service has by the ten thousands: 45,000 of them made
 * a walk of 10 ms. A part ends when it is full, so a list that includes them comes in parts of
 * some 100 us each, and the caller can do other things between them.
 */
#ifndef BROOD_SYS_DIAG_H
#define BROOD_SYS_DIAG_H

#include <linux/inet_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* States of TCP as the kernel counts them. */
#define STATE_ESTABLISHED 1
#define STATE_SYN_RECV    3
#define STATE_CLOSE_WAIT  8
#define STATE_LISTEN      10

/* So that a list comes in parts. Without those that listen and those that are closed. */
#define STATES_ALL (0xfffu & ~(1u << STATE_LISTEN | 1u << 7))

/* A close-on-exec, non-blocking socket to ask by. 0, or a negative errno: -EOPNOTSUPP where the
 * kernel has no sock_diag. */
int diag_open(int *ret_fd);
/* Asks for all TCP connections of a family in one of the states; port: our own, in network order,
 * or 0 for any. */
int diag_ask_all(int fd, int family, uint32_t states, in_port_t port, bool with_tcp_info);
/* Asks for the one that id is. */
int diag_ask_one(int fd, int family, const struct inet_diag_sockid *id);

/* Called for each connection; len is that of msg with its attributes. Returns a negative errno to
 * give up. */
typedef int (*diag_fn)(void *arg, const struct inet_diag_msg *msg, size_t len);
/* Takes one part of the answer. 1: more may come. 0: that was all. Or a negative errno:
 * -EOPNOTSUPP where the kernel can't list TCP, or has no such connection. */
int diag_receive(int fd, diag_fn fn, void *arg);

#endif
