/*
 * foreign: the variables by which masters tell their own workers who they are and what they inherit.
 * From one of them to the next they would be lies: numbers of descriptors that are closed by then.
 */
#ifndef BROOD_IPC_FOREIGN_H
#define BROOD_IPC_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the variable of that name (len bytes) is not to be inherited. A configuration may set it: who
 * does knows why. */
bool foreign_is_variable(const char *name, size_t len);

#endif
