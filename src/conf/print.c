/*
 * print: the configuration as text: what was understood, the sample file, the list of keys. All
 * of it follows from the schema. Must not show values of [env:] unless it is asked to.
 */
#include <string.h>

#include "base/str.h"
#include "conf/internal.h"

#define WIDTH 98

static void
print_key(const struct key *key, const void *base, bool all, struct str *out)
{
	struct str text = {0};
	char *rest, *line;

	key->type->print(key, base, &text);
	if (str_failed(&text))
		out->failed = true;
	rest = text.data;
	/* Without a line for workers, WEB_CONCURRENCY would have its say when it is read back. */
	if (!all && key->def && key->type != &type_workers &&
	    strcmp(str_text(&text), key->def) == 0)
		rest = NULL;
	while (rest && (line = strsep(&rest, "\n"))) {
		str_addf(out, "%s = ", key->name);
		if (key->raw)
			str_add(out, line);
		else
			add_dollar_escaped(out, line);
		str_add_char(out, '\n');
	}
	str_free(&text);
}

static void
print_section(enum section_kind section, const void *base, bool all, struct str *out)
{
	for (size_t i = 0; i < schema_len; i++) {
		if (schema[i].section == section)
			print_key(&schema[i], base, all, out);
	}
}

static void
print_env(const struct conf_app *app, bool secrets, struct str *out)
{
	if (app->env_len == 0)
		return;
	str_addf(out, "\n[env:%s]\n", app->name);
	for (size_t i = 0; i < app->env_len; i++) {
		str_addf(out, "%s = ", app->env[i].name);
		if (secrets)
			env_add_value(out, app->env[i].value);
		else
			str_add(out, "***");
		str_add_char(out, '\n');
	}
}

/* exit_when has a default that depends on who asks, so that set and not set are not the same. */
static void
print_master(const struct conf *c, bool all, struct str *out)
{
	const struct key *key = &schema[schema_find(SECTION_MASTER, "exit_when")];

	for (size_t i = 0; i < schema_len; i++) {
		if (schema[i].section == SECTION_MASTER && &schema[i] != key)
			print_key(&schema[i], &c->master, all, out);
	}
	if (c->master.exit_when_set)
		print_key(key, &c->master, true, out);
}

void
conf_print(const struct conf *c, bool all, bool secrets, struct str *out)
{
	struct str master = {0};

	print_master(c, all, &master);
	if (str_failed(&master))
		out->failed = true;
	if (master.len > 0)
		str_addf(out, "[master]\n%s", master.data);
	for (size_t i = 0; i < c->apps_len; i++) {
		str_addf(out, "%s[app:%s]\n", out->len > 0 ? "\n" : "", c->apps[i]->name);
		print_section(SECTION_APP, c->apps[i], all, out);
		print_env(c->apps[i], secrets, out);
	}
	str_free(&master);
}

/* text as a comment, broken between words. */
static void
add_comment(struct str *out, const char *text)
{
	size_t column = 0, word;

	while (*text != '\0') {
		word = strcspn(text, " ");
		if (column > 0 && column + 1 + word > WIDTH) {
			str_add_char(out, '\n');
			column = 0;
		}
		str_add(out, column == 0 ? "# " : " ");
		str_add_n(out, text, word);
		column += word + (column == 0 ? 2 : 1);
		text += word;
		text += strspn(text, " ");
	}
	str_add_char(out, '\n');
}

static void
sample_keys(enum section_kind section, struct str *out)
{
	for (size_t i = 0; i < schema_len; i++) {
		const struct key *key = &schema[i];

		if (key->section != section)
			continue;
		str_add_char(out, '\n');
		add_comment(out, key->help);
		if (key->type == &type_listen)
			str_addf(out, "%s = %s\n", key->name, key->sample);
		else
			str_addf(out, "#%s = %s\n", key->name, key->def ? key->def : key->sample);
	}
}

void
conf_print_sample(struct str *out)
{
	add_comment(out,
	    "brood.conf: sample configuration of broodd(8). brood.conf(5) explains all of "
	    "it.");
	str_add(out, "#\n");
	add_comment(out,
	    "A line that begins with # or ; is a comment; there are none behind a value. "
	    "A key that is commented out shows its default, or an example where it has none. Times "
	    "are "
	    "500ms, 30s, 5m, 2h; sizes 512K, 64M, 2G. ${VAR} and ${VAR:-default} are taken from "
	    "the "
	    "environment when the file is loaded, $$ is a dollar; %(slot), %(app) and "
	    "%(generation) in "
	    "a command or a variable are filled in when a worker starts.");
	str_add(out, "#\n");
	add_comment(out,
	    "Check it with \"broodd -t\", see what was understood with \"broodd -T\", apply "
	    "it with \"brood reload\".");
	str_add(out, "\n[master]\n");
	sample_keys(SECTION_MASTER, out);
	str_add(out, "\n");
	add_comment(out, "One section for each app. This one runs the built-in hello.");
	str_add(out, "[app:hello]\n");
	sample_keys(SECTION_APP, out);
	str_add(out, "\n");
	add_comment(out,
	    "Further variables for the workers of the app of that name. A value in double "
	    "quotes may hold \\n, \\t, \\\" and \\\\.");
	str_add(out, "#[env:hello]\n#GREETING = hello from slot %(slot)\n");
}

void
conf_print_schema(struct str *out)
{
	for (size_t i = 0; i < schema_len; i++) {
		const struct key *key = &schema[i];

		str_addf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", schema_section_name(key->section),
		    key->name, key->type->name, key->def ? key->def : "-",
		    key->fixed ? "no" : "yes", key->help);
	}
}
