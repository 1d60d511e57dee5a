/*
 * holder: who listens on a port, for the text of "address already in use". A look through /proc
 * that is bounded in time; as an ordinary user it sees the processes of that user only.
 */
#ifndef BROOD_SYS_HOLDER_H
#define BROOD_SYS_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* 0: *ret_pid holds a TCP listener (or a bound UDP socket) on the port, on whatever address, and
 * name (its comm, escaped) is filled. -ENOENT: nobody that we can see. */
int holder_find(uint16_t port, bool udp, pid_t *ret_pid, char name[64]);

#endif
