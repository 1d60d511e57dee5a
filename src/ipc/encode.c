/*
 * encode: messages and JSON-RPC as lines. A line comes out whole or not at all: half of one would
 * spoil what follows. Where memory ends the string says so (str_failed()).
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/str.h"
#include "ipc/jsontext.h"
#include "ipc/msg.h"

static void
add_json_integer(struct str *out, json_int_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char buf[24];
	size_t at = sizeof(buf);

	do {
		buf[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (n < 0)
		buf[--at] = '-';
	str_add_n(out, buf + at, sizeof(buf) - at);
}

static void
add_json_real(struct str *out, const json_t *v)
{
	char buf[64];
	size_t n = json_dumpb(v, buf, sizeof(buf), JSON_ENCODE_ANY);

	if (n > 0 && n <= sizeof(buf))
		str_add_n(out, buf, n);
	else
		out->failed = true;
}

/*
 * A tree as text. jansson's own dump looks for loops by way of a formatted pointer for each
 * object and takes five times as long, which the master would stand still for at each `status`
 * of a large cluster. No tree here has a loop: all were parsed or made by one function, and what
 * a worker sent had its depth checked.
 */
static void
add_tree(struct str *out, const json_t *v)
{
	json_t *object = (json_t *)(uintptr_t)v; /* iterating does not write */
	const char *comma = "";
	void *it;

	switch (json_typeof(v)) {
	case JSON_OBJECT:
		str_add_char(out, '{');
		for (it = json_object_iter(object); it != NULL;
		     it = json_object_iter_next(object, it)) {
			const char *key = json_object_iter_key(it);

			str_add(out, comma);
			json_text_add_string(out, key, strlen(key));
			str_add_char(out, ':');
			add_tree(out, json_object_iter_value(it));
			comma = ",";
		}
		str_add_char(out, '}');
		break;
	case JSON_ARRAY:
		str_add_char(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			str_add(out, i > 0 ? "," : "");
			add_tree(out, json_array_get(v, i));
		}
		str_add_char(out, ']');
		break;
	case JSON_STRING:
		json_text_add_string(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		add_json_integer(out, json_integer_value(v));
		break;
	case JSON_REAL:
		add_json_real(out, v);
		break;
	case JSON_TRUE:
		str_add(out, "true");
		break;
	case JSON_FALSE:
		str_add(out, "false");
		break;
	case JSON_NULL:
		str_add(out, "null");
		break;
	}
}

/* Takes back a line that could not be completed: half of one would spoil the next. */
static void
end_line(struct str *out, size_t begin, bool ok)
{
	str_add_char(out, '\n');
	if (ok && !str_failed(out))
		return;
	out->failed = true;
	out->len = begin;
	if (out->data != NULL)
		out->data[begin] = '\0';
}

static bool
add_json(struct str *out, const json_t *v)
{
	if (v == NULL)
		return false;
	add_tree(out, v);
	return !str_failed(out);
}

/* One line of JSON; the tree is given up. NULL: there was no memory for it. */
static void
add_line(struct str *out, json_t *root)
{
	size_t begin = out->len;

	end_line(out, begin, add_json(out, root));
	json_decref(root);
}

void
msg_add_hello(struct str *out, const char *app, unsigned slot, unsigned generation, bool leader)
{
	add_line(out, json_pack("{s:s, s:i, s:s, s:I, s:I, s:b}", "brood", "hello", "version",
	                  RPC_PROTOCOL_VERSION, "app", app, "slot", (json_int_t)slot, "generation",
	                  (json_int_t)generation, "leader", leader));
}

void
msg_add_drain(struct str *out, uint64_t deadline_ms)
{
	str_addf(out, "{\"brood\":\"drain\",\"deadline_ms\":%" PRIu64 "}\n", deadline_ms);
}

void
msg_add_message(struct str *out, const char *from, const json_t *data)
{
	size_t begin = out->len;
	json_t *name = json_string(from);
	bool ok;

	str_add(out, "{\"brood\":\"message\",\"from\":");
	ok = add_json(out, name);
	str_add(out, ",\"data\":");
	ok = ok && add_json(out, data);
	str_add_char(out, '}');
	end_line(out, begin, ok);
	json_decref(name);
}

void
msg_add_leader(struct str *out, bool leader)
{
	str_addf(out, "{\"brood\":\"leader\",\"value\":%s}\n", leader ? "true" : "false");
}

void
msg_add_ping(struct str *out, uint64_t id)
{
	str_addf(out, "{\"brood\":\"ping\",\"id\":%" PRIu64 "}\n", id);
}

void
msg_add_ring(struct str *out, const char *const *names, size_t n, const unsigned *own,
    size_t own_len, bool more)
{
	size_t begin = out->len;

	str_addf(out, "{\"brood\":\"ring\",%s\"listeners\":[", more ? "\"more\":true," : "");
	for (size_t i = 0; i < n; i++) {
		str_add(out, i > 0 ? "," : "");
		json_text_add_string(out, names[i], strlen(names[i]));
	}
	str_add(out, "],\"own\":[");
	for (size_t i = 0; i < own_len; i++)
		str_addf(out, "%s%u", i > 0 ? "," : "", own[i]);
	str_add(out, "]}");
	end_line(out, begin, true);
}

void
msg_add_connection(struct str *out, const char *listener)
{
	size_t begin = out->len;

	str_add(out, "{\"brood\":\"connection\",\"listener\":");
	json_text_add_string(out, listener, strlen(listener));
	str_add_char(out, '}');
	end_line(out, begin, true);
}

void
msg_add_ready(struct str *out)
{
	str_add(out, "{\"brood\":\"ready\"}\n");
}

void
msg_add_stopping(struct str *out)
{
	str_add(out, "{\"brood\":\"stopping\"}\n");
}

/* id NULL: null, for an answer to what could not be read. */
static json_t *
copy_id(const json_t *id)
{
	if (json_is_integer(id))
		return json_integer(json_integer_value(id));
	if (json_is_string(id))
		return json_stringn(json_string_value(id), json_string_length(id));
	return json_null();
}

void
rpc_add_request(struct str *out, json_int_t id, const char *method, json_t *params)
{
	json_t *root = json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", id, "method", method);

	if (params != NULL && json_object_set_new(root, "params", params) < 0) {
		json_decref(root);
		root = NULL;
	}
	add_line(out, root);
}

void
rpc_add_result(struct str *out, const json_t *id, json_t *result)
{
	add_line(out, json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id), "result",
	                  result != NULL ? result : json_null()));
}

void
rpc_add_error(struct str *out, const json_t *id, int code, const char *message, json_t *data)
{
	json_t *error = json_pack("{s:i, s:s}", "code", code, "message", message);

	if (data != NULL && json_object_set_new(error, "data", data) < 0) {
		json_decref(error);
		error = NULL;
	}
	add_line(
	    out, json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id), "error", error));
}

void
rpc_add_notification(struct str *out, const char *method, json_t *params)
{
	json_t *root = json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", method);

	if (params != NULL && json_object_set_new(root, "params", params) < 0) {
		json_decref(root);
		root = NULL;
	}
	add_line(out, root);
}
