/*
 * recipe: the configuration that `brood run` and `brood start -- COMMAND` write for broodd. What
 * the caller typed must reach the workers byte by byte, whatever characters are in it.
 */
#ifndef BROOD_CLI_RECIPE_H
#define BROOD_CLI_RECIPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "cli/client.h"

struct recipe {
	const char *made_by; /* "brood run" */
	const char *instance;
	const char *app;
	const char *run_dir; /* NULL: broodd's default */
	const char *directory;
	char *const *argv; /* NULL-terminated */
	const char *workers; /* NULL: broodd's default */
	const char *const *listen;
	size_t listen_len;
	const char *const *set; /* KEY=VALUE, master.KEY=VALUE */
	size_t set_len;
	bool inherit_env;
	char *const *environ; /* NULL: no [env:APP] */
};

/* Appends the INI text. 0, or -1 with f (a --set that is none, no memory). */
int recipe_add(struct str *out, const struct recipe *r, struct failure *f);
/* The section [env:APP] alone. Returns how many variables have names that cannot be written. */
size_t recipe_add_env(struct str *out, const char *app, char *const *environ);
/* Whether a variable is for one process only and must not reach workers (LISTEN_PID, ...). */
bool recipe_is_private_variable(const char *name, size_t len);

/* "/opt/My Server.sh" -> "My-Server.sh": something that name_is_valid(). */
void recipe_name_from_command(const char *command, char *buf, size_t size);

/* Replaces RUN_DIR/NAME.conf by text, 0600, at one blow. */
int recipe_write(
    const char *run_dir, const char *instance, const struct str *text, struct failure *f);
/* Writes the section [env:APP] of RUN_DIR/NAME.conf anew from this process's environment.
 * app NULL: the one that is there. */
int recipe_update_env(
    const char *run_dir, const char *instance, const char *app, struct failure *f);

#endif
