/*
 * follow: whether a command is Node, and whether it is Node by the wrong end.
 *
 * A worker of Node's cluster is the process that finds NODE_UNIQUE_ID in its environment and takes it
 * out. npm, nodemon and their like are Node programs that start the app as a child: they take the
 * worker's place, do not listen, and the app that they start is nobody's worker. Such a command is
 * followed to the one that it comes to in the end.
 */
#ifndef BROOD_LAUNCHER_FOLLOW_H
#define BROOD_LAUNCHER_FOLLOW_H

#include <stdbool.h>

#include "launcher/trail.h"

struct str;

enum follow {
	FOLLOW_OTHER, /* something else */
	FOLLOW_NODE, /* the process that is started is Node and runs the app */
	FOLLOW_LAUNCHER, /* it is Node and would start the app as a child */
};

/* t: what is given of it. argv as configured; program: the real path of argv[0]; NULL: it is not
 * known, and argv[0] is believed. For LAUNCHER the trail says the rest; t->words is the last that
 * could be made of it, and the command to write instead unless the trail is lost. Ask
 * trail_failed(); trail_done(). */
enum follow follow(struct trail *t, char *const argv[], const char *program);
/* The command to write instead, quoted for the key "command", and behind it in parentheses what else
 * has to be done; nothing if the trail is lost. */
void follow_write_line(const struct trail *t, struct str *ret);

/* Whether a program of that name or path is a launcher, unless it is a namesake: npm and the like. */
bool follow_is_launcher(const char *program);

#endif
