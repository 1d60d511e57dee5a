/*
 * when: times of the protocol ("2026-11-21T02:29:00.123Z") for people.
 */
#ifndef BROOD_CLI_WHEN_H
#define BROOD_CLI_WHEN_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970, or -EINVAL. */
int when_parse(const char *text, uint64_t *ret_ms);
/* Local time "02:29:00", with the date before it unless it is today; "?" when it is no time. */
void when_format(const char *text, char *buf, size_t size);
/* "2m05s ago". */
void when_format_ago(const char *text, char *buf, size_t size);

#endif
