/*
 * completion: the scripts for bash, zsh and fish, printed from the table of verbs.
 */
#ifndef BROOD_CLI_COMPLETION_H
#define BROOD_CLI_COMPLETION_H

#include <stdio.h>

/* 0, or -1 for an unknown shell. contrib/completions holds what this prints. */
int completion_print(const char *shell, FILE *f);

#endif
