/*
 * environment: what variables a worker finds. The part that all workers of a generation share is
 * made once; what tells them apart is added for each.
 */
#ifndef BROOD_LOOP_ENVIRONMENT_H
#define BROOD_LOOP_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "sys/cred.h"

/* NULL-terminated strings "NAME=value", each malloc'ed. All zero is an empty one. */
struct environment {
	char **vars;
	size_t len, cap;
	bool failed;			/* out of memory at some time; checked once, at the end */
};

void environment_done(struct environment *env);
const char *environment_get(const struct environment *env, const char *name);
/* Replaces a variable of that name. */
void environment_set(struct environment *env, const char *name, const char *value);

/* from: the master's own. Clean, or inherited without what was meant for the master (X5) or for the
 * workers of another one; then the identity of user (NULL = the master's own), then what the configuration names. */
int environment_make(const struct conf_app *conf, char *const *from, const struct cred_user *user,
    struct environment *ret);
/* Whether brood alone says what this variable is. */
bool environment_is_reserved(const char *name);

#endif
