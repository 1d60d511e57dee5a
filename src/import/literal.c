/*
 * literal: the JavaScript literals that PM2 takes for JSON (it evaluates the file). Data
 * only: what would have to be run is refused, with its place.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "import/import.h"

#define DEPTH_MAX 64

struct reader {
	const char *file, *text, *at, *end;
	struct err *e;
	unsigned depth;
	bool no_memory;
};

static json_t *value(struct reader *r);

/* Says what is wrong at the place where reading stands. Returns NULL. */
static void *fail(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void *
fail(struct reader *r, const char *fmt, ...)
{
	unsigned line = 1, col = 1;
	struct str why = {0};
	va_list ap;

	for (const char *p = r->text; p < r->at; p++) {
		col = *p == '\n' ? 1 : col + 1;
		line += *p == '\n';
	}
	va_start(ap, fmt);
	str_vaddf(&why, fmt, ap);
	va_end(ap);
	(void)err_set(r->e, -EINVAL, "%s:%u:%u: %s", r->file, line, col, str_text(&why));
	r->no_memory |= str_failed(&why);
	str_free(&why);
	return NULL;
}

static char
peek(const struct reader *r)
{
	return r->at < r->end ? *r->at : '\0';
}

/* Blanks and comments. A comment that does not end ends the file. */
static void
skip(struct reader *r)
{
	while (r->at < r->end) {
		const char *p = r->at;
		size_t left = (size_t)(r->end - p);

		if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == '\v' || *p == '\f')
			r->at++;
		else if (left >= 2 && p[0] == '/' && p[1] == '/')
			while (r->at < r->end && *r->at != '\n')
				r->at++;
		else if (left >= 2 && p[0] == '/' && p[1] == '*') {
			const char *close = memmem(p + 2, left - 2, "*/", 2);

			r->at = close ? close + 2 : r->end;
		} else if (left >= 2 && p[0] == '\xC2' && p[1] == '\xA0')
			r->at += 2;
		else
			return;
	}
}

static bool
is_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
	       (!first && c >= '0' && c <= '9');
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* n digits, or, n 0, those between braces. -1 when there are none. */
static long
read_hex(struct reader *r, int n)
{
	bool braces = n == 0 && peek(r) == '{';
	long v = 0;
	int i = 0;

	if (n == 0 && !braces)
		n = 4;
	r->at += braces;
	for (; (braces ? i < 6 : i < n) && hex(peek(r)) >= 0; i++)
		v = v * 16 + hex(*r->at++);
	if (i == 0 || (!braces && i < n) || (braces && peek(r) != '}'))
		return -1;
	r->at += braces;
	return v;
}

static bool
add_code_point(struct str *out, long c)
{
	if (c <= 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
		return false;
	if (c < 0x80)
		str_add_char(out, (char)c);
	else if (c < 0x800)
		str_addf(out, "%c%c", (char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F)));
	else if (c < 0x10000)
		str_addf(out, "%c%c%c", (char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)),
		    (char)(0x80 | (c & 0x3F)));
	else
		str_addf(out, "%c%c%c%c", (char)(0xF0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3F)),
		    (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F)));
	return true;
}

/* \uD83D\uDE00 is one character. */
static long
read_unicode(struct reader *r)
{
	long high = read_hex(r, 0), low;

	if (high < 0xD800 || high > 0xDBFF || r->end - r->at < 6 || strncmp(r->at, "\\u", 2) != 0)
		return high;
	r->at += 2;
	low = read_hex(r, 4);
	return low >= 0xDC00 && low <= 0xDFFF ? 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)
	                                      : -1;
}

/* r->at is behind the backslash. */
static bool
read_escape(struct reader *r, struct str *out)
{
	static const char letters[] = "ntrbfv", meanings[] = "\n\t\r\b\f\v";
	char c = peek(r);
	const char *known = c ? strchr(letters, c) : NULL;

	if (r->at >= r->end)
		return false;
	r->at++;
	if (known)
		str_add_char(out, meanings[known - letters]);
	else if (c == 'x')
		return add_code_point(out, read_hex(r, 2));
	else if (c == 'u')
		return add_code_point(out, read_unicode(r));
	else if (c == '\r' && peek(r) == '\n')
		r->at++; /* the line goes on */
	else if (c == '\0' || (c >= '0' && c <= '9'))
		return false;
	else if (c != '\n' && c != '\r')
		str_add_char(out, c);
	return true;
}

static bool
string(struct reader *r, struct str *out)
{
	char quote = *r->at;
	const char *begin = r->at++;

	str_add(out, "");
	while (r->at < r->end && *r->at != quote) {
		const char *here = r->at;

		if (*here == '\n' && quote != '`')
			break;
		if (quote == '`' && *here == '$' && r->end - here > 1 && here[1] == '{')
			return fail(r, "${ } in a template has to be evaluated");
		if (*here == '\0')
			return fail(r, "a NUL byte; this is no text file");
		r->at++;
		if (*here != '\\')
			str_add_char(out, *here);
		else if (!read_escape(r, out)) {
			r->at = here;
			return fail(r, "an escape that cannot be used in a configuration");
		}
	}
	if (r->at >= r->end || *r->at != quote) {
		r->at = begin;
		return fail(r, "the string does not end");
	}
	r->at++;
	return true;
}

static json_t *
string_value(struct reader *r)
{
	const char *begin = r->at;
	struct str s = {0};
	json_t *v = NULL;

	if (string(r, &s)) {
		v = json_stringn(str_text(&s), s.len);
		if (!v) {
			r->at = begin;
			(void)fail(r, "the string is not UTF-8");
		}
	}
	r->no_memory |= str_failed(&s);
	str_free(&s);
	return v;
}

