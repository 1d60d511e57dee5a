/*
 * nodecmd: see the header.
 *
 * A command is followed in steps, each of which takes one launcher off: "npm start" -> "cross-env A=1
 * nodemon x.js" -> "nodemon x.js" -> "node x.js". At last there is a command of node that no step
 * changes, or one that nobody here knows how to follow.
 */
#include "loop/nodecmd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"
#include "loop/nodepkg.h"
#include "loop/nodetrail.h"
#include "sys/script.h"

#define STEPS_MAX 12

/* -- Words. */

void
words_add(struct words *w, const char *word)
{
	const char **v = word && !w->failed ? mem_realloc(w->v, (w->len + 1) * sizeof(*v)) : NULL;

	if (!v) {
		w->failed = true;
		return;
	}
	w->v = v;
	w->v[w->len++] = word;
}

void
words_add_from(struct words *w, const struct words *from, size_t i)
{
	for (; i < from->len; i++)
		words_add(w, from->v[i]);
}

bool
word_is(const char *word, const char *const *list)
{
	while (*list && strcmp(word, *list) != 0)
		list++;
	return *list;
}

bool
word_begins(const char *word, const char *with)
{
	return strncmp(word, with, strlen(with)) == 0;
}

bool
word_ends(const char *word, const char *with)
{
	size_t n = strlen(word), m = strlen(with);

	return n >= m && strcmp(word + n - m, with) == 0;
}

const char *
trail_keep(struct trail *t, char *string)
{
	if (!string || t->strings_len == TRAIL_STRINGS_MAX) {
		mem_free(string);
		return NULL;
	}
	t->strings[t->strings_len++] = string;
	return string;
}

const char *
path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A path as one would write it in the directory of the app. */
static const char *
shown(const struct trail *t, const char *path)
{
	size_t n = strlen(t->directory);

	return word_begins(path, t->directory) && path[n] == '/' && path[n + 1] ? path + n + 1
	                                                                        : path;
}

/* Whether a shell would do no more with text than cut it into the words that quote_split() finds. */
static bool
is_plain(const char *text)
{
	char quote = '\0';

	for (; *text; text++) {
		if (quote == '\0' && strchr("&|;<>()$`*?[]#~!\n", *text))
			return false;
		if (quote == '"' && strchr("$`", *text))
			return false;
		if (quote != '\'' && *text == '\\') {
			if (text[1] == '\0' || (quote == '"' && !strchr("\"\\", text[1])))
				return false;
			text++;
		} else if (quote == *text) {
			quote = '\0';
		} else if (quote == '\0' && (*text == '"' || *text == '\'')) {
			quote = *text;
		}
	}
	return true;
}

bool
trail_add_line(struct trail *t, struct words *w, const char *text)
{
	char **argv = NULL;
	size_t argc = 0, at;

	if (!is_plain(text) || quote_split(text, &argv, &argc, &at) != 0)
		return false;
	if (!trail_keep(t, (char *)argv))
		return false;
	for (size_t i = 0; i < argc; i++)
		words_add(w, argv[i]);
	return argc > 0;
}

/* -- node. */

/* Options of node that take the next word when there is no "=". */
static const char *const node_values[] = {"-r", "--require", "--import", "--loader",
    "--experimental-loader", "-C", "--conditions", "--env-file", "--env-file-if-exists", "--title",
    "--input-type", "--icu-data-dir", "--openssl-config", "--redirect-warnings", "--inspect-port",
    "--trace-event-categories", "--max-http-header-size", "--unhandled-rejections",
    "--dns-result-order", "--disable-warning", "--report-dir", "--report-directory",
    "--report-filename", "--diagnostic-dir", "--tls-cipher-list", "--localstorage-file", NULL};

bool
node_is_option_with_value(const char *word)
{
	return word_is(word, node_values);
}

void
node_add_option(struct words *next, const struct words *w, size_t *i)
{
	words_add(next, w->v[*i]);
	if (node_is_option_with_value(w->v[*i]) && *i + 1 < w->len)
		words_add(next, w->v[++*i]);
}

