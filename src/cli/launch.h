/*
 * launch: finding and executing the other programs of brood, and waiting for a master that is
 * started in the background.
 */
#ifndef BROOD_CLI_LAUNCH_H
#define BROOD_CLI_LAUNCH_H

#include <stdbool.h>

struct cli;
struct str;

/* Where a program of brood is: *variable, beside this one, in the places of an installation.
 * malloc, or NULL. */
char *launch_find_broodd(void);
char *launch_find_hello(void);

/* Executes argv in this process. Returns only when that failed: the exit code, explained. */
int launch_exec(const struct cli *cli, char *const *argv);

/* broodd with args (NULL-terminated, without its name): in this process, as launch_exec(); or as a
 * child whose output, of both descriptors, is appended to ret: the exit code. */
int launch_exec_broodd(const struct cli *cli, const char *const *args);
int launch_capture_broodd(const struct cli *cli, const char *const *args, struct str *ret);

/* Starts broodd with argv and " --ready-fd N" in a session of its own and waits until it is
 * ready, showing progress. The exit code. */
int launch_background(struct cli *cli, char **argv);

#endif
