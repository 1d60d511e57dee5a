/*
 * Fuzz target: the scan of control frames in brood-hello, held against jansson: what jansson
 * takes as an object with these members, the scan has to understand the same way.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "hello/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int right, const char *what)
{
	if (!right) {
		fprintf(stderr, "broken: %s\n", what);
		abort();
	}
}

static int
depth_of(const json_t *v)
{
	int most = 0, d;
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach((json_t *)v, key, member)
	{
		d = depth_of(member);
		most = d > most ? d : most;
	}
	json_array_foreach(v, i, member)
	{
		d = depth_of(member);
		most = d > most ? d : most;
	}
	return json_is_object(v) || json_is_array(v) ? most + 1 : 0;
}

/* Names and words with escapes are not spelled so by the master, and are nothing to the scan. */
static void
compare(const json_t *frame, struct control k)
{
	const char *word = json_string_value(json_object_get(frame, "brood"));
	const json_t *deadline = json_object_get(frame, "deadline_ms");

	word = word != NULL ? word : "";
	if (k.kind == CONTROL_DRAIN)
		check(strcmp(word, "drain") == 0, "a drain is a drain");
	if (k.kind == CONTROL_PING)
		check(strcmp(word, "ping") == 0, "a ping is a ping");
	if (k.deadline_ms >= 0)
		check(json_is_integer(deadline) && json_integer_value(deadline) == k.deadline_ms,
		    "the deadline is the number that was said");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct control k = control_scan(text, size);
	json_error_t e;
	json_t *frame;

	/* jansson 2.14 reads over a NUL behind a number; the scan does not, and need not. */
	if (memchr(text, '\0', size) != NULL)
		return 0;
	frame = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);
	check(k.deadline_ms >= -1 && k.id >= -1, "no negative numbers");
	if (json_is_object(frame)) {
		compare(frame, k);
		if (memchr(text, '\\', size) == NULL && depth_of(frame) <= 15) {
			const char *word = json_string_value(json_object_get(frame, "brood"));

			check((word != NULL && strcmp(word, "drain") == 0) ==
			          (k.kind == CONTROL_DRAIN),
			    "each drain is understood");
		}
	}
	json_decref(frame);
	return 0;
}
