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

/* As many items as jansson finds; whatever they are, reading them ends within the text. */
static void
compare_lists(const json_t *frame, struct control k)
{
	const json_t *listeners = json_object_get(frame, "listeners");
	const json_t *own = json_object_get(frame, "own");
	size_t names = 0, places = 0;
	char name[16];
	long place;

	while (control_next_name(&k.listeners, name, sizeof name)) {
		const json_t *item = json_array_get(listeners, names++);
		const char *text = json_string_value(item);

		check(strlen(name) < sizeof name, "a name is cut");
		if (text != NULL && name[0] != '\0')
			check(strncmp(name, text, strlen(name)) == 0, "a name is what was said");
	}
	while (control_next_place(&k.own, &place)) {
		const json_t *item = json_array_get(own, places++);

		check(place >= -1, "no negative places");
		if (place >= 0)
			check(json_is_integer(item) && json_integer_value(item) == place,
			    "a place is what was said");
	}
	check(names == json_array_size(listeners), "each name is found");
	check(places == json_array_size(own), "each place is found");
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
	if (k.kind == CONTROL_RING)
		check(strcmp(word, "ring") == 0, "a ring is a ring");
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
			compare_lists(frame, k);
		}
	}
	json_decref(frame);
	return 0;
}
