/*
 * env: variables of workers, from env_file and [env:NAME]. Must not add any of its own; what a
 * worker finds besides is the business of who starts it.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"
#include "conf/internal.h"

bool
env_name_is_valid(const char *name)
{
	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++) {
		if (*name <= ' ' || *name >= 0x7F || *name == '=')
			return false;
	}
	return true;
}

int
env_set(struct conf_app *app, const char *name, const char *value)
{
	struct conf_env *grown, *e;
	char *copy;

	for (size_t i = 0; i < app->env_len; i++) {
		if (strcmp(app->env[i].name, name) == 0)
			return set_text(&app->env[i].value, value);
	}
	if (app->env_len >= ENV_MAX)
		return -E2BIG;
	grown = mem_realloc(app->env, (app->env_len + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	app->env = grown;
	e = &app->env[app->env_len];
	copy = mem_strdup(name);
	e->value = mem_strdup(value);
	if (!copy || !e->value) {
		mem_free(copy);
		mem_free(e->value);
		return -ENOMEM;
	}
	e->name = copy;
	app->env_len++;
	return 0;
}

/* One line of an env_file: NAME=VALUE, the value in quotes if it likes. It is passed on as it
 * is: no ${VAR}, and % doubled so that conf_expand_worker() gives it back. */
static int
take_file_line(const struct value *v, const struct place *at, char *line)
{
	struct conf_app *app = v->base;
	struct str value = {0};
	char *equals, **argv = NULL;
	size_t argc = 0, bad;
	int r = 0;

	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return 0;
	if (strncmp(line, "export ", 7) == 0)
		line += 7 + strspn(line + 7, " \t");
	equals = strchr(line, '=');
	if (equals)
		*equals = '\0';
	if (!equals || !env_name_is_valid(line)) {
		load_error(v->load, at, "no NAME=VALUE here; a comment begins with #");
		return 0;
	}
	if (equals[1] == '"' || equals[1] == '\'') {
		r = quote_split(equals + 1, &argv, &argc, &bad);
		if (r == -EINVAL || (r == 0 && argc != 1)) {
			load_error(v->load, at,
			    "%s: the quoted value does not end where the line does", line);
			mem_free(argv);
			return 0;
		}
	}
	for (const char *c = argv ? argv[0] : equals + 1; r == 0 && *c != '\0'; c++)
		str_add_n(&value, *c == '%' ? "%%" : c, *c == '%' ? 2 : 1);
	if (r == 0)
		r = str_failed(&value) ? -ENOMEM : env_set(app, line, str_text(&value));
	if (r == -E2BIG)
		load_error(v->load, at, "more than %d variables", ENV_MAX);
	str_free(&value);
	mem_free(argv);
	return r == -ENOMEM ? r : 0;
}

static int
take_file_lines(const struct value *v, const struct source_file *file, char *data, size_t len)
{
	struct place at = {.file = file, .line = 1, .col = 1};
	char *line;
	size_t end;
	int r = 0;

	if (memchr(data, '\0', len)) {
		load_error(v->load, &at, "a NUL byte; this is no text file");
		return 0;
	}
	for (; r == 0 && (line = strsep(&data, "\n")); at.line++) {
		end = strlen(line);
		while (end > 0 && strchr(" \t\r", line[end - 1]))
			line[--end] = '\0';
		r = take_file_line(v, &at, line);
	}
	return r;
}

int
env_load_file(const struct value *v, const char *path)
{
	char *full = path_beside(v->entry->at.file->path, path), *data = NULL;
	struct source_file file = {.path = full, .label = full};
	struct err e = {0};
	size_t len;
	int r;

	if (!full)
		return -ENOMEM;
	r = file_read(full, v->load->src->check_owner, &data, &len, NULL, NULL, &e);
	if (r == 0)
		r = take_file_lines(v, &file, data, len);
	else if (r != -ENOMEM)
		r = value_error(v, "%s %s", full, e.text);
	mem_free(data);
	mem_free(full);
	return r;
}

/* The value as written: raw to the end of the line, or one word in quotes. 0, -EINVAL said, or
 * -ENOMEM. */
static int
take_value(struct load *l, const struct raw_entry *entry, struct str *out)
{
	const char *text = entry->value;
	struct place at = entry->value_at;
	char **argv = NULL;
	size_t argc = 0, bad = 0;
	struct err e = {0};
	int r;

	if (text[0] == '"') {
		r = quote_split(text, &argv, &argc, &bad);
		if (r == 0 && argc != 1) {
			r = -EINVAL;
			bad = strlen(text);
		}
		at.col += (unsigned)bad;
		if (r == -EINVAL)
			load_error(l, &at,
			    "%s: the quoted value is not well formed; inside \"\" there are "
			    "\\\" \\\\ \\n \\t \\r and \\xNN, and nothing stands behind it",
			    entry->key);
		if (r)
			goto out;
		text = argv[0];
		bad = 0;
	}
	r = expand_variables(text, l->src->environ, out, &bad, &e);
	if (r == -EINVAL) {
		at.col += (unsigned)bad;
		load_error(l, &at, "%s: %s", entry->key, e.text);
	}
out:
	mem_free(argv);
	return r;
}

static bool
is_twice(const struct load *l, const struct raw_entry *entry)
{
	const struct raw_entry *e;

	/* Entries of one section follow each other, but for what an include brought. */
	for (e = entry; e > l->raw.entries; e--) {
		if (e[-1].section == entry->section && strcmp(e[-1].key, entry->key) == 0)
			return true;
		if (e[-1].section != entry->section)
			break;
	}
	return false;
}

void
env_take_entry(struct load *l, struct conf_app *app, const struct raw_entry *entry)
{
	struct str value = {0};
	int r;

	if (!env_name_is_valid(entry->key)) {
		load_error(l, &entry->at, "\"%s\" is no name of a variable", entry->key);
		return;
	}
	if (is_twice(l, entry)) {
		load_error(l, &entry->at, "%s is set twice; remove one", entry->key);
		return;
	}
	r = take_value(l, entry, &value);
	if (r == 0)
		r = env_set(app, entry->key, str_text(&value));
	if (r == -E2BIG)
		load_error(l, &entry->at, "%s: more than %d variables", entry->key, ENV_MAX);
	if (r == -ENOMEM)
		l->no_memory = true;
	str_free(&value);
}

/* Whether value can stand as it is after "NAME = ". */
static bool
is_plain(const char *value)
{
	size_t len = strlen(value), n;

	if (len == 0 || value[0] == '"' || value[0] == ' ' || value[len - 1] == ' ' ||
	    len > LINE_MAX_BYTES / 2)
		return false;
	for (size_t i = 0; i < len; i += n) {
		n = utf8_sequence(value + i, len - i);
		if (n == 0 || (unsigned char)value[i] < 0x20 || value[i] == 0x7F)
			return false;
	}
	return true;
}

void
env_add_value(struct str *out, const char *value)
{
	struct str escaped = {0};

	add_dollar_escaped(&escaped, value);
	if (str_failed(&escaped))
		out->failed = true;
	else if (is_plain(value))
		str_add(out, str_text(&escaped));
	else
		quote_add_word(out, str_text(&escaped));
	str_free(&escaped);
}
