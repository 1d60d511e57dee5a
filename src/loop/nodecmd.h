/*
 * nodecmd: whether a command is Node, and whether it is Node by the wrong end.
 *
 * A worker of Node's cluster is the process that finds NODE_UNIQUE_ID in its environment and takes it
 * out. npm, nodemon and their like are Node programs that start the app as a child: they take the
 * worker's place, do not listen, and the app that they start is nobody's worker. Such a command is
 * followed to the one that it comes to in the end.
 */
#ifndef BROOD_LOOP_NODECMD_H
#define BROOD_LOOP_NODECMD_H

struct str;

enum node_command {
	NODE_COMMAND_NO,	/* something else */
	NODE_COMMAND_YES,	/* the process that is started is Node and runs the app */
	NODE_COMMAND_LAUNCHER, /* it is Node and would start the app as a child */
};

/* argv as configured; program: the real path of argv[0]; directory: the real path in which it starts.
 * For LAUNCHER *ret_line is the command to write instead, quoted for the key "command", and behind
 * it in parentheses what else has to be done; empty where that can't be told from files. Without
 * memory str_failed(ret_line). */
enum node_command node_command(
    char *const argv[], const char *program, const char *directory, struct str *ret_line);

#endif
