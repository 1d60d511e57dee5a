/*
 * follow: what is Node, what is a launcher, and what a launcher comes to. The files of the app are
 * real, in a directory of the test.
 */
#include <check.h>

#include "base/mem.h"
#include "base/quote.h"
#include "base/str.h"
#include "launcher/filesystem.h"
#include "launcher/follow.h"
#include "sys_support.h"

#define NODE_SCRIPT "#!/usr/bin/env node\n"

/* The real path of the directory of the test. */
static char directory[128];

static void
setup(void)
{
	char *real;

	support_setup();
	real = realpath(test_dir, NULL);
	ck_assert_ptr_nonnull(real);
	ck_assert_uint_lt(strlen(real), sizeof(directory) / 2);
	(void)stpcpy(directory, real);
	free(real);
}

/* A file of the app, with the directories above it. */
static const char *
put(const char *name, const char *text)
{
	static char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	for (char *p = path + strlen(directory) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	return path;
}

static void
scripts(const char *members)
{
	struct str text = {0};

	str_addf(&text, "{\"name\":\"x\",\"scripts\":{%s}}", members);
	(void)put("package.json", str_text(&text));
	str_free(&text);
}

/* As npm puts a package there: node_modules/NAME/FILE, and a link to it. */
static void
install(const char *command, const char *file)
{
	char target[256], link_path[512];

	(void)snprintf(target, sizeof(target), "node_modules/%s", file);
	(void)put(target, NODE_SCRIPT);
	(void)put("node_modules/.bin/x", "");
	(void)snprintf(target, sizeof(target), "../%s", file);
	(void)snprintf(link_path, sizeof(link_path), "%s/node_modules/.bin/%s", directory, command);
	ck_assert_int_eq(symlink(target, link_path), 0);
}

/* program: NULL for one that is not a script. */
static enum follow
look(const char *command, const char *program, struct str *line)
{
	struct trail t = {.files = &files_of_system, .directory = directory};
	enum follow kind;
	char **argv;
	size_t argc, at;

	ck_assert_int_eq(quote_split(command, &argv, &argc, &at), 0);
	kind = follow(&t, argv, program ? program : "/usr/bin/true");
	str_reset(line);
	if (kind == FOLLOW_LAUNCHER)
		follow_write_line(&t, line);
	mem_free(argv);
	ck_assert(!trail_failed(&t) && !str_failed(line));
	ck_assert(!t.lost || t.why);
	trail_done(&t);
	return kind;
}

static void
is_kind(enum follow want, const char *command, const char *program)
{
	struct str line = {0};

	ck_assert_msg(look(command, program, &line) == want, "%s", command);
	if (want != FOLLOW_LAUNCHER)
		ck_assert_str_eq(str_text(&line), "");
	str_free(&line);
}

static void
comes_to(const char *command, const char *want)
{
	struct str line = {0};

	ck_assert_msg(look(command, NULL, &line) == FOLLOW_LAUNCHER, "%s", command);
	ck_assert_msg(
	    strcmp(str_text(&line), want) == 0, "%s: %s, not %s", command, str_text(&line), want);
	str_free(&line);
}

START_TEST(node_is_known_by_its_name)
{
	static const char *const yes[] = {"node server.js", "nodejs x", "/opt/n/bin/node x.js",
	    "node20 x.js", "node", "node -e 1", "node -r a -- --watch", "node app.js --watch",
	    "node --require --watch app.js", "node --title x app.js --run y", "node -"};
	static const char *const no[] = {
	    "nodemcu x", "python3 x.py", "nodex", "sh -c 'node x'", "/bin/true", "env node x.js"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		is_kind(FOLLOW_NODE, yes[i], NULL);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		is_kind(FOLLOW_OTHER, no[i], NULL);
	is_kind(FOLLOW_NODE, "/home/u/app x.js", "/usr/lib/node-18/bin/node");
}
END_TEST

START_TEST(node_is_known_by_the_first_line)
{
	static const struct {
		enum follow want;
		const char *line;
	} rows[] = {
	    {FOLLOW_NODE, "#!/usr/bin/node\n"},
	    {FOLLOW_NODE, "#! /opt/node/bin/node --max-old-space-size=99\r\nx"},
	    {FOLLOW_NODE, "#!/usr/bin/env node"},
	    {FOLLOW_NODE, "#!/usr/bin/env -S node --no-warnings\n"},
	    {FOLLOW_NODE, "#!/usr/bin/env -S A=1 -u B nodejs\n"},
	    {FOLLOW_NODE, "#!/usr/bin/env -vSnode -r x\n"},
	    {FOLLOW_NODE, "#!/bin/env --split-string=node x\n"},
	    {FOLLOW_LAUNCHER, "#!/usr/bin/env -S node --watch\n"},
	    {FOLLOW_OTHER, "#!/usr/bin/env python3 node\n"},
	    {FOLLOW_OTHER, "#!/usr/bin/env\n"},
	    {FOLLOW_OTHER, "#!/usr/bin/env -u\n"},
	    {FOLLOW_OTHER, "#!\n"},
	    {FOLLOW_OTHER, "#!"},
	    {FOLLOW_OTHER, "#"},
	    {FOLLOW_OTHER, ""},
	    {FOLLOW_OTHER, "#!/bin/sh\nexec node x"},
	    {FOLLOW_OTHER, "\x7f"
	                      "ELF node"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		is_kind(rows[i].want, "./app --watch", put("app", rows[i].line));
	is_kind(FOLLOW_OTHER, "./app", "/nonexistent");
	is_kind(FOLLOW_OTHER, "./app", directory);
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0644), 0);
	is_kind(FOLLOW_OTHER, "./app", in_dir("fifo"));
}
END_TEST

/* npm is a script of Node by its first line, and still no app. */
START_TEST(installed_launchers_are_known_by_their_place)
{
	struct str line = {0};
	const char *npm;

	scripts("\"start\":\"node server.js --flag\"");
	npm = put("lib/node_modules/npm/bin/npm-cli.js", NODE_SCRIPT);
	ck_assert_int_eq(look("npm start", npm, &line), FOLLOW_LAUNCHER);
	ck_assert_str_eq(str_text(&line), "node server.js --flag");
	npm = put("usr/share/nodejs/npm/bin/npx-cli.js", "#!/usr/bin/node\n");
	ck_assert_int_eq(look("/usr/bin/npx node y.js", npm, &line), FOLLOW_LAUNCHER);
	ck_assert_str_eq(str_text(&line), "node y.js");
	npm = put("node_modules/tsx/dist/cli.mjs", NODE_SCRIPT);
	ck_assert_int_eq(look("node_modules/.bin/tsx a.ts", npm, &line), FOLLOW_LAUNCHER);
	ck_assert_str_eq(str_text(&line), "node --import tsx a.ts");
	ck_assert_int_eq(
	    look("node node_modules/tsx/dist/cli.mjs a.ts", NULL, &line), FOLLOW_LAUNCHER);
	ck_assert_str_eq(str_text(&line), "node --import tsx a.ts");
	npm = put("node_modules/.bin/tsx", "#!/bin/sh\n"); /* as pnpm puts it there */
	ck_assert_int_eq(look("node_modules/.bin/tsx a.ts", npm, &line), FOLLOW_LAUNCHER);
	str_free(&line);
}
END_TEST

/* Names that others have, too. */
START_TEST(namesakes_are_left_alone)
{
	is_kind(FOLLOW_OTHER, "yarn resourcemanager", put("hadoop/bin/yarn", "#!/bin/sh\n"));
	is_kind(FOLLOW_OTHER, "forever 1", put("bin/forever", "#!/bin/sh\n"));
	is_kind(FOLLOW_NODE, "./forever", put("forever", NODE_SCRIPT));
	(void)put("nodemon.js", "");
	is_kind(FOLLOW_NODE, "node nodemon.js x.js", NULL);
	(void)put("node_modules/express/index.js", "");
	is_kind(FOLLOW_NODE, "node node_modules/express/index.js", NULL);
	scripts("\"start\":\"node a.js\"");
	comes_to("yarn start", "node a.js");
}
END_TEST

START_TEST(scripts_are_followed)
{
	scripts("\"start\":\"node server.js --flag\","
	        "\"prod\":\"NODE_ENV=production A='b c' node  \\\"my server.js\\\"\","
	        "\"cross\":\"cross-env X=1 exec node a.js\","
	        "\"again\":\"npm run prod -- --more\","
	        "\"dev\":\"nodemon --inspect server.js\","
	        "\"loop\":\"npm run loop\",\"a\":\"yarn b\",\"b\":\"pnpm a\","
	        "\"prestart\":\"npm run build\","
	        "\"shell\":\"node a.js && node b.js\",\"glob\":\"node *.js\","
	        "\"var\":\"node \\\"$X\\\"\",\"py\":\"gunicorn app\",\"none\":\"\","
	        "\"odd\":\"node 'x\",\"number\":7,\"only\":\"A=1\"");
	comes_to("npm start", "node server.js --flag (the script prestart is to be run before)");
	comes_to("npm start -- --port 1",
	    "node server.js --flag --port 1 (the script prestart is to be run before)");
	comes_to("pnpm start", "node server.js --flag");
	comes_to("npm run prod",
	    "node \"my server.js\" (with NODE_ENV = production, A = b c under [env:APP])");
	comes_to("npm --silent run-script cross", "node a.js (with X = 1 under [env:APP])");
	comes_to("npm run again",
	    "node \"my server.js\" --more (with NODE_ENV = production, A = b c under [env:APP])");
	comes_to("npm run dev", "node --inspect server.js");
	comes_to("yarn dev", "node --inspect server.js");
	comes_to("yarn dev --port 1", "node --inspect server.js --port 1");
	comes_to("pnpm run dev --port 1", "node --inspect server.js --port 1");
	comes_to("npm run dev --port 1", "");
	comes_to("node --run start", "node server.js --flag");
	comes_to("node --no-warnings --run=dev -- a", "node --inspect server.js a");
	for (const char *const *p = (const char *const[]){"npm run loop", "yarn a", "npm run shell",
	         "npm run glob", "npm run var", "npm run py", "npm run none", "npm run odd",
	         "npm run number", "npm run only", "npm run missing", "npm run", "npm",
	         "npm install", "npm --prefix x start", "npm start --if-present", "yarn",
	         "npm exec", "yarn nothing", NULL};
	     *p; p++)
		comes_to(*p, "");
}
END_TEST

/* As npm does. */
START_TEST(start_without_a_script_is_server_js)
{
	scripts("");
	comes_to("npm start", "");
	(void)put("server.js", "");
	comes_to("npm start", "node server.js");
	comes_to("npm start -- a", "node server.js a");
	comes_to("yarn start", "");
}
END_TEST

START_TEST(broken_packages_say_nothing)
{
	static const char *const texts[] = {"", "{", "[]", "7", "{\"scripts\":[]}",
	    "{\"scripts\":7}", "{\"scripts\":{\"start\":{}}}", "\xEF\xBB\xBF",
	    "{\"scripts\":{\"start\":\"\\u0000\"}}"};
	struct str big = {0};

	comes_to("npm start", "");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		(void)put("package.json", texts[i]);
		comes_to("npm start", "");
	}
	(void)put("package.json", "\xEF\xBB\xBF{\"scripts\":{\"start\":\"node a.js\"}}");
	comes_to("npm start", "node a.js");
	/* 1 MiB is read, and not a byte more. */
	str_add(&big, "{\"scripts\":{\"start\":\"node a.js\"}}");
	while (big.len < 1U << 20)
		str_add_char(&big, ' ');
	(void)put("package.json", str_text(&big));
	comes_to("npm start", "node a.js");
	str_add_char(&big, ' ');
	(void)put("package.json", str_text(&big));
	comes_to("npm start", "");
	str_free(&big);
	ck_assert_int_eq(unlink(in_dir("package.json")), 0);
	ck_assert_int_eq(mkfifo(in_dir("package.json"), 0644), 0);
	comes_to("npm start", "");
}
END_TEST

START_TEST(commands_of_packages_are_found)
{
	install("foo", "foo/bin/x.js");
	install("bar", "@scope/bar/cli.js");
	(void)put("node_modules/.bin/shim", "#!/bin/sh\n");
	(void)put("node_modules/shim/package.json", "{\"bin\":{\"shim\":\"./run.js\"}}");
	(void)put("node_modules/shim/run.js", "x");
	(void)put("node_modules/.bin/one", "#!/bin/sh\n");
	(void)put("node_modules/one/package.json", "{\"bin\":\"one.js\"}");
	(void)put("node_modules/one/one.js", NODE_SCRIPT);
	(void)put("node_modules/.bin/native", "\x7f"
	                                      "ELF");
	(void)put("bin/www", "#!/usr/bin/env -S node --no-warnings\n");
	scripts("\"start\":\"foo --port 1\",\"www\":\"./bin/www\"");
	comes_to("npx foo a b", "node node_modules/foo/bin/x.js a b");
	comes_to("npx --yes bar", "node node_modules/@scope/bar/cli.js");
	comes_to("npm exec foo -- -a", "node node_modules/foo/bin/x.js -a");
	comes_to("npm exec -- foo -a", "");
	comes_to("npm exec -- foo a", "node node_modules/foo/bin/x.js a");
	comes_to("npx shim", "node node_modules/shim/run.js");
	comes_to("npx one", "node node_modules/one/one.js");
	comes_to("npm start", "node node_modules/foo/bin/x.js --port 1");
	comes_to("pnpm foo", "node node_modules/foo/bin/x.js");
	comes_to("npm run www", "node --no-warnings bin/www");
	comes_to("npx native", "");
	comes_to("npx missing", "");
	comes_to("npx -p foo bar", "");
	comes_to("npx", "");
}
END_TEST

/* npm puts node_modules/.bin of all directories above in PATH. */
START_TEST(commands_are_found_above)
{
	char above[512];

	install("foo", "foo/x.js");
	(void)put("packages/a/package.json", "{\"scripts\":{\"start\":\"foo\"}}");
	(void)snprintf(above, sizeof(above), "node %s/node_modules/foo/x.js", directory);
	(void)strcat(directory, "/packages/a");
	comes_to("npm start", above);
}
END_TEST

START_TEST(launchers_are_taken_off)
{
	static const struct {
		const char *command, *line;
	} rows[] = {
	    {"nodemon x.js", "node x.js"},
	    {"nodemon -w src --ext js,json -V --inspect=0 -r dotenv/config x.js -a --watch",
	        "node --inspect=0 -r dotenv/config x.js -a --watch"},
	    {"nodemon --exec 'node --no-warnings' x.mjs", "node --no-warnings x.mjs"},
	    {"nodemon --exec 'npm run build && node x.js'", ""},
	    {"nodemon --exec tsx x.ts", "node --import tsx x.ts"},
	    {"nodemon x.ts", "node --require ts-node/register x.ts"},
	    {"nodemon -- bin/www a", "node bin/www a"},
	    {"nodemon x.py", ""},
	    {"nodemon", ""},
	    {"npx nodemon x.js", "node x.js"},
	    {"npx tsx x.ts a", "node --import tsx x.ts a"},
	    {"npx tsx watch --clear-screen=false --ignore x --env-file .env x.ts",
	        "node --import tsx --env-file .env x.ts"},
	    {"npx tsx --tsconfig a.json x.ts", ""},
	    {"npx tsx", ""},
	    {"ts-node-dev --respawn --watch a -r b x.ts c",
	        "node --require ts-node/register -r b x.ts c"},
	    {"tsnd -T x.ts", "node --require ts-node/register/transpile-only x.ts"},
	    {"tsnd -P a.json x.ts", ""},
	    {"tsnd", ""},
	    {"npx node-dev --respawn --notify=false --inspect x.js", "node --inspect x.js"},
	    {"node --watch x.js --watch", "node x.js --watch"},
	    {"/opt/node --watch-path=a --watch-path b --watch-preserve-output --title t x.js",
	        "/opt/node --title t x.js"},
	    {"node --watch -e 1", ""},
	    {"node --run", ""},
	    {"pm2 start x.js -i 4 --name y -- a b", "node x.js a b"},
	    {"pm2 start npm --name y -- run z", ""},
	    {"pm2 start ecosystem.config.js", ""},
	    {"pm2 start app.json", ""},
	    {"pm2 list", ""},
	    {"pm2-runtime x.js", "node x.js"},
	    {"pm2-runtime start x.js", "node x.js"},
	    {"pm2-runtime", ""},
	    {"npx forever start x.js a", "node x.js a"},
	    {"npx forever -o log x.js", ""},
	    {"npx nest start", ""},
	    {"npx cross-env A=1 B='c d' nodemon x.js",
	        "node x.js (with A = 1, B = c d under [env:APP])"},
	    {"npx env-cmd -f x node x.js", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].command, "node --run") != 0)
			comes_to(rows[i].command, rows[i].line);
	is_kind(FOLLOW_NODE, "node --run", NULL); /* it says so itself */
	(void)put("dist/main.js", "");
	comes_to("npx nest start --watch", "node dist/main.js");
	(void)put("index.js", "");
	comes_to("nodemon", "node index.js");
	scripts("\"start\":\"node start.js\",\"z\":\"node z.js\"");
	comes_to("nodemon", "node start.js");
	comes_to("pm2 start npm --name y -- run z", "node z.js");
	(void)put("package.json", "{\"main\":\"lib/main.js\"}");
	comes_to("nodemon --delay 1", "node lib/main.js");
}
END_TEST

