/*
 * control: see control.h.
 */
#include "worker/control.h"

#include <stdlib.h>
#include <string.h>

#include "ipc/frame.h"

/* Times and ids beyond are no times and ids. */
#define NUMBER_MAX (INT64_C(1) << 53)

static const char *const names[CONTROL_KIND_MAX] = {
    [CONTROL_HELLO] = "hello",
    [CONTROL_DRAIN] = "drain",
    [CONTROL_MESSAGE] = "message",
    [CONTROL_LEADER] = "leader",
    [CONTROL_PING] = "ping",
    [CONTROL_RING] = "ring",
    [CONTROL_CONNECTION] = "connection",
};

static enum control_kind
kind_of(const json_t *root)
{
	const char *name = json_string_value(json_object_get(root, "brood"));

	for (int kind = 0; name != NULL && kind < CONTROL_KIND_MAX; kind++) {
		if (names[kind] != NULL && strcmp(names[kind], name) == 0)
			return (enum control_kind)kind;
	}
	return CONTROL_NOTHING;
}

static int64_t
number_of(const json_t *v)
{
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;

	return n < 0 || n > NUMBER_MAX ? -1 : (int64_t)n;
}

static const json_t *
list_of(const json_t *root, const char *member)
{
	const json_t *v = json_object_get(root, member);

	return json_is_array(v) ? v : NULL;
}

static const char *
text_of(const json_t *v)
{
	const char *text = json_string_value(v);

	return text != NULL ? text : "";
}

/* As text again, since the program on the other side of brood.h shall choose how it reads JSON. */
static bool
read_message(struct control *c)
{
	const json_t *data = json_object_get(c->root, "data");

	c->from = text_of(json_object_get(c->root, "from"));
	c->data = data != NULL ? json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	c->data_len = c->data != NULL ? strlen(c->data) : 0;
	return c->data != NULL;
}

static void
read_members(struct control *c)
{
	const json_t *root = c->root;

	switch (c->kind) {
	case CONTROL_HELLO:
		c->is_leader = json_is_true(json_object_get(root, "leader"));
		break;
	case CONTROL_LEADER:
		c->is_leader = json_is_true(json_object_get(root, "value"));
		break;
	case CONTROL_DRAIN:
		c->deadline_ms = number_of(json_object_get(root, "deadline_ms"));
		break;
	case CONTROL_PING:
		c->id = number_of(json_object_get(root, "id"));
		break;
	case CONTROL_MESSAGE:
		if (!read_message(c))
			c->kind = CONTROL_NOTHING;
		break;
	case CONTROL_RING:
		c->has_more = json_is_true(json_object_get(root, "more"));
		c->listeners = list_of(root, "listeners");
		c->own = list_of(root, "own");
		break;
	case CONTROL_CONNECTION:
		c->listener = text_of(json_object_get(root, "listener"));
		break;
	case CONTROL_NOTHING:
	case CONTROL_KIND_MAX:
		break;
	}
}

void
control_read(const char *frame, size_t len, struct control *ret)
{
	*ret = (struct control){.deadline_ms = -1, .id = -1, .from = "", .listener = ""};
	if (frame_json_depth(frame, len, CONTROL_DEPTH_MAX) > CONTROL_DEPTH_MAX)
		return;
	ret->root = json_loadb(frame, len, JSON_REJECT_DUPLICATES, NULL);
	ret->kind = kind_of(ret->root);
	read_members(ret);
}

void
control_done(struct control *c)
{
	free(c->data); /* jansson's */
	json_decref(c->root);
	*c = (struct control){.kind = CONTROL_NOTHING};
}

size_t
control_listeners(const struct control *c)
{
	return json_array_size(c->listeners);
}

const char *
control_listener(const struct control *c, size_t i)
{
	return text_of(json_array_get(c->listeners, i));
}

bool
control_own(const struct control *c, size_t i, int64_t *ret_place)
{
	if (i >= json_array_size(c->own))
		return false;
	*ret_place = number_of(json_array_get(c->own, i));
	return true;
}
