/*
 * sections: lines become sections and options. Must not expand or interpret a value.
 */
#include "import/sections.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "import/draft.h"

#define SECTIONS_MAX 4096
#define OPTIONS_MAX  512 /* of a section */

struct reader {
	struct ini *ini;
	const char *file, *here;
	struct err *e;
	unsigned line;
	struct ini_section *section;
	struct ini_option *option; /* that an indented line goes on with */
	size_t indent; /* of the line that it began in */
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

struct ini_section *
ini_find(const struct ini *ini, const char *name)
{
	for (size_t i = 0; i < ini->sections_len; i++)
		if (strcmp(ini->sections[i]->name, name) == 0)
			return ini->sections[i];
	return NULL;
}

struct ini_option *
ini_option(const struct ini_section *s, const char *key)
{
	for (size_t i = 0; s && i < s->options_len; i++)
		if (strcmp(s->options[i].key, key) == 0)
			return &s->options[i];
	return NULL;
}

static void
free_section(struct ini_section *s)
{
	for (size_t i = 0; i < s->options_len; i++) {
		mem_free(s->options[i].key);
		str_free(&s->options[i].value);
	}
	mem_free(s->options);
	mem_free(s->name);
	mem_free(s->file);
	mem_free(s->here);
	mem_free(s);
}

void
ini_free(struct ini *ini)
{
	for (size_t i = 0; i < ini->sections_len; i++)
		free_section(ini->sections[i]);
	mem_free(ini->sections);
	*ini = (struct ini){0};
}

static struct ini_section *
new_section(struct reader *r, const char *name, size_t len)
{
	struct ini_section *s = mem_calloc(1, sizeof(*s)), **grown;

	if (!s)
		return NULL;
	s->name = mem_strndup(name, len);
	s->file = mem_strdup(r->file);
	s->here = mem_strdup(r->here);
	s->line = r->line;
	grown = mem_realloc(r->ini->sections, (r->ini->sections_len + 1) * sizeof(*grown));
	if (grown)
		r->ini->sections = grown;
	if (!grown || !s->name || !s->file || !s->here) {
		free_section(s);
		return NULL;
	}
	grown[r->ini->sections_len++] = s;
	return s;
}

/* "[name]" and whatever stands behind it. */
static int
take_section(struct reader *r, const char *text, size_t len)
{
	const char *close = memchr(text, ']', len);
	char *name;

	r->option = NULL;
	name = mem_strndup(text + 1, (size_t)(close - text - 1));
	if (!name)
		return -ENOMEM;
	r->section = ini_find(r->ini, name);
	mem_free(name);
	if (r->section)
		return 0;
	if (r->ini->sections_len >= SECTIONS_MAX)
		return err_set(
		    r->e, -EINVAL, "%s:%u: more than %d sections", r->file, r->line, SECTIONS_MAX);
	r->section = new_section(r, text + 1, (size_t)(close - text - 1));
	return r->section ? 0 : -ENOMEM;
}

/* The option of that key, emptied, or a new one. NULL without memory. */
static struct ini_option *
set_option(struct reader *r, const char *key, size_t len)
{
	struct ini_section *s = r->section;
	char *name = mem_strndup(key, len);
	struct ini_option *o, *grown;

	for (char *c = name; c && *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	o = name ? ini_option(s, name) : NULL;
	if (!name || o) {
		mem_free(name);
		if (o)
			str_reset(&o->value);
		return o;
	}
	grown = mem_realloc(s->options, (s->options_len + 1) * sizeof(*grown));
	if (!grown) {
		mem_free(name);
		return NULL;
	}
	s->options = grown;
	o = &grown[s->options_len++];
	*o = (struct ini_option){.key = name};
	return o;
}

/* Blanks are what a line begins with, so the column is that of its text. */
static int
refuse(struct reader *r, size_t column, const char *why)
{
	return err_set(r->e, -EINVAL, "%s:%u:%zu: %s", r->file, r->line, column + 1, why);
}

static int
take_option(struct reader *r, const char *text, size_t len, size_t column)
{
	const char *sign = NULL, *value;
	size_t key_len;

	for (const char *p = text; p < text + len && !sign; p++)
		if (*p == '=' || *p == ':')
			sign = p;
	if (!r->section)
		return refuse(r, column, "text before the first [section]");
	if (!sign || sign == text)
		return refuse(r, column, "no \"key = value\" in this line");
	if (r->section->options_len >= OPTIONS_MAX)
		return refuse(r, column, "too many keys in this section");
	key_len = (size_t)(sign - text);
	while (key_len > 0 && is_blank(text[key_len - 1]))
		key_len--;
	value = sign + 1;
	while (value < text + len && is_blank(*value))
		value++;
	r->option = set_option(r, text, key_len);
	if (!r->option)
		return -ENOMEM;
	r->option->line = r->line;
	r->option->cut = false;
	str_add(&r->option->value, "");
	str_add_n(&r->option->value, value, (size_t)(text + len - value));
	return str_failed(&r->option->value) ? -ENOMEM : 0;
}

/* Where a comment begins: at ";" or "#" first in the line, or behind a blank. */
static size_t
comment_start(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((line[i] == ';' || line[i] == '#') && (i == 0 || is_blank(line[i - 1])))
			return i;
	return len;
}

/* supervisord does not look at quotes when it cuts; whoever wrote the line did. */
static bool
is_in_quotes(const char *line, size_t at)
{
	char quote = '\0';

	for (size_t i = 0; i < at; i++) {
		if (quote && line[i] == quote)
			quote = '\0';
		else if (!quote && (line[i] == '"' || line[i] == '\''))
			quote = line[i];
	}
	return quote != '\0';
}

static int
take_line(struct reader *r, const char *line, size_t full)
{
	size_t len = comment_start(line, full), indent = 0;
	bool cut = len < full && is_in_quotes(line, len);
	int code;

	while (indent < len && is_blank(line[indent]))
		indent++;
	while (len > indent && is_blank(line[len - 1]))
		len--;
	if (len == indent) {
		/* An empty line belongs to a value that goes on below; a comment is nothing. */
		if (r->option && comment_start(line, full) == full)
			str_add_char(&r->option->value, '\n');
		return 0;
	}
	if (r->option && indent > r->indent) {
		str_add_char(&r->option->value, '\n');
		str_add_n(&r->option->value, line + indent, len - indent);
		r->option->cut |= cut;
		return str_failed(&r->option->value) ? -ENOMEM : 0;
	}
	r->indent = indent;
	if (line[indent] == '[' && memchr(line + indent, ']', len - indent) &&
	    line[indent + 1] != ']')
		return take_section(r, line + indent, len - indent);
	code = take_option(r, line + indent, len - indent, indent);
	if (code == 0)
		r->option->cut = cut;
	return code;
}

static void
trim_values(struct ini *ini)
{
	for (size_t i = 0; i < ini->sections_len; i++) {
		for (size_t k = 0; k < ini->sections[i]->options_len; k++) {
			struct str *v = &ini->sections[i]->options[k].value;

			while (v->len > 0 &&
			       (is_blank(v->data[v->len - 1]) || v->data[v->len - 1] == '\n'))
				v->data[--v->len] = '\0';
		}
	}
}

int
ini_add(struct ini *ini, const char *file, const char *here, const char *text, size_t len,
    struct err *e)
{
	struct reader r = {.ini = ini, .file = file, .here = here, .e = e};
	const char *end = text + len;
	int code = 0;

	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	while (code == 0 && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;

		r.line++;
		if (draft_is_text(text, (size_t)(line_end - text)))
			code = take_line(&r, text, (size_t)(line_end - text));
		else
			code = refuse(&r, 0, "the line has control characters, or is not UTF-8");
		text = line_end + (newline != NULL);
	}
	trim_values(ini);
	return code;
}
