/*
 * quote: words out of a line and back. Must not expand anything; what is not a quote, a
 * backslash or a blank is itself.
 */
#include "base/quote.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* text[*at] is what follows a backslash inside double quotes. \x00 is refused: a word can't
 * hold it. */
static int
unescape(const char *text, size_t *at, char *ret)
{
	int high, low;

	switch (text[*at]) {
	case '"':
	case '\\':
		*ret = text[*at];
		break;
	case 'n':
		*ret = '\n';
		break;
	case 't':
		*ret = '\t';
		break;
	case 'r':
		*ret = '\r';
		break;
	case 'x':
		high = hex_digit(text[*at + 1]);
		low = high < 0 ? -1 : hex_digit(text[*at + 2]);
		if (low < 0 || high * 16 + low == 0)
			return -EINVAL;
		*ret = (char)(high * 16 + low);
		*at += 2;
		break;
	default:
		return -EINVAL;
	}
	*at += 1;
	return 0;
}

/* text[*at] is behind the opening quote. Appends to out; out may not be longer than the input,
 * which holds since every form is at least as long as what it stands for. */
static int
read_quoted(const char *text, size_t *at, char quote, char **out, size_t *ret_at)
{
	size_t opened = *at - 1, here;

	while (text[*at] != quote) {
		if (text[*at] == '\0') {
			*ret_at = opened;
			return -EINVAL;
		}
		if (quote == '"' && text[*at] == '\\') {
			here = (*at)++;
			if (unescape(text, at, *out)) {
				*ret_at = here;
				return -EINVAL;
			}
			(*out)++;
		} else {
			*(*out)++ = text[(*at)++];
		}
	}
	(*at)++;
	return 0;
}

static int
read_word(const char *text, size_t *at, char **out, size_t *ret_at)
{
	char c;
	int r;

	while (text[*at] != '\0' && !is_blank(text[*at])) {
		c = text[(*at)++];
		if (c == '\'' || c == '"') {
			r = read_quoted(text, at, c, out, ret_at);
			if (r)
				return r;
		} else if (c == '\\') {
			if (text[*at] == '\0') {
				*ret_at = *at - 1;
				return -EINVAL;
			}
			*(*out)++ = text[(*at)++];
		} else {
			*(*out)++ = c;
		}
	}
	*(*out)++ = '\0';
	return 0;
}

int
quote_split(const char *text, char ***ret_argv, size_t *ret_argc, size_t *ret_at)
{
	size_t len = strlen(text), room = len / 2 + 2, argc = 0, at = 0;
	char **argv, *out;
	int r;

	/* At most one word for every two bytes, and each word's terminator replaces a blank. */
	argv = mem_alloc(room * sizeof(*argv) + len + 2);
	if (!argv)
		return -ENOMEM;
	out = (char *)(argv + room);
	for (;;) {
		while (is_blank(text[at]))
			at++;
		if (text[at] == '\0')
			break;
		argv[argc++] = out;
		r = read_word(text, &at, &out, ret_at);
		if (r) {
			mem_free(argv);
			return r;
		}
	}
	argv[argc] = NULL;
	*ret_argv = argv;
	*ret_argc = argc;
	return 0;
}

static bool
is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_-./:=,+@%^~*?[]{}!<>()&|;#$", c) != NULL);
}

/* One byte, or one valid UTF-8 sequence, for the inside of double quotes. Returns how many
 * bytes of word were used. */
static size_t
add_inside(struct str *out, const char *word)
{
	size_t n = utf8_sequence(word, strlen(word));

	if (n > 1 && !((unsigned char)word[0] == 0xC2 && (unsigned char)word[1] < 0xA0)) {
		str_add_n(out, word, n);
		return n;
	}
	switch (*word) {
	case '"':
		str_add(out, "\\\"");
		break;
	case '\\':
		str_add(out, "\\\\");
		break;
	case '\n':
		str_add(out, "\\n");
		break;
	case '\t':
		str_add(out, "\\t");
		break;
	case '\r':
		str_add(out, "\\r");
		break;
	default:
		if (*word >= 0x20 && *word < 0x7F)
			str_add_char(out, *word);
		else
			str_addf(out, "\\x%02x", (unsigned char)*word);
		break;
	}
	return 1;
}

void
quote_add_word(struct str *out, const char *word)
{
	size_t bare = 0;

	while (is_bare(word[bare]))
		bare++;
	if (bare > 0 && word[bare] == '\0') {
		str_add_n(out, word, bare);
		return;
	}
	str_add_char(out, '"');
	while (*word != '\0')
		word += add_inside(out, word);
	str_add_char(out, '"');
}
