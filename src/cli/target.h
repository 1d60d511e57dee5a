/*
 * target: "web" and "web.2" on the command line, resolved against the apps of a master. An app's
 * name may itself end in a dot and digits ("v1.2"): the exact name wins.
 */
#ifndef BROOD_CLI_TARGET_H
#define BROOD_CLI_TARGET_H

#include <jansson.h>
#include <stdbool.h>

#define TARGET_ALL_SLOTS (-1)

/* The app object in a status result that text names, or NULL. *ret_slot (may be NULL) is the
 * slot or TARGET_ALL_SLOTS; whether the app has such a slot is for the master to say. */
const json_t *target_find_app(const json_t *status, const char *text, int *ret_slot);
/* Splits text into app (malloc) and slot by the apps of status; by the look of it where status
 * knows no such app, or is NULL. NULL without memory. */
char *target_split(const json_t *status, const char *text, int *ret_slot);
/* Whether text may name a slot: ends in a dot and a number. */
bool target_may_be_slot(const char *text);
/* The only app, or NULL. */
const json_t *target_only_app(const json_t *status);

#endif
