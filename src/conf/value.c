/*
 * value: the plain types of the schema: text, numbers with and without units, choices. Each
 * knows how to read a value and how to write it back. Must not look at other keys; that is
 * check's work.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/internal.h"

#define SHOWN_MAX 80 /* bytes of a value in a message */

static void *
field(const struct value *v)
{
	return (char *)v->base + v->key->offset;
}

#define FIELD(type, key, base) (*(const type *)((const char *)(base) + (key)->offset))

int
value_error(const struct value *v, const char *fmt, ...)
{
	/* A default that does not parse is a fault of the schema; its test finds it. */
	static const struct source_file builtin = {.label = "default"};
	struct place at = {.file = &builtin};
	struct str text = {0};
	const char *shown = v->entry ? v->entry->value : v->text;
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	if (v->entry)
		at = v->entry->value_at;
	if (str_failed(&text))
		v->load->no_memory = true;
	else
		load_error(v->load, &at, "%s = %.*s%s: %s", v->key->name, SHOWN_MAX, shown,
		    strlen(shown) > SHOWN_MAX ? "..." : "", str_text(&text));
	str_free(&text);
	return -EINVAL;
}

int
set_text(char **to, const char *text)
{
	char *copy = mem_strdup(text);

	if (!copy)
		return -ENOMEM;
	mem_free(*to);
	*to = copy;
	return 0;
}

/* Numbers outside of least..most, in the words of the unit. */
static int
range_error(const struct value *v, void (*format)(uint64_t, char *, size_t))
{
	char least[32], most[32];

	format(v->key->min, least, sizeof(least));
	format(v->key->max, most, sizeof(most));
	return value_error(v, "out of range; it may be %s to %s", least, most);
}

static void
format_uint(uint64_t value, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%" PRIu64, value);
}

/* Why a value that looks right is not: a comment behind it. */
static const char *
comment_hint(const struct value *v)
{
	return strstr(v->text, " ;") || strstr(v->text, " #")
	           ? " (a comment stands on its own line)"
	           : "";
}

static int
parse_text(const struct value *v)
{
	return set_text(field(v), v->text);
}

static void
print_text(const struct key *key, const void *base, struct str *out)
{
	const char *text = FIELD(char *, key, base);

	if (text)
		str_add(out, text);
}

static int
parse_name(const struct value *v)
{
	if (!name_is_valid(v->text))
		return value_error(
		    v, "no name; use 1 to 48 of A-Z a-z 0-9 _ . -%s", comment_hint(v));
	return parse_text(v);
}

static int
parse_path(const struct value *v)
{
	if (v->text[0] != '/')
		return value_error(v, "the path must be absolute; write /%s", v->text);
	return parse_text(v);
}

static int
parse_bool(const struct value *v)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {
	                                                            "no", "false", "off"};

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(v->text, yes[i]) == 0 || strcmp(v->text, no[i]) == 0) {
			*(bool *)field(v) = strcmp(v->text, yes[i]) == 0;
			return 0;
		}
	}
	return value_error(v, "write yes or no%s", comment_hint(v));
}

static void
print_bool(const struct key *key, const void *base, struct str *out)
{
	str_add(out, FIELD(bool, key, base) ? "yes" : "no");
}

/* Reads with one of the units and checks the range. */
static int
parse_ranged(const struct value *v, int (*parse)(const char *, uint64_t *),
    void (*format)(uint64_t, char *, size_t), const char *example, uint64_t *ret)
{
	uint64_t value;
	int r = parse(v->text, &value);

	if (r == -EINVAL)
		return value_error(v, "write %s%s", example, comment_hint(v));
	if (r || value < v->key->min || value > v->key->max)
		return range_error(v, format);
	*ret = value;
	return 0;
}

static int
parse_plain_uint(const char *text, uint64_t *ret)
{
	return units_parse_uint(text, UINT64_MAX, ret);
}

static int
parse_count(const struct value *v)
{
	uint64_t value;
	int r = parse_ranged(v, parse_plain_uint, format_uint, "a number such as 2", &value);

	if (r == 0)
		*(unsigned *)field(v) = (unsigned)value; /* max is below 2^32 in all rows. */
	return r;
}

static void
print_count(const struct key *key, const void *base, struct str *out)
{
	str_addf(out, "%u", FIELD(unsigned, key, base));
}

/* A number that may be negative, from -max to max; nothing else needs a sign. */
static int
parse_integer(const struct value *v)
{
	bool negative = v->text[0] == '-';
	uint64_t value;
	int r = units_parse_uint(v->text + negative, INT_MAX, &value);

	if (r == -EINVAL || (negative && value == 0))
		return value_error(v, "write a number such as 5 or -5%s", comment_hint(v));
	if (r || value > (negative ? v->key->min : v->key->max))
		return value_error(v, "out of range; it may be -%" PRIu64 " to %" PRIu64,
		    v->key->min, v->key->max);
	*(int *)field(v) = negative ? -(int)value : (int)value;
	return 0;
}

static void
print_integer(const struct key *key, const void *base, struct str *out)
{
	int value = FIELD(int, key, base);

	if (value != INT_MIN)
		str_addf(out, "%d", value);
}

