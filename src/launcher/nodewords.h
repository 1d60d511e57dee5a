/*
 * nodewords: the words of a command line of Node.
 */
#ifndef BROOD_LAUNCHER_NODEWORDS_H
#define BROOD_LAUNCHER_NODEWORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words;

/* Whether that program is Node by its name: node, nodejs, or with a version, node20. name may be a
 * path. */
bool nodewords_is_node(const char *name);
/* Whether that option takes the next word when there is no "=". */
bool nodewords_takes_value(const char *option);
/* Copies the option of node at *i, and its value if that is a word of its own. */
void nodewords_add_option(struct words *next, const struct words *w, size_t *i);

#endif
