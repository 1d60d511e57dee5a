/*
 * msg: the channel's messages, decoded. Nothing is kept between calls and nothing is decided: what
 * a message does to a worker is the core's business. What goes out is in encode.c.
 *
 * Order matters for what comes from a worker (W3): whether a frame is ours is found by a scan
 * that builds nothing; only a control frame is parsed, after its depth and its number of values
 * were seen to be small, since a few bytes of JSON may cost fifty times their size as a tree.
 */
#include "ipc/msg.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "ipc/frame.h"

/* More values than this in one frame are refused. 64 KiB can't hold as many. */
#define MSG_VALUES_MAX 65536
/* Largest integer that a double holds exactly: no counter of a worker goes beyond. */
#define COUNT_MAX  (UINT64_C(1) << 53)
#define LAG_MAX_US UINT64_C(1000000000)
#define LABELS_MAX 32

static const char *const kind_names[MSG_KIND_MAX] = {
    [MSG_APPLICATION] = "application",
    [MSG_READY] = "ready",
    [MSG_READY_BARE] = "ready (bare)",
    [MSG_BEAT] = "beat",
    [MSG_STATUS] = "status",
    [MSG_METRIC] = "metric",
    [MSG_SEND] = "send",
    [MSG_REPLACE] = "replace",
    [MSG_STOPPING] = "stopping",
    [MSG_PONG] = "pong",
    [MSG_RING] = "ring",
    [MSG_TAKE] = "take",
    [MSG_UNKNOWN] = "unknown",
    [MSG_FAULT] = "fault",
};

const char *
msg_kind_to_string(enum msg_kind kind)
{
	return (unsigned)kind < MSG_KIND_MAX ? kind_names[kind] : "?";
}

/*
 * Text that a worker chose, made safe and short. Cut between characters, so that neither an
 * escape nor a character is shown by half.
 */
static void
set_text(char *buf, size_t size, const char *text, size_t len)
{
	struct str s = {0};
	size_t kept = 0;

	while (len > 0) {
		size_t n = utf8_sequence(text, len);

		if (n == 0)
			n = 1;
		str_add_escaped(&s, text, n);
		if (str_failed(&s) || s.len >= size)
			break;
		kept = s.len;
		text += n;
		len -= n;
	}
	memcpy(buf, str_text(&s), kept);
	buf[kept] = '\0';
	str_free(&s);
}

static void
set_fault(struct msg *m, enum msg_kind kind, const char *text)
{
	m->kind = kind;
	set_text(m->text, sizeof(m->text), text, strlen(text));
}

static void
set_fault_of(struct msg *m, enum msg_kind kind, const char *member, const char *text)
{
	char buf[MSG_TEXT_MAX];

	(void)snprintf(buf, sizeof(buf), "%s: %s %s", msg_kind_to_string(m->kind), member, text);
	set_fault(m, kind, buf);
}

/* A whole number out of whatever number came, clamped to 0..max (W6). */
static bool
get_count(struct msg *m, const json_t *root, const char *member, uint64_t max, uint64_t *ret)
{
	const json_t *v = json_object_get(root, member);

	if (v == NULL)
		return false;
	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);

		*ret = n < 0 ? 0 : (uint64_t)n > max ? max : (uint64_t)n;
		return true;
	}
	if (json_is_real(v)) {
		double d = json_real_value(v);

		*ret = d > 0 ? (d >= (double)max ? max : (uint64_t)d) : 0;
		return true;
	}
	set_fault_of(m, MSG_FAULT, member, "is not a number");
	return false;
}

static void
read_beat(struct msg *m, const json_t *root)
{
	const json_t *busy = json_object_get(root, "busy");
	double value;

	m->has_lag = get_count(m, root, "lag_us", LAG_MAX_US, &m->lag_us);
	m->has_conns = get_count(m, root, "conns", COUNT_MAX, &m->conns);
	m->has_requests = get_count(m, root, "requests", COUNT_MAX, &m->requests);
	m->has_stolen = get_count(m, root, "stolen", COUNT_MAX, &m->stolen);
	if (busy == NULL)
		return;
	if (!json_is_number(busy)) {
		set_fault_of(m, MSG_FAULT, "busy", "is not a number");
		return;
	}
	value = json_number_value(busy);
	m->busy = value < 0.0 ? 0.0 : value > 1.0 ? 1.0 : value;
	m->has_busy = true;
}

/* The text of a member into m->text. */
static void
read_text(struct msg *m, const json_t *root, const char *member, bool required)
{
	const json_t *v = json_object_get(root, member);

	if (v == NULL && !required)
		return;
	if (!json_is_string(v))
		set_fault_of(m, MSG_FAULT, member, v == NULL ? "is missing" : "is not a string");
	else
		set_text(m->text, sizeof(m->text), json_string_value(v), json_string_length(v));
}

