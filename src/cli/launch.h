/*
 * launch: finding and executing the other programs of brood, and waiting for a master that is
 * started in the background.
 */
#ifndef BROOD_CLI_LAUNCH_H
#define BROOD_CLI_LAUNCH_H

#include <stdbool.h>

struct cli;

/* Where a program of brood is: *variable, beside this one, in the places of an installation.
 * malloc, or NULL. */
char *launch_find_broodd(void);
char *launch_find_hello(void);

/* Executes argv in this process. Returns only when that failed: the exit code, explained. */
int launch_exec(const struct cli *cli, char *const *argv);

/* Starts broodd with argv and " --ready-fd N" in a session of its own and waits until it is
 * ready, showing progress. The exit code. */
int launch_background(struct cli *cli, char **argv);

#endif
