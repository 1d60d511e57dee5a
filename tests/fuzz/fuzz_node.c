/*
 * fuzz_node: whatever a Node worker writes in a line, what comes out is within bounds and within the
 * line, what is handed on is one line of JSON, and what we answer is, too.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/frame.h"
#include "ipc/jsontext.h"
#include "ipc/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a worker wrote of its own it gets back as it was; the library reads no other than UTF-8. */
static bool is_utf8;

static bool
check_utf8(const char *text, size_t len)
{
	size_t n;

	for (; len > 0; text += n, len -= n)
		if ((n = utf8_sequence(text, len)) == 0)
			return false;
	return true;
}

static void
check_word(const char *text, size_t size)
{
	if (strnlen(text, size) == size)
		abort();
}

static void
check_inside(const char *line, size_t size, const char *part, size_t len)
{
	if (part && (part < line || len > size || part + len > line + size))
		abort();
}

/* One line, and JSON as a library has it; behind Bun's byte where that was asked for. */
static void
check_line(struct str *line, bool prefix)
{
	json_t *back;

	if (str_failed(line))
		abort();
	if (memchr(line->data, '\n', line->len) != line->data + line->len - 1)
		abort();
	if (prefix != (line->data[0] == 0x02))
		abort();
	back = json_loadb(
	    line->data + prefix, line->len - prefix, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!back && is_utf8)
		abort();
	json_decref(back);
	str_free(line);
}

/* What the library takes, our scan takes: nothing of a program's is lost. */
static json_t *
check_scan(const char *line, size_t size, bool *ret_well)
{
	json_t *tree = json_loadb(line, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	*ret_well = json_text_scan(line, size, NULL, NULL);
	/* Of the library's own limit of depth ours is half; and it stops reading at a NUL. */
	if (tree && !*ret_well && !memchr(line, '\0', size) && frame_json_depth(line, size, JSON_TEXT_DEPTH_MAX) <= JSON_TEXT_DEPTH_MAX)
		abort();
	return tree;
}

static void
answer(const struct node_msg *m)
{
	const struct node_query *q = &m->query;
	struct node_answer a = {
	    .key = q->key, .ack = m->seq, .seq = 7, .data = q->data, .data_len = q->data_len};
	struct str line = {0};
	json_t *data = q->data ? json_loadb(q->data, q->data_len,
	                             JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
	                       : NULL;

	/* Numbers and strings that the library does not take are the program's own; it reads them. */
	if (!data)
		a.data = NULL;
	json_decref(data);
	node_add_answer_shared(&line, m->prefixed, &a);
	check_line(&line, m->prefixed);
	a.address = "127.0.0.1";
	a.family = "IPv4";
	a.port = 80;
	node_add_answer_plain(&line, m->prefixed, &a);
	check_line(&line, m->prefixed);
	a.error = -98;
	node_add_answer_error(&line, m->prefixed, &a);
	check_line(&line, m->prefixed);
	node_add_connection(&line, m->prefixed, q->key, 1);
	if (!node_is_connection(line.data, line.len))
		abort();
	check_line(&line, m->prefixed);
}

static void
check_message(const char *line, size_t size, const struct node_msg *m, bool whole)
{
	struct str out = {0};

	if ((unsigned)m->kind >= NODE_KIND_MAX)
		abort();
	check_word(m->type, sizeof(m->type));
	check_word(m->dgram_type, sizeof(m->dgram_type));
	check_word(m->key, sizeof(m->key));
	check_inside(line, size, m->text, m->len);
	if (m->kind == NODE_QUERY || m->kind == NODE_LISTENING) {
		const struct node_query *q = &m->query;

		check_word(q->key, sizeof(q->key));
		check_word(q->address, sizeof(q->address));
		check_inside(line, size, q->data, q->data_len);
		if (q->index > NODE_INDEX_MAX || q->port < -1 || q->port > 65535)
			abort();
		answer(m);
	}
	if (m->kind == NODE_SOCKET_GET_COUNT) {
		node_add_socket_count(&out, m->prefixed, m->key);
		check_line(&out, m->prefixed);
	}
	if (m->kind == NODE_USER && m->well_formed && whole) {
		json_t *tree = json_loadb(m->text, m->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		if (!tree)
			return;
		json_decref(tree);
		node_add_user(&out, m->text, m->len);
		check_line(&out, false);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data;
	struct node_msg m;
	json_t *tree;
	bool well;

	if (size == 0 || memchr(data, '\n', size) != NULL)
		return 0;
	is_utf8 = check_utf8(line, size);
	tree = check_scan(line, size, &well);
	node_decode(line, size, false, &m);
	if (m.kind == NODE_USER && !m.prefixed && m.well_formed != well)
		abort();
	check_message(line, size, &m, true);
	node_decode(line, size, true, &m);
	check_message(line, size, &m, false);
	json_decref(tree);
	return 0;
}
