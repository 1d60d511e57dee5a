/*
 * What `brood run` and `brood start` write, read back by the master's own parser: command,
 * environment and addresses must arrive byte by byte.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/recipe.h"
#include "cli/verb.h"
#include "conf/conf.h"

static char dir[] = "/tmp/check_cli_recipe.XXXXXX";
static char path[128];

static void
setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/web.conf", dir);
}

static void
teardown(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}

static char *const no_env[] = {NULL};

static struct recipe
recipe_of(char *const *argv)
{
	return (struct recipe){.made_by = "a test",
	    .instance = "web",
	    .app = "web",
	    .directory = "/srv",
	    .argv = argv,
	    .environ = no_env};
}

static struct conf *
load(void)
{
	struct conf_source source = {.path = path, .environ = no_env, .check_owner = true};
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	int r = conf_load(&source, &c, &errs);

	for (size_t i = 0; i < errs.len; i++)
		fprintf(stderr, "%s\n", errs.text[i]);
	conf_errors_free(&errs);
	ck_assert_int_eq(r, 0);
	return c;
}

static struct conf *
through(const struct recipe *r)
{
	struct failure f = {0};
	struct str text = {0};

	ck_assert_int_eq(recipe_add(&text, r, &f), 0);
	ck_assert_int_eq(recipe_write(dir, "web", &text, &f), 0);
	str_free(&text);
	return load();
}

/* As the worker of slot 2 finds it. */
static void
assert_expands_to(const char *stored, const char *wanted)
{
	char *text = conf_expand_worker(stored, "web", 2, 7);

	ck_assert_str_eq(text, wanted);
	free(text);
}

static char *const odd[] = {"", " ", "a b", "  leading", "trailing  ", "tab\there", "line\nbreak",
    "cr\r", "'single'", "\"double\"", "both ' and \"", "back\\slash", "\\", "\\n", ";", "a ; b",
    "#", "# no comment", "$HOME", "${HOME}", "${NOT_SET}", "${X:-y}", "$$", "$$$", "$", "%", "%%",
    "%(slot)", "%(app)", "%%(slot)", "%d", "100%", "a=b", "=", "[app:evil]", "key = value", "-n",
    "--", "\xc3\xa9t\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "\xff\xfe", "\x1b[31m", "\x7f",
    "\xc2\x85", "\x01", "*?[]{}~!&|<>()", "`id`", "$(id)", ":", ",", NULL};

START_TEST(odd_arguments_arrive_as_typed)
{
	size_t n = 0;
	char *argv[2 + sizeof(odd) / sizeof(odd[0])] = {"/bin/echo"};
	struct recipe r = recipe_of(argv);
	struct conf *c;

	for (; odd[n]; n++)
		argv[n + 1] = odd[n];
	c = through(&r);
	ck_assert_uint_eq(c->apps_len, 1);
	for (size_t i = 0; i <= n; i++) {
		ck_assert_ptr_nonnull(c->apps[0]->argv[i]);
		assert_expands_to(c->apps[0]->argv[i], argv[i]);
	}
	ck_assert_ptr_null(c->apps[0]->argv[n + 1]);
	conf_unref(c);
}
END_TEST

static const char *
find_env(const struct conf_app *app, const char *name)
{
	for (size_t i = 0; i < app->env_len; i++)
		if (strcmp(app->env[i].name, name) == 0)
			return app->env[i].value;
	return NULL;
}

START_TEST(odd_environment_arrives_as_it_was)
{
	char *env[1 + sizeof(odd) / sizeof(odd[0])] = {NULL};
	char *argv[] = {"true", NULL}, name[32];
	struct recipe r = recipe_of(argv);
	struct conf *c;
	size_t n = 0;

	for (; odd[n]; n++)
		ck_assert_int_gt(asprintf(&env[n], "V%zu=%s", n, odd[n]), 0);
	r.environ = env;
	c = through(&r);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "V%zu", i);
		ck_assert_ptr_nonnull(find_env(c->apps[0], name));
		assert_expands_to(find_env(c->apps[0], name), odd[i]);
		free(env[i]);
	}
	conf_unref(c);
}
END_TEST

/* One byte strings of each kind, and pairs of those that mean something somewhere. */
START_TEST(every_pair_of_special_bytes_arrives)
{
	static const char special[] = "$%{}()\\\"' ;#=[]\n\r\t:,x\x80";
	size_t n = sizeof(special) - 1;
	char word[4] = {special[_i / (int)n], special[_i % (int)n], 'z', '\0'}, var[8] = "V=";
	char *argv[] = {"true", word, NULL}, *env[] = {var, NULL};
	struct recipe r = recipe_of(argv);
	struct conf *c;

	strcat(var, word);
	r.environ = env;
	c = through(&r);
	assert_expands_to(c->apps[0]->argv[1], word);
	assert_expands_to(find_env(c->apps[0], "V"), word);
	conf_unref(c);
}
END_TEST

