/*
 * node: see the header. Fields that are absent, null or of a kind that nobody expects are the same
 * to us, but in a key, which shows which of these it was.
 */
#include "ipc/node.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ipc/jsontext.h"

#define BUN_PREFIX  '\x02'
#define HANDLE_HEAD "{\"cmd\":\"NODE_HANDLE\","
#define CONN_HEAD                                                                        \
	HANDLE_HEAD "\"type\":\"net.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\",\"act\":" \
	            "\"newconn\","

static const char *const kind_names[NODE_KIND_MAX] = {
    [NODE_USER] = "user",
    [NODE_HANDLE] = "NODE_HANDLE",
    [NODE_HANDLE_ACK] = "NODE_HANDLE_ACK",
    [NODE_HANDLE_NACK] = "NODE_HANDLE_NACK",
    [NODE_ONLINE] = "online",
    [NODE_QUERY] = "queryServer",
    [NODE_LISTENING] = "listening",
    [NODE_CLOSE] = "close",
    [NODE_LEAVES] = "exitedAfterDisconnect",
    [NODE_REPLY] = "reply",
    [NODE_SOCKET_NOTIFY_CLOSE] = "NODE_SOCKET_NOTIFY_CLOSE",
    [NODE_SOCKET_GET_COUNT] = "NODE_SOCKET_GET_COUNT",
    [NODE_IGNORED] = "ignored",
};

const char *
node_kind_to_string(enum node_kind kind)
{
	return (unsigned)kind < NODE_KIND_MAX ? kind_names[kind] : "?";
}

/* --- reading -------------------------------------------------------------------------------- */

/* What a key shows of a field. */
struct shown {
	char text[NODE_ADDRESS_MAX + 8];
};

struct reading {
	struct node_msg *m;
	char cmd[32], act[32];
	bool has_ack;
	struct shown address, port, type, fd;
	const char *inner; /* "msg" */
	size_t inner_len;
};

