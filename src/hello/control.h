/*
 * control: reads the few control frames that the master sends to this worker.
 *
 * A hand-made scan and not jansson, for two reasons: the worker must be up in a millisecond, and
 * each further shared library costs a tenth of that; and the frames that matter are two, flat and
 * from the master that started us. It is strict all the same (a frame that is no JSON object is
 * nothing), bounded in depth, and a fuzz target holds it against jansson.
 */
#ifndef BROOD_HELLO_CONTROL_H
#define BROOD_HELLO_CONTROL_H

#include <stddef.h>

enum control_kind {
	CONTROL_OTHER, /* hello, leader, message, a thing of the future, or no frame at all */
	CONTROL_DRAIN,
	CONTROL_PING,
};

struct control {
	enum control_kind kind;
	long deadline_ms; /* of drain; -1 when it was not said */
	long long id; /* of ping; -1 when it was not said */
};

/* line: one frame without its newline. */
struct control control_scan(const char *line, size_t len);

#endif
