/*
 * launchers: see the header.
 */
#include "launcher/launchers.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "launcher/files.h"
#include "launcher/nodewords.h"
#include "launcher/package.h"

static const char its_options[] = "its options are not understood";

static enum step
step_lost(struct trail *t, const struct launcher *l, struct words *next)
{
	(void)l, (void)next;
	return trail_lose(t, "its command line is not understood");
}

/* Options that change where it looks or what it runs, and so can't be passed over. */
static bool
moves_npm(const char *word)
{
	static const char *const whole[] = {
	    "-C", "-w", "-ws", "-F", "-r", "-c", "-p", "--call", NULL};
	static const char *const begin[] = {
	    "--prefix", "--cwd", "--dir", "--workspace", "--filter", "--recursive", "--package"};

	for (size_t i = 0; i < sizeof(begin) / sizeof(*begin); i++)
		if (word_begins(word, begin[i]))
			return true;
	return word_is(word, whole);
}

/* The first word from i on that is no option; 0: there is none, or an option that matters. */
static size_t
skip_npm_options(const struct words *w, size_t i)
{
	for (; i < w->len && w->items[i][0] == '-'; i++)
		if (moves_npm(w->items[i]))
			return 0;
	return i < w->len ? i : 0;
}

/* npx x, npm exec x: x is found in node_modules by the next step. */
static enum step
step_npx(struct trail *t, const struct launcher *l, struct words *next)
{
	size_t i = skip_npm_options(&t->words, 1);

	(void)l;
	words_add_from(next, &t->words, i);
	return i > 0 ? STEP_ON : trail_lose(t, its_options);
}

/* Whether "yarn X" may be a program, when X is no script. */
static bool
finds_program(const struct trail *t, const char *name)
{
	char *path;
	bool finds = strchr(name, '/') || launcher_find(name) || nodewords_is_node(name);

	path = finds ? NULL : package_find(t->files, t->directory, name);
	finds |= path != NULL;
	mem_free(path);
	return finds;
}

static const char start_or_run[] = "it is not \"start\" or \"run NAME\"";

static enum step
step_npm(struct trail *t, const struct launcher *l, struct words *next)
{
	static const char *const direct[] = {"start", "test", "stop", "restart", NULL};
	static const char *const run[] = {"run", "run-script", "rum", "urn", NULL};
	static const char *const exec[] = {"exec", "x", NULL};
	const struct words *w = &t->words;
	size_t i = skip_npm_options(w, 1), name;

	t->why = w->len > 1 ? its_options : start_or_run;
	if (i == 0)
		return STEP_LOST;
	if (word_is(w->items[i], direct))
		return run_script(t, l->habits, w->items[i], i + 1, next);
	if (word_is(w->items[i], run)) {
		name = skip_npm_options(w, i + 1);
		return name > 0 ? run_script(t, l->habits, w->items[name], name + 1, next)
		                : STEP_LOST;
	}
	if (word_is(w->items[i], exec)) {
		name = skip_npm_options(w, i + 1);
		if (name == 0)
			return STEP_LOST;
		words_add(next, w->items[name]);
		return run_add_arguments(t, NULL, next, name + 1) ? STEP_ON : STEP_LOST;
	}
	if (!l->short_run)
		return trail_lose(t, start_or_run);
	if (package_has_script(t->files, t->directory, w->items[i]))
		return run_script(t, l->habits, w->items[i], i + 1, next);
	/* Else a later step looks closer. */
	if (t->as_found && !finds_program(t, w->items[i]))
		return trail_lose(t, "package.json has no such script, or is not there");
	words_add_from(next, w, i);
	return STEP_ON;
}

/* Behind it is a script of the app, that node runs by itself, or with what understands TypeScript. */
static enum step
add_app(struct trail *t, struct words *next, const struct words *options, const struct words *w,
    size_t script)
{
	static const char *const plain[] = {".js", ".cjs", ".mjs"};
	static const char *const typed[] = {".ts", ".mts", ".cts"};
	const char *name = script < w->len ? w->items[script] : NULL;
	bool is_typed = false, is_known = name && !strchr(path_base(name), '.');

	for (size_t i = 0; name && i < sizeof(plain) / sizeof(*plain); i++) {
		is_known |= word_ends(name, plain[i]);
		is_typed |= word_ends(name, typed[i]);
	}
	if (!name || name[0] == '-')
		return trail_lose(t, its_options);
	if (!is_known && !is_typed)
		return trail_lose(t, "what it starts is no script of Node");
	words_add(next, "node");
	if (is_typed) {
		words_add(next, "--require");
		words_add(next, "ts-node/register");
	}
	words_add_from(next, options, 0);
	words_add_from(next, w, script);
	return STEP_ON;
}