START_TEST(what_belongs_to_one_process_is_not_passed_on)
{
	char *argv[] = {"true", NULL};
	char *env[] = {"LISTEN_FDS=1", "LISTEN_PID=5", "NOTIFY_SOCKET=/x", "BROOD_SLOT=3",
	    "KEEP=yes", "KEEP=second", "no equals", "#odd=1", "BASH_FUNC_f%%=() { :; }", NULL};
	struct recipe r = recipe_of(argv);
	struct conf *c;

	r.environ = env;
	c = through(&r);
	ck_assert_uint_eq(c->apps[0]->env_len, 2);
	ck_assert_str_eq(find_env(c->apps[0], "KEEP"), "yes");
	ck_assert_str_eq(find_env(c->apps[0], "BASH_FUNC_f%%"), "() { :; }");
	conf_unref(c);
}
END_TEST

START_TEST(an_over_long_variable_is_left_out_and_counted)
{
	char *big = calloc(1, 70000), *env[] = {big, "A=b", NULL};
	struct str s = {0};

	memset(big, 'x', 69999);
	big[3] = '=';
	ck_assert_uint_eq(recipe_add_env(&s, "web", env), 1);
	ck_assert_str_eq(str_text(&s), "\n[env:web]\nA = \"b\"\n");
	str_free(&s);
	free(big);
}
END_TEST

START_TEST(options_become_keys)
{
	char *argv[] = {"server", NULL};
	const char *listen[] = {"127.0.0.1:8123", "unix:/run/x.sock?mode=0660"};
	const char *set[] = {"stop_timeout=5s", "master.log_level=debug"};
	struct recipe r = recipe_of(argv);
	struct conf *c;

	r.listen = listen;
	r.listen_len = 2;
	r.set = set;
	r.set_len = 2;
	r.workers = "3";
	r.run_dir = "/run/user/1/$x";
	r.directory = "/srv/100%/$HOME/;x #y";
	r.inherit_env = true;
	c = through(&r);
	ck_assert_str_eq(c->master.name, "web");
	ck_assert_str_eq(c->master.run_dir, "/run/user/1/$x");
	ck_assert_int_eq(c->master.log_level, LOG_LEVEL_DEBUG);
	ck_assert_str_eq(c->apps[0]->directory, "/srv/100%/$HOME/;x #y");
	ck_assert_uint_eq(c->apps[0]->workers_n, 3);
	ck_assert_uint_eq(c->apps[0]->listen_len, 2);
	ck_assert_uint_eq(c->apps[0]->stop_timeout_ms, 5000);
	ck_assert(c->apps[0]->inherit_env);
	conf_unref(c);
}
END_TEST

static char *
write_script(char *to, const char *name, const char *text)
{
	FILE *f;

	sprintf(to, "%s/%s", dir, name);
	f = fopen(to, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	return to;
}

/* By its name, by its first line, or because it is said. */
START_TEST(node_says_itself_where_it_listens)
{
	char js[64], py[64];
	char *by_name[] = {"/usr/bin/node20", "x.js", NULL};
	char *by_line[] = {
	    write_script(js, "x.js", "#!/usr/bin/env -S A=B node --no-warnings\n"), NULL};
	char *other[] = {write_script(py, "x.py", "#!/usr/bin/python3\n"), NULL};
	const char *const node[] = {"take=node"}, *const fds[] = {"take=fds"};
	const struct {
		char **argv;
		const char *const *set;
		size_t listen;
	} programs[] = {{by_name, NULL, 0}, {by_line, NULL, 0}, {other, NULL, 1}, {other, node, 0},
	    {by_name, fds, 1}};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct recipe r = recipe_of(programs[i].argv);
		struct conf *c;

		r.set = programs[i].set;
		r.set_len = r.set ? 1 : 0;
		c = through(&r);
		ck_assert_uint_eq(c->apps[0]->listen_len, programs[i].listen);
		conf_unref(c);
	}
	ck_assert_int_eq(unlink(js), 0);
	ck_assert_int_eq(unlink(py), 0);
}
END_TEST

START_TEST(without_an_address_it_is_loopback_8080)
{
	char *argv[] = {"server", NULL};
	struct recipe r = recipe_of(argv);
	struct conf *c = through(&r);

	ck_assert_uint_eq(c->apps[0]->listen_len, 1);
	ck_assert_str_eq(c->apps[0]->listen[0].key, "tcp:127.0.0.1:8080");
	conf_unref(c);
}
END_TEST