static int
parse_duration(const struct value *v)
{
	return parse_ranged(v, units_parse_duration_ms, units_format_duration_ms,
	    "a duration such as 500ms, 30s, 5m or 2h", field(v));
}

static void
print_duration(const struct key *key, const void *base, struct str *out)
{
	char buf[32];

	units_format_duration_ms(FIELD(uint64_t, key, base), buf, sizeof(buf));
	str_add(out, buf);
}

static int
parse_size(const struct value *v)
{
	uint64_t value;
	int r = parse_ranged(
	    v, units_parse_size, units_format_size, "a size such as 512K, 64M or 2G", &value);

	if (r == 0)
		*(size_t *)field(v) = (size_t)value;
	return r;
}

static void
print_size(const struct key *key, const void *base, struct str *out)
{
	char buf[32];

	units_format_size(FIELD(size_t, key, base), buf, sizeof(buf));
	str_add(out, buf);
}

/* A size, or unlimited. */
static int
parse_bytes(const struct value *v)
{
	if (strcmp(v->text, "unlimited") == 0) {
		*(uint64_t *)field(v) = CONF_LIMIT_UNLIMITED;
		return 0;
	}
	return parse_ranged(
	    v, units_parse_size, units_format_size, "a size such as 64M, 0 or unlimited", field(v));
}

static void
print_bytes(const struct key *key, const void *base, struct str *out)
{
	uint64_t value = FIELD(uint64_t, key, base);
	char buf[32];

	if (value == CONF_LIMIT_NONE)
		return;
	units_format_size(value, buf, sizeof(buf));
	str_add(out, value == CONF_LIMIT_UNLIMITED ? "unlimited" : buf);
}

static int
parse_limit(const struct value *v)
{
	return parse_ranged(v, parse_plain_uint, format_uint, "a number such as 65536", field(v));
}

static void
print_limit(const struct key *key, const void *base, struct str *out)
{
	uint64_t value = FIELD(uint64_t, key, base);

	if (value != CONF_LIMIT_NONE)
		str_addf(out, "%" PRIu64, value);
}

static int
choice_error(const struct value *v, size_t n)
{
	const char *const *choices = v->key->choices, *near = str_nearest(v->text, choices, n);
	struct str list = {0};
	int r;

	for (size_t i = 0; i < n; i++)
		str_addf(&list, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", choices[i]);
	if (str_failed(&list))
		r = -ENOMEM;
	else if (near)
		r = value_error(v, "did you mean %s? It may be %s", near, str_text(&list));
	else
		r = value_error(v, "write %s%s", str_text(&list), comment_hint(v));
	str_free(&list);
	return r;
}

static int
parse_choice(const struct value *v)
{
	size_t n;

	for (n = 0; v->key->choices[n]; n++) {
		if (strcmp(v->text, v->key->choices[n]) == 0) {
			*(int *)field(v) = (int)n;
			return 0;
		}
	}
	return choice_error(v, n);
}

static void
print_choice(const struct key *key, const void *base, struct str *out)
{
	str_add(out, key->choices[FIELD(int, key, base)]);
}

static int
parse_octal(const struct value *v)
{
	size_t digits = strspn(v->text, "01234567");
	int mask = 0;

	if (v->text[digits] != '\0' || digits < 3 || digits > 4)
		return value_error(v, "write an octal mask such as 022 or 0027%s", comment_hint(v));
	for (const char *c = v->text; *c != '\0'; c++)
		mask = mask * 8 + (*c - '0');
	if (mask > 0777)
		return value_error(v, "out of range; it may be 000 to 0777");
	*(int *)field(v) = mask;
	return 0;
}

static void
print_octal(const struct key *key, const void *base, struct str *out)
{
	int value = FIELD(int, key, base);

	if (value >= 0)
		str_addf(out, "%04o", (unsigned)value);
}

static int
parse_signal(const struct value *v)
{
	int sig = signal_from_string(v->text);

	if (sig < 0)
		return value_error(v,
		    "no signal; write a name or number such as TERM, QUIT or RTMIN+3%s",
		    comment_hint(v));
	if (sig == SIGSTOP || sig == SIGCONT || sig == SIGCHLD)
		return value_error(
		    v, "this signal ends no program; write one that does, such as TERM");
	*(int *)field(v) = sig;
	return 0;
}

static void
print_signal(const struct key *key, const void *base, struct str *out)
{
	char buf[16];

	str_add(out, signal_to_string(FIELD(int, key, base), buf));
}

const struct key_type type_text = {"text", parse_text, print_text};
const struct key_type type_name = {"name", parse_name, print_text};
const struct key_type type_path = {"path", parse_path, print_text};
const struct key_type type_bool = {"bool", parse_bool, print_bool};
const struct key_type type_count = {"number", parse_count, print_count};
const struct key_type type_integer = {"integer", parse_integer, print_integer};
const struct key_type type_duration = {"duration", parse_duration, print_duration};
const struct key_type type_size = {"size", parse_size, print_size};
const struct key_type type_bytes = {"size-limit", parse_bytes, print_bytes};
const struct key_type type_limit = {"limit", parse_limit, print_limit};
const struct key_type type_choice = {"choice", parse_choice, print_choice};
const struct key_type type_octal = {"octal", parse_octal, print_octal};
const struct key_type type_signal = {"signal", parse_signal, print_signal};
