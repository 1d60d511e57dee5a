/*
 * pm2_run: what PM2 would run, in which mode, and how many times. It tells an interpreter by
 * the extension of the script, else by looking whether the file is text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/words.h"
#include "import/pm2.h"
#include "import/words.h"
#include "launcher/follow.h"

#define WORKERS_MAX 4096

/* --- what runs ----------------------------------------------------------------------------- */

static enum path_kind
script_kind(const struct pm2 *p, const char *script)
{
	char *full = import_path(p->directory, script);
	enum path_kind kind = full ? import_kind(p->im, full) : PATH_NONE;

	p->im->draft.failed |= !full;
	mem_free(full);
	return kind;
}

/* PM2 tells by the extension, else it looks whether the file is text. NULL: none is needed. */
static const char *
guess_interpreter(const struct pm2 *p, const char *script)
{
	static const struct {
		const char *extension, *interpreter;
	} known[] = {{".sh", "bash"}, {".py", "python"}, {".rb", "ruby"}, {".php", "php"},
	    {".pl", "perl"}, {".js", "node"}, {".coffee", "coffee"}, {".ls", "lsc"}, {".ts", "bun"},
	    {".tsx", "bun"}};
	const char *name = path_base(script);
	const char *dot = strrchr(name, '.');
	enum path_kind kind = script_kind(p, script);

	for (size_t i = 0; dot && dot > name && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(dot, known[i].extension) != 0)
			continue;
		if (strcmp(known[i].interpreter, "python") == 0 &&
		    import_in_path(p->im, "python") == PATH_NONE &&
		    import_in_path(p->im, "python3") != PATH_NONE)
			return "python3";
		return known[i].interpreter;
	}
	if (kind == PATH_NONE && name == script) {
		kind = import_in_path(p->im, script);
		if (kind == PATH_NONE && !dot)
			NOTE(p, "script", "if it is a script, put its interpreter in front of it",
			    "is not to be found here, and taken for a program of that name");
		/* What is text there has a #! line, or nobody could run it. */
		if (kind != PATH_NONE || !dot)
			return NULL;
	}
	return kind == PATH_BINARY ? NULL : "node";
}

/* Numbers count as words, too. */
static void
add_words(struct pm2 *p, const char *name, struct words *w)
{
	const char *as;
	const json_t *v = pm2_get_named(p, name, &as), *item;
	struct str one = {0};
	size_t i;

	if (json_is_string(v) && draft_is_text(json_string_value(v), json_string_length(v)))
		words_split_pm2(json_string_value(v), w);
	else if (json_is_array(v)) {
		json_array_foreach(v, i, item)
		{
			str_reset(&one);
			str_add(&one, "");
			pm2_add_scalar(&one, item);
			if (draft_is_text(str_text(&one), one.len))
				words_add(w, str_text(&one));
			else
				NOTE(p, as, "write the command by hand",
				    "a word has characters that cannot be used, and is left out");
		}
	} else if (pm2_is_true(v))
		NOTE(p, as, "write the command by hand", "is neither a text nor a list");
	p->im->draft.failed |= str_failed(&one);
	str_free(&one);
}

static void
set_python(struct pm2 *p, const char *interpreter)
{
	struct about at = pm2_about(p, "exec_interpreter");

	if (interpreter && strstr(interpreter, "python"))
		draft_env(&p->im->draft, &at, "PYTHONUNBUFFERED", "1"); /* PM2 does */
}

static const char *
own_interpreter(struct pm2 *p)
{
	const char *given = pm2_get_text(p, "exec_interpreter");

	if (!given || strncmp(given, "node@", 5) != 0)
		return given;
	NOTE(p, "interpreter", "put the path of that version in place of node in command",
	    "%.40s is a version of nvm, and the first node in PATH is not", given);
	return "node";
}

