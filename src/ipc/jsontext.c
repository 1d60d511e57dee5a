/*
 * jsontext: see the header. The grammar of RFC 8259 and nothing else; what a string says is not
 * looked at beyond its escapes. Nothing recurses: how deep a text nests is in a set of bits.
 */
#include "ipc/jsontext.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct scan {
	const char *at, *end;
	unsigned depth;
	uint64_t objects[JSON_TEXT_DEPTH_MAX / 64]; /* which of the open levels are objects */
	struct json_member member; /* the one that is open in the outermost object */
	json_member_fn fn;
	void *arg;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The next byte that is no blank; 0 at the end. */
static char
next_byte(struct scan *s)
{
	while (
	    s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
		s->at++;
	return s->at < s->end ? *s->at : '\0';
}

static bool
take_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

static bool
take_digits(struct scan *s)
{
	const char *begin = s->at;

	while (s->at < s->end && is_digit(*s->at))
		s->at++;
	return s->at > begin;
}

static bool
take_number(struct scan *s)
{
	(void)take_word(s, "-");
	if (!take_word(s, "0") && !take_digits(s))
		return false;
	if (take_word(s, ".") && !take_digits(s))
		return false;
	if (s->at == s->end || (*s->at != 'e' && *s->at != 'E'))
		return true;
	s->at++;
	if (!take_word(s, "+"))
		(void)take_word(s, "-");
	return take_digits(s);
}

static bool
take_escape(struct scan *s)
{
	if (++s->at == s->end || !strchr("\"\\/bfnrtu", *s->at) || *s->at == '\0')
		return false;
	if (*s->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, s->at++)
		if (s->at == s->end || !is_hex(*s->at))
			return false;
	return true;
}

static bool
take_string(struct scan *s)
{
	if (s->at == s->end || *s->at != '"')
		return false;
	s->at++;
	while (s->at < s->end && *s->at != '"') {
		if ((unsigned char)*s->at < 0x20)
			return false;
		if (*s->at != '\\')
			s->at++;
		else if (!take_escape(s))
			return false;
	}
	return take_word(s, "\"");
}

static bool
take_scalar(struct scan *s)
{
	switch (s->at < s->end ? *s->at : '\0') {
	case '"':
		return take_string(s);
	case 't':
		return take_word(s, "true");
	case 'f':
		return take_word(s, "false");
	case 'n':
		return take_word(s, "null");
	default:
		return take_number(s);
	}
}

static bool
in_object(const struct scan *s)
{
	unsigned level = s->depth - 1;

	return s->depth > 0 && ((s->objects[level / 64] >> (level % 64)) & 1);
}

static bool
enter(struct scan *s, bool object)
{
	unsigned level = s->depth;

	if (level == JSON_TEXT_DEPTH_MAX)
		return false;
	s->objects[level / 64] &= ~(UINT64_C(1) << (level % 64));
	s->objects[level / 64] |= (uint64_t)object << (level % 64);
	s->depth++;
	s->at++;
	return true;
}

/* In an object: the key, up to where its value begins. */
static bool
take_key(struct scan *s)
{
	const char *begin;

	if (!in_object(s))
		return true;
	(void)next_byte(s);
	begin = s->at;
	if (!take_string(s))
		return false;
	if (s->depth == 1) {
		s->member.key = begin + 1;
		s->member.key_len = (size_t)(s->at - begin) - 2;
	}
	if (next_byte(s) != ':')
		return false;
	s->at++;
	if (s->depth == 1) {
		(void)next_byte(s);
		s->member.value = s->at;
	}
	return true;
}

/* A value is over. */
static void
finish_value(struct scan *s)
{
	if (s->depth != 1 || !in_object(s) || !s->fn)
		return;
	s->member.value_len = (size_t)(s->at - s->member.value);
	s->fn(s->arg, &s->member);
}

/* Closes what a value ends. True: another one follows; else all is closed, or *ret_fault. */
static bool
go_on(struct scan *s, bool *ret_fault)
{
	while (s->depth > 0) {
		char c = next_byte(s);

		if (c == ',') {
			s->at++;
			*ret_fault = !take_key(s);
			return true;
		}
		if (c != (in_object(s) ? '}' : ']')) {
			*ret_fault = true;
			return false;
		}
		s->at++;
		s->depth--;
		finish_value(s);
	}
	return false;
}

/* An opening bracket. True: a value follows; else it was empty, or *ret_fault. */
static bool
begin_container(struct scan *s, bool *ret_fault)
{
	bool object = *s->at == '{';

	*ret_fault = !enter(s, object);
	if (*ret_fault)
		return false;
	if (next_byte(s) == (object ? '}' : ']')) {
		s->at++;
		s->depth--;
		finish_value(s);
		return false;
	}
	*ret_fault = !take_key(s);
	return true;
}

bool
json_text_scan(const char *text, size_t len, json_member_fn fn, void *arg)
{
	struct scan s = {.at = text, .end = text + len, .fn = fn, .arg = arg};
	bool fault = false, more = true;

	while (more && !fault) {
		char c = next_byte(&s);

		if (c == '{' || c == '[') {
			if (begin_container(&s, &fault))
				continue;
		} else if (take_scalar(&s)) {
			finish_value(&s);
		} else {
			return false;
		}
		more = !fault && go_on(&s, &fault);
	}
	(void)next_byte(&s);
	return !fault && s.at == s.end;
}

void
json_text_add_string(struct str *out, const char *text, size_t len)
{
	str_add_char(out, '"');
	while (len > 0) {
		size_t plain = 0;

		while (plain < len && text[plain] != '"' && text[plain] != '\\' &&
		       (unsigned char)text[plain] >= 0x20)
			plain++;
		str_add_n(out, text, plain);
		if (plain == len)
			break;
		if (text[plain] == '\n')
			str_add(out, "\\n");
		else if ((unsigned char)text[plain] < 0x20)
			str_addf(out, "\\u%04x", (unsigned char)text[plain]);
		else
			str_addf(out, "\\%c", text[plain]);
		text += plain + 1;
		len -= plain + 1;
	}
	str_add_char(out, '"');
}