static json_t *
number(struct reader *r)
{
	const char *begin = r->at;
	char buf[64], *end;
	size_t n = 0;
	double d;

	while (r->at < r->end && n + 1 < sizeof(buf) &&
	       (is_name_char(*r->at, false) || strchr("+-.", *r->at)) && *r->at) {
		/* A sign stands in front, or behind the e of an exponent. */
		if (n > 0 && strchr("+-", *r->at) && !strchr("eE", buf[n - 1]))
			break;
		if (*r->at == '_')
			r->at++; /* 60_000 */
		else
			buf[n++] = *r->at++;
	}
	buf[n] = '\0';
	d = strtod(buf, &end);
	if (n == 0 || *end || !isfinite(d)) {
		r->at = begin;
		return fail(r, "no number");
	}
	/* Not floor(), which is in a library of its own. */
	if (fabs(d) < 1e15 && d == (double)(json_int_t)d)
		return json_integer((json_int_t)d);
	return json_real(d);
}

static json_t *
word(struct reader *r)
{
	const char *begin = r->at;
	size_t n = 0;

	while (r->at < r->end && is_name_char(*r->at, n == 0)) {
		r->at++;
		n++;
	}
	if (n == 4 && strncmp(begin, "true", n) == 0)
		return json_true();
	if (n == 5 && strncmp(begin, "false", n) == 0)
		return json_false();
	if ((n == 4 && strncmp(begin, "null", n) == 0) ||
	    (n == 9 && strncmp(begin, "undefined", n) == 0))
		return json_null();
	r->at = begin;
	return fail(r,
	    "\"%.*s\" is code, not data; PM2 evaluates a .json, brood asks node only for *.js: "
	    "rename it to ecosystem.config.js, with \"module.exports =\" in front",
	    n > 40 ? 40 : (int)n, begin);
}

/* Behind an element: true when another may follow, and *ret_end says whether the list ends. */
static bool
separator(struct reader *r, char close, bool *ret_end)
{
	skip(r);
	*ret_end = false;
	if (peek(r) == ',') {
		r->at++;
		skip(r);
		*ret_end = peek(r) == close && r->at < r->end;
		r->at += *ret_end;
		return true;
	}
	if (peek(r) == close) {
		r->at++;
		*ret_end = true;
		return true;
	}
	if (r->at >= r->end)
		return fail(r, "the file ends before the \"%c\" that closes this", close);
	return fail(r, "\",\" or \"%c\" is expected here", close);
}

static json_t *
array(struct reader *r)
{
	json_t *a = json_array(), *v;
	bool end;

	r->at++;
	skip(r);
	end = peek(r) == ']';
	r->at += end;
	while (!end) {
		v = value(r);
		if (!v || json_array_append_new(a, v) < 0 || !separator(r, ']', &end)) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static bool
key(struct reader *r, struct str *out)
{
	char c = peek(r);

	if (c == '"' || c == '\'')
		return string(r, out);
	while (r->at < r->end && is_name_char(*r->at, false))
		str_add_char(out, *r->at++);
	if (out->len == 0)
		return fail(r, "a key is expected here");
	return true;
}

/* The last of two that are the same counts, as in JavaScript. */
static bool
member(struct reader *r, json_t *object)
{
	const char *begin = r->at;
	struct str name = {0};
	json_t *v = NULL;
	bool ok = key(r, &name);

	r->no_memory |= str_failed(&name);
	skip(r);
	if (ok && peek(r) != ':')
		ok = fail(r, "\":\" is expected behind the key");
	if (ok) {
		r->at++;
		v = value(r);
		ok = v != NULL;
	}
	if (ok && json_object_set_new(object, str_text(&name), v) < 0) {
		r->at = begin;
		ok = fail(r, "the key is not UTF-8");
	}
	str_free(&name);
	return ok;
}

static json_t *
object(struct reader *r)
{
	json_t *o = json_object();
	bool end;

	r->at++;
	skip(r);
	end = peek(r) == '}';
	r->at += end;
	while (!end) {
		if (!member(r, o) || !separator(r, '}', &end)) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static json_t *
value(struct reader *r)
{
	json_t *v;
	char c;

	skip(r);
	c = peek(r);
	if (r->depth >= DEPTH_MAX)
		return fail(r, "nested too deeply");
	if (c == '\0' && r->at >= r->end)
		return fail(r, "the file ends where a value is expected");
	r->depth++;
	if (c == '{')
		v = object(r);
	else if (c == '[')
		v = array(r);
	else if (c == '"' || c == '\'' || c == '`')
		v = string_value(r);
	else if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.')
		v = number(r);
	else if (is_name_char(c, true))
		v = word(r);
	else
		v = fail(r, "no value begins with this character");
	r->depth--;
	return v;
}

int
import_literal(const char *file, const char *text, size_t len, json_t **ret, struct err *e)
{
	struct reader r = {.file = file, .text = text, .at = text, .end = text + len, .e = e};
	json_t *v;

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		r.at += 3;
	v = value(&r);
	if (v) {
		skip(&r);
		if (r.at < r.end) {
			(void)fail(&r, "something stands behind the end of the data");
			json_decref(v);
			v = NULL;
		}
	}
	if (v)
		*ret = v;
	return v ? 0 : r.no_memory ? -ENOMEM : -EINVAL;
}
