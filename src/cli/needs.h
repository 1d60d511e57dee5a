/*
 * needs: what a configuration needs of the machine, for `brood doctor`: reckoned from what
 * broodd -T prints of it, so that no second reader of the file can understand it otherwise.
 */
#ifndef BROOD_CLI_NEEDS_H
#define BROOD_CLI_NEEDS_H

#include <stdint.h>

struct needs {
	unsigned apps;
	uint64_t workers; /* with those of a rollout */
	uint64_t sockets; /* listening ones; of those: */
	uint64_t steered; /* twins of groups that are steered */
	uint64_t descriptors; /* of the master, all in all */
	uint64_t backlog; /* the longest that is asked for; 0 = none is */
	char backlog_app[64];
};

/* text: as broodd -T prints it; cpus: usable ones. */
void needs_of_text(const char *text, unsigned cpus, struct needs *ret);

#endif
