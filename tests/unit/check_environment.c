/*
 * environment: what a worker inherits, what it never does, and who has the last word.
 */
#include <check.h>
#include <stdlib.h>

#include "loop/environment.h"

static char *from[] = {
    "PATH=/bin",
    "HOME=/root",
    "LC_ALL=C",
    "SECRET=1",
    "NOTIFY_SOCKET=/x",
    "LISTEN_FDS=3",
    "BROOD_SLOT=9",
    "NODE_CHANNEL_FD=3",
    "LD_PRELOAD=evil.so",
    "nonsense",
    NULL,
};

static struct environment env;

static void
make(const struct conf_app *conf, const struct cred_user *user)
{
	ck_assert_int_eq(environment_make(conf, from, user, &env), 0);
}

START_TEST(clean_environment_keeps_only_what_is_listed)
{
	struct conf_app conf = {0};

	make(&conf, NULL);
	ck_assert_str_eq(environment_get(&env, "PATH"), "/bin");
	ck_assert_str_eq(environment_get(&env, "HOME"), "/root");
	ck_assert_str_eq(environment_get(&env, "LC_ALL"), "C");
	ck_assert_ptr_null(environment_get(&env, "SECRET"));
	ck_assert_ptr_null(environment_get(&env, "LD_PRELOAD"));
	ck_assert_uint_eq(env.len, 3);
}
END_TEST

/* X5 */
START_TEST(inherited_environment_loses_what_was_meant_for_the_master)
{
	struct conf_app conf = {.inherit_env = true};

	make(&conf, NULL);
	ck_assert_str_eq(environment_get(&env, "SECRET"), "1");
	ck_assert_ptr_null(environment_get(&env, "NOTIFY_SOCKET"));
	ck_assert_ptr_null(environment_get(&env, "LISTEN_FDS"));
	ck_assert_ptr_null(environment_get(&env, "BROOD_SLOT"));
	ck_assert_ptr_null(environment_get(&env, "NODE_CHANNEL_FD"));
}
END_TEST

START_TEST(what_another_master_told_its_worker_is_not_inherited_but_may_be_configured)
{
	char *strays[] = {"EINHORN_FD_0=6", "EINHORN_FDS=6 7", "SERVER_STARTER_PORT=80=3",
	    "UNICORN_FD=5", "GUNICORN_FD=5", "PUMA_INHERIT_0=5:tcp://*:80", "NGINX=6;",
	    "NODE_APP_INSTANCE=1", "pm_id=4", "NODE_ENV=production", "NODE_OPTIONS=--no-warnings",
	    "EINHORN=1", "name=me", "PM2_HOME=/pm2", NULL};
	struct conf_env vars[] = {{"UNICORN_FD", "3"}};
	struct conf_app conf = {.inherit_env = true, .env = vars, .env_len = 1};

	ck_assert_int_eq(environment_make(&conf, strays, NULL, &env), 0);
	ck_assert_str_eq(environment_get(&env, "UNICORN_FD"), "3");
	ck_assert_str_eq(environment_get(&env, "NODE_ENV"), "production");
	ck_assert_str_eq(environment_get(&env, "NODE_OPTIONS"), "--no-warnings");
	ck_assert_str_eq(environment_get(&env, "EINHORN"), "1");
	ck_assert_str_eq(environment_get(&env, "name"), "me");
	ck_assert_str_eq(environment_get(&env, "PM2_HOME"), "/pm2");
	ck_assert_uint_eq(env.len, 7); /* and PATH */
}
END_TEST

START_TEST(clean_environment_of_pm2_programs_has_its_home)
{
	char *master[] = {"PM2_HOME=/pm2", "PM2_USAGE=CLI", NULL};
	struct conf_app conf = {.compat = COMPAT_PM2};

	ck_assert_int_eq(environment_make(&conf, master, NULL, &env), 0);
	ck_assert_str_eq(environment_get(&env, "PM2_HOME"), "/pm2");
	ck_assert_ptr_null(environment_get(&env, "PM2_USAGE"));
}
END_TEST

START_TEST(user_and_configuration_overrule_in_that_order)
{
	struct conf_env vars[] = {{"USER", "me"}, {"EXTRA", "a=b"}, {"LISTEN_PID", "1"}};
	struct conf_app conf = {.env = vars, .env_len = 3};
	struct cred_user user = {.name = "www", .home = "/srv", .shell = "/bin/sh"};

	make(&conf, &user);
	ck_assert_str_eq(environment_get(&env, "HOME"), "/srv");
	ck_assert_str_eq(environment_get(&env, "LOGNAME"), "www");
	ck_assert_str_eq(environment_get(&env, "USER"), "me");
	ck_assert_str_eq(environment_get(&env, "EXTRA"), "a=b");
	ck_assert_ptr_null(environment_get(&env, "LISTEN_PID"));
}
END_TEST

START_TEST(a_path_is_always_there)
{
	char *none[] = {NULL};
	struct conf_app conf = {0};

	ck_assert_int_eq(environment_make(&conf, none, NULL, &env), 0);
	ck_assert_ptr_nonnull(environment_get(&env, "PATH"));
	ck_assert_ptr_null(env.vars[env.len]);
}
END_TEST

START_TEST(setting_again_replaces)
{
	struct environment e = {0};

	for (int i = 0; i < 100; i++)
		environment_set(&e, "A", i == 99 ? "last" : "x");
	environment_set(&e, "AB", "other");
	ck_assert_uint_eq(e.len, 2);
	ck_assert_str_eq(environment_get(&e, "A"), "last");
	environment_done(&e);
}
END_TEST

static void
done(void)
{
	environment_done(&env);
}

int
main(void)
{
	Suite *suite = suite_create("environment");
	TCase *tcase = tcase_create("environment");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, done);
	tcase_add_test(tcase, clean_environment_keeps_only_what_is_listed);
	tcase_add_test(tcase, inherited_environment_loses_what_was_meant_for_the_master);
	tcase_add_test(
	    tcase, what_another_master_told_its_worker_is_not_inherited_but_may_be_configured);
	tcase_add_test(tcase, clean_environment_of_pm2_programs_has_its_home);
	tcase_add_test(tcase, user_and_configuration_overrule_in_that_order);
	tcase_add_test(tcase, a_path_is_always_there);
	tcase_add_test(tcase, setting_again_replaces);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
