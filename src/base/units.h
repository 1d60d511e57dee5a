/*
 * units: the little languages of configuration values, and names of signals. Strict: the whole
 * text must match, no leading zeros, no sign, no overflow, no spaces (C2, T3).
 */
#ifndef BROOD_BASE_UNITS_H
#define BROOD_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "500ms" "30s" "5m" "2h", a bare number is seconds ("0" included). Result in milliseconds.
 * 0 or -EINVAL, -ERANGE. */
int units_parse_duration_ms(const char *text, uint64_t *ret_ms);
/* "64K" "512M" "2G", a bare number is bytes. 0 or -EINVAL, -ERANGE. */
int units_parse_size(const char *text, uint64_t *ret_bytes);
/* Decimal without sign. 0 or -EINVAL, -ERANGE. */
int units_parse_uint(const char *text, uint64_t max, uint64_t *ret);
/* Shortest exact form that parses back: 90000 -> "90s", 300000 -> "5m". */
void units_format_duration_ms(uint64_t ms, char *buf, size_t size);
/* For people: "1.4s" "3m12s" "2h05m" "4d06h". */
void units_format_age_ms(uint64_t ms, char *buf, size_t size);
/* Shortest exact form that parses back: 65536 -> "64K". */
void units_format_size(uint64_t bytes, char *buf, size_t size);

/* "TERM", "SIGTERM", "term", "15", "RTMIN+3" -> number, or -EINVAL. */
int signal_from_string(const char *text);
/* "TERM" for 15; a number as text for what has no name. Static or per-call buffer of 16. */
const char *signal_to_string(int sig, char buf[16]);

/* [A-Za-z0-9_.-]{1,48}, not "." or "..": what may become part of a path. */
bool name_is_valid(const char *name);

#endif
