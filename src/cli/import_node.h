/*
 * import_node: what only node can read, as JSON.
 */
#ifndef BROOD_CLI_IMPORT_NODE_H
#define BROOD_CLI_IMPORT_NODE_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/client.h"

/* Has node evaluate the file (absolute path): a module, or with yaml a text that its package
 * js-yaml reads. 0: *ret is a new reference. -1 with f. */
int import_ask_node(const char *path, bool yaml, json_t **ret, struct failure *f);

#endif