/* A short string member, whole or not at all. */
static bool
read_word(struct msg *m, const json_t *root, const char *member, char *buf, size_t size)
{
	const json_t *v = json_object_get(root, member);

	if (!json_is_string(v)) {
		set_fault_of(m, MSG_FAULT, member, v == NULL ? "is missing" : "is not a string");
		return false;
	}
	if (json_string_length(v) >= size) {
		set_fault_of(m, MSG_UNKNOWN, member, "is too long");
		return false;
	}
	memcpy(buf, json_string_value(v), json_string_length(v) + 1);
	return true;
}

static bool
label_name_is_valid(const char *name)
{
	if (!isalpha((unsigned char)*name) && *name != '_')
		return false;
	for (; *name != '\0'; name++) {
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	}
	return true;
}

/* key="value" as the text format of Prometheus quotes it; other controls are made visible. */
static void
add_label(struct str *out, const char *name, const char *value)
{
	size_t left = strlen(value);

	str_addf(out, "%s%s=\"", out->len > 0 ? "," : "", name);
	while (left > 0) {
		size_t n = utf8_sequence(value, left);

		if (n == 0)
			n = 1;
		if (*value == '\n') {
			str_add(out, "\\n");
		} else if (*value == '"' || *value == '\\') {
			str_add_char(out, '\\');
			str_add_char(out, *value);
		} else {
			size_t at = out->len;

			str_add_escaped(out, value, n);
			/* An escape begins with a backslash, which has to be doubled. */
			if (out->len > at + n && out->data[at] == '\\') {
				struct str shown = {0};

				str_add(&shown, out->data + at);
				out->len = at;
				str_addf(out, "\\%s", str_text(&shown));
				str_free(&shown);
			}
		}
		value += n;
		left -= n;
	}
	str_add_char(out, '"');
}

/* Sorted by name, so that the order in which a worker names them makes no other series. */
static void
read_labels(struct msg *m, json_t *root)
{
	json_t *labels = json_object_get(root, "labels");
	const char *last = "", *next;
	struct str out = {0};
	size_t n;

	if (labels == NULL)
		return;
	if (!json_is_object(labels)) {
		set_fault_of(m, MSG_FAULT, "labels", "is not an object");
		return;
	}
	n = json_object_size(labels);
	if (n > LABELS_MAX) {
		set_fault_of(m, MSG_UNKNOWN, "labels", "are too many");
		return;
	}
	for (size_t i = 0; i < n && out.len < sizeof(m->metric_labels); i++) {
		const json_t *chosen = NULL, *v;
		const char *key;
		json_t *value;

		next = NULL;
		json_object_foreach(labels, key, value)
		{
			if (strcmp(key, last) > 0 && (next == NULL || strcmp(key, next) < 0)) {
				next = key;
				chosen = value;
			}
		}
		v = chosen;
		if (next == NULL || !label_name_is_valid(next)) {
			set_fault_of(m, MSG_UNKNOWN, "labels",
			    "have a name that is not [a-zA-Z_][a-zA-Z0-9_]*");
			break;
		}
		if (!json_is_string(v)) {
			set_fault_of(m, MSG_FAULT, "labels", "have a value that is not a string");
			break;
		}
		add_label(&out, next, json_string_value(v));
		last = next;
	}
	if (m->kind == MSG_METRIC && (str_failed(&out) || out.len >= sizeof(m->metric_labels)))
		set_fault_of(m, MSG_UNKNOWN, "labels", "are too long");
	if (m->kind == MSG_METRIC)
		memcpy(m->metric_labels, str_text(&out), out.len + 1);
	str_free(&out);
}

static void
read_metric(struct msg *m, json_t *root)
{
	const json_t *value = json_object_get(root, "value");

	if (!read_word(m, root, "name", m->metric_name, sizeof(m->metric_name)) ||
	    !read_word(m, root, "type", m->metric_type, sizeof(m->metric_type)))
		return;
	if (!json_is_number(value)) {
		set_fault_of(
		    m, MSG_FAULT, "value", value == NULL ? "is missing" : "is not a number");
		return;
	}
	m->metric_value = json_number_value(value);
	/* A later brood may know more types: not a fault. */
	if (strcmp(m->metric_type, "counter") != 0 && strcmp(m->metric_type, "gauge") != 0)
		set_fault_of(m, MSG_UNKNOWN, "type", "is neither counter nor gauge");
	else
		read_labels(m, root);
}

static void
read_send(struct msg *m, json_t *root)
{
	json_t *data = json_object_get(root, "data");

	if (!read_word(m, root, "to", m->to, sizeof(m->to)))
		return;
	if (data == NULL)
		set_fault_of(m, MSG_FAULT, "data", "is missing");
	else
		m->data = json_incref(data);
}