START_TEST(without_memory_it_says_so_or_nothing)
{
	char *argv[] = {"npm", "run", "again", NULL};

	install("foo", "foo/bin/x.js");
	scripts("\"again\":\"A=1 npm run dev\",\"dev\":\"nodemon --exec foo -V x.js\"");
	for (unsigned long n = 1;; n++) {
		struct trail t = {.files = &files_of_system, .directory = directory};
		struct str line = {0};
		enum follow kind;
		bool over;

		mem_fail_at(n, 1);
		kind = follow(&t, argv, "/usr/bin/true");
		follow_write_line(&t, &line);
		over = mem_calls() < n;
		mem_fail_at(0, 0);
		ck_assert(kind == FOLLOW_LAUNCHER || trail_failed(&t));
		trail_done(&t);
		if (over)
			ck_assert_str_eq(str_text(&line), "node node_modules/foo/bin/x.js x.js "
			                                  "(with A = 1 under [env:APP])");
		str_free(&line);
		if (over)
			break;
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("follow");
	Suite *suite = suite_create("follow");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, support_teardown);
	tcase_add_test(t, node_is_known_by_its_name);
	tcase_add_test(t, node_is_known_by_the_first_line);
	tcase_add_test(t, installed_launchers_are_known_by_their_place);
	tcase_add_test(t, namesakes_are_left_alone);
	tcase_add_test(t, scripts_are_followed);
	tcase_add_test(t, start_without_a_script_is_server_js);
	tcase_add_test(t, broken_packages_say_nothing);
	tcase_add_test(t, commands_of_packages_are_found);
	tcase_add_test(t, commands_are_found_above);
	tcase_add_test(t, launchers_are_taken_off);
	tcase_add_test(t, without_memory_it_says_so_or_nothing);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
