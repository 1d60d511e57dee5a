/*
 * jsontext: JSON looked at and written as text, where a tree would cost more than it tells: what a
 * worker sent is checked and handed on byte for byte, and its outermost members are found. Pure.
 */
#ifndef BROOD_IPC_JSONTEXT_H
#define BROOD_IPC_JSONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct str;

#define JSON_TEXT_DEPTH_MAX 1024

/* One member of the outermost object. Both point into the text. */
struct json_member {
	const char *key; /* between its quotes, escapes as they are */
	size_t key_len;
	const char *value;
	size_t value_len;
};

typedef void (*json_member_fn)(void *arg, const struct json_member *m);

/* Whether text is one well-formed JSON value, nested no deeper than JSON_TEXT_DEPTH_MAX. fn (may be
 * NULL) is called for each member of the outermost object, in order, also where a fault follows. */
bool json_text_scan(const char *text, size_t len, json_member_fn fn, void *arg);
/* text as a JSON string with its quotes. */
void json_text_add_string(struct str *out, const char *text, size_t len);

#endif