/* nodemon without a script. */
static enum step
run_main(struct trail *t, const struct launcher *l, struct words *next)
{
	char *given = package_main(t->files, t->directory);
	const char *name = given;

	if (!name && package_has_script(t->files, t->directory, "start"))
		return run_script(t, l->habits, "start", t->words.len, next);
	if (!name && files_has(t->files, t->directory, "index.js"))
		name = "index.js";
	words_add(next, "node");
	words_add(next, name ? name : "");
	t->why = "package.json does not say what it starts, or is not there";
	if (name && !word_is_text(name))
		name = NULL;
	mem_free(given);
	return name ? STEP_ON : STEP_LOST;
}

static enum step
step_nodemon(struct trail *t, const struct launcher *l, struct words *next)
{
	static const char *const values[] = {"-w", "--watch", "-i", "--ignore", "-e", "--ext", "-d",
	    "--delay", "-s", "--signal", "--config", NULL};
	static const char *const flags[] = {"-V", "--verbose", "-q", "--quiet", "-I", "--no-stdin",
	    "-C", "--on-change-only", "-L", "--legacy-watch", "--spawn", "--exitcrash",
	    "--no-colors", "--no-update-notifier", "--dump", NULL};
	const struct words *w = &t->words;
	struct words options = {0};
	const char *exec = NULL;
	enum step s;
	size_t i = 1;

	t->watches = true;

	for (; i < w->len && w->items[i][0] == '-'; i++) {
		if (strcmp(w->items[i], "--") == 0) {
			i++;
			break;
		}
		if ((strcmp(w->items[i], "-x") == 0 || strcmp(w->items[i], "--exec") == 0) &&
		    i + 1 < w->len)
			exec = w->items[++i];
		else if (word_is(w->items[i], values))
			i++;
		else if (!word_is(w->items[i], flags))
			nodewords_add_option(&options, w, &i);
	}
	if (exec) {
		s = trail_add_line(t, next, exec) ? STEP_ON : STEP_LOST;
		words_add_from(next, &options, 0);
		words_add_from(next, w, i);
	} else {
		s = i < w->len ? add_app(t, next, &options, w, i) : run_main(t, l, next);
	}
	words_free(&options);
	return s;
}

static enum step
step_tsx(struct trail *t, const struct launcher *l, struct words *next)
{
	static const char *const values[] = {"--ignore", "--include", "--exclude", NULL};
	const struct words *w = &t->words;
	size_t i = 1;

	(void)l;
	if (w->len > 1 && strcmp(w->items[1], "watch") == 0) {
		t->watches = true;
		i++;
	}
	words_add(next, "node");
	words_add(next, "--import");
	words_add(next, "tsx");
	for (; i < w->len && w->items[i][0] == '-'; i++) {
		if (word_begins(w->items[i], "--tsconfig"))
			/* That is a variable then, of a path that tsx makes up. */
			return trail_lose(t, its_options);
		if (word_is(w->items[i], values))
			i++;
		else if (strcmp(w->items[i], "--no-cache") != 0 &&
		         !strstr(w->items[i], "clear-screen"))
			nodewords_add_option(next, w, &i);
	}
	words_add_from(next, w, i);
	return i < w->len ? STEP_ON : trail_lose(t, its_options);
}

static enum step
step_ts_node_dev(struct trail *t, const struct launcher *l, struct words *next)
{
	static const char *const fast[] = {"--transpile-only", "--transpileOnly", "-T", NULL};
	static const char *const values[] = {
	    "--debounce", "--interval", "--watch", "--ignore-watch", "--ignore", NULL};
	static const char *const project[] = {"-P", "--project", NULL};
	const struct words *w = &t->words;
	struct words options = {0};
	const char *module = "ts-node/register";
	size_t i = 1;

	(void)l;
	t->watches = true;
	for (; i < w->len && w->items[i][0] == '-' && !word_is(w->items[i], project); i++) {
		if (word_is(w->items[i], fast))
			module = "ts-node/register/transpile-only";
		else if (word_is(w->items[i], values))
			i++;
		else if (nodewords_takes_value(w->items[i]) ||
		         word_begins(w->items[i], "--inspect"))
			nodewords_add_option(&options, w, &i);
	}
	words_add(next, "node");
	words_add(next, "--require");
	words_add(next, module);
	words_add_from(next, &options, 0);
	words_free(&options);
	words_add_from(next, w, i);
	return i < w->len && w->items[i][0] != '-' ? STEP_ON : trail_lose(t, its_options);
}

static enum step
step_node_dev(struct trail *t, const struct launcher *l, struct words *next)
{
	static const char *const flags[] = {
	    "--respawn", "--dedupe", "--poll", "--clear", "--fork", "--no-deps", NULL};
	const struct words *w = &t->words;
	struct words options = {0};
	enum step s;
	size_t i = 1;

	(void)l;
	t->watches = true;
	for (; i < w->len && w->items[i][0] == '-'; i++)
		if (!word_is(w->items[i], flags) && !word_begins(w->items[i], "--notify"))
			nodewords_add_option(&options, w, &i);
	s = add_app(t, next, &options, w, i);
	words_free(&options);
	return s;
}