/* A worker that reads no neighbour's listeners needs no wait set: at least one. */
static void
read_ring(struct msg *m, const json_t *root)
{
	uint64_t n;

	if (get_count(m, root, "neighbours", MSG_NEIGHBOURS_MAX, &n))
		m->neighbours = n > 0 ? (unsigned)n : 1;
}

static enum msg_kind
kind_from_name(const char *name)
{
	static const enum msg_kind known[] = {MSG_READY, MSG_BEAT, MSG_STATUS, MSG_METRIC, MSG_SEND,
	    MSG_REPLACE, MSG_STOPPING, MSG_PONG, MSG_RING, MSG_TAKE};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, kind_names[known[i]]) == 0)
			return known[i];
	}
	return MSG_UNKNOWN;
}

static void
read_control(struct msg *m, json_t *root)
{
	const json_t *name = json_object_get(root, "brood");

	if (!json_is_string(name)) {
		set_fault(m, MSG_FAULT, "the member \"brood\" is not a string");
		return;
	}
	m->kind = kind_from_name(json_string_value(name));
	switch (m->kind) {
	case MSG_BEAT:
		read_beat(m, root);
		break;
	case MSG_STATUS:
		read_text(m, root, "text", true);
		break;
	case MSG_METRIC:
		read_metric(m, root);
		break;
	case MSG_SEND:
		read_send(m, root);
		break;
	case MSG_REPLACE:
		read_text(m, root, "reason", false);
		break;
	case MSG_PONG:
		(void)get_count(m, root, "id", UINT64_MAX, &m->id);
		break;
	case MSG_RING:
		read_ring(m, root);
		break;
	case MSG_UNKNOWN:
		set_text(
		    m->text, sizeof(m->text), json_string_value(name), json_string_length(name));
		break;
	case MSG_READY:
	case MSG_STOPPING:
	case MSG_TAKE:
	case MSG_APPLICATION:
	case MSG_READY_BARE:
	case MSG_FAULT:
	case MSG_KIND_MAX:
		break;
	}
}

/* What a scan without parsing finds in an object's text. */
struct scan {
	bool has_brood; /* a key of the outermost object, spelled plainly */
	size_t values; /* at least as many as a parser would make */
};

static size_t
skip_string(const char *s, size_t len, size_t i)
{
	for (i++; i < len && s[i] != '"'; i++) {
		if (s[i] == '\\')
			i++;
	}
	return i;
}

/* A key is a string directly behind the outermost { or one of its commas. */
static struct scan
scan_object(const char *s, size_t len)
{
	struct scan found = {0};
	size_t depth = 0;
	bool key_next = false;

	for (size_t i = 0; i < len; i++) {
		switch (s[i]) {
		case '"':
			if (depth == 1 && key_next && len - i >= 7 &&
			    memcmp(s + i, "\"brood\"", 7) == 0)
				found.has_brood = true;
			key_next = false;
			i = skip_string(s, len, i);
			break;
		case '{':
		case '[':
			found.values++;
			depth++;
			key_next = depth == 1;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			found.values++;
			key_next = depth == 1;
			break;
		default:
			break;
		}
	}
	return found;
}

static void
decode_control(const char *frame, size_t len, const struct scan *scan, struct msg *m)
{
	char text[MSG_TEXT_MAX];
	json_error_t error;
	json_t *root;

	if (frame_json_depth(frame, len, MSG_DEPTH_MAX) > MSG_DEPTH_MAX) {
		set_fault(m, MSG_FAULT, "nested too deeply");
		return;
	}
	if (scan->values > MSG_VALUES_MAX) {
		set_fault(m, MSG_FAULT, "too many values");
		return;
	}
	root = json_loadb(frame, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		(void)snprintf(text, sizeof(text), "not valid JSON: %s", error.text);
		set_fault(m, MSG_FAULT, text);
		return;
	}
	read_control(m, root);
	json_decref(root);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
msg_decode(const char *frame, size_t len, struct msg *ret)
{
	struct scan scan;

	memset(ret, 0, sizeof(*ret));
	ret->kind = MSG_APPLICATION;
	while (len > 0 && is_blank(frame[0])) {
		frame++;
		len--;
	}
	while (len > 0 && is_blank(frame[len - 1]))
		len--;
	if (len == 7 && memcmp(frame, "\"ready\"", 7) == 0) {
		ret->kind = MSG_READY_BARE;
		return;
	}
	if (len == 0 || frame[0] != '{')
		return;
	scan = scan_object(frame, len);
	if (scan.has_brood)
		decode_control(frame, len, &scan, ret);
}

void
msg_done(struct msg *m)
{
	json_decref(m->data);
	m->data = NULL;
}
