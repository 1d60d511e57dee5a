/*
 * follow: see the header.
 *
 * A command is followed in steps, each of which takes one launcher off: "npm start" -> "cross-env A=1
 * nodemon x.js" -> "nodemon x.js" -> "node x.js". At last there is a command of node that no step
 * changes, or one that nobody here knows how to follow.
 */
#include "launcher/follow.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"
#include "launcher/files.h"
#include "launcher/launchers.h"
#include "launcher/nodewords.h"
#include "launcher/package.h"
#include "launcher/run.h"

#define STEPS_MAX 12

/* A path as one would write it in the directory of the app. */
static const char *
shown(const struct trail *t, const char *path)
{
	size_t n = strlen(t->directory);

	return word_begins(path, t->directory) && path[n] == '/' && path[n + 1] ? path + n + 1
	                                                                        : path;
}

/* node nodemon.js ... -> nodemon ... */
static bool
is_launcher_script(struct trail *t, size_t script, struct words *next)
{
	const struct words *w = &t->words;
	char *path = files_real(t->files, t->directory, w->items[script]);
	const struct launcher *l = path ? launcher_at(path) : NULL;

	mem_free(path);
	if (!l)
		return false;
	words_free(next);
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

	words_add(next, w->items[0]);
	for (; i < w->len && w->items[i][0] == '-' && strcmp(w->items[i], "-") != 0; i++) {
		const char *word = w->items[i];

		if (strcmp(word, "--") == 0) {
			words_add(next, w->items[i++]);
			break;
		}
		if (strcmp(word, "--run") == 0 && i + 1 < w->len)
			return run_script(t, NULL, w->items[i + 1], i + 2, next);
		if (word_begins(word, "--run="))
			return run_script(t, NULL, strchr(word, '=') + 1, i + 1, next);
		if (word_is(word, text))
			return changed ? trail_lose(t, "there is no script") : STEP_END;
		if (word_is(word, watch) || word_begins(word, "--watch-path")) {
			changed = true;
			i += strcmp(word, "--watch-path") == 0;
		} else {
			nodewords_add_option(next, w, &i);
		}
	}
	if (i < w->len && is_launcher_script(t, i, next))
		return STEP_ON;
	words_add_from(next, w, i);
	t->watches |= changed;
	return changed ? STEP_ON : STEP_END;
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
		const char *word = t->words.items[i], *value = strchr(word, '=');

		if (is_assignment(word)) {
			words_add_n(&t->names, word, (size_t)(value - word));
			words_add(&t->values, value + 1);
		} else if (!word_is(word, words)) {
			break;
		}
	}
	words_add_from(next, &t->words, i);
	return i > 0;
}

/* Any program, as npm finds it first: foo a -> node_modules/.bin/foo a */
static enum step
step_program(struct trail *t, struct words *next)
{
	char *path = package_find(t->files, t->directory, t->words.items[0]);

	if (!path)
		return STEP_END;
	words_add(next, shown(t, path));
	words_add_from(next, &t->words, 1);
	mem_free(path);
	return STEP_ON;
}

/* Options of a #! line. No shell has a hand in them. */
static void
add_options(struct words *w, const struct str *options)
{
	const char *at = options->len > 0 ? options->data : "";

	w->failed |= str_failed(options);
	while (*(at += strspn(at, " \t"))) {
		size_t n = strcspn(at, " \t");

		words_add_n(w, at, n);
		at += n;
	}
}

/* A script of Node by its name or path: foo a -> node node_modules/foo/bin/x.js a */
static enum step
step_script(struct trail *t, struct words *next)
{
	const char *name = t->words.items[0];
	char *path = strchr(name, '/') ? files_real(t->files, t->directory, name)
	                               : package_command(t->files, t->directory, name);
	struct str options = {0};
	bool runs = path && files_kind(t->files, path, &options) == FILE_NODE;
	bool good = runs || (path && word_ends(path, ".js"));

	words_add(next, "node");
	add_options(next, &options);
	str_free(&options);
	words_add(next, path ? shown(t, path) : "");
	words_add_from(next, &t->words, 1);
	mem_free(path);
	return good ? STEP_ON : trail_lose(t, "what it starts is no script of Node");
}

static enum step
take_step(struct trail *t, struct words *next)
{
	const char *name = t->words.len > 0 ? path_base(t->words.items[0]) : "";
	const struct launcher *l = launcher_find(name);

	if (t->words.len == 0)
		return trail_lose(t, "it starts nothing");
	if (peel(t, next))
		return STEP_ON;
	words_free(next);
	if (nodewords_is_node(name))
		return step_node(t, next);
	if (l)
		return l->step(t, l, next);
	return t->as_found ? step_program(t, next) : step_script(t, next);
}

/* One step, done; STEP_ON: words is what it comes to. */
static enum step
walk(struct trail *t)
{
	struct words next = {0};
	enum step s = t->words.failed ? STEP_LOST : take_step(t, &next);

	if (s == STEP_ON && !next.failed) {
		words_free(&t->words);
		t->words = next;
		return STEP_ON;
	}
	t->words.failed |= next.failed;
	words_free(&next);
	return t->words.failed ? STEP_LOST : s;
}

/* The first words of the trail: false if the command has nothing to do with Node. */
static bool
begin(struct trail *t, char *const argv[], const char *program)
{
	const char *name = path_base(argv[0]);
	const struct launcher *l = launcher_find(name);
	struct str options = {0};
	bool runs = program && files_kind(t->files, program, &options) == FILE_NODE;
	bool is_node = nodewords_is_node(name) || (program && nodewords_is_node(program));

	if (is_node) {
		words_add(&t->words, nodewords_is_node(name) ? argv[0] : "node");
	} else if (runs) {
		words_add(&t->words, "node");
		add_options(&t->words, &options);
		words_add(&t->words, program);
	} else if (l && (!program ? follow_is_launcher(name)
	                          : l->certain || launcher_at(program) == l ||
	                                (l->short_run && package_exists(t->files, t->directory)))) {
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

enum follow
follow(struct trail *t, char *const argv[], const char *program)
{
	enum follow kind = FOLLOW_OTHER;
	enum step s;

	if (!begin(t, argv, program))
		return FOLLOW_OTHER;
	s = walk(t);
	kind = s == STEP_END ? FOLLOW_NODE : FOLLOW_LAUNCHER;
	for (int i = 0; s == STEP_ON && i < STEPS_MAX; i++)
		s = walk(t);
	t->lost = s != STEP_END || trail_failed(t);
	if (s == STEP_ON)
		t->why = "there is no end to what starts what";
	else if (!t->why)
		t->why = "its command line is not understood";
	return kind;
}

void
follow_write_line(const struct trail *t, struct str *ret)
{
	if (t->lost)
		return;
	for (size_t i = 0; i < t->words.len; i++) {
		str_add(ret, i > 0 ? " " : "");
		quote_add_word(ret, t->words.items[i]);
	}
	for (size_t i = 0; i < t->names.len; i++)
		str_addf(ret, "%s%s = %s", i > 0 ? ", " : " (with ", t->names.items[i],
		    t->values.items[i]);
	str_add(ret, t->names.len > 0 ? " under [env:APP])" : "");
	for (size_t i = 0; i < t->before.len; i++)
		str_addf(ret, "%s%s", i > 0 ? ", " : " (the script ", t->before.items[i]);
	str_add(ret, t->before.len > 0 ? " is to be run before)" : "");
}

bool
follow_is_launcher(const char *program)
{
	const struct launcher *l = launcher_find(path_base(program));

	return l && (l->certain || l->short_run);
}
