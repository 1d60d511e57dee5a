/*
 * expand: variables of the environment when a file is loaded, and %(...) when a worker starts.
 * Must not look at the process's own environment: what counts is handed in.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/internal.h"

const char *
environ_get(char *const *environ, const char *name, size_t len)
{
	for (; environ && *environ; environ++) {
		if (strncmp(*environ, name, len) == 0 && (*environ)[len] == '=')
			return *environ + len + 1;
	}
	return NULL;
}

static size_t
name_length(const char *text)
{
	size_t n = 0;

	while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') ||
	       text[n] == '_' || (n > 0 && text[n] >= '0' && text[n] <= '9'))
		n++;
	return n;
}

/* text is at "${". Returns how much of it was used, or 0 with the reason in e. */
static size_t
expand_one(const char *text, char *const *environ, struct str *out, struct err *e)
{
	const char *name = text + 2, *value, *close, *rest;
	size_t len = name_length(name);

	rest = name + len;
	close = strchr(rest, '}');
	if (!close || len == 0 || (*rest != '}' && strncmp(rest, ":-", 2) != 0)) {
		(void)err_set(e, -EINVAL,
		    "${ begins a variable: write ${NAME} or ${NAME:-default}, "
		    "or $${ for the characters themselves");
		return 0;
	}
	value = environ_get(environ, name, len);
	if (*rest == ':' && (!value || *value == '\0')) {
		str_add_n(out, rest + 2, (size_t)(close - rest - 2));
	} else if (value) {
		str_add(out, value);
	} else {
		(void)err_set(e, -EINVAL,
		    "%.*s is not set in the environment; set it, write "
		    "${%.*s:-default}, or $${%.*s} for the characters themselves",
		    (int)len, name, (int)len, name, (int)len, name);
		return 0;
	}
	return (size_t)(close - text) + 1;
}

int
expand_variables(
    const char *text, char *const *environ, struct str *out, size_t *ret_at, struct err *e)
{
	size_t i = 0, n;

	str_add(out, ""); /* So that there is a text even when nothing is added. */
	while (text[i] != '\0') {
		if (text[i] == '$' && text[i + 1] == '$') {
			str_add_char(out, '$');
			i += 2;
		} else if (text[i] == '$' && text[i + 1] == '{') {
			n = expand_one(text + i, environ, out, e);
			if (n == 0) {
				*ret_at = i;
				return str_failed(out) ? -ENOMEM : -EINVAL;
			}
			i += n;
		} else {
			n = strcspn(text + i + 1, "$") + 1;
			str_add_n(out, text + i, n);
			i += n;
		}
	}
	return str_failed(out) ? -ENOMEM : 0;
}

void
add_dollar_escaped(struct str *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '$' && (text[1] == '$' || text[1] == '{'))
			str_add_char(out, '$');
		str_add_char(out, *text);
	}
}

/* Other uses of % stay as they are: date +%s, an access log's %(h)s. */
char *
conf_expand_worker(const char *text, const char *app, unsigned slot, unsigned generation)
{
	struct str out = {0};
	size_t n;

	str_add(&out, "");
	while (*text != '\0') {
		if (strncmp(text, "%%", 2) == 0) {
			str_add_char(&out, '%');
			text += 2;
		} else if (strncmp(text, "%(slot)", 7) == 0) {
			str_addf(&out, "%u", slot);
			text += 7;
		} else if (strncmp(text, "%(app)", 6) == 0) {
			str_add(&out, app);
			text += 6;
		} else if (strncmp(text, "%(generation)", 13) == 0) {
			str_addf(&out, "%u", generation);
			text += 13;
		} else {
			n = strcspn(text + 1, "%") + 1;
			str_add_n(&out, text, n);
			text += n;
		}
	}
	if (str_failed(&out)) {
		str_free(&out);
		return NULL;
	}
	return out.data;
}
