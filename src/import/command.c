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
#include "launcher/files.h"
#include "launcher/follow.h"
#include "launcher/nodewords.h"
#include "launcher/shell.h"
#include "launcher/trail.h"

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

/* The first of that name in PATH that is no directory; mem_alloc. */
static char *
find_in_path(const struct import *im, const char *name)
{
	const char *path = import_variable(im, "PATH");

	while (path && *path) {
		size_t len = strcspn(path, ":");
		struct str full = {0};
		enum path_kind kind = PATH_NONE;

		str_addf(&full, "%.*s/%s", (int)len, path, name);
		if (!str_failed(&full) && len > 0)
			kind = import_kind(im, full.data);
		if (kind != PATH_NONE && kind != PATH_DIRECTORY)
			return full.data;
		str_free(&full);
		path += len + (path[len] == ':');
	}
	return NULL;
}

enum path_kind
import_in_path(const struct import *im, const char *name)
{
	char *path = find_in_path(im, name);
	enum path_kind kind = path ? import_kind(im, path) : PATH_NONE;

	mem_free(path);
	return kind;
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

/* --- launchers ----------------------------------------------------------------------------- */

static int
read_file(void *arg, const char *path, size_t max, struct str *ret)
{
	const struct import *im = arg;
	int r = im->world->read ? im->world->read(im->world->arg, path, ret) : -ENOENT;

	return r == 0 && ret->len > max ? -EFBIG : r;
}

/* Options of a #! line say nothing about the file, which stays the command. */
static enum file_kind
find_kind(void *arg, const char *path, struct str *options)
{
	(void)options;
	switch (import_kind(arg, path)) {
	case PATH_NONE:
		break;
	case PATH_DIRECTORY:
		return FILE_OTHER;
	case PATH_NODE:
		return FILE_NODE;
	case PATH_TEXT:
	case PATH_BINARY:
		return FILE_PLAIN;
	}
	return FILE_NONE;
}

static char *
find_real(void *arg, const char *path)
{
	const struct import *im = arg;
	char *real = NULL;

	if (im->world->real)
		real = im->world->real(im->world->arg, path);
	else if (import_kind(im, path) != PATH_NONE)
		real = import_path("/", path);
	if (real && draft_is_text(real, strlen(real)))
		return real;
	mem_free(real);
	return NULL;
}

/* The file that word starts; mem_alloc. NULL: it is not to be found, or has a launcher's name and is
 * Node's: then it is one, whatever place it was installed in. */
static char *
find_program(
    const struct import *im, const struct files *files, const char *directory, const char *word)
{
	char *found = strchr(word, '/') ? import_path(directory, word) : find_in_path(im, word);
	char *real = NULL;

	if (found && !(follow_is_launcher(word) && import_kind(im, found) == PATH_NODE))
		real = files_real(files, "", found);
	mem_free(found);
	return real;
}

static void
note_lost(struct import *im, const struct about *at, const struct trail *t)
{
	draft_note(&im->draft, at, "write what it starts as command",
	    "%.40s starts the program as a child of its own, which brood refuses, and what it "
	    "starts could not be found: %s",
	    t->words.len > 0 ? path_base(t->words.items[0]) : "it", t->why);
}

static void
note_hooks(struct import *im, const struct about *at, const struct words *hooks)
{
	for (size_t i = 0; i < hooks->len; i++)
		draft_note(&im->draft, at, "run it before `brood reload`",
		    "the script \"%.64s\" of package.json is not run", hooks->items[i]);
}

/* What a launcher comes to, in place of w; at has the key that it was read from. */
static void
take_trail(struct import *im, const struct about *at, struct trail *t, struct words *w)
{
	const char *program;

	words_free(w);
	*w = t->words;
	t->words = (struct words){0};
	for (size_t i = 0; i < t->names.len; i++)
		draft_env(&im->draft, at, t->names.items[i], t->values.items[i]);
	note_hooks(im, at, &t->before);
	note_hooks(im, at, &t->beside);
	if (t->watches)
		draft_note(&im->draft, at,
		    "run `brood reload` after a change, or keep this line for development",
		    "restarts on changes of files are left out");
	program = w->items[0];
	if (!strchr(program, '/') && import_in_path(im, program) == PATH_NONE) {
		struct about mine = *at;

		mine.key = "command";
		draft_note(&im->draft, &mine,
		    "install the packages and import again, or write its path",
		    "%.100s is not in node_modules/.bin, nor in PATH", program);
	}
}

static void
follow_launchers(struct import *im, const struct about *at, const char *directory, struct words *w)
{
	const struct files files = {
	    .arg = im, .read = read_file, .kind = find_kind, .real = find_real};
	char *real = files_real(&files, "", directory);
	struct trail t = {.files = &files, .directory = real ? real : directory, .as_found = true};
	char *program = find_program(im, &files, directory, w->items[0]);
	enum follow kind = follow(&t, w->items, program);
	struct about mine = *at;

	mine.key = "command";
	if (trail_failed(&t))
		im->draft.failed = true;
	else if (kind == FOLLOW_LAUNCHER && t.lost)
		note_lost(im, &mine, &t);
	else if (kind == FOLLOW_LAUNCHER)
		take_trail(im, at, &t, w);
	trail_done(&t);
	mem_free(program);
	mem_free(real);
}

static bool
is_node(const struct import *im, const char *directory, const char *program)
{
	char *path = strchr(program, '/') ? import_path(directory, program) : NULL;
	bool is = nodewords_is_node(program) || (path && import_kind(im, path) == PATH_NODE);

	mem_free(path);
	return is;
}

void
import_command(struct import *im, const struct about *at, const char *from, const char *directory,
    struct words *w, struct program *ret)
{
	struct about mine = *at;

	*ret = (struct program){0};
	mine.key = "command";
	if (w->len > 0 && !w->failed)
		follow_launchers(im, at, directory, w);
	draft_command(&im->draft, &mine, from, w);
	if (w->len > 0 && !w->failed) {
		ret->is_node = is_node(im, directory, w->items[0]);
		(void)snprintf(ret->name, sizeof(ret->name), "%s", path_base(w->items[0]));
	}
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
	(void)snprintf(ret->name, sizeof(ret->name), "%.47s", path_base(path));
	ret->is_node = nodewords_is_node(ret->name);
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
