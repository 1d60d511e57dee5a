/*
 * control: what the master says to a worker, frame by frame (brood-protocol(7)). Pure: text in,
 * plain fields out. A frame that cannot be read is CONTROL_NOTHING: the master may be newer than
 * this library, and a worker does not die of a word that it does not know.
 */
#ifndef BROOD_WORKER_CONTROL_H
#define BROOD_WORKER_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is nested deeper is not of the master's making. */
#define CONTROL_DEPTH_MAX 16

enum control_kind {
	CONTROL_NOTHING,
	CONTROL_HELLO,
	CONTROL_DRAIN,
	CONTROL_MESSAGE,
	CONTROL_LEADER,
	CONTROL_PING,
	CONTROL_RING,
	CONTROL_CONNECTION,
	CONTROL_KIND_MAX
};

struct control {
	enum control_kind kind;
	int64_t deadline_ms; /* of drain; -1: it was not said */
	int64_t id; /* of ping; -1: it was not said */
	bool is_leader; /* of hello and leader */
	bool has_more; /* of ring: its list goes on in the next frame */
	const char *from; /* of message; "" if it was not said */
	const char *listener; /* of connection; "" if it was not said */
	char *data; /* of message: JSON on one line */
	size_t data_len;
	const json_t *listeners, *own; /* of ring: arrays, or NULL */
	json_t *root;
};

/* frame: one line without its newline. control_done() frees what ret points to, whatever it is. */
void control_read(const char *frame, size_t len, struct control *ret);
void control_done(struct control *c);

size_t control_listeners(const struct control *c);
/* Name i; "" for what is no string. */
const char *control_listener(const struct control *c, size_t i);
/* The i-th place of the own slot, or -1 for what is no place. False: there are not so many. */
bool control_own(const struct control *c, size_t i, int64_t *ret_place);

#endif
