/*
 * command: commands of other supervisors as brood's. There is no shell and no launcher in
 * between: the process that brood starts has to be the program itself, or signals, sockets and
 * messages reach somebody else.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "import/import.h"
#include "launcher/shell.h"

#define LAUNCHES_MAX 4 /* npm start that is npm run serve that is ... */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

enum path_kind
import_kind(const struct import *im, const char *path)
{
	return im->world->kind ? im->world->kind(im->world->arg, path) : PATH_NONE;
}

const char *
import_variable(const struct import *im, const char *name)
{
	return im->world->variable ? im->world->variable(im->world->arg, name) : NULL;
}

/* Takes the last part away, but for the slash in front. */
static void
go_up(struct str *s)
{
	const char *slash = s->data ? strrchr(s->data, '/') : NULL;

	if (!slash)
		return;
	s->len = (size_t)(slash - s->data);
	s->data[s->len] = '\0';
}

char *
import_path(const char *directory, const char *path)
{
	const char *parts[2] = {*path == '/' ? "" : directory, path};
	struct str s = {0};

	str_add(&s, "");
	for (int i = 0; i < 2; i++) {
		for (const char *at = parts[i]; *at;) {
			size_t len = strcspn(at, "/");

			if (len == 2 && strncmp(at, "..", 2) == 0)
				go_up(&s);
			else if (len > 0 && !(len == 1 && *at == '.'))
				str_addf(&s, "/%.*s", (int)len, at);
			at += len + (at[len] == '/');
		}
	}
	if (s.len == 0)
		str_add(&s, "/");
	if (str_failed(&s))
		str_free(&s);
	return s.data;
}

enum path_kind
import_in_path(const struct import *im, const char *name)
{
	const char *path = import_variable(im, "PATH");
	enum path_kind kind = PATH_NONE;

	while (path && *path && kind == PATH_NONE) {
		size_t len = strcspn(path, ":");
		struct str full = {0};

		str_addf(&full, "%.*s/%s", (int)len, path, name);
		if (!str_failed(&full) && len > 0)
			kind = import_kind(im, full.data);
		str_free(&full);
		path += len + (path[len] == ':');
	}
	return kind == PATH_DIRECTORY ? PATH_NONE : kind;
}

void
import_log(struct import *im, const struct about *at, const char *from, const char *path)
{
	struct str value = {0}, directory = {0};
	const char *slash = strrchr(path, '/');

	str_addf(&value, "file:%s", path);
	str_add_n(&directory, path, slash && slash > path ? (size_t)(slash - path) : 1);
	im->draft.failed |= str_failed(&value) || str_failed(&directory);
	if (!im->draft.failed) {
		draft_text(&im->draft, at, from, "log", value.data);
		if (import_kind(im, directory.data) != PATH_DIRECTORY)
			draft_note(&im->draft, at, "make it: brood does not",
			    "the directory %s is not there", directory.data);
	}
	str_free(&value);
	str_free(&directory);
}

const char *
import_duration(unsigned long long ms, char buf[32])
{
	units_format_duration_ms(ms, buf, 32);
	return buf;
}

void
import_restart_limit(struct import *im, struct draft_app *app, const char *from, unsigned n,
    unsigned long long life_ms, unsigned long long delay_ms, unsigned long long delay_max_ms)
{
	const unsigned long long minute = 60000, day = 24 * 60 * minute;
	unsigned long long window = 0, pause = delay_ms;
	char buf[32];

	if (n > 1000)
		n = 1000;
	for (unsigned i = 0; i < n && window < day; i++) {
		window += life_ms + pause;
		pause = pause * 2 < delay_max_ms ? pause * 2 : delay_max_ms;
	}
	/* Some room for jitter and slow machines, to the minute. */
	window = (window + window / 4 + minute - 1) / minute * minute;
	draft_key(&im->draft, app, from, "restart_limit", "%u/%s", n,
	    import_duration(window < day ? window : day, buf));
}