static char *
real_path(const struct trail *t, const char *path)
{
	struct str full = {0};
	char *real, *copy;

	str_addf(
	    &full, "%s%s%s", path[0] == '/' ? "" : t->directory, path[0] == '/' ? "" : "/", path);
	real = str_failed(&full) ? NULL : realpath(full.data, NULL);
	copy = real ? mem_strdup(real) : NULL;
	free(real);
	str_free(&full);
	return copy;
}

/* node nodemon.js ... -> nodemon ... */
static bool
is_launcher_script(struct trail *t, size_t script, struct words *next)
{
	const struct words *w = &t->words;
	char *path = real_path(t, w->v[script]);
	const struct launcher *l = path ? launcher_at(path) : NULL;

	mem_free(path);
	if (!l)
		return false;
	next->len = 0;
	words_add(next, l->name);
	words_add_from(next, w, script + 1);
	return true;
}

static enum step
step_node(struct trail *t, struct words *next)
{
	static const char *const watch[] = {"--watch", "--watch-preserve-output", NULL};
	static const char *const text[] = {"-e", "--eval", "-p", "--print", "-pe", NULL};
	const struct words *w = &t->words;
	bool changed = false;
	size_t i = 1;

	words_add(next, w->v[0]);
	for (; i < w->len && w->v[i][0] == '-' && strcmp(w->v[i], "-") != 0; i++) {
		const char *word = w->v[i];

		if (strcmp(word, "--") == 0) {
			words_add(next, w->v[i++]);
			break;
		}
		if (strcmp(word, "--run") == 0 && i + 1 < w->len)
			return node_run_script(t, NULL, w->v[i + 1], i + 2, next);
		if (word_begins(word, "--run="))
			return node_run_script(t, NULL, strchr(word, '=') + 1, i + 1, next);
		if (word_is(word, text))
			return changed ? STEP_LOST : STEP_END;
		if (word_is(word, watch) || word_begins(word, "--watch-path")) {
			changed = true;
			i += strcmp(word, "--watch-path") == 0;
		} else {
			node_add_option(next, w, &i);
		}
	}
	if (i < w->len && is_launcher_script(t, i, next))
		return STEP_ON;
	words_add_from(next, w, i);
	return changed ? STEP_ON : STEP_END;
}

/* -- Scripts of package.json, and what they may begin with. */

bool
node_add_arguments(struct words *next, const struct words *w, size_t args)
{
	for (size_t i = args; i < w->len; i++) {
		if (strcmp(w->v[i], "--") == 0) {
			words_add_from(next, w, i + 1);
			return true;
		}
		if (w->v[i][0] == '-')
			return false;
		words_add(next, w->v[i]);
	}
	return true;
}

enum step
node_run_script(
    struct trail *t, const struct launcher *l, const char *name, size_t args, struct words *next)
{
	char *text = node_package_script(t->directory, name);
	struct str pre = {0};
	char *before;
	bool good;

	next->len = 0;
	if (text) {
		good = trail_add_line(t, next, text);
	} else {
		good = l && l->default_start && strcmp(name, "start") == 0 &&
		       node_has_file(t->directory, "server.js");
		words_add(next, "node");
		words_add(next, "server.js");
	}
	mem_free(text);
	str_addf(&pre, "pre%s", name);
	before = l && l->runs_before ? node_package_script(t->directory, str_text(&pre)) : NULL;
	if (before)
		str_addf(&t->before, "%s%s", t->before.len > 0 ? ", " : "", str_text(&pre));
	mem_free(before);
	str_free(&pre);
	return good && node_add_arguments(next, &t->words, args) ? STEP_ON : STEP_LOST;
}

static bool
is_assignment(const char *word)
{
	size_t n = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return n > 0 && word[n] == '=';
}

/* A=1 exec node -> node; what is set is noted down. */
static bool
peel(struct trail *t, struct words *next)
{
	static const char *const words[] = {"exec", "env", "cross-env", NULL};
	size_t i = 0;

	for (; i < t->words.len; i++) {
		const char *word = t->words.v[i], *value = strchr(word, '=');

		if (is_assignment(word))
			str_addf(&t->variables, "%s%.*s = %s", t->variables.len > 0 ? ", " : "",
			    (int)(value - word), word, value + 1);
		else if (!word_is(word, words))
			break;
	}
	words_add_from(next, &t->words, i);
	return i > 0;
}

