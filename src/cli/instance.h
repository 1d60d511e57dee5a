/*
 * instance: the masters of this user, found by the sockets in the run directory.
 */
#ifndef BROOD_CLI_INSTANCE_H
#define BROOD_CLI_INSTANCE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/client.h"

struct cli;

enum instance_state {
	INSTANCE_RUNNING,
	INSTANCE_STALE, /* a socket that nobody listens on */
	INSTANCE_DENIED,
	INSTANCE_SILENT, /* does not answer, or not in our protocol */
	INSTANCE_STATE_MAX,
};

struct instance {
	char *name;
	char *socket;
	enum instance_state state;
	struct client *client; /* INSTANCE_RUNNING */
	json_t *status; /* once asked for */
	struct failure why; /* of the other states */
};

struct instance_list {
	struct instance *items;
	size_t len;
};

const char *instance_state_to_string(enum instance_state s);

/* All sockets in the run directory, each connected, sorted by name. 0, or -1 with f (a directory
 * that is not there is an empty list). */
int instance_list_scan(const char *run_dir, struct instance_list *ret, struct failure *f);
void instance_list_done(struct instance_list *l);

/* Fills in->status if it is not there. 0 or -1 with f. */
int instance_get_status(struct instance *in, uint64_t deadline_us, struct failure *f);
void instance_done(struct instance *in);

/* Finds the instance that the command means: by -i, by target ("web", "web.2": an app that is
 * unique among the running), or because only one runs. target may be NULL. Moves it to *ret.
 * 0, or -1 with f. */
int instance_pick(
    const struct cli *cli, const char *target, struct instance *ret, struct failure *f);

#endif
