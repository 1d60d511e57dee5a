/*
 * What `brood import` makes of the files of others: the languages they are written in, each key, and
 * that whatever comes out is read by the master's own parser.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/words.h"
#include "import/draft.h"
#include "import/import.h"
#include "import/sections.h"
#include "import/words.h"
#include "conf/conf.h"

static char *const some_env[] = {"HOME=/home/me", "PATH=/usr/bin", "STAGE=prod", NULL};

/* --- the machine ---------------------------------------------------------------------------- */

struct file {
	const char *path;
	enum path_kind kind;
	const char *text;
};

static const struct file files[] = {
    {"/srv/app/server.js", PATH_TEXT, ""},
    {"/srv/app/bin/www", PATH_NODE, "#!/usr/bin/env node"},
    {"/srv/app/tool", PATH_BINARY, ""},
    {"/srv/app/package.json", PATH_TEXT,
        "{\"scripts\": {\"start\": \"NODE_ENV=production next start -p 3000\", \"prestart\": \"x\","
        "\"serve\": \"npm run deep\", \"deep\": \"node server.js --deep\","
        "\"shell\": \"node a.js | tee b\", \"loop\": \"npm run loop\","
        "\"after\": \"node server.js # the last\", \"postafter\": \"x\","
        "\"cross\": \"cross-env A=1 B='x y' node server.js\","
        "\"control\": \"node \\u0001\"}}"},
    {"/srv/app/dist/main.js", PATH_TEXT, ""},
    {"/srv/app/node_modules/.bin/nest", PATH_NODE, ""},
    {"/opt/hadoop/bin/yarn", PATH_TEXT, "#!/bin/sh"},
    {"/srv/app/sub/package.json", PATH_TEXT, "{\"scripts\": {\"start\": \"next start\"}}"},
    {"/srv/app/node_modules/.bin/next", PATH_NODE, ""},
    {"/srv/app/node_modules/.bin/tsx", PATH_NODE, ""},
    {"/usr/bin/node", PATH_BINARY, ""},
    {"/usr/bin/npm", PATH_NODE, ""},
    {"/usr/bin/gunicorn", PATH_TEXT, ""},
    {"/usr/bin/python3", PATH_BINARY, ""},
    {"/srv/app/logs", PATH_DIRECTORY, NULL},
    {"/var/log", PATH_DIRECTORY, NULL},
    {"/srv/app/conf.d/a.conf", PATH_TEXT, "[program:a]\ncommand=/bin/a %(here)s\n"},
    {"/srv/app/conf.d/bad.conf", PATH_TEXT, "[program:b]\nwhat\n"},
};
#define FILES_LEN (sizeof(files) / sizeof(files[0]))

static const char *env_file; /* the text of .env */

