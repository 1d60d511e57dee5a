/*
 * import_node: what only node can read, as JSON.
 */
#ifndef BROOD_CLI_IMPORT_NODE_H
#define BROOD_CLI_IMPORT_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/client.h"

/* Has node evaluate the file (absolute path): a module, or with yaml a text that its package
 * js-yaml reads; at the deadline it is killed. 0: *ret is a new reference. -1 with f. */
int import_ask_node(
    const char *path, bool yaml, uint64_t deadline_us, json_t **ret, struct failure *f);

#endif
