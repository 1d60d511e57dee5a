/*
 * words: the command lines of two supervisors. Must not expand anything.
 */
#include "import/words.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "base/words.h"

static void
add_str(struct words *w, struct str *word)
{
	if (str_failed(word))
		w->failed = true;
	else
		words_add_n(w, str_text(word), word->len);
	str_reset(word);
}

/* --- shlex --------------------------------------------------------------------------------- */

/* *at is behind a quote. Behind "\" a double quote and "\" itself are taken, in double quotes. */
static int
shlex_quoted(const char **at, char quote, struct str *word)
{
	for (const char *p = *at; *p; p++) {
		if (*p == quote) {
			*at = p + 1;
			return 0;
		}
		if (quote == '"' && *p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		str_add_char(word, *p);
	}
	return -EINVAL;
}

static int
shlex_word(const char **at, struct str *word)
{
	while (**at && !words_is_blank(**at)) {
		char c = *(*at)++;

		if (c == '\'' || c == '"') {
			if (shlex_quoted(at, c, word) < 0)
				return -EINVAL;
		} else if (c != '\\')
			str_add_char(word, c);
		else if (**at)
			str_add_char(word, *(*at)++);
		else
			return -EINVAL;
	}
	return 0;
}

int
words_split_shlex(const char *text, struct words *ret)
{
	struct str word = {0};
	int r = 0;

	for (;;) {
		while (words_is_blank(*text))
			text++;
		if (!*text)
			break;
		r = shlex_word(&text, &word);
		if (r < 0)
			break;
		add_str(ret, &word);
	}
	ret->failed |= str_failed(&word);
	str_free(&word);
	return r;
}

/* --- PM2 ----------------------------------------------------------------------------------- */

/* Length of "..." or '...' at text, or 0. */
static size_t
quoted_length(const char *text)
{
	const char *end = *text == '"' || *text == '\'' ? strchr(text + 1, *text) : NULL;

	return end ? (size_t)(end - text) + 1 : 0;
}

void
words_split_pm2(const char *text, struct words *ret)
{
	while (*text) {
		size_t len = 0, quoted = quoted_length(text);

		if (words_is_blank(*text)) {
			text++;
			continue;
		}
		if (quoted) {
			/* What is in quotes, unless it is blank. */
			size_t blanks = 0;

			while (words_is_blank(text[1 + blanks]))
				blanks++;
			if (1 + blanks < quoted - 1)
				words_add_n(ret, text + 1, quoted - 2);
			text += quoted;
			continue;
		}
		/* --name="a b" stays as it is, quotes and all. */
		while (text[len] && !words_is_blank(text[len]) && !strchr("\"'=", text[len]))
			len++;
		if (len > 0 && text[len] == '=' && quoted_length(text + len + 1))
			len += 1 + quoted_length(text + len + 1);
		else
			while (text[len] && !words_is_blank(text[len]))
				len++;
		words_add_n(ret, text, len);
		text += len;
	}
}