/* pm2 start x.js [options of pm2] [-- arguments] */
static enum step
step_pm2(struct trail *t, const struct launcher *l, struct words *next)
{
	const struct words *w = &t->words, none = {0};
	struct words app = {0};
	enum step s = STEP_LOST;
	size_t i = 1;

	t->why = "it is not \"start\" with a script";
	if (i < w->len && strcmp(w->items[i], "start") == 0)
		i++;
	else if (strcmp(l->name, "pm2") == 0)
		return STEP_LOST;
	if (i == w->len || w->items[i][0] == '-' || strstr(w->items[i], ".config."))
		return STEP_LOST;
	words_add(&app, w->items[i]);
	while (++i < w->len && strcmp(w->items[i], "--") != 0)
		t->watches |= strcmp(w->items[i], "--watch") == 0;
	words_add_from(&app, w, i + 1);
	if (app.len > 0 && launcher_find(path_base(app.items[0]))) {
		words_add_from(next, &app, 0);
		s = STEP_ON;
	} else if (app.len > 0 && strchr(path_base(app.items[0]), '.')) {
		s = add_app(t, next, &none, &app, 0);
	}
	next->failed |= app.failed;
	words_free(&app);
	return s;
}

/* forever [start] x.js arguments */
static enum step
step_forever(struct trail *t, const struct launcher *l, struct words *next)
{
	const struct words *w = &t->words, none = {0};
	size_t i = w->len > 1 && strcmp(w->items[1], "start") == 0 ? 2 : 1;

	(void)l;
	return add_app(t, next, &none, w, i);
}

/* nest start: what it built is started as a child. */
static enum step
step_nest(struct trail *t, const struct launcher *l, struct words *next)
{
	static const char *const watch[] = {"-w", "--watch", NULL};
	const struct words *w = &t->words;

	(void)l;
	words_add(next, "node");
	words_add(next, "dist/main.js");
	for (size_t i = 2; i < w->len; i++)
		t->watches |= word_is(w->items[i], watch);
	t->why = "it is not \"start\", or dist/main.js is not there";
	return w->len > 1 && strcmp(w->items[1], "start") == 0 &&
	               files_has(t->files, t->directory, "dist/main.js")
	           ? STEP_ON
	           : STEP_LOST;
}

static const struct habits habits_npm = {.starts_server = true, .runs_before = true};
static const struct habits habits_pnpm = {.starts_server = true, .hands_on = true};
static const struct habits habits_yarn = {.runs_before = true, .hands_on = true};

static const struct launcher launchers[] = {
    {.name = "npm", .step = step_npm, .certain = true, .habits = &habits_npm},
    {.name = "npm-cli", .step = step_npm, .habits = &habits_npm},
    {.name = "npx", .step = step_npx, .certain = true},
    {.name = "npx-cli", .step = step_npx},
    {.name = "pnpm", .step = step_npm, .certain = true, .short_run = true, .habits = &habits_pnpm},
    {.name = "pnpx", .step = step_npx, .certain = true},
    {.name = "yarn", .step = step_npm, .short_run = true, .habits = &habits_yarn},
    {.name = "yarnpkg", .step = step_npm, .short_run = true, .habits = &habits_yarn},
    {.name = "nodemon", .step = step_nodemon, .certain = true},
    {.name = "node-dev", .step = step_node_dev},
    {.name = "tsx", .step = step_tsx},
    {.name = "ts-node-dev", .step = step_ts_node_dev, .certain = true},
    {.name = "tsnd", .step = step_ts_node_dev, .certain = true},
    {.name = "pm2", .step = step_pm2, .certain = true},
    {.name = "pm2-runtime", .step = step_pm2, .certain = true},
    {.name = "forever", .step = step_forever},
    {.name = "@nestjs/cli", .step = step_nest},
    {.name = "nest", .step = step_nest},
    {.name = "cross-env", .step = step_lost}, /* peel() takes it off */
    {.name = "dotenv-cli", .step = step_lost},
    {.name = "env-cmd", .step = step_lost},
    {.name = "concurrently", .step = step_lost},
    {.name = "npm-run-all", .step = step_lost},
};

static const struct launcher *
find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(launchers) / sizeof(*launchers); i++)
		if (strlen(launchers[i].name) == len && strncmp(launchers[i].name, name, len) == 0)
			return &launchers[i];
	return NULL;
}

const struct launcher *
launcher_find(const char *name)
{
	return find(name, strlen(name));
}

/* Behind the last of the directories that packages are installed in. */
static const char *
package_of(const char *path)
{
	static const char *const places[] = {"/node_modules/", "/share/nodejs/"};
	const char *package = NULL;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		for (const char *p = path; (p = strstr(p, places[i])); p++)
			if (!package || p + strlen(places[i]) > package)
				package = p + strlen(places[i]);
	return package;
}

const struct launcher *
launcher_at(const char *path)
{
	const char *name = path_base(path), *package = package_of(path);
	const struct launcher *l = package ? find(name, strcspn(name, ".")) : NULL;
	size_t len;

	if (!package || l)
		return l;
	len = strcspn(package, "/");
	if (*package == '@' && package[len] == '/')
		len += 1 + strcspn(package + len + 1, "/");
	return find(package, len);
}