static bool
ends_in(const char *text, const char *end)
{
	size_t len = text ? strlen(text) : 0, n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* [interpreter, its arguments,] script, arguments. */
static void
make_words(struct pm2 *p, const char *script, const char *interpreter, struct words *w)
{
	bool bare = !strchr(script, '/') && script_kind(p, script) != PATH_NONE;

	if (interpreter) {
		words_add(w, interpreter);
		if (p->runs_node && pm2_is_true(pm2_get(p, "source_map_support")))
			words_add(w, "--enable-source-maps");
		add_words(p, "node_args", w);
		words_add(w, script);
	} else {
		struct str path = {0};

		/* PM2 looks here before it looks in PATH. */
		str_addf(&path, "%s%s", bare ? "./" : "", script);
		words_add(w, str_text(&path));
		w->failed |= str_failed(&path);
		str_free(&path);
		if (pm2_is_true(pm2_get(p, "node_args")))
			NOTE(p, "node_args", "put them into command if they are needed",
			    "PM2 passes over them where there is no interpreter");
	}
	add_words(p, "args", w);
}

void
pm2_add_command(struct pm2 *p, const char *script)
{
	struct about at = pm2_about(p, "script");
	const char *interpreter;
	struct words w = {0};
	struct program program;

	if (strchr(script, ' ')) {
		/* PM2 gives these to bash -c, and forgets args. */
		p->failed_script = import_shell_line(p->im, &at, pm2_from(p, "script", NULL, NULL),
		                       &p->directory, script, &program) < 0;
		p->is_node = program.is_node;
		return;
	}
	if (follow_is_launcher(script)) {
		words_add(&w, script);
		add_words(p, "args", &w);
	} else {
		interpreter = own_interpreter(p);
		if (!interpreter)
			interpreter = guess_interpreter(p, script);
		else if (strcmp(interpreter, "none") == 0)
			interpreter = NULL;
		p->runs_node = ends_in(interpreter, "node") || ends_in(interpreter, "nodejs");
		set_python(p, interpreter);
		make_words(p, script, interpreter, &w);
		p->cluster = p->runs_node || ends_in(interpreter, "bun");
	}
	import_command(p->im, &at, pm2_from(p, "exec_interpreter", "script", "args"), p->directory,
	    &w, &program);
	p->is_node = program.is_node;
	if (follow_is_launcher(script)) /* it was Node, and may not be there any more */
		p->cluster = p->runs_node = p->is_node;
	words_free(&w);
}

/* --- how many, and in which mode ----------------------------------------------------------- */

static void
read_instances(struct pm2 *p)
{
	const json_t *v = pm2_get(p, "instances");
	long long n = 1;

	if (json_is_string(v) && strcmp(json_string_value(v), "max") == 0)
		n = 0;
	else if (pm2_is_given(v))
		n = pm2_whole(v, 1);
	if (n > WORKERS_MAX || n < -WORKERS_MAX) {
		NOTE(p, "instances", "correct workers", "is out of range; one worker is meant now");
		n = 1;
	}
	p->instances = (long)n;
}

/* p->cluster says by now whether the program could be one for it. */
void
pm2_read_mode(struct pm2 *p)
{
	const char *mode = pm2_get_text(p, "exec_mode");
	bool can = p->cluster;

	read_instances(p);
	if (pm2_is_true(pm2_get(p, "execute_command")))
		mode = "fork";
	if (mode && strncmp(mode, "cluster", 7) == 0) {
		if (!can)
			NOTE(p, "exec_mode", "nothing has to be done; workers = N starts N of them",
			    "PM2's cluster is for scripts of Node, which this is not");
	} else if (mode)
		p->cluster = false;
	else
		p->cluster = can && pm2_is_given(pm2_get(p, "instances")) && p->instances >= -1;
}

void
pm2_add_workers(struct pm2 *p)
{
	const char *source = pm2_from(p, "instances", "exec_mode", NULL);

	if (pm2_is_given(pm2_get(p, "autostart")) && !pm2_is_true(pm2_get(p, "autostart"))) {
		KEY(p, pm2_from(p, "autostart", "instances", NULL), "workers", "0");
		NOTE(p, "autostart", "`brood scale` starts its workers",
		    "the app is paused: workers = 0");
	} else if (p->instances > 0)
		KEY(p, *source ? source : "PM2's default", "workers", "%ld", p->instances);
	else if (p->instances == 0)
		KEY(p, source, "workers", "auto");
	else
		KEY(p, source, "workers", "auto%ld", p->instances);
}

void
pm2_add_mode(struct pm2 *p)
{
	bool talks = pm2_is_true(pm2_get(p, "wait_ready")) ||
	             pm2_is_true(pm2_get(p, "shutdown_with_message"));

	if (p->cluster) {
		KEY(p, "cluster mode: its own listen() asks brood, as it asked PM2", "take",
		    "node");
		if (!p->runs_node)
			NOTE(p, "exec_mode", "see brood.conf(5); `take = bind` is another way",
			    "Bun's workers open their port by themselves and share it, so that a "
			    "reload may lose connections");
	} else if (p->is_node && talks)
		KEY(p, pm2_from(p, "wait_ready", "shutdown_with_message", NULL), "take", "node");
	else if (p->is_node) {
		KEY(p,
		    "fork mode: it opens its port by itself. `take = node`, without the two lines "
		    "below, makes reloads without a gap, unless the program is a cluster of its "
		    "own",
		    "take", "fds");
	}
	if (p->cluster || (p->is_node && talks))
		return;
	KEY(p, "fork mode: the old one has to leave the port before the new one starts",
	    "max_surge", "0");
	KEY(p, "fork mode: the old one has to leave the port before the new one starts",
	    "max_unavailable", "1");
}
