/*
 * shell: a line that was made for a shell, cut as a shell would cut it where that is all that it would
 * do; else it is said what only a shell can do, with what a shell is to be given. Pure.
 */
#ifndef BROOD_LAUNCHER_SHELL_H
#define BROOD_LAUNCHER_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/words.h"

/* A line that was made for a shell. */
struct shell_line {
	struct words names, values; /* NAME=value in front; nothing in them is expanded */
	struct words words; /* of the command, unless needs is set */
	struct words directory; /* of "cd DIR &&" in front, one word */
	const char *needs; /* what only a shell can do, or NULL: "a pipe" */
	char *script; /* what a shell is to run, with exec before its last command */
	bool is_exec; /* the shell becomes the program */
	const char *program; /* of a script: the first word of the last command; points into script
			      * or is NULL */
	size_t program_len;
};

/* 0; -EINVAL for a quote that does not end; -ENOMEM. */
int shell_line_parse(const char *text, struct shell_line *ret);
void shell_line_free(struct shell_line *l);

#endif