/* A script of Node by its name or path: foo a -> node node_modules/foo/bin/x.js a */
static enum step
step_file(struct trail *t, struct words *next)
{
	const char *name = t->words.v[0];
	char *found =
	    strchr(name, '/') ? real_path(t, name) : node_package_command(t->directory, name);
	const char *path = trail_keep(t, found);
	struct str options = {0};
	bool runs = path && node_runs(path, &options);
	bool good = runs || (path && word_ends(path, ".js"));

	words_add(next, "node");
	if (options.len > 0)
		good = trail_add_line(t, next, str_text(&options)) && good;
	str_free(&options);
	words_add(next, path ? shown(t, path) : "");
	words_add_from(next, &t->words, 1);
	return good ? STEP_ON : STEP_LOST;
}

static enum step
step(struct trail *t, struct words *next)
{
	const char *name = t->words.len > 0 ? path_base(t->words.v[0]) : "";
	const struct launcher *l = launcher_find(name);

	if (t->words.len == 0)
		return STEP_LOST;
	if (peel(t, next))
		return STEP_ON;
	next->len = 0;
	if (script_is_node(name))
		return step_node(t, next);
	return l ? l->step(t, l, next) : step_file(t, next);
}

/* One step, done; STEP_ON: words is what it comes to. */
static enum step
walk(struct trail *t)
{
	struct words next = {0};
	enum step s = t->words.failed ? STEP_LOST : step(t, &next);

	if (s == STEP_ON && !next.failed) {
		mem_free(t->words.v);
		t->words = next;
		return STEP_ON;
	}
	t->words.failed |= next.failed;
	mem_free(next.v);
	return t->words.failed ? STEP_LOST : s;
}

static void
write_line(const struct trail *t, struct str *line)
{
	for (size_t i = 0; i < t->words.len; i++) {
		str_add(line, i > 0 ? " " : "");
		quote_add_word(line, t->words.v[i]);
	}
	if (t->variables.len > 0)
		str_addf(line, " (with %s under [env:APP])", str_text(&t->variables));
	if (t->before.len > 0)
		str_addf(line, " (the script %s is to be run before)", str_text(&t->before));
}

static void
trail_done(struct trail *t)
{
	mem_free(t->words.v);
	str_free(&t->variables);
	str_free(&t->before);
	while (t->strings_len > 0)
		mem_free(t->strings[--t->strings_len]);
}

/* The first words of the trail: false if the command has nothing to do with Node. */
static bool
begin(struct trail *t, char *const argv[], const char *program)
{
	const char *name = path_base(argv[0]);
	const struct launcher *l = launcher_find(name);
	struct str options = {0};
	bool runs = node_runs(program, &options);

	if (!script_is_node(name) && !script_is_node(path_base(program)) && runs) {
		words_add(&t->words, "node");
		if (options.len > 0)
			t->words.failed |= !trail_add_line(t, &t->words, str_text(&options));
		words_add(&t->words, program);
	} else if (script_is_node(name) || script_is_node(path_base(program))) {
		words_add(&t->words, script_is_node(name) ? argv[0] : "node");
	} else if (l && (l->certain || launcher_at(program) == l ||
	                    (l->short_run && node_package_exists(t->directory)))) {
		words_add(&t->words, l->name);
	} else {
		str_free(&options);
		return false;
	}
	str_free(&options);
	for (size_t i = 1; argv[i]; i++)
		words_add(&t->words, argv[i]);
	return true;
}

enum node_command
node_command(char *const argv[], const char *program, const char *directory, struct str *ret_line)
{
	struct trail t = {.directory = directory};
	enum node_command command = NODE_COMMAND_NO;
	enum step s;

	str_reset(ret_line);
	if (begin(&t, argv, program)) {
		s = walk(&t);
		command = s == STEP_END ? NODE_COMMAND_YES : NODE_COMMAND_LAUNCHER;
		for (int i = 0; s == STEP_ON && i < STEPS_MAX; i++)
			s = walk(&t);
		if (command == NODE_COMMAND_LAUNCHER && s == STEP_END)
			write_line(&t, ret_line);
	}
	ret_line->failed |= t.words.failed || str_failed(&t.variables) || str_failed(&t.before);
	trail_done(&t);
	return command;
}
