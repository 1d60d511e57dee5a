/*
 * str: growing byte strings, UTF-8, and escaping of foreign text. Must not decide what to do
 * when memory ends: failure is kept in the string and asked for once.
 */
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP   64
#define NEAREST_MAX 64 /* longer words have no neighbours */

static bool
reserve(struct str *s, size_t more)
{
	size_t cap = s->cap ? s->cap : FIRST_CAP;
	char *data;

	if (s->failed)
		return false;
	if (more < s->cap - s->len)
		return true;
	if (more > SIZE_MAX / 4 || s->len > SIZE_MAX / 4) {
		s->failed = true;
		return false;
	}
	while (cap - s->len <= more)
		cap *= 2;
	data = mem_realloc(s->data, cap);
	if (!data) {
		s->failed = true;
		return false;
	}
	s->data = data;
	s->cap = cap;
	return true;
}

void
str_add_n(struct str *s, const char *bytes, size_t len)
{
	if (!reserve(s, len))
		return;
	if (len > 0)
		memcpy(s->data + s->len, bytes, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void
str_add(struct str *s, const char *text)
{
	str_add_n(s, text, strlen(text));
}

void
str_add_char(struct str *s, char c)
{
	str_add_n(s, &c, 1);
}

void
str_vaddf(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0) {
		s->failed = true;
		return;
	}
	if (!reserve(s, (size_t)len))
		return;
	(void)vsnprintf(s->data + s->len, s->cap - s->len, fmt, ap); /* Room was made above. */
	s->len += (size_t)len;
}

void
str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(s, fmt, ap);
	va_end(ap);
}

void
str_consume(struct str *s, size_t n)
{
	if (n == 0 || !s->data)
		return;
	if (n > s->len)
		n = s->len;
	memmove(s->data, s->data + n, s->len - n);
	s->len -= n;
	s->data[s->len] = '\0';
}

void
str_reset(struct str *s)
{
	s->len = 0;
	s->failed = false;
	if (s->data)
		s->data[0] = '\0';
}

void
str_free(struct str *s)
{
	mem_free(s->data);
	memset(s, 0, sizeof(*s));
}

static bool
is_continuation(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

/* Overlong forms, surrogates and code points past U+10FFFF are not UTF-8 (RFC 3629). */
size_t
utf8_sequence(const char *bytes, size_t len)
{
	const unsigned char *b = (const unsigned char *)bytes;

	if (len == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if (b[0] >= 0xC2 && b[0] <= 0xDF)
		return len >= 2 && is_continuation(b[1]) ? 2 : 0;
	if ((b[0] & 0xF0) == 0xE0) {
		if (len < 3 || !is_continuation(b[1]) || !is_continuation(b[2]))
			return 0;
		if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F))
			return 0;
		return 3;
	}
	if (b[0] >= 0xF0 && b[0] <= 0xF4) {
		if (len < 4 || !is_continuation(b[1]) || !is_continuation(b[2]) ||
		    !is_continuation(b[3]))
			return 0;
		if ((b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F))
			return 0;
		return 4;
	}
	return 0;
}

static uint32_t
utf8_code_point(const char *bytes, size_t len)
{
	static const unsigned char first_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
	uint32_t code = (unsigned char)bytes[0] & first_mask[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)bytes[i] & 0x3F);
	return code;
}

/* Code points that reorder text or break lines where a reader does not expect it. */
static bool
is_deceptive(uint32_t code)
{
	return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0x200E || code == 0x200F || code == 0x061C || code == 0x2028 ||
	       code == 0x2029;
}

static bool
is_plain(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c < 0x7F);
}

void
str_add_escaped(struct str *s, const char *bytes, size_t len)
{
	size_t i = 0, run, n;
	uint32_t code;

	while (i < len) {
		for (run = i; run < len && is_plain((unsigned char)bytes[run]); run++)
			;
		str_add_n(s, bytes + i, run - i);
		i = run;
		if (i == len)
			break;
		n = utf8_sequence(bytes + i, len - i);
		code = n ? utf8_code_point(bytes + i, n) : 0;
		if (n >= 2 && code > 0x9F && !is_deceptive(code)) {
			str_add_n(s, bytes + i, n);
		} else if (n >= 2 && code > 0x9F) {
			str_addf(s, "\\u{%04X}", code);
		} else if (n == 2) { /* C1 is shown as the control that it is. */
			str_addf(s, "\\x%02X", code);
		} else {
			str_addf(s, "\\x%02X", (unsigned char)bytes[i]);
			n = 1;
		}
		i += n;
	}
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance in which swapping two neighbours counts once: the commonest slip of a typist. */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][NEAREST_MAX + 1];
	size_t *before = rows[0], *prev = rows[1], *cur = rows[2], *spare;

	for (size_t j = 0; j <= b_len; j++)
		prev[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		cur[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			cur[j] = least(
			    least(prev[j], cur[j - 1]) + 1, prev[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cur[j] = least(cur[j], before[j - 2] + 1);
		}
		spare = before;
		before = prev;
		prev = cur;
		cur = spare;
	}
	return prev[b_len];
}

const char *
str_nearest(const char *word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t word_len = strlen(word), name_len, d, best_d = 4;

	if (word_len > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		name_len = strlen(names[i]);
		if (name_len > NEAREST_MAX)
			continue;
		d = distance(word, word_len, names[i], name_len);
		if (d < best_d && d * 2 < (name_len > word_len ? name_len : word_len)) {
			best = names[i];
			best_d = d;
		}
	}
	return best;
}