static const struct file *
find(const char *path)
{
	for (size_t i = 0; i < FILES_LEN; i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

static int
on_read(void *arg, const char *path, struct str *ret)
{
	const struct file *f = find(path);

	(void)arg;
	if (env_file && strcmp(path, "/srv/app/.env") == 0)
		str_add(ret, env_file);
	else if (!f || !f->text)
		return -ENOENT;
	else
		str_add(ret, f->text);
	return str_failed(ret) ? -ENOMEM : 0;
}

static enum path_kind
on_kind(void *arg, const char *path)
{
	const struct file *f = find(path);

	(void)arg;
	return f ? f->kind : PATH_NONE;
}

static const char *
on_variable(void *arg, const char *name)
{
	size_t len = strlen(name);

	(void)arg;
	for (char *const *e = some_env; *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

/* "*" at the end of the last part is all there is. */
static void
on_glob(void *arg, const char *pattern, struct words *ret)
{
	size_t len = strcspn(pattern, "*");

	(void)arg;
	for (size_t i = 0; i < FILES_LEN; i++)
		if (strncmp(files[i].path, pattern, len) == 0 &&
		    (pattern[len] || strcmp(files[i].path, pattern) == 0))
			words_add(ret, files[i].path);
}

static const struct world world = {
    .read = on_read, .kind = on_kind, .variable = on_variable, .glob = on_glob, .host = "box"};

/* --- one import ----------------------------------------------------------------------------- */

struct result {
	int code;
	struct err e;
	struct str config;
	struct str notes; /* "app|key|text|remedy\n" */
	size_t notes_len;
};

static void
result_free(struct result *r)
{
	str_free(&r->config);
	str_free(&r->notes);
}

static struct result
import(const char *format, const char *text, const char *environment)
{
	struct import im = {.world = &world, .directory = "/srv/app", .environment = environment};
	struct result r = {0};

	draft_init(&im.draft, format, "the-file");
	if (strcmp(format, "pm2") == 0) {
		json_t *root = NULL;

		r.code = import_literal("the-file", text, strlen(text), &root, &r.e);
		if (r.code == 0)
			r.code = import_pm2(&im, root, &r.e);
		json_decref(root);
	} else if (strcmp(format, "Procfile") == 0)
		r.code = import_procfile(&im, text, strlen(text), &r.e);
	else
		r.code = import_supervisord(&im, text, strlen(text), &r.e);
	if (r.code == 0)
		r.code = draft_render(&im.draft, &r.config);
	for (size_t i = 0; i < im.draft.notes_len; i++) {
		const struct draft_note *n = &im.draft.notes[i];

		str_addf(&r.notes, "%s|%s|%s|%s\n", n->name ? n->name : "", n->key ? n->key : "",
		    n->text ? n->text : "", n->remedy ? n->remedy : "");
	}
	r.notes_len = im.draft.notes_len;
	draft_done(&im.draft);
	return r;
}

/* As broodd reads it. */
static struct conf *
load(const char *config)
{
	char path[] = "/tmp/check_import.XXXXXX";
	struct conf_source source = {.path = path, .environ = some_env};
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	int fd = mkstemp(path);
	int r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, config, strlen(config)), (ssize_t)strlen(config));
	close(fd);
	r = conf_load(&source, &c, &errs);
	for (size_t i = 0; i < errs.len; i++)
		fprintf(stderr, "%s\n", errs.text[i]);
	if (r != 0)
		fprintf(stderr, "%s", config);
	conf_errors_free(&errs);
	(void)unlink(path);
	ck_assert_int_eq(r, 0);
	return c;
}

static bool
has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0'))
			return true;
	return false;
}

/* Imports, loads, and looks for lines (one a line of wanted; "!" in front: not there; "note KEY": a
 * note about that key; "notes N": so many). */
static void
expect(const char *format, const char *text, const char *environment, const char *wanted)
{
	struct result r = import(format, text, environment);
	char line[512];

	if (r.code != 0)
		ck_abort_msg("%s: %d %s", text, r.code, r.e.text);
	conf_unref(load(str_text(&r.config)));
	while (*wanted) {
		size_t len = strcspn(wanted, "\n");
		char note[520];
		bool found;

		(void)snprintf(line, sizeof(line), "%.*s", (int)len, wanted);
		wanted += len + (wanted[len] == '\n');
		(void)snprintf(note, sizeof(note), "|%s|", line + 5);
		if (strncmp(line, "notes ", 6) == 0)
			found = r.notes_len == (size_t)atoi(line + 6);
		else if (strncmp(line, "note ", 5) == 0)
			found = strstr(str_text(&r.notes), note) != NULL;
		else
			found =
			    has_line(str_text(&r.config), line + (*line == '!')) == (*line != '!');
		if (!found)
			ck_abort_msg("%s\n-- wanted: %s\n-- is:\n%s\n-- notes:\n%s", text, line,
			    str_text(&r.config), str_text(&r.notes));
	}
	/* Each note says what is wrong and what to do. */
	for (const char *at = str_text(&r.notes); *at; at += strcspn(at, "\n") + 1)
		ck_assert_msg(at[strcspn(at, "\n") - 1] != '|', "no remedy: %s", at);
	result_free(&r);
}

/* --- command lines -------------------------------------------------------------------------- */

static void
assert_words(const struct words *w, const char *wanted)
{
	struct str is = {0};

	str_add(&is, "");
	for (size_t i = 0; i < w->len; i++)
		str_addf(&is, "[%s]", w->items[i]);
	ck_assert_str_eq(str_text(&is), wanted);
	str_free(&is);
}

START_TEST(shlex_splits_as_python_does)
{
	static const struct {
		const char *text, *words;
	} rows[] = {{"", ""}, {"  ", ""}, {"a b", "[a][b]"}, {"a 'b c'", "[a][b c]"},
	    {"a \"b c\"d", "[a][b cd]"}, {"''", "[]"}, {"a\\ b", "[a b]"},
	    {"\"a\\\"b\" \"c\\\\d\" \"e\\nf\"", "[a\"b][c\\d][e\\nf]"}, {"'a\\'", "[a\\]"},
	    {"a\nb\tc", "[a][b][c]"}, {"a;b|c #d", "[a;b|c][#d]"}};
	static const char *const bad[] = {"'", "a \"b", "a\\"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct words w = {0};

		ck_assert_int_eq(words_split_shlex(rows[i].text, &w), 0);
		assert_words(&w, rows[i].words);
		words_free(&w);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct words w = {0};

		ck_assert_int_eq(words_split_shlex(bad[i], &w), -EINVAL);
		words_free(&w);
	}
}
END_TEST

START_TEST(args_are_split_as_pm2_does)
{
	static const struct {
		const char *text, *words;
	} rows[] = {{"", ""}, {"start", "[start]"}, {"--a 1  -b", "[--a][1][-b]"},
	    {"--name \"a b\" 'c d'", "[--name][a b][c d]"},
	    {"--name=\"a b\" x", "[--name=\"a b\"][x]"}, {"--n='a b'", "[--n='a b']"},
	    {"a\"b c", "[a\"b][c]"}, {"\"\" x", "[x]"}, {"\"open x", "[\"open][x]"},
	    {"it's", "[it's]"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct words w = {0};

		words_split_pm2(rows[i].text, &w);
		assert_words(&w, rows[i].words);
		words_free(&w);
	}
}
END_TEST

/* --- literals ------------------------------------------------------------------------------- */

static const struct {
	const char *text, *json;
} literals[] = {
    {"{}", "{}"},
    {" [1, 2.5, -3, +4, .5, 0x10, 1e3, 60_000,] ", "[1,2.5,-3,4,0.5,16,1000,60000]"},
    {"{a: 1, 'b': 'x\\'y', \"c\": \"\\u00e9\\x41\\n\", $d_1: `t`,}",
        "{\"a\":1,\"b\":\"x'y\",\"c\":\"\xc3\xa9"
        "A\\n\",\"$d_1\":\"t\"}"},
    {"// c\n{/* d */ \"a\" /* e */ : [ ] // f\n}", "{\"a\":[]}"},
    {"[true,false,null,undefined]", "[true,false,null,null]"},
    {"\"\\ud83d\\ude00\\u{1F600}\"", "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\""},
    {"'a\\\nb'", "\"ab\""},
    {"{a:1,a:2}", "{\"a\":2}"},
    {"\xef\xbb\xbf{}", "{}"},
};

START_TEST(literals_are_read)
{
	struct err e = {0};
	json_t *v = NULL;
	int r = import_literal("f", literals[_i].text, strlen(literals[_i].text), &v, &e);
	char *dump;

	ck_assert_msg(r == 0, "%s", e.text);
	dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	ck_assert_str_eq(dump, literals[_i].json);
	free(dump);
	json_decref(v);
}
END_TEST

static const struct {
	const char *text, *error;
} bad_literals[] = {
    {"", "f:1:1: the file ends where a value is expected"},
    {"{", "f:1:2: a key is expected here"},
    {"{\n  a: 1", "f:2:7: the file ends before the \"}\" that closes this"},
    {"{a: 1 b: 2}", "f:1:7: \",\" or \"}\" is expected here"},
    {"{a 1}", "f:1:4: \":\" is expected behind the key"},
    {"[1", "f:1:3: the file ends before the \"]\" that closes this"},
    {"{\n a: process.env.X}", "f:2:5: \"process\" is code, not data; PM2 evaluates"},
    {"{a: 'x}", "f:1:5: the string does not end"},
    {"{a: `${x}`}", "f:1:6: ${ } in a template has to be evaluated"},
    {"{a: \"\xff\"}", "f:1:5: the string is not UTF-8"},
    {"{a: \"\\u0000\"}", "f:1:6: an escape that cannot be used"},
    {"{a: \"\\ud800\"}", "f:1:6: an escape that cannot be used"},
    {"{a: 5 * 1000}", "f:1:7: \",\" or \"}\" is expected here"},
    {"{a: 1e}", "f:1:5: no number"},
    {"{a: 1e999}", "f:1:5: no number"},
    {"{} x", "f:1:4: something stands behind the end of the data"},
    {"/* x", "f:1:5: the file ends where a value is expected"},
    {"module.exports = {}", "f:1:1: \"module\" is code"},
    {"%", "f:1:1: no value begins with this character"},
};

START_TEST(what_is_wrong_in_a_literal_has_its_place)
{
	struct err e = {0};
	json_t *v = NULL;
	int r = import_literal("f", bad_literals[_i].text, strlen(bad_literals[_i].text), &v, &e);

	ck_assert_int_eq(r, -EINVAL);
	ck_assert_msg(strncmp(e.text, bad_literals[_i].error, strlen(bad_literals[_i].error)) == 0,
	    "%s", e.text);
}
END_TEST

START_TEST(a_literal_may_not_be_too_deep)
{
	char text[400];
	struct err e = {0};
	json_t *v = NULL;

	memset(text, '[', 60);
	memset(text + 60, ']', 60);
	ck_assert_int_eq(import_literal("f", text, 120, &v, &e), 0);
	json_decref(v);
	memset(text, '[', 200);
	ck_assert_int_eq(import_literal("f", text, 200, &v, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "nested too deeply"));
}
END_TEST

/* --- the draft ------------------------------------------------------------------------------ */

static const char *const odd[] = {"", " ", "a b", "  leading", "trailing  ", "tab\there",
    "line\nbreak", "cr\r", "'single'", "\"double\"", "both ' and \"", "back\\slash", "\\", "\\n",
    ";", "a ; b", "#", "$HOME", "${HOME}", "${NOT_SET}", "${X:-y}", "$$", "$$$", "$${", "$", "%",
    "%%", "%%%", "%(slot)", "%(app)", "%%(slot)", "%d", "100%", "a=b", "[app:evil]", "--",
    "\xc3\xa9t\xc3\xa9", "*?[]{}~!&|<>()", "`id`", "$(id)"};
#define ODD_LEN (sizeof(odd) / sizeof(odd[0]))

/* As the worker of slot 2 finds it. */
static void
assert_expands_to(const char *stored, const char *wanted)
{
	char *text = conf_expand_worker(stored, "web", 2, 7);

	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(words_and_variables_arrive_as_they_are)
{
	struct draft d;
	struct about at = {.name = "web"};
	struct words w = {0};
	struct str config = {0};
	char name[16];
	struct conf *c;

	draft_init(&d, "pm2", "f");
	at.app = draft_add_app(&d, &at);
	words_add(&w, "prog");
	for (size_t i = 0; i < ODD_LEN; i++) {
		words_add(&w, odd[i]);
		(void)snprintf(name, sizeof(name), "V%zu", i);
		draft_env(&d, &at, name, odd[i]);
	}
	draft_command(&d, &at, "from", &w);
	ck_assert_int_eq(draft_render(&d, &config), 0);
	c = load(config.data);
	ck_assert_uint_eq(c->apps[0]->env_len, ODD_LEN);
	for (size_t i = 0; i < ODD_LEN; i++) {
		assert_expands_to(c->apps[0]->argv[i + 1], odd[i]);
		assert_expands_to(c->apps[0]->env[i].value, odd[i]);
	}
	ck_assert_uint_eq(d.notes_len, 0);
	conf_unref(c);
	words_free(&w);
	str_free(&config);
	draft_done(&d);
}
END_TEST

START_TEST(holes_become_slots_and_variables)
{
	struct draft d;
	struct about at = {.name = "web"};
	struct words w = {0};
	struct str text = {0}, config = {0};
	struct conf *c;

	draft_init(&d, "pm2", "f");
	at.app = draft_add_app(&d, &at);
	str_add(&text, "%$");
	draft_add_slot(&text);
	str_add(&text, "$%");
	draft_add_variable(&text, "STAGE", NULL);
	str_add(&text, "%%$");
	draft_add_variable(&text, "NOT_SET", "x y");
	words_add(&w, "prog");
	words_add(&w, text.data);
	draft_command(&d, &at, NULL, &w);
	draft_env(&d, &at, "V", text.data);
	ck_assert_int_eq(draft_render(&d, &config), 0);
	c = load(config.data);
	assert_expands_to(c->apps[0]->argv[1], "%$2$%prod%%$x y");
	assert_expands_to(c->apps[0]->env[0].value, "%$2$%prod%%$x y");
	conf_unref(c);
	words_free(&w);
	str_free(&text);
	str_free(&config);
	draft_done(&d);
}
END_TEST

START_TEST(what_cannot_be_written_is_noted)
{
	struct draft d;
	struct about at = {.name = "web"};
	struct words w = {0};
	struct str config = {0}, long_word = {0};
	struct conf *c;

	draft_init(&d, "pm2", "f");
	at.app = draft_add_app(&d, &at);
	for (int i = 0; i < 70000; i++)
		str_add_char(&long_word, 'x');
	draft_text(&d, &at, NULL, "directory", " /x");
	draft_text(&d, &at, NULL, "user", "a\nb = c");
	draft_text(&d, &at, NULL, "group", "");
	draft_env(&d, &at, "a b", "x");
	draft_env(&d, &at, "#a", "x");
	draft_env(&d, &at, "LONG", long_word.data);
	ck_assert_uint_eq(d.notes_len, 6);
	words_add(&w, long_word.data);
	draft_command(&d, &at, NULL, &w);
	ck_assert_uint_eq(d.notes_len, 7);
	ck_assert_int_eq(draft_render(&d, &config), 0);
	c = load(config.data);
	ck_assert_str_eq(c->apps[0]->argv[0], "/bin/false");
	ck_assert_ptr_null(c->apps[0]->directory);
	ck_assert_uint_eq(c->apps[0]->env_len, 0);
	conf_unref(c);
	words_free(&w);
	str_free(&long_word);
	str_free(&config);
	draft_done(&d);
}
END_TEST

START_TEST(names_are_cleaned_and_told_apart)
{
	static const struct {
		const char *name, *is;
	} rows[] = {{"web", "web"}, {"web", "web-2"}, {"my app", "my-app"}, {"a/b:c", "a-b-c"},
	    {"\xc3\xa9t\xc3\xa9", "-t-"}, {"web.2", "web-2-2"}, {"v1.x", "v1.x"}, {"", "app"},
	    {"..", "app-2"}, {"***", "app-3"},
	    {"0123456789012345678901234567890123456789012345678901234567890",
	        "012345678901234567890123456789012345678901234567"},
	    {"0123456789012345678901234567890123456789012345678901234567891",
	        "0123456789012345678901234567890123456789012345-2"}};
	struct draft d;

	draft_init(&d, "pm2", "f");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct about at = {.name = rows[i].name};

		ck_assert_str_eq(draft_app_name(draft_add_app(&d, &at)), rows[i].is);
	}
	/* All but "web" and "v1.x". */
	ck_assert_uint_eq(d.notes_len, sizeof(rows) / sizeof(rows[0]) - 2);
	draft_done(&d);
}
END_TEST

START_TEST(no_address_is_given_twice)
{
	struct draft d;
	struct about a = {.name = "a"}, b = {.name = "b"};

	draft_init(&d, "pm2", "f");
	a.app = draft_add_app(&d, &a);
	b.app = draft_add_app(&d, &b);
	ck_assert(draft_listen(&d, &a, NULL, "127.0.0.1:80?backlog=3"));
	ck_assert(!draft_listen(&d, &b, NULL, "127.0.0.1:80"));
	ck_assert(!draft_listen(&d, &b, NULL, "*:80"));
	ck_assert(draft_listen(&d, &b, NULL, "127.0.0.2:80"));
	ck_assert(draft_listen(&d, &b, NULL, "127.0.0.1:8080"));
	ck_assert(draft_listen(&d, &b, NULL, "unix:/a?mode=0600"));
	ck_assert(!draft_listen(&d, &a, NULL, "unix:/a"));
	ck_assert_uint_eq(d.notes_len, 3);
	draft_done(&d);
}
END_TEST

START_TEST(comments_cannot_become_lines)
{
	struct draft d;
	struct about at = {.name = "web\n[app:evil]", .key = "k\nx = y"};
	struct words w = {0};
	struct str config = {0};
	struct conf *c;

	draft_init(&d, "pm2", "f\n[master]");
	at.app = draft_add_app(&d, &at);
	draft_remark(&d, at.app, "a\x1b[31m");
	draft_note(&d, &at, "r\nname = z", "t\n[env:web]\xff");
	words_add(&w, "p");
	draft_command(&d, &at, "from\ninherit_env = yes", &w);
	ck_assert_int_eq(draft_render(&d, &config), 0);
	c = load(config.data);
	ck_assert_uint_eq(c->apps_len, 1);
	ck_assert(!c->apps[0]->inherit_env);
	ck_assert_ptr_null(c->master.name);
	/* But for words that are longer than a line no line is longer than it may be. */
	for (char *at_line = config.data; *at_line; at_line += strcspn(at_line, "\n") + 1)
		ck_assert_uint_le(strcspn(at_line, "\n"), 100);
	conf_unref(c);
	words_free(&w);
	str_free(&config);
	draft_done(&d);
}
END_TEST

START_TEST(there_is_an_end_to_apps)
{
	struct draft d;
	struct str config = {0};
	struct conf *c;

	draft_init(&d, "pm2", "f");
	for (int i = 0; i < DRAFT_APPS_MAX + 2; i++) {
		char name[16];
		struct about at = {.name = name};
		struct words w = {0};

		(void)snprintf(name, sizeof(name), "a%d", i);
		at.app = draft_add_app(&d, &at);
		words_add(&w, "p");
		draft_env(&d, &at, "A", "b");
		if (at.app)
			draft_command(&d, &at, NULL, &w);
		words_free(&w);
	}
	ck_assert_uint_eq(d.notes_len, 2);
	ck_assert_int_eq(draft_render(&d, &config), 0);
	c = load(config.data);
	ck_assert_uint_eq(c->apps_len, DRAFT_APPS_MAX);
	conf_unref(c);
	str_free(&config);
	draft_done(&d);
}
END_TEST

START_TEST(paths_are_made_absolute)
{
	static const struct {
		const char *directory, *path, *is;
	} rows[] = {{"/a/b", "c", "/a/b/c"}, {"/a/b", "./c/../d/", "/a/b/d"},
	    {"/a/b", "/x//y", "/x/y"}, {"/a", "../../..", "/"}, {"/", "", "/"}, {"/a/", ".", "/a"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *path = import_path(rows[i].directory, rows[i].path);

		ck_assert_str_eq(path, rows[i].is);
		free(path);
	}
}
END_TEST

/* --- PM2 ------------------------------------------------------------------------------------ */

#define CLUSTER "take = node\ncompat = pm2\n!max_surge = 0\n"
#define FORK    "compat = pm2\nmax_surge = 0\nmax_unavailable = 1\n"

static const struct {
	const char *app, *wanted;
} pm2_apps[] = {
    /* what runs */
    {"script: './server.js'",
        "[app:server]\ndirectory = /srv/app\ncommand = node ./server.js\nworkers = 1\n" FORK
        "take = fds\nready = delay:1s\ninherit_env = yes\nnotes 0"},
    {"name: 'web', script: 'server.js', args: ['--x', 'a b', 3], node_args: '--inspect --y'",
        "[app:web]\ncommand = node --inspect --y server.js --x \"a b\" 3"},
    {"script: 'server.js', args: '--n \"a b\"', interpreterArgs: ['--z']",
        "command = node --z server.js --n \"a b\""},
    {"script: 'server.js', source_map_support: true",
        "command = node --enable-source-maps server.js"},
    {"script: 'tool'", "command = ./tool\n!take = fds\n" FORK},
    {"script: './tool', node_args: '-x'", "command = ./tool\nnote node_args"},
    {"script: 'bin/www'", "command = node bin/www"},
    {"script: 'gunicorn', args: 'x:app', interpreter: 'none'", "command = gunicorn x:app\nnotes 0"},
    {"script: 'gunicorn'", "command = gunicorn"},
    {"script: 'nothere'", "command = nothere\nnote script"},
    {"script: 'x.py'", "command = python3 x.py\nPYTHONUNBUFFERED = 1\n!take = fds"},
    {"script: 'x.py', interpreter: './venv/bin/python'",
        "command = ./venv/bin/python x.py\nPYTHONUNBUFFERED = 1"},
    {"script: 'x.sh'", "command = bash x.sh"},
    {"script: 'x.ts'", "command = bun x.ts"},
    {"script: 'x.js', interpreter: 'node@18.1.0'", "command = node x.js\nnote interpreter"},
    {"script: 'x.js', interpreter: '/opt/node/bin/node', instances: 2",
        "command = /opt/node/bin/node x.js\nworkers = 2\n" CLUSTER},
    {"cmd: 'server.js'", "command = node server.js"},
    {"exec: 'server.js', cwd: 'sub'", "command = node server.js\ndirectory = /srv/app/sub"},
    {"script: 'server.js', cwd: '/var/www'", "directory = /var/www"},
    {"script: 'npm', args: 'start'",
        "[app:npm]\ncommand = node_modules/.bin/next start -p 3000\nNODE_ENV = production\n"
        "note script"},
    {"script: '/usr/bin/npm', args: 'run deep -- --z'", "command = node server.js --deep --z"},
    {"script: '/usr/bin/npm', args: 'run serve'", "command = node server.js --deep\nnotes 0"},
    /* npm takes the option of its second run for itself. */
    {"script: '/usr/bin/npm', args: 'run serve -- --z'",
        "command = /usr/bin/npm run serve -- --z\nnote command"},
    {"script: 'npm', args: 'run shell'", "command = npm run shell\nnote command"},
    {"script: 'npm', args: 'run loop'", "command = npm run loop\nnote command"},
    {"script: 'npm', args: ['run', 'none']", "note command"},
    {"script: 'npm', args: 'ci'", "note command"},
    {"script: 'yarn', args: 'deep'", "command = node server.js --deep\nnotes 0"},
    {"script: 'yarn', args: 'deep --z'", "command = node server.js --deep --z\nnotes 0"},
    {"script: 'yarn'", "command = yarn\nnote command"}, /* it would install packages */
    {"script: 'pnpm', args: 'start'",
        "command = node_modules/.bin/next start -p 3000\nnote script\nnotes 1"},
    {"script: 'npm', args: 'run after'", "command = node server.js\nnote script\nnotes 1"},
    {"script: 'npm', args: 'run cross'", "A = 1\nB = x y\ncommand = node server.js\nnotes 0"},
    {"script: 'npm', args: 'run control'", "command = npm run control\nnote command"},
    {"script: 'npx', args: '-y tsx a.ts'", "command = node --import tsx a.ts\nnotes 0"},
    {"script: 'a.ts', interpreter: './node_modules/.bin/tsx', interpreter_args: 'watch'",
        "command = node --import tsx a.ts\nnote script\nnotes 1"},
    {"script: 'tsx', args: 'a.ts'", "command = tsx a.ts"}, /* not in PATH, nor known by its name */
    {"script: 'node_modules/.bin/nest', args: 'start --watch'",
        "command = node dist/main.js\nnote script\nnotes 1"},
    {"script: 'ts-node-dev', args: '--respawn a.ts'",
        "command = node --require ts-node/register a.ts\nnote script\nnotes 1"},
    {"script: 'npx', args: 'forever start server.js -p'", "command = node server.js -p\nnotes 0"},
    {"script: 'npx', args: 'node-dev server.js'", "command = node server.js\nnote script"},
    {"script: 'npx', args: 'dotenv-cli x'", "command = npx dotenv-cli x\nnote command"},
    {"script: 'server.js', node_args: '--run deep'",
        "command = node server.js --deep server.js\nnotes 0"},
    {"script: 'npx', args: '--what'", "note command"},
    {"script: 'npx', args: 'gone a.ts'", "command = gone a.ts\nnote command"},
    {"script: 'nodemon', args: 'server.js'", "command = node server.js\nnote script"},
    {"script: 'nodemon', args: '--exec x'", "note command"},
    {"script: 'server.js', node_args: '--watch --watch-path=src'",
        "command = node server.js\nnote script"},
    {"script: 'node x.js --a'", "[app:node-x]\ncommand = node x.js --a\ntake = fds"},
    {"script: 'node x.js | tee y', name: 'p'",
        "command = sh -c \"node x.js | tee y\"\nnote command"},
    {"script: \"node 'x\", name: 'p'", "command = /bin/false\nnote command"},
    /* modes and numbers */
    {"script: 'server.js', instances: 'max'", "workers = auto\n" CLUSTER "!ready = delay:1s"},
    {"script: 'server.js', instances: 0", "workers = auto\n" CLUSTER},
    {"script: 'server.js', instances: -1", "workers = auto-1\n" CLUSTER},
    {"script: 'server.js', instances: '4'", "workers = 4\n" CLUSTER},
    {"script: 'server.js', instances: -2", "workers = auto-2\ntake = fds"},
    {"script: 'server.js', instances: 3, exec_mode: 'fork'", "workers = 3\ntake = fds\n" FORK},
    {"script: 'server.js', exec_mode: 'cluster_mode'", "workers = 1\n" CLUSTER},
    {"script: 'server.js', instances: 2, execute_command: true", "take = fds"},
    {"script: 'x.py', instances: 2", "workers = 2\n!take = node"},
    {"script: 'x.py', exec_mode: 'cluster', instances: 2", "workers = 2\nnote exec_mode"},
    {"script: 'x.ts', instances: 2", "take = node\nnote exec_mode"},
    {"script: 'server.js', instances: 1e9", "workers = 1\nnote instances"},
    {"script: 'server.js', instances: 'many'", "workers = auto"},
    {"script: 'server.js', autostart: false, instances: 4", "workers = 0\nnote autostart"},
    /* readiness */
    {"script: 'server.js', instances: 2, wait_ready: true", "ready = channel\n" CLUSTER},
    {"script: 'server.js', wait_ready: true", "ready = channel\ntake = node\n!max_surge = 0"},
    {"script: 'x.py', wait_ready: true", "ready = delay:1s\nnote wait_ready"},
    {"script: 'server.js', min_uptime: 5000", "ready = delay:5s"},
    {"script: 'server.js', min_uptime: '2m'", "ready = delay:2m\nready_timeout = 3m"},
    {"script: 'server.js', min_uptime: '9999h'", "ready = delay:12h"},
    {"script: 'server.js', min_uptime: '5s', instances: 2", "note min_uptime\n!ready = delay:5s"},
    {"script: 'server.js', listen_timeout: 8000", "note listen_timeout\n!ready_timeout = 8s"},
    {"script: 'server.js', listenTimeout: 90000", "ready_timeout = 90s\nnotes 0"},
    /* stopping and restarting */
    {"script: 'server.js', kill_timeout: 3000", "stop_timeout = 3s"},
    {"script: 'server.js', kill_timeout: '3000'", "stop_timeout = 3s"},
    {"script: 'server.js', killTimeout: 999999999999", "stop_timeout = 24h"},
    {"script: 'server.js', shutdown_with_message: true", "take = node\ncompat = pm2\nnotes 0"},
    {"script: 'x.py', shutdown_with_message: true", "note shutdown_with_message"},
    {"script: 'server.js', treekill: false", "note treekill"},
    {"script: 'server.js', autorestart: false", "restart = never"},
    {"script: 'server.js', autorestart: true", "!restart = never"},
    {"script: 'server.js', stop_exit_codes: [0, 2, '143']", "no_restart_codes = 0,2,143"},
    {"script: 'server.js', stop_exit_codes: 3", "no_restart_codes = 3"},
    {"script: 'server.js', stop_exit_codes: [1, 400]",
        "no_restart_codes = 1\nnote stop_exit_codes"},
    {"script: 'server.js', max_restarts: 10", "restart_limit = 10/3m"},
    {"script: 'server.js', max_restarts: 99999", "restart_limit = 1000/1261m"},
    {"script: 'server.js', max_restarts: 0", "!restart = never"},
    {"script: 'server.js', restart_delay: 4000", "restart_delay = 4s\nrestart_delay_max = 4s"},
    {"script: 'server.js', exp_backoff_restart_delay: 200, restart_delay: 1",
        "restart_delay = 200ms\nrestart_delay_max = 15s"},
    {"script: 'server.js', exp_backoff_restart_delay: 20000",
        "restart_delay = 20s\nrestart_delay_max = 20s"},
    /* output */
    {"script: 'server.js', out_file: 'logs/o.log'", "log = file:/srv/app/logs/o.log\nnotes 0"},
    {"script: 'server.js', output: '/var/log/o', error: '/var/log/e'",
        "log = file:/var/log/o\nnote error_file"},
    {"script: 'server.js', out_file: '/var/log/o', error_file: '/var/log/o'",
        "log = file:/var/log/o\nnotes 0"},
    {"script: 'server.js', err_file: '/var/log/e'", "log = file:/var/log/e"},
    {"script: 'server.js', log_file: '~/all.log', out_file: '/var/log/o'",
        "log = file:/home/me/all.log\nnote log_file"},
    {"script: 'server.js', out_file: '/dev/null', error_file: 'NULL'", "log = none"},
    {"script: 'server.js', out_file: '/dev/null', error_file: '/var/log/e'",
        "log = file:/var/log/e"},
    {"script: 'server.js', out_file: '/dev/stdout'", "!log = none\nnotes 0"},
    {"script: 'server.js', disable_logs: true", "log = none"},
    {"script: 'server.js', log: true, merge_logs: true", "notes 0"},
    {"script: 'server.js', time: true", "note time"},
    {"script: 'server.js', log_type: 'json'", "note log_type"},
    {"script: 'server.js', log_date_format: 'YYYY'", "note log_date_format"},
    /* environment and user */
    {"script: 'server.js', env: {A: 1, B: 'x y', C: true, D: null, E: {a: [1]}, F: 1.5}",
        "[env:server]\nA = 1\nB = x y\nC = true\nE = {\"a\":[1]}\nF = 1.5\n!D = null"},
    {"script: 'server.js', env: {A: '1'}, env_test: {A: 2, B: 3}", "A = 2\nB = 3\nnotes 0"},
    {"script: 'server.js', env_other: {A: 2}", "!A = 2\nnote env_other"},
    {"script: 'server.js', port: 3000, env: {PORT: 1}", "PORT = 3000"},
    {"script: 'server.js', env: 'A=1'", "note env"},
    {"script: 'server.js', env: {A: '\\x01'}", "note env"},
    {"script: 'server.js', name: 'n', append_env_to_name: true", "[app:n-test]"},
    {"script: 'server.js', filter_env: true", "inherit_env = no"},
    {"script: 'server.js', filter_env: ['A']", "inherit_env = no\nnote filter_env"},
    {"script: 'server.js', instance_var: 'ID', instances: 2",
        "ID = %(slot)\nNODE_APP_INSTANCE = \"\"\nnotes 0"},
    {"script: 'server.js', instance_var: 'NODE_APP_INSTANCE'", "!NODE_APP_INSTANCE = \"\""},
    {"script: 'server.js', increment_var: 'P', instances: 2", "P = %(slot)"},
    {"script: 'server.js', increment_var: 'PORT', instances: 4, env: {PORT: 3000}",
        "PORT = 300%(slot)\nnotes 0"},
    {"script: 'server.js', increment_var: 'PORT', instances: 4, port: '3010'",
        "PORT = 301%(slot)\nnotes 0"},
    {"script: 'server.js', increment_var: 'PORT', instances: 20, env: {PORT: 3000}",
        "PORT = 3000\nnote increment_var"},
    {"script: 'server.js', increment_var: 'PORT', instances: 4, env: {PORT: 3001}",
        "PORT = 3001\nnote increment_var"},
    {"script: 'server.js', uid: 'www-data', gid: 33", "user = www-data\ngroup = 33"},
    {"script: 'server.js', user: 'me'", "user = me"},
    {"script: 'server.js', uid: 0", "user = 0"},
    /* what has no counterpart */
    {"script: 'server.js', watch: true, ignore_watch: ['x'], watch_delay: 5, watch_options: {a: 1}",
        "note watch\nnote ignore_watch\nnote watch_delay\nnote watch_options\nnotes 4"},
    {"script: 'server.js', watch: false, cron_restart: '0', max_memory_restart: ''", "notes 0"},
    {"script: 'server.js', cron: '0 3 * * *', max_memory_restart: '300M', pid: 'x.pid'",
        "note cron\nnote max_memory_restart\nnote pid"},
    {"script: 'server.js', namespace: 'a'", "note namespace"},
    {"script: 'server.js', namespace: 'default', vizion: false, pmx: false, automation: false, "
     "force: true, windowsHide: true",
        "notes 0"},
    {"script: 'server.js', trace: true, io: {a: 1}, post_update: ['x']",
        "note trace\nnote io\nnote post_update"},
    {"script: 'server.js', env_file: '.env', wtf: 1", "note env_file\nnote wtf"},
    {"script: 'server.js', name: 'a b'", "[app:a-b]\nnote name"},
    {"script: 'server.js', name: 42", "[app:42]"},
    {"script: 'server.js', cwd: 5, kill_timeout: 'x', args: 7", "note cwd\nnote args"},
};
#define PM2_APPS_LEN (sizeof(pm2_apps) / sizeof(pm2_apps[0]))

START_TEST(each_key_of_pm2_has_its_place)
{
	struct str text = {0};

	/* --env test is known to somebody. */
	str_addf(&text, "{apps: [{%s%s}]}", pm2_apps[_i].app,
	    strstr(pm2_apps[_i].app, "env_test") ? "" : ", env_test: {}");
	expect("pm2", text.data, "test", pm2_apps[_i].wanted);
	str_free(&text);
}
END_TEST

START_TEST(ecosystem_files_have_several_shapes)
{
	expect("pm2", "{script: 'a.js'}", NULL, "[app:a]");
	expect("pm2", "[{script: 'a.js'}, {script: 'b.js'}]", NULL, "[app:a]\n[app:b]");
	expect("pm2", "{apps: {script: 'a.js'}}", NULL, "[app:a]");
	expect("pm2", "{pm2: [{script: 'a.js'}]}", NULL, "[app:a]");
	expect("pm2", "{apps: [{script: 'a.js'}, {name: 'x'}, 5, {script: 'serve', name: 's'}]}",
	    NULL, "[app:a]\nnote script\nnotes 3");
	expect("pm2", "{apps: [{script: 'a.js'}], deploy: {production: {user: 'x'}}, static: [{}]}",
	    NULL, "note deploy\nnote static");
	expect("pm2",
	    "{apps: [{script: 'a.js', env: {A: 'app'}}], deploy: {p: {env: {A: 'd', B: 'd'}}}}",
	    "p", "A = app\nB = d\nnote env");
}
END_TEST

START_TEST(what_is_no_ecosystem_file_is_refused)
{
	static const char *const bad[] = {"{}", "[]", "5", "'x'", "null", "{apps: []}",
	    "{apps: [{name: 'x'}]}", "{scripts: {start: 'x'}}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct result r = import("pm2", bad[i], NULL);

		ck_assert_int_eq(r.code, -EINVAL);
		ck_assert_ptr_nonnull(strstr(r.e.text, "the-file: has no app"));
		result_free(&r);
	}
}
END_TEST

/* --- Procfile ------------------------------------------------------------------------------- */

static const struct {
	const char *text, *wanted;
} procfiles[] = {
    {"web: node server.js\n",
        "[app:web]\ncommand = node server.js\ndirectory = /srv/app\n"
        "listen = 127.0.0.1:${PORT:-8080}\ntake = node\ninherit_env = yes\n!workers = 1\nnotes 0"},
    {"web: gunicorn -w 1 x:app", "take = fds\nnotes 0"},
    {"web: bundle exec puma", "command = bundle exec puma\ntake = bind\nnote listen"},
    {"web: uvicorn x:app", "take = bind\nnote listen"},
    {"web: PORT=3000 node server.js", "listen = 127.0.0.1:3000\nPORT = 3000"},
    {"web: node server.js -p $PORT",
        "command = sh -c \"exec node server.js -p $PORT\"\ntake = node\nnote command"},
    {"web: npm start\r\n", "command = node_modules/.bin/next start -p 3000\ntake = node"},
    {"web: cd sub && npm start", "command = /srv/app/node_modules/.bin/next start\nnotes 0"},
    {"web: pm2-runtime start server.js -i 4 -- --x",
        "command = node server.js --x\ntake = node\nnotes 0"},
    {"web: pm2-runtime start ecosystem.config.js", "note command"},
    {"web: /opt/hadoop/bin/yarn resourcemanager",
        "command = /opt/hadoop/bin/yarn resourcemanager\nnote command"},
    {"web: cd /opt/hadoop && bin/yarn resourcemanager",
        "command = bin/yarn resourcemanager\n!take = node\nnote listen\nnotes 1"},
    {"web: cd sub && ./run", "directory = /srv/app/sub\ncommand = ./run"},
    {"worker: A=1 env B='x y' rake work",
        "[env:worker]\nA = 1\nB = x y\ncommand = rake work\nworkers = 1\nready = delay:1s\n"
        "max_surge = 0\nmax_unavailable = 1\n!take = fds\nnotes 0"},
    {"clock: node clock.js", "take = fds\nworkers = 1"},
    {"w: a | b", "command = sh -c \"a | b\"\nnote command"},
    {"w: a -p $PORT", "note command"},
    {"w: a 'b", "command = /bin/false\nnote command"},
    {"w: x\nrelease: rake db:migrate\n", "note \n!command = rake db:migrate\nnotes 1"},
    {"# a comment\n\nw:x\nno line\nbad name: y\n", "[app:w]\ncommand = x\nnotes 2"},
    {"w: x\nw: y\n", "[app:w]\n[app:w-2]\nnote name"},
    {"web: node a.js\nweb: node b.js", "note listen"},
};

START_TEST(each_line_of_a_procfile_is_an_app)
{
	expect("Procfile", procfiles[_i].text, NULL, procfiles[_i].wanted);
}
END_TEST

START_TEST(what_is_no_procfile_is_refused)
{
	static const char *const bad[] = {
	    "", "\n\n", "{\"apps\": []}", "release: x", "web:\n", "\x01"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct result r = import("Procfile", bad[i], NULL);

		ck_assert_int_eq(r.code, -EINVAL);
		result_free(&r);
	}
}
END_TEST

/* The file itself is not there when broodd reads: the import is looked at, not loaded. */
START_TEST(env_files_are_used_where_brood_reads_them_alike)
{
	static const struct {
		const char *env;
		bool good;
	} rows[] = {{"A=1\n# c\n\nexport B=2\nC='x y'\nPORT=5000\n", true}, {"", true},
	    {"A=b # c", true}, {"what\n", false}, {"A = 1\n", false}, {"A=\"x\" y\n", false},
	    {"A=\"x\\\"y\"\n", false}, {"A='x\n", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result r;

		env_file = rows[i].env;
		r = import("Procfile", "web: node server.js", NULL);
		ck_assert_int_eq(r.code, 0);
		ck_assert_msg(has_line(r.config.data, "env_file = /srv/app/.env") == rows[i].good,
		    "%s", rows[i].env);
		ck_assert_uint_eq(r.notes_len, !rows[i].good);
		if (i == 0)
			ck_assert(has_line(r.config.data, "listen = 127.0.0.1:5000"));
		result_free(&r);
	}
	env_file = NULL;
}
END_TEST

/* --- supervisord ---------------------------------------------------------------------------- */

static const struct {
	const char *options, *wanted;
} programs[] = {
    {"command=/bin/cat",
        "[app:p]\ncommand = /bin/cat\nworkers = 1\nready = delay:1s\nrestart = on-failure\n"
        "max_surge = 0\nmax_unavailable = 1\ninherit_env = yes\nnotes 0"},
    {"command=/bin/x \"a b\" 'c d' e\\ f", "command = /bin/x \"a b\" \"c d\" \"e f\""},
    {"command : node server.js", "take = node\n!max_surge = 0\n!ready = delay:1s"},
    {"command = node server.js\nstartsecs = 3", "ready = delay:3s"},
    {"COMMAND=/bin/x ; comment", "command = /bin/x"},
    {"command=/bin/x # comment", "command = /bin/x"},
    {"command=bash -c 'a ; b'", "command = /bin/false\nnote command"},
    {"command=bash -c \"a; b\"", "command = bash -c \"a; b\"\nnotes 0"},
    {"command=/bin/x\n  --a\n\n  --b\n; c\n  --d", "command = /bin/x --a --b --d"},
    {"command=/bin/x %(program_name)s %(here)s %(host_node_name)s %(group_name)s %(numprocs)d 5%%",
        "command = /bin/x p /srv/app box g 1 5%"},
    {"command=/bin/x %(ENV_STAGE)s %(ENV_NONE)s",
        "command = /bin/x ${STAGE} ${NONE:-}\nnote command"},
    {"command=/bin/x %(what)s %d", "command = /bin/x %(what)s %d\nnote command"},
    {"command=/bin/x %(process_num)d", "command = /bin/x 0"},
    {"command=/bin/x %(process_num)d\nnumprocs_start=5", "command = /bin/x 5"},
    {"command=/bin/x %(process_num)d\nnumprocs=3\nprocess_name=a%(process_num)d",
        "command = /bin/x %(slot)\nworkers = 3\nnotes 0"},
    {"command=/bin/x 80%(process_num)02d\nnumprocs=10",
        "command = /bin/x 800%(slot)\nworkers = 10"},
    {"command=/bin/x 80%(process_num)02d\nnumprocs=11",
        "[app:p-0]\n[app:p-10]\ncommand = /bin/x 8000\ncommand = /bin/x 8010\nworkers = 1\nnote "
        "numprocs"},
    {"command=/bin/x %(process_num)d\nnumprocs=2\nnumprocs_start=7",
        "[app:p-7]\n[app:p-8]\ncommand = /bin/x 8\nnote numprocs"},
    {"command=/bin/x\nnumprocs=2\nnumprocs_start=7", "[app:p]\nworkers = 2\nnotes 0"},
    {"command=/bin/x\nnumprocs=2\ndirectory=/d/%(process_num)d", "[app:p-0]\ndirectory = /d/1"},
    {"command=/bin/x %(process_num)03d\nnumprocs=100", "command = /bin/x 00%(slot)\nnote numprocs"},
    {"command=/bin/x\nnumprocs=many", "workers = 1\nnote numprocs"},
    {"command=/bin/x\nenvironment=A=\"1,2\",B=x, C='a b' , D=\"%(program_name)s\"",
        "A = 1,2\nB = x\nC = a b\nD = p"},
    {"command=/bin/x %(ENV_1A)s y", "command = /bin/x y"},
    {"command=/bin/x %(ENV_A)s\nenvironment=A=\"own\"", "command = /bin/x own"},
    {"command=/bin/x\nnumprocs=2\nenvironment=N=\"n%(process_num)d\"", "N = n%(slot)"},
    {"command=/bin/x\nenvironment=A=\"1\"\n  ,B=\"2\"", "A = 1\nB = 2\nnotes 0"},
    {"command=/bin/x\nenvironment=A=\"1\" B", "A = 1\nnote environment"},
    {"command=/bin/x\nenvironment=A", "note environment"},
    {"command=/bin/x\nautostart=false", "workers = 0\nnote autostart"},
    {"command=/bin/x\nautorestart=true", "restart = always\n!no_restart_codes = 0"},
    {"command=/bin/x\nautorestart=false", "restart = never"},
    {"command=/bin/x\nautorestart=unexpected\nexitcodes=0, 2",
        "restart = always\nno_restart_codes = 0,2"},
    {"command=/bin/x\nexitcodes=0,999", "note exitcodes"},
    {"command=/bin/x\nstartsecs=0", "ready = delay:0s"},
    {"command=/bin/x\nstartsecs=90", "ready = delay:90s\nready_timeout = 150s"},
    {"command=/bin/x\nstartretries=3", "restart_limit = 4/1m"},
    {"command=/bin/x\nstartretries=0", "restart_limit = 1/1m"},
    {"command=/bin/x\nstopsignal=QUIT\nstopwaitsecs=60", "stop_signal = QUIT\nstop_timeout = 60s"},
    {"command=/bin/x\nstopsignal=9", "stop_signal = KILL"},
    {"command=/bin/x\nstopsignal=WHAT", "note stopsignal"},
    {"command=/bin/x\nstopasgroup=true\nkillasgroup=true", "note stopasgroup\nnotes 1"},
    {"command=/bin/x\nuser=www-data\numask=22\ndirectory=/d",
        "user = www-data\numask = 0022\ndirectory = /d"},
    {"command=/bin/x\numask=999", "note umask"},
    {"command=/bin/x\ndirectory=~/d", "directory = /home/me/d"},
    {"command=/bin/x\ndirectory=d", "directory = /srv/app/d\nnote directory"},
    {"command=/bin/x\ndirectory=%(ENV_STAGE)s", "directory = ${STAGE}"},
    {"command=/bin/x\nstdout_logfile=/var/log/%(program_name)s.log\nredirect_stderr=true\n"
     "stdout_logfile_maxbytes=0",
        "log = file:/var/log/p.log\nnotes 0"},
    {"command=/bin/x\nstdout_logfile=/var/log/o\nstderr_logfile=/var/log/e\n"
     "stdout_logfile_maxbytes=10MB",
        "log = file:/var/log/o\nnote stderr_logfile\nnote stdout_logfile_maxbytes"},
    {"command=/bin/x\nstdout_logfile=NONE\nstderr_logfile=none", "log = none"},
    {"command=/bin/x\nstdout_logfile=/dev/fd/1\nstdout_logfile_maxbytes=0",
        "log = inherit\nnotes 0"},
    {"command=/bin/x\nstdout_logfile=AUTO", "!log = inherit\nnotes 0"},
    {"command=/bin/x\nstdout_logfile=/gone/x", "note stdout_logfile"},
    {"command=/bin/x\nnumprocs=2\nstdout_logfile=/var/log/%(process_num)d",
        "log = file:/var/log/0\nnote stdout_logfile"},
    {"command=/bin/x\npriority=10\nserverurl=AUTO\nstdout_syslog=true\nstdout_events_enabled=true\n"
     "stdout_capture_maxbytes=1MB\nwtf=1",
        "note priority\nnote serverurl\nnote stdout_syslog\nnote stdout_events_enabled\n"
        "note stdout_capture_maxbytes\nnote wtf"},
    {"command=/bin/x\npriority=999\nstdout_syslog=false\nstdout_capture_maxbytes=0", "notes 0"},
    {"command=/bin/x\ncommand=/bin/y", "command = /bin/y"},
};

START_TEST(each_key_of_a_program_has_its_place)
{
	struct str text = {0};

	str_addf(&text, "[group:g]\nprograms = p\n[supervisord]\n[program:p]\n%s\n",
	    programs[_i].options);
	/* The group is one note more. */
	if (strstr(programs[_i].wanted, "notes ")) {
		struct str wanted = {0};
		const char *at = strstr(programs[_i].wanted, "notes ");

		str_addf(&wanted, "%.*snotes %d", (int)(at - programs[_i].wanted),
		    programs[_i].wanted, atoi(at + 6) + 1);
		expect("supervisord", text.data, NULL, wanted.data);
		str_free(&wanted);
	} else
		expect("supervisord", text.data, NULL, programs[_i].wanted);
	str_free(&text);
}
END_TEST

static const struct {
	const char *text, *wanted;
} sockets[] = {
    {"socket=unix:///run/%(program_name)s.sock",
        "listen = unix:/run/f.sock?mode=0700\ntake = stdin\n!max_surge = 0\nnotes 0"},
    {"socket=unix:///run/x.sock\nuser=web", "listen = unix:/run/x.sock?mode=0700&owner=web"},
    {"socket=unix:///run/x.sock\nsocket_owner=a:b\nsocket_mode=0770\nsocket_backlog=64",
        "listen = unix:/run/x.sock?mode=0770&owner=a&group=b&backlog=64"},
    {"socket=tcp://127.0.0.1:9000\nsocket_backlog=64", "listen = 127.0.0.1:9000?backlog=64"},
    {"socket=tcp://localhost:9000", "listen = 127.0.0.1:9000\nnotes 0"},
    {"socket=tcp://php.example:9000", "listen = *:9000\nnote socket"},
    {"socket=/run/x.sock", "!take = stdin\nnote socket"},
    {"socket=unix:///run/a?b", "!take = stdin\nnote socket"},
    {"numprocs=2", "!take = stdin\nnote socket"},
};

START_TEST(fastcgi_programs_get_their_socket_as_descriptor_0)
{
	struct str text = {0};

	str_addf(&text, "[fcgi-program:f]\ncommand=/usr/bin/php-cgi\n%s\n", sockets[_i].text);
	expect("supervisord", text.data, NULL, sockets[_i].wanted);
	str_free(&text);
}
END_TEST

START_TEST(the_rest_of_supervisord_goes_to_the_master_or_is_noted)
{
	expect("supervisord",
	    "[supervisord]\nlogfile=/var/log/s.log\nloglevel=blather\nidentifier=mine\nuser=me\n"
	    "pidfile=/x\nminfds=4096\nminprocs=5\numask=077\ndirectory=/d\n"
	    "environment=A=\"1\",B=\"2\"\n[program:p]\ncommand=x %(ENV_A)s\nenvironment=B=\"3\"\n",
	    NULL,
	    "[master]\nlog = file:/var/log/s.log\nlog_level = debug\nname = mine\n"
	    "limit_nofile = 4096\numask = 0077\ndirectory = /d\nA = 1\nB = 3\ncommand = x 1\nnote "
	    "user\n"
	    "note pidfile\nnote minprocs\nnotes 3");
	expect("supervisord",
	    "[unix_http_server]\nfile=/x\nchmod=0770\nchown=root:adm\nusername=u\npassword=p\n"
	    "[inet_http_server]\nport=9001\n[supervisorctl]\nserverurl=x\n"
	    "[rpcinterface:supervisor]\nx=y\n[eventlistener:e]\ncommand=z\n[what]\n"
	    "[program:p]\ncommand=x\n[program:q]\nnumprocs=1\n",
	    NULL, "control_group = adm\nnote username\nnote command\n!command = z\nnotes 5");
	expect("supervisord", "[DEFAULT]\nuser=me\n[program:p]\ncommand=x\n", NULL, "user = me");
}
END_TEST

START_TEST(included_files_are_read)
{
	struct result r;

	expect("supervisord", "[include]\nfiles = conf.d/a.conf none/*.x\n", NULL,
	    "[app:a]\ncommand = /bin/a /srv/app/conf.d\nnote files\nnotes 1");
	r = import("supervisord", "[include]\nfiles = conf.d/*.conf\n", NULL);
	ck_assert_int_eq(r.code, -EINVAL);
	ck_assert_str_eq(r.e.text, "/srv/app/conf.d/bad.conf:2:1: no \"key = value\" in this line");
	result_free(&r);
}
END_TEST

static const struct {
	const char *text, *error;
} bad_inis[] = {
    {"x=1\n", "the-file:1:1: text before the first [section]"},
    {"[a]\n\nwhat\n", "the-file:3:1: no \"key = value\" in this line"},
    {"[a]\n=x\n", "the-file:2:1: no \"key = value\" in this line"},
    {"[a]\nx=\xff\n", "the-file:2:1: the line has control characters, or is not UTF-8"},
    {"[a]\nx=1\n", "the-file: has no [program:NAME] to run: is it a configuration of supervisord?"},
    {"", "the-file: has no [program:NAME] to run: is it a configuration of supervisord?"},
};

START_TEST(what_is_no_configuration_of_supervisord_is_refused)
{
	struct result r = import("supervisord", bad_inis[_i].text, NULL);

	ck_assert_int_eq(r.code, -EINVAL);
	ck_assert_str_eq(r.e.text, bad_inis[_i].error);
	result_free(&r);
}
END_TEST

/* --- no memory ------------------------------------------------------------------------------ */

static const struct {
	const char *format, *text;
} whole_files[] = {
    {"pm2", "{apps: [{script: 'npm', args: 'start', name: 'a b', env: {A: 'x'}, instances: 2, "
            "out_file: 'logs/x', watch: true, increment_var: 'P', stop_exit_codes: [1]}, "
            "{script: 'node x | y', env_q: {}}], deploy: {a: 1}}"},
    {"Procfile", "web: cd a && A=1 node server.js $X\nw: x 'y'\nrelease: z\nno\n"},
    {"supervisord", "[include]\nfiles=conf.d/a.conf\n[supervisord]\nenvironment=A=\"1\"\n"
                    "logfile=/var/log/x\n[program:p]\ncommand=x %(ENV_HOME)s %(process_num)d\n"
                    "numprocs=2\nenvironment=B=\"2\"\nstdout_logfile=/var/log/y\n"
                    "[fcgi-program:f]\ncommand=y\nsocket=unix:///x\n"},
};

START_TEST(each_allocation_may_fail)
{
	unsigned long n = 0;
	struct result r;

	env_file = "A=1\n";
	for (;;) {
		mem_fail_at(++n, 1);
		r = import(whole_files[_i].format, whole_files[_i].text, "q");
		if (mem_calls() < n)
			break;
		mem_fail_at(0, 0);
		ck_assert_msg(r.code == -ENOMEM || r.code == 0, "%lu: %d %s", n, r.code, r.e.text);
		result_free(&r);
	}
	mem_fail_at(0, 0);
	ck_assert_int_eq(r.code, 0);
	ck_assert_uint_gt(n, 100);
	result_free(&r);
	env_file = NULL;
}
END_TEST

#define LOOP(tc, test, rows) \
	tcase_add_loop_test(tc, test, 0, (int)(sizeof(rows) / sizeof((rows)[0])))

static void
add_languages(Suite *s)
{
	TCase *tc = tcase_create("languages");

	tcase_add_test(tc, shlex_splits_as_python_does);
	tcase_add_test(tc, args_are_split_as_pm2_does);
	LOOP(tc, literals_are_read, literals);
	LOOP(tc, what_is_wrong_in_a_literal_has_its_place, bad_literals);
	tcase_add_test(tc, a_literal_may_not_be_too_deep);
	suite_add_tcase(s, tc);
}

static void
add_draft(Suite *s)
{
	TCase *tc = tcase_create("draft");

	tcase_add_test(tc, words_and_variables_arrive_as_they_are);
	tcase_add_test(tc, holes_become_slots_and_variables);
	tcase_add_test(tc, what_cannot_be_written_is_noted);
	tcase_add_test(tc, names_are_cleaned_and_told_apart);
	tcase_add_test(tc, no_address_is_given_twice);
	tcase_add_test(tc, comments_cannot_become_lines);
	tcase_add_test(tc, there_is_an_end_to_apps);
	tcase_add_test(tc, paths_are_made_absolute);
	suite_add_tcase(s, tc);
}

static void
add_formats(Suite *s)
{
	TCase *tc = tcase_create("formats");

	LOOP(tc, each_key_of_pm2_has_its_place, pm2_apps);
	tcase_add_test(tc, ecosystem_files_have_several_shapes);
	tcase_add_test(tc, what_is_no_ecosystem_file_is_refused);
	LOOP(tc, each_line_of_a_procfile_is_an_app, procfiles);
	tcase_add_test(tc, what_is_no_procfile_is_refused);
	tcase_add_test(tc, env_files_are_used_where_brood_reads_them_alike);
	LOOP(tc, each_key_of_a_program_has_its_place, programs);
	LOOP(tc, fastcgi_programs_get_their_socket_as_descriptor_0, sockets);
	tcase_add_test(tc, the_rest_of_supervisord_goes_to_the_master_or_is_noted);
	tcase_add_test(tc, included_files_are_read);
	LOOP(tc, what_is_no_configuration_of_supervisord_is_refused, bad_inis);
	LOOP(tc, each_allocation_may_fail, whole_files);
	suite_add_tcase(s, tc);
}

int
main(void)
{
	Suite *s = suite_create("import");
	SRunner *sr = srunner_create(s);
	int failed;

	add_languages(s);
	add_draft(s);
	add_formats(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
