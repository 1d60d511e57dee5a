/*
 * control: see control.h. A cursor walks the text once; each take_ function moves it over one
 * thing or leaves it and says false.
 */
#include "hello/control.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 16

struct cursor {
	const char *at, *end;
};

struct text {
	const char *at;
	size_t len;
	bool plain; /* no escape inside, so the bytes are the value */
};

static bool take_value(struct cursor *c, unsigned depth);

static void
skip_blanks(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\r\n", *c->at) != NULL && *c->at != '\0')
		c->at++;
}

static bool
take_char(struct cursor *c, char wanted)
{
	skip_blanks(c);
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool
take_escape(struct cursor *c)
{
	if (c->at == c->end || memchr("\"\\/bfnrtu", *c->at, 9) == NULL)
		return false;
	if (*c->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, c->at++) {
		if (c->at == c->end || memchr("0123456789abcdefABCDEF", *c->at, 22) == NULL)
			return false;
	}
	return true;
}

static bool
take_string(struct cursor *c, struct text *ret_text)
{
	struct text t = {.plain = true};

	if (!take_char(c, '"'))
		return false;
	t.at = c->at;
	while (c->at < c->end && *c->at != '"') {
		if ((unsigned char)*c->at < 0x20)
			return false;
		if (*c->at++ == '\\') {
			t.plain = false;
			if (!take_escape(c))
				return false;
		}
	}
	t.len = (size_t)(c->at - t.at);
	*ret_text = t;
	return take_char(c, '"');
}

static bool
take_digits(struct cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > start;
}

static bool
take_number(struct cursor *c)
{
	skip_blanks(c);
	if (c->at < c->end && *c->at == '-')
		c->at++;
	if (c->at < c->end && *c->at == '0')
		c->at++;
	else if (!take_digits(c))
		return false;
	if (c->at < c->end && *c->at == '.') {
		c->at++;
		if (!take_digits(c))
			return false;
	}
	if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
		c->at++;
		if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
			c->at++;
		return take_digits(c);
	}
	return true;
}

static bool
take_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	skip_blanks(c);
	if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return false;
	c->at += len;
	return true;
}

static bool
take_list(struct cursor *c, unsigned depth)
{
	if (take_char(c, ']'))
		return true;
	do {
		if (!take_value(c, depth))
			return false;
	} while (take_char(c, ','));
	return take_char(c, ']');
}

static bool
take_members(struct cursor *c, unsigned depth)
{
	struct text name;

	if (take_char(c, '}'))
		return true;
	do {
		if (!take_string(c, &name) || !take_char(c, ':') || !take_value(c, depth))
			return false;
	} while (take_char(c, ','));
	return take_char(c, '}');
}

static bool
take_value(struct cursor *c, unsigned depth)
{
	struct text ignored;

	if (depth >= DEPTH_MAX)
		return false;
	if (take_char(c, '{'))
		return take_members(c, depth + 1);
	if (take_char(c, '['))
		return take_list(c, depth + 1);
	return take_string(c, &ignored) || take_word(c, "true") || take_word(c, "false") ||
	       take_word(c, "null") || take_number(c);
}

static bool
text_is(struct text t, const char *s)
{
	return t.plain && t.len == strlen(s) && memcmp(t.at, s, t.len) == 0;
}

/* The number that was just taken, when it is a plain non-negative one; else -1. */
static long long
integer_between(const char *from, const char *to)
{
	long long value = 0;

	while (from < to && strchr(" \t\r\n", *from) != NULL)
		from++;
	if (from == to || to - from > 18)
		return -1;
	for (; from < to; from++) {
		if (*from < '0' || *from > '9')
			return -1;
		value = value * 10 + (*from - '0');
	}
	return value;
}

static void
note_kind(struct control *k, struct text t)
{
	if (text_is(t, "drain"))
		k->kind = CONTROL_DRAIN;
	else if (text_is(t, "ping"))
		k->kind = CONTROL_PING;
	else if (text_is(t, "ring"))
		k->kind = CONTROL_RING;
}

static struct control_list
list_of(struct cursor value, const char *end)
{
	if (!take_char(&value, '['))
		return (struct control_list){NULL, NULL};
	return (struct control_list){value.at, end};
}

static bool
take_top_member(struct cursor *c, struct control *k)
{
	struct cursor value;
	struct text name, t;
	long long number;

	if (!take_string(c, &name) || !take_char(c, ':'))
		return false;
	value = *c;
	if (!take_value(c, 1))
		return false;
	number = integer_between(value.at, c->at);
	if (text_is(name, "brood") && take_string(&value, &t))
		note_kind(k, t);
	else if (text_is(name, "deadline_ms"))
		k->deadline_ms = number > LONG_MAX ? LONG_MAX : (long)number;
	else if (text_is(name, "id"))
		k->id = number;
	else if (text_is(name, "more"))
		k->more = take_word(&value, "true");
	else if (text_is(name, "listeners"))
		k->listeners = list_of(value, c->at);
	else if (text_is(name, "own"))
		k->own = list_of(value, c->at);
	return true;
}

struct control
control_scan(const char *line, size_t len)
{
	struct control k = {.kind = CONTROL_OTHER, .deadline_ms = -1, .id = -1}, none = k;
	struct cursor c = {line, line + len};

	if (!take_char(&c, '{'))
		return none;
	do {
		if (!take_top_member(&c, &k))
			return none;
	} while (take_char(&c, ','));
	if (!take_char(&c, '}'))
		return none;
	skip_blanks(&c);
	return c.at == c.end ? k : none;
}

/* The scan has seen that the list is whole. */
static bool
next_item(struct control_list *list, struct cursor *ret_item)
{
	struct cursor c = {list->at, list->end};

	if (list->at == NULL || take_char(&c, ']'))
		return false;
	*ret_item = c;
	if (!take_value(&c, 1))
		return false;
	ret_item->end = c.at;
	(void)take_char(&c, ',');
	list->at = c.at;
	return true;
}

bool
control_next_name(struct control_list *list, char *buf, size_t size)
{
	struct text t = {.len = 0};
	struct cursor item;

	if (!next_item(list, &item))
		return false;
	if (!take_string(&item, &t) || !t.plain)
		t.len = 0;
	if (t.len >= size)
		t.len = size - 1;
	if (t.len > 0)
		memcpy(buf, t.at, t.len);
	buf[t.len] = '\0';
	return true;
}

bool
control_next_place(struct control_list *list, long *ret_place)
{
	struct cursor item;
	long long number;

	if (!next_item(list, &item))
		return false;
	number = integer_between(item.at, item.end);
	*ret_place = number > LONG_MAX ? -1 : (long)number;
	return true;
}