/* The decoded string, cut to size; its whole length, or -1 when it is no string. May hold NULs. */
static int
read_string(const struct json_member *v, char *buf, size_t size)
{
	const char *text = v->value + 1;
	json_t *decoded = NULL;
	size_t len;

	buf[0] = '\0';
	if (v->value[0] != '"')
		return -1;
	len = v->value_len - 2;
	if (memchr(text, '\\', len)) {
		decoded =
		    json_loadb(v->value, v->value_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (!decoded)
			return -1;
		text = json_string_value(decoded);
		len = json_string_length(decoded);
	}
	if (len > INT32_MAX)
		len = INT32_MAX;
	memcpy(buf, text, len < size ? len : size - 1);
	buf[len < size ? len : size - 1] = '\0';
	json_decref(decoded);
	return (int)len;
}

static bool
read_number(const struct json_member *v, double least, double most, double *ret)
{
	char buf[32];

	if (v->value_len >= sizeof(buf) ||
	    (v->value[0] != '-' && (v->value[0] < '0' || v->value[0] > '9')))
		return false;
	memcpy(buf, v->value, v->value_len);
	buf[v->value_len] = '\0';
	*ret = strtod(buf, NULL);
	if (*ret < least)
		*ret = least;
	if (*ret > most)
		*ret = most;
	return true;
}

static int
read_int(const struct json_member *v, int otherwise)
{
	double d;

	return read_number(v, -1, INT32_MAX, &d) ? (int)d : otherwise;
}

static bool
is_true(const struct json_member *v)
{
	return v->value[0] == 't';
}

static void
show(struct shown *to, const struct json_member *v)
{
	size_t len = v->value_len < sizeof(to->text) ? v->value_len : sizeof(to->text) - 1;

	memcpy(to->text, v->value, len);
	to->text[len] = '\0';
}

static void
take_address(struct reading *r, const struct json_member *v)
{
	struct node_query *q = &r->m->query;
	char buf[4096 + NODE_ADDRESS_MAX]; /* a directory goes before the name of an abstract one */
	int len = read_string(v, buf, sizeof(buf));
	const char *text = buf, *nul;

	if (len < 0) {
		show(&r->address, v);
		return;
	}
	q->too_long = len >= (int)sizeof(buf);
	if (q->too_long)
		len = (int)sizeof(buf) - 1;
	nul = memchr(buf, '\0', (size_t)len);
	q->abstract = nul != NULL;
	if (nul) {
		text = nul + 1;
		len -= (int)(text - buf);
	}
	/* A NUL in the name of an abstract one would do, if anybody could say it. */
	q->too_long |= len >= NODE_ADDRESS_MAX || strlen(text) != (size_t)len;
	snprintf(q->address, sizeof(q->address), "%.*s", NODE_ADDRESS_MAX - 1, text);
	snprintf(r->address.text, sizeof(r->address.text), "%s%s", nul ? "@" : "", q->address);
}

static void
take_type(struct reading *r, const struct json_member *v)
{
	struct node_query *q = &r->m->query;
	char word[8];

	if (read_string(v, word, sizeof(word)) < 0) {
		int n = read_int(v, 0);

		show(&r->type, v);
		q->type = n == 4 || n == 6 ? NODE_ADDRESS_TCP
		          : n == -1        ? NODE_ADDRESS_PATH
		          : n == 0         ? NODE_ADDRESS_NONE
		                           : NODE_ADDRESS_UNKNOWN;
		return;
	}
	snprintf(r->type.text, sizeof(r->type.text), "%s", word);
	q->type = strcmp(word, "udp4") == 0   ? NODE_ADDRESS_UDP4
	          : strcmp(word, "udp6") == 0 ? NODE_ADDRESS_UDP6
	                                      : NODE_ADDRESS_UNKNOWN;
}

static void
take_port(struct reading *r, const struct json_member *v)
{
	r->m->query.port = read_int(v, -1);
	show(&r->port, v);
}

static void
take_fd(struct reading *r, const struct json_member *v)
{
	r->m->query.fd = read_int(v, -1);
	show(&r->fd, v);
}

static void
take_index(struct reading *r, const struct json_member *v)
{
	int n = read_int(v, 0);

	r->m->query.index = n < 0 ? 0 : n > NODE_INDEX_MAX ? NODE_INDEX_MAX : (unsigned)n;
}

static void
take_backlog(struct reading *r, const struct json_member *v)
{
	int n = read_int(v, 0);

	r->m->query.backlog = n > 0 ? n : NODE_BACKLOG;
}

static void
take_flags(struct reading *r, const struct json_member *v)
{
	r->m->query.v6only = read_int(v, 0) & 1;
}

static void
take_data(struct reading *r, const struct json_member *v)
{
	r->m->query.data = v->value;
	r->m->query.data_len = v->value_len;
}

static void
take_readable_all(struct reading *r, const struct json_member *v)
{
	r->m->query.readable_all = is_true(v);
}

static void
take_writable_all(struct reading *r, const struct json_member *v)
{
	r->m->query.writable_all = is_true(v);
}

/* An integer that a double holds exactly: no counter goes beyond. */
static bool
read_counter(const struct json_member *v, uint64_t *ret)
{
	double d;

	if (!read_number(v, 0, 9007199254740992.0, &d))
		return false;
	*ret = (uint64_t)d;
	return true;
}

static void
take_seq(struct reading *r, const struct json_member *v)
{
	r->m->has_seq = read_counter(v, &r->m->seq);
}

static void
take_ack(struct reading *r, const struct json_member *v)
{
	r->has_ack = read_counter(v, &r->m->ack);
}

static void
take_accepted(struct reading *r, const struct json_member *v)
{
	r->m->accepted = is_true(v);
}

static void
take_cmd(struct reading *r, const struct json_member *v)
{
	(void)read_string(v, r->cmd, sizeof(r->cmd));
}

static void
take_act(struct reading *r, const struct json_member *v)
{
	(void)read_string(v, r->act, sizeof(r->act));
}

static void
take_handle_type(struct reading *r, const struct json_member *v)
{
	(void)read_string(v, r->m->type, sizeof(r->m->type));
}

static void
take_dgram_type(struct reading *r, const struct json_member *v)
{
	(void)read_string(v, r->m->dgram_type, sizeof(r->m->dgram_type));
}

static void
take_key(struct reading *r, const struct json_member *v)
{
	(void)read_string(v, r->m->key, sizeof(r->m->key));
}

static void
take_inner(struct reading *r, const struct json_member *v)
{
	r->inner = v->value;
	r->inner_len = v->value_len;
}

static void
on_member(void *arg, const struct json_member *v)
{
	static const struct {
		const char *name;
		void (*take)(struct reading *r, const struct json_member *v);
	} fields[] = {
	    {"cmd", take_cmd},
	    {"act", take_act},
	    {"type", take_handle_type},
	    {"key", take_key},
	    {"dgramType", take_dgram_type},
	    {"msg", take_inner},
	    {"seq", take_seq},
	    {"ack", take_ack},
	    {"accepted", take_accepted},
	    {"address", take_address},
	    {"addressType", take_type},
	    {"port", take_port},
	    {"fd", take_fd},
	    {"index", take_index},
	    {"backlog", take_backlog},
	    {"flags", take_flags},
	    {"data", take_data},
	    {"readableAll", take_readable_all},
	    {"writableAll", take_writable_all},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == v->key_len &&
		    memcmp(fields[i].name, v->key, v->key_len) == 0)
			fields[i].take(arg, v);
}

static void
forget(struct reading *r, struct node_msg *m)
{
	*r = (struct reading){.m = m};
	m->type[0] = m->dgram_type[0] = m->key[0] = '\0';
	m->query.port = m->query.fd = -1;
	m->query.backlog = NODE_BACKLOG;
	snprintf(r->address.text, sizeof(r->address.text), "undefined");
	r->port = r->type = r->fd = r->address;
}

static bool
read_object(struct reading *r, struct node_msg *m, const char *text, size_t len)
{
	forget(r, m);
	return json_text_scan(text, len, on_member, r);
}

static bool
is_internal(const struct reading *r)
{
	return strncmp(r->cmd, "NODE_", 5) == 0 && r->cmd[5] != '\0';
}

/* A socket that did not arrive is sent again wrapped a second time. */
static void
read_handle(struct reading *r)
{
	struct node_msg *m = r->m;
	struct node_msg outer = *m;
	const char *text = r->inner;
	size_t len = r->inner_len;

	m->kind = NODE_HANDLE;
	if (!text || !read_object(r, m, text, len) || !is_internal(r)) {
		memcpy(m->type, outer.type, sizeof(m->type));
		memcpy(m->dgram_type, outer.dgram_type, sizeof(m->dgram_type));
		memcpy(m->key, outer.key, sizeof(m->key));
		m->text = text;
		m->len = text ? len : 0;
	} else if (strcmp(r->cmd, "NODE_HANDLE") == 0) {
		m->text = r->inner;
		m->len = r->inner ? r->inner_len : 0;
	}
}

static enum node_kind
kind_of_act(const char *act)
{
	static const enum node_kind acts[] = {
	    NODE_ONLINE, NODE_QUERY, NODE_LISTENING, NODE_CLOSE, NODE_LEAVES};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(act, kind_names[acts[i]]) == 0)
			return acts[i];
	return NODE_IGNORED;
}

