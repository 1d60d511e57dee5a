/*
 * json: how this room puts things into JSON. A value that could not be made for lack of memory
 * leaves its member out; nothing fails for it.
 */
#ifndef BROOD_CTL_JSON_H
#define BROOD_CTL_JSON_H

#include <jansson.h>
#include <stdint.h>

/* Sets a member; value is stolen, NULL is fine. */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_text(json_t *object, const char *key, const char *text);
void json_put_count(json_t *object, const char *key, uint64_t n);
/* Text as it is, or escaped where it is not valid UTF-8 (a reason that was cut in a character). */
json_t *json_shown(const char *text);
/* "2026-11-21T02:29:00.123Z" */
json_t *json_wall_time(uint64_t wall_ms);
/* A finite number: an integer where it is one. */
json_t *json_plain_number(double value);

#endif
