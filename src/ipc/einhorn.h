/*
 * einhorn: what a worker written for Einhorn says to it: one line a command, either JSON or YAML
 * whose newlines are percent-escaped. Pure; nothing is kept.
 */
#ifndef BROOD_IPC_EINHORN_H
#define BROOD_IPC_EINHORN_H

#include <stddef.h>

#define EINHORN_LINE_MAX 1024

enum einhorn_command {
	EINHORN_OTHER, /* no command of a worker's, or none at all */
	EINHORN_ACK, /* it is up */
	EINHORN_PING, /* it is well */
};

/* A line without its newline. What it says of pids is not looked at. */
enum einhorn_command einhorn_decode(const char *line, size_t len);

#endif