bool
import_is_launcher(const char *program)
{
	static const char *const names[] = {"npm", "npx", "yarn", "pnpm", "nodemon"};
	const char *name = base_name(program);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* --- launchers ----------------------------------------------------------------------------- */

struct command {
	struct import *im;
	const struct about *at;
	const char *directory;
	struct words words;
	const char *gave_up; /* why the launcher is still there */
	bool missing; /* the program that it would start is not there */
};

/* In directory; mem_alloc. */
static enum path_kind
kind_in(const struct command *c, const char *path)
{
	char *full = import_path(c->directory, path);
	enum path_kind kind = full ? import_kind(c->im, full) : PATH_NONE;

	c->im->draft.failed |= !full;
	mem_free(full);
	return kind;
}

static void
replace_word(struct words *w, size_t i, const char *word)
{
	words_insert(w, i, word);
	if (w->failed)
		return;
	mem_free(w->items[i + 1]);
	memmove(w->items + i + 1, w->items + i + 2, (w->len - i - 1) * sizeof(*w->items));
	w->len--;
}

static void
drop_words(struct words *w, size_t at, size_t n)
{
	for (size_t i = at; i < at + n; i++)
		mem_free(w->items[i]);
	memmove(w->items + at, w->items + at + n, (w->len - at - n + 1) * sizeof(*w->items));
	w->len -= n;
}

/* A program of a package's own, as npm finds it first. */
static void
find_in_modules(struct command *c)
{
	struct str path = {0};

	c->missing = false;
	if (strchr(c->words.items[0], '/'))
		return;
	str_addf(&path, "node_modules/.bin/%s", c->words.items[0]);
	if (!str_failed(&path) && kind_in(c, path.data) != PATH_NONE)
		replace_word(&c->words, 0, path.data);
	else if (import_in_path(c->im, c->words.items[0]) == PATH_NONE)
		c->missing = true;
	c->im->draft.failed |= str_failed(&path);
	str_free(&path);
}

static json_t *
read_scripts(struct command *c)
{
	char *path = import_path(c->directory, "package.json");
	struct str text = {0};
	json_t *package = NULL, *scripts;

	if (path && c->im->world->read && c->im->world->read(c->im->world->arg, path, &text) == 0)
		package = json_loadb(str_text(&text), text.len, 0, NULL);
	scripts = json_incref(json_object_get(package, "scripts"));
	json_decref(package);
	str_free(&text);
	mem_free(path);
	return scripts;
}

static void
note_hooks(struct command *c, const json_t *scripts, const char *name)
{
	static const char *const hooks[] = {"pre", "post"};

	for (int i = 0; i < 2; i++) {
		char hook[80];

		(void)snprintf(hook, sizeof(hook), "%s%.60s", hooks[i], name);
		if (json_object_get(scripts, hook))
			draft_note(&c->im->draft, c->at, "run it before `brood reload`",
			    "the script \"%s\" of package.json is not run", hook);
	}
}

/* The text of a script in place of the first n words; "--" before further arguments is npm's. */
static bool
use_script(struct command *c, const char *text, size_t n)
{
	struct shell_line l;

	if (!draft_is_text(text, strlen(text)) || shell_line_parse(text, &l) < 0) {
		c->gave_up = "the script cannot be read";
		return false;
	}
	if (l.needs || l.directory.len > 0 || l.words.len == 0) {
		c->gave_up = "the script needs a shell";
		shell_line_free(&l);
		return false;
	}
	if (n < c->words.len && strcmp(c->words.items[n], "--") == 0)
		n++;
	drop_words(&c->words, 0, n);
	for (size_t i = 0; i < l.words.len; i++)
		words_insert(&c->words, i, l.words.items[i]);
	for (size_t i = 0; i < l.names.len; i++)
		draft_env(&c->im->draft, c->at, l.names.items[i], l.values.items[i]);
	shell_line_free(&l);
	find_in_modules(c);
	return true;
}

/* npm start, npm run NAME; yarn and pnpm also without run. */
static bool
resolve_script(struct command *c, bool is_npm)
{
	const struct words *w = &c->words;
	const char *name = w->len > 1 ? w->items[1] : is_npm ? "" : "start";
	size_t n = w->len > 1 ? 2 : 1;
	json_t *scripts;
	const char *text;
	bool done;

	if (w->len > 2 && (strcmp(name, "run") == 0 || strcmp(name, "run-script") == 0)) {
		name = w->items[2];
		n = 3;
	} else if (is_npm && strcmp(name, "start") != 0 && strcmp(name, "test") != 0)
		name = "";
	if (!*name || *name == '-') {
		c->gave_up = "it is not \"start\" or \"run NAME\"";
		return false;
	}
	scripts = read_scripts(c);
	text = json_string_value(json_object_get(scripts, name));
	if (text)
		note_hooks(c, scripts, name);
	else if (strcmp(name, "start") == 0 && kind_in(c, "server.js") != PATH_NONE)
		text = "node server.js"; /* npm's default */
	c->gave_up = "package.json has no such script, or is not there";
	done = text && use_script(c, text, n);
	json_decref(scripts);
	return done;
}

static bool
resolve_npx(struct command *c)
{
	size_t n = 1;

	while (n < c->words.len &&
	       (strcmp(c->words.items[n], "-y") == 0 || strcmp(c->words.items[n], "--yes") == 0 ||
	           strcmp(c->words.items[n], "--no-install") == 0))
		n++;
	if (n == c->words.len || c->words.items[n][0] == '-') {
		c->gave_up = "its options are not understood";
		return false;
	}
	drop_words(&c->words, 0, n);
	find_in_modules(c);
	return true;
}

static void
note_watch(struct command *c)
{
	draft_note(&c->im->draft, c->at,
	    "run `brood reload` after a change, or keep this line for development",
	    "restarts on changes of files are left out");
}

/* nodemon SCRIPT. */
static bool
resolve_nodemon(struct command *c)
{
	if (c->words.len < 2 || c->words.items[1][0] == '-') {
		c->gave_up = "its options are not understood";
		return false;
	}
	replace_word(&c->words, 0, "node");
	note_watch(c);
	return true;
}

/* node --watch: a process that starts another one. */
static bool
resolve_watch(struct command *c)
{
	bool found = false;

	for (size_t i = 1; i < c->words.len && c->words.items[i][0] == '-';) {
		if (strcmp(c->words.items[i], "--watch") == 0 ||
		    strncmp(c->words.items[i], "--watch-path=", 13) == 0) {
			drop_words(&c->words, i, 1);
			found = true;
		} else
			i++;
	}
	if (found)
		note_watch(c);
	return false; /* it is done */
}

/* One step. false: there is no launcher, or it stays. */
static bool
resolve(struct command *c)
{
	const char *name = base_name(c->words.items[0]);

	c->gave_up = NULL;
	if (strcmp(name, "npm") == 0)
		return resolve_script(c, true);
	if (strcmp(name, "yarn") == 0 || strcmp(name, "pnpm") == 0)
		return resolve_script(c, false);
	if (strcmp(name, "npx") == 0)
		return resolve_npx(c);
	if (strcmp(name, "nodemon") == 0)
		return resolve_nodemon(c);
	if (strcmp(name, "node") == 0 || strcmp(name, "nodejs") == 0)
		return resolve_watch(c);
	return false;
}

static bool
is_node(const struct command *c, const char *program)
{
	const char *name = base_name(program);

	return strcmp(name, "node") == 0 || strcmp(name, "nodejs") == 0 ||
	       (strchr(program, '/') && kind_in(c, program) == PATH_NODE);
}

void
import_command(struct import *im, const struct about *at, const char *from, const char *directory,
    struct words *w, struct program *ret)
{
	struct command c = {.im = im, .at = at, .directory = directory, .words = *w};
	struct about mine = *at;

	*ret = (struct program){0};
	*w = (struct words){0}; /* it is c's by now */
	for (int i = 0; i < LAUNCHES_MAX && c.words.len > 0 && !c.words.failed && resolve(&c); i++)
		continue;
	mine.key = "command";
	if (c.gave_up && !c.words.failed)
		draft_note(&im->draft, &mine, "write what it starts as command",
		    "%.40s starts the program as a child of its own, which brood refuses, and what "
		    "it starts could not be found: %s",
		    base_name(c.words.items[0]), c.gave_up);
	else if (c.missing && !c.words.failed)
		draft_note(&im->draft, &mine,
		    "install the packages and import again, or write its path",
		    "%.100s is not in node_modules/.bin, nor in PATH", c.words.items[0]);
	draft_command(&im->draft, &mine, from, &c.words);
	if (c.words.len > 0 && !c.words.failed) {
		ret->is_node = is_node(&c, c.words.items[0]);
		(void)snprintf(ret->name, sizeof(ret->name), "%s", base_name(c.words.items[0]));
	}
	*w = c.words;
}

/* --- lines for a shell --------------------------------------------------------------------- */

static void
set_directory(struct import *im, const struct about *at, char **directory, const char *to)
{
	char *path = import_path(*directory, to);

	im->draft.failed |= !path;
	if (!path)
		return;
	mem_free(*directory);
	*directory = path;
	draft_text(&im->draft, at, "cd in front of the command", "directory", path);
}

static void
shell_program(const struct shell_line *l, struct program *ret)
{
	char path[256];

	ret->shell = true;
	if (!l->program || l->program_len >= sizeof(path))
		return;
	memcpy(path, l->program, l->program_len);
	path[l->program_len] = '\0';
	(void)snprintf(ret->name, sizeof(ret->name), "%.47s", base_name(path));
	ret->is_node = strcmp(ret->name, "node") == 0 || strcmp(ret->name, "nodejs") == 0;
}

static void
give_to_shell(struct import *im, const struct about *at, const char *from, struct shell_line *l,
    struct program *ret)
{
	struct words w = {0};

	words_add(&w, "sh");
	words_add(&w, "-c");
	words_add(&w, l->script ? l->script : "");
	draft_command(&im->draft, at, from, &w);
	words_free(&w);
	if (l->is_exec)
		draft_note(&im->draft, at,
		    "nothing has to be done; a plain line starts faster, and needs no /bin/sh",
		    "has %s, so a shell reads the line and then becomes the program", l->needs);
	else
		draft_note(&im->draft, at,
		    "put the line into a script whose last line is `exec PROGRAM`",
		    "has %s: a shell stays between brood and the program, and gets the signals and "
		    "sockets that are meant for it",
		    l->needs);
	shell_program(l, ret);
}

int
import_shell_line(struct import *im, const struct about *at, const char *from, char **directory,
    const char *line, struct program *ret)
{
	struct shell_line l;
	struct about mine = *at;
	int r = shell_line_parse(line, &l);

	*ret = (struct program){0};
	mine.key = "command";
	if (r == -EINVAL) {
		draft_note(&im->draft, &mine, "correct the line", "a quote in it does not end");
		return r;
	}
	if (r < 0) {
		im->draft.failed = true;
		return 0;
	}
	if (l.directory.len > 0)
		set_directory(im, &mine, directory, l.directory.items[0]);
	for (size_t i = 0; i < l.names.len; i++)
		draft_env(&im->draft, &mine, l.names.items[i], l.values.items[i]);
	if (l.needs)
		give_to_shell(im, &mine, from, &l, ret);
	else
		import_command(im, &mine, from, *directory, &l.words, ret);
	shell_line_free(&l);
	return 0;
}