static enum node_kind
kind_of_cmd(const char *cmd)
{
	static const enum node_kind cmds[] = {
	    NODE_HANDLE_ACK, NODE_HANDLE_NACK, NODE_SOCKET_NOTIFY_CLOSE, NODE_SOCKET_GET_COUNT};

	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		if (strcmp(cmd, kind_names[cmds[i]]) == 0)
			return cmds[i];
	return NODE_IGNORED;
}

static void
read_internal(struct reading *r)
{
	struct node_msg *m = r->m;
	struct node_query *q = &m->query;

	if (strcmp(r->cmd, "NODE_HANDLE") == 0)
		read_handle(r);
	else if (strcmp(r->cmd, "NODE_CLUSTER") != 0)
		m->kind = kind_of_cmd(r->cmd);
	else if (r->has_ack)
		m->kind = NODE_REPLY;
	else
		m->kind = kind_of_act(r->act);
	if (m->kind == NODE_QUERY || m->kind == NODE_LISTENING)
		snprintf(q->key, sizeof(q->key), "%s:%.15s:%.15s:%.15s:%u", r->address.text,
		    r->port.text, r->type.text, r->fd.text, q->index);
}

/* The beginning of a line, or one that is nested too deeply for us: a handle must be answered all
 * the same, and that is how Node begins one. */
static bool
looks_like_handle(const char *text, size_t len)
{
	return len >= strlen(HANDLE_HEAD) && memcmp(text, HANDLE_HEAD, strlen(HANDLE_HEAD)) == 0;
}

void
node_decode(const char *frame, size_t len, bool cut, struct node_msg *ret)
{
	struct reading r;

	memset(ret, 0, sizeof(*ret));
	ret->kind = NODE_USER;
	ret->text = frame;
	ret->len = len;
	if (len > 0 && frame[0] == BUN_PREFIX) {
		ret->prefixed = true;
		frame++;
		len--;
	}
	ret->well_formed = !cut && read_object(&r, ret, frame, len);
	if (ret->well_formed && !is_internal(&r))
		return;
	if (ret->well_formed) {
		ret->text = NULL;
		ret->len = 0;
		read_internal(&r);
	} else if (looks_like_handle(frame, len)) {
		ret->kind = NODE_HANDLE;
		ret->text = NULL;
		ret->len = 0;
	} else if (ret->prefixed) {
		ret->kind = NODE_IGNORED;
	}
}

/* --- writing -------------------------------------------------------------------------------- */

static void
begin(struct str *out, bool prefix)
{
	if (prefix)
		str_add_char(out, BUN_PREFIX);
}

static void
add_key(struct str *out, const char *key)
{
	str_add(out, ",\"key\":");
	json_text_add_string(out, key, strlen(key));
}