START_TEST(a_set_that_could_open_a_section_is_refused)
{
	static const char *const bad[] = {"x", "=y", "nice=1\n[app:evil]", "A=b", "[x]=y",
	    "master.=1", "master.name=x", "command=x"};
	char *argv[] = {"server", NULL};
	const char *set[] = {bad[_i]};
	struct recipe r = recipe_of(argv);
	struct failure f = {0};
	struct str text = {0};

	r.set = set;
	r.set_len = 1;
	ck_assert_int_eq(recipe_add(&text, &r, &f), -1);
	ck_assert_int_eq(f.exit_code, CLI_USAGE);
	failure_done(&f);
	str_free(&text);
}
END_TEST

START_TEST(the_file_is_private_and_replaced_at_one_blow)
{
	struct str text = {0};
	struct failure f = {0};
	struct stat before, after;

	str_add(&text, "first");
	ck_assert_int_eq(recipe_write(dir, "web", &text, &f), 0);
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_uint_eq(before.st_mode & 07777, 0600);
	ck_assert_int_eq(recipe_write(dir, "web", &text, &f), 0);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_uint_ne(before.st_ino, after.st_ino);
	str_free(&text);
}
END_TEST

START_TEST(update_env_replaces_variables_and_keeps_the_rest)
{
	char *argv[] = {"server", "[env:not a section]", NULL},
	     *env[] = {"OLD=1", "BOTH=old", NULL};
	struct recipe r = recipe_of(argv);
	struct failure f = {0};
	struct conf *c;

	r.environ = env;
	conf_unref(through(&r));
	ck_assert_int_eq(setenv("BOTH", "new\nline", 1), 0);
	ck_assert_int_eq(unsetenv("OLD"), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(recipe_update_env(dir, "web", i ? "web" : NULL, &f), 0);
	c = load();
	ck_assert_ptr_null(find_env(c->apps[0], "OLD"));
	ck_assert_str_eq(find_env(c->apps[0], "BOTH"), "new\nline");
	ck_assert_str_eq(c->apps[0]->argv[1], "[env:not a section]");
	conf_unref(c);
	ck_assert_int_eq(recipe_update_env(dir, "web", "api", &f), -1);
	ck_assert_int_eq(f.exit_code, CLI_USAGE);
	ck_assert_int_eq(recipe_update_env(dir, "gone", NULL, &f), -1);
	ck_assert_int_eq(f.exit_code, CLI_FAILED);
	failure_done(&f);
}
END_TEST

START_TEST(a_link_in_place_of_the_file_is_not_followed)
{
	struct failure f = {0};

	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(recipe_update_env(dir, "web", NULL, &f), -1);
	ck_assert_int_eq(f.exit_code, CLI_SYSTEM);
	failure_done(&f);
}
END_TEST

START_TEST(names_come_from_commands)
{
	static const struct {
		const char *command, *name;
	} cases[] = {
	    {"./server", "server"},
	    {"/usr/bin/python3", "python3"},
	    {"node", "node"},
	    {"my server.sh", "my-server.sh"},
	    {"a//", "app"},
	    {"..", "app"},
	    {".", "app"},
	    {".hidden", ".hidden"},
	    {"\xc3\xa9t\xc3\xa9", "-t-"},
	    {"a;b&c", "a-b-c"},
	    {"0123456789012345678901234567890123456789012345678901",
	        "012345678901234567890123456789012345678901234567"},
	};
	char name[64];

	recipe_name_from_command(cases[_i].command, name, sizeof(name));
	ck_assert_str_eq(name, cases[_i].name);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cli_recipe");
	TCase *t = tcase_create("recipe");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, odd_arguments_arrive_as_typed);
	tcase_add_test(t, odd_environment_arrives_as_it_was);
	tcase_add_loop_test(t, every_pair_of_special_bytes_arrives, 0, 22 * 22);
	tcase_add_test(t, what_belongs_to_one_process_is_not_passed_on);
	tcase_add_test(t, an_over_long_variable_is_left_out_and_counted);
	tcase_add_test(t, options_become_keys);
	tcase_add_test(t, without_an_address_it_is_loopback_8080);
	tcase_add_test(t, node_says_itself_where_it_listens);
	tcase_add_loop_test(t, a_set_that_could_open_a_section_is_refused, 0, 8);
	tcase_add_test(t, the_file_is_private_and_replaced_at_one_blow);
	tcase_add_test(t, update_env_replaces_variables_and_keeps_the_rest);
	tcase_add_test(t, a_link_in_place_of_the_file_is_not_followed);
	tcase_add_loop_test(t, names_come_from_commands, 0, 11);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
