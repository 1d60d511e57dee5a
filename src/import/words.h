/*
 * words: command lines of others split into words as they split them. Pure.
 */
#ifndef BROOD_IMPORT_WORDS_H
#define BROOD_IMPORT_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {
	char **items; /* NULL-terminated when there are any */
	size_t len;
	bool failed; /* no memory */
};

void words_free(struct words *w);
void words_add(struct words *w, const char *word);
void words_add_n(struct words *w, const char *word, size_t len);
/* Before what is there. */
void words_insert(struct words *w, size_t at, const char *word);

/* As Python's shlex.split(): supervisord's commands. 0; -EINVAL for a quote that does not end. */
int words_split_shlex(const char *text, struct words *ret);
/* As PM2 splits args: blanks, quotes around a word or behind its "=". */
void words_split_pm2(const char *text, struct words *ret);

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
