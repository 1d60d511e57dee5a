/*
 * control: reads the few control frames that the master sends to this worker.
 *
 * A hand-made scan and not jansson, for two reasons: the worker must be up in a millisecond, and
 * each further shared library costs a tenth of that; and the frames that matter are three, flat and
 * from the master that started us. It is strict all the same (a frame that is no JSON object is
 * nothing), bounded in depth, and a fuzz target holds it against jansson.
 */
#ifndef BROOD_HELLO_CONTROL_H
#define BROOD_HELLO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum control_kind {
	CONTROL_OTHER, /* hello, leader, message, a thing of the future, or no frame at all */
	CONTROL_DRAIN,
	CONTROL_PING,
	CONTROL_RING,
};

/* A list in the text of a frame, as long as that lives. */
struct control_list {
	const char *at, *end; /* NULL: there was none */
};

struct control {
	enum control_kind kind;
	long deadline_ms; /* of drain; -1 when it was not said */
	long long id; /* of ping; -1 when it was not said */
	bool more; /* of ring: its list goes on in the next frame */
	struct control_list listeners, own; /* of ring */
};

/* line: one frame without its newline. */
struct control control_scan(const char *line, size_t len);

/* Take one item off; false when there is no more. A name is cut to what buf holds; what is no
 * plain string, or no place in a list, becomes "", or -1. */
bool control_next_name(struct control_list *list, char *buf, size_t size);
bool control_next_place(struct control_list *list, long *ret_place);

#endif