static void
add_ack_and_data(struct str *out, const struct node_answer *a)
{
	add_key(out, a->key);
	str_addf(out, ",\"ack\":%" PRIu64 ",\"data\":", a->ack);
	str_add_n(out, a->data ? a->data : "null", a->data ? a->data_len : 4);
}

void
node_add_answer_shared(struct str *out, bool prefix, const struct node_answer *a)
{
	begin(out, prefix);
	str_addf(out, HANDLE_HEAD "\"type\":\"%s.Native\",\"msg\":{\"cmd\":\"NODE_CLUSTER\"",
	    a->dgram ? "dgram" : "net");
	str_addf(out, ",\"errno\":%s", a->any_port ? "null" : "0");
	add_ack_and_data(out, a);
	str_addf(out, ",\"seq\":%" PRIu64 "}}\n", a->seq);
}

void
node_add_answer_plain(struct str *out, bool prefix, const struct node_answer *a)
{
	begin(out, prefix);
	str_add(out, "{\"cmd\":\"NODE_CLUSTER\",\"errno\":null");
	add_ack_and_data(out, a);
	if (a->address) {
		str_add(out, ",\"sockname\":{\"address\":");
		json_text_add_string(out, a->address, strlen(a->address));
		str_addf(out, ",\"family\":\"%s\",\"port\":%u}", a->family, (unsigned)a->port);
	}
	str_addf(out, ",\"seq\":%" PRIu64 "}\n", a->seq);
}

void
node_add_answer_error(struct str *out, bool prefix, const struct node_answer *a)
{
	begin(out, prefix);
	str_addf(out, "{\"cmd\":\"NODE_CLUSTER\",\"errno\":%d", a->error);
	add_ack_and_data(out, a);
	str_addf(out, ",\"seq\":%" PRIu64 "}\n", a->seq);
}

void
node_add_connection(struct str *out, bool prefix, const char *key, uint64_t seq)
{
	begin(out, prefix);
	str_add(out, CONN_HEAD "\"key\":");
	json_text_add_string(out, key, strlen(key));
	str_addf(out, ",\"seq\":%" PRIu64 "}}\n", seq);
}

bool
node_is_connection(const char *line, size_t len)
{
	if (len > 0 && line[0] == BUN_PREFIX) {
		line++;
		len--;
	}
	return len >= strlen(CONN_HEAD) && memcmp(line, CONN_HEAD, strlen(CONN_HEAD)) == 0;
}

void
node_add_disconnect(struct str *out, bool prefix, uint64_t seq)
{
	begin(out, prefix);
	str_addf(
	    out, "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\",\"seq\":%" PRIu64 "}\n", seq);
}

void
node_add_ack(struct str *out, bool prefix, uint64_t ack, uint64_t seq)
{
	begin(out, prefix);
	str_addf(
	    out, "{\"cmd\":\"NODE_CLUSTER\",\"ack\":%" PRIu64 ",\"seq\":%" PRIu64 "}\n", ack, seq);
}

void
node_add_handle_ack(struct str *out, bool prefix, bool arrived)
{
	begin(out, prefix);
	str_addf(out, "{\"cmd\":\"NODE_HANDLE_%s\"}\n", arrived ? "ACK" : "NACK");
}

void
node_add_socket_count(struct str *out, bool prefix, const char *key)
{
	begin(out, prefix);
	str_add(out, "{\"cmd\":\"NODE_SOCKET_COUNT\"");
	add_key(out, key);
	str_add(out, ",\"count\":0}\n");
}

void
node_add_all_closed(struct str *out, bool prefix, const char *key)
{
	begin(out, prefix);
	str_add(out, "{\"cmd\":\"NODE_SOCKET_ALL_CLOSED\"");
	add_key(out, key);
	str_add(out, "}\n");
}

void
node_add_ping(struct str *out, bool prefix)
{
	begin(out, prefix);
	str_add(out, "{\"cmd\":\"NODE_BROOD_PING\"}\n");
}

void
node_add_user(struct str *out, const char *text, size_t len)
{
	str_add_n(out, text, len);
	str_add_char(out, '\n');
}

void
node_add_user_handle(
    struct str *out, bool prefix, const struct node_msg *handle, const char *text, size_t len)
{
	begin(out, prefix);
	str_add(out, HANDLE_HEAD "\"type\":");
	json_text_add_string(out, handle->type, strlen(handle->type));
	str_add(out, ",\"msg\":");
	str_add_n(out, text, len);
	if (handle->key[0])
		add_key(out, handle->key);
	if (handle->dgram_type[0]) {
		str_add(out, ",\"dgramType\":");
		json_text_add_string(out, handle->dgram_type, strlen(handle->dgram_type));
	}
	str_add(out, "}\n");
}
